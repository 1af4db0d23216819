import Chance
import Identity
import Membership
import MembershipWorld
import Testing
import Wire

/// Strangers that would keep others out, move a node, or have it call somebody, by what costs them nothing.
extension MembershipRuleTests {
    private func card(_ number: Int, _ places: Endpoint...) -> NodeRecord {
        NodeRecord(
            node: NodeID(testing: 2_000_000 + UInt64(number)), sequence: 1, roles: .sensor, endpoints: places,
            region: nil, version: 1)
    }

    /// Whether a node that dials with this card from this place becomes a peer.
    private func isWelcome(
        _ machine: inout Membership, _ card: NodeRecord, from place: Endpoint, at now: Instant = .origin
    ) -> Bool {
        let said = handle(&machine, .dial(card, isUrgent: false, from: card.node, place), at: now)
        return said.contains {
            if case .send(card.node, place, .welcome) = $0 { true } else { false }
        }
    }

    // MARK: Who gets in

    @Test func `cards that name a foreign prefix keep nobody out who is in it`() {
        var machine = machine()
        let attacker = Endpoint(ipv4: 0xC000_0201, port: 4_000)
        func there(_ number: Int) -> Endpoint { Endpoint(ipv4: 0xC633_6400 + UInt32(number), port: 4_000) }
        var welcomes = 0
        for number in 1...12 where isWelcome(&machine, card(number, there(number)), from: attacker) {
            welcomes += 1
        }
        #expect(welcomes == 2)
        #expect(!isWelcome(&machine, card(13, there(13)), from: attacker))
        #expect(machine.accounts.count { $0.link == nil } == 10)
        #expect(isWelcome(&machine, card(77, there(77)), from: there(77)))
        #expect(machine.accounts.count { $0.link == nil } == 9, "one of them gave way")
        machine.assertInvariants()
    }

    @Test func `who is in a full prefix displaces nobody who answered, nor anybody elsewhere`() {
        let ten = (1...10).map { card($0, Endpoint(ipv4: 0xC633_6400 + UInt32($0), port: 1)) }
        var machine = machine(remembered: ten)
        var answered = 0
        var now = Instant.origin
        while answered < 10, now < .origin + .seconds(60) {
            now = max(now, machine.deadline)
            for case .send(let node, let place, .dial) in handle(&machine, .woke, at: now) {
                answered += 1
                _ = handle(&machine, .refusal([], from: node, place), at: now)
            }
        }
        #expect(answered >= 2)
        let proven = machine.accounts.filter(\.isProven).map(\.node)
        for number in 100..<130 {
            let place = Endpoint(ipv4: 0xC633_6400 + UInt32(number), port: 1)
            _ = isWelcome(&machine, card(number, place), from: place, at: now)
            _ = isWelcome(
                &machine, card(1_000 + number, place), from: Endpoint(ipv4: 0xC000_0201, port: 1), at: now)
        }
        let known = Set(machine.records.map(\.node))
        #expect(proven.allSatisfy(known.contains))
        #expect(machine.accounts.count { $0.link == nil } <= 10)
        machine.assertInvariants()
    }

    @Test func `a list as long as lists may be leaves room for who is not on it`() {
        let list = (1...BootstrapList.entriesMax).map { (World.id($0), World.endpoint($0)) }
        var machine = machine(bootstrap: list)
        _ = meet(&machine, 2_000)
        #expect(machine.peers == [World.id(2_000)])
        machine.assertInvariants()
    }

    @Test(arguments: [false, true])
    func `a node that the list names twice is dialled at both places in turn`(isReadAgain: Bool) {
        let places = [World.endpoint(1), Endpoint.loopback(port: 9_999)]
        var machine = machine(bootstrap: isReadAgain ? [] : places.map { (World.id(1), $0) })
        if isReadAgain {
            _ = handle(&machine, .bootstrap(places.map { Membership.Listed(World.id(1), $0) }))
        }
        var dialled: [Endpoint] = []
        for _ in 0..<100 where dialled.count < 4 {
            let now = machine.deadline
            for case .send(World.id(1), let place, .dial) in handle(&machine, .woke, at: now) {
                dialled.append(place)
            }
        }
        #expect(dialled == places + places)
    }

    // MARK: Cards without a place

    private func tellPlaceless(_ machine: inout Membership, _ count: Int) {
        for start in stride(from: 0, to: count, by: 4) {
            tell(&machine, (start..<(start + 4)).map { card($0) })
        }
    }

