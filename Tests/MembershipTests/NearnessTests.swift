import Chance
import Geo
import Identity
import Membership
import MembershipWorld
import TestKit
import Testing
import Wire

/// Peers for where they are.
@Suite struct NearnessTests {
    /// Nodes all over a part of the world, that know three entry points.
    private func network(_ count: Int, _ seed: Seed) -> World {
        let world = World(chance: seed.chance(), isSpread: true)
        world.region = World.someRegion
        let entries = (0..<3).map { (World.id($0), world.place($0)) }
        for index in 0..<count {
            world.add(entries.filter { $0.0 != World.id(index) })
            if index % 20 == 19 { world.run(for: .milliseconds(500)) }
        }
        return world
    }

    private func near(_ world: World, _ index: Int) -> [NodeID] {
        world.hosts[index].machine.accounts.filter { $0.link?.isNear == true }.map(\.node)
    }

    /// Of all other nodes, how many are nearer to `index` than each of its near peers.
    private func ranks(_ world: World, _ index: Int) -> [Int] {
        let own = World.someRegion(index).centre
        var metres: [NodeID: Int] = [:]
        for other in world.hosts.indices where other != index {
            metres[World.id(other)] = World.someRegion(other).centre.distanceMetres(to: own)
        }
        return near(world, index).map { peer in metres.values.count { $0 < metres[peer]! } }
    }

    @Test(arguments: Seed.all.prefix(2))
    func `some peers are of the nearest, and the network stays one`(seed: Seed) {
        let count = 150
        let world = network(count, seed)
        world.run(for: .seconds(36))
        let young = world.traffic(over: .seconds(20))
        world.run(for: .seconds(184))
        let all = world.hosts.indices.flatMap { ranks(world, $0) }
        let sizes = world.viewSizes
        let perNode = Double(all.count) / Double(count)
        let sorted = all.sorted()
        print(
            "near peers a node \(perNode), rank median \(sorted[all.count / 2])",
            "nine of ten \(sorted[all.count * 9 / 10])", "peers \(sizes)", world.componentCount)
        #expect(perNode >= 3, "most have near peers")
        // Of links at random, half would be among the nearest hundred.
        #expect(sorted[all.count / 2] <= 6 && sorted[all.count * 9 / 10] <= 20)
        #expect(world.componentCount == 1)
        #expect(sizes.min >= 3 && sizes.max <= 12)
        for index in world.hosts.indices {
            let near = near(world, index).count
            #expect(near <= 4 && near <= world.hosts[index].peers.count - near)
            world.hosts[index].machine.assertInvariants()
        }
        // Near links are beside what holds it together.
        let chosen = world.hosts.indices.map { index in
            world.hosts[index].machine.accounts.count {
                $0.link?.isOutbound == true && $0.link?.isNear == false
            }
        }
        // The three entry points are dialled before they know anybody to dial, with places or without.
        #expect(chosen.count { $0 < 3 } <= 3 + count / 50, "\(chosen)")
        let traffic = world.traffic(over: .seconds(60))
        print("they send \(young.bytes) B/s each at first, \(traffic.bytes) B/s later")
        #expect(young.bytes <= 300 && traffic.bytes <= 150)
    }
}
