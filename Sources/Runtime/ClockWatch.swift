internal import Chance

/// Notices that the system's clock was set: it and the monotonic one no longer go together.
struct ClockWatch {
    /// Less than this is drift, or the time between two looks at clocks.
    static let tolerance: Duration = .milliseconds(500)

    private var wallNanoseconds: UInt64
    private var at: Instant

    init(wallNanoseconds: UInt64, at now: Instant) {
        self.wallNanoseconds = wallNanoseconds
        at = now
    }

    /// Whether the clock shows another time than it would if nobody had touched it since it was found set last.
    mutating func wasSet(to wallNanoseconds: UInt64, at now: Instant) -> Bool {
        let expected = self.wallNanoseconds &+ UInt64(max(0, (now - at).nanoseconds))
        let distance = wallNanoseconds > expected ? wallNanoseconds - expected : expected - wallNanoseconds
        guard distance > UInt64(Self.tolerance.nanoseconds) else { return false }
        self = ClockWatch(wallNanoseconds: wallNanoseconds, at: now)
        return true
    }
}
