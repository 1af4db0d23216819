import ArgumentParser
import Foundation
import Simulation

struct SimulateSweep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Run many seeds of the swarm and stop at the first violation.",
        discussion: """
            Jobs are processes, so that a run that traps is named as well. Ends with what the seeds met, and fails if \
            that is too little to mean anything. A failing plan is made smaller and written to a file. Ctrl-C ends it early, \
            and says what the seeds until then have met.
            """)

    @Option(help: "For example 1..1000.") var seeds = "1..100"
    @Option(help: "Processes side by side.") var jobs = 1
    @Option(help: "How many runs may be spent on making a failing plan smaller.") var shrinkRuns = 100
    @Flag(help: "Do not fail where the seeds met too little.") var anyReach = false
    @Flag(help: .hidden) var worker = false
    @OptionGroup var output: OutputOptions

    /// Seeds of one process: short enough that progress is seen.
    private static let chunk: UInt64 = 20

    private func range() throws -> ClosedRange<UInt64> {
        let bounds = seeds.split(separator: ".", omittingEmptySubsequences: true).compactMap { UInt64($0) }
        guard bounds.count == 2, bounds[0] <= bounds[1] else {
            throw ValidationError("--seeds takes a range like 1..1000, not '\(seeds)'")
        }
        return bounds[0]...bounds[1]
    }

    func validate() throws {
        _ = try range()
        guard (1...256).contains(jobs) else { throw ValidationError("--jobs takes 1 to 256") }
    }

    func run() async throws {
        let range = try range()
        if worker { return try work(range) }
        let isStopped = StopFlag()
        await isStopped.listen()
        let sweep = Sweep(range, chunk: Self.chunk)
        await sweep.run(jobs: jobs, isStopped)
        let reach = sweep.reach
        if output.json { try printJSON(reach) } else { print(reach.text) }
        if let failure = sweep.failure { try report(failure) }
        if reach.seeds < range.count {
            complain("stopped: \(reach.seeds) of \(range.count) seeds have run")
            throw ExitCode.failure
        }
        guard anyReach || reach.shortfalls.isEmpty else {
            complain("the seeds met too little:")
            for shortfall in reach.shortfalls { complain("  " + shortfall) }
            throw ExitCode.failure
        }
    }

    // MARK: One process

    /// Announces each seed before it runs, so that whoever started this knows which one ended it.
    private func work(_ range: ClosedRange<UInt64>) throws {
        var reach = Reach()
        for seed in range {
            FileHandle.standardOutput.write(Data("\(seed)\n".utf8))
            let outcome = World(plan: Plan.swarm(seed: seed)).run()
            guard outcome.violations.isEmpty else { throw ExitCode(2) }
            reach.add(outcome, seed: seed)
        }
        FileHandle.standardOutput.write(try JSONEncoder().encode(reach))
    }

    // MARK: Failing

    private func report(_ failure: Sweep.Failure) throws {
        complain("seed \(failure.seed): \(failure.how)")
        complain("replay: earshot simulate --faults swarm --seed \(failure.seed)")
        // A run that traps would end this process too.
        guard failure.how == "a violation" else { throw ExitCode.failure }
        let plan = Plan.swarm(seed: failure.seed)
        var shrinker = Shrinker(plan, outcome: World(plan: plan).run(), runsMax: shrinkRuns)
        print(shrinker.outcome.summary)
        complain("making it smaller, in \(shrinkRuns) runs at most")
        shrinker.shrink()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        let file = "earshot-seed-\(failure.seed).json"
        try encoder.encode(shrinker.plan).write(to: URL(fileURLWithPath: file))
        complain(
            "smaller: \(shrinker.plan.hosts) hosts, \(shrinker.plan.faults.count) faults, "
                + "\(shrinker.plan.byzantine.count) bad habits, \(shrinker.plan.epochs) epochs")
        complain("replay: earshot simulate --plan \(file)")
        throw ExitCode.failure
    }
}

/// What several processes did of a range of seeds.
private final class Sweep: @unchecked Sendable {
    struct Failure {
        let seed: UInt64
        let how: String
    }

