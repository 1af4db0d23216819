@testable import Simulation
import Chance
import Identity
import Node
import Testing

@Suite struct ScoreTests {
    /// The mean, and how many there are.
    private static func mean(_ milliseconds: [Int]) -> Int { milliseconds.reduce(0, +) / milliseconds.count }

    /// Issued by every honest host about every flooder.
    private static func checkIgnored(_ outcome: Outcome, _ flooders: [Int], by hosts: Range<Int>) {
        for flooder in flooders {
            for host in hosts {
                let first = outcome.ignored.first { $0.host == flooder && $0.by == host }
                let at = first?.atMilliseconds ?? .max
                #expect(at <= 4_000 + 1_000, "host \(host) ignored \(flooder) at \(at)")
            }
        }
    }

    @Test
    func
        `who floods at a hundred times its allowance delays nobody, fills nothing, and is ignored within a second`()
        throws
    {
        let plan = try Scenario.plan(named: "flood-by-a-peer")
        var calm = plan
        calm.byzantine = []
        calm.expects = Expectations()
        let world = World(plan: plan)
        let flooded = world.run()
        let still = World(plan: calm)
        let unflooded = still.run()
        #expect(flooded.violations.map(\.what) == [] && unflooded.violations.map(\.what) == [])
        // 50 MB a second to each of the others, for a second and a half.
        #expect(flooded.deliveries > 200_000 && unflooded.deliveries < 30_000)
        Self.checkIgnored(flooded, [3, 4], by: 0..<3)
        #expect(unflooded.ignored.isEmpty)
        let (with, without) = (
            Self.mean(flooded.finalityMilliseconds), Self.mean(unflooded.finalityMilliseconds)
        )
        #expect(abs(with - without) * 10 <= without, "\(with) ms to finality, \(without) ms without a flood")
        // Every bound held at every commit; and nothing is fuller at the end than it would be.
        for host in 0..<3 {
            let node = try #require(world.hosts[host].node)
            let other = try #require(still.hosts[host].node)
            for (gauge, usual) in zip(node.gauges, other.gauges) where gauge.name != "dissemination.scores" {
                #expect(
                    gauge.value <= usual.value + gauge.limit / 64 + 2,
                    "\(gauge.name): \(gauge.value), else \(usual.value)")
            }
        }
    }

    @Test(arguments: [3, 4])
    func `whoever forges is ignored; who has a seat stays a peer even so, and who has none must go`(
        forger: Int
    ) throws {
        var plan = Plan()
        plan.observers = 1
        plan.byzantine = [Byzantine(host: forger, .forger)]
        plan.expects.ignored = [forger]
        let world = World(plan: plan)
        #expect(world.run().violations.map(\.what) == [])
        for host in 0..<3 {
            let node = try #require(world.hosts[host].node)
            let isPeer = node.places.contains { $0.0 == world.population.ids[forger] }
            #expect(isPeer == (forger < plan.validators))
        }
    }

    @Test(arguments: [100, 300])
    func `where nobody does wrong nobody is charged, however bad the links are`(lossPermille: Int) {
        var plan = Plan()
        plan.validators = 7
        plan.observers = 3
        plan.epochs = 8
        plan.healsAt = 12_000
        plan.roughLinks = Links()
        plan.roughLinks?.lossPermille = lossPermille
        plan.roughLinks?.duplicatePermille = 100
        plan.roughLinks?.reorderPermille = 200
        plan.faults = [
            Fault(.crash, at: 2_500, until: 4_000, hosts: [1]),
            Fault(.partition, at: 5_000, until: 8_000, hosts: [2, 3]),
            Fault(.cut, at: 9_000, until: 11_000, hosts: [4]),
        ]
        let world = World(plan: plan)
        let outcome = world.run()
        #expect(outcome.violations.map(\.what) == [])
        #expect(outcome.ignored.isEmpty)
        for host in world.hosts {
            for (name, value) in host.node?.counters ?? [] where name.hasPrefix("dissemination.faults") {
                #expect(value == 0, "\(name)")
            }
        }
    }
}
