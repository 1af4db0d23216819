internal import Chance
internal import Identity
internal import Node
internal import Wire

/// Many nodes in one process, each at a socket of its own, on one thread; time is the machine's.
///
/// What a network loses is lost where it arrives, by chance.
final class Fleet {
    let world: FleetWorld
    /// Nil where one was ended.
    private(set) var hosts: [FleetHost?] = []
    /// When the first node began.
    let startedAt: Instant
    /// Of a hundred datagrams.
    var lossPercent: Int
    private let poll = Poll()
    private let batch = Batch()
    private var chance: Chance

    /// Starts the nodes one after the other, as fast as can be; the first few are everybody's bootstrap list.
    init(_ world: FleetWorld, bootstrap: Int = 3, lossPercent: Int = 0, seed: UInt64) throws {
        self.world = world
        self.lossPercent = lossPercent
        chance = Chance(seed: seed)
        let sockets = world.keys.map { _ in Socket() }
        let list = (0..<bootstrap).map { (world.keys[$0].nodeID, sockets[$0].endpoint) }
        startedAt = Clock.now
        for (number, socket) in sockets.enumerated() {
            let id = world.keys[number].nodeID
            hosts.append(
                try FleetHost(
                    number: number, of: world, at: socket, bootstrap: list.filter { $0.0 != id },
                    seed: chance.bits()))
            poll.add(socket, tag: number)
        }
    }

    var living: [FleetHost] { hosts.compactMap { $0 } }

    /// The power of a node goes out: it says no word more.
    func end(_ number: Int) { hosts[number] = nil }

    /// Runs until the time is over, or what is looked for now and then has come; true then.
    @discardableResult
    func run(
        for patience: Duration, lookingEvery period: Duration = .milliseconds(10),
        until isDone: () -> Bool = { false }
    ) -> Bool {
        let end = Clock.now + patience
        var look = Instant.origin
        while true {
            let now = Clock.now
            if look <= now {
                if isDone() { return true }
                look = Clock.now + period
            }
            if now >= end { return false }
            turn(until: min(look, end))
        }
    }

    /// What is due, and whatever comes until the first of it, or nothing until `end`.
    func turn(until end: Instant) {
        var next = end
        for host in hosts {
            guard let host else { continue }
            if host.wakesAt <= Clock.now { host.wake() }
            next = min(next, host.wakesAt)
        }
        for number in poll.wait(next - Clock.now) { drain(number) }
    }

    /// One call of the system, so that no node keeps all others waiting.
    private func drain(_ number: Int) {
        guard let host = hosts[number] else { return }
        batch.receive(from: host.socket) { octets, source in
            guard !chance.happens(lossPercent, in: 100) else { return }
            host.receive(octets, from: source)
        }
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
