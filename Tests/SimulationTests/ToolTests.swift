import Chance
import Foundation
@testable import Simulation
import TestKit
import Testing

@Suite struct AgendaTests {
    @Test(arguments: Seed.all) func `entries come in the order of time, then of asking`(_ seed: Seed) {
        var chance = Chance(seed: seed.value)
        var agenda = Agenda<Int>()
        var waiting: [(at: Instant, serial: Int)] = []
        var now = Instant.origin
        var serial = 0
        for _ in 0..<2_000 {
            if chance.happens(3, in: 5) || waiting.isEmpty {
                // Within a slot, on the wheel, beyond it, and far beyond.
                let spans: [Duration] = [
                    .zero, .microseconds(300), .milliseconds(900), .seconds(3), .seconds(90_000),
                ]
                let at = now + chance.duration(in: .zero...spans[chance.below(spans.count)])
                agenda.add(serial, at: at)
                waiting.append((at, serial))
                serial += 1
            } else {
                let first = waiting.indices.min { (waiting[$0].at, $0) < (waiting[$1].at, $1) }!
                let expected = waiting.remove(at: first)
                let entry = agenda.next()
                #expect(entry?.element == expected.serial && entry?.at == expected.at)
                now = expected.at
            }
            #expect(agenda.count == waiting.count)
        }
    }
}

@Suite struct ShrinkerTests {
    @Test func `a failing plan loses everything that it does not need to fail`() {
        var plan = Plan.swarm(seed: 8)
        let needed = Fault(.pause, at: 700, until: 900, hosts: [1])
        plan.faults.append(needed)
        let run: (Plan) -> Outcome = { plan in
            var outcome = Outcome()
            if plan.faults.contains(where: { $0.kind == .pause && $0.hosts.contains(1) }) {
                outcome.violations = [Violation(checker: "made", what: "up", at: 0, host: nil)]
            }
            return outcome
        }
        var shrinker = Shrinker(plan, outcome: run(plan), runsMax: 2_000, run: run)
        shrinker.shrink()
        #expect(shrinker.plan.faults.map(\.kind) == [.pause] && shrinker.plan.faults[0].hosts == [1])
        #expect(shrinker.plan.byzantine.isEmpty && shrinker.plan.roughLinks == nil)
        #expect(shrinker.plan.hosts == 2 && shrinker.plan.epochs == 1)
        #expect(shrinker.runs < 2_000)
    }

    @Test func `another violation is not taken for the same`() {
        var plan = Plan()
        plan.faults = [Fault(.pause, at: 1, until: 2, hosts: [0])]
        let run: (Plan) -> Outcome = { plan in
            var outcome = Outcome()
            let checker = plan.faults.isEmpty ? "other" : "made"
            outcome.violations = [Violation(checker: checker, what: "up", at: 0, host: nil)]
            return outcome
        }
        var shrinker = Shrinker(plan, outcome: run(plan), run: run)
        shrinker.shrink()
        #expect(shrinker.plan.faults.map(\.kind) == [.pause])
    }
}

@Suite struct TraceTests {
    @Test func `a trace is read back, and the run happens again as recorded`() throws {
        var plan = Plan()
        plan.epochs = 2
        plan.roughLinks = Links()
        plan.roughLinks?.lossPermille = 100
        plan.roughLinks?.corruptPermille = 50
        plan.healsAt = 4_000
        plan.faults = [
            Fault(.crash, at: 1_000, until: 3_000, hosts: [1]),
            Fault(.loss, at: 500, until: 4_000, hosts: [0, 2], amount: 300),
        ]
        plan.byzantine = [Byzantine(host: 3, .twins)]
        let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).jsonl")
        defer { try? FileManager.default.removeItem(at: url) }
        let writer = try TraceFile.Writer(writing: url, plan: plan)
        let audit = World(plan: plan, tracer: { writer.add($0) }).run().audit
        try writer.close()
        let trace = try TraceFile(reading: url)
        #expect(trace.plan == plan && trace.events.count > 1_000 && !trace.isCut)
        var events: [TraceEvent] = []
        let again = World(plan: trace.plan, fates: trace.fates) { events.append($0) }.run()
        let isSame = events == trace.events
        #expect(isSame)
        #expect(again.epochsFinal >= 2)
        #expect(World(plan: plan).run().audit == audit)
        // Of a run that was killed, what is there can be walked.
        try Data(try Data(contentsOf: url).dropLast(5)).write(to: url)
        let cut = try TraceFile(reading: url)
        #expect(cut.isCut && cut.events == trace.events.dropLast())
    }

    @Test func `fates are read back as they were written`() throws {
        var plan = Plan()
        plan.epochs = 1
        plan.roughLinks = Links()
        plan.roughLinks?.lossPermille = 100
        plan.roughLinks?.duplicatePermille = 100
        plan.roughLinks?.corruptPermille = 100
        plan.roughLinks?.truncatePermille = 100
        plan.healsAt = 3_000
        var fates: [RecordedFate] = []
        _ = World(plan: plan) { event in if let fate = RecordedFate(event) { fates.append(fate) } }.run()
        let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).fates")
        defer { try? FileManager.default.removeItem(at: url) }
        try FateFile(plan: plan, fates: fates).write(to: url)
        let file = try FateFile(reading: url)
        #expect(file.plan == plan && file.fates.count == fates.count)
        func list(_ fates: [RecordedFate], _ from: Int, _ to: Int) -> [Fate] {
            fates.filter { $0.from == from && $0.to == to }.map(\.fate)
        }
        for from in 0..<4 { for to in 0..<4 { #expect(list(fates, from, to) == list(file.fates, from, to)) } }
        let text = try String(contentsOf: url, encoding: .utf8)
        try Data("\(text)0>1 nonsense!\n".utf8).write(to: url)
        #expect(throws: PlanError.self) { try FateFile(reading: url) }
        // What is left of it may look like a trace in which nothing happened.
        let head = try #require(text.split(separator: "\n").first)
        try Data("\(head)\n".utf8).write(to: url)
        #expect(!FateFile.isOne(url))
        #expect { try TraceFile(reading: url) } throws: { "\($0)".contains("holds a plan and no event") }
        // A part of it is another run.
        for count in [text.utf8.count - 2, text.utf8.count / 2] {
            try Data(text.utf8.prefix(count)).write(to: url)
            #expect(throws: PlanError.self) { try FateFile(reading: url) }
        }
    }

    @Test func `recorded fates are stronger than the seed`() throws {
        var plan = Plan()
        plan.epochs = 2
        plan.roughLinks = Links()
        plan.roughLinks?.lossPermille = 300
        plan.healsAt = 8_000
        var events: [TraceEvent] = []
        let first = World(plan: plan) { events.append($0) }.run()
        let fates = events.compactMap { RecordedFate($0) }
        let lost = fates.count { $0.fate.delays.isEmpty }
        #expect(lost > 100)
        // Without loss in the plan, what was lost then is lost again.
        plan.roughLinks = nil
        let second = World(plan: plan, fates: fates).run()
        #expect(second.lost >= UInt64(lost / 2) && first.lost >= UInt64(lost))
        #expect(World(plan: plan).run().lost == 0)
    }

    @Test(arguments: ["", "{}", "no trace\n"]) func `what is no trace is refused`(_ text: String) throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).jsonl")
        defer { try? FileManager.default.removeItem(at: url) }
        try Data(text.utf8).write(to: url)
        #expect(throws: PlanError.self) { try TraceFile(reading: url) }
    }
}

