import Chance
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
    }

    private struct Packet {
        let at: Instant
        let serial: Int
        let from: Int
        let to: Endpoint
        let frame: Frame
    }

    var chance: Chance
    let lossPercent: Int
    var now = Instant.origin
    var hosts: [Host] = []
    private var packets: [Packet] = []
    private var serial = 0

    init(chance: Chance, lossPercent: Int = 0) {
        self.chance = chance
        self.lossPercent = lossPercent
    }

    static func id(_ index: Int) -> NodeID { NodeID(testing: UInt64(index * 7919 % 1_009 + 1)) }
    static func endpoint(_ index: Int) -> Endpoint { .loopback(port: UInt16(4_000 + index)) }

    static func record(_ index: Int, sequence: UInt64 = 1, endpoint: Endpoint? = nil) -> NodeRecord {
        NodeRecord(
            node: id(index), sequence: sequence, roles: .hotspot,
            endpoints: [endpoint ?? World.endpoint(index)], region: nil, version: 1)
    }

    /// Hosts that all know nobody but the first.
    func populate(_ count: Int) {
        for index in 0..<count { add(index > 0 ? [(World.id(0), World.endpoint(0))] : []) }
    }

    func add(_ bootstrap: [(NodeID, Endpoint)]) {
        let record = World.record(hosts.count)
        hosts.append(
            Host(
                machine: Membership(
                    record: record, bootstrap: bootstrap, remembered: [], chance: chance.split(), now: now),
                record: record))
    }

    /// Starts a host anew from what it persisted, without any list.
    func restart(_ index: Int) {
        let record = World.record(index, sequence: hosts[index].record.sequence + 1)
        hosts[index].machine = Membership(
            record: record, bootstrap: [], remembered: hosts[index].persisted, chance: chance.split(),
            now: now)
        hosts[index].record = record
        hosts[index].peers = [:]
        hosts[index].isUp = true
    }

    func run(for duration: Duration) {
        let end = now + duration
        while true {
            let packet = packets.min { ($0.at, $0.serial) < ($1.at, $1.serial) }
            var waker: (at: Instant, index: Int)?
            for (index, host) in hosts.enumerated() where host.isUp {
                let deadline = max(host.machine.deadline, now)
                if deadline < waker?.at ?? .never { waker = (deadline, index) }
            }
            let next = min(packet?.at ?? .never, waker?.at ?? .never)
            guard next <= end else { break }
            now = next
            if let packet, packet.at == next {
                packets.removeAll { $0.serial == packet.serial }
                receive(packet)
            } else {
                handle(.woke, at: waker!.index)
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

    func handle(_ event: Membership.Event, at index: Int) {
        var actions: [Membership.Action] = []
        hosts[index].machine.handle(event, at: now, actions: &actions)
        for action in actions {
            switch action {
            case .send(let endpoint, let frame): send(frame, from: index, to: endpoint)
            case .connected(let peer, let endpoint):
                precondition(hosts[index].peers.updateValue(endpoint, forKey: peer) == nil)
            case .disconnected(let peer):
                precondition(hosts[index].peers.removeValue(forKey: peer) != nil)
            case .persist(let records): hosts[index].persisted = records
            }
        }
    }

    private func send(_ frame: Frame, from index: Int, to endpoint: Endpoint) {
        guard !chance.happens(lossPercent, in: 100) else { return }
        serial += 1
        let delay = chance.duration(in: .milliseconds(1)...(.milliseconds(10)))
        packets.append(Packet(at: now + delay, serial: serial, from: index, to: endpoint, frame: frame))
    }

    private func receive(_ packet: Packet) {
        guard let index = hosts.firstIndex(where: { $0.isUp && $0.record.endpoints.contains(packet.to) })
        else { return }
        let sender = World.id(packet.from)
        let source = hosts[packet.from].record.endpoints[0]
        let isPeer = hosts[index].peers[sender] == source
        if isPeer { handle(.heard(from: sender, source), at: index) }
        switch packet.frame {
        case .records(let records, let asks):
            handle(.records(records, asks: asks, from: sender, source), at: index)
        case .ping(let nonce): handle(.ping(nonce: nonce, from: sender, source), at: index)
        case .pong(let nonce): handle(.pong(nonce: nonce, from: sender, source), at: index)
        case .goodbye: if isPeer { handle(.goodbye(from: sender), at: index) }
        default: preconditionFailure("membership never sends this")
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

    /// Whether every host reaches every other over pairs who hold each other for peers.
    var isOneMesh: Bool {
        var reached: Set<Int> = [0]
        var edge = [0]
        while let index = edge.popLast() {
            for other in hosts.indices where !reached.contains(other) {
                guard hosts[index].peers[World.id(other)] != nil, hosts[other].peers[World.id(index)] != nil
                else { continue }
                reached.insert(other)
                edge.append(other)
            }
        }
        return reached.count == hosts.count
    }
}
