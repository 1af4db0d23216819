internal import Chance
internal import Identity
internal import Wire

/// What is kept of one peer.
struct Peer: Sendable {
    /// Cells as they were when a round of the peer's began, so that all it gets are of one set.
    struct Served: Sendable {
        /// For a round of many flights over a slow path; then the cells are made anew.
        static let age: Duration = .seconds(10)

        let range: UInt8?
        let version: UInt16
        let cells: [SketchCell]
        let until: Instant
    }

    let keys: SketchKeys
    /// Made when first needed.
    var sets: [SetKind: KeyedSet] = [:]
    /// At most one for each kind.
    var rounds: [Round] = []
    var served: [SetKind: Served] = [:]
    var servedParts: [SetKind: Served] = [:]
    /// The version of each set at which the peer's was equal: until ours changes there is nothing to ask, as a peer
    /// whose set has changed asks.
    var agreed: [SetKind: UInt64] = [:]
    /// Of the last cells served: they never repeat within a round, and begin anywhere.
    var version: UInt16
    var nextRound: UInt16
    var interval: Duration
    /// When to send roots.
    var due: Instant
    /// Because of a change that is not known to be compared with anybody yet.
    var isHasty = false
    /// All roots are to be sent as soon as no round goes on, whatever the peer asks meanwhile.
    var isHurried = false
    var allowance: Allowance
    /// How long answers take, smoothed; nil before the first.
    var roundTrip: Duration?
    /// Until then its frames are not looked at.
    var hostileUntil: Instant?

    mutating func newRound() -> UInt16 {
        defer { nextRound &+= 1 }
        return nextRound
    }

    /// For an answer, before the question is asked again.
    var patience: Duration {
        guard let roundTrip else { return Reconciler.answerPatience }
        return min(max(roundTrip * 3, Reconciler.answerPatienceMin), Reconciler.answerPatience)
    }

    func index(ofRound number: UInt16) -> Int? { rounds.firstIndex { $0.number == number } }

    var deadline: Instant {
        rounds.reduce(due) { min($0, min($1.due, $1.pull.due)) }
    }
}

/// How much a peer may make us say: a bucket of datagrams.
struct Allowance: Sendable {
    /// Four of the largest flights at once, and over time 128 kB each second, as for any other class of traffic.
    static let most = 32
    static let period: Duration = .milliseconds(9)

    private var count = most
    private var since: Instant

    init(now: Instant) { since = now }

    /// Whether a new one would allow no more.
    func isFull(at now: Instant) -> Bool { since + Self.period * (Self.most - count) <= now }

    mutating func take(_ amount: Int, at now: Instant) -> Bool {
        let earned = Int((now - since).nanoseconds / Self.period.nanoseconds)
        if earned > 0 {
            count = min(Self.most, count + min(earned, Self.most))
            since = count == Self.most ? now : since + Self.period * earned
        }
        guard count >= amount else { return false }
        count -= amount
        return true
    }
}

/// Allowances of those that left last before they were full again: who comes again under the same key goes on where it was.
struct LeftAllowances: Sendable {
    /// None is kept for a third of a second. Whoever has more keys than this gains nothing by it: each has its own.
    static let countMax = 64

    /// Who left last is the last.
    private var list: [(peer: NodeID, allowance: Allowance)] = []

    var count: Int { list.count }

    mutating func keep(_ allowance: Allowance, of peer: NodeID, at now: Instant) {
        guard !allowance.isFull(at: now) else { return }
        list.removeAll { $0.peer == peer || $0.allowance.isFull(at: now) }
        if list.count == Self.countMax { list.removeFirst() }
        list.append((peer, allowance))
    }

    mutating func take(_ peer: NodeID) -> Allowance? {
        list.firstIndex { $0.peer == peer }.map { list.remove(at: $0).allowance }
    }
}
