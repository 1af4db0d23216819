import Chance
import Consensus
import Identity
import TestKit
import Testing
import Wire

private let fewSeeds = Seed.all.prefix(max(4, Seed.all.count / 8))

/// Outages that networks like this one have had.
@Suite struct ScenarioTests {
    /// The number of the validator that leads a view of the first epoch.
    private func leader(of view: View, among weights: [UInt64] = [1, 1, 1, 1]) -> Int {
        number(of: instance(committee(weights)).leader(of: view))
    }

    @Test(arguments: fewSeeds) func `a slow disk delays what is said and nothing is said before it is kept`(
        _ seed: Seed
    ) {
        var plan = World.Plan(epochs: 2)
        plan.disk = .milliseconds(1) ... .milliseconds(500)
        plan.crashes = true
        plan.healsAt = .seconds(4)
        check(plan, seed.chance())
    }

    @Test(arguments: fewSeeds) func `clocks that jump forward do not stall`(_ seed: Seed) {
        var plan = World.Plan(epochs: 3)
        plan.clockJumps = true
        plan.healsAt = .seconds(6)
        check(plan, seed.chance())
    }

    @Test(arguments: fewSeeds) func `two halves that cannot hear each other decide nothing, then one thing`(
        _ seed: Seed
    ) {
        var plan = World.Plan(weights: [1, 1, 1, 1, 1, 1])
        plan.isCut = { from, to, at in at < .seconds(5) && (from < 3) != (to < 3) }
        let world = check(plan, seed.chance())
        #expect(world.now > .origin + .seconds(5))
    }

    @Test(arguments: fewSeeds) func `a third of the committee goes and comes back`(_ seed: Seed) {
        var plan = World.Plan(weights: [1, 1, 1, 1, 1, 1], epochs: 3)
        plan.window = .milliseconds(800) ... .milliseconds(900)
        plan.isOff = { number, at in number < 2 && at >= .seconds(1) && at < .seconds(8) }
        let world = check(plan, seed.chance())
        // Two of six are exactly a third: four are no quorum, so the epoch waits for them.
        #expect(world.now > .origin + .seconds(8))
    }

    @Test(arguments: fewSeeds) func `less than a third may stay away and catch up`(_ seed: Seed) {
        var plan = World.Plan(weights: [1, 1, 1, 1, 1, 1, 1], epochs: 3)
        plan.isOff = { number, at in number < 2 && at < .seconds(20) }
        let world = check(plan, seed.chance())
        #expect(world.now > .origin + .seconds(20))
    }

    @Test(arguments: fewSeeds) func `a leader that nobody hears costs its view alone`(_ seed: Seed) {
        let first = leader(of: 1)
        var plan = World.Plan()
        plan.isCut = { from, to, at in at < .seconds(5) && (from == first || to == first) }
        let world = check(plan, seed.chance())
        #expect(world.decidedViews[1]! == 2)
    }

    @Test(arguments: fewSeeds) func `a leader heard by one alone splits nobody`(_ seed: Seed) {
        let first = leader(of: 1)
        let second = leader(of: 2)
        var plan = World.Plan()
        plan.isCut = { from, to, at in at < .seconds(5) && from == first && to != second }
        check(plan, seed.chance())
    }

