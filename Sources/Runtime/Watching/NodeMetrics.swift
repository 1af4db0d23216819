internal import CoreMetrics
internal import Identity
internal import Records
internal import Wire

/// Tells snapshots of a node to swift-metrics, under stable names.
///
/// The machines count for themselves, without I/O and so without swift-metrics: a counter's growth between two
/// snapshots is added to its metric.
final class NodeMetrics {
    private let registry: OpenMetricsRegistry
    private var counters: [String: (metric: Counter, last: UInt64)] = [:]
    private var gauges: [String: Gauge] = [:]
    private var lastCPUSeconds = 0.0

    init(registry: OpenMetricsRegistry) {
        self.registry = registry
        for (name, help) in Self.help { registry.describe(name, help) }
    }

    private static let help = [
        "earshot_build_info": "The program and the node that runs it.",
        "earshot_healthy": "1 if /health answers 200, else 0.",
        "earshot_halted": "1 if this node's state differs from the network's, so that it votes no more.",
        "earshot_votes": "1 if the node may vote, 0 if it observes only.",
        "earshot_last_final_epoch": "The number of the last final epoch.",
        "earshot_last_final_age_seconds":
            "How long ago an epoch last became final here; since the start, if none did yet.",
        "earshot_epoch_seconds": "How long an epoch lasts by the network's rules.",
        "earshot_view": "The open epoch's view; above 1 a leader was too slow or silent.",
        "earshot_snapshot_age_seconds": "How old the snapshot is from which all this was taken.",
        "earshot_peers": "Connected peers, by who chose the other.",
        "earshot_peers_suspected": "Connected peers that do not answer.",
        "earshot_peers_by_standing": "Connected peers, by what their own faults have left them good for.",
        "earshot_peer_score_least": "The lowest score of a connected peer; 0 if none did anything wrong.",
        "earshot_contacts": "Known nodes, connected or not.",
        "earshot_local_health": "How late this node itself hears, from 1 (best) to 8.",
        "earshot_table_entries": "How full a bounded table or queue is.",
        "earshot_table_entries_max": "The bound of a table or queue.",
        "earshot_beacon_epoch": "The epoch of the last beacon handed to the radio.",
        "earshot_beacon_judged_epoch": "The epoch of the last own beacon on which there is a verdict.",
        "earshot_witness_reports": "Own reports in the last block that judged any, by verdict.",
        "process_cpu_seconds": "Processor time that the process used.",
        "process_resident_memory_bytes": "Memory that the process has resident.",
        "process_virtual_memory_bytes": "Memory that the process has mapped, the store's map included.",
        "process_open_fds": "Files and sockets that the process has open.",
        "process_start_time_seconds": "When the process started, in seconds since 1970.",
    ]

    /// - Parameter wallTime: milliseconds since 1970.
    func update(_ status: LiveStatus, network: String, at wallTime: UInt64) {
        for counter in status.counters { grow(counter) }
        gauge(
            "earshot_build_info", 1,
            [("version", status.version), ("node", status.node.text), ("network", network)])
        let age = wallTime > status.updatedAt ? wallTime - status.updatedAt : 0
        gauge("earshot_snapshot_age_seconds", Double(age) / 1_000)
        gauge("earshot_healthy", NodeHealth(of: status, at: wallTime).isHealthy ? 1 : 0)
        gauge("earshot_halted", status.isHalted ? 1 : 0)
        gauge("earshot_votes", status.mayVote ? 1 : 0)
        gauge("earshot_last_final_epoch", Double(status.openEpoch - min(1, status.openEpoch)))
        gauge("earshot_last_final_age_seconds", Double(status.millisecondsSinceFinal + age) / 1_000)
        gauge("earshot_epoch_seconds", Double(status.epochMilliseconds) / 1_000)
        gauge("earshot_view", Double(status.view))
        let links = status.contacts.compactMap(\.link)
        gauge("earshot_peers", Double(links.count(where: \.isOutbound)), [("direction", "outbound")])
        gauge("earshot_peers", Double(links.count { !$0.isOutbound }), [("direction", "inbound")])
        gauge("earshot_peers_suspected", Double(links.count { $0.liveness == .suspected }))
        for standing in LiveStatus.Standing.allCases {
            let count = status.peers.count { $0.standing == standing }
            gauge("earshot_peers_by_standing", Double(count), [("standing", "\(standing)")])
        }
        gauge("earshot_peer_score_least", Double(status.peers.map(\.score).min() ?? 0))
        gauge("earshot_contacts", Double(status.contactCount))
        gauge("earshot_local_health", Double(status.localHealth))
        for table in status.gauges {
            gauge("earshot_table_entries", Double(table.value), [("table", table.name)])
            gauge("earshot_table_entries_max", Double(table.limit), [("table", table.name)])
        }
        if let beacon = status.beacon { gauge("earshot_beacon_epoch", Double(beacon.epoch)) }
        if let judgement = status.judgement {
            gauge("earshot_beacon_judged_epoch", Double(judgement.epoch))
        }
        if let witnessing = status.witnessing { tell(witnessing) }
        tellProcess()
    }

