internal import Bytes
package import Chance
package import Geo
internal import HeapModule
package import Identity
package import Membership
package import Wire

/// Membership machines on a lossy network, by seed. Hosts do what a node does: what only a peer may say is
/// dropped unless it comes from a peer at its place.
package final class World {
    package struct Host {
        package var machine: Membership
        package var record: NodeRecord
        package var peers: [NodeID: Endpoint] = [:]
        package var persisted: [NodeRecord] = []
        package var isUp = true
        fileprivate var wakesAt = Instant.never
        package var bytesSent = 0
        package var datagramsSent = 0
        /// Events, each worth a look at all invariants at times.
        fileprivate var events = 0
    }

    package struct Packet {
        package let sender: NodeID
        package let source: Endpoint
        package let to: Endpoint
        /// Whom it is meant for: no session leads to anybody else who is there.
        package let receiver: NodeID?
        package let frame: Frame

        package init(sender: NodeID, source: Endpoint, to: Endpoint, receiver: NodeID? = nil, frame: Frame) {
            self.sender = sender
            self.source = source
            self.to = to
            self.receiver = receiver
            self.frame = frame
        }
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
    package static let headByteCount = 44

    package var chance: Chance
    package var lossPercent: Int
    /// One way, at most.
    package var delayMax: Duration = .milliseconds(10)
    package var now = Instant.origin
    package var hosts: [Host] = []
    /// The last final epoch, of all who are up.
    package private(set) var final: Epoch = 0
    /// Hosts have addresses in prefixes of their own, not the loopback's.
    package let isSpread: Bool
    /// The region that a host's card names.
    package var region: ((Int) -> Cell?)?
    /// Two hosts between whom nothing passes.
    package var isCut: ((Int, Int) -> Bool)?
    /// Told of what goes to places where no host is.
    package var elsewhere: ((Packet) -> Void)?
    /// When who lost whom.
    package var losses: [(at: Instant, host: Int, peer: NodeID)] = []
    /// Peers lost for their silence.
    package var silentLosses = 0
    private var agenda = Heap<Due>()
    private var serial = 0
    private var places: [Endpoint: Int] = [:]

    package init(chance: Chance, lossPercent: Int = 0, isSpread: Bool = false) {
        self.chance = chance
        self.lossPercent = lossPercent
        self.isSpread = isSpread
    }

    package static func id(_ index: Int) -> NodeID { NodeID(testing: UInt64(index * 7_919 % 1_000_003 + 1)) }
    package static func endpoint(_ index: Int) -> Endpoint { .loopback(port: UInt16(4_000 + index)) }
    package static func spreadEndpoint(_ index: Int) -> Endpoint {
        Endpoint(ipv4: 0x0A00_0001 + UInt32(index) << 8, port: 4_000)
    }

    package static func record(
        _ index: Int, sequence: UInt64 = 1, epoch: Epoch = 0, endpoint: Endpoint? = nil, region: Cell? = nil
    ) -> NodeRecord {
        NodeRecord(
            node: id(index), sequence: sequence, epoch: epoch, roles: .hotspot,
            endpoints: [endpoint ?? World.endpoint(index)], region: region, version: 1)
    }

    /// Anywhere in a part of the world of some 2,700 km by 2,200 to 3,600 km.
    package static func someRegion(_ index: Int) -> Cell {
        var chance = Chance(seed: UInt64(index))
        let place = Position(
            latitude: 360_000_000 + Int32(chance.below(240_000_000)),
            longitude: -100_000_000 + Int32(chance.below(400_000_000)))!
        return Cell(containing: place, resolution: Cell.regionResolution)
    }

    package func place(_ index: Int) -> Endpoint {
        isSpread ? Self.spreadEndpoint(index) : Self.endpoint(index)
    }

    private func place(of node: NodeID) -> Endpoint {
        hosts.first { $0.record.node == node }?.record.endpoints[0] ?? .loopback(port: 0)
    }

    /// Hosts that all know nobody but the first.
    package func populate(_ count: Int) {
        for index in 0..<count { add(index > 0 ? [(World.id(0), place(0))] : []) }
    }

    package func add(_ bootstrap: [(NodeID, Endpoint)], committee: Set<NodeID> = []) {
        let record = World.record(
            hosts.count, epoch: final, endpoint: place(hosts.count), region: region?(hosts.count))
        places[place(hosts.count)] = hosts.count
        hosts.append(
            Host(
                machine: Membership(
                    record: record, bootstrap: bootstrap, remembered: [], chance: chance.split(), now: now),
                record: record))
        if !committee.isEmpty { handle(.committee(committee), at: hosts.count - 1) }
    }

    /// Starts a host anew from what it persisted, without any list.
    /// - Parameter epoch: The last final one it knows of, if not the network's.
    package func restart(
        _ index: Int, bootstrap: [(NodeID, Endpoint)] = [], remembers: Bool = true, epoch: Epoch? = nil
    ) {
        let record = World.record(
            index, sequence: hosts[index].record.sequence + 1 << NodeRecord.changeBits, epoch: epoch ?? final,
            endpoint: place(index), region: region?(index))
        hosts[index].machine = Membership(
            record: record, bootstrap: bootstrap, remembered: remembers ? hosts[index].persisted : [],
            chance: chance.split(), now: now)
        hosts[index].record = record
        hosts[index].peers = [:]
        hosts[index].isUp = true
        hosts[index].wakesAt = .never
    }

    // MARK: Time

    /// A host learns of all epochs that became final without it.
    package func catchUp(_ index: Int) {
        let known = hosts[index].record.epoch
        for epoch in stride(from: known + 1, through: final, by: 1) { handle(.final(epoch), at: index) }
    }

    /// Another epoch is final, for all who are up; in the order of hosts, at once.
    package func finalise() {
        final += 1
        for index in hosts.indices where hosts[index].isUp { handle(.final(final), at: index) }
    }

    package func run(for duration: Duration) {
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

    package func run(atMost duration: Duration, until isDone: (World) -> Bool) -> Bool {
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

    package func handle(_ event: Membership.Event, at index: Int) {
        var actions: [Membership.Action] = []
        hosts[index].machine.handle(event, at: now, actions: &actions)
        for action in actions {
            switch action {
            case .located, .forger: break
            case .renew:
                let known = hosts[index].record
                hosts[index].record = World.record(
                    index, sequence: known.sequence + 1, epoch: final, endpoint: known.endpoints[0],
                    region: region?(index))
                handle(.card(hosts[index].record), at: index)
            case .send(let node, let endpoint, let frame): send(frame, from: index, to: endpoint, node)
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

    private func send(_ frame: Frame, from index: Int, to endpoint: Endpoint, _ node: NodeID) {
        hosts[index].bytesSent += Self.headByteCount + frame.encoded().count
        hosts[index].datagramsSent += 1
        if let isCut, let other = places[endpoint], isCut(index, other) { return }
        send(
            Packet(
                sender: World.id(index), source: hosts[index].record.endpoints[0], to: endpoint,
                receiver: node,
                frame: frame))
    }

    /// From whoever, with the network's chances; from one who is near by, at once and for certain.
    package func send(_ packet: Packet, isNear: Bool = false) {
        if isNear { return add(.packet(packet), at: now + .milliseconds(1)) }
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
        case .nearby(let cell): handle(.nearby(cell, from: sender, source), at: index)
        case .indirectPing(let target, let place, let nonce):
            handle(.indirectPing(target, place, nonce: nonce, from: sender, source), at: index)
        case .indirectPong(let nonce, let isAlive):
            handle(.indirectPong(nonce: nonce, isAlive: isAlive, from: sender, source), at: index)
        case .goodbye: if isPeer { handle(.goodbye(from: sender), at: index) }
        case .message, .chunk, .have, .want, .reconciliation: break
        }
    }

    // MARK: Questions

    package func knows(_ index: Int, _ other: Int) -> Bool {
        hosts[index].machine.records.contains { $0.node == World.id(other) }
    }

    package var allKnowAll: Bool {
        hosts.allSatisfy { $0.machine.records.count == hosts.count - 1 }
    }

    package var isFullMesh: Bool { hosts.allSatisfy { $0.peers.count == hosts.count - 1 } }

    /// Whether every host that is up reaches every other over pairs who hold each other for peers.
    package var isOneMesh: Bool { componentCount == 1 }

    package var componentCount: Int {
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
    package var viewSizes: (min: Int, mean: Double, max: Int) {
        let sizes = hosts.filter(\.isUp).map(\.peers.count)
        return (sizes.min() ?? 0, Double(sizes.reduce(0, +)) / Double(max(1, sizes.count)), sizes.max() ?? 0)
    }

    /// Octets and datagrams that a host sends in a second, on average, while the world runs on for a while.
    package func traffic(over duration: Duration) -> (bytes: Double, datagrams: Double) {
        for index in hosts.indices { (hosts[index].bytesSent, hosts[index].datagramsSent) = (0, 0) }
        run(for: duration)
        let hostSeconds = Double(duration.milliseconds) / 1_000 * Double(hosts.count)
        return (
            Double(hosts.map(\.bytesSent).reduce(0, +)) / hostSeconds,
            Double(hosts.map(\.datagramsSent).reduce(0, +)) / hostSeconds
        )
    }
}
