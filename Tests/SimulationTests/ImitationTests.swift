@testable import Simulation
import Testing

/// Worlds in which no signature is computed: only where nobody could make use of that.
@Suite struct ImitationTests {
    private func plan(_ change: (inout Plan) -> Void = { _ in }) -> Plan {
        var plan = Plan()
        plan.epochs = 3
        plan.hotspots = 2
        plan.edges = 2
        plan.beaconPermille = 1_000
        plan.imitatesCrypto = true
        change(&plan)
        return plan
    }

    @Test func `honest hosts decide without crypto, the same every time`() {
        let first = World(plan: plan()).run()
        #expect(first.violations.map(\.what) == [])
        #expect(first.epochsFinal == 3 && first.bundlesIncluded == first.bundlesSigned)
        #expect(first.verdicts["valid", default: 0] > 0)
        let again = World(plan: plan()).run()
        #expect(again.audit == first.audit && again.views == first.views)
        let other = World(plan: plan { $0.seed = 2 }).run()
        #expect(other.violations.map(\.what) == [] && other.audit != first.audit)
    }

    @Test func `without crypto hosts outlive partitions, pauses and loss`() {
        let plan = plan { plan in
            plan.healsAt = 8_000
            plan.roughLinks = Links()
            plan.roughLinks?.lossPermille = 100
            plan.faults = [
                Fault(.partition, at: 1_000, until: 5_000, hosts: [0, 1]),
                Fault(.pause, at: 2_000, until: 6_000, hosts: [2]),
            ]
        }
        #expect(World(plan: plan).run().violations.map(\.what) == [])
    }

    @Test(arguments: [
        Fault.Kind.garbage, .spoof, .bitFlip, .crash, .wipe, .staleStore, .tornBatch, .fullDisk, .upgrade,
    ])
    func `a fault that forges or starts a host again needs crypto`(_ kind: Fault.Kind) {
        let plan = plan { $0.faults = [Fault(kind, at: 1, until: 2, hosts: [0])] }
        #expect { try plan.check("plan") } throws: { "\($0)".contains(kind.rawValue) }
    }

    @Test func `adversaries, changed octets and sessions need crypto`() {
        let plans = [
            plan { $0.byzantine = [Byzantine(host: 0, .silentLeader)] },
            plan { $0.links.corruptPermille = 1 },
            plan {
                $0.roughLinks = Links()
                $0.roughLinks?.corruptPermille = 1
            },
            plan { $0.sealed = true },
            plan { $0.verifiesEveryTime = true },
        ]
        for plan in plans { #expect(throws: PlanError.self) { try plan.check("plan") } }
        #expect(throws: Never.self) { try plan().check("plan") }
    }
}
