import Simulation
import Testing

/// Nodes behind translators of addresses, in whole worlds of real sessions.
@Suite struct TranslatorTests {
    private func clean(_ outcome: Outcome, of plan: Plan) {
        #expect(outcome.violations.map(\.what) == [])
        #expect(outcome.epochsFinal >= plan.epochs)
    }

    /// Seven validators, of whom the last ones are behind translators of this kind.
    private func plan(_ kind: Fault.Kind, behind: Int, seed: UInt64 = 1) -> Plan {
        var plan = Plan()
        plan.seed = seed
        plan.validators = 7
        plan.epochs = 4
        plan.epochMilliseconds = 10_000
        plan.sealed = true
        plan.expects.everyBundle = true
        plan.faults = [
            Fault(kind, at: 0, until: 1_000_000_000, hosts: Array((7 - behind)..<7), amount: 30_000)
        ]
        return plan
    }

    @Test(arguments: [Fault.Kind.nat, .fullCone]) func `who lets answers in needs no relay`(kind: Fault.Kind)
    {
        let plan = plan(kind, behind: 6)
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.sessionCounters["introductions", default: 0] > 0)
        #expect(outcome.sessionCounters["forwarded"] == nil)
    }

    @Test func `behind symmetric translators validators meet over the one that all reach`() {
        let plan = plan(.symmetric, behind: 6)
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.sessionCounters["metRelayed", default: 0] >= 15)
    }

    /// Shorter than the time between two probes of a peer that says nothing.
    @Test func `ways that a translator forgets are found again`() {
        var plan = plan(.symmetric, behind: 3)
        plan.epochs = 8
        plan.epochMilliseconds = 60_000
        plan.patience = 1_000_000
        plan.faults[0].amount = 8_000
        clean(World(plan: plan).run(), of: plan)
    }

    @Test func `a relay that crashes is replaced`() {
        var plan = plan(.symmetric, behind: 5)
        plan.epochs = 8
        plan.expects.everyBundle = false
        plan.faults.append(Fault(.crash, at: 12_000, until: 32_000, hosts: [0]))
        plan.healsAt = 32_000
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.sessionCounters["metRelayed", default: 0] > 0)
    }

    @Test func `the same plan gives the same run`() {
        let plan = plan(.symmetric, behind: 4, seed: 3)
        #expect(World(plan: plan).run().audit == World(plan: plan).run().audit)
    }

    @Test(arguments: UInt64(1)..<5) func `no fault of the swarm splits or stalls them`(seed: UInt64) {
        let plan = Plan.translatorSwarm(seed: seed)
        clean(World(plan: plan).run(), of: plan)
    }
}
