import Bytes
import Chance
import Identity
import Node
import Session
import TestKit
import Testing
import Wire

/// Carriers behind translators of addresses, and a network that takes ten milliseconds.
private final class Valley {
    enum Kind {
        case open
        /// One port for all, and only what comes from where something was sent to is let in.
        case answersOnly
        /// The same, but a port for each place.
        case symmetric
    }

    static let network = Digest(of: Array("a network of tests".utf8))

    private(set) var carriers: [Carrier] = []
    private(set) var ids: [NodeID] = []
    var kinds: [Kind] = []
    private let crowd: Set<Int>
    var now = Instant.origin
    var heard: [[[UInt8]]] = []
    var lost: [[NodeID]] = []
    /// What each translator remembers, by the place sent to: the port it is seen at.
    private var ports: [[Endpoint: UInt16]] = []
    private var packets: [(at: Instant, bytes: [UInt8], from: Endpoint, to: Endpoint)] = []
    /// Datagrams that left each, and of them initiations.
    private(set) var sent: [Int] = []
    private(set) var calls: [Int] = []

    /// - Parameter edges: Who is no validator.
    /// - Parameter crowd: Who has an address in one and the same prefix.
    init(_ kinds: [Kind], edges: Set<Int> = [], crowd: Set<Int> = []) {
        var chance = Chance(seed: 5)
        self.kinds = kinds
        self.crowd = crowd
        for index in kinds.indices {
            let roles: Roles = edges.contains(index) ? .hotspot : [.hotspot, .validator]
            let seed = SecretSeed(octets: chance.octets(32).octetBytes)
            let key = seed.signingKey
            let card = NodeRecord(
                node: key.nodeID, sequence: 1, roles: roles, endpoints: [], region: nil, version: 1
            ).signed(by: key, network: Self.network)
            ids.append(key.nodeID)
            carriers.append(
                Carrier(
                    key: seed.exchangeKey, record: card, network: Self.network,
                    settings: Session.Settings(), secrets: .simulated(chance.split()),
                    wallNanoseconds: 1_700_000_000_000_000_000, now: now))
            heard.append([])
            lost.append([])
            ports.append([:])
            sent.append(0)
            calls.append(0)
        }
    }

    func place(_ index: Int, port: UInt16 = 4_000) -> Endpoint {
        let address: UInt32 =
            crowd.contains(index) ? 0xC633_6400 + UInt32(index) : 0xC000_0001 + UInt32(index) << 8
        return Endpoint(ipv4: address, port: port)
    }

    private func index(of endpoint: Endpoint) -> Int? {
        kinds.indices.first { place($0).low == endpoint.low && place($0).high == endpoint.high }
    }

    func send(
        _ words: [UInt8], from: Int, to: Int, at place: Endpoint? = nil, mayRelay: Bool = true
    ) {
        let destination = Destination(ids[to], place ?? self.place(to), opens: true, mayRelay: mayRelay)
        carry(.send(words, to: destination), by: from)
    }

    func carry(_ event: Carrier.Event, by index: Int) {
        var actions: [Carrier.Action] = []
        carriers[index].handle(event, at: now, actions: &actions)
        carryOut(actions, of: index)
    }

    func leave(_ index: Int) {
        var actions: [Carrier.Action] = []
        carriers[index].leave(at: now, actions: &actions)
        carryOut(actions, of: index)
    }

    private func carryOut(_ actions: [Carrier.Action], of index: Int) {
        carriers[index].assertInvariants()
        for action in actions {
            switch action {
            case .transmit(let bytes, let endpoint): transmit(bytes, from: index, to: endpoint)
            case .payload(let payload, _, _): heard[index].append(payload)
            case .lost(let node): lost[index].append(node)
            case .observed, .keyLog: break
            }
        }
    }

    private func transmit(_ bytes: [UInt8], from index: Int, to endpoint: Endpoint) {
        sent[index] += 1
        if bytes.first == 1 { calls[index] += 1 }
        var port: UInt16 = 4_000
        if kinds[index] == .symmetric { port = ports[index][endpoint] ?? UInt16(5_000 + ports[index].count) }
        if kinds[index] != .open { ports[index][endpoint] = port }
        packets.append((now + .milliseconds(10), bytes, place(index, port: port), endpoint))
    }

