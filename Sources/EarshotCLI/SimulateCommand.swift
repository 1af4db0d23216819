import ArgumentParser
import Foundation
import Runtime
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
        subcommands: [
            SimulateRun.self, SimulateSweep.self, SimulateReplay.self, SimulateScenarios.self,
            SimulateMutants.self, SimulateRecordings.self,
        ],
        defaultSubcommand: SimulateRun.self)
}

/// Which cryptography a simulated run computes.
enum Crypto: String, ExpressibleByArgument, CaseIterable {
    case memoised, every, none
}

struct SimulateRun: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "run", abstract: "One run (the default).")

    @Option(help: "Hotspots, of which the first are validators; 8 if not said.") var nodes: Int?
    @Option(help: "Validators; half of the nodes and at least four if not said.") var validators: Int?
    @Option(help: "Edge nodes besides: hotspots that follow validators and carry nobody else's bundles.")
    var edges: Int?
    @Option(help: "Run until every node has so many final epochs; 6 if not said.") var epochs: Int?
    @Option(help: "Length of an epoch in milliseconds; 2000 if not said.") var epochMilliseconds: Int?
    @Option(
        help: """
            Of a thousand hotspots, how many beacon in an epoch; if not said 400, in large networks fewer: about twenty \
            in all, as everybody here hears everybody.
            """)
    var beaconPermille: Int?
    @Option(help: "What the run is drawn from; if not said, a scenario's or plan's own, else 1.") var seed:
        UInt64?
    @Option(
        help: ArgumentHelp(
            "none; swarm, edge-swarm or translator-swarm: the seed draws hosts and faults too; or faults.",
            discussion: """
                Faults are separated by commas: KIND:HOSTS@FROM-UNTIL=AMOUNT with milliseconds, BEHAVIOUR:HOST, or a rate \
                in a thousand for all links. For example crash:1+2@3000-9000,flooder:3,loss=200.
                """, valueName: "none|swarm|edge-swarm|translator-swarm|spec")) var faults = "none"
    @Option(help: "A named scenario instead; `earshot simulate scenarios` lists them.") var scenario: String?
    @Option(help: "A plan from a file (JSON or TOML) instead.") var plan: String?
    @Option(help: "Write everything that happens to this file; `earshot simulate replay` walks it.")
    var trace: String?
    @Option(
        help: """
            Write the plan and what befell every datagram to this file: small enough to keep, and `earshot simulate \
            replay --again` runs it, also after the program has changed.
            """)
    var record: String?
    @Option(
        help: ArgumentHelp(
            "memoised, every, or none.",
            discussion: """
                memoised: real keys, each signature and proof verified once. every: verified anew each time, the same run. \
                none: keys imitate, and nothing is verified: fast, another run, and only for plans in which nobody \
                forges and no host starts again.
                """, valueName: "memoised|every|none")) var crypto: Crypto?
    @Flag(help: "As --crypto every.") var verifyEveryTime = false

    @Flag(
        help: "Let everything travel in real, encrypted sessions; else the simulator vouches for who speaks.")
    var sealed = false
    @Flag(
        help: """
            Consensus and coverage only: nodes find their peers, and from then on neither probe nor replace them. In a plan: \
            quietMembership.
            """)
    var quietMembership = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        let (nodes, edges, epochs, epochMilliseconds) = size
        guard (1...20_000).contains(nodes) else { throw ValidationError("--nodes takes 1 to 20000") }
        guard (0...20_000 - nodes).contains(edges) else {
            throw ValidationError("--nodes and --edges are 20000 at most")
        }
        guard (1...1_000_000).contains(epochs) else { throw ValidationError("--epochs takes 1 or more") }
        guard (500...86_400_000).contains(epochMilliseconds) else {
            throw ValidationError("--epoch-milliseconds takes 500 or more")
        }
        if let beaconPermille, !(0...1_000).contains(beaconPermille) {
            throw ValidationError("--beacon-permille takes 0 to 1000")
        }
        if let validators, !(1...nodes).contains(validators) {
            throw ValidationError("of \(nodes) nodes, 1 to \(nodes) may be validators")
        }
        if scenario != nil, plan != nil { throw ValidationError("--scenario and --plan exclude each other") }
        if let source, let option = ownOptions.first(where: \.isGiven)?.name {
            throw ValidationError("\(option) does not go with \(source), which has its own")
        }
        // What a file says is no matter of usage.
        guard plan == nil else { return }
        do { _ = try chosen() } catch { throw ValidationError("\(error)") }
    }

    private var size: (nodes: Int, edges: Int, epochs: Int, epochMilliseconds: Int) {
        (nodes ?? 8, edges ?? 0, epochs ?? 6, epochMilliseconds ?? 2_000)
    }

    /// What settles the hosts and their epochs; nil where options do.
    private var source: String? {
        if scenario != nil { return "--scenario" }
        if plan != nil { return "--plan" }
        return faults.hasSuffix("swarm") ? "--faults \(faults)" : nil
    }

    private var ownOptions: [(name: String, isGiven: Bool)] {
        [
            ("--nodes", nodes != nil), ("--validators", validators != nil), ("--edges", edges != nil),
            ("--epochs", epochs != nil), ("--epoch-milliseconds", epochMilliseconds != nil),
            ("--beacon-permille", beaconPermille != nil),
            ("--faults", faults != "none" && (scenario ?? plan) != nil),
        ]
    }

    private func chosen() throws -> Plan {
        var plan = try drawn()
        plan.verifiesEveryTime = plan.verifiesEveryTime || verifyEveryTime || crypto == .every
        plan.imitatesCrypto = plan.imitatesCrypto || crypto == Crypto.none
        plan.sealed = plan.sealed || sealed
        plan.quietMembership = plan.quietMembership || quietMembership
        if plan.imitatesCrypto { try plan.check("--crypto none") }
        return plan
    }

    private func drawn() throws -> Plan {
        if var plan = try written() {
            plan.seed = seed ?? plan.seed
            return plan
        }
        let seed = seed ?? 1
        if faults == "swarm" { return Plan.swarm(seed: seed) }
        if faults == "edge-swarm" { return Plan.edgeSwarm(seed: seed) }
        if faults == "translator-swarm" { return Plan.translatorSwarm(seed: seed) }
        let (nodes, edges, epochs, epochMilliseconds) = size
        var plan = Plan()
        plan.seed = seed
        plan.validators = validators ?? min(nodes, max(4, nodes / 2))
        plan.hotspots = nodes - plan.validators
        plan.edges = edges
        plan.epochs = epochs
        plan.epochMilliseconds = epochMilliseconds
        plan.beaconPermille = beaconPermille ?? max(1, min(plan.beaconPermille, 20_000 / (nodes + edges)))
        plan.patience = max(plan.patience, 20 * epochMilliseconds)
        if faults != "none" { try plan.add(spec: faults) }
        try plan.check("plan")
        return plan
    }

    private func written() throws -> Plan? {
        if let scenario { return try Scenario.plan(named: scenario) }
        guard let plan else { return nil }
        guard let text = try? String(contentsOfFile: plan, encoding: .utf8) else {
            throw RuntimeError("\(plan) cannot be read; is it there?")
        }
        return try Plan(reading: text, name: plan)
    }

    private var replayLine: String {
        drawnLine + (quietMembership ? " --quiet-membership" : "")
            + (crypto.map { " --crypto \($0.rawValue)" } ?? "")
    }

    private var drawnLine: String {
        let own = seed.map { " --seed \($0)" } ?? ""
        if let scenario { return "earshot simulate --scenario \(scenario)" + own }
        if let plan { return "earshot simulate --plan \(plan)" + own }
        let seed = seed ?? 1
        if faults.hasSuffix("swarm") { return "earshot simulate --faults \(faults) --seed \(seed)" }
        let (nodes, edgeCount, epochs, epochMilliseconds) = size
        let validators = validators.map { " --validators \($0)" } ?? ""
        let beacons = beaconPermille.map { " --beacon-permille \($0)" } ?? ""
        let length = " --epoch-milliseconds \(epochMilliseconds)"
        let edges = edgeCount > 0 ? " --edges \(edgeCount)" : ""
        return "earshot simulate --nodes \(nodes)\(validators)\(edges) --epochs \(epochs)\(length)\(beacons)"
            + " --seed \(seed)" + (sealed ? " --sealed" : "")
            + (faults == "none" ? "" : " --faults \(faults)")
    }

    func run() throws {
        let plan = try chosen()
        let writer = try trace.map { path in
            do {
                return try TraceFile.Writer(writing: URL(fileURLWithPath: path), plan: plan)
            } catch { throw RuntimeError("\(path) cannot be written: \(error.localizedDescription)") }
        }
        let line = ProgressLine()
        let begin = ContinuousClock.now
        var fates: [RecordedFate] = []
        let isRecorded = record != nil
        let tracer: ((TraceEvent) -> Void)? =
            writer == nil && !isRecorded
            ? nil
            : { event in
                writer?.add(event)
                if isRecorded, let fate = RecordedFate(event) { fates.append(fate) }
            }
        let outcome = World(plan: plan, tracer: tracer).run { progress in
            line.show("epoch \(progress.epoch) of \(progress.epochs), \(progress.events) events")
        }
        line.clear()
        try writer?.close()
        if let record {
            do {
                try FateFile(plan: plan, fates: fates).write(to: URL(fileURLWithPath: record))
            } catch { throw RuntimeError("\(record) cannot be written: \(error.localizedDescription)") }
        }
        if output.json {
            try printJSON(outcome)
        } else {
            if !plan.proves.isEmpty { print("\(plan.name): \(plan.proves)") }
            print(outcome.summary)
            let seconds = Double((ContinuousClock.now - begin).milliseconds) / 1_000
            print(
                "took \(seconds.formatted(.number.precision(.fractionLength(1)))) s: "
                    + "\(Int(Double(outcome.deliveries) / max(0.001, seconds))) datagrams a second, memory at most "
                    + "\(residentMebibytesMax()) MiB")
        }
        guard outcome.violations.isEmpty else {
            complain("replay: " + replayLine)
            throw ExitCode.failure
        }
    }
}

