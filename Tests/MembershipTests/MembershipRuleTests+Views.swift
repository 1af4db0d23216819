import Chance
import Identity
import Membership
import MembershipWorld
import TestKit
import Testing
import Wire

/// How large views are, who gets into them, and who gives way.
extension MembershipRuleTests {
    @Test func `cards without end are known up to the maximum`() {
        var machine = machine(bootstrap: [(World.id(2), World.endpoint(2))])
        _ = meet(&machine, 1)
        for number in 0..<UInt64(3_000) {
            tell(
                &machine,
                [
                    NodeRecord(
                        node: NodeID(testing: 2_000_000 + number), sequence: 1, roles: .sensor,
                        endpoints: [.loopback(port: 1)], region: nil, version: 1)
                ])
            machine.assertInvariants()
        }
        // Strangers, the peer, and the entry point of the list, which has no card yet.
        #expect(machine.contactCount == 66 && machine.records.count == 65)
    }

    @Test
    func
        `strangers that nobody asked for are taken while there is room, and passed over unchecked after that`()
    {
        var machine = machine()
        _ = meet(&machine, 1)
        func card(_ number: UInt64, sequence: UInt64 = 1) -> NodeRecord {
            NodeRecord(
                node: NodeID(testing: 2_000_000 + number), sequence: sequence, roles: .sensor,
                endpoints: [.loopback(port: 1)], region: nil, version: 1)
        }
        func isTaken(_ card: NodeRecord, after milliseconds: Int) -> Bool {
            let isPassedOver = machine.passesOver(card, asks: false, from: World.id(1))
            _ = handle(
                &machine, .records([card], asks: false, from: World.id(1), World.endpoint(1)),
                at: .origin + .seconds(60) + .milliseconds(milliseconds))
            #expect(machine.records.contains(card) != isPassedOver)
            return !isPassedOver
        }
        for number in 0..<63 { tell(&machine, [card(UInt64(number))]) }
        #expect(isTaken(card(100), after: 0))
        #expect(!isTaken(card(101), after: 200))
        // Who is known already, and who is asked for.
        #expect(isTaken(card(5, sequence: 2 << NodeRecord.changeBits), after: 400))
        #expect(!machine.passesOver(card(101), asks: true, from: World.id(1)))
        _ = handle(&machine, .committee([card(101).node]))
        #expect(isTaken(card(101), after: 600))
    }

    @Test func `a prefix has few places in both views`() {
        var machine = machine()
        func record(_ number: Int, in prefix: Int) -> NodeRecord {
            NodeRecord(
                node: NodeID(testing: 2_000_000 + UInt64(number)), sequence: 1, roles: .sensor,
                endpoints: [
                    Endpoint(ipv4: 0xC000_0000 | UInt32(prefix) << 8 | UInt32(number & 255), port: 1)
                ],
                region: nil, version: 1)
        }
        _ = meet(&machine, 1)
        for number in 0..<50 {
            let card = record(number, in: number % 5)
            _ = handle(&machine, .dial(card, isUrgent: true, from: card.node, card.endpoints[0]))
        }
        #expect(machine.peers.count == 11)
        for number in 50..<150 { tell(&machine, [record(number, in: number % 5)]) }
        #expect(machine.records.count { $0.node != World.id(1) } <= 50 + machine.peers.count)
        for number in 50..<250 { tell(&machine, [record(number + 1_000, in: number)]) }
        let crowd = machine.records.count { card in
            !machine.peers.contains(card.node) && !card.endpoints[0].isLoopback
                && card.endpoints[0].ipv4! >> 8 & 255 < 5
        }
        #expect(crowd <= 5, "one of each prefix comes before the second of any")
        machine.assertInvariants()
    }

    @Test func `a card that names a foreign prefix first counts where its node is as well`() {
        var machine = machine()
        _ = meet(&machine, 1)
        for number in 0..<UInt32(40) {
            let places = [
                Endpoint(ipv4: 0xD000_0001 | number << 8, port: 1),
                Endpoint(ipv4: 0xC000_0001 + number, port: 1),
            ]
            let card = NodeRecord(
                node: NodeID(testing: 2_000_000 + UInt64(number)), sequence: 1, roles: .sensor,
                endpoints: places, region: nil, version: 1)
            tell(&machine, [card])
        }
        #expect(machine.records.count == 11, "the peer, and ten of one prefix")
        machine.assertInvariants()
    }

    @Test func `who tells without end displaces its own words, and not what others told`() {
        var machine = machine()
        func card(_ number: UInt32) -> NodeRecord {
            NodeRecord(
                node: NodeID(testing: 2_000_000 + UInt64(number)), sequence: 1, roles: .sensor,
                endpoints: [Endpoint(ipv4: 0xD000_0001 | number << 8, port: 1)], region: nil, version: 1)
        }
        var now = Instant.origin
        func tell(_ cards: [NodeRecord], by index: Int) {
            now = now + .milliseconds(100)
            let place = World.spreadEndpoint(index)
            _ = handle(&machine, .records(cards, asks: true, from: World.id(index), place), at: now)
        }
        for index in 1...2 {
            let place = World.spreadEndpoint(index)
            let own = World.record(index, endpoint: place)
            _ = handle(&machine, .dial(own, isUrgent: true, from: own.node, place), at: now)
        }
        let few = (0..<20).map { card(UInt32($0)) }
        for card in few { tell([card], by: 1) }
        for number in UInt32(100)..<1_000 { tell([card(number)], by: 2) }
        let known = Set(machine.records)
        #expect(few.allSatisfy(known.contains))
        #expect(known.count == 66)
        machine.assertInvariants()
    }