    @Test func `strangers that tell no place are few, told to nobody, and make no network large`() {
        var machine = machine()
        for index in 1...11 { _ = meet(&machine, index) }
        #expect(machine.peers.count == 11)
        tellPlaceless(&machine, 60)
        #expect(machine.records.count { $0.endpoints.isEmpty } == 10)
        #expect(machine.sharedCards.allSatisfy { !$0.card.endpoints.isEmpty })
        #expect(machine.sharedCards.count == 12, "those of all others are made equal as before")
        let now = Instant.origin + .seconds(2)
        let ask = Membership.Event.records([], asks: true, from: World.id(1), World.endpoint(1))
        for case .send(_, _, .records(let cards, asks: _)) in handle(&machine, ask, at: now) {
            #expect(cards.count == 4 && cards.allSatisfy { !$0.endpoints.isEmpty })
        }
        // Where more live than can be peers, so many that came by themselves are enough.
        _ = meet(&machine, 12, at: now)
        #expect(machine.peers.contains(World.id(12)))
        machine.assertInvariants()
    }

    /// Behind a translator of addresses, somebody's first card names none.
    @Test func `who tells no place is let in however many such are known`() {
        var machine = machine()
        _ = meet(&machine, 1)
        tellPlaceless(&machine, 60)
        let now = Instant.origin + .seconds(2)
        #expect(isWelcome(&machine, card(100), from: World.spreadEndpoint(7), at: now))
        #expect(machine.records.count { $0.endpoints.isEmpty } == 10)
        // Of the committee all are known, as others introduce them.
        _ = handle(&machine, .committee(Set((200..<220).map { card($0).node })), at: now)
        told = 30
        for number in 200..<220 { tell(&machine, [card(number)]) }
        #expect(machine.records.count { $0.endpoints.isEmpty } == 30)
        machine.assertInvariants()
    }

    @Test func `a loopback is no place for a node that is elsewhere`() {
        var machine = Membership(
            record: World.record(0, endpoint: World.spreadEndpoint(0)), bootstrap: [], remembered: [],
            chance: Chance(seed: 1), now: .origin)
        _ = meet(&machine, 1)
        for number in 0..<60 { tell(&machine, [card(number, .loopback(port: 1))]) }
        #expect(machine.records.count == 11, "the peer, and ten")
    }

    // MARK: What liars say

    @Test func `of two cards of one sequence all keep the same, whichever came first`() {
        var machines = [machine(), machine()]
        let elsewhere = Endpoint.loopback(port: 9_999)
        let cards = [World.record(5), World.record(5, endpoint: elsewhere)]
        for index in 0..<2 {
            _ = meet(&machines[index], 1)
            tell(&machines[index], [cards[index]])
        }
        #expect(machines[0].sharedCards.map(\.id) != machines[1].sharedCards.map(\.id))
        for index in 0..<2 { tell(&machines[index], [cards[1 - index]]) }
        #expect(machines[0].sharedCards.map(\.id) == machines[1].sharedCards.map(\.id))
        #expect(machines[0].sharedCards.map(\.card) == machines[1].sharedCards.map(\.card))
        // One's own is one's own, whatever others say.
        for port in UInt16(9_000)..<9_010 {
            tell(&machines[0], [World.record(0, endpoint: .loopback(port: port))])
        }
        #expect(machines[0].sharedCards.map(\.id) == machines[1].sharedCards.map(\.id))
    }

    @Test func `three liars do not outvote eight who see a node where it is`() {
        var machine = seen()
        let (place, elsewhere) = (Endpoint(ipv4: 0x0808_0808, port: 7), Endpoint(ipv4: 0x0909_0909, port: 7))
        for index in 1...8 {
            let said = see(&machine, place, by: index, prefix: UInt32(index))
            let expected: [Membership.Action] = index == 3 ? [.located(place)] : []
            #expect(said == expected)
            if index == 3 { _ = handle(&machine, .card(World.record(0, sequence: 2, endpoint: place))) }
        }
        for index in 11...13 {
            let now = Instant.origin + .seconds(120)
            #expect(see(&machine, elsewhere, by: index, prefix: UInt32(index), at: now).isEmpty)
        }
        // Where the eight are peers no more, and say nothing of it, it has moved.
        let later = Instant.origin + .seconds(360)
        #expect(see(&machine, elsewhere, by: 11, prefix: 11, at: later) == [.located(elsewhere)])
    }

