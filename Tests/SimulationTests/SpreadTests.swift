import Chance
@testable import Simulation
import Testing
import Wire

@Suite struct SpreadTests {
    @Test func `what a bundle's way cost is told in copies, hops and milliseconds`() {
        var spread = Spread()
        let bundle = Frame.message([0, 1, 2, 3])
        func at(_ milliseconds: Int64) -> Instant { .origin + .milliseconds(milliseconds) }
        spread.deliver([bundle], from: 0, to: 1, at: at(1_000))
        spread.deliver([bundle], from: 0, to: 2, at: at(1_010))
        spread.deliver([bundle], from: 1, to: 2, at: at(1_020))
        spread.deliver([bundle, .message([1])], from: 2, to: 3, at: at(1_300))
        let summary = spread.summary
        #expect(summary.copiesPermille == 1_333 && summary.hopsPermille == 1_333 && summary.hopsMax == 2)
        #expect(summary.medianMilliseconds == 300 && summary.lateMilliseconds == 300)
        spread.deliver([bundle], from: 2, to: 4, at: at(1_020))
        #expect(spread.summary.medianMilliseconds == 20)
    }
}
