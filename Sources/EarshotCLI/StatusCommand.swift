import ArgumentParser
import Foundation
import Identity
import Records
import Runtime
import Store
import UnixSignals
import Wire

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Say how a node is, and what it waits for.",
        discussion: """
            NODE is the node's configuration file, its data directory, the folder that holds it, the name of a node of \
            the testnet in `.testnet` (`node1`), or its admin port (127.0.0.1:9101). The answer comes from the snapshot \
            that the node makes each second, so it comes even when the node, its network or its disk stands still; \
            and it says how old the snapshot is.

            The exit status is 0 if the node is healthy, 3 if it is not running, 4 if it runs and is not healthy, \
            and 1 if nothing can be said. With --watch it is 0, after Ctrl-C.
            """)

    @Argument(help: "A configuration file, a data directory, a node's name in .testnet, or an admin port.")
    var node: String

    @Flag(help: "Show it anew each second until Ctrl-C.")
    var watch = false

    @OptionGroup var output: OutputOptions

    func run() async throws {
        let source = StatusSource(place: try NodePlace(node))
        if watch {
            return try await StatusScreen(isJSON: output.json).run {
                let snapshot = try await source.snapshot()
                return output.json ? try snapshot.jsonLine() : snapshot.text
            }
        }
        let snapshot = try await source.snapshot()
        if output.json { try printJSON(snapshot.document) } else { print(snapshot.text) }
        switch snapshot.presence {
        case .stopped, .gone: throw ExitCode(3)
        case .running, .hanging: if !snapshot.report.isHealthy { throw ExitCode(4) }
        }
    }
}

/// Where snapshots of one node come from.
struct StatusSource: Sendable {
    let place: NodePlace

    func snapshot() async throws -> StatusSnapshot {
        switch place {
        case .admin(let endpoint):
            let (code, body) = try await AdminClient.get("/status", from: endpoint)
            guard code == 200, let report = try? JSONDecoder().decode(StatusReport.self, from: Data(body))
            else {
                let said = String(decoding: body.prefix(200), as: UTF8.self)
                throw RuntimeError("\(endpoint) answered \(code): \(said)")
            }
            return StatusSnapshot(report: report, at: wallTime(), hasAnswered: true)
        case .store(let store):
            guard let live = try store.status() else {
                throw RuntimeError(
                    "no node of this version has said anything here: start it with `earshot node`")
            }
            let network = try store.genesis()?.name ?? "unknown"
            let now = wallTime()
            let hasWriter = store.hasWriter
            let isGone = Presence(of: live, hasWriter: hasWriter, at: now).isGone
            var report = StatusReport(live, network: network, at: now, isGone: isGone)
            // Since its start the node may have heard no verdict; the store knows of those before.
            if report.judgement == nil { report.judgement = try lastJudgement(of: live.node, in: store) }
            return StatusSnapshot(report: report, hasWriter: hasWriter, at: now)
        }
    }

    /// In the last epochs: the whole history may be long.
    private func lastJudgement(of node: NodeID, in store: NodeStore) throws -> StatusReport.Judgement? {
        let last = try store.lastEpoch()
        let first = last > Self.epochsMax ? last - Self.epochsMax : 0
        let found = try store.verdicts(from: first, where: { $0.verdict.beaconer == node }).last
        return found.map { StatusReport.Judgement(LiveStatus.Judgement($0.verdict, block: $0.block)) }
    }

    private static let epochsMax: Epoch = 50
}

/// What a node said, and when it was looked at.
struct StatusSnapshot: Sendable {
    /// As `/status` says it, and what only the onlooker can know.
    struct Document: Encodable {
        let presence: String
        let ageMilliseconds: UInt64
        let status: StatusReport
    }

    let report: StatusReport
    let presence: Presence
    private let wallTime: UInt64

    /// - Parameters:
    ///   - hasWriter: whether a process has its store open; nil where that cannot be told.
    ///   - hasAnswered: its process said this just now, so it is there, on whatever machine.
    init(report: StatusReport, hasWriter: Bool? = nil, at wallTime: UInt64, hasAnswered: Bool = false) {
        self.report = report
        self.wallTime = wallTime
        let presence = Presence(
            hasStopped: report.hasStopped, updatedAt: report.updatedAt, processID: report.processID,
            hasWriter: hasWriter, at: wallTime)
        if case .gone(let silence) = presence, hasAnswered {
            self.presence = .hanging(milliseconds: silence)
        } else {
            self.presence = presence
        }
    }

    private func age(of time: UInt64) -> UInt64 { wallTime > time ? wallTime - time : 0 }

    var document: Document {
        Document(presence: presence.name, ageMilliseconds: age(of: report.updatedAt), status: report)
    }

