import Chance
import Identity
import Membership
import MembershipWorld
import TestKit
import Testing
import Wire

/// One machine, events by hand.
@Suite final class MembershipRuleTests {
    var told = 0

    func machine(
        bootstrap: [(NodeID, Endpoint)] = [], remembered: [NodeRecord] = []
    ) -> Membership {
        Membership(
            record: World.record(0), bootstrap: bootstrap, remembered: remembered, chance: Chance(seed: 1),
            now: .origin)
    }

    func handle(
        _ machine: inout Membership, _ event: Membership.Event, at now: Instant = .origin
    ) -> [Membership.Action] {
        var actions: [Membership.Action] = []
        machine.handle(event, at: now, actions: &actions)
        return actions
    }

    /// Somebody dials it.
    func meet(
        _ machine: inout Membership, _ index: Int, isUrgent: Bool = false, at now: Instant = .origin
    ) -> [Membership.Action] {
        handle(
            &machine,
            .dial(
                World.record(index), isUrgent: isUrgent, from: World.id(index), World.endpoint(index)),
            at: now)
    }

    /// A peer tells cards, at the next time at which it may.
    func tell(_ machine: inout Membership, _ records: [NodeRecord], by index: Int = 1) {
        told += 1
        _ = handle(
            &machine, .records(records, asks: true, from: World.id(index), World.endpoint(index)),
            at: .origin + .milliseconds(100) * told)
    }

    @Test func `a card gives way to a higher sequence only`() {
        var machine = machine()
        _ = meet(&machine, 1)
        let elsewhere = Endpoint.loopback(port: 9_999)
        let first = World.record(5, sequence: 4)
        tell(&machine, [first])
        for sequence: UInt64 in [1, 3] {
            tell(&machine, [World.record(5, sequence: sequence, endpoint: elsewhere)])
            #expect(machine.records.contains(first) && machine.records.count == 2)
        }
        let newer = World.record(5, sequence: 5, endpoint: elsewhere)
        tell(&machine, [newer, newer])
        #expect(machine.records.contains(newer) && machine.records.count == 2)
    }

    @Test func `strangers' cards of others are nothing`() {
        var machine = machine()
        let cards = [World.record(5), World.record(6)]
        for asks in [false, true] {
            let event = Membership.Event.records(cards, asks: asks, from: World.id(1), World.endpoint(1))
            #expect(handle(&machine, event).isEmpty)
        }
        #expect(handle(&machine, .refusal(cards, from: World.id(1), World.endpoint(1))).isEmpty)
        #expect(machine.records.isEmpty)
    }

    @Test func `another's card makes no peer`() {
        var machine = machine()
        let card = World.record(1)
        let stolen = handle(&machine, .dial(card, isUrgent: true, from: World.id(2), World.endpoint(1)))
        #expect(stolen.isEmpty && machine.peers.isEmpty)
    }

    /// Behind a translator of addresses, nobody's card names the place that its datagrams come from.
    @Test func `a peer is answered where it speaks from, and followed when it moves`() {
        var machine = machine()
        let (first, second) = (Endpoint.loopback(port: 9_998), Endpoint.loopback(port: 9_999))
        let met = handle(&machine, .dial(World.record(1), isUrgent: true, from: World.id(1), first))
        #expect(met.first == .connected(World.id(1), first))
        let ping = Membership.Event.ping(nonce: 7, from: World.id(1), second)
        #expect(handle(&machine, ping) == [.send(World.id(1), second, .pong(nonce: 7))])
        _ = handle(&machine, .heard(from: World.id(1), first))
        var places: [Endpoint] = []
        for second in 1...30 {
            for case .send(World.id(1), let place, .ping) in handle(
                &machine, .woke, at: .origin + .seconds(second))
            {
                places.append(place)
            }
        }
        // Silent there, it is asked at home too.
        #expect(places.first == first && Set(places) == [first, World.endpoint(1)])
    }