    private func arrive(_ bytes: [UInt8], from: Endpoint, to: Endpoint) {
        guard let index = index(of: to) else { return }
        if kinds[index] != .open { guard ports[index][from] == to.port else { return } }
        carry(.datagram(bytes, from: from), by: index)
    }

    func run(for duration: Duration) {
        let end = now + duration
        while true {
            let wake = carriers.map(\.deadline).min()!
            let next = min(wake, packets.first?.at ?? .never)
            guard next <= end else { break }
            now = max(now, next)
            if let packet = packets.first, packet.at <= wake {
                packets.removeFirst()
                arrive(packet.bytes, from: packet.from, to: packet.to)
            } else {
                for index in carriers.indices where carriers[index].deadline <= now {
                    carry(.woke, by: index)
                }
            }
        }
        now = end
    }

    /// Both hold a session with the helper and it with them.
    func join(_ index: Int, to helper: Int = 0) {
        send([0], from: index, to: helper)
        run(for: .seconds(1))
        carry(.hold(ids[helper]), by: index)
        carry(.hold(ids[index]), by: helper)
    }

    func say(_ rendezvous: Rendezvous, from: Int, to: Int) {
        var actions: [Sessions.Action] = []
        try? carriers[from].sessions.send(rendezvous, to: ids[to], at: now, actions: &actions)
        for case .transmit(let bytes, _) in actions { carry(.datagram(bytes, from: place(from)), by: to) }
    }

    func relay(_ index: Int, _ other: Int) -> NodeID? { carriers[index].relay(of: ids[other]) }
    func isOpen(_ index: Int, _ other: Int) -> Bool {
        carriers[index].sessions.endpoint(of: ids[other]) != nil
    }
}

@Suite struct `Nodes that cannot reach each other` {
    private func joined(_ kinds: [Valley.Kind]) -> Valley {
        let valley = Valley(kinds)
        for index in kinds.indices.dropFirst() { valley.join(index) }
        return valley
    }

    @Test func `a node behind a translator is reached by introduction`() {
        let valley = joined([.open, .open, .answersOnly])
        valley.send([7], from: 1, to: 2)
        valley.run(for: .seconds(3))
        #expect(valley.heard[2].contains([7]) && valley.relay(1, 2) == nil)
        #expect(valley.carriers[1][.metDirectly] == 1 && valley.carriers[2][.introductionsFollowed] == 1)
    }

    @Test func `two behind translators meet without a relay`() {
        let valley = joined([.open, .answersOnly, .answersOnly])
        valley.send([7], from: 1, to: 2)
        valley.run(for: .seconds(4))
        #expect(valley.heard[2].contains([7]) && valley.carriers[0][.forwarded] == 0)
    }

    @Test func `without anybody in common there is no way, and no end of memory`() {
        let valley = Valley([.open, .answersOnly, .answersOnly])
        valley.send([7], from: 1, to: 2)
        valley.run(for: .seconds(30))
        #expect(!valley.isOpen(1, 2) && valley.heard[2].isEmpty)
        #expect(valley.carriers[1].gauges.first { $0.name == "waiting" }?.value == 0)
    }

    @Test func `behind symmetric translators a validator carries between them, whole payloads too`() {
        let valley = joined([.open, .symmetric, .symmetric])
        let largest = [UInt8](repeating: 3, count: Payload.byteCountMax)
        valley.send(largest, from: 1, to: 2)
        valley.run(for: .seconds(8))
        #expect(valley.heard[2].contains(largest))
        #expect(valley.relay(1, 2) == valley.ids[0] && valley.relay(2, 1) == valley.ids[0])
        #expect(valley.carriers[0][.forwarded] > 3)
        #expect(valley.carriers[1].translation == .unknown, "one observer proves nothing")
    }

