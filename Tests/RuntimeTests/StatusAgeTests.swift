import Identity
import Records
import TestKit
import Testing
import Wire

@testable import Runtime

/// What a node that starts again makes of its last words.
@Suite struct `How long an epoch has been open` {
    private func age(of epoch: Epoch, at wallTime: UInt64, sinceFinal: UInt64 = 20_000) -> Duration {
        var status = LiveStatus(
            node: NodeID(testing: 1), endpoint: .loopback(port: 4), roles: .hotspot, startedAt: 1,
            updatedAt: 1_000_000)
        status.openEpoch = 8
        status.millisecondsSinceFinal = sinceFinal
        return status.age(of: epoch, at: wallTime, epochMilliseconds: 60_000)
    }

    @Test func `is what the node said, and its silence since`() {
        #expect(age(of: 8, at: 1_000_000) == .seconds(20))
        #expect(age(of: 8, at: 1_030_000) == .seconds(50))
    }

    @Test func `counts from the last words where it opened right after them, and rather too late`() {
        #expect(age(of: 9, at: 1_030_000) == .seconds(29))
        #expect(age(of: 9, at: 1_000_300) == .zero)
    }

    @Test func `is not known of another epoch`() {
        for epoch in [Epoch(1), 7, 10, .max] { #expect(age(of: epoch, at: 1_030_000) == .zero) }
    }

    @Test func `is not known when it should be over, be it by a clock that was set`() {
        #expect(age(of: 8, at: 1_039_999) == .milliseconds(59_999))
        for wallTime in [1_040_000, 1_100_000, UInt64.max] {
            #expect(age(of: 8, at: wallTime) == .zero)
        }
        #expect(age(of: 9, at: 1_060_000) == .zero)
        #expect(age(of: 8, at: 1_000_000, sinceFinal: .max) == .zero)
    }

    @Test func `grows by nothing where the clock was set back`() {
        #expect(age(of: 8, at: 0) == .seconds(20))
        #expect(age(of: 9, at: 0) == .zero)
    }
}
