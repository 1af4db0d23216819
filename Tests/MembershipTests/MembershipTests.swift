import Chance
import Identity
import Membership
import MembershipWorld
import TestKit
import Testing
import Wire

@Suite struct MembershipTests {
    @Test(arguments: Seed.all.prefix(8), [0, 20])
    func `nodes that know one entry point come to know all`(seed: Seed, lossPercent: Int) {
        let world = World(chance: seed.chance(), lossPercent: lossPercent)
        world.populate(8 + Int(seed.value % 3) * 11)
        #expect(world.run(atMost: .seconds(60)) { $0.isOneMesh })
        // Cards are exchanged ever more seldom in peace: the last ones take their time.
        #expect(world.run(atMost: .seconds(600)) { $0.allKnowAll })
        #expect(world.isOneMesh && world.hosts.allSatisfy { $0.peers.count <= 12 })
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
                    world.hosts[index].machine.records.contains { $0.node == World.id(3) && $0.life == 1 }
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
