import Chance
import Identity
import Membership
import Node
import TestKit
import Testing
import Wire

/// A seed costs a few hundred real signatures, so fewer than usual.
private let seeds = Array(Seed.all.prefix(6))

@Suite struct `A network of nodes` {
    private func world(_ seed: Seed, count: Int = 4) throws -> World {
        let world = World(count: count, chance: seed.chance())
        for host in 0..<count { try world.start(host) }
        return world
    }

    private func expectHealthy(_ world: World) throws {
        #expect(world.forks.isEmpty)
        #expect(world.alarms.isEmpty)
        for host in world.nodes.indices { try world.verify(host) }
    }

    @Test(arguments: seeds) func `finalises, witnesses and pays`(seed: Seed) throws {
        let world = try world(seed)
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 8 })
        try expectHealthy(world)
        let reports = world.disks[0].verdicts.values.flatMap { $0 }.flatMap(\.reports)
        #expect(reports.contains { $0.reason == .valid && $0.units > 0 })
        #expect(world.disks[0].blocks[8]!.block.evidence.count == 4)
    }

    @Test func `renews its card as epochs pass, and others take it`() throws {
        let world = World(count: 3, chance: seeds[0].chance())
        // Four epochs are the least: one passes before a card is renewed.
        world.cardLifetime = .seconds(1)
        for host in 0..<3 { try world.start(host) }
        let isRenewed = world.run(for: .seconds(75)) {
            (0..<3).allSatisfy { host in
                let card = world.nodes[host]!.card
                return card.sequence > 1 << NodeRecord.changeBits && card.epoch > 0
                    && world.nodes.allSatisfy { other in
                        other!.card == card || other!.contacts.contains { $0.record == card }
                    }
            }
        }
        #expect(isRenewed)
        try expectHealthy(world)
    }

    @Test(arguments: seeds) func `is the same run for the same seed`(seed: Seed) throws {
        let first = try world(seed)
        let second = try world(seed)
        first.run(for: .seconds(15))
        second.run(for: .seconds(15))
        #expect(first.disks[0].lastEpoch > 2)
        for host in first.nodes.indices {
            #expect(first.disks[host].safety == second.disks[host].safety)
            #expect(
                first.disks[host].blocks.mapValues(\.block) == second.disks[host].blocks.mapValues(\.block))
        }
    }

    @Test(arguments: seeds) func `finalises the same blocks where nodes share their work`(seed: Seed) throws {
        let alone = try world(seed)
        let shared = World(count: 4, chance: seed.chance())
        let work = SharedWork(sharesExecution: true)
        shared.sharedWork = work
        for host in 0..<4 { try shared.start(host) }
        alone.run(for: .seconds(15))
        shared.run(for: .seconds(15))
        #expect(alone.disks[0].lastEpoch > 4)
        // Each block is executed once for four nodes, and its state taken over three times.
        #expect(work.hits > 6 * Int(alone.disks[0].lastEpoch))
        #expect(work.epochCount <= Int(SharedWork.epochsMax))
        for host in alone.nodes.indices {
            #expect(alone.disks[host].safety == shared.disks[host].safety)
            #expect(alone.disks[host].state == shared.disks[host].state)
            #expect(alone.nodes[host]!.stateRoot == shared.nodes[host]!.stateRoot)
            #expect(
                alone.disks[host].blocks.mapValues(\.block) == shared.disks[host].blocks.mapValues(\.block))
        }
        shared.crash(1)
        shared.run(for: .seconds(20))
        try shared.start(1)
        let goal = shared.disks[0].lastEpoch + 3
        #expect(shared.run(for: .seconds(40)) { shared.commonEpoch >= goal })
        try expectHealthy(shared)
    }

    @Test(arguments: seeds) func `goes on without one node, which catches up later`(seed: Seed) throws {
        let world = try world(seed)
        #expect(world.run(for: .seconds(30)) { world.commonEpoch >= 2 })
        let victim = world.chance.below(4)
        world.crash(victim)
        let before = world.disks[victim].lastEpoch
        #expect(world.run(for: .seconds(120)) { world.commonEpoch >= before + 12 })
        try world.start(victim)
        #expect(world.run(for: .seconds(30)) { world.disks[victim].lastEpoch >= before + 12 })
        let goal = world.commonEpoch + 3
        #expect(world.run(for: .seconds(40)) { world.commonEpoch >= goal })
        try expectHealthy(world)
    }

    @Test(arguments: seeds) func `survives loss and crashes at any moment`(seed: Seed) throws {
        let world = try world(seed)
        world.lossPercent = 10
        for _ in 0..<6 {
            world.run(for: .milliseconds(500 + world.chance.below(3_000)))
            let victim = world.chance.below(4)
            world.crash(victim)
            world.run(for: .milliseconds(200 + world.chance.below(3_000)))
            try world.start(victim)
        }
        world.lossPercent = 0
        let goal = (world.disks.map(\.lastEpoch).max() ?? 0) + 3
        #expect(world.run(for: .seconds(90)) { world.commonEpoch >= goal })
        try expectHealthy(world)
    }

    @Test(arguments: seeds) func `stops in a partition without a quorum and heals`(seed: Seed) throws {
        let world = try world(seed)
        #expect(world.run(for: .seconds(30)) { world.commonEpoch >= 2 })
        world.side = [0, 0, 1, 1]
        world.run(for: .seconds(3))
        let stalled = world.disks.map(\.lastEpoch).max()!
        world.run(for: .seconds(20))
        #expect(world.disks.map(\.lastEpoch).max()! <= stalled + 1)
        world.side = [0, 0, 0, 0]
        #expect(world.run(for: .seconds(90)) { world.commonEpoch >= stalled + 3 })
        try expectHealthy(world)
    }

    @Test func `garbage changes nothing but counters`() throws {
        let world = try world(seeds[0])
        world.run(for: .seconds(5))
        var chance = Chance(seed: 9)
        let sender = world.key(3).nodeID
        for size in 1...1_500 {
            world.handle(.payload(chance.octets(size), from: sender, world.endpoint(3)), at: 0)
        }
        let dropped = world.nodes[0]!.counters.filter { $0.0.hasPrefix("gossip.dropped") }.reduce(0) {
            $0 + $1.1
        }
        #expect(dropped >= 1_500)
        #expect(world.run(for: .seconds(40)) { world.commonEpoch >= 5 })
        try expectHealthy(world)
    }
}