    @Test func `what is no public place is seen by nobody, but for the loopback by who is there too`() {
        var machine = seen()
        let none: [Endpoint] = [
            Endpoint(ipv4: 0, port: 7), Endpoint(high: 0, low: 0, port: 7),
            Endpoint(ipv4: 0x0808_0808, port: 0), .loopback(port: 7), Endpoint(high: 0, low: 1, port: 7),
        ]
        for (turn, place) in none.enumerated() {
            for index in 1...4 {
                let now = Instant.origin + .seconds(100) * turn
                #expect(see(&machine, place, by: index, prefix: UInt32(index), at: now).isEmpty)
            }
        }
        var located: [Endpoint] = []
        for index in 1...3 {
            let sight = Membership.Event.observed(
                seen: .loopback(port: 7), by: World.id(index), World.endpoint(index))
            for case .located(let place) in handle(&machine, sight, at: .origin + .seconds(1_000)) {
                located.append(place)
            }
        }
        #expect(located == [.loopback(port: 7)])
    }

    @Test func `a node that moves on within a minute is found there when it has passed`() {
        var machine = seen()
        let places = (0..<2).map { Endpoint(ipv4: 0x0808_0808, port: UInt16(7 + $0)) }
        for index in 1...3 { _ = see(&machine, places[0], by: index, prefix: UInt32(index)) }
        _ = handle(&machine, .card(World.record(0, sequence: 2, endpoint: places[0])))
        var now = Instant.origin + .seconds(30)
        for index in 1...3 {
            #expect(see(&machine, places[1], by: index, prefix: UInt32(index), at: now).isEmpty)
        }
        var found: [Instant] = []
        while now < .origin + .seconds(60) {
            now = max(now, machine.deadline)
            for case .located(let place) in handle(&machine, .woke, at: now) {
                found.append(now)
                #expect(place == places[1])
            }
        }
        #expect(found == [Instant.origin + .seconds(60)])
    }

    // MARK: Who calls to be called back

    /// Told of forty nodes, each in a prefix of its own, of which none has answered yet.
    private func lonely() -> Membership {
        let cards = (1...40).map { World.record($0, endpoint: World.spreadEndpoint($0)) }
        return Membership(
            record: World.record(0, endpoint: World.spreadEndpoint(0)), bootstrap: [], remembered: cards,
            chance: Chance(seed: 1), now: .origin)
    }

    @Test
    func `who pings to be dialled is a peer that came by itself, and fills no place of one's own choice`() {
        var machine = lonely()
        let liars = (0..<20).map { number in
            card(number, Endpoint(ipv4: 0xC000_0001 + UInt32(number) << 8, port: 4_000))
        }
        var now = Instant.origin
        func pass(_ said: [Membership.Action]) {
            for case .send(let node, let place, .dial) in said {
                if let liar = liars.first(where: { $0.node == node }) {
                    _ = handle(&machine, .welcome([liar], from: node, place), at: now)
                } else {
                    _ = handle(&machine, .refusal([], from: node, place), at: now)
                }
            }
        }
        for liar in liars {
            _ = isWelcome(&machine, liar, from: liar.endpoints[0])
            _ = handle(&machine, .goodbye(from: liar.node))
        }
        // It dials nobody of its own accord here: it might choose one of them.
        while now < .origin + .seconds(20) {
            now = now + .milliseconds(50)
            let liar = liars[Int(now.nanoseconds / 50_000_000) % liars.count]
            pass(handle(&machine, .ping(nonce: 1, from: liar.node, liar.endpoints[0]), at: now))
            machine.assertInvariants()
        }
        #expect(machine.peers.count == 9, "three places are left for whom it chooses")
        #expect(machine.accounts.allSatisfy { $0.link?.isOutbound != true })
    }

    @Test func `whom we dialled and who calls before it has our dial is of our own choice`() {
        var machine = lonely()
        let first = handle(&machine, .woke)
        guard case .send(let node, let place, .dial)? = first.first,
            let card = machine.records.first(where: { $0.node == node })
        else {
            Issue.record("no dial")
            return
        }
        let now = Instant.origin + .milliseconds(300)
        let again = handle(&machine, .ping(nonce: 1, from: node, place), at: now)
        #expect(again.contains { if case .send(node, place, .dial) = $0 { true } else { false } })
        _ = handle(&machine, .welcome([card], from: node, place), at: now)
        #expect(machine.accounts.filter { $0.link?.isOutbound == true }.map(\.node) == [node])
    }

    @Test(arguments: [9, 11])
    func `a welcome is an answer for ten seconds`(seconds: Int) {
        var machine = lonely()
        let first = handle(&machine, .woke)
        guard case .send(let node, let place, .dial)? = first.first,
            let card = machine.records.first(where: { $0.node == node })
        else {
            Issue.record("no dial")
            return
        }
        let now = Instant.origin + .seconds(seconds)
        let said = handle(&machine, .welcome([card], from: node, place), at: now)
        #expect(machine.peers == (seconds < 10 ? [node] : []))
        #expect(said.contains(.send(node, place, .goodbye)) == (seconds > 10))
    }

    // MARK: Who is refused

