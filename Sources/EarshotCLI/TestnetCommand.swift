import ArgumentParser
import Foundation
import Geo
import Identity
import Records
import Runtime
import Synchronization
import UnixSignals
import Wire

struct TestnetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "testnet",
        abstract: "Launch a local network: one real process a node, and the radio between them.",
        discussion: """
            Keys, places, ports and genesis follow from --seed. Each line of the table is a finalised epoch. Ctrl-C \
            stops everything. With --epochs the testnet ends by itself, checks that all nodes hold the same state and \
            that the books balance, and exits with 1 if not.
            """)

    @Option(help: "Hotspots; the first half of them, at least four, are validators too.")
    var nodes = 8

    @Option(help: "How many of the hotspots are validators, if not half.")
    var validators: Int?

    @Option(help: "Sensors, which only listen.")
    var sensors = 2

    @Option(help: "Hotspots besides that are edge nodes: light clients of the validators.")
    var edges = 0

    @Option(help: "Sites with a radio and no node, for nodes that you start by hand.")
    var spares = 1

    @Option(help: "Accounts in genesis besides, to see how a large state behaves.")
    var accounts = 0

    @Option(help: "End after so many finalised epochs.")
    var epochs: UInt64?

    @Option(
        help: ArgumentHelp(
            "With --epochs, give up after so long and exit with 1; if not said, five minutes and ten times "
                + "the epochs' length.", valueName: "duration"))
    var deadline: String?

    @Option(help: ArgumentHelp("Length of an epoch, for instance 2s or 1500ms.", valueName: "duration"))
    var epoch = "2s"

    @Option(
        help: ArgumentHelp(
            "How long a message among validators may take, for instance 100ms.", valueName: "duration"))
    var delta = "300ms"

    @Option(help: "The number from which everything follows.")
    var seed: UInt64 = 42

    @Option(help: ArgumentHelp("Where keys, stores and logs go.", valueName: "directory"))
    var dir = ".testnet"

    @Option(help: ArgumentHelp("Oddities of some nodes, from a TOML file.", valueName: "file"))
    var scenario: String?

    @Option(help: ArgumentHelp("Stand at the points of a GeoJSON file.", valueName: "file"))
    var sites: String?

    @Option(help: "First UDP port; each node takes two.")
    var portBase: UInt16 = 21_000

    @Flag(help: "Remove an earlier testnet in the directory first.")
    var fresh = false

    @Flag(help: "Go on with the testnet in the directory.")
    var resume = false

    @Option(
        help: ArgumentHelp(
            "Leave these nodes switched off, for instance node1; 'leader' is epoch 1's first leader.",
            valueName: "name"))
    var without: [String] = []

    @OptionGroup var output: OutputOptions

    func validate() throws {
        if deadline != nil, epochs == nil { throw ValidationError("--deadline goes with --epochs") }
        if let epochs, epochs == 0 { throw ValidationError("--epochs takes 1 or more") }
        if portBase < 1_024 { throw ValidationError("--port-base takes 1024 or more") }
        if fresh, resume { throw ValidationError("--fresh removes what --resume would go on with") }
        // Before anything is made, started or removed.
        _ = try deadline.map(milliseconds)
        if let fault = try options().fault { throw ValidationError(fault) }
    }

    /// All but what is in files.
    private func options() throws -> TestnetPlan.Options {
        var options = TestnetPlan.Options()
        options.nodes = nodes
        options.sensors = sensors
        options.accounts = accounts
        options.edges = edges
        options.spares = spares
        options.epochMilliseconds = try milliseconds(epoch)
        options.validators = validators
        options.deltaMilliseconds = Int(try milliseconds(delta))
        options.seed = seed
        options.portBase = portBase
        return options
    }

    func run() async throws {
        let (testnet, absent) = try prepare()
        let isStopped = StopFlag()
        await isStopped.listen()
        say("starting \(testnet.plan.members.count - absent.count) nodes and the ether in \(dir)")
        do {
            try testnet.start(except: absent)
            try await watch(testnet, absent: absent, isStopped)
        } catch {
            testnet.stop()
            throw error
        }
    }

    /// The testnet, made or found, and the nodes that stay switched off.
    private func prepare() throws -> (Testnet, absent: Set<String>) {
        var options = try options()
        if let scenario {
            options.scenario = try TestnetScenario.read(scenario, memberCount: options.memberCount)
        }
        if let sites { options.sites = try GeoJSON.points(in: sites) }
        let plan = try TestnetPlan(options)
        var absent = Set(without)
        if absent.remove("leader") != nil { absent.insert(plan.firstLeader) }
        for name in absent where !plan.members.contains(where: { $0.name == name }) {
            throw ValidationError("--without \(name): there is no such node; there are node1 … and sensor1 …")
        }
        guard absent.count < plan.members.count else {
            throw ValidationError("--without leaves no node to start")
        }
        let directory = TestnetDirectory(URL(fileURLWithPath: dir).resolvingSymlinksInPath().path)
        let lock: TestnetLock
        if resume {
            guard FileManager.default.fileExists(atPath: directory.genesisFile) else {
                throw RuntimeError("\(dir) holds no testnet to go on with; start one without --resume")
            }
            try directory.check(plan)
            lock = try directory.lock()
        } else {
            // Air time is shortened with the epoch, as if a ten-minute epoch ran fast: SF12 takes seconds.
            let airtime = max(1, min(1000, Int(options.epochMilliseconds) / 600))
            try plan.checkPorts()
            lock = try directory.create(plan, replacing: fresh, airtimePermille: airtime)
        }
        return (Testnet(plan: plan, directory: directory, lock: lock), absent)
    }

    // MARK: Watching

    private func watch(_ testnet: Testnet, absent: Set<String>, _ isStopped: StopFlag) async throws {
        let names = testnet.plan.members.map(\.name).filter { !absent.contains($0) }
        var shown: Epoch = resume ? testnet.commonEpoch(of: names) : 0
        let goal = epochs.map { shown + $0 }
        var patience = TestnetPatience(
            epochMilliseconds: testnet.plan.options.epochMilliseconds, epochs: epochs,
            deadline: try deadline.map { .milliseconds(Int64(try milliseconds($0))) })
        let start = ContinuousClock.now
        var isReady = false
        var rounds = 0
        while !isStopped.isSet {
            let dead = testnet.deadChildren()
            // Ctrl-C reaches a whole foreground group: children that stop for it are no failure.
            if !dead.isEmpty, !isStopped.isSet {
                let tails = dead.map {
                    "\($0.name) \($0.ending ?? "ended"); its last words:\n\($0.logTail())"
                }
                throw RuntimeError(tails.joined(separator: "\n"))
            }
            while let summary = testnet.summary(shown + 1), goal.map({ shown < $0 }) ?? true {
                shown += 1
                if !isReady {
                    isReady = true
                    say(
                        "ready: epoch \(shown) is final; look inside with: earshot inspect \(dir)/node1 status"
                    )
                    if !output.json { print(Self.head) }
                }
                try show(summary)
                // Into a pipe or a file, too, each epoch appears when it is final.
                fflush(nil)
            }
            // The end is when every node has got there, not the first.
            if let goal, shown >= goal, testnet.commonEpoch(of: names) >= goal { break }
            rounds += 1
            if rounds.isMultiple(of: 10) {
                testnet.lookAtSpread()
                try look(at: testnet, names, &patience, after: ContinuousClock.now - start)
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        say("stopping")
        testnet.stop()
        testnet.lookAtSpread()
        let spread = testnet.spread.summary
        if !output.json, let spread { print(Self.words(for: spread)) }
        guard let goal else { return }
        guard !isStopped.isSet else {
            throw RuntimeError("stopped at epoch \(shown) of \(goal): what the nodes hold was not compared")
        }
        try conclude(testnet, names, goal, spread)
    }

    /// Says what the nodes wait for when nothing becomes final, and throws when that has lasted too long.
    private func look(
        at testnet: Testnet, _ names: [String], _ patience: inout TestnetPatience, after elapsed: Duration
    ) throws {
        let progress = names.reduce(0) { $0 + testnet.lastEpoch(of: $1) }
        switch patience.look(after: elapsed, progress: progress) {
        case .wait: break
        case .sayWhy:
            say(
                "no epoch became final in the last \(patience.pause.components.seconds) s; \(testnet.waits(of: names))"
            )
        case .giveUp:
            throw RuntimeError(
                "after \(elapsed.components.seconds) s the epochs that were asked for are not final at every node; "
                    + "\(testnet.waits(of: names)). Give it longer with --deadline, or look into the nodes' logs"
            )
        }
    }

    private static func words(for spread: TestnetSpread.Summary) -> String {
        func milliseconds(_ microseconds: UInt64) -> String {
            String(format: "%.1f ms", Double(microseconds) / 1_000)
        }
        return "from a bundle's first node to another: median \(milliseconds(spread.medianMicroseconds)), "
            + "p99 \(milliseconds(spread.lateMicroseconds)), last \(milliseconds(spread.lastMicroseconds)), "
            + "of \(spread.arrivals) arrivals"
    }

    private func conclude(
        _ testnet: Testnet, _ names: [String], _ goal: Epoch, _ spread: TestnetSpread.Summary?
    ) throws {
        let full = Set(testnet.plan.members.filter { !$0.isEdge }.map(\.name))
        let faults = testnet.faults(through: goal, of: names.filter { full.contains($0) })
        let reasons = testnet.reasons(at: names[0])
        if output.json {
            try printJSONLine(
                Conclusion(
                    epochs: goal, nodes: names.count, faults: faults,
                    reports: Dictionary(uniqueKeysWithValues: reasons.map { ("\($0.reason)", $0.count) }),
                    spread: spread))
        } else {
            print("reports by verdict: " + reasons.map { "\($0.reason) \($0.count)" }.joined(separator: ", "))
        }
        guard faults.isEmpty else { throw RuntimeError(faults.joined(separator: "\n")) }
        if edges > 0 {
            let bundles = testnet.edgeBundles(through: goal, at: names[0])
            say("of \(edges) edge nodes, \(bundles.included) of \(bundles.possible) bundles are in blocks")
        }
        let count = full.intersection(names).count
        say("\(count) nodes hold the same state after each of \(goal) epochs, and the books balance")
    }

    private struct Conclusion: Encodable {
        let epochs: UInt64
        let nodes: Int
        let faults: [String]
        let reports: [String: Int]
        let spread: TestnetSpread.Summary?
    }

    private static let head =
        "epoch  time to final  view  bundles  beacons  valid  rejected        minted  state root"

    private func show(_ summary: EpochSummary) throws {
        if output.json { return try printJSONLine(EpochDocument(summary)) }
        func right(_ text: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - text.count)) + text
        }
        print(
            right("\(summary.epoch)", 5) + right("\(summary.millisecondsToFinal) ms", 15)
                + right("\(summary.view)", 6) + right("\(summary.bundles)", 9)
                + right("\(summary.beacons)", 9)
                + right("\(summary.validReports)", 7) + right("\(summary.rejectedReports)", 10)
                + right(tokens(summary.minted), 14) + "  " + summary.stateRoot.short)
    }

    private func say(_ text: String) { complain(text) }

    private func milliseconds(_ text: String) throws -> UInt32 {
        if text.hasSuffix("ms"), let value = UInt32(text.dropLast(2)) { return value }
        if text.hasSuffix("s"), let value = Double(text.dropLast()), value > 0, value < 86_400 {
            return UInt32(value * 1000)
        }
        throw ValidationError("\(text) is no duration: write 2s or 1500ms")
    }
}

