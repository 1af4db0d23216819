internal import Baseline
internal import Chance
internal import Dispatch
internal import Identity
internal import Node
internal import Wire

/// Many nodes in one process, each at a socket of its own; time is the machine's.
///
/// On one thread, or on two where nobody else looks on: every other node is on the other thread, which stands still while what
/// is looked for is looked for. What a network loses is lost where it arrives, by chance.
final class Fleet {
    let world: FleetWorld
    /// When the first node began.
    let startedAt: Instant
    private let shards: [Shard]

    /// Starts the nodes one after the other, as fast as can be; the first few are everybody's bootstrap list.
    init(
        _ world: FleetWorld, bootstrap: Int = 3, lossPercent: Int = 0, threads: Int = 1, seed: UInt64
    ) throws {
        self.world = world
        self.lossPercent = lossPercent
        var chance = Chance(seed: seed)
        shards = (0..<threads).map { _ in Shard(chance: chance.split()) }
        let sockets = world.keys.map { _ in Socket() }
        let list = (0..<bootstrap).map { (world.keys[$0].nodeID, sockets[$0].endpoint) }
        startedAt = Clock.now
        for (number, socket) in sockets.enumerated() {
            let id = world.keys[number].nodeID
            let host = try FleetHost(
                number: number, of: world, at: socket, bootstrap: list.filter { $0.0 != id },
                seed: chance.bits())
            shards[number % threads].add(host)
        }
        noteLoss()
    }

    /// Of a hundred datagrams.
    var lossPercent: Int {
        didSet { noteLoss() }
    }

    private func noteLoss() {
        for shard in shards { shard.lossPercent = lossPercent }
    }

    /// Nil where one was ended.
    subscript(number: Int) -> FleetHost? { shards[number % shards.count].hosts[number / shards.count] }

    var hosts: [FleetHost?] { world.keys.indices.map { self[$0] } }

    var living: [FleetHost] { hosts.compactMap { $0 } }

    /// The power of a node goes out: it says no word more.
    func end(_ number: Int) { shards[number % shards.count].end(number / shards.count) }

    /// Runs until the time is over, or what is looked for now and then has come; true then.
    @discardableResult
    func run(
        for patience: Duration, lookingEvery period: Duration = .milliseconds(10),
        until isDone: () -> Bool = { false }
    ) -> Bool {
        let end = Clock.now + patience
        while true {
            if isDone() { return true }
            let now = Clock.now
            if now >= end { return false }
            turns(until: min(now + period, end))
        }
    }

    /// All that is due or comes until then.
    private func turns(until end: Instant) {
        guard shards.count > 1 else { return shards[0].turns(until: end) }
        // Each shard is one thread's until all are back.
        nonisolated(unsafe) let shards = shards
        unsafe DispatchQueue.concurrentPerform(iterations: shards.count) { number in
            // Any core will do, but not all the same.
            _ = baseline_pin(CInt(number))
            unsafe shards[number].turns(until: end)
        }
    }

    /// What is due, and whatever has come by now: one look at each.
    func turn() {
        for shard in shards { shard.turn(until: Clock.now) }
    }

    /// What all nodes have sent so far.
    var traffic: Traffic {
        living.reduce(into: Traffic()) { $0.add($1.socket) }
    }

    /// The sum of a counter over all nodes.
    func count(_ name: String) -> Int {
        living.reduce(0) { sum, host in
            sum
                + (host.node.counters + host.carrier.counters).reduce(0) {
                    $0 + ($1.0 == name ? Int($1.1) : 0)
                }
        }
    }
}

struct Traffic {
    /// IPv4 and UDP.
    static let headerOctets = 28

    private(set) var datagrams = 0
    /// Of what UDP carries.
    private(set) var octets = 0
    private(set) var handshakeOctets = 0

    mutating func add(_ socket: Socket) {
        datagrams += socket.sentDatagrams
        octets += socket.sentOctets
        handshakeOctets += socket.handshakeOctets
    }

    /// What sessions carry, with what they add.
    var dataOctets: Int { octets - handshakeOctets }

    var withHeaders: Int { octets + datagrams * Self.headerOctets }

    static func - (left: Traffic, right: Traffic) -> Traffic {
        var left = left
        left.datagrams -= right.datagrams
        left.octets -= right.octets
        left.handshakeOctets -= right.handshakeOctets
        return left
    }
}