/// The most memory that this process has used, in MiB.
private func residentMebibytesMax() -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
    return (line.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1_024
}

extension Duration {
    fileprivate var milliseconds: Int64 {
        components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000
    }
}

/// One line on a terminal that is written over again; nothing where errors go to a file.
final class ProgressLine: Sendable {
    private let isTerminal = isatty(STDERR_FILENO) == 1

    func show(_ text: String) {
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K\(text)  ".utf8)) }
    }

    func clear() {
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
    }
}

struct SimulateScenarios: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scenarios", abstract: "List the named scenarios and what each proves.")

    @OptionGroup var output: OutputOptions

    private struct Listed: Encodable {
        let name: String
        let proves: String
    }

    func run() throws {
        let list = try Scenario.names.map { Listed(name: $0, proves: try Scenario.plan(named: $0).proves) }
        if output.json { return try printJSON(list) }
        var table = TextTable("scenario", "proves")
        for scenario in list { table.add(scenario.name, scenario.proves) }
        print(table.text)
    }
}

struct SimulateReplay: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Walk a recorded run, or let it happen again.",
        discussion: """
            Prints one event a line. With --again the plan runs once more, and every datagram meets the fate that it met \
            in the recording, also if the program has changed since.
            """)

    @Argument(help: "What `earshot simulate --trace` or `--record` wrote.") var file: String
    @Option(help: "Only what happens at this host.") var host: Int?
    @Option(help: "Only events of this kind: datagram, sent, committed, final, start, crash, …") var kind:
        String?
    @Option(help: "From this millisecond on.") var from = 0
    @Option(help: "Up to this millisecond.") var until = Int.max
    @Flag(help: "Run it again, and say where it first differs.") var again = false
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if from > until { throw ValidationError("--from is after --until") }
    }

    func run() throws {
        guard FileManager.default.isReadableFile(atPath: file) else {
            throw RuntimeError("\(file) cannot be read; is it there?")
        }
        let url = URL(fileURLWithPath: file)
        if FateFile.isOne(url) {
            let recording = try FateFile(reading: url)
            guard again else { throw ValidationError("\(file) holds no events to walk; run it with --again") }
            let outcome = World(plan: recording.plan, fates: recording.fates).run()
            if output.json { try printJSON(outcome) } else { print(outcome.summary) }
            if !outcome.violations.isEmpty { throw ExitCode.failure }
            return
        }
        let trace = try TraceFile(reading: url)
        if trace.isCut {
            complain("the trace ends in the middle of an event: its run was ended, or its disk was full")
        }
        guard again else {
            for event in trace.events where isWanted(event) {
                if output.json { try printJSONLine(event) } else { print(event.line) }
            }
            return
        }
        var place = 0
        var difference: (place: Int, expected: TraceEvent?, got: TraceEvent?)?
        let outcome = World(plan: trace.plan, fates: trace.fates) { event in
            let expected = place < trace.events.count ? trace.events[place] : nil
            place += 1
            // Beyond the end of a trace that was cut off there is nothing to differ from.
            if expected == nil, trace.isCut { return }
            if difference == nil, expected != event { difference = (place, expected, event) }
        }.run()
        if difference == nil, place < trace.events.count {
            difference = (place + 1, trace.events[place], nil)
        }
        if output.json { try printJSON(outcome) } else { print(outcome.summary) }
        if let difference {
            complain("event \(difference.place) is the first that differs")
            complain("recorded: \(difference.expected?.line ?? "nothing")")
            complain("now:      \(difference.got?.line ?? "nothing")")
        } else {
            complain(
                trace.isCut ? "every event that was recorded is as it was" : "every event is as recorded")
        }
        if !outcome.violations.isEmpty { throw ExitCode.failure }
    }

    private func isWanted(_ event: TraceEvent) -> Bool {
        host ?? event.host == event.host && kind ?? event.kind == event.kind
            && (from...until).contains(Int(event.at / 1_000_000))
    }
}