    @Test func `who need not be reached is not relayed to`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.send([1], from: 1, to: 2, mayRelay: false)
        valley.run(for: .seconds(30))
        #expect(!valley.isOpen(1, 2) && valley.carriers[0][.introductions] == 1)
    }

    @Test func `who has told no place is found by introduction, at once`() {
        let valley = joined([.open, .answersOnly, .answersOnly])
        valley.send([7], from: 1, to: 2, at: .nowhere)
        valley.run(for: .seconds(2))
        #expect(valley.heard[2].contains([7]) && valley.relay(1, 2) == nil)
    }

    @Test func `a relay gives way as soon as there is a direct path`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.carry(.hold(valley.ids[2]), by: 1)
        valley.carry(.hold(valley.ids[1]), by: 2)
        valley.send([1], from: 1, to: 2)
        valley.run(for: .seconds(8))
        #expect(valley.relay(1, 2) != nil)
        valley.kinds[1] = .open
        valley.kinds[2] = .open
        for second in 0..<120 {
            valley.send([UInt8(second), 0, 0, 0, 0, 0, 0, 0], from: second % 2 + 1, to: 2 - second % 2)
            valley.run(for: .seconds(1))
        }
        #expect(valley.relay(1, 2) == nil && valley.relay(2, 1) == nil)
        #expect(valley.isOpen(1, 2) && valley.isOpen(2, 1))
        let before = valley.carriers[0][.forwarded]
        valley.send([9], from: 1, to: 2)
        valley.run(for: .seconds(1))
        #expect(valley.heard[2].contains([9]) && valley.carriers[0][.forwarded] == before)
    }

    @Test func `of several who were asked one that lies costs a second`() {
        let valley = Valley([.open, .answersOnly, .answersOnly, .open])
        for helper in [0, 3] {
            for index in [1, 2] { valley.join(index, to: helper) }
        }
        valley.send([7], from: 1, to: 2, at: valley.place(2, port: 9))
        valley.run(for: .milliseconds(1_005))
        #expect(valley.carriers[1][.introductionsAsked] == 1)
        valley.say(.meet(valley.ids[2], Endpoint(ipv4: 0xC633_6401, port: 53)), from: 0, to: 1)
        valley.run(for: .milliseconds(900))
        #expect(!valley.isOpen(1, 2))
        // The other's next attempt, if its call stands before this one.
        valley.run(for: .milliseconds(500))
        #expect(valley.heard[2].contains([7]) && valley.relay(1, 2) == nil)
    }

    @Test func `peers are asked for introductions before strangers, whatever these say that they are`() {
        let valley = Valley([.open, .open, .answersOnly] + [Valley.Kind](repeating: .open, count: 9))
        for helper in 9...11 { valley.join(1, to: helper) }
        for stranger in 3...8 {
            valley.send([0], from: stranger, to: 1)
            valley.run(for: .milliseconds(100))
        }
        for _ in 0..<3 {
            for stranger in 3...8 { valley.send([0], from: stranger, to: 1) }
            valley.send([7], from: 1, to: 2)
            valley.run(for: .seconds(7))
        }
        func asked(_ range: ClosedRange<Int>) -> UInt64 {
            range.reduce(0) {
                $0 + valley.carriers[$1][.introductions] + valley.carriers[$1][.droppedIntroduction]
            }
        }
        #expect((3...8).allSatisfy { valley.isOpen(1, $0) })
        #expect(valley.carriers[1][.introductionsAsked] == 3 && asked(9...11) == 9 && asked(3...8) == 0)
    }

    @Test func `without its relay a session ends at once`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.carry(.hold(valley.ids[2]), by: 1)
        valley.send([7], from: 1, to: 2)
        valley.run(for: .seconds(8))
        #expect(valley.relay(1, 2) == valley.ids[0])
        valley.leave(0)
        valley.run(for: .milliseconds(50))
        #expect(!valley.isOpen(1, 2) && valley.lost[1] == [valley.ids[0], valley.ids[2]])
    }

    @Test func `who is seen at several ports knows its translator, and keeps its ways open`() {
        let valley = Valley([.open, .open, .open, .symmetric, .answersOnly])
        for index in [3, 4] {
            for helper in 0..<3 {
                valley.send([0], from: index, to: helper)
                valley.run(for: .seconds(1))
                valley.carry(.hold(valley.ids[helper]), by: index)
                valley.carry(.hold(valley.ids[index]), by: helper)
            }
        }
        #expect(valley.carriers[3].translation == .symmetric)
        #expect(valley.carriers[4].translation == .endpointIndependent)
        valley.run(for: .seconds(20))
        let before = valley.sent[4]
        valley.run(for: .seconds(60))
        // To each of three, four times.
        #expect(valley.sent[4] - before >= 12)
    }
}