/// Set by SIGINT, SIGTERM or SIGQUIT.
final class StopFlag: Sendable {
    private let flag = Atomic(false)

    var isSet: Bool { flag.load(ordering: .acquiring) }

    /// From here on these signals set the flag and nothing else.
    func listen() async {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sigquit)
        Task { [self] in
            for await _ in signals { flag.store(true, ordering: .releasing) }
        }
    }
}

/// Reads the points of a GeoJSON file.
enum GeoJSON {
    private struct Collection: Decodable {
        struct Feature: Decodable {
            struct Geometry: Decodable {
                let type: String
                let coordinates: [Double]?

                private enum Key: String, CodingKey { case type, coordinates }

                init(from decoder: any Decoder) throws {
                    let container = try decoder.container(keyedBy: Key.self)
                    type = try container.decode(String.self, forKey: .type)
                    // Lines and areas nest deeper; they are passed over.
                    coordinates = try? container.decode([Double].self, forKey: .coordinates)
                }
            }
            let geometry: Geometry?
        }
        let features: [Feature]
    }

    static func points(in file: String) throws -> [Position] {
        guard let data = FileManager.default.contents(atPath: file) else {
            throw RuntimeError("cannot read \(file): is it there, is it a file, and may this user read it?")
        }
        guard let collection = try? JSONDecoder().decode(Collection.self, from: data) else {
            throw RuntimeError("\(file) is no GeoJSON FeatureCollection")
        }
        return try collection.features.compactMap { feature in
            guard feature.geometry?.type == "Point", let pair = feature.geometry?.coordinates, pair.count >= 2
            else {
                return nil
            }
            guard let position = Position(degreesNorth: pair[1], degreesEast: pair[0]) else {
                throw RuntimeError("\(file): \(pair[1]), \(pair[0]) is no place on Earth")
            }
            return position
        }
    }
}
