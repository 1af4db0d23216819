import Chance
import Identity
import Membership
import MembershipWorld
import TestKit
import Testing
import Wire

/// Cards that nobody renews. An epoch of the test world takes ten minutes, so that a lifetime has six.
@Suite struct ExpiryTests {
    private let lifetime: Epoch = 6

    private func handle(
        _ machine: inout Membership, _ event: Membership.Event, at now: Instant = .origin
    ) -> [Membership.Action] {
        var actions: [Membership.Action] = []
        machine.handle(event, at: now, actions: &actions)
        return actions
    }

    private func machine(bootstrap: [(NodeID, Endpoint)] = [], final: Epoch = 0) -> Membership {
        Membership(
            record: World.record(0, epoch: final), bootstrap: bootstrap, remembered: [],
            chance: Chance(seed: 1), now: .origin)
    }

    private func meet(_ machine: inout Membership, _ card: NodeRecord) -> [NodeRecord] {
        let (node, place) = (card.node, card.endpoints[0])
        for case .send(node, place, .welcome(let cards)) in handle(
            &machine, .dial(card, isUrgent: false, from: node, place))
        {
            return cards
        }
        return []
    }

    private func isTold(_ index: Int, by machine: inout Membership, at epoch: Epoch) -> Bool {
        // Three others are told, and there are at most three.
        meet(&machine, World.record(50 + Int(epoch), epoch: epoch)).contains { $0.node == World.id(index) }
    }

    @Test func `a card is told for a lifetime, and only its owner prolongs it`() {
        var machine = machine()
        _ = meet(&machine, World.record(1))
        _ = handle(&machine, .final(lifetime))
        #expect(isTold(1, by: &machine, at: lifetime))
        _ = handle(&machine, .final(lifetime + 1))
        #expect(!isTold(1, by: &machine, at: lifetime + 1))
        // Told again by others, it is no younger.
        let (teller, place) = (World.id(50 + Int(lifetime)), World.endpoint(50 + Int(lifetime)))
        let again = Membership.Event.records(
            [World.record(1), World.record(9)], asks: true, from: teller, place)
        _ = handle(&machine, again, at: .origin + .seconds(1))
        #expect(!machine.records.contains { $0.node == World.id(9) }, "expired before it was told")
        #expect(!isTold(1, by: &machine, at: lifetime + 1))
        // It is still a peer, and renews its card by itself, unasked.
        let renewed = World.record(1, sequence: 2, epoch: lifetime + 1)
        _ = handle(&machine, .records([renewed], asks: false, from: World.id(1), World.endpoint(1)))
        #expect(isTold(1, by: &machine, at: lifetime + 1))
    }

    @Test func `a card from far ahead is used and not told`() {
        var machine = machine()
        _ = meet(&machine, World.record(1, epoch: .max))
        #expect(machine.peers == [World.id(1)] && !isTold(1, by: &machine, at: 0))
        _ = meet(&machine, World.record(2, epoch: lifetime))
        #expect(isTold(2, by: &machine, at: 1), "a little behind, that happens")
    }