    struct Part {
        var reach = Reach()
        var failure: Failure?
    }

    /// No seed takes so long.
    private static let secondsMax = 300
    /// Between two looks whether somebody wants it to end.
    private static let lookPeriod: TimeInterval = 0.1

    private let lock = NSLock()
    private let range: ClosedRange<UInt64>
    private let chunk: UInt64
    private let line = ProgressLine()
    private var position: UInt64
    private var found: Failure?
    private var total = Reach()

    init(_ range: ClosedRange<UInt64>, chunk: UInt64) {
        self.range = range
        self.chunk = chunk
        position = range.lowerBound
    }

    var reach: Reach { lock.withLock { total } }
    var failure: Failure? { lock.withLock { found } }

    /// Until all have run, one fails, or the flag is set: what then is not done is not counted.
    func run(jobs: Int, _ isStopped: StopFlag) async {
        // On threads of their own: they wait for processes, and would keep the signals from being heard.
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            Thread.detachNewThread { [self] in
                DispatchQueue.concurrentPerform(iterations: jobs) { _ in
                    while !isStopped.isSet, let seeds = next(), let part = Self.process(seeds, isStopped) {
                        add(part)
                    }
                }
                line.clear()
                done.resume()
            }
        }
    }

    /// The next seeds; nil at the end, and after the first failure.
    private func next() -> ClosedRange<UInt64>? {
        lock.withLock {
            guard found == nil, position <= range.upperBound else { return nil }
            let last = min(range.upperBound, position + chunk - 1)
            defer { position = last + 1 }
            return position...last
        }
    }

    private func add(_ part: Part) {
        lock.withLock {
            total.add(part.reach)
            if let failure = part.failure, failure.seed < found?.seed ?? .max { found = failure }
            line.show("\(total.seeds) of \(range.count) seeds, \(total.epochs) epochs")
        }
    }

    /// Nil if it was cut short.
    private static func process(_ seeds: ClosedRange<UInt64>, _ isStopped: StopFlag) -> Part? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = [
            "simulate", "sweep", "--worker", "--seeds", "\(seeds.lowerBound)..\(seeds.upperBound)",
        ]
        // What it says fits in the pipe, so that it never waits for us.
        let pipe = Pipe()
        process.standardOutput = pipe
        do { try process.run() } catch {
            return Part(failure: Failure(seed: seeds.lowerBound, how: "\(error)"))
        }
        let deadline = Date(timeIntervalSinceNow: TimeInterval(secondsMax * seeds.count))
        while process.isRunning {
            if isStopped.isSet || deadline < Date() { process.terminate() }
            Thread.sleep(forTimeInterval: lookPeriod)
        }
        // Ctrl-C ends the processes too, as they are of one group.
        if isStopped.isSet { return nil }
        let lines = pipe.fileHandleForReading.readDataToEndOfFile().split(separator: UInt8(ascii: "\n"))
        if process.terminationStatus == 0, process.terminationReason == .exit, let last = lines.last,
            let reach = try? JSONDecoder().decode(Reach.self, from: last)
        {
            return Part(reach: reach)
        }
        let seed = lines.compactMap { UInt64(String(decoding: $0, as: UTF8.self)) }.last ?? seeds.lowerBound
        let traps = process.terminationReason == .uncaughtSignal
        return Part(
            failure: Failure(
                seed: seed, how: traps ? "ended by signal \(process.terminationStatus)" : "a violation"))
    }
}

extension Reach {
    fileprivate var text: String {
        var table = TextTable("fault", "seeds", "percent")
        for (name, count) in withFault.sorted(by: { $0.key < $1.key }) {
            table.add(name, "\(count)", "\(count * 100 / max(1, seeds))")
        }
        return """
            \(seeds) seeds, \(epochs) epochs (at least \(epochsMin ?? 0) a seed), \(events) events, \
            \(deliveries) datagrams: no violation
            a view of 3 or more in \(laterViews) seeds, a certificate split in \(splits), another committee in \(handovers)
            audit of all \(String(audit, radix: 16))
            \(table.text)
            """
    }
}
