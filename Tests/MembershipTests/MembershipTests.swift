import Chance
import Identity
import Membership
import TestKit
import Testing
import Wire

@Suite struct MembershipTests {
    @Test(arguments: Seed.all.prefix(8), [0, 20])
    func `nodes that know one entry point come to know all`(seed: Seed, lossPercent: Int) {
        let world = World(chance: seed.chance(), lossPercent: lossPercent)
        world.populate(8 + Int(seed.value % 3) * 11)
        #expect(world.run(atMost: .seconds(60)) { $0.allKnowAll && $0.isOneMesh })
        #expect(world.hosts.allSatisfy { $0.peers.count <= 12 })
    }

    @Test(arguments: Seed.all)
    func `eight nodes are a full mesh within three seconds`(seed: Seed) {
        let world = World(chance: seed.chance())
        world.populate(8)
        #expect(world.run(atMost: .seconds(3)) { $0.isFullMesh })
    }

    @Test(arguments: Seed.all.prefix(8))
    func `latecomers are let into a circle that is full`(seed: Seed) {
        let world = World(chance: seed.chance())
        world.populate(13)
        #expect(world.run(atMost: .seconds(10)) { $0.isFullMesh })
        for _ in 0..<4 { world.add([(World.id(0), World.endpoint(0))]) }
        #expect(world.run(atMost: .seconds(60)) { $0.allKnowAll && $0.isOneMesh })
    }

    @Test(arguments: Seed.all.prefix(8), [0, 20])
    func `a restarted node rejoins from what it persisted, without the list`(seed: Seed, lossPercent: Int) {
        let world = World(chance: seed.chance(), lossPercent: lossPercent)
        world.populate(8)
        world.run(for: .seconds(15))
        #expect(world.hosts[3].persisted.count == 7)
        world.hosts[3].isUp = false
        world.run(for: .seconds(2))
        // The entry point is gone too.
        world.hosts[0].isUp = false
        world.restart(3)
        let others = world.hosts.indices.filter { $0 != 0 && $0 != 3 }
        let isBack = world.run(atMost: .seconds(20)) { world in
            others.allSatisfy { world.hosts[3].peers[World.id($0)] != nil }
                && others.allSatisfy { index in
                    world.hosts[index].machine.records.contains { $0.node == World.id(3) && $0.sequence == 2 }
                }
        }
        #expect(isBack)
    }

    @Test(arguments: Seed.all.prefix(8))
    func `a whole network that was switched off comes back without any list`(seed: Seed) {
        let world = World(chance: seed.chance())
        world.populate(8)
        world.run(for: .seconds(10))
        for index in world.hosts.indices { world.restart(index) }
        #expect(world.run(atMost: .seconds(5)) { $0.isFullMesh })
    }

    @Test(arguments: Seed.all.prefix(8))
    func `a dead node is dropped by all and comes back`(seed: Seed) {
        let world = World(chance: seed.chance())
        world.populate(8)
        world.run(for: .seconds(10))
        world.hosts[5].isUp = false
        world.run(for: .seconds(6))
        #expect(world.hosts.indices.allSatisfy { $0 == 5 || world.hosts[$0].peers[World.id(5)] == nil })
        // The others stay together meanwhile.
        #expect(world.hosts.indices.allSatisfy { $0 == 5 || world.hosts[$0].peers.count == 6 })
        // It was only cut off: same machine, same card.
        world.hosts[5].isUp = true
        #expect(world.run(atMost: .seconds(40)) { $0.isFullMesh })
    }

    @Test(arguments: Seed.all.prefix(4))
    func `a quiet mesh stays as it is`(seed: Seed) {
        let world = World(chance: seed.chance())
        world.populate(10)
        #expect(world.run(atMost: .seconds(10)) { $0.isFullMesh })
        for _ in 0..<60 {
            world.run(for: .seconds(1))
            #expect(world.isFullMesh)
        }
    }

    @Test func `the same seed gives the same run`() {
        func trace() -> [[NodeRecord]] {
            let world = World(chance: Chance(seed: 7), lossPercent: 20)
            world.populate(12)
            world.run(for: .seconds(5))
            return world.hosts.map(\.machine.records)
        }
        #expect(trace() == trace())
    }
}