    @Test func `one's own card is renewed each quarter of its lifetime and said to every peer`() {
        var machine = machine()
        for index in 1...4 { _ = meet(&machine, World.record(index)) }
        #expect(handle(&machine, .final(1)).isEmpty)
        var renewals = 0
        var now = Instant.origin
        while now < .origin + .seconds(120) {
            now = max(now, machine.deadline)
            for case .renew in handle(&machine, .woke, at: now) { renewals += 1 }
        }
        #expect(renewals == 1, "once, however late it is signed")
        let card = World.record(0, sequence: 2, epoch: 1)
        let told = handle(&machine, .card(card), at: now)
        for peer in machine.peers {
            #expect(
                told.contains {
                    if case .send(peer, _, .records([card], asks: false)) = $0 { true } else { false }
                })
        }
        #expect(handle(&machine, .final(1), at: now).isEmpty && machine.deadline > now)
    }

    @Test func `who is gone is forgotten by all, and told by nobody`() {
        let world = World(chance: Chance(seed: 4), isSpread: true)
        world.populate(30)
        for _ in 0..<6 { advance(world) }
        #expect(world.hosts.allSatisfy { $0.machine.records.count == 29 }, "the living are kept")
        for index in 25..<30 { world.hosts[index].isUp = false }
        for _ in 0..<24 { advance(world) }
        let gone = Set((25..<30).map { World.id($0) })
        for host in world.hosts.prefix(25) {
            #expect(host.machine.records.count >= 20)
            #expect(host.machine.records.allSatisfy { !gone.contains($0.node) })
            #expect(host.persisted.allSatisfy { !gone.contains($0.node) })
        }
        #expect(world.isOneMesh)
    }

    @Test func `the list and the committee outlive their cards`() {
        var machine = machine(bootstrap: [(World.id(1), World.endpoint(1))])
        _ = handle(&machine, .committee([World.id(2)]))
        for index in 1...3 { _ = meet(&machine, World.record(index)) }
        var now = Instant.origin
        for epoch in 1...(3 * lifetime) {
            // Nobody answers.
            let end = Instant.origin + .seconds(600) * Int(epoch)
            while machine.deadline < end {
                now = max(now, machine.deadline)
                _ = handle(&machine, .woke, at: now)
            }
            now = end
            _ = handle(&machine, .final(epoch), at: now)
        }
        #expect(machine.peers.isEmpty && machine.records.map(\.node) == [World.id(1), World.id(2)].sorted())
    }

    @Test func `whoever was off for a day comes back from memory alone`() {
        let world = World(chance: Chance(seed: 9), isSpread: true)
        world.populate(40)
        for _ in 0..<2 { advance(world) }
        world.hosts[7].isUp = false
        for _ in 0..<144 { world.finalise() }
        world.run(for: .seconds(120))
        world.restart(7, epoch: 2)
        world.run(for: .seconds(5))
        world.catchUp(7)
        world.run(for: .seconds(120))
        #expect(world.hosts[7].peers.count >= 6 && world.isOneMesh)
        #expect(world.hosts[7].record.epoch == world.final)
        #expect(world.hosts.count { $0.machine.records.contains(world.hosts[7].record) } >= 8)
    }

    @Test func `large views stay full of what is fresh, within the traffic of an idle node`() {
        let world = World(chance: Chance(seed: 2), isSpread: true)
        let entries = (0..<3).map { (World.id($0), world.place($0)) }
        for index in 0..<80 { world.add(entries.filter { $0.0 != World.id(index) }) }
        for _ in 0..<9 { advance(world) }
        let traffic = world.traffic(over: .seconds(600))
        world.finalise()
        let fresh = world.hosts.map { host in
            host.machine.records.count { $0.epoch + lifetime >= world.final }
        }
        let mean = fresh.reduce(0, +) / fresh.count
        print("fresh cards of 80: \(fresh.min()!), mean \(mean); \(traffic.bytes) B/s")
        #expect(fresh.min()! >= 40 && traffic.bytes <= 250)
    }

    @Test func `who refuses says its own card, once there may be expired ones`() {
        for final in [lifetime, lifetime + 1] {
            var machine = machine(final: final)
            for index in 1...13 {
                let card = World.record(index, epoch: final)
                let answers = handle(
                    &machine, .dial(card, isUrgent: false, from: card.node, card.endpoints[0]))
                guard index == 13 else { continue }
                guard case .send(_, _, .refusal(let cards))? = answers.first else {
                    Issue.record("not refused")
                    return
                }
                #expect(cards.count == 4 && (cards[0].node == World.id(0)) == (final > lifetime))
            }
        }
    }

    private func advance(_ world: World) {
        world.run(for: .seconds(600))
        world.finalise()
    }
}
