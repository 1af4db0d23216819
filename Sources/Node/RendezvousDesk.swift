import Chance
import Identity
import Membership
import Rules

/// A virtual clock (the generic cell rate algorithm): whoever asks puts it forward, and it must not be more than a
/// burst ahead of the time.
struct Pace {
    private var clock = Int64.min

    /// Whether there is room for what takes so long; takes it then.
    mutating func takes(_ cost: Duration, burst: Duration, at now: Instant) -> Bool {
        let next = max(clock, now.nanoseconds) + cost.nanoseconds
        guard next <= (now + burst).nanoseconds else { return false }
        clock = next
        return true
    }

    /// Whether it is as if it had never been asked.
    func isAtRest(at now: Instant) -> Bool { clock <= now.nanoseconds }
}

/// How much a node does so that others find ways to each other, and how often it lets itself be sent to strangers.
///
/// Every table has entries of nodes with open sessions only, so it ends with them; but what a pair has said too fast
/// is remembered, or whoever calls anew would have a burst anew.
struct RendezvousDesk {
    /// Two pairs of nodes exchange a few messages of each epoch, and their parts of a mesh.
    static let octetsPerSecond = 32_768
    static let octetsBurst = 131_072
    static let pairsMax = 32
    static let pairIdleMax: Duration = .seconds(60)
    /// Pairs of which this node holds one only: the other half of them is for those of two peers.
    static let strangersPairsMax = pairsMax / 2
    /// Pairs of one node that is not held. Edge nodes are such, and have three uplinks, of which hardly all need a
    /// relay, and this one.
    static let pairsOfStrangerMax = 2
    /// Introductions, by who asks and by who is asked for: two a second, eight at once.
    static let period: Duration = .milliseconds(500)
    static let burst: Duration = .seconds(4)
    /// Of these strangers get half at once, so that peers that ask for the same node are never without.
    static let strangersBurst: Duration = .seconds(2)
    /// Calls of strangers that peers send us to: as often as those on behalf of a peer's suspicion, four at once.
    static let callPeriod: Duration = .milliseconds(500)
    static let callBurst: Duration = .seconds(2)

    private struct Pair: Hashable, Comparable {
        let low: NodeID
        let high: NodeID

        init(_ one: NodeID, _ other: NodeID) { (low, high) = one < other ? (one, other) : (other, one) }

        func has(_ node: NodeID) -> Bool { low == node || high == node }

        static func < (left: Pair, right: Pair) -> Bool {
            (left.low, left.high) < (right.low, right.high)
        }
    }

    private struct Line {
        let prefix: Prefix?
        var pace = Pace()
        var usedAt: Instant
        /// A session of one of the two has ended since.
        var isLeft = false

        func isGone(at now: Instant) -> Bool { isLeft && pace.isAtRest(at: now) }
    }

    private var askers: [NodeID: Pace] = [:]
    private var asked: [NodeID: Pace] = [:]
    private var lines: [Pair: Line] = [:]
    private var calls = Pace()

    var pairCount: Int { lines.count }
    var askerCount: Int { max(askers.count, asked.count) }

    /// Whether a node is told of another, and the other of it.
    mutating func introduces(_ asker: NodeID, to node: NodeID, isHeld: Bool, at now: Instant) -> Bool {
        if isRemoved(.introductionLimits) { return true }
        // In this order: who asks too often must not use up what others may ask of the same node.
        guard askers[asker, default: Pace()].takes(Self.period, burst: Self.burst, at: now) else {
            return false
        }
        let burst = isHeld ? Self.burst : Self.strangersBurst
        return asked[node, default: Pace()].takes(Self.period, burst: burst, at: now)
    }

    /// Whether to call somebody of whom only a peer has told: a call takes a handshake of 1,200 octets.
    mutating func calls(at now: Instant) -> Bool {
        isRemoved(.introductionLimits) || calls.takes(Self.callPeriod, burst: Self.callBurst, at: now)
    }

    /// Whether a datagram of so many octets is handed on between two nodes, one of them held at least.
    /// - Parameter prefix: Of the address of the one that is not; nil where that says nothing of who is there.
    mutating func forwards(
        _ count: Int, from sender: NodeID, to receiver: NodeID, held: Set<NodeID>, prefix: Prefix?,
        at now: Instant
    ) -> Bool {
        let pair = Pair(sender, receiver)
        if lines[pair] == nil, !makesRoom(for: pair, of: prefix, held, at: now) { return false }
        let cost = Duration.nanoseconds(Int64(count) * 1_000_000_000 / Int64(Self.octetsPerSecond))
        let burst = Duration.seconds(Self.octetsBurst / Self.octetsPerSecond)
        var line = lines[pair] ?? Line(prefix: prefix, usedAt: now)
        guard line.pace.takes(cost, burst: burst, at: now) else { return false }
        line.usedAt = now
        line.isLeft = false
        lines[pair] = line
        return true
    }

    /// Whether there is room for one more pair, if another gives way for it or not.
    private mutating func makesRoom(
        for pair: Pair, of prefix: Prefix?, _ held: Set<NodeID>, at now: Instant
    ) -> Bool {
        for gone in lines where gone.value.isGone(at: now) { lines[gone.key] = nil }
        let idle = lines.filter { now - $0.value.usedAt >= Self.pairIdleMax }
        if let stranger = [pair.low, pair.high].first(where: { !held.contains($0) }) {
            let own = lines.filter { $0.key.has(stranger) }
            if own.count >= Self.pairsOfStrangerMax {
                // At once, but one at rest only: a new line has a burst again, and nobody shall gain one.
                return giveWay(own.filter { $0.value.pace.isAtRest(at: now) })
            }
            let strangers = lines.filter { !held.contains($0.key.low) || !held.contains($0.key.high) }
            if strangers.count >= Self.strangersPairsMax {
                return giveWay(spare(strangers, for: prefix, at: now))
            }
        }
        return lines.count < Self.pairsMax || giveWay(idle)
    }

    /// Which of the lines of strangers may give way for another stranger's: of the prefix that has most, any if it has more
    /// even then, so that whoever has addresses in one prefix keeps nobody out; else one at rest.
    private func spare(_ strangers: [Pair: Line], for prefix: Prefix?, at now: Instant) -> [Pair: Line] {
        var counts: [Prefix: Int] = [:]
        for case let prefix? in strangers.values.map(\.prefix) { counts[prefix, default: 0] += 1 }
        func share(_ line: Line) -> Int { line.prefix.flatMap { counts[$0] } ?? 1 }
        let most = strangers.values.map(share).max() ?? 0
        let fullest = strangers.filter { share($0.value) == most }
        if most > (prefix.flatMap { counts[$0] } ?? 0) + 1 { return fullest }
        let atRest = fullest.filter { $0.value.pace.isAtRest(at: now) }
        return atRest.isEmpty ? strangers.filter { $0.value.pace.isAtRest(at: now) } : atRest
    }

    /// Takes away the one of these that was used longest ago; false if there is none.
    private mutating func giveWay(_ spare: [Pair: Line]) -> Bool {
        guard let oldest = spare.min(by: { ($0.value.usedAt, $0.key) < ($1.value.usedAt, $1.key) }) else {
            return false
        }
        lines[oldest.key] = nil
        return true
    }

    /// Its session has ended.
    mutating func forget(_ node: NodeID, at now: Instant) {
        askers[node] = nil
        asked[node] = nil
        for (pair, line) in lines where pair.has(node) {
            lines[pair]?.isLeft = true
            if line.pace.isAtRest(at: now) { lines[pair] = nil }
        }
    }
}