    @Test func `a peer cannot have us call many who are none of us`() {
        var machine = machine()
        _ = meet(&machine, 1)
        _ = meet(&machine, 2)
        func calls(_ target: Int, at place: Endpoint, by asker: Int, at now: Instant) -> Int {
            let ask = Membership.Event.indirectPing(
                World.id(target), place, nonce: 1, from: World.id(asker), World.endpoint(asker))
            return handle(&machine, ask, at: now).count {
                if case .send(_, _, .probe) = $0 { true } else { false }
            }
        }
        var count = 0
        for number in 0..<100 {
            let place = Endpoint(ipv4: 0x0808_0800 | UInt32(number), port: 53)
            count += calls(
                100 + number, at: place, by: 1 + number % 2, at: .origin + .milliseconds(10) * number)
        }
        #expect(count == 2)
        // Whom we know, and whom we call already, we call for anybody.
        let now = Instant.origin + .seconds(2)
        #expect(calls(2, at: World.endpoint(2), by: 1, at: now) == 1)
        #expect(calls(50, at: World.endpoint(50), by: 1, at: now) == 1)
        #expect(calls(50, at: World.endpoint(50), by: 2, at: now) == 1)
        #expect(calls(2, at: .loopback(port: 9), by: 1, at: now) == 0)
    }

    /// Whoever sees it, it has dialled.
    func seen() -> Membership {
        var machine = machine(bootstrap: (1...45).map { (World.id($0), World.endpoint($0)) })
        var now = Instant.origin
        while !(1...45).allSatisfy({ machine.hasDialled(World.id($0)) }) {
            now = max(now, machine.deadline)
            _ = handle(&machine, .woke, at: now)
        }
        return machine
    }

    func see(
        _ machine: inout Membership, _ seen: Endpoint, by index: Int, prefix: UInt32,
        at now: Instant = .origin
    ) -> [Membership.Action] {
        let place = Endpoint(ipv4: 0x0A00_0001 + prefix << 8, port: 4_000)
        return handle(&machine, .observed(seen: seen, by: World.id(index), place), at: now)
    }

