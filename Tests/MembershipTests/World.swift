import Bytes
import Chance
import HeapModule
import Identity
import Membership
import Wire

/// Membership machines on a lossy network, by seed. Hosts do what a node does: what only a peer may say is
/// dropped unless it comes from a peer at its place.
final class World {
    struct Host {
        var machine: Membership
        var record: NodeRecord
        var peers: [NodeID: Endpoint] = [:]
        var persisted: [NodeRecord] = []
        var isUp = true
        fileprivate var wakesAt = Instant.never
        var bytesSent = 0
        var datagramsSent = 0
        /// Events, each worth a look at all invariants at times.
        fileprivate var events = 0
    }

    struct Packet {
        let sender: NodeID
        let source: Endpoint
        let to: Endpoint
        let frame: Frame
    }

    private struct Due: Comparable {
        enum What {
            case packet(Packet)
            case wake(Int)
        }

        let at: Instant
        let serial: Int
        let what: What

        static func < (left: Due, right: Due) -> Bool { (left.at, left.serial) < (right.at, right.serial) }
        static func == (left: Due, right: Due) -> Bool { left.serial == right.serial }
    }

    /// Before the frames of a datagram.
    static let headByteCount = 44

    var chance: Chance
    var lossPercent: Int
    /// One way, at most.
    var delayMax: Duration = .milliseconds(10)
    var now = Instant.origin
    var hosts: [Host] = []
    /// Hosts have addresses in prefixes of their own, not the loopback's.
    let isSpread: Bool
    /// Two hosts between whom nothing passes.
    var isCut: ((Int, Int) -> Bool)?
    /// Told of what goes to places where no host is.
    var elsewhere: ((Packet) -> Void)?
    /// When who lost whom.
    var losses: [(at: Instant, host: Int, peer: NodeID)] = []
    /// Peers lost for their silence.
    var silentLosses = 0
    private var agenda = Heap<Due>()
    private var serial = 0
    private var places: [Endpoint: Int] = [:]

    init(chance: Chance, lossPercent: Int = 0, isSpread: Bool = false) {
        self.chance = chance
        self.lossPercent = lossPercent
        self.isSpread = isSpread
    }

    static func id(_ index: Int) -> NodeID { NodeID(testing: UInt64(index * 7_919 % 1_000_003 + 1)) }
    static func endpoint(_ index: Int) -> Endpoint { .loopback(port: UInt16(4_000 + index)) }
    static func spreadEndpoint(_ index: Int) -> Endpoint {
        Endpoint(ipv4: 0x0A00_0001 + UInt32(index) << 8, port: 4_000)
    }

    static func record(_ index: Int, sequence: UInt64 = 1, endpoint: Endpoint? = nil) -> NodeRecord {
        NodeRecord(
            node: id(index), sequence: sequence, roles: .hotspot,
            endpoints: [endpoint ?? World.endpoint(index)], region: nil, version: 1)
    }

    func place(_ index: Int) -> Endpoint { isSpread ? Self.spreadEndpoint(index) : Self.endpoint(index) }

    private func place(of node: NodeID) -> Endpoint {
        hosts.first { $0.record.node == node }?.record.endpoints[0] ?? .loopback(port: 0)
    }

    /// Hosts that all know nobody but the first.
    func populate(_ count: Int) {
        for index in 0..<count { add(index > 0 ? [(World.id(0), place(0))] : []) }
    }

    func add(_ bootstrap: [(NodeID, Endpoint)], committee: Set<NodeID> = []) {
        let record = World.record(hosts.count, endpoint: place(hosts.count))
        places[place(hosts.count)] = hosts.count
        hosts.append(
            Host(
                machine: Membership(
                    record: record, bootstrap: bootstrap, remembered: [], chance: chance.split(), now: now),
                record: record))
        if !committee.isEmpty { handle(.committee(committee), at: hosts.count - 1) }
    }

    /// Starts a host anew from what it persisted, without any list.
    func restart(_ index: Int, bootstrap: [(NodeID, Endpoint)] = [], remembers: Bool = true) {
        let record = World.record(
            index, sequence: hosts[index].record.sequence + 1 << NodeRecord.changeBits, endpoint: place(index)
        )
        hosts[index].machine = Membership(
            record: record, bootstrap: bootstrap, remembered: remembers ? hosts[index].persisted : [],
            chance: chance.split(), now: now)
        hosts[index].record = record
        hosts[index].peers = [:]
        hosts[index].isUp = true
        hosts[index].wakesAt = .never
    }

    // MARK: Time

    func run(for duration: Duration) {
        for index in hosts.indices where hosts[index].isUp { arm(index) }
        let end = now + duration
        while let next = agenda.min, next.at <= end {
            agenda.removeMin()
            now = max(now, next.at)
            switch next.what {
            case .packet(let packet): receive(packet)
            case .wake(let index):
                guard hosts[index].wakesAt == next.at else { continue }
                hosts[index].wakesAt = .never
                if hosts[index].isUp { handle(.woke, at: index) }
            }
        }
        now = end
    }

    func run(atMost duration: Duration, until isDone: (World) -> Bool) -> Bool {
        let end = now + duration
        while now < end {
            if isDone(self) { return true }
            run(for: .milliseconds(100))
        }
        return isDone(self)
    }

    private func arm(_ index: Int) {
        let at = max(hosts[index].machine.deadline, now)
        guard at < .never, at != hosts[index].wakesAt else { return }
        hosts[index].wakesAt = at
        add(.wake(index), at: at)
    }