@Suite struct ReachTests {
    @Test func `a sweep that met little says what is missing`() {
        var reach = Reach()
        var outcome = Outcome()
        outcome.epochsFinal = 5
        outcome.epochsHealed = 2
        outcome.views = [1, 3]
        outcome.splitViews = 1
        outcome.committees = 2
        for kind in Reach.kinds { outcome.injected[kind] = 1 }
        reach.add(outcome, seed: 1)
        #expect(reach.shortfalls == [])
        var same = outcome
        same.committees = 1
        var calm = Reach()
        calm.add(same, seed: 1)
        #expect(calm.shortfalls.map { $0.hasPrefix("another committee in 0 of 1") } == [true])
        outcome.injected["crash"] = nil
        outcome.epochsFinal = 4
        outcome.epochsHealed = 1
        for seed in 2..<11 { reach.add(outcome, seed: UInt64(seed)) }
        #expect(reach.shortfalls.count == 3)
        #expect(reach.shortfalls.contains { $0.hasPrefix("crash in 1 of 10") })
    }

    @Test func `the audit of a sweep does not depend on the order of its parts`() {
        var outcome = Outcome()
        var parts: [Reach] = []
        for seed in UInt64(1)...4 {
            outcome.audit = seed &* 0x1234_5678_9ABC_DEF1
            var part = Reach()
            part.add(outcome, seed: seed)
            parts.append(part)
        }
        func total(_ parts: [Reach]) -> UInt64 { parts.reduce(into: Reach()) { $0.add($1) }.audit }
        #expect(total(parts) == total(parts.reversed()))
        #expect(total(parts) != total(Array(parts.dropLast())))
    }

    @Test func `JSON carries an audit as hexadecimal text, which is read back whole`() throws {
        var outcome = Outcome()
        outcome.audit = 0xFEDC_BA98_7654_3211
        var reach = Reach()
        reach.audit = 0x8000_0000_0000_0001
        let texts = try [JSONEncoder().encode(outcome), JSONEncoder().encode(reach)]
        #expect(String(decoding: texts[0], as: UTF8.self).contains("\"audit\":\"fedcba9876543211\""))
        #expect(String(decoding: texts[1], as: UTF8.self).contains("\"audit\":\"8000000000000001\""))
        #expect(try JSONDecoder().decode(Outcome.self, from: texts[0]).audit == outcome.audit)
        #expect(try JSONDecoder().decode(Reach.self, from: texts[1]) == reach)
    }

    @Test func `a sweep without a seed tells no least number of epochs, and adds nothing to another`() throws
    {
        let text = String(decoding: try JSONEncoder().encode(Reach()), as: UTF8.self)
        #expect(!text.contains("epochsMin") && !text.contains("epochsHealedMin"))
        var outcome = Outcome()
        outcome.epochsFinal = 7
        outcome.epochsHealed = 3
        var reach = Reach()
        reach.add(outcome, seed: 1)
        reach.add(Reach())
        #expect(reach.epochsMin == 7 && reach.epochsHealedMin == 3)
    }
}
