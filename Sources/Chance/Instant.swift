/// A point on one node's monotonic time line.
///
/// Only a driver reads a clock; everything below it is told the time. Nanoseconds in one word, so that heaps
/// and timers of a simulation stay small.
public struct Instant: Hashable, Comparable, Sendable {
    public static let origin = Instant(nanoseconds: 0)
    /// Later than anything that will ever be scheduled: "no deadline".
    public static let never = Instant(nanoseconds: .max)

    public let nanoseconds: Int64

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Saturates at both ends: beyond the end of time lies `never`.
    public static func + (instant: Instant, duration: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.nanoseconds)
        if overflow { return duration < .zero ? Instant(nanoseconds: .min) : .never }
        return Instant(nanoseconds: sum)
    }

    public static func - (left: Instant, right: Instant) -> Duration {
        .nanoseconds(left.nanoseconds) - .nanoseconds(right.nanoseconds)
    }
}

extension Duration {
    /// Whole nanoseconds, saturating at ±292 years.
    public var nanoseconds: Int64 {
        // Below nine seconds one word holds it, and a division of words is far cheaper.
        if let word = Int64(exactly: attoseconds) { return word / 1_000_000_000 }
        let (seconds, attoseconds) = components
        let (scaled, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        if overflow { return seconds < 0 ? .min : .max }
        let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflowed ? (seconds < 0 ? .min : .max) : sum
    }

    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
}
