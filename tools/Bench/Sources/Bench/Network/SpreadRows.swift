internal import Baseline
internal import Bytes
internal import Chance
internal import Identity
internal import Node
internal import Wire

/// What 50 nodes that have settled cost when nothing happens, and how soon and at what cost all have what one has.
///
/// What spreads is the signed bundle of an author that hands it in at one node: each node verifies it, keeps it, and
/// only then forwards it. Copies and octets are counted until three seconds later, announcements, reconciliation and
/// all; octets less what the same network sends when idle, and without handshakes, which sessions renew by time alone.
/// What is idle is watched for two minutes or more, so that every session is renewed meanwhile.
enum SpreadRows {
    private static let nodes = 50
    private static let after = Duration.seconds(3)

    static func measure(isFull: Bool, _ add: ([Row]) -> Void) throws {
        let single = isFull ? 50 : 10
        let world = FleetWorld(nodes: nodes, validators: 4, authors: 2 * single + 400, seed: 51)
        let fleet = try Fleet(world, seed: 2)
        fleet.run(for: .seconds(isFull ? 300 : 60))
        var rows: [Row] = []
        let idle = idle(fleet, for: .seconds(isFull ? 250 : 125), settled: isFull ? 300 : 60, &rows)
        add(rows)
        var author = 0
        for loss in [0, 20] {
            fleet.lossPercent = loss
            fleet.run(for: .seconds(5))
            add(one(fleet, authors: author..<(author + single), idle: idle))
            author += single
            add(burst(fleet, authors: author..<(author + 200)))
            author += 200
            fleet.run(for: .seconds(5))
        }
    }

    /// Octets of data a second of all nodes.
    private static func idle(
        _ fleet: Fleet, for length: Duration, settled: Int, _ rows: inout [Row]
    ) -> Double {
        let start = (at: Clock.now, traffic: fleet.traffic, cpu: baseline_thread_cpu())
        fleet.run(for: length)
        let seconds = Double((Clock.now - start.at).nanoseconds) / 1e9
        let sent = fleet.traffic - start.traffic
        let name = "\(nodes) nodes, idle for \(settled) s: sent by each"
        let each = seconds * Double(nodes)
        rows.append(.number(name, Double(sent.octets) / each, unit: "B/s", most: 250))
        rows.append(.number("– with IP and UDP headers", Double(sent.withHeaders) / each, unit: "B/s"))
        rows.append(
            .number("– of it to renew sessions", Double(sent.handshakeOctets) / each, unit: "B/s"))
        rows.append(
            .number(
                "– processor of each", Double(baseline_thread_cpu() - start.cpu) / 1e7 / each,
                unit: "% of a core", most: 1))
        return Double(sent.dataOctets) / seconds
    }

