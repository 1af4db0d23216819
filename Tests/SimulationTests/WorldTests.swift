import Coverage
import Foundation
import Node
@testable import Simulation
import TestKit
import Testing
import Wire

@Suite struct WorldTests {
    @Test func `a calm world decides every epoch in the first view and pays its witnesses`() {
        var plan = Plan()
        plan.hotspots = 2
        let outcome = World(plan: plan).run()
        #expect(outcome.violations.isEmpty)
        #expect(outcome.epochsFinal >= plan.epochs)
        #expect(outcome.views.allSatisfy { $0 == 1 })
        #expect(outcome.verdicts["valid", default: 0] > 0)
    }

    @Test func `the same plan gives the same run, and another seed another`() {
        var plan = Plan.swarm(seed: 3)
        let audits = (0..<2).map { _ in World(plan: plan).run().audit }
        #expect(audits[0] == audits[1])
        plan.seed = 4
        #expect(World(plan: plan).run().audit != audits[0])
    }

    @Test func `remembering what was verified changes nothing`() {
        var plan = Plan()
        plan.epochs = 3
        let remembered = World(plan: plan).run()
        plan.verifiesEveryTime = true
        let verified = World(plan: plan).run()
        #expect(remembered.audit == verified.audit && remembered.events == verified.events)
    }

    @Test func `with a quiet membership all is decided, and far less is said`() {
        var plan = Plan()
        plan.epochs = 3
        plan.epochMilliseconds = 60_000
        let loud = World(plan: plan).run()
        plan.quietMembership = true
        let quiet = (0..<2).map { _ in World(plan: plan).run() }
        #expect(quiet[0].violations.isEmpty && quiet[0].epochsFinal >= plan.epochs)
        #expect(quiet[0].audit == quiet[1].audit && quiet[0].audit != loud.audit)
        #expect(quiet[0].bundlesIncluded == loud.bundlesIncluded)
        #expect(quiet[0].deliveries < loud.deliveries * 3 / 4, "\(quiet[0].deliveries) of \(loud.deliveries)")
    }

    @Test func `what a host with a slow disk says above the limit is lost, and everything else goes on`() {
        var plan = Plan()
        plan.waitingMax = 30
        plan.healsAt = 10_000
        plan.faults = [Fault(.slowDisk, at: 1_000, until: 10_000, hosts: [1], amount: 1_000)]
        let outcome = World(plan: plan).run()
        #expect(outcome.violations.map(\.what) == [])
        #expect(outcome.epochsFinal >= plan.epochs)
        #expect(outcome.injected["sendsLost", default: 0] > 0 && outcome.injected["diskStalled"] == nil)
    }

    @Test func `a host whose disk takes nothing ends before its memory does, and comes back`() {
        var plan = Plan()
        plan.waitingMax = 5
        plan.healsAt = 10_000
        plan.faults = [Fault(.slowDisk, at: 1_000, until: 10_000, hosts: [1], amount: 60_000)]
        let outcome = World(plan: plan).run()
        #expect(outcome.violations.map(\.what) == [])
        #expect(outcome.epochsFinal >= plan.epochs && outcome.injected["diskStalled"] == 1)
    }

    /// Few: the sweep runs more of them in an optimised build.
    @Test(arguments: 1..<4) func `no fault of the swarm splits, stalls or slanders honest nodes`(
        _ seed: UInt64
    ) {
        let plan = Plan.swarm(seed: seed)
        let outcome = World(plan: plan).run()
        #expect(outcome.violations.map(\.what) == [])
        #expect(outcome.epochsFinal >= plan.epochs)
    }

    @Test(arguments: Byzantine.Behaviour.allCases)
    func `one dishonest host of five changes nothing`(_ behaviour: Byzantine.Behaviour) {
        var plan = Plan()
        plan.validators = 5
        plan.byzantine = [Byzantine(host: 2, behaviour)]
        let outcome = World(plan: plan).run()
        #expect(outcome.violations.map(\.what) == [])
        #expect(outcome.epochsFinal >= plan.epochs)
    }

    /// Host 0 of a world that has only been made, and how often it has transmitted.
    private final class Antenna {
        let world: World
        private let seen: Seen

        private final class Seen { var count = 0 }

        var transmissions: Int { seen.count }

        init() {
            let seen = Seen()
            self.seen = seen
            world = World(plan: Plan(), fates: []) {
                if $0.host == 0, $0.kind == "transmit" { seen.count += 1 }
            }
        }

        func say() {
            let transmission = Transmission(
                payload: [1], frequency: 868_100_000,
                dataRate: DataRate(spreadingFactor: 9, bandwidthKilohertz: 125)!, power: 140,
                offsetMilliseconds: 0)
            world.carryOut([.persist(.coverage([1])), .transmit(transmission)], of: 0)
        }
    }

    @Test func `a host transmits only once what it wrote before is durable`() {
        let antenna = Antenna()
        let host = antenna.world.hosts[0]
        antenna.say()
        while host.outputs.isCommitting {
            #expect(antenna.transmissions == 0)
            antenna.world.committed(0)
        }
        #expect(antenna.transmissions == 1)
    }

    @Test func `a power cut before the commit takes the transmission with it`() {
        let antenna = Antenna()
        antenna.say()
        antenna.world.hosts[0].cut()
        antenna.world.start(0)
        while antenna.world.hosts[0].outputs.isCommitting { antenna.world.committed(0) }
        #expect(antenna.transmissions == 0)
    }

    @Test func `without two thirds nothing is decided, and the stall is seen`() {
        var plan = Plan()
        plan.faults = [Fault(.crash, at: 100, until: 1_000_000, hosts: [2, 3])]
        plan.patience = 20_000
        let outcome = World(plan: plan).run()
        #expect(outcome.violations.map(\.checker) == ["liveness"])
    }
}

@Suite struct PlanTests {
    @Test func `a plan survives its encoding`() throws {
        let plan = Plan.swarm(seed: 7)
        let bytes = try JSONEncoder().encode(plan)
        #expect(try JSONDecoder().decode(Plan.self, from: bytes) == plan)
    }

    @Test func `a swarm keeps within what consensus promises`() {
        for seed in UInt64(0)..<500 {
            let plan = Plan.swarm(seed: seed)
            let forgetful = plan.faults.filter {
                [.bitFlip, .staleStore, .wipe, .oddState].contains($0.kind)
            }
            let bad = Set(
                (plan.byzantine.map(\.host) + forgetful.flatMap(\.hosts)).filter { $0 < plan.validators })
            #expect(3 * bad.count < plan.validators)
            #expect((4...16).contains(plan.hosts))
            #expect(plan.faults.allSatisfy { $0.at < $0.until && $0.until <= plan.healsAt })
        }
    }
}
