import Chance
import Foundation
import Identity
import Membership
import MembershipWorld
import Testing
import Wire

/// Who is taken for dead, and when.
@Suite struct DetectionTests {
    private func network(_ count: Int, _ seed: UInt64) -> World {
        let world = World(chance: Chance(seed: seed), isSpread: true)
        for index in 0..<count {
            world.add((0..<3).filter { $0 != index }.map { (World.id($0), world.place($0)) })
        }
        world.run(for: .seconds(60))
        return world
    }

    /// Milliseconds to the first and to the last of the peers that lost a node which crashed.
    private func detection(of victim: Int, in world: World) -> (first: Int, last: Int) {
        world.losses = []
        let crash = world.now
        world.hosts[victim].isUp = false
        world.run(for: .seconds(30))
        let times = world.losses.filter { $0.peer == World.id(victim) }.map {
            Int(($0.at - crash).milliseconds)
        }
        world.hosts[victim].isUp = true
        world.run(for: .seconds(60))
        return (times.min() ?? .max, times.max() ?? .max)
    }

    private func report(_ what: String, _ values: [Int]) {
        let sorted = values.sorted()
        print(
            what, "min", sorted[0], "median", sorted[sorted.count / 2], "p90",
            sorted[sorted.count * 9 / 10], "max", sorted[sorted.count - 1], "ms")
    }

    @Test(arguments: [8, 13, 40])
    func `a crash is found out by some neighbour within five seconds`(count: Int) {
        let world = network(count, 11)
        var first: [Int] = []
        var last: [Int] = []
        for victim in 3..<min(count, 19) {
            let found = detection(of: victim, in: world)
            first.append(found.first)
            last.append(found.last)
        }
        report("crash among \(count), first neighbour:", first)
        report("crash among \(count), last neighbour: ", last)
        // The tail is luck: nobody's turn came for seconds.
        #expect(first.allSatisfy { $0 <= 5_000 } && last.allSatisfy { $0 <= 6_000 })
        // Whoever doubts says so: nobody waits for a turn of its own, of up to ten seconds.
        #expect(zip(first, last).allSatisfy { $1 - $0 <= 4_000 })
    }

    @Test
    func `when five of fifty crash at one time, nearly all neighbours have dropped them within five seconds`()
    {
        var all: [Int] = []
        var lasts: [Int] = []
        for seed in UInt64(1)...20 {
            let world = network(50, seed)
            let victims = Set((0..<5).map { 10 + 7 * $0 })
            let ids = Set(victims.map(World.id))
            let expected = world.hosts.indices.filter { !victims.contains($0) }.reduce(0) {
                $0 + world.hosts[$1].peers.keys.count { ids.contains($0) }
            }
            world.losses = []
            let crash = world.now
            for victim in victims { world.hosts[victim].isUp = false }
            world.run(for: .seconds(30))
            let times = world.losses.filter { ids.contains($0.peer) && !victims.contains($0.host) }.map {
                Int(($0.at - crash).milliseconds)
            }
            #expect(times.count >= expected)
            all += times
            lasts.append(times.max() ?? .max)
        }
        report("five of fifty crash, a neighbour:", all)
        report("five of fifty crash, the last:   ", lasts)
        #expect(all.count { $0 <= 5_000 } * 100 >= all.count * 99)
        #expect(lasts.allSatisfy { $0 <= 6_000 })
    }

    @Test(arguments: [8, 20])
    func `at a loss of a twentieth nobody is taken for dead in an hour`(count: Int) {
        let world = network(count, 4)
        world.lossPercent = 5
        world.losses = []
        // Views change for other reasons: a node that lives is told so, and one taken for dead is dialled again.
        world.run(for: .seconds(3_600))
        let deaths = world.silentLosses
        print("\(count) nodes, an hour at 5 % loss: \(deaths) false deaths, \(world.losses.count) losses")
        #expect(deaths == 0)
    }
}
