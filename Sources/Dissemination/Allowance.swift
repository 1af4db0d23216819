internal import Chance

/// How much a peer may say: three virtual clocks (the generic cell rate algorithm), each of which an octet puts forward
/// and which must not be further ahead of the time than a burst. One for each `Lane`, so that whoever floods one is still
/// heard in the others: neither does a validator that floods lose its votes by it.
struct Allowance: Sendable {
    /// So many octets too many are one fault.
    static let excessUnit = 16 << 10

    private var clocks = [Instant](repeating: .origin, count: Dissemination.Lane.allCases.count)
    private var excess = 0

    /// Whether so much more may be said now; takes it then.
    mutating func takes(_ byteCount: Int, _ lane: Dissemination.Lane, at now: Instant) -> Bool {
        let next = max(clocks[lane.rawValue], now) + Self.time(of: byteCount, lane)
        guard next <= now + Self.time(of: lane.burst, lane) else { return false }
        clocks[lane.rawValue] = next
        return true
    }

    /// It was valid and new.
    mutating func giveBack(_ byteCount: Int, _ lane: Dissemination.Lane) {
        let time = Self.time(of: byteCount, lane)
        clocks[lane.rawValue] = clocks[lane.rawValue] + (.zero - time)
    }

    /// Counts what was too much; returns the faults that it makes.
    mutating func exceed(by byteCount: Int) -> Int {
        excess += byteCount
        defer { excess %= Self.excessUnit }
        return excess / Self.excessUnit
    }

    private static func time(of byteCount: Int, _ lane: Dissemination.Lane) -> Duration {
        .nanoseconds(Int64(byteCount) * 1_000_000_000 / Int64(lane.octetsPerSecond))
    }
}
