import ArgumentParser
import Foundation
import Rules
import Runtime
import Simulation

struct SimulateMutants: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mutants",
        abstract: "Switch off one rule after the other, and see whether the simulator notices.",
        discussion: """
            Only a build with the condition MUTATIONS can do without a rule: `tools/mutants` makes it and runs this. Each \
            rule has plans that bring about what it is there for, tried until one ends in a violation or a trap. Fails if \
            a rule's absence goes unnoticed.
            """)

    @Option(help: "Only this rule; all of them if not said.") var rule: String?
    @Option(help: "Try so many seeds at most, instead of each rule's own bound.") var seeds: UInt64?
    @Option(help: "Run one seed with the rule switched off, and say what happened.") var seed: UInt64?
    @Option(help: "Processes side by side.") var jobs = 2
    @Flag(help: "Draw plans from the swarm instead of those made for the rule.") var swarm = false
    @Flag(help: "Leave the rule in force: the plans must then end well.") var intact = false
    @Option(help: "With --seed: write the plan and what befell every datagram to this file.") var record:
        String?
    @Option(help: "With --record: first make a failing plan smaller, in so many runs at most.") var shrink = 0
    @Option(help: "With --record: only what was sent before this millisecond; what is sent later is drawn.")
    var until = Int.max
    @Flag(help: .hidden) var worker = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...256).contains(jobs) else { throw ValidationError("--jobs takes 1 to 256") }
        if let rule, Rule(rawValue: rule) == nil {
            let names = Rule.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("there is no rule '\(rule)'; known: \(names)")
        }
        if seed != nil || worker, rule == nil { throw ValidationError("--seed needs a --rule") }
        if seeds == 0 { throw ValidationError("--seeds takes 1 or more") }
        if record != nil, seed == nil { throw ValidationError("--record needs a --seed") }
    }

    private var hunts: [Hunt] { Hunt.all.filter { rule ?? $0.rule.rawValue == $0.rule.rawValue } }

    private func plan(_ hunt: Hunt, seed: UInt64) -> Plan {
        swarm ? .swarm(seed: seed) : hunt.plan(seed: seed)
    }

    func run() throws {
        guard canRemoveRules || intact else {
            complain("this build cannot do without any rule; tools/mutants makes one that can:")
            complain(
                "swift build -c release -Xswiftc -DMUTATIONS --scratch-path .build-mutants --product earshot")
            throw ExitCode.failure
        }
        if worker { return try work(hunts[0]) }
        if let seed { return try show(hunts[0], seed: seed) }
        let findings = search()
        if output.json { try printJSON(findings) } else { print(table(findings)) }
        let surviving = findings.filter { ($0.seeds == nil) != intact }
        guard surviving.isEmpty else {
            for finding in surviving {
                let how = intact ? "found though it is in force" : "nothing notices its absence"
                complain("\(finding.rule): \(how)")
            }
            throw ExitCode.failure
        }
    }

    // MARK: One process

    /// Announces each seed before it runs, so that whoever started this knows which one ended it.
    private func work(_ hunt: Hunt) throws {
        guard intact || remove(hunt.rule) else { throw ExitCode.failure }
        for seed in 1...(seeds ?? hunt.seedsMax) {
            FileHandle.standardOutput.write(Data("\(seed)\n".utf8))
            guard let first = World(plan: plan(hunt, seed: seed)).run().violations.first else { continue }
            FileHandle.standardOutput.write(try JSONEncoder().encode(first))
            throw ExitCode(2)
        }
    }

    private func show(_ hunt: Hunt, seed: UInt64) throws {
        guard intact || remove(hunt.rule) else { throw ExitCode.failure }
        var plan = plan(hunt, seed: seed)
        var fates: [RecordedFate] = []
        if shrink > 0 {
            let outcome = World(plan: plan).run()
            guard !outcome.violations.isEmpty else {
                throw RuntimeError("seed \(seed) violates nothing: there is nothing to make smaller")
            }
            var shrinker = Shrinker(plan, outcome: outcome, runsMax: shrink)
            shrinker.shrink()
            plan = shrinker.plan
        }
        let isRecorded = record != nil
        let limit = until
        let tracer: ((TraceEvent) -> Void)? =
            isRecorded
            ? { event in
                if event.at / 1_000_000 < limit, let fate = RecordedFate(event) { fates.append(fate) }
            } : nil
        let outcome = World(plan: plan, tracer: tracer).run()
        if let record { try FateFile(plan: plan, fates: fates).write(to: URL(fileURLWithPath: record)) }
        if output.json { try printJSON(outcome) } else { print(outcome.summary) }
    }

    /// One process for each rule: it is switched off for good there, and may trap.
    private func process(_ hunt: Hunt) -> Finding {
        let begin = ContinuousClock.now
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["simulate", "mutants", "--worker", "--rule", hunt.rule.rawValue]
        if let seeds { process.arguments! += ["--seeds", "\(seeds)"] }
        if swarm { process.arguments!.append("--swarm") }
        if intact { process.arguments!.append("--intact") }
        let (said, complained) = (Pipe(), FileHandle.nullDevice)
        process.standardOutput = said
        process.standardError = complained
        var finding = Finding(rule: hunt.rule.rawValue, circumstance: swarm ? "swarm" : hunt.circumstance)
        do { try process.run() } catch {
            finding.what = "\(error)"
            return finding
        }
        let lines = said.fileHandleForReading.readDataToEndOfFile().split(separator: UInt8(ascii: "\n"))
        process.waitUntilExit()
        let seed = lines.compactMap { UInt64(String(decoding: $0, as: UTF8.self)) }.last
        finding.tried = seed ?? 0
        finding.milliseconds = Int((ContinuousClock.now - begin) / .milliseconds(1))
        if process.terminationReason == .uncaughtSignal {
            finding.seeds = seed
            finding.checker = "invariant"
            finding.what = "ended by signal \(process.terminationStatus)"
        } else if process.terminationStatus != 0 {
            let violation = lines.last.flatMap { try? JSONDecoder().decode(Violation.self, from: $0) }
            // Without a violation it has not run at all, which proves nothing.
            finding.seeds = violation == nil ? nil : seed
            finding.checker = violation?.checker
            finding.what = violation?.what
        }
        return finding
    }

    // MARK: All of them

    private struct Finding: Codable, Sendable {
        let rule: String
        let circumstance: String
        /// The first seed that shows that the rule is off; nil if none does.
        var seeds: UInt64?
        var tried: UInt64 = 0
        var checker: String?
        var what: String?
        var milliseconds = 0
    }

    private final class Findings: @unchecked Sendable {
        // Every access holds the lock.
        private let lock = NSLock()
        private var found: [Int: Finding] = [:]
        private var next = 0

        func take(below count: Int) -> Int? {
            lock.withLock {
                defer { next += 1 }
                return next < count ? next : nil
            }
        }

        func add(_ finding: Finding, at place: Int) -> Int {
            lock.withLock {
                found[place] = finding
                return found.count
            }
        }

        var all: [Finding] { lock.withLock { found.sorted { $0.key < $1.key }.map(\.value) } }
    }

    private func search() -> [Finding] {
        let (hunts, findings, line) = (hunts, Findings(), ProgressLine())
        let search = self
        DispatchQueue.concurrentPerform(iterations: min(jobs, hunts.count)) { _ in
            while let place = findings.take(below: hunts.count) {
                let count = findings.add(search.process(hunts[place]), at: place)
                line.show("\(count) of \(hunts.count) rules")
            }
        }
        line.clear()
        return findings.all
    }

    private func table(_ findings: [Finding]) -> String {
        var table = TextTable("without", "seeds", "found by", "where", "ms", "for example")
        for finding in findings {
            let seeds = finding.seeds.map { "\($0)" } ?? "none of \(finding.tried)"
            table.add(
                finding.rule, seeds, finding.checker ?? "", finding.circumstance, "\(finding.milliseconds)",
                String((finding.what ?? "").prefix(60)))
        }
        guard let first = findings.first(where: { $0.seeds != nil && $0.checker != "invariant" }) else {
            return table.text
        }
        return table.text + "\nreplay: earshot simulate mutants --rule \(first.rule) --seed \(first.seeds!)"
            + (swarm ? " --swarm" : "")
    }
}