/// One machine, events by hand.
@Suite struct MembershipRuleTests {
    private func machine(
        bootstrap: [(NodeID, Endpoint)] = [], remembered: [NodeRecord] = []
    ) -> Membership {
        Membership(
            record: World.record(0), bootstrap: bootstrap, remembered: remembered, chance: Chance(seed: 1),
            now: .origin)
    }

    private func handle(
        _ machine: inout Membership, _ event: Membership.Event, at now: Instant = .origin
    ) -> [Membership.Action] {
        var actions: [Membership.Action] = []
        machine.handle(event, at: now, actions: &actions)
        return actions
    }

    private func meet(_ machine: inout Membership, _ index: Int, at now: Instant = .origin) -> [Membership
        .Action]
    {
        handle(
            &machine,
            .records([World.record(index)], asks: true, from: World.id(index), World.endpoint(index)),
            at: now)
    }

    @Test func `a card gives way to a higher sequence only`() {
        var machine = machine()
        let elsewhere = Endpoint.loopback(port: 9_999)
        let first = World.record(5, sequence: 4)
        _ = handle(&machine, .records([first], asks: false, from: World.id(1), World.endpoint(1)))
        for sequence: UInt64 in [1, 3, 4] {
            let liar = World.record(5, sequence: sequence, endpoint: elsewhere)
            _ = handle(&machine, .records([liar], asks: false, from: World.id(1), World.endpoint(1)))
            #expect(machine.records == [first])
        }
        let newer = World.record(5, sequence: 5, endpoint: elsewhere)
        _ = handle(&machine, .records([newer, newer], asks: false, from: World.id(1), World.endpoint(1)))
        #expect(machine.records == [newer])
    }

    @Test func `a card from a place that it does not name makes no peer`() {
        var machine = machine()
        let elsewhere = Endpoint.loopback(port: 9_999)
        let actions = handle(&machine, .records([World.record(1)], asks: true, from: World.id(1), elsewhere))
        #expect(actions.isEmpty)
        #expect(machine.peers.isEmpty)
        // A liar with another's card is not that other.
        let stolen = handle(
            &machine, .records([World.record(1)], asks: true, from: World.id(2), World.endpoint(1)))
        #expect(stolen.isEmpty && machine.peers.isEmpty)
    }

    @Test func `a replayed old card does not make a peer of whoever took over the place`() {
        var machine = machine()
        let moved = World.record(1, sequence: 9, endpoint: .loopback(port: 9_999))
        _ = handle(&machine, .records([moved], asks: false, from: World.id(2), World.endpoint(2)))
        #expect(meet(&machine, 1).allSatisfy { if case .connected = $0 { false } else { true } })
        #expect(machine.peers.isEmpty)
    }

    @Test func `one's own card from others is nothing to know`() {
        var machine = machine()
        let forged = World.record(0, sequence: 99, endpoint: .loopback(port: 9_999))
        _ = handle(&machine, .records([forged], asks: false, from: World.id(1), World.endpoint(1)))
        _ = handle(&machine, .records([forged], asks: true, from: World.id(0), World.endpoint(0)))
        #expect(machine.records.isEmpty && machine.peers.isEmpty)
    }

    @Test func `dials are spaced from a fifth of a second to thirty, for ever`() {
        var machine = machine(bootstrap: [(World.id(1), World.endpoint(1))])
        var dials: [Instant] = []
        while dials.count < 40 {
            let now = machine.deadline
            for action in handle(&machine, .woke, at: now) {
                guard case .send(World.endpoint(1), .records(_, asks: true)) = action else { continue }
                dials.append(now)
            }
        }
        let gaps = zip(dials, dials.dropFirst()).map { $1 - $0 }
        #expect((.milliseconds(100)...(.milliseconds(200))).contains(gaps[0]))
        #expect(gaps.allSatisfy { $0 <= .seconds(30) })
        #expect(gaps.dropFirst(9).allSatisfy { $0 >= .seconds(15) })
        #expect(Set(gaps.dropFirst(9)).count > 20, "jittered")
    }