    private func refusals(_ said: [Membership.Action]) -> [[NodeRecord]] {
        said.compactMap { if case .send(_, _, .refusal(let cards)) = $0 { cards } else { nil } }
    }

    @Test(arguments: [(10, 10), (100, 10), (250, 4)])
    func `who dials again and again is refused ten times a second at most`(period: Int, count: Int) {
        var machine = machine()
        _ = meet(&machine, 1)
        _ = handle(&machine, .shun(World.id(1), until: .origin + .seconds(60)))
        var said = 0
        for turn in 0..<(1_000 / period) {
            let now = Instant.origin + .seconds(1) + .milliseconds(Int64(period * turn))
            said += refusals(meet(&machine, 1, at: now)).count
        }
        #expect(said == count)
    }

    @Test func `who is refused and not remembered is told of others twenty times a second at most`() {
        var machine = machine()
        for index in 1...12 { _ = meet(&machine, index) }
        func there(_ number: Int) -> Endpoint { Endpoint(ipv4: 0xC633_6400 + UInt32(number), port: 4_000) }
        func told(_ number: Int, at now: Instant) -> Int {
            let card = card(number, there(number))
            let said = handle(
                &machine, .dial(card, isUrgent: false, from: card.node, .loopback(port: 1)), at: now)
            return refusals(said).first?.count ?? -1
        }
        // The prefix has ten places, and these dial from elsewhere.
        for number in 1...10 { _ = told(number, at: .origin) }
        let counts = (11...110).map { told($0, at: .origin + .milliseconds(10 * $0)) }
        #expect(counts.count { $0 == 4 } == 20 && counts.count { $0 == 0 } == 80)
        machine.assertInvariants()
    }

    // MARK: What cards name

    @Test func `places that no card can be at are not dialled`() {
        let bad: [Endpoint] = [
            .relayed(7), Endpoint(ipv4: 0, port: 7), Endpoint(high: 0, low: 0, port: 7),
            Endpoint(ipv4: 0x0808_0808, port: 0),
        ]
        let good = Endpoint(ipv4: 0x0909_0909, port: 7)
        var machine = machine(remembered: bad.enumerated().map { card($0, $1) } + [card(9, bad[0], good)])
        var dialled: Set<Endpoint> = []
        var now = Instant.origin
        while now < .origin + .seconds(60) {
            now = max(now + .milliseconds(50), min(machine.deadline, .origin + .seconds(60)))
            for case .send(_, let place, .dial) in handle(&machine, .woke, at: now) { dialled.insert(place) }
            machine.assertInvariants()
        }
        #expect(dialled == [good])
    }

    @Test(arguments: [false, true])
    func `a card or a list that comes while a dial is answered does not undo the dial`(isListed: Bool) {
        var machine = machine(
            bootstrap: [(World.id(1), World.endpoint(1))], remembered: [World.record(1), World.record(2)])
        _ = meet(&machine, 2)
        _ = handle(&machine, .woke)
        #expect(machine.hasDialled(World.id(1)))
        let moved = World.record(1, sequence: 2, endpoint: .loopback(port: 9_999))
        if isListed {
            _ = handle(&machine, .bootstrap([.init(World.id(1), .loopback(port: 9_999))]))
        } else {
            tell(&machine, [moved], by: 2)
        }
        let now = Instant.origin + .milliseconds(150)
        var other = machine
        _ = handle(&other, .welcome([moved], from: World.id(1), World.endpoint(1)), at: now)
        #expect(other.peers.contains(World.id(1)))
        // If it has not had the dial, it is tried at once where it is now.
        let dials: [Endpoint] = handle(&machine, .woke, at: now).compactMap {
            if case .send(World.id(1), let place, .dial) = $0 { place } else { nil }
        }
        #expect(dials == [isListed ? World.endpoint(1) : .loopback(port: 9_999)])
        machine.assertInvariants()
    }

    @Test func `whoever changes its card all the time has no store written all the time`() {
        var machine = machine()
        var writes: [Instant] = []
        for turn in 0..<600 {
            let now = Instant.origin + .seconds(turn)
            let changed = card(1, Endpoint(ipv4: 0x0808_0808, port: UInt16(1 + turn)))
            let news = NodeRecord(
                node: changed.node, sequence: UInt64(turn + 1), roles: .sensor, endpoints: changed.endpoints,
                region: nil, version: 1)
            _ = handle(&machine, .dial(news, isUrgent: false, from: news.node, changed.endpoints[0]), at: now)
            for case .persist in handle(&machine, .woke, at: now) { writes.append(now) }
        }
        #expect(writes.count < 60 && writes.count >= 20)
        #expect(writes.count > 9 && writes[9] < .origin + .seconds(25), "soon at first")
    }
}
