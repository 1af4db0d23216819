import ArgumentParser
import Foundation
import Identity
import Runtime
import Wire

extension PeersCommand {
    struct PingCommand: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ping",
            abstract: "Greet a node, or all of a list: say what each answers, or which step failed.",
            discussion: """
                Makes a handshake under a name of its own, as any stranger may, and measures round trips in the session. \
                Exits with 0 if all answer, else with 1. Ctrl-C ends it and shows what came so far.
                """)

        @Argument(
            help: ArgumentHelp(
                "earshot://<node id>@host:port, or a bootstrap list, of which the first node is taken.",
                valueName: "node"))
        var target: String

        @Option(help: ArgumentHelp("The genesis file of the network.", valueName: "file"))
        var genesis: String

        @Option(help: "How many pings after the handshake, five a second.")
        var count = 5

        @Flag(help: "Every node of the list, not only its first.")
        var all = false

        @OptionGroup var output: OutputOptions

        func validate() throws {
            guard (1...10_000).contains(count) else { throw ValidationError("--count must be 1 to 10000") }
            try checkNode(target)
            if all, PeersCommand.Find.isLine(target) {
                throw ValidationError("--all goes with a bootstrap list: one node is greeted without it")
            }
        }

        func run() async throws {
            let network = try GenesisFile.read(genesis).network
            let (entries, faults) = all ? try PeersFile.scan(target) : ([try PeersFile.entry(target)], [])
            for fault in faults { complain(fault) }
            guard !entries.isEmpty else {
                throw RuntimeError("\(target) names nobody: add a line earshot://<node id>@host:port")
            }
            let isStopped = StopFlag()
            await isStopped.listen()
            let count = count
            // On a thread of its own: it waits for sockets, and would keep the signals from being heard.
            let reports = await withCheckedContinuation { answer in
                Thread.detachNewThread {
                    answer.resume(
                        returning: Pinging.run(
                            entries, network: network, count: count, isStopped: { isStopped.isSet }))
                }
            }
            let answering = reports.count(where: \.answers)
            if output.json {
                let documents = reports.map(PingDocument.init)
                if all {
                    try printJSON(
                        PingListDocument(answering: answering, badLines: faults.count, nodes: documents))
                } else {
                    try printJSON(documents[0])
                }
            } else if all {
                show(reports, answering: answering, badLines: faults.count)
            } else {
                show(reports[0])
            }
            guard answering == reports.count, faults.isEmpty else { throw ExitCode.failure }
        }

        private func show(_ report: PingReport) {
            print("node        \(report.node.text)")
            print("address     \(report.endpoint?.description ?? report.place)")
            if let record = report.record {
                print("version     \(record.version)")
                print(
                    "roles       \(record.roles.isEmpty ? "none" : record.roles.names.joined(separator: ", "))"
                )
                print("region      \(record.region.map { "\($0)" } ?? "not said")")
                print("sequence    \(record.sequence)")
            }
            if let observed = report.observed { print("sees us at  \(observed)") }
            if let clock = report.clock {
                let side = clock.ahead < .zero ? "behind" : "ahead of"
                print(
                    "clock       \(text(clock.ahead.magnitude)) \(side) ours, give or take \(text(clock.doubt))"
                )
            }
            if let handshake = report.handshake { print("handshake   \(text(handshake))") }
            if report.sent > 0 { print("pings       \(pings(report))") }
            if let fault = report.fault {
                print("failed at   \(fault.step): \(fault.explanation)")
                print("what to do  \(fault.advice)")
            }
        }

        private func pings(_ report: PingReport) -> String {
            let head = "\(report.sent) sent, \(report.roundTrips.count) answered"
            guard let summary = RoundTrips(report.roundTrips) else { return head }
            return head + ", min/avg/max "
                + [summary.least, summary.mean, summary.most].map { text($0) }.joined(separator: " / ")
        }

        private func show(_ reports: [PingReport], answering: Int, badLines: Int) {
            var table = TextTable("NODE", "ADDRESS", "RESULT", "VERSION", "ROLES", "ANSWERED", "AVERAGE")
            for report in reports {
                let roles = report.record.map {
                    $0.roles.isEmpty ? "none" : $0.roles.names.joined(separator: ",")
                }
                table.add(
                    String(report.node.text.prefix(12)), report.place, report.fault?.name ?? "answers",
                    report.record.map { "\($0.version)" } ?? "-", roles ?? "-",
                    report.sent > 0 ? "\(report.roundTrips.count)/\(report.sent)" : "-",
                    RoundTrips(report.roundTrips).map { text($0.mean) } ?? "-")
            }
            print(table.text)
            var told: Set<String> = []
            for fault in reports.compactMap(\.fault) where told.insert("\(fault)").inserted {
                print("\(fault.name): \(fault.step) failed: \(fault.explanation); \(fault.advice)")
            }
            let bad = badLines == 0 ? "" : "; \(badLines) bad lines, told above"
            print("\(answering) of \(reports.count) answer\(bad)")
        }

        private func text(_ duration: Duration) -> String {
            String(format: "%.3f ms", duration.inMilliseconds)
        }
    }
}

/// The three numbers that people look at.
private struct RoundTrips {
    let least: Duration
    let mean: Duration
    let most: Duration

    init?(_ all: [Duration]) {
        guard let least = all.min(), let most = all.max() else { return nil }
        (self.least, self.most) = (least, most)
        mean = all.reduce(.zero, +) / all.count
    }
}

extension Duration {
    fileprivate var inMilliseconds: Double { self / .milliseconds(1) }

    fileprivate var magnitude: Duration { self < .zero ? .zero - self : self }
}

/// Times are milliseconds.
private struct PingDocument: Encodable {
    let node: String
    let place: String
    let answers: Bool
    let address: String?
    let version: UInt16?
    let roles: [String]?
    let region: String?
    let sequence: UInt64?
    let observed: String?
    /// Of the node's clock before ours.
    let clockAhead: Double?
    let clockDoubt: Double?
    let handshake: Double?
    let sent: Int
    let answered: Int
    let roundTripMin: Double?
    let roundTripAverage: Double?
    let roundTripMax: Double?
    let fault: String?
    let failedStep: String?
    let explanation: String?
    let advice: String?

    init(_ report: PingReport) {
        node = report.node.text
        place = report.place
        answers = report.answers
        address = report.endpoint?.description
        version = report.record?.version
        roles = report.record?.roles.names
        region = report.record?.region.map { "\($0)" }
        sequence = report.record?.sequence
        observed = report.observed?.description
        clockAhead = report.clock?.ahead.inMilliseconds
        clockDoubt = report.clock?.doubt.inMilliseconds
        handshake = report.handshake?.inMilliseconds
        sent = report.sent
        answered = report.roundTrips.count
        let summary = RoundTrips(report.roundTrips)
        roundTripMin = summary?.least.inMilliseconds
        roundTripAverage = summary?.mean.inMilliseconds
        roundTripMax = summary?.most.inMilliseconds
        fault = report.fault?.name
        failedStep = report.fault?.step
        explanation = report.fault?.explanation
        advice = report.fault?.advice
    }
}

private struct PingListDocument: Encodable {
    let answering: Int
    let badLines: Int
    let nodes: [PingDocument]
}
