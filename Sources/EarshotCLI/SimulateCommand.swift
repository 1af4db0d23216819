import ArgumentParser
import Foundation
import Simulation

struct SimulateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate",
        abstract: "Run whole nodes in virtual time, with faults, reproducibly from a seed.",
        discussion: """
            The nodes are the real ones; network, air, disks, clocks and crashes are the simulator's. Every honest node \
            is watched: one block an epoch, nothing said before it is durable, nothing that could be punished, the \
            same state after executing every chain again, progress once the faults have ended.
            """,
        subcommands: [SimulateRun.self, SimulateSweep.self], defaultSubcommand: SimulateRun.self)
}

enum FaultChoice: String, ExpressibleByArgument, CaseIterable {
    case none, swarm
}

struct SimulateRun: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "One run (the default).")

    @Option(help: "Hotspots, of which the first are validators.") var nodes = 8
    @Option(help: "Validators; half of the nodes and at least four if not said.") var validators: Int?
    @Option(help: "Run until every node has so many final epochs.") var epochs = 6
    @Option(help: "Length of an epoch in milliseconds.") var epochMilliseconds = 2_000
    @Option(help: "What the run is drawn from.") var seed: UInt64 = 1
    @Option(help: "none, or swarm: the seed draws hosts and faults too.") var faults = FaultChoice.none
    @Flag(help: "Check every signature anew each time: slower, the same run.") var verifyEveryTime = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        guard (1...1_000).contains(nodes) else { throw ValidationError("--nodes takes 1 to 1000") }
        guard (1...1_000_000).contains(epochs) else { throw ValidationError("--epochs takes 1 or more") }
        guard (500...86_400_000).contains(epochMilliseconds) else {
            throw ValidationError("--epoch-milliseconds takes 500 or more")
        }
        if let validators, !(1...nodes).contains(validators) {
            throw ValidationError("of \(nodes) nodes, 1 to \(nodes) may be validators")
        }
    }

    private var plan: Plan {
        if faults == .swarm { return Plan.swarm(seed: seed) }
        var plan = Plan()
        plan.seed = seed
        plan.validators = validators ?? min(nodes, max(4, nodes / 2))
        plan.hotspots = nodes - plan.validators
        plan.epochs = epochs
        plan.epochMilliseconds = epochMilliseconds
        return plan
    }

    func run() throws {
        var plan = plan
        plan.verifiesEveryTime = verifyEveryTime
        let isTerminal = isatty(STDERR_FILENO) == 1
        let outcome = World(plan: plan).run { progress in
            if isTerminal {
                FileHandle.standardError.write(Data("\repoch \(progress.epoch) of \(progress.epochs)  ".utf8))
            }
        }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        if output.json { try printJSON(outcome) } else { print(outcome.summary) }
        guard outcome.violations.isEmpty else {
            let drawn =
                "--nodes \(nodes) --epochs \(epochs) --epoch-milliseconds \(epochMilliseconds) --seed \(seed)"
            complain(
                "replay: earshot simulate " + (faults == .swarm ? "--faults swarm --seed \(seed)" : drawn))
            throw ExitCode.failure
        }
    }
}

struct SimulateSweep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Run many seeds of the swarm and stop at the first violation.")

    @Option(help: "For example 1..1000.") var seeds = "1..100"
    @OptionGroup var output: OutputOptions

    private struct Reach: Encodable {
        var seeds = 0
        var epochs = 0
        var events: UInt64 = 0
        var laterViews = 0
        var withFault: [String: Int] = [:]
    }

    private func range() throws -> ClosedRange<UInt64> {
        let bounds = seeds.split(separator: ".", omittingEmptySubsequences: true).compactMap { UInt64($0) }
        guard bounds.count == 2, bounds[0] <= bounds[1] else {
            throw ValidationError("--seeds takes a range like 1..1000, not '\(seeds)'")
        }
        return bounds[0]...bounds[1]
    }

    func run() throws {
        let range = try range()
        var reach = Reach()
        for seed in range {
            let outcome = World(plan: Plan.swarm(seed: seed)).run()
            reach.seeds += 1
            reach.epochs += outcome.epochsFinal
            reach.events += outcome.events
            if outcome.views.contains(where: { $0 >= 3 }) { reach.laterViews += 1 }
            for name in outcome.injected.keys { reach.withFault[name, default: 0] += 1 }
            guard outcome.violations.isEmpty else {
                print(outcome.summary)
                complain("replay: earshot simulate --faults swarm --seed \(seed)")
                throw ExitCode.failure
            }
            if reach.seeds % 100 == 0 { complain("\(reach.seeds) seeds of \(range.count), no violation") }
        }
        if output.json { return try printJSON(reach) }
        print("\(reach.seeds) seeds, \(reach.epochs) epochs, \(reach.events) events: no violation")
        print("a view of 3 or more in \(reach.laterViews) seeds")
        var table = TextTable("fault", "seeds", "percent")
        for (name, count) in reach.withFault.sorted(by: { $0.key < $1.key }) {
            table.add(name, "\(count)", "\(count * 100 / reach.seeds)")
        }
        print(table.text)
    }
}

extension Outcome {
    /// What a person wants to know of a run.
    var summary: String {
        var lines = [
            "\(epochsFinal) epochs final on all honest nodes in \(virtualMilliseconds / 1_000) virtual seconds, "
                + "views \(views.map(String.init).joined(separator: " "))",
            "\(hosts) hosts, \(events) events, \(deliveries) datagrams delivered, \(lost) lost, "
                + "\(bytesSent / UInt64(max(1, hosts * max(1, epochsFinal)))) octets a node and epoch",
        ]
        let sorted = finalityMilliseconds.sorted()
        if !sorted.isEmpty {
            let median = sorted[sorted.count / 2]
            let late = sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
            lines.append(
                "from a window's end to finality: median \(median) ms, p99 \(late) ms, "
                    + "Δ is \(deltaMilliseconds) ms")
        }
        if !verdicts.isEmpty { lines.append("reports by verdict: " + Self.list(verdicts)) }
        if !injected.isEmpty { lines.append("faults: " + Self.list(injected)) }
        lines.append("audit \(String(audit, radix: 16))")
        for violation in violations {
            let place = violation.host.map { " on host \($0)" } ?? ""
            lines.append(
                "violation: \(violation.checker) at \(violation.at / 1_000_000) ms\(place): \(violation.what)"
            )
        }
        return lines.joined(separator: "\n")
    }

    private static func list(_ counts: [String: UInt64]) -> String {
        counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }
}