    @Test func `three unanswered pings disconnect, and a forged pong saves nobody`() {
        var machine = machine()
        _ = meet(&machine, 1)
        #expect(machine.peers == [World.id(1)])
        var pings = 0
        var isGone = false
        while !isGone, pings < 10 {
            let now = machine.deadline
            for action in handle(&machine, .woke, at: now) {
                switch action {
                case .send(_, .ping(let nonce)):
                    pings += 1
                    _ = handle(
                        &machine, .pong(nonce: nonce &+ 1, from: World.id(1), World.endpoint(1)), at: now)
                case .disconnected(World.id(1)): isGone = true
                default: break
                }
            }
        }
        #expect(isGone && pings == 3)
    }

    @Test func `a right pong keeps a peer`() {
        var machine = machine()
        _ = meet(&machine, 1)
        var now = Instant.origin
        while now < .origin + .seconds(30) {
            now = machine.deadline
            for action in handle(&machine, .woke, at: now) {
                guard case .send(_, .ping(let nonce)) = action else { continue }
                _ = handle(&machine, .pong(nonce: nonce, from: World.id(1), World.endpoint(1)), at: now)
            }
        }
        #expect(machine.peers == [World.id(1)])
    }

    @Test func `a peer started anew is connected anew`() {
        var machine = machine()
        _ = meet(&machine, 1)
        let anew = World.record(1, sequence: 2)
        let actions = handle(&machine, .records([anew], asks: true, from: World.id(1), World.endpoint(1)))
        #expect(
            actions.prefix(2) == [.disconnected(World.id(1)), .connected(World.id(1), World.endpoint(1))])
        let again = handle(&machine, .records([anew], asks: true, from: World.id(1), World.endpoint(1)))
        #expect(again.count == 1)
    }

    @Test func `cards without end are known up to the maximum`() {
        var machine = machine(bootstrap: [(World.id(1), World.endpoint(1))])
        for number in 0..<UInt64(3_000) {
            let record = NodeRecord(
                node: NodeID(testing: 10_000 + number), sequence: 1, roles: .sensor,
                endpoints: [.loopback(port: 1)], region: nil, version: 1)
            _ = handle(&machine, .records([record], asks: false, from: World.id(2), World.endpoint(2)))
        }
        #expect(machine.contactCount == Membership.contactsMax)
        // The entry point of the list is still there, and dialled.
        #expect(machine.records.count == Membership.contactsMax - 1)
    }

    @Test func `who has no room says so and lets one newcomer in a period`() {
        var machine = machine()
        for index in 1...12 { _ = meet(&machine, index) }
        #expect(machine.peers.count == 12)
        let first = meet(&machine, 13)
        #expect(machine.peers.count == 12 && machine.peers.contains(World.id(13)))
        #expect(first.contains { if case .send(_, .goodbye) = $0 { true } else { false } })
        // The next one is told of others, and not of us.
        let second = meet(&machine, 14)
        #expect(!machine.peers.contains(World.id(14)))
        guard case .send(World.endpoint(14), .records(let cards, asks: false))? = second.last else {
            Issue.record("no answer")
            return
        }
        #expect(cards.count == 4 && !cards.contains { $0.node == World.id(0) })
        // An answer to our own dial counts us a peer: it is told that we are none.
        let answer = handle(
            &machine, .records([World.record(15)], asks: false, from: World.id(15), World.endpoint(15)))
        #expect(answer == [.send(World.endpoint(15), .goodbye)])
    }

    @Test func `strangers' pings and pongs are nothing`() {
        var machine = machine()
        #expect(handle(&machine, .ping(nonce: 1, from: World.id(1), World.endpoint(1))).isEmpty)
        #expect(handle(&machine, .pong(nonce: 1, from: World.id(1), World.endpoint(1))).isEmpty)
        #expect(handle(&machine, .goodbye(from: World.id(1))).isEmpty)
        #expect(handle(&machine, .records([], asks: true, from: World.id(1), World.endpoint(1))).isEmpty)
    }
}
