import Simulation
import Testing

/// Edge nodes in whole worlds: with and without faults, honest validators and lying ones.
@Suite struct EdgeTests {
    private func plan(edges: Int = 12) -> Plan {
        var plan = Plan()
        plan.edges = edges
        return plan
    }

    private func clean(_ outcome: Outcome, of plan: Plan) {
        #expect(outcome.violations.map(\.what) == [])
        #expect(outcome.epochsFinal >= plan.epochs)
    }

    @Test func `every edge node's bundle is in its epoch's block, and its reports are paid`() {
        var plan = plan()
        plan.expects.everyBundle = true
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        let counters = outcome.edgeCounters
        #expect(counters["edge.bundlesIncluded"] == 12 * 6 && counters["edge.bundlesSigned"] == 12 * 6)
        #expect(counters["edge.headers"] == 12 * 6 && counters["edge.lies"] == nil)
        #expect(outcome.verdicts["valid", default: 0] > 0)
        #expect(outcome.verdicts["notRevealed"] == nil)
    }

    @Test func `edge nodes follow in real sessions`() {
        var plan = plan()
        plan.sealed = true
        plan.expects.everyBundle = true
        clean(World(plan: plan).run(), of: plan)
    }

    @Test func `the same plan with edge nodes gives the same run`() {
        let plan = plan(edges: 5)
        #expect(World(plan: plan).run().audit == World(plan: plan).run().audit)
    }

    @Test(arguments: [false, true]) func `a fifth of all datagrams is lost, and no epoch is`(sealed: Bool) {
        var plan = plan()
        plan.sealed = sealed
        plan.epochMilliseconds = 20_000
        plan.epochs = 4
        plan.links.lossPermille = 200
        plan.expects.everyBundle = true
        clean(World(plan: plan).run(), of: plan)
    }