@Suite struct `Introductions and relays are bounded` {
    private func joined(_ kinds: [Valley.Kind], edges: Set<Int> = []) -> Valley {
        let valley = Valley(kinds, edges: edges)
        for index in kinds.indices.dropFirst() { valley.join(index) }
        return valley
    }

    private func say(_ rendezvous: Rendezvous, from: Int, to: Int, in valley: Valley) {
        valley.say(rendezvous, from: from, to: to)
    }

    @Test func `an asker gets eight introductions at once, then two a second`() {
        let valley = joined([.open, .open, .open])
        for _ in 0..<100 { say(.introduce(valley.ids[2]), from: 1, to: 0, in: valley) }
        #expect(valley.carriers[0][.introductions] == 8)
        valley.run(for: .seconds(2))
        for _ in 0..<100 { say(.introduce(valley.ids[2]), from: 1, to: 0, in: valley) }
        #expect(valley.carriers[0][.introductions] == 12)
    }

    @Test func `a stranger that asks for a node without end leaves peers their introductions to it`() {
        let valley = joined([.open, .open, .open, .open])
        valley.carry(.release(valley.ids[1]), by: 0)
        for _ in 0..<100 { say(.introduce(valley.ids[2]), from: 1, to: 0, in: valley) }
        #expect(valley.carriers[0][.introductions] == 4)
        say(.introduce(valley.ids[2]), from: 3, to: 0, in: valley)
        #expect(valley.carriers[0][.introductions] == 5)
    }

    @Test func `where an edge node is no stranger learns, and it is itself introduced to validators`() {
        let valley = joined([.open, .open, .open, .open], edges: [2])
        valley.carry(.release(valley.ids[2]), by: 0)
        valley.carry(.release(valley.ids[3]), by: 0)
        say(.introduce(valley.ids[2]), from: 1, to: 0, in: valley)
        #expect(valley.carriers[0][.introductions] == 0)
        #expect(valley.carriers[0][.droppedIntroduction] == 1)
        say(.introduce(valley.ids[3]), from: 2, to: 0, in: valley)
        #expect(valley.carriers[0][.introductions] == 1)
    }

    @Test
    func `who makes up places has a node call four at once, then two a second, and only if it is a peer`() {
        let valley = joined([.open, .open])
        var chance = Chance(seed: 3)
        let strangers = (0..<40).map { _ in
            SecretSeed(octets: chance.octets(32).octetBytes).signingKey.nodeID
        }
        let victim = Endpoint(ipv4: 0xC633_6401, port: 53)
        let before = valley.calls[1]
        for stranger in strangers.prefix(20) { say(.meet(stranger, victim), from: 0, to: 1, in: valley) }
        #expect(valley.calls[1] - before == 4)
        valley.run(for: .milliseconds(600))
        for stranger in strangers.suffix(20) { say(.meet(stranger, victim), from: 0, to: 1, in: valley) }
        #expect(valley.calls[1] - before == 5)
        valley.run(for: .seconds(10))
        valley.carry(.release(valley.ids[0]), by: 1)
        for stranger in strangers {
            valley.run(for: .milliseconds(20))
            say(.meet(stranger, victim), from: 0, to: 1, in: valley)
        }
        valley.run(for: .milliseconds(100))
        #expect(valley.carriers[1][.introductionsFollowed] == 5)
    }

    @Test(arguments: [0, 5])
    func `what nobody asked for takes the place of no call of a node's own`(milliseconds: Int) {
        let valley = joined([.open, .open, .open])
        let lie = Rendezvous.meet(valley.ids[2], Endpoint(ipv4: 0xC633_6401, port: 53))
        // Before it, or while it is on its way.
        if milliseconds == 0 { say(lie, from: 0, to: 1, in: valley) }
        valley.send([7], from: 1, to: 2)
        valley.run(for: .milliseconds(milliseconds))
        say(lie, from: 0, to: 1, in: valley)
        valley.run(for: .milliseconds(100))
        #expect(valley.heard[2].contains([7]))
    }