    private func add(_ what: Due.What, at instant: Instant) {
        serial += 1
        agenda.insert(Due(at: instant, serial: serial, what: what))
    }

    func handle(_ event: Membership.Event, at index: Int) {
        var actions: [Membership.Action] = []
        hosts[index].machine.handle(event, at: now, actions: &actions)
        for action in actions {
            switch action {
            case .located: break
            case .send(_, let endpoint, let frame): send(frame, from: index, to: endpoint)
            case .connected(let peer, let endpoint):
                precondition(hosts[index].peers.updateValue(endpoint, forKey: peer) == nil)
            case .disconnected(let peer):
                precondition(hosts[index].peers.removeValue(forKey: peer) != nil)
                losses.append((now, index, peer))
                if event == .woke, actions.contains(where: { $0 == .send(peer, place(of: peer), .goodbye) }) {
                    silentLosses += 1
                }
            case .persist(let records): hosts[index].persisted = records
            }
        }
        hosts[index].events += 1
        if hosts[index].events % 64 == 0 {
            hosts[index].machine.assertInvariants()
            precondition(hosts[index].machine.peers == hosts[index].peers.keys.sorted())
        }
        arm(index)
    }

    // MARK: Network

    private func send(_ frame: Frame, from index: Int, to endpoint: Endpoint) {
        hosts[index].bytesSent += Self.headByteCount + frame.encoded().count
        hosts[index].datagramsSent += 1
        if let isCut, let other = places[endpoint], isCut(index, other) { return }
        send(
            Packet(
                sender: World.id(index), source: hosts[index].record.endpoints[0], to: endpoint, frame: frame)
        )
    }

    /// From whoever, with the network's chances.
    func send(_ packet: Packet) {
        guard !chance.happens(lossPercent, in: 100) else { return }
        add(.packet(packet), at: now + chance.duration(in: .milliseconds(1)...delayMax))
    }

    private func receive(_ packet: Packet) {
        guard let index = places[packet.to] else {
            elsewhere?(packet)
            return
        }
        guard hosts[index].isUp else { return }
        let (sender, source) = (packet.sender, packet.source)
        let isPeer = hosts[index].peers[sender] == source
        if isPeer { handle(.heard(from: sender, source), at: index) }
        switch packet.frame {
        case .records(let records, let asks):
            handle(.records(records, asks: asks, from: sender, source), at: index)
        case .dial(let record, let isUrgent):
            handle(.dial(record, isUrgent: isUrgent, from: sender, source), at: index)
        case .welcome(let records): handle(.welcome(records, from: sender, source), at: index)
        case .refusal(let records): handle(.refusal(records, from: sender, source), at: index)
        case .ping(let nonce): handle(.ping(nonce: nonce, from: sender, source), at: index)
        case .pong(let nonce): handle(.pong(nonce: nonce, from: sender, source), at: index)
        case .probe(let nonce): handle(.probe(nonce: nonce, from: sender, source), at: index)
        case .indirectPing(let target, let place, let nonce):
            handle(.indirectPing(target, place, nonce: nonce, from: sender, source), at: index)
        case .indirectPong(let nonce, let isAlive):
            handle(.indirectPong(nonce: nonce, isAlive: isAlive, from: sender, source), at: index)
        case .goodbye: if isPeer { handle(.goodbye(from: sender), at: index) }
        case .message, .chunk, .have, .want, .reconciliation: break
        }
    }

    // MARK: Questions

    func knows(_ index: Int, _ other: Int) -> Bool {
        hosts[index].machine.records.contains { $0.node == World.id(other) }
    }

    var allKnowAll: Bool {
        hosts.allSatisfy { $0.machine.records.count == hosts.count - 1 }
    }

    var isFullMesh: Bool { hosts.allSatisfy { $0.peers.count == hosts.count - 1 } }

    /// Whether every host that is up reaches every other over pairs who hold each other for peers.
    var isOneMesh: Bool { componentCount == 1 }

    var componentCount: Int {
        let indices = Dictionary(
            uniqueKeysWithValues: hosts.indices.map { (World.id($0), $0) })
        var reached = Set<Int>()
        var components = 0
        for start in hosts.indices where hosts[start].isUp && !reached.contains(start) {
            components += 1
            reached.insert(start)
            var edge = [start]
            while let index = edge.popLast() {
                for peer in hosts[index].peers.keys {
                    guard let other = indices[peer], hosts[other].isUp, !reached.contains(other),
                        hosts[other].peers[World.id(index)] != nil
                    else { continue }
                    reached.insert(other)
                    edge.append(other)
                }
            }
        }
        return components
    }

    /// Fewest, mean and most peers of those who are up.
    var viewSizes: (min: Int, mean: Double, max: Int) {
        let sizes = hosts.filter(\.isUp).map(\.peers.count)
        return (sizes.min() ?? 0, Double(sizes.reduce(0, +)) / Double(max(1, sizes.count)), sizes.max() ?? 0)
    }

    /// Octets and datagrams that a host sends in a second, on average, while the world runs on for a while.
    func traffic(over duration: Duration) -> (bytes: Double, datagrams: Double) {
        for index in hosts.indices { (hosts[index].bytesSent, hosts[index].datagramsSent) = (0, 0) }
        run(for: duration)
        let hostSeconds = Double(duration.milliseconds) / 1_000 * Double(hosts.count)
        return (
            Double(hosts.map(\.bytesSent).reduce(0, +)) / hostSeconds,
            Double(hosts.map(\.datagramsSent).reduce(0, +)) / hostSeconds
        )
    }
}