    @Test func `a validator that crashes takes no edge node with it`() {
        var plan = plan()
        plan.epochMilliseconds = 4_000
        plan.faults = [Fault(.crash, at: 6_000, until: 14_000, hosts: [1])]
        plan.healsAt = 14_000
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.bundlesIncluded * 10 >= outcome.bundlesSigned * 9)
    }

    @Test func `edge nodes that were away come back`() {
        var plan = plan()
        plan.epochs = 12
        plan.faults = [
            Fault(.partition, at: 3_000, until: 16_000, hosts: Array(4..<10)),
            Fault(.crash, at: 5_000, until: 12_000, hosts: [10, 11]),
        ]
        plan.healsAt = 16_000
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        // Three epochs a committee: who missed some needs one header for each of their periods.
        #expect(outcome.edgeCounters["edge.skipped", default: 0] > 0)
    }

    @Test(arguments: [1_200, 1_550, 1_700, 2_100, 2_600])
    func `a restarted edge node hands in the same bundle`(at: Int) {
        var plan = plan()
        plan.epochs = 8
        plan.faults = (0..<4).map {
            Fault(.crash, at: at + 2_600 * $0, until: at + 2_600 * $0 + 150, hosts: [4 + $0, 8 + $0])
        }
        plan.healsAt = at + 11_000
        clean(World(plan: plan).run(), of: plan)
    }

    @Test func `no fault of a disk or a clock makes an edge node sign twice`() {
        var plan = plan()
        plan.epochs = 10
        plan.faults = [
            Fault(.tornBatch, at: 1_000, until: 3_000, hosts: [4, 5]),
            Fault(.bitFlip, at: 3_000, until: 5_000, hosts: [6, 7, 8]),
            Fault(.wipe, at: 4_000, until: 6_000, hosts: [9]),
            Fault(.staleStore, at: 2_000, until: 8_000, hosts: [10]),
            Fault(.jump, at: 5_000, until: 6_000, hosts: [11], amount: 90_000),
            Fault(.skew, at: 2_000, until: 9_000, hosts: [12], amount: 100_000),
            Fault(.slowDisk, at: 2_000, until: 9_000, hosts: [13], amount: 200),
            Fault(.nat, at: 100, until: 9_000, hosts: [14], amount: 400),
            Fault(.readdress, at: 4_000, until: 9_000, hosts: [15]),
        ]
        plan.healsAt = 9_000
        clean(World(plan: plan).run(), of: plan)
    }

    @Test(arguments: UInt64(1)..<5) func `lying validators trick no edge node`(seed: UInt64) {
        var plan = plan()
        plan.seed = seed
        plan.validators = 7
        plan.epochs = 8
        plan.epochMilliseconds = 4_000
        plan.byzantine = [Byzantine(host: 1, .lyingUplink), Byzantine(host: 4, .lyingUplink)]
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.edgeCounters["edge.lies", default: 0] > 0)
        #expect(outcome.bundlesIncluded * 10 >= outcome.bundlesSigned * 9)
    }

    @Test func `edge nodes follow from committee to committee`() {
        var plan = plan(edges: 4)
        plan.epochs = 16
        plan.clients.transfersPerSecond = 1
        plan.clients.changesPercent = 60
        plan.expects.everyBundle = true
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.edgeCounters["edge.committees", default: 0] > 0)
    }

    @Test func `who was away for longer than validators remember is served from their stores`() {
        var plan = plan(edges: 3)
        plan.epochs = 44
        plan.epochMilliseconds = 700
        plan.deltaMilliseconds = 100
        plan.faults = [Fault(.partition, at: 50, until: 50_000, hosts: [4, 5])]
        plan.healsAt = 50_000
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.edgeCounters["edge.skipped", default: 0] > 10)
    }

    @Test func `an edge node's traffic does not grow with the network`() {
        let octets = [20, 160].map { edges in
            var plan = plan(edges: edges)
            plan.epochs = 3
            plan.epochMilliseconds = 60_000
            // As many beacons in the one as in the other.
            plan.beaconPermille = 8_000 / plan.hosts
            let outcome = World(plan: plan).run()
            clean(outcome, of: plan)
            return Int(outcome.bytesByEdges + outcome.bytesToEdges) / edges / outcome.epochsFinal
        }
        #expect(abs(octets[1] - octets[0]) * 10 <= octets[0], "\(octets)")
    }

    @Test(arguments: UInt64(1)..<7) func `no fault of the swarm tricks or loses an edge node`(seed: UInt64) {
        let plan = Plan.edgeSwarm(seed: seed)
        clean(World(plan: plan).run(), of: plan)
    }

    @Test func `validators that keep bundles to themselves are found out`() {
        var plan = plan()
        plan.validators = 7
        plan.epochs = 8
        plan.epochMilliseconds = 20_000
        plan.byzantine = [Byzantine(host: 1, .hoardingUplink), Byzantine(host: 4, .hoardingUplink)]
        plan.expects.everyBundle = true
        clean(World(plan: plan).run(), of: plan)
    }

    // MARK: Neighbours

    /// Some edge nodes neither hear nor are heard by any validator, from the third epoch on and for ever.
    private func cutOff(_ hosts: [Int], edges: Int = 9) -> Plan {
        var plan = plan(edges: edges)
        plan.epochs = 8
        plan.epochMilliseconds = 20_000
        plan.patience = 200_000
        let validators = Array(0..<plan.validators)
        plan.faults = [
            Fault(.cut, at: 42_000, until: 1_000_000, hosts: hosts, others: validators),
            Fault(.cut, at: 42_000, until: 1_000_000, hosts: validators, others: hosts),
        ]
        return plan
    }

    @Test(arguments: [false, true])
    func `an edge node that reaches no validator follows, and its bundles are in blocks`(sealed: Bool) {
        var plan = cutOff([4, 5])
        plan.sealed = sealed
        plan.expects.everyBundle = true
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        // From the third epoch to the eighth, of two nodes.
        #expect(outcome.edgeCounters["edge.headersNear", default: 0] >= 2 * 5)
        #expect(outcome.edgeCounters["edge.keptHeld", default: 0] >= 2 * 5)
    }

    @Test func `without neighbours such a node is lost, and nobody else`() {
        let plan = cutOff([4], edges: 1)
        let outcome = World(plan: plan).run()
        #expect(!outcome.violations.isEmpty)
        #expect(outcome.edgeCounters["edge.headersNear"] == nil)
    }

    @Test func `a neighbour that says it holds bundles, and drops them, loses none`() {
        var plan = cutOff([4, 5])
        plan.byzantine = [Byzantine(host: 8, .hoardingUplink)]
        plan.expects.everyBundle = true
        clean(World(plan: plan).run(), of: plan)
    }

    @Test func `a neighbour that floods breaks no bound, and no bundle is lost`() {
        var plan = cutOff([4])
        plan.epochs = 5
        plan.byzantine = [Byzantine(host: 8, .floodingNeighbour)]
        plan.expects.everyBundle = true
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.edgeCounters["edge.allowance", default: 0] > 0)
        #expect(outcome.edgeCounters["edge.keptRefused", default: 0] > 0)
    }

    @Test func `when validators can be reached again, neighbours are left in peace`() {
        var plan = cutOff([4, 5])
        plan.epochs = 10
        plan.faults = plan.faults.map {
            Fault($0.kind, at: $0.at, until: 90_000, hosts: $0.hosts, others: $0.others)
        }
        plan.healsAt = 90_000
        plan.expects.everyBundle = true
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        #expect(outcome.edgeCounters["edge.headersNear", default: 0] <= 2 * 4)
    }

    @Test func `while all is well neighbours keep and answer nothing`() {
        var plan = plan()
        plan.epochs = 10
        plan.epochMilliseconds = 20_000
        plan.expects.everyBundle = true
        let outcome = World(plan: plan).run()
        clean(outcome, of: plan)
        for name in ["served", "kept", "handedOver", "headersNear", "keptRefused", "foreign", "allowance"] {
            #expect(outcome.edgeCounters["edge." + name] == nil, "\(name)")
        }
    }
}