    @Test func `who tells forged cards is counted, and told of once and no faster than keys are made`() {
        var machine = machine(bootstrap: [(World.id(2), World.endpoint(2)), (World.id(3), World.endpoint(3))])
        _ = meet(&machine, 1)
        func forge(_ index: Int, at now: Instant) -> [Membership.Action] {
            handle(&machine, .forged(from: World.id(index), World.endpoint(index)), at: now)
        }
        #expect(forge(1, at: .origin) == [.forger(World.id(1), World.endpoint(1))])
        #expect(forge(1, at: .origin + .seconds(5)).isEmpty, "once")
        #expect(forge(9, at: .origin + .seconds(5)).isEmpty, "no contact")
        #expect(forge(2, at: .origin + .seconds(5)) == [.forger(World.id(2), World.endpoint(2))])
        #expect(forge(3, at: .origin + .milliseconds(5_900)).isEmpty, "within a second")
        #expect(machine.accounts.map(\.forgeries).sorted() == [1, 1, 2])
        // It may be a bit that fell over: a peer stays one.
        #expect(machine.peers == [World.id(1)])
    }

    @Test func `what never answered does not displace what did`() {
        var machine = machine(remembered: (1...40).map { World.record($0) })
        var answered: Set<NodeID> = []
        var now = Instant.origin
        while now < .origin + .seconds(20) {
            now = machine.deadline
            for action in handle(&machine, .woke, at: now) {
                guard case .send(_, let endpoint, .dial) = action else { continue }
                let index = (1...40).first { World.endpoint($0) == endpoint }!
                let refusal = Membership.Event.refusal([], from: World.id(index), endpoint)
                _ = handle(&machine, refusal, at: now)
                answered.insert(World.id(index))
            }
        }
        #expect(answered.count >= 32)
        _ = meet(&machine, 50, at: now)
        for number in 0..<2_000 {
            let card = NodeRecord(
                node: NodeID(testing: 2_000_000 + UInt64(number)), sequence: 1, roles: .sensor,
                endpoints: [.loopback(port: 1)], region: nil, version: 1)
            now = now + .milliseconds(100)
            let flood = Membership.Event.records(
                [card], asks: true, from: World.id(50), World.endpoint(50))
            _ = handle(&machine, flood, at: now)
        }
        #expect(machine.records.count { answered.contains($0.node) } >= 32)
    }

