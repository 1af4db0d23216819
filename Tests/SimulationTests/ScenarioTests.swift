import Foundation
@testable import Simulation
import Testing

@Suite struct ScenarioTests {
    @Test(arguments: Scenario.names) func `every named scenario shows what it says`(_ name: String) throws {
        let plan = try Scenario.plan(named: name)
        #expect(!plan.proves.isEmpty)
        let outcome = World(plan: plan).run()
        #expect(outcome.violations.map(\.what) == [])
        #expect(outcome.epochsFinal >= plan.epochs)
    }

    @Test(arguments: [
        "forged-bodies", "hostile-lists", "late-leaders", "leader-only-partition", "nondeterminism",
        "oversized-block", "retry-storm",
    ])
    func `without its fault a scenario misses what it expects`(_ name: String) throws {
        var plan = try Scenario.plan(named: name)
        plan.faults = []
        plan.byzantine = []
        plan.clients = Clients()
        plan.healsAt = 0
        let outcome = World(plan: plan).run()
        #expect(Set(outcome.violations.map(\.checker)) == ["expectation"])
    }

    @Test func `an unknown scenario names the known ones`() {
        #expect { try Scenario.plan(named: "sunshine") } throws: { error in
            "\(error)".contains("'sunshine'") && "\(error)".contains("slow-disk")
        }
    }

    @Test(arguments: [
        ("epoch = 3", "'epoch' is no key"), ("epochs = 'many'", "'epochs' has a value"),
        ("faults = [{ kind = 'crash', at = 1, hosts = [0] }]", "'until' is missing"),
        ("faults = [{ kind = 'crash', at = 1, until = 2, hosts = [9] }]", "host that is not there"),
        ("faults = [{ kind = 'crash', at = 3, until = 2, hosts = [0] }]", "ends before it begins"),
        ("faults = [{ kind = 'rain', at = 1, until = 2, hosts = [0] }]", "has a value"),
        ("validators = 0", "one validator at least"), ("[links]\nspeed = 1", "'speed' is no key"),
        ("validators = ", "plan.toml"), ("{\"epochs\": 3", "plan.toml"), ("", "plan.toml: it is empty"),
        ("# epochs = 3\n", "it is empty"), ("{}", "it is empty"),
        ("faults = [{ kind = 'crash', at = 1, until = 2, hosts = [1, 1] }]", "names host 1 twice"),
        ("byzantine = [{ host = 4, behaviour = 'flooder' }]", "byzantine names host 4"),
        ("radio.silent = [4]", "radio.silent names host 4"),
        ("expects.ignored = [9]", "expects.ignored names"),
    ]) func `a bad plan says what is wrong with it`(_ text: String, _ complaint: String) {
        #expect { try Plan(reading: text, name: "plan.toml") } throws: { "\($0)".contains(complaint) }
    }

    @Test func `what is drawn can be written to a file and read back`() throws {
        for seed in UInt64(1)...1_000 {
            for plan in [.swarm(seed: seed), Plan.edgeSwarm(seed: seed), .translatorSwarm(seed: seed)] {
                try plan.check("swarm \(seed)")
            }
        }
        for hunt in Hunt.all { try hunt.plan(seed: 1).check("\(hunt.rule)") }
    }

    @Test func `what a plan leaves out is as in the plain one, and JSON says the same as TOML`() throws {
        var plain = Plan()
        plain.epochs = 3
        plain.quietMembership = true
        plain.radio.silent = [1]
        plain.roughLinks = Links()
        plain.roughLinks?.lossPermille = 10
        let toml = "epochs = 3\nquietMembership = true\nradio.silent = [1]\nroughLinks.lossPermille = 10"
        #expect(try Plan(reading: toml, name: "a") == plain)
        let json = String(decoding: try JSONEncoder().encode(plain), as: UTF8.self)
        #expect(try Plan(reading: json, name: "b") == plain)
    }

    @Test func `faults are read from one line`() throws {
        var plan = Plan()
        try plan.add(spec: "crash:1+2@3000-9000,slowDisk:0@1-5=40,flooder:3,loss=200")
        #expect(
            plan.faults == [
                Fault(.crash, at: 3_000, until: 9_000, hosts: [1, 2]),
                Fault(.slowDisk, at: 1, until: 5, hosts: [0], amount: 40),
            ])
        #expect(plan.byzantine == [Byzantine(host: 3, .flooder)])
        #expect(plan.roughLinks?.lossPermille == 200 && plan.healsAt == 9_000)
    }

    @Test(arguments: [
        "crash", "rain:1@1-2", "crash:9@1-2", "crash:1@2-1", "flooder:7", "loss=2000", "crash:@1-2",
    ])
    func `a bad line of faults is refused`(_ spec: String) {
        var plan = Plan()
        #expect(throws: FaultSpecError.self) { try plan.add(spec: spec) }
    }
}