    func jsonLine() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }

    var text: String {
        var lines: [String] = []
        func line(_ head: String, _ text: String) {
            lines.append(head.padding(toLength: 14, withPad: " ", startingAt: 0) + text)
        }
        line("node", report.node)
        line(
            "network",
            "\(report.network), \(report.roles.joined(separator: " and ")) at \(report.address), "
                + "version \(report.version)")
        line("state", state)
        line(
            "health",
            report.isHealthy ? "good" : report.faults.map(\.text).joined(separator: "\n              "))
        line("epoch", epoch)
        line("waits for", report.waitsFor.isEmpty ? "nothing" : report.waitsFor)
        line("votes", report.mayVote ? "yes" : "no, it observes only")
        line("peers", peers)
        line("seen", seen)
        line("list", list)
        line("beacon", beacon)
        line("verdict", verdict)
        line("own reports", witnessing)
        line("traffic", traffic)
        if let admin = report.admin { line("admin", "http://\(admin)") }
        return lines.joined(separator: "\n")
    }

    private var state: String {
        switch presence {
        case .running:
            "running as process \(report.processID), up \(spoken(age(of: report.startedAt)))"
        case .hanging(let silence):
            "process \(report.processID) is there but has said nothing for \(spoken(silence)): it or its disk hangs"
        case .stopped(let silence): "NOT RUNNING: it was stopped \(spoken(silence)) ago"
        case .gone(let silence):
            "NOT RUNNING: its last words are \(spoken(silence)) old, and process \(report.processID) is gone"
        }
    }

    private var epoch: String {
        let open = "\(report.openEpoch) is open, in view \(report.view)"
        let since = spoken(report.millisecondsSinceFinal + age(of: report.updatedAt))
        // Two clocks, and a start that takes a moment.
        let upTime = report.updatedAt - min(report.startedAt, report.updatedAt)
        return report.lastFinalEpoch == 0 || report.millisecondsSinceFinal + 200 >= upTime
            ? "\(open); none became final since the start"
            : "\(report.lastFinalEpoch) became final \(since) ago; \(open)"
    }

    private var peers: String {
        let links = report.peers.compactMap(\.link)
        let chosen = links.count { $0.direction == "outbound" }
        let suspected = links.count { $0.liveness == "suspected" }
        let more = Int(report.contactCount) - links.count
        return
            "\(links.count), \(chosen) of them chosen, \(suspected) suspected; \(max(0, more)) others known"
    }

    private var seen: String {
        guard let place = report.seenAt else { return "nobody has told it where" }
        let relayed = report.peers.count { $0.link?.relay != nil }
        let over = relayed > 0 ? "; \(relayed) of its peers over relays" : ""
        return switch report.translation {
        case "none": "at \(place), as its operator says\(over)"
        case "endpointIndependent": "at \(place) by all: translated, or not told of\(over)"
        case "symmetric": "everywhere at another place, last at \(place): a symmetric translator\(over)"
        default: "at \(place); too few have said so\(over)"
        }
    }

    /// What became of the bootstrap list, and who is known to lie.
    private var list: String {
        let listed = report.peers.filter(\.isListed)
        let silent = listed.count { $0.link == nil && $0.attempts > 0 }
        var text =
            "\(listed.count) entries, \(listed.count { $0.link != nil }) of them connected, \(silent) silent"
        let forgers = report.peers.filter { ($0.forgeries ?? 0) > 0 }
        for forger in forgers.prefix(Self.forgersShown) {
            text +=
                "\n              \(forger.node) at \(forger.address ?? "?"): FORGED CARDS, "
                + "\(forger.forgeries ?? 0) times" + (forger.isListed ? "; is it on the list by right?" : "")
        }
        if forgers.count > Self.forgersShown {
            text +=
                "\n              and \(forgers.count - Self.forgersShown) others; see `earshot inspect peers`"
        }
        return text
    }

    private static let forgersShown = 4

    private var beacon: String {
        guard let beacon = report.beacon else { return "none since the start" }
        return "\(beacon.tag) of epoch \(beacon.epoch), sent \(spoken(age(of: beacon.sentAt))) ago"
    }

    private var verdict: String {
        guard let judged = report.judgement else { return "none yet on a beacon of this node" }
        return
            "\(judged.verdict) on beacon \(judged.tag) of epoch \(judged.epoch), with \(judged.validReports) valid of "
            + "\(judged.reports) reports (block \(judged.block))"
    }

    private var witnessing: String {
        guard let witnessing = report.witnessing else { return "none judged since the start" }
        return witnessing.reports.map { "\($0.verdict) \($0.count)" }.joined(separator: ", ")
            + " (block \(witnessing.block))"
    }

    private var traffic: String {
        func flow(_ direction: String) -> String {
            let count = report.counters["traffic.\(direction)Datagrams"] ?? 0
            return "\(octets(report.counters["traffic.\(direction)Bytes"] ?? 0)) in \(count) datagrams"
        }
        return "received \(flow("received")), sent \(flow("sent"))"
    }
}
