import Bytes
import Chance
import Identity
import Node
import Session
import TestKit
import Testing
import Wire

/// Carriers at places of their own, and a network that takes ten milliseconds.
private final class Field {
    static let network = Digest(of: Array("a network of tests".utf8))

    private(set) var carriers: [Carrier] = []
    private(set) var ids: [NodeID] = []
    private var seeds: [SecretSeed] = []
    private var chance: Chance
    var now = Instant.origin
    /// What each heard, and from whom.
    var heard: [[(from: NodeID, payload: [UInt8])]] = []
    var lost: [[NodeID]] = []
    private(set) var sent = 0
    /// Those that are elsewhere than at first.
    var moved: [Int: Endpoint] = [:]
    private var packets: [(at: Instant, bytes: [UInt8], from: Int, to: Int)] = []

    init(_ count: Int, settings: Session.Settings = Session.Settings()) {
        chance = Chance(seed: 1)
        for index in 0..<count {
            seeds.append(SecretSeed(octets: chance.octets(32).octetBytes))
            ids.append(seeds[index].signingKey.nodeID)
            carriers.append(carrier(index, settings))
            heard.append([])
            lost.append([])
        }
    }

    private func carrier(_ index: Int, _ settings: Session.Settings) -> Carrier {
        let key = seeds[index].signingKey
        let card = NodeRecord(
            node: key.nodeID, sequence: 1, roles: .hotspot, endpoints: [home(index)], region: nil, version: 1
        ).signed(by: key, network: Self.network)
        return Carrier(
            key: seeds[index].exchangeKey, record: card, network: Self.network, settings: settings,
            secrets: .simulated(chance.split()),
            wallNanoseconds: 1_700_000_000_000_000_000 + UInt64(now.nanoseconds), now: now)
    }

    /// It forgets everything but who it is, and says nothing of it.
    func restart(_ index: Int) { carriers[index] = carrier(index, Session.Settings()) }

    /// Each in a prefix of its own.
    func home(_ index: Int) -> Endpoint { Endpoint(ipv4: 0xC000_0001 + UInt32(index) << 8, port: 4_000) }
    func place(_ index: Int) -> Endpoint { moved[index] ?? home(index) }

    func send(_ words: [UInt8], from: Int, to: Int, at place: Endpoint? = nil, opens: Bool = true) {
        carry(.send(words, to: Destination(ids[to], place ?? self.place(to), opens: opens)), by: from)
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

    private func carryOut(_ actions: [Carrier.Action], of receiver: Int) {
        carriers[receiver].assertInvariants()
        for action in actions {
            switch action {
            case .transmit(let bytes, let endpoint):
                sent += 1
                guard let to = carriers.indices.first(where: { place($0) == endpoint }) else { continue }
                packets.append((now + .milliseconds(10), bytes, receiver, to))
            case .payload(let payload, let sender, let place):
                // Or where it was a moment ago: a session follows what it has heard.
                let index = ids.firstIndex(of: sender)!
                #expect([self.place(index), home(index)].contains(place))
                heard[receiver].append((sender, payload))
            case .lost(let node): lost[receiver].append(node)
            case .observed, .keyLog: break
            }
        }
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
                carry(.datagram(packet.bytes, from: place(packet.from)), by: packet.to)
            } else {
                for index in carriers.indices where carriers[index].deadline <= now {
                    carry(.woke, by: index)
                }
            }
        }
        now = end
    }

    func isOpen(_ index: Int, _ other: Int) -> Bool {
        carriers[index].sessions.endpoint(of: ids[other]) != nil
    }
}

@Suite struct `A carrier` {
    @Test func `opens a session for a payload that is worth it, and for no other`() {
        let field = Field(2)
        field.send([1], from: 0, to: 1, opens: false)
        field.run(for: .seconds(1))
        #expect(field.sent == 0 && field.carriers[0][.droppedNoSession] == 1)
        field.send([2], from: 0, to: 1)
        field.send([3], from: 0, to: 1)
        field.run(for: .seconds(1))
        field.send([4], from: 0, to: 1, opens: false)
        field.send([5], from: 1, to: 0, opens: false)
        field.run(for: .seconds(1))
        #expect(field.heard[1].map(\.payload) == [[2], [3], [4]])
        #expect(field.heard[0].map(\.payload) == [[5]])
        #expect(field.heard[1].allSatisfy { $0.from == field.ids[0] })
    }

    @Test func `closes a stranger's session that nobody uses, and keeps a held one for ever`() {
        let field = Field(3)
        field.send([1], from: 0, to: 1)
        field.send([1], from: 0, to: 2)
        field.run(for: .seconds(1))
        for (index, other) in [(0, 1), (1, 0)] { field.carry(.hold(field.ids[other]), by: index) }
        field.run(for: .seconds(40))
        #expect(field.isOpen(0, 1) && !field.isOpen(0, 2) && !field.isOpen(2, 0))
        // Through several keys.
        for minute in 0..<20 {
            field.send([UInt8(minute)], from: 0, to: 1, opens: false)
            field.run(for: .seconds(60))
        }
        #expect(field.isOpen(0, 1) && field.isOpen(1, 0))
        #expect(field.heard[1].count == 21 && field.lost[0].isEmpty && field.lost[1].isEmpty)
    }