    @Test func `who was called at a peer's word is looked for when this node wants it itself`() {
        let valley = joined([.open, .open, .answersOnly])
        say(.meet(valley.ids[2], valley.place(2, port: 9)), from: 0, to: 1, in: valley)
        valley.send([7], from: 1, to: 2, at: valley.place(2, port: 9))
        valley.run(for: .milliseconds(1_100))
        #expect(valley.heard[2].contains([7]) && valley.carriers[1][.introductionsAsked] == 1)
    }

    @Test func `ways over a relay that are in use are driven out by none that come`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.send([1], from: 1, to: 2)
        valley.run(for: .seconds(8))
        #expect(valley.relay(1, 2) == valley.ids[0])
        valley.carry(.hold(valley.ids[2]), by: 1)
        flood(valley, with: [4, 0, 0, 0])
        #expect(ways(valley) == 1, "who calls makes a way, and nobody else")
        flood(valley, with: call)
        #expect(ways(valley) == 32)
        #expect(valley.relay(1, 2) == valley.ids[0])
        valley.send([7], from: 1, to: 2)
        valley.run(for: .milliseconds(100))
        #expect(valley.heard[2].contains([7]))
    }

    @Test func `a call over a relay is driven out by none that come`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.send([7], from: 1, to: 2)
        while ways(valley) == 0 { valley.run(for: .milliseconds(1)) }
        #expect(!valley.isOpen(1, 2))
        flood(valley, with: call)
        valley.run(for: .milliseconds(200))
        #expect(valley.relay(1, 2) == valley.ids[0] && valley.heard[2].contains([7]))
    }

    private func ways(_ valley: Valley) -> Int? {
        valley.carriers[1].gauges.first { $0.name == "relayPaths" }?.value
    }

    /// Datagrams of two hundred who do not exist, over the relay.
    private func flood(_ valley: Valley, with datagram: [UInt8]) {
        var chance = Chance(seed: 4)
        for _ in 0..<200 {
            let made = SecretSeed(octets: chance.octets(32).octetBytes).signingKey.nodeID
            say(.forwarded(datagram, from: made), from: 0, to: 1, in: valley)
        }
    }

    @Test func `nobody is sent to a place that stands for a relay`() {
        let valley = joined([.open, .open, .open])
        let before = valley.calls[1]
        say(.meet(valley.ids[2], .relayed(1)), from: 0, to: 1, in: valley)
        valley.carry(.datagram([UInt8](repeating: 1, count: 1_200), from: .relayed(1)), by: 1)
        #expect(valley.calls[1] == before && !valley.isOpen(1, 2))
    }

    @Test func `a relay carries a pair's octets at a bounded rate`() {
        let valley = joined([.open, .open, .open])
        let datagram = [UInt8](repeating: 9, count: 1_200)
        for _ in 0..<1_000 { say(.forward(datagram, to: valley.ids[2]), from: 1, to: 0, in: valley) }
        #expect(valley.carriers[0][.forwarded] == 109)
        #expect(valley.carriers[0][.droppedForward] == 1_000 - 109)
    }

    @Test func `strangers get no relay`() {
        let valley = joined([.open, .open, .open])
        valley.carry(.release(valley.ids[1]), by: 0)
        valley.carry(.release(valley.ids[2]), by: 0)
        say(.forward([9], to: valley.ids[2]), from: 1, to: 0, in: valley)
        #expect(valley.carriers[0][.forwarded] == 0)
    }

    /// What a call looks like.
    private let call: [UInt8] = [1] + [UInt8](repeating: 0, count: 1_199)

    private func pairs(_ valley: Valley) -> Int? {
        valley.carriers[0].gauges.first { $0.name == "relayedPairs" }?.value
    }

    @Test func `strangers leave two peers a relay, whoever they forward to`() {
        let valley = joined([Valley.Kind](repeating: .open, count: 18))
        for stranger in 1...3 {
            valley.carry(.release(valley.ids[stranger]), by: 0)
            for peer in 4...15 { say(.forward([9], to: valley.ids[peer]), from: stranger, to: 0, in: valley) }
        }
        #expect(pairs(valley) == 6 && valley.carriers[0][.forwarded] == 6)
        say(.forward([9], to: valley.ids[17]), from: 16, to: 0, in: valley)
        #expect(pairs(valley) == 7 && valley.carriers[0][.forwarded] == 7)
        // What a stranger's line carried is paid for: another may take its place.
        valley.run(for: .milliseconds(50))
        say(.forward([9], to: valley.ids[15]), from: 1, to: 0, in: valley)
        #expect(pairs(valley) == 7 && valley.carriers[0][.forwarded] == 8)
    }

    @Test func `half of the pairs are for two peers, however many strangers there are`() {
        let valley = joined([Valley.Kind](repeating: .open, count: 14))
        for stranger in 1...10 {
            valley.carry(.release(valley.ids[stranger]), by: 0)
            for peer in 11...12 {
                say(.forward([9], to: valley.ids[peer]), from: stranger, to: 0, in: valley)
            }
        }
        // The last two are not kept out by who has two.
        #expect(pairs(valley) == 16 && valley.carriers[0][.forwarded] == 18)
        say(.forward([9], to: valley.ids[13]), from: 12, to: 0, in: valley)
        #expect(pairs(valley) == 17 && valley.carriers[0][.forwarded] == 19)
    }

    @Test func `strangers of one prefix keep no other stranger from a relay, however much they say`() {
        let valley = Valley([Valley.Kind](repeating: .open, count: 14), crowd: Set(1...9))
        for index in 1...13 { valley.join(index) }
        let datagram = [UInt8](repeating: 9, count: 1_200)
        for stranger in 1...10 { valley.carry(.release(valley.ids[stranger]), by: 0) }
        func crowd() {
            for stranger in 1...9 {
                for peer in 11...12 {
                    for _ in 0..<50 {
                        say(.forward(datagram, to: valley.ids[peer]), from: stranger, to: 0, in: valley)
                    }
                }
            }
        }
        crowd()
        #expect(pairs(valley) == 16)
        var before = valley.carriers[0][.forwarded]
        for peer in 11...12 { say(.forward([9], to: valley.ids[peer]), from: 10, to: 0, in: valley) }
        #expect(pairs(valley) == 16 && valley.carriers[0][.forwarded] == before + 2)
        // Nor do they take it away again.
        crowd()
        before = valley.carriers[0][.forwarded]
        for peer in 11...12 { say(.forward([9], to: valley.ids[peer]), from: 10, to: 0, in: valley) }
        #expect(valley.carriers[0][.forwarded] == before + 2)
    }

    @Test func `who closes its session and opens another has no burst anew`() {
        let valley = Valley([.open, .open, .open, .open])
        valley.join(2)
        let datagram = [UInt8](repeating: 9, count: 1_200)
        func forward() {
            for _ in 0..<200 { say(.forward(datagram, to: valley.ids[2]), from: 1, to: 0, in: valley) }
        }
        valley.send([0], from: 1, to: 0)
        valley.run(for: .milliseconds(100))
        forward()
        #expect(valley.carriers[0][.forwarded] == 109)
        valley.leave(1)
        valley.run(for: .milliseconds(20))
        #expect(!valley.isOpen(0, 1))
        valley.send([0], from: 1, to: 0)
        valley.run(for: .milliseconds(80))
        forward()
        // What a tenth of a second allows.
        #expect(valley.isOpen(0, 1) && valley.carriers[0][.forwarded] == 109 + 2)
        // When it is paid for nothing is left of it.
        valley.leave(1)
        valley.run(for: .seconds(6))
        #expect(pairs(valley) == 1)
        valley.join(3)
        valley.carry(.release(valley.ids[3]), by: 0)
        say(.forward([9], to: valley.ids[2]), from: 3, to: 0, in: valley)
        #expect(pairs(valley) == 1)
    }

    @Test func `one relay takes a part of the ways at most`() {
        let valley = joined([.open, .open])
        flood(valley, with: call)
        #expect(ways(valley) == 32)
    }
}