    /// Verdicts that the last block does not hold are zero, not what they were.
    private func tell(_ witnessing: LiveStatus.Witnessing) {
        for reason in Reason.allCases {
            let count = witnessing.counts.first { $0.reason == reason }?.count
            let isKnown = gauges.keys.contains("earshot_witness_reports verdict=\(reason)")
            guard count != nil || isKnown else { continue }
            gauge("earshot_witness_reports", Double(count ?? 0), [("verdict", "\(reason)")])
        }
    }

    private func tellProcess() {
        guard let process = ProcessFigures() else { return }
        FloatingPointCounter(label: "process_cpu_seconds_total", factory: registry)
            .increment(by: max(0, process.cpuSeconds - lastCPUSeconds))
        lastCPUSeconds = max(lastCPUSeconds, process.cpuSeconds)
        gauge("process_resident_memory_bytes", process.residentBytes)
        gauge("process_virtual_memory_bytes", process.virtualBytes)
        gauge("process_start_time_seconds", process.startedAt)
        if let openFiles = process.openFiles { gauge("process_open_fds", Double(openFiles)) }
    }

    private func gauge(_ label: String, _ value: Double, _ dimensions: [(String, String)] = []) {
        let key = ([label] + dimensions.map { "\($0.0)=\($0.1)" }).joined(separator: " ")
        let gauge =
            gauges[key] ?? Gauge(label: label, dimensions: dimensions, factory: registry)
        gauges[key] = gauge
        gauge.record(value)
    }

    private func grow(_ counter: LiveStatus.Counter) {
        var known =
            counters[counter.name]
            ?? {
                let (label, dimensions) = Self.metric(of: counter.name)
                let what = dimensions.isEmpty ? counter.name : "\(counter.name.prefix { $0 != "." }).dropped"
                registry.describe(label, "What the node counts as \(what).")
                return (Counter(label: label, dimensions: dimensions, factory: registry), 0)
            }()
        known.metric.increment(by: counter.value > known.last ? counter.value - known.last : 0)
        known.last = max(known.last, counter.value)
        counters[counter.name] = known
    }

    /// `gossip.dropped.badSignature` is `earshot_gossip_dropped_total{reason="badSignature"}`: one family for all
    /// reasons, so that they can be added up.
    static func metric(of counter: String) -> (label: String, dimensions: [(String, String)]) {
        var family = counter
        var dimensions: [(String, String)] = []
        if let range = counter.firstRange(of: ".dropped.") {
            dimensions = [("reason", String(counter[range.upperBound...]))]
            family = counter[..<range.lowerBound] + ".dropped"
        }
        var label = "earshot_"
        for character in family {
            if character.isUppercase {
                label += "_" + character.lowercased()
            } else {
                label.append(character)
            }
        }
        return (label.replacing(".", with: "_") + "_total", dimensions)
    }
}