    @Test func `three in different prefixes who agree locate a node, and one with many keys does not`() {
        var machine = seen()
        let (place, elsewhere) = (Endpoint(ipv4: 0x0808_0808, port: 7), Endpoint(ipv4: 0x0909_0909, port: 7))
        for index in 1...40 { #expect(see(&machine, elsewhere, by: index, prefix: 1).isEmpty) }
        #expect(see(&machine, place, by: 41, prefix: 2).isEmpty)
        #expect(see(&machine, place, by: 42, prefix: 3).isEmpty)
        #expect(see(&machine, elsewhere, by: 43, prefix: 4).isEmpty)
        #expect(see(&machine, place, by: 44, prefix: 5) == [.located(place)])
        let card = World.record(0, sequence: 2, endpoint: place)
        _ = handle(&machine, .card(card))
        #expect(see(&machine, place, by: 45, prefix: 6).isEmpty, "its card says so")
        // It moves, a minute later at the earliest: the newest word of each prefix counts.
        let now = Instant.origin + .seconds(60)
        #expect(see(&machine, elsewhere, by: 41, prefix: 2, at: now) == [.located(elsewhere)])
    }

    @Test func `whom it called for others only does not say where it is`() {
        var machine = seen()
        let elsewhere = Endpoint(ipv4: 0x0909_0909, port: 7)
        for index in 101...116 {
            #expect(see(&machine, elsewhere, by: index, prefix: UInt32(index)).isEmpty)
        }
        for index in 1...2 { #expect(see(&machine, elsewhere, by: index, prefix: UInt32(index)).isEmpty) }
        #expect(see(&machine, elsewhere, by: 3, prefix: 3) == [.located(elsewhere)])
    }

    @Test func `a list that is read again adds, moves and takes away`() {
        var machine = machine(bootstrap: [(World.id(1), World.endpoint(1)), (World.id(2), World.endpoint(2))])
        let moved = Endpoint.loopback(port: 9_999)
        _ = handle(&machine, .bootstrap([.init(World.id(2), moved), .init(World.id(3), World.endpoint(3))]))
        var dialled: [NodeID: Set<Endpoint>] = [:]
        var now = Instant.origin
        for _ in 0..<40 {
            now = max(now, machine.deadline)
            for case .send(let node, let place, .dial) in handle(&machine, .woke, at: now) {
                dialled[node, default: []].insert(place)
            }
        }
        #expect(dialled == [World.id(2): [moved], World.id(3): [World.endpoint(3)]])
    }

    /// Only one side believes in the link: what it asks shows that, and it must not wait for the other's backoff.
    @Test func `whoever takes us for a peer is dialled at once, and not twice in a moment`() {
        var machine = machine()
        _ = meet(&machine, 1)
        tell(&machine, [World.record(2), World.record(3)])
        var now = Instant.origin + .seconds(1)
        for _ in 0..<40 { now = max(now, machine.deadline); _ = handle(&machine, .woke, at: now) }
        let place = Endpoint.loopback(port: 9_999)
        now = now + .milliseconds(900)
        let ping = Membership.Event.ping(nonce: 1, from: World.id(2), place)
        #expect(
            handle(&machine, ping, at: now) == [
                .send(World.id(2), place, .dial(World.record(0), isUrgent: true))
            ])
        #expect(handle(&machine, ping, at: now).isEmpty)
        let other = Membership.Event.ping(nonce: 1, from: World.id(3), place)
        #expect(handle(&machine, other, at: now + .milliseconds(49)).isEmpty)
        #expect(!handle(&machine, other, at: now + .milliseconds(50)).isEmpty)
    }

    @Test func `a welcome that was not asked for makes no peer`() {
        var machine = machine()
        let cards = [World.record(1), World.record(2)]
        let welcome = Membership.Event.welcome(cards, from: World.id(1), World.endpoint(1))
        #expect(handle(&machine, welcome) == [.send(World.id(1), World.endpoint(1), .goodbye)])
        #expect(machine.peers.isEmpty && machine.records.isEmpty)
    }

    @Test func `a node that comes with an old card is a peer, but its newer card is the one that is told`() {
        var machine = machine()
        _ = meet(&machine, 2)
        let newer = World.record(1, sequence: 9, endpoint: .loopback(port: 9_999))
        tell(&machine, [newer], by: 2)
        #expect(meet(&machine, 1).first == .connected(World.id(1), World.endpoint(1)))
        #expect(machine.records.contains(newer) && !machine.records.contains(World.record(1)))
    }

    @Test func `one's own card from others is nothing to know`() {
        var machine = machine()
        _ = meet(&machine, 1)
        let forged = World.record(0, sequence: 99, endpoint: .loopback(port: 9_999))
        tell(&machine, [forged])
        _ = handle(&machine, .dial(forged, isUrgent: true, from: World.id(0), .loopback(port: 9_999)))
        #expect(machine.records == [World.record(1)] && machine.peers == [World.id(1)])
    }

    @Test func `dials are spaced from a fifth of a second to thirty, for ever`() {
        var machine = machine(bootstrap: [(World.id(1), World.endpoint(1))])
        var dials: [Instant] = []
        while dials.count < 40 {
            let now = machine.deadline
            for action in handle(&machine, .woke, at: now) {
                guard
                    case .send(World.id(1), World.endpoint(1), .dial(World.record(0), isUrgent: true)) =
                        action
                else {
                    continue
                }
                dials.append(now)
            }
        }
        let gaps = zip(dials, dials.dropFirst()).map { $1 - $0 }
        #expect((.milliseconds(100)...(.milliseconds(200))).contains(gaps[0]))
        #expect(gaps.allSatisfy { $0 <= .seconds(30) })
        #expect(gaps.dropFirst(9).allSatisfy { $0 >= .seconds(15) })
        #expect(Set(gaps.dropFirst(9)).count > 20, "jittered")
    }

    @Test func `an unanswered question disconnects in the end, and a forged pong saves nobody`() {
        var machine = machine()
        _ = meet(&machine, 1)
        var asked: [Instant] = []
        var gone: Instant?
        while gone == nil, asked.count < 20 {
            let now = machine.deadline
            for action in handle(&machine, .woke, at: now) {
                switch action {
                case .send(_, _, .ping(let nonce)):
                    asked.append(now)
                    _ = handle(
                        &machine, .pong(nonce: nonce &+ 1, from: World.id(1), World.endpoint(1)), at: now)
                case .disconnected(World.id(1)): gone = now
                default: break
                }
            }
        }
        #expect(asked.count == 6)
        // Half a second for an answer, as much for a second one, and three of suspicion.
        #expect(gone.map { $0 - asked[0] } == .seconds(4.5))
    }

    @Test func `a suspect that says anything is none`() {
        var machine = machine()
        _ = meet(&machine, 1)
        var pings = 0
        while pings < 5 {
            let now = machine.deadline
            for case .send(_, _, .ping) in handle(&machine, .woke, at: now) { pings += 1 }
        }
        let now = machine.deadline
        _ = handle(&machine, .heard(from: World.id(1), World.endpoint(1)), at: now)
        for action in handle(&machine, .woke, at: now) {
            if case .disconnected = action { Issue.record("it had said something") }
        }
        #expect(machine.peers == [World.id(1)])
    }

    @Test func `what is heard of a peer saves the question`() {
        var machine = machine()
        _ = meet(&machine, 1)
        var now = Instant.origin
        while now < .origin + .seconds(60) {
            now = min(machine.deadline, now + .milliseconds(500))
            _ = handle(&machine, .heard(from: World.id(1), World.endpoint(1)), at: now)
            for case .send(_, _, .ping) in handle(&machine, .woke, at: now) {
                Issue.record("asked needlessly")
            }
        }
    }

    @Test func `others are asked about a silent peer, and their word keeps it twice`() {
        var machine = machine()
        for index in 1...5 { _ = meet(&machine, index) }
        var now = Instant.origin
        var answers = 0
        var isGone = false
        while !isGone, now < .origin + .seconds(60) {
            now = machine.deadline
            for index in 2...5 {
                _ = handle(&machine, .heard(from: World.id(index), World.endpoint(index)), at: now)
            }
            for action in handle(&machine, .woke, at: now) {
                guard case .send(_, let helper, .indirectPing(World.id(1), _, let nonce)) = action else {
                    continue
                }
                let index = (2...5).first { World.endpoint($0) == helper }!
                let said = handle(
                    &machine,
                    .indirectPong(
                        nonce: nonce, isAlive: true, from: World.id(index), World.endpoint(index)), at: now)
                if said.contains(.disconnected(World.id(1))) { isGone = true }
                answers += 1
            }
        }
        #expect(isGone && machine.peers.count == 4)
        #expect(answers == 9, "three helpers, three times")
    }

    @Test func `a helper asks whom it is told, and says what it heard`() {
        var machine = machine()
        _ = meet(&machine, 1)
        let ask = Membership.Event.indirectPing(
            World.id(2), World.endpoint(2), nonce: 7, from: World.id(1), World.endpoint(1))
        guard case .send(World.id(2), World.endpoint(2), .probe(let nonce))? = handle(&machine, ask).first
        else {
            Issue.record("it did not ask")
            return
        }
        let late = Instant.origin + .milliseconds(50)
        #expect(handle(&machine, .pong(nonce: nonce, from: World.id(3), World.endpoint(2)), at: late).isEmpty)
        let answer = handle(&machine, .pong(nonce: nonce, from: World.id(2), World.endpoint(2)), at: late)
        #expect(answer == [.send(World.id(1), World.endpoint(1), .indirectPong(nonce: 7, isAlive: true))])
        // Nobody answers the second time.
        let again = late + .milliseconds(500)
        _ = handle(&machine, ask, at: again)
        let denial = handle(&machine, .woke, at: again + .milliseconds(400))
        #expect(
            denial.contains(.send(World.id(1), World.endpoint(1), .indirectPong(nonce: 7, isAlive: false))))
        // Not for a stranger.
        let strangers = Membership.Event.indirectPing(
            World.id(2), World.endpoint(2), nonce: 7, from: World.id(4), World.endpoint(4))
        #expect(handle(&machine, strangers).isEmpty)
    }

    @Test func `a right pong keeps a peer`() {
        var machine = machine()
        _ = meet(&machine, 1)
        var now = Instant.origin
        while now < .origin + .seconds(30) {
            now = machine.deadline
            for action in handle(&machine, .woke, at: now) {
                guard case .send(_, _, .ping(let nonce)) = action else { continue }
                _ = handle(&machine, .pong(nonce: nonce, from: World.id(1), World.endpoint(1)), at: now)
            }
        }
        #expect(machine.peers == [World.id(1)])
    }

    @Test func `a peer started anew is connected anew`() {
        var machine = machine()
        _ = meet(&machine, 1)
        let anew = World.record(1, sequence: 1 << NodeRecord.changeBits)
        let actions = handle(&machine, .records([anew], asks: true, from: World.id(1), World.endpoint(1)))
        #expect(
            actions.prefix(2) == [.disconnected(World.id(1)), .connected(World.id(1), World.endpoint(1))])
        let again = handle(&machine, .records([anew], asks: true, from: World.id(1), World.endpoint(1)))
        #expect(again.count == 1)
    }
}
