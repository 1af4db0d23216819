import CoreMetrics
import Identity
import Records
import TestKit
import Testing
import Wire

@testable import Runtime

@Suite struct `OpenMetrics text` {
    @Test func `holds what swift-metrics was told, by type`() throws {
        let registry = OpenMetricsRegistry()
        registry.describe("app.requests", "Requests, \"good\" and\nbad\\.")
        let counter = Counter(
            label: "app.requests", dimensions: [("code", "200"), ("a.b", "c")], factory: registry)
        counter.increment(by: 2)
        counter.increment()
        Counter(label: "app.requests", dimensions: [("a.b", "c"), ("code", "200")], factory: registry)
            .increment()
        FloatingPointCounter(label: "cpu_seconds_total", factory: registry).increment(by: 0.25)
        let gauge = Gauge(label: "depth", factory: registry)
        gauge.record(7)
        gauge.record(-1.5)
        Gauge(label: "build_info", dimensions: [("version", "1")], factory: registry).record(1)
        let timer = Timer(label: "took_seconds", factory: registry)
        timer.recordMilliseconds(250)
        timer.recordMilliseconds(500)
        let recorder = Recorder(label: "sizes", factory: registry)
        recorder.record(10)
        recorder.record(20)
        let read = try Exposition(registry.text())
        #expect(
            read.samples == [
                "app_requests_total{a_b=\"c\",code=\"200\"}": 4, "cpu_seconds_total": 0.25, "depth": -1.5,
                "build_info{version=\"1\"}": 1, "took_seconds_count": 2, "took_seconds_sum": 0.75,
                "sizes_count": 2, "sizes_sum": 30,
            ])
        #expect(
            read.types == [
                "app_requests": "counter", "cpu_seconds": "counter", "depth": "gauge", "build": "info",
                "took_seconds": "summary", "sizes": "summary",
            ])
        #expect(read.units == ["cpu_seconds": "seconds", "took_seconds": "seconds"])
        #expect(read.helps == ["app_requests": #"Requests, \"good\" and\nbad\\."#])
    }

    @Test func `without metrics is an end and nothing else`() throws {
        #expect(OpenMetricsRegistry().text() == "# EOF\n")
    }

    @Test func `survives any label, and any value`() throws {
        let registry = OpenMetricsRegistry()
        let odd = ["", "9lives", "with space", "ünïcode", "a{b=\"c\"}", "x\ny", "__", "a:b"]
        for name in odd {
            let gauge = Gauge(label: name, dimensions: [(name, "\"\\\n" + name)], factory: registry)
            gauge.record(Double.infinity)
        }
        let read = try Exposition(registry.text())
        #expect(read.samples.count == Set(odd.map { OpenMetricsRegistry.familyName($0) }).count)
        #expect(read.samples.values.allSatisfy { $0 == .infinity })
    }

    @Test func `a counter never falls`() throws {
        let registry = OpenMetricsRegistry()
        let counter = FloatingPointCounter(label: "c", factory: registry)
        counter.increment(by: 1.5)
        counter.increment(by: -1)
        counter.increment(by: Double.nan)
        #expect(try Exposition(registry.text()).samples == ["c_total": 1.5])
    }

    @Test func `a name has one type, and a label one value`() throws {
        let registry = OpenMetricsRegistry()
        Counter(label: "x", factory: registry).increment()
        Gauge(label: "x", factory: registry).record(5)
        Gauge(label: "y", dimensions: [("a", "1"), ("a", "2")], factory: registry).record(5)
        #expect(try Exposition(registry.text()).samples == ["x_total": 1])
    }

    @Test func `series are bounded, and a destroyed one makes room`() throws {
        let registry = OpenMetricsRegistry()
        let gauges = (0..<OpenMetricsRegistry.seriesMax).map {
            Gauge(label: "g", dimensions: [("n", "\($0)")], factory: registry)
        }
        Gauge(label: "late", factory: registry).record(1)
        #expect(try Exposition(registry.text()).samples.count == OpenMetricsRegistry.seriesMax)
        gauges[7].destroy()
        Gauge(label: "late", factory: registry).record(1)
        let read = try Exposition(registry.text()).samples
        #expect(read["late"] == 1 && read["g{n=\"7\"}"] == nil && read["g{n=\"8\"}"] == 0)
    }
}