extension TraceEvent {
    fileprivate var line: String {
        let micros = at / 1_000
        var line = "\(micros / 1_000).\(String(micros % 1_000 + 1_000).dropFirst()) ms  host \(host)  \(kind)"
        if let from { line += " from \(from)" }
        if let to { line += " to \(to)" }
        if let fate { line += fate.delays.isEmpty ? ": lost" : fate.delays.count > 1 ? ": twice" : "" }
        return text.isEmpty ? line : line + ": \(text)"
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
        if edges > 0 {
            let each = UInt64(edges * max(1, epochsFinal))
            lines.append(
                "edge nodes: \(edges), each and epoch \(bytesByEdges / each) octets sent and "
                    + "\(bytesToEdges / each) received, datagrams' heads not counted")
            lines.append("edge nodes together: " + Self.list(edgeCounters))
        }
        let sorted = finalityMilliseconds.sorted()
        if !sorted.isEmpty {
            let median = sorted[sorted.count / 2]
            let late = sorted[min(sorted.count - 1, sorted.count * 99 / 100)]
            lines.append(
                "from a window's end to finality: median \(inDeltas(median)), p99 \(inDeltas(late)), Δ is "
                    + "\(deltaMilliseconds) ms")
        }
        if splitViews > 0 { lines.append("views with notarization and nullification: \(splitViews)") }
        lines.append(
            "bundles: \(bundlesSigned) signed by honest nodes, \(bundlesIncluded) in blocks; transfers in blocks: "
                + "\(transfers); certificates checked on their way: \(certificatesChecked)")
        if spread.copiesPermille > 0 {
            lines.append(
                "copies of a bundle for each node that got it: \(Self.thousandths(spread.copiesPermille)), hops "
                    + "\(Self.thousandths(spread.hopsPermille)), at most \(spread.hopsMax)")
            lines.append(
                "from a bundle's first such node to each other: median \(spread.medianMilliseconds) ms, "
                    + "p99 \(spread.lateMilliseconds) ms")
        }
        if !verdicts.isEmpty { lines.append("reports by verdict: " + Self.list(verdicts)) }
        let ways = sessionCounters.filter { Self.waysCounted.contains($0.key) }
        if !ways.isEmpty { lines.append("ways past translators: " + Self.list(ways)) }
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

    private static let waysCounted: Set<String> = [
        "introductionsAsked", "introductions", "introductionsFollowed", "metDirectly", "metRelayed",
        "forwarded",
        "relayReplaced", "dropped.introduction", "dropped.forward", "dropped.noRelay",
    ]

    private func inDeltas(_ milliseconds: Int) -> String {
        let tenths = milliseconds * 10 / max(1, deltaMilliseconds)
        return "\(milliseconds) ms (\(tenths / 10).\(tenths % 10) Δ)"
    }

    private static func thousandths(_ value: Int) -> String {
        "\(value / 1_000).\(String(value % 1_000 + 1_000).dropFirst())"
    }

    private static func list(_ counts: [String: UInt64]) -> String {
        counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
    }
}
