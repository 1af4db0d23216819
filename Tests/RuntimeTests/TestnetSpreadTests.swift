import Records
import Runtime
import Testing

@Suite struct TestnetSpreadTests {
    private typealias Arrival = LiveStatus.Arrival

    @Test func `what nodes say again counts once, and whoever was first is no arrival`() throws {
        var spread = TestnetSpread()
        #expect(spread.summary == nil)
        // The author's word comes after another's, who had the bundle later.
        spread.note([Arrival(bundle: 1, at: 1_500)], of: "node2", isEdge: false)
        #expect(spread.summary == nil)
        for _ in 0..<3 {
            spread.note(
                [Arrival(bundle: 1, at: 1_000), .init(bundle: 2, at: 2_000)], of: "node1", isEdge: false)
            spread.note(
                [Arrival(bundle: 1, at: 1_500), .init(bundle: 2, at: 2_700)], of: "node2", isEdge: false)
        }
        spread.note([Arrival(bundle: 1, at: 1_100)], of: "node3", isEdge: false)
        let summary = try #require(spread.summary)
        #expect(
            summary
                == .init(
                    arrivals: 3, medianMicroseconds: 500, lateMicroseconds: 700, lastMicroseconds: 700))
    }

    @Test func `an edge node is where a bundle begins, and not where it has to come`() throws {
        var spread = TestnetSpread()
        spread.note([Arrival(bundle: 1, at: 1_000)], of: "edge1", isEdge: true)
        spread.note([Arrival(bundle: 1, at: 9_000)], of: "edge2", isEdge: true)
        spread.note([Arrival(bundle: 1, at: 1_300)], of: "node1", isEdge: false)
        let summary = try #require(spread.summary)
        #expect(summary.arrivals == 1 && summary.lastMicroseconds == 300)
    }

    @Test func `what is long over is counted and forgotten`() throws {
        var spread = TestnetSpread()
        for bundle in UInt64(1)...100 {
            let at = bundle * 1_000_000
            spread.note([Arrival(bundle: bundle, at: at)], of: "node1", isEdge: false)
            spread.note([Arrival(bundle: bundle, at: at + bundle)], of: "node2", isEdge: false)
        }
        // Half a minute ago this one came everywhere.
        spread.note([Arrival(bundle: 1, at: 101_000_000)], of: "node3", isEdge: false)
        let summary = try #require(spread.summary)
        #expect(summary.arrivals == 100)
        #expect(summary.medianMicroseconds == 51)
        #expect(summary.lateMicroseconds == 100 && summary.lastMicroseconds == 100)
    }
}