    @Test func `lets a last word through after a release`() {
        let field = Field(2)
        field.send([1], from: 0, to: 1)
        field.run(for: .seconds(1))
        field.carry(.hold(field.ids[1]), by: 0)
        field.carry(.hold(field.ids[0]), by: 1)
        field.carry(.release(field.ids[1]), by: 0)
        field.run(for: .milliseconds(900))
        field.send([2], from: 0, to: 1, opens: false)
        field.run(for: .milliseconds(200))
        #expect(field.heard[1].map(\.payload) == [[1], [2]])
        #expect(!field.isOpen(0, 1) && !field.isOpen(1, 0))
        #expect(field.lost[1] == [field.ids[0]] && field.lost[0].isEmpty)
    }

    @Test func `keeps a session that is held again in time`() {
        let field = Field(2)
        field.send([1], from: 0, to: 1)
        field.run(for: .seconds(1))
        field.carry(.hold(field.ids[1]), by: 0)
        field.carry(.release(field.ids[1]), by: 0)
        field.run(for: .milliseconds(900))
        field.carry(.hold(field.ids[1]), by: 0)
        field.run(for: .seconds(20))
        #expect(field.isOpen(0, 1))
    }

    @Test func `tells of a peer that left`() {
        let field = Field(2)
        field.send([1], from: 0, to: 1)
        field.run(for: .seconds(1))
        field.carry(.hold(field.ids[1]), by: 0)
        field.leave(1)
        field.run(for: .milliseconds(50))
        #expect(field.lost[0] == [field.ids[1]] && !field.isOpen(0, 1))
    }

    @Test func `gives up a node that is nowhere, and then rests`() {
        let field = Field(1)
        let seed = SecretSeed(octets: [UInt8](repeating: 9, count: 32).octetBytes)
        let nowhere = Destination(seed.signingKey.nodeID, .loopback(port: 9), opens: true)
        for word in 0..<6 { field.carry(.send([UInt8(word)], to: nowhere), by: 0) }
        #expect(field.carriers[0][.droppedWaitingFull] == 2)
        field.run(for: .seconds(6))
        #expect(field.carriers[0][.droppedNoAnswer] == 4)
        let sent = field.sent
        field.run(for: .seconds(600))
        #expect(field.sent == sent && field.carriers[0].deadline == .never)
    }

    @Test func `tries the other place of a node that may have moved`() {
        let field = Field(2)
        field.send([1], from: 0, to: 1, at: .loopback(port: 9))
        field.run(for: .seconds(2))
        field.send([2], from: 0, to: 1)
        field.run(for: .milliseconds(100))
        #expect(field.heard[1].map(\.payload) == [[2]])
    }

    @Test func `asks at home in a silent session, so that two that moved back unheard find each other`() {
        let field = Field(2)
        let words = [UInt8](repeating: 1, count: 32)
        func say() {
            for index in 0..<2 {
                field.send(words, from: index, to: 1 - index, at: field.home(1 - index), opens: false)
            }
        }
        field.send(words, from: 0, to: 1)
        field.run(for: .seconds(1))
        for index in 0..<2 { field.carry(.hold(field.ids[1 - index]), by: index) }
        field.moved[0] = Endpoint(ipv4: 0xCB00_7105, port: 1)
        say()
        field.run(for: .seconds(1))
        field.moved[1] = Endpoint(ipv4: 0xCB00_7205, port: 1)
        say()
        field.run(for: .seconds(1))
        for index in 0..<2 {
            #expect(
                field.carriers[index].sessions.endpoint(of: field.ids[1 - index]) == field.place(1 - index))
        }
        field.moved = [:]
        let before = field.heard.map(\.count)
        say()
        field.run(for: .milliseconds(100))
        #expect(field.heard.map(\.count) == before, "each speaks to where the other was")
        say()
        field.run(for: .milliseconds(100))
        say()
        field.run(for: .milliseconds(100))
        #expect(zip(field.heard, before).allSatisfy { $0.count > $1 })
    }

    @Test func `shakes hands again with a stranger that may have forgotten`() {
        let field = Field(2)
        field.send([1], from: 0, to: 1)
        field.run(for: .seconds(1))
        field.restart(1)
        field.send([2], from: 0, to: 1)
        field.run(for: .seconds(2))
        field.send([3], from: 0, to: 1)
        field.run(for: .milliseconds(100))
        #expect(field.heard[1].map(\.payload) == [[1], [3]])
    }

    @Test func `lets the stranger that was silent for longest give way, and no peer`() {
        var settings = Session.Settings()
        settings.sessionsMax = 8
        settings.slotsKeptForDials = 2
        settings.pendingBeforeCookies = 1_000
        settings.handshakesPerSecondMax = 1_000
        let field = Field(8, settings: settings)
        for index in 1..<4 {
            field.send([1], from: index, to: 0)
            field.run(for: .seconds(1))
        }
        field.carry(.hold(field.ids[1]), by: 0)
        for index in 4..<7 {
            field.send([1], from: index, to: 0)
            field.run(for: .seconds(1))
        }
        #expect((1..<7).map { field.isOpen(0, $0) } == [true, false, true, true, true, true])
        #expect(field.carriers[0][.displaced] == 1)
        #expect(field.heard[0].count == 6)
    }

    @Test func `lets strangers of the fullest prefix give way before a silent one elsewhere`() {
        var settings = Session.Settings()
        settings.sessionsMax = 8
        settings.slotsKeptForDials = 2
        let field = Field(7, settings: settings)
        for index in 3..<7 { field.moved[index] = Endpoint(ipv4: 0xC633_6400 + UInt32(index), port: 4_000) }
        for index in 1..<7 {
            field.send([1], from: index, to: 0)
            field.run(for: .seconds(1))
        }
        #expect((1..<7).map { field.isOpen(0, $0) } == [true, true, false, false, true, true])
        #expect(field.carriers[0][.displaced] == 2)
    }
}
