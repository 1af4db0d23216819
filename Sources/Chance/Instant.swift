/// A point on one node's monotonic time line.
///
/// Only a driver reads a clock; everything below it is told the time. Nanoseconds in one word, so that heaps
/// and timers of a simulation stay small.
public struct Instant: Hashable, Comparable, Sendable {
    public static let origin = Instant(nanoseconds: 0)
    /// Later than anything that will ever be scheduled: "no deadline".
    public static let never = Instant(nanoseconds: .max)

    public let nanoseconds: Int64

    @inlinable
    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    @inlinable
    public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Saturates at both ends: beyond the end of time lies `never`.
    @inlinable
    public static func + (instant: Instant, duration: Duration) -> Instant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(duration.nanoseconds)
        if overflow { return duration < .zero ? Instant(nanoseconds: .min) : .never }
        return Instant(nanoseconds: sum)
    }

    @inlinable
    public static func - (left: Instant, right: Instant) -> Duration {
        .nanoseconds(left.nanoseconds) - .nanoseconds(right.nanoseconds)
    }
}
