import Chance
import Consensus
import Identity
import TestKit
import Testing
import Wire

@Suite struct SimulationTests {
    private func check(_ plan: Network.Plan, _ chance: Chance) -> Network {
        var world = Network(plan, chance: chance)
        world.run()
        #expect(world.isDone, "undecided at \(world.now): \(world.actors.map { $0.machine.status })")
        #expect(world.decided.count == 1)
        #expect(world.faults.isEmpty, "\(world.faults.prefix(3))")
        for alarm in world.alarms {
            if case .contradiction(let vote, _) = alarm {
                #expect(plan.twins.contains { key($0).nodeID == vote.voter }, "an honest node is accused")
            } else {
                Issue.record("\(alarm)")
            }
        }
        return world
    }

    @Test func `a calm committee decides in the first view`() {
        let world = check(Network.Plan(observers: 1), Chance(seed: 1))
        #expect(world.decidedView == 1)
    }

    @Test func `a silent first leader costs a view`() {
        let members = committee([1, 1, 1, 1])
        let first = instance(members).leader(of: 1)
        let silent = (0..<4).first { key($0).nodeID == first }!
        let world = check(Network.Plan(silent: [silent]), Chance(seed: 2))
        #expect(world.decidedView > 1)
    }

    @Test(arguments: Seed.all) func `loss, partitions and crashes neither split nor stall`(_ seed: Seed) {
        var chance = Chance(seed: seed.value &+ 77)
        let count = 4 + chance.below(4)
        _ = check(
            Network.Plan(
                weights: (0..<count).map { _ in UInt64(3 + chance.below(3)) }, observers: chance.below(2),
                lossPercent: chance.below(61), crashes: true, partitions: chance.happens(1, in: 2),
                healsAt: .seconds(8)), seed.chance())
    }

    @Test(arguments: Seed.all) func `equivocators below a third neither split nor stall`(_ seed: Seed) {
        var chance = Chance(seed: seed.value &+ 99)
        let f = 1 + chance.below(2)
        _ = check(
            Network.Plan(
                weights: [UInt64](repeating: 2, count: 3 * f + 1), twins: Set(0..<f),
                lossPercent: chance.below(61), crashes: chance.happens(1, in: 2), healsAt: .seconds(6)),
            seed.chance())
    }
}
