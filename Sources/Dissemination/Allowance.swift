internal import Chance
internal import Identity

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

    /// Whether a new one would allow no more.
    func isAtRest(at now: Instant) -> Bool { clocks.allSatisfy { $0 <= now } }

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

/// Allowances of those that left last and were not at rest: who comes again under the same key goes on where it was.
struct LeftAllowances: Sendable {
    /// None is kept for longer than a burst lasts. Whoever has more keys than this gains nothing by it: each has its own.
    static let countMax = 64

    /// Who left last is the last.
    private var list: [(peer: NodeID, allowance: Allowance)] = []

    var count: Int { list.count }

    mutating func keep(_ allowance: Allowance, of peer: NodeID, at now: Instant) {
        guard !allowance.isAtRest(at: now) else { return }
        list.removeAll { $0.peer == peer || $0.allowance.isAtRest(at: now) }
        if list.count == Self.countMax { list.removeFirst() }
        list.append((peer, allowance))
    }

    mutating func take(_ peer: NodeID) -> Allowance? {
        list.firstIndex { $0.peer == peer }.map { list.remove(at: $0).allowance }
    }
}
