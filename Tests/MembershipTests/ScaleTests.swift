import Chance
import Foundation
import Identity
import Membership
import MembershipWorld
import TestKit
import Testing
import Wire

/// Networks larger than any view.
@Suite struct ScaleTests {
    /// Nodes that begin at random times of five seconds, and know three entry points.
    private func network(
        _ count: Int, _ seed: UInt64, lossPercent: Int = 0, within: Duration = .seconds(5)
    ) -> World {
        let world = World(chance: Chance(seed: seed), lossPercent: lossPercent, isSpread: true)
        let entries = (0..<3).map { (World.id($0), world.place($0)) }
        for index in 0..<count {
            world.add(entries.filter { $0.0 != World.id(index) })
            // Twenty at a time.
            if index % 20 == 19 { world.run(for: within * 20 / count) }
        }
        return world
    }

    private func report(_ world: World, _ what: String) {
        let sizes = world.viewSizes
        print(
            what, "components", world.componentCount, "peers", sizes.min,
            String(format: "%.1f", sizes.mean), sizes.max)
    }

    @Test func `a thousand nodes join through three at a loss of a fifth`() {
        let environment = ProcessInfo.processInfo.environment
        let count = environment["NODES"].flatMap { Int($0) } ?? 1_000
        let world = network(count, 1, lossPercent: 20)
        world.run(for: .seconds(15))
        report(world, "\(count) nodes, 20 % loss, after \((world.now - .origin).milliseconds) ms:")
        let sizes = world.viewSizes
        #expect(world.componentCount == 1)
        #expect(sizes.min >= 3 && sizes.mean >= 7 && sizes.max <= 12)
    }

    @Test(arguments: Seed.all.prefix(2))
    func `when half of all vanish at once, the others stay together`(seed: Seed) {
        let world = network(200, seed.value)
        world.run(for: .seconds(20))
        report(world, "before:")
        #expect(world.componentCount == 1)
        var chance = seed.chance()
        var order = Array(world.hosts.indices)
        chance.shuffle(&order)
        for index in order.prefix(100) { world.hosts[index].isUp = false }
        // At once, one of two thousand may stand alone: its peers were all among the dead.
        #expect(world.componentCount <= 2, "without repair")
        world.run(for: .seconds(45))
        report(world, "after:")
        #expect(world.componentCount == 1)
        #expect(world.viewSizes.min >= 3 && world.viewSizes.mean >= 7)
        let dead = Set(order.prefix(100).map { World.id($0) })
        #expect(
            world.hosts.allSatisfy { !$0.isUp || dead.isDisjoint(with: $0.peers.keys) }, "all dead are known")
    }

    @Test func `a network that was split for an hour becomes one again`() {
        let world = network(40, 3)
        world.run(for: .seconds(30))
        world.isCut = { $0 % 2 != $1 % 2 }
        world.run(for: .seconds(3_600))
        #expect(world.componentCount == 2)
        world.isCut = nil
        let isOne = world.run(atMost: .seconds(900)) { $0.componentCount == 1 }
        print("healed after", (world.now - .origin - .seconds(3_630)).milliseconds, "ms at most")
        #expect(isOne)
    }

    @Test func `what an idle node sends does not depend on how many there are`() {
        var sent: [Double] = []
        for count in [100, 300] {
            let world = network(count, 5)
            // A quiet network. A hundred have exchanged their cards by then, and a thousand have full views.
            world.run(for: .seconds(40))
            let traffic = world.traffic(over: .seconds(20))
            report(world, "\(count) nodes:")
            print(
                "\(count) idle nodes send", String(format: "%.1f", traffic.bytes), "B/s and",
                String(format: "%.2f", traffic.datagrams), "datagrams/s each")
            sent.append(traffic.bytes)
        }
        #expect(sent.allSatisfy { $0 <= 250 })
        #expect(abs(sent[1] / sent[0] - 1) <= 0.1)
    }

    @Test(arguments: [2, 8, 13])
    func `a small mesh is within the budget too`(count: Int) {
        let world = World(chance: Chance(seed: 1))
        world.populate(count)
        world.run(for: .seconds(120))
        #expect(world.isFullMesh)
        let traffic = world.traffic(over: .seconds(60))
        print(
            "\(count) in a mesh send", String(format: "%.1f", traffic.bytes), "B/s and",
            String(format: "%.2f", traffic.datagrams), "datagrams/s each")
        #expect(traffic.bytes <= 250)
    }
}