    @Test(arguments: fewSeeds) func `one who computes another root nullifies and raises the alarm`(
        _ seed: Seed
    ) {
        var plan = World.Plan()
        let odd = leader(of: 3)
        // The odd one computes before the others' certificates come; else its host finds out at the commit.
        plan.latency = .milliseconds(20) ... .milliseconds(25)
        plan.judge = { judge, _, _ in judge == odd ? .objectivelyInvalid : .valid }
        let world = check(plan, seed.chance(), expectsAlarms: true)
        #expect(world.decidedViews == [1: 1])
        let divergences = world.alarms.filter { if case .divergence = $0 { true } else { false } }
        #expect(divergences.count == 1 && world.alarms.count == 1)
        #expect(
            !world.said.values.joined().contains { if case .notarize = $0 { false } else { $0.view > 1 } })
    }

    @Test(arguments: fewSeeds) func `a block that nobody can stand for costs its view alone`(_ seed: Seed) {
        let first = name(leader(of: 1))
        var plan = World.Plan()
        plan.judge = { _, header, _ in header.builder == first ? .objectivelyInvalid : .valid }
        #expect(check(plan, seed.chance()).decidedViews == [1: 2])
    }

    @Test(arguments: fewSeeds)
    func `an unfair block costs its view, and endless unfairness ends after k views`(_ seed: Seed) {
        let first = name(leader(of: 1))
        var plan = World.Plan()
        plan.judge = { _, header, isSubjective in
            isSubjective && header.builder == first ? .subjectivelyRejected : .valid
        }
        #expect(check(plan, seed.chance()).decidedViews == [1: 2])
        plan.judge = { _, _, isSubjective in isSubjective ? .subjectivelyRejected : .valid }
        let k = instance(committee(plan.weights)).subjectiveViews
        #expect(check(plan, seed.chance()).decidedViews == [1: k + 1])
    }

    @Test(arguments: fewSeeds)
    func `when one holds the notarization and the rest the nullification, they agree`(_ seed: Seed) {
        for holding in [View(1), 2] {
            let holder = leader(of: holding)
            let blind = leader(of: 3)
            var plan = World.Plan()
            plan.latency = .milliseconds(10) ... .milliseconds(10)
            // The blind one misses the proposal, only the holder hears the votes for it; when the others'
            // timers have run out, they hear each other without the holder.
            plan.isCut = { from, to, at in
                if at < .milliseconds(1_350) {
                    return to == blind || (at > .milliseconds(317) && to != holder)
                }
                return at < .milliseconds(1_600) && (from == holder || to == holder)
            }
            let world = check(plan, seed.chance())
            for number in 0..<4 {
                let said = world.said[World.Turn(voter: name(number), epoch: 1, view: 1)] ?? []
                let isHolder = said.contains { $0.kind == .finalize } && !said.contains(.nullify(1, 1))
                #expect(isHolder == (number == holder) && (isHolder || said.contains(.nullify(1, 1))))
            }
        }
    }

    @Test func `the same seed gives the same run`() {
        var plan = World.Plan(epochs: 2)
        plan.lossPercent = 30
        plan.crashes = true
        plan.healsAt = .seconds(3)
        let runs = (0..<2).map { _ in check(plan, Chance(seed: 5)) }
        #expect(runs[0].now == runs[1].now && runs[0].deliveries == runs[1].deliveries)
        #expect(runs[0].said == runs[1].said)
    }
}

/// A healthy network decides in view 1: a lost view is a delay that operators would wonder about.
@Suite struct HealthTests {
    @Test(arguments: Seed.all)
    func `in a healthy network every epoch is decided in the first view`(_ seed: Seed) {
        var chance = Chance(seed: seed.value &+ 7)
        var plan = World.Plan(weights: [UInt64](repeating: 1, count: 4 + chance.below(3)), epochs: 4)
        plan.delta = .milliseconds(300)
        plan.latency = .milliseconds(1) ... .milliseconds(30)
        plan.judging = .milliseconds(5) ... .milliseconds(200)
        plan.isHostPrompt = chance.happens(1, in: 2)
        plan.window = .milliseconds(1_500) ... .milliseconds(1_500)
        if chance.happens(1, in: 2) { plan.disk = .milliseconds(1) ... .milliseconds(20) }
        let world = check(plan, seed.chance())
        #expect(world.decidedViews == [1: 1, 2: 1, 3: 1, 4: 1])
    }

    @Test(arguments: Seed.all)
    func `windows that end at different times within the patience cost no view`(_ seed: Seed) {
        var chance = Chance(seed: seed.value &+ 9)
        var plan = World.Plan(epochs: 4)
        plan.delta = .milliseconds(300)
        plan.latency = .milliseconds(1) ... .milliseconds(30)
        plan.judging = .milliseconds(5) ... .milliseconds(200)
        plan.isHostPrompt = chance.happens(1, in: 2)
        plan.window = .milliseconds(1_000) ... .milliseconds(2_000)
        let world = check(plan, seed.chance())
        #expect(world.decidedViews == [1: 1, 2: 1, 3: 1, 4: 1])
    }
}