    @Test func `who has no room says so, and lets one urgent newcomer in a period`() {
        var machine = machine()
        for index in 1...12 { _ = meet(&machine, index) }
        #expect(machine.peers.count == 12)
        // Who has peers can go elsewhere, and is told where.
        let patient = meet(&machine, 13)
        #expect(machine.peers.count == 12 && !machine.peers.contains(World.id(13)))
        guard patient.count == 1,
            case .send(World.id(13), World.endpoint(13), .refusal(let others))? = patient.first
        else {
            Issue.record("no answer")
            return
        }
        #expect(others.count == 4 && !others.contains { [World.id(0), World.id(13)].contains($0.node) })
        let first = meet(&machine, 14, isUrgent: true)
        #expect(machine.peers.count == 12 && machine.peers.contains(World.id(14)))
        #expect(first.contains { if case .send(_, _, .refusal) = $0 { true } else { false } })
        #expect(
            first.contains {
                if case .send(World.id(14), World.endpoint(14), .welcome) = $0 { true } else { false }
            })
        _ = meet(&machine, 15, isUrgent: true)
        #expect(!machine.peers.contains(World.id(15)), "one in a period")
        _ = meet(&machine, 15, isUrgent: true, at: .origin + .seconds(2))
        #expect(machine.peers.contains(World.id(15)))
    }

    @Test func `strangers keep a quarter of the view, and beyond it give way to the committee`() {
        var machine = machine()
        for index in 1...12 { _ = meet(&machine, index) }
        _ = handle(&machine, .committee(Set((21...40).map(World.id))))
        for index in 21...40 { _ = meet(&machine, index) }
        #expect(machine.peers.count { !(21...40).map(World.id).contains($0) } == 3)
        // And no stranger displaces one of the committee.
        for index in 50...70 {
            _ = meet(&machine, index, isUrgent: true, at: .origin + .seconds(index))
        }
        #expect(machine.peers.count { (21...40).map(World.id).contains($0) } == 9)
    }

    @Test func `at the target nobody is dialled`() {
        var machine = machine(remembered: (1...40).map { World.record($0) })
        var dials = 0
        var now = Instant.origin
        while now < .origin + .seconds(200) {
            now = machine.deadline
            for action in handle(&machine, .woke, at: now) {
                switch action {
                case .send(_, let endpoint, .dial):
                    if now > .origin + .seconds(5) { dials += 1 }
                    let index = (1...40).first { World.endpoint($0) == endpoint }!
                    let welcome = Membership.Event.welcome(
                        [World.record(index)], from: World.id(index), endpoint)
                    _ = handle(&machine, welcome, at: now)
                case .send(_, let endpoint, .ping(let nonce)):
                    let index = (1...40).first { World.endpoint($0) == endpoint }!
                    _ = handle(&machine, .pong(nonce: nonce, from: World.id(index), endpoint), at: now)
                default: break
                }
            }
        }
        #expect(machine.peers.count == 8 && dials == 0)
    }

    @Test func `strangers' pings and pongs are nothing`() {
        var machine = machine()
        #expect(handle(&machine, .ping(nonce: 1, from: World.id(1), World.endpoint(1))).isEmpty)
        #expect(handle(&machine, .pong(nonce: 1, from: World.id(1), World.endpoint(1))).isEmpty)
        #expect(handle(&machine, .goodbye(from: World.id(1))).isEmpty)
        #expect(handle(&machine, .records([], asks: true, from: World.id(1), World.endpoint(1))).isEmpty)
    }

    @Test func `who is shunned is said goodbye to, and is no peer by any way before its time`() {
        var machine = machine()
        for index in 1...4 { _ = meet(&machine, index) }
        let (shunned, place) = (World.id(1), World.endpoint(1))
        let end = Instant.origin + .seconds(60)
        let actions = handle(&machine, .shun(shunned, until: end))
        #expect(actions == [.send(shunned, place, .goodbye), .disconnected(shunned)])
        // It dials, it pings as if it were a peer, and we look for others.
        let dial = Membership.Event.dial(World.record(1), isUrgent: true, from: shunned, place)
        var now = Instant.origin
        while now < end {
            now = max(now + .milliseconds(500), machine.deadline)
            guard now < end else { break }
            var said = handle(&machine, .woke, at: now)
            said += handle(&machine, dial, at: now)
            said += handle(&machine, .ping(nonce: 1, from: shunned, place), at: now)
            for case .send(shunned, _, let frame) in said {
                switch frame {
                case .refusal, .goodbye: break
                default: Issue.record("\(frame) at \(now)")
                }
            }
        }
        #expect(!machine.peers.contains(shunned))
        #expect(handle(&machine, dial, at: end).contains(.connected(shunned, place)))
    }

    // MARK: Dishonest seats

    /// A node of a committee of 40 with a full view of honest fellows, of whom it dialled six.
    private func seated(at now: inout Instant) -> Membership {
        var machine = machine(remembered: (1...6).map { World.record($0) })
        _ = handle(&machine, .committee(Set((0..<40).map(World.id))))
        while machine.peers.count < 6 {
            now = max(now, machine.deadline)
            for case .send(let node, let place, .dial) in handle(&machine, .woke, at: now) {
                let index = (1...6).first { World.id($0) == node }!
                _ = handle(&machine, .welcome([World.record(index)], from: node, place), at: now)
            }
        }
        for index in 7...12 { _ = meet(&machine, index, at: now) }
        #expect(machine.peers.count == 12)
        return machine
    }

    @Test func `twelve seats that are always urgent win one place together, and none from another`() {
        var now = Instant.origin
        var machine = seated(at: &now)
        let chosen = Set(machine.accounts.filter { $0.link?.isOutbound == true }.map(\.node))
        let liars = Set((21...32).map(World.id))
        let end = now + .seconds(120)
        var held = 0
        while now < end {
            now = now + .milliseconds(100)
            for index in 21...32 where !machine.peers.contains(World.id(index)) {
                _ = meet(&machine, index, isUrgent: true, at: now)
            }
            held = max(held, machine.peers.count(where: liars.contains))
            machine.assertInvariants()
        }
        #expect(held == 1)
        #expect(chosen.isSubset(of: machine.peers), "whom it chose stays")
        // Who is honest and urgent takes that place.
        _ = meet(&machine, 33, isUrgent: true, at: now + .seconds(2))
        #expect(machine.peers.contains(World.id(33)))
    }

    @Test func `a seat that comes urgently and goes again costs one link in minutes`() {
        var now = Instant.origin
        var machine = seated(at: &now)
        let honest = Set(machine.peers)
        var lost = 0
        for turn in 0..<1_200 {
            now = now + .milliseconds(100)
            let said =
                meet(&machine, 21, isUrgent: true, at: now)
                + handle(&machine, .goodbye(from: World.id(21)), at: now)
            for case .disconnected(let node) in said where honest.contains(node) { lost += 1 }
            // Whoever is honest takes the place that it left.
            if machine.peers.count < 12 { _ = meet(&machine, 22 + turn % 18, at: now) }
        }
        #expect(lost == 1)
    }
}