@Suite struct `Metrics of a node` {
    private func status() -> LiveStatus {
        var status = LiveStatus(
            node: NodeID(testing: 1), endpoint: .loopback(port: 4), roles: .validator, startedAt: 1_000,
            updatedAt: 50_000)
        status.version = "1.2.3"
        status.epochMilliseconds = 2_000
        status.openEpoch = 8
        status.millisecondsSinceFinal = 1_500
        status.counters = [
            .init(name: "gossip.datagrams", value: 5), .init(name: "gossip.dropped.badSignature", value: 2),
            .init(name: "dissemination.chunksSent", value: 3),
        ]
        status.gauges = [.init(name: "membership.passive", value: 3, limit: 64)]
        return status
    }

    @Test func `come from its snapshot under stable names`() throws {
        let registry = OpenMetricsRegistry()
        let metrics = NodeMetrics(registry: registry)
        metrics.update(status(), network: "here", at: 50_500)
        let read = try Exposition(registry.text())
        let node = NodeID(testing: 1).text
        #expect(read.samples["earshot_build_info{network=\"here\",node=\"\(node)\",version=\"1.2.3\"}"] == 1)
        #expect(read.samples["earshot_gossip_datagrams_total"] == 5)
        #expect(read.samples["earshot_gossip_dropped_total{reason=\"badSignature\"}"] == 2)
        #expect(read.samples["earshot_dissemination_chunks_sent_total"] == 3)
        #expect(read.samples["earshot_table_entries{table=\"membership.passive\"}"] == 3)
        #expect(read.samples["earshot_table_entries_max{table=\"membership.passive\"}"] == 64)
        #expect(read.samples["earshot_last_final_epoch"] == 7)
        #expect(read.samples["earshot_last_final_age_seconds"] == 2)
        #expect(read.samples["earshot_snapshot_age_seconds"] == 0.5)
        #expect(read.samples["earshot_healthy"] == 1)
        let resident = try #require(read.samples["process_resident_memory_bytes"])
        #expect(resident > 1_048_576)
        #expect(try #require(read.samples["process_cpu_seconds_total"]) > 0)
        #expect(try #require(read.samples["process_open_fds"]) > 2)
        for family in read.types.keys {
            #expect(read.helps[family] != nil || family == "earshot_build", "\(family)")
        }
    }

    @Test func `grow with it and never fall`() throws {
        let registry = OpenMetricsRegistry()
        let metrics = NodeMetrics(registry: registry)
        var status = status()
        for value: UInt64 in [5, 9, 9, 4, 12] {
            status.counters[0] = .init(name: "gossip.datagrams", value: value)
            metrics.update(status, network: "here", at: 50_500)
        }
        #expect(try Exposition(registry.text()).samples["earshot_gossip_datagrams_total"] == 12)
    }

    @Test func `say zero of a verdict that the last block does not hold`() throws {
        let registry = OpenMetricsRegistry()
        let metrics = NodeMetrics(registry: registry)
        var status = status()
        let report = ReportVerdict(
            reporter: status.node, reason: .tooFar, side: .reporter,
            measurement: Measurement(
                rssi: 0, snr: 0, frequency: 868_100_000,
                dataRate: Wire.DataRate(spreadingFactor: 7, bandwidthKilohertz: 125)!), distance: nil,
            rssiMax: nil, units: 0)
        func told(_ reasons: [Reason], block: Epoch) throws -> [String: Double] {
            let reports = reasons.map { reason in
                var report = report
                report.reason = reason
                return report
            }
            let verdict = BeaconVerdict(
                epoch: 1, tag: Tag(1), beaconer: nil, reason: .valid, reveal: nil, scale: 0, units: 0,
                reports: reports)
            status.witnessing = LiveStatus.Witnessing(of: status.node, in: [verdict], block: block)
            metrics.update(status, network: "here", at: 50_500)
            return try Exposition(registry.text()).samples
        }
        #expect(try told([.tooFar, .tooFar], block: 1)["earshot_witness_reports{verdict=\"tooFar\"}"] == 2)
        let next = try told([.valid], block: 2)
        #expect(next["earshot_witness_reports{verdict=\"tooFar\"}"] == 0)
        #expect(next["earshot_witness_reports{verdict=\"valid\"}"] == 1)
    }
}
