import Chance
import Consensus
import Identity
import TestKit
import Testing
import Wire

/// Runs a world to its end and checks what must hold in every one.
@discardableResult
func check(_ plan: World.Plan, _ chance: Chance, expectsAlarms: Bool = false) -> World {
    var world = World(plan, chance: chance)
    world.run()
    #expect(world.isDone, "undecided at \(world.now): \(world.actors.map { $0.machine.status })")
    #expect(world.decided.values.allSatisfy { $0.count == 1 }, "a fork")
    #expect(world.faults.isEmpty, "\(world.faults.prefix(3))")
    for alarm in world.alarms where !expectsAlarms {
        if case .contradiction(let vote, _) = alarm {
            #expect(plan.twins.contains(number(of: vote.voter)), "an honest node is accused")
        } else {
            Issue.record("\(alarm)")
        }
    }
    return world
}

@Suite struct SimulationTests {
    @Test func `a calm committee decides in the first view`() {
        let world = check(World.Plan(observers: 1), Chance(seed: 1))
        #expect(world.decidedViews == [1: 1])
    }

    @Test func `a silent first leader costs a view`() {
        let first = instance(committee([1, 1, 1, 1])).leader(of: 1)
        let world = check(World.Plan(silent: [number(of: first)]), Chance(seed: 2))
        #expect(world.decidedViews[1]! > 1)
    }

    @Test(arguments: Seed.all) func `loss, partitions and crashes neither split nor stall`(_ seed: Seed) {
        var chance = Chance(seed: seed.value &+ 77)
        let count = 4 + chance.below(4)
        let weights = (0..<count).map { _ in UInt64(3 + chance.below(3)) }
        var plan = World.Plan(weights: weights, observers: chance.below(2))
        plan.lossPercent = chance.below(61)
        plan.crashes = true
        plan.clockJumps = chance.happens(1, in: 4)
        plan.healsAt = .seconds(4)
        if chance.happens(1, in: 2) {
            plan.isCut = { from, to, at in
                let era = Int(at.milliseconds / 1_000)
                return era < 4 && (from + era) % 3 == 0 && (to + era) % 3 != 0
            }
        }
        check(plan, seed.chance())
    }

    @Test(arguments: Seed.all) func `equivocators below a third neither split nor stall`(_ seed: Seed) {
        var chance = Chance(seed: seed.value &+ 99)
        let f = 1 + chance.below(2)
        var plan = World.Plan(weights: [UInt64](repeating: 2, count: 3 * f + 1), twins: Set(0..<f))
        plan.lossPercent = chance.below(61)
        plan.crashes = chance.happens(1, in: 2)
        plan.healsAt = .seconds(3)
        check(plan, seed.chance())
    }

    @Test(arguments: Seed.all.prefix(max(4, Seed.all.count / 8)))
    func `ten validators with three equivocators neither split nor stall`(_ seed: Seed) {
        var chance = Chance(seed: seed.value &+ 131)
        let count = 8 + chance.below(3)
        var plan = World.Plan(
            weights: [UInt64](repeating: 1, count: count), twins: Set(0..<((count - 1) / 3)))
        plan.lossPercent = chance.below(51)
        plan.crashes = chance.happens(1, in: 2)
        plan.healsAt = .seconds(2)
        check(plan, seed.chance())
    }

    @Test(arguments: Seed.all.prefix(max(8, Seed.all.count / 4)))
    func `epochs follow each other through crashes, and each is final once in its host`(_ seed: Seed) {
        var chance = Chance(seed: seed.value &+ 171)
        var plan = World.Plan(observers: chance.below(2), epochs: 5)
        plan.lossPercent = chance.below(31)
        plan.crashes = true
        plan.window = .milliseconds(50) ... .milliseconds(400)
        plan.healsAt = .seconds(4)
        if chance.happens(1, in: 2) { plan.disk = .milliseconds(1) ... .milliseconds(150) }
        let world = check(plan, seed.chance())
        for actor in world.actors { #expect(actor.finals.map(\.header.epoch) == [1, 2, 3, 4, 5]) }
    }
}