    /// One bundle at a time.
    private static func one(_ fleet: Fleet, authors: Range<Int>, idle: Double) -> [Row] {
        var delays: [Double] = []
        var lasts: [Double] = []
        var missed = 0
        var (octets, datagrams) = (0.0, 0)
        let copies = Copies(fleet)
        let wanted = copies.count
        var octetCount = 0
        for host in fleet.living { host.purposes = [:] }
        for author in authors {
            let bundle = fleet.world.bundle(of: author, octets: 512)
            octetCount = Message.bundle(bundle).encoded().count
            let origin = author % nodes
            let (start, traffic) = (Clock.now, fleet.traffic)
            let spread = Spread(of: [bundle], in: fleet, at: origin)
            fleet.run(for: after)
            let seconds = Double((Clock.now - start).nanoseconds) / 1e9
            let sent = fleet.traffic - traffic
            octets += Double(sent.dataOctets) - idle * seconds
            datagrams += sent.datagrams
            delays += spread.delays
            lasts.append(spread.delays.max() ?? 0)
            missed += nodes - 1 - spread.delays.count
        }
        let deliveries = authors.count * (nodes - 1)
        precondition(!delays.isEmpty, "nothing spread at all")
        var purposes: [Purpose: Int] = [:]
        for host in fleet.living {
            purposes.merge(host.purposes ?? [:], uniquingKeysWith: +)
            host.purposes = nil
        }
        delays.sort()
        let name = "\(octetCount) octets to \(nodes) nodes" + lost(fleet)
        let isLossy = fleet.lossPercent > 0
        return [
            .number("\(name): median", delays[delays.count / 2], unit: "ms", most: isLossy ? nil : 60),
            .number("– median of the last", lasts.sorted()[lasts.count / 2], unit: "ms"),
            .number(
                "– last of \(authors.count) messages", lasts.max()!, unit: "ms", most: isLossy ? 1_000 : 250),
            .number("– missed", Double(missed), unit: "deliveries", most: 0),
            .number(
                "– copies a node", Double(copies.count - wanted) / Double(deliveries), unit: "",
                most: isLossy ? nil : 3.3),
            .number(
                "– octets a delivery", octets / Double(deliveries), unit: "B", most: isLossy ? nil : 1_300),
            .number("– – datagrams, idle ones too", Double(datagrams) / Double(deliveries), unit: ""),
        ]
            + Purpose.allCases.map { purpose in
                let sent = Double(purposes[purpose] ?? 0) / Double(deliveries)
                return .number("– – frames: \(purpose.rawValue), idle ones too", sent, unit: "B")
            }
    }

    /// All at once, at one node.
    private static func burst(_ fleet: Fleet, authors: Range<Int>) -> [Row] {
        let bundles = authors.map { fleet.world.bundle(of: $0, octets: 256) }
        let octets = bundles.map { Message.bundle($0).encoded().count }.max()!
        let cpu = baseline_thread_cpu()
        let spread = Spread(of: bundles, in: fleet, at: authors.lowerBound % nodes)
        let deliveries = bundles.count * (nodes - 1)
        fleet.run(for: .seconds(30)) { spread.delays.count == deliveries }
        let delays = spread.delays.sorted()
        precondition(!delays.isEmpty, "nothing spread at all")
        let name = "\(bundles.count) × \(octets) octets at once to \(nodes) nodes" + lost(fleet)
        return [
            .number("\(name): all have all", delays.last! / 1e3, unit: "s", most: 2),
            .number("– median", delays[delays.count / 2] / 1e3, unit: "s"),
            .number("– 99 of 100", delays[delays.count * 99 / 100] / 1e3, unit: "s"),
            .number(
                "– processor of all nodes together", Double(baseline_thread_cpu() - cpu) / 1e9, unit: "s"),
            Row(
                name: "– delivered within 30 s",
                measured: "\(delays.count) of \(deliveries)", reach: "all",
                isReached: delays.count == deliveries),
        ]
    }

    private static func lost(_ fleet: Fleet) -> String {
        fleet.lossPercent > 0 ? ", \(fleet.lossPercent) % lost" : ""
    }
}

/// Gossip messages that came, first ones and duplicates.
private struct Copies {
    let fleet: Fleet

    init(_ fleet: Fleet) { self.fleet = fleet }

    var count: Int {
        fleet.count("dissemination.delivered") + fleet.count("dissemination.dropped.duplicate")
    }
}

/// Bundles that their authors hand in at one node, and when each other node has verified each.
private final class Spread {
    /// In milliseconds.
    private(set) var delays: [Double] = []

    init(of bundles: [Bundle], in fleet: Fleet, at origin: Int) {
        let start = Clock.now
        let origin = fleet[origin]!
        for host in fleet.living where host !== origin {
            host.awaited = Dictionary(uniqueKeysWithValues: bundles.enumerated().map { ($1.signature, $0) })
            host.onVerified = { [unowned self] _ in
                delays.append(Double((Clock.now - start).nanoseconds) / 1e6)
            }
        }
        // As edge nodes do: each in a datagram of its own, over a session that led from there.
        for bundle in bundles {
            let payload = Payload(frames: [.message(Message.handIn(bundle).encoded())]).encoded()
            origin.handle(.payload(payload, from: bundle.author, .loopback(port: 9)))
        }
    }
}
