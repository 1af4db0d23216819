internal import Chance
internal import Wire

/// One attempt to make one set equal with one peer, by the side that asked.
struct Round: Sendable {
    /// Where the ids that the peer has come from; what belongs to one way exists in that case only.
    enum Source: Sendable {
        /// Roots were sent.
        case asked
        case decoding(Decoding)
        /// The first page was asked for.
        case listing
        case paging(Paging)
        /// All that the peer has is known; some of it is still to come.
        case known
    }

    /// Another for each sketch, so that late cells of one are not taken for another's.
    var number: UInt16
    let kind: SetKind
    /// When it was begun: what the peer had then is what it finds.
    let since: Instant
    /// Of the set, as its root was sent.
    let version: UInt64
    var source = Source.asked
    var pull = Pull()
    /// When something was asked for, by frames of the round.
    var askedAt: Instant
    /// When to ask again for what has not come.
    var due: Instant
    /// Vain waits in a row.
    var tries = 0
}

/// A difference that is being decoded.
struct Decoding: Sendable {
    /// After which the set changes too fast for its sketch: the next round may have more luck.
    static let restartsMax = 3
    /// Cells that decode a difference as often as not, for each of it (Yang et al., figure 5).
    static let cellsPerItem = 1.30
    /// Beyond it the estimate has no say, and each further step is a fiftieth of the difference: what more is
    /// asked for in vain weighs against a round trip.
    static let stepsPerDifference = 50
    static let stepMin = 8
    /// A difference that 4,096 cells seldom decode.
    static let itemsMax = 3_400
    /// An estimate from as many is right to a tenth.
    static let cellsForEstimate = 246

    var decoder: Decoder
    /// Nil for the whole set, or which of the sixteen parts.
    var range: UInt8?
    /// Of the peer's sketch; nil before the first cells.
    var version: UInt16?
    /// Datagrams of the next flight: 1, 2, 4, 8.
    var flight = 1
    /// What was asked for and has not come.
    var expected: Set<Int> = []
    var restarts = 0

    /// Up to which cell to ask next.
    var target: Int {
        let estimate = decoder.estimate ?? 0
        let aimed = Int(Double(estimate) * Self.cellsPerItem)
        let isWhole = decoder.receivedCount == decoder.frontier
        let step = isWhole ? max(Self.stepMin, estimate / Self.stepsPerDifference) : 0
        let first = decoder.frontier == 0 ? SketchCells.countMax : 0
        return min(Sketch.cellsMax, max(aimed, first, decoder.frontier + step))
    }

    /// More than one sketch can tell apart, certainly or by the estimate.
    var isHopeless: Bool {
        if decoder.receivedCount == Sketch.cellsMax { return true }
        guard decoder.receivedCount >= Self.cellsForEstimate, let estimate = decoder.estimate else {
            return false
        }
        return estimate > Self.itemsMax
    }
}

/// A set whose ids are being listed.
struct Paging: Sendable {
    /// Waiting to be asked for; above it, no more pages are turned: what a peer invents stays bounded.
    static let waitingMax = 1_024

    let total: Int
    /// This side's short ids: those at the beginning and what came since.
    var ours: Set<UInt64>
    /// Those at the beginning, less those listed.
    var onlyOurs: Set<UInt64>
    /// Pages before this one were asked for; the first comes by itself.
    var next = 1
    var expected: Set<UInt16> = []

    var pageCount: Int { (total + IDPage.idsMax - 1) / IDPage.idsMax }
}

/// Items that the peer has, by short id: asked for a few at a time, and again if they do not come.
struct Pull: Sendable {
    /// Asked for and not come: two frames' worth, at a kilobyte each item some 300 kB.
    static let windowMax = 2 * ReconciliationFrame.wantsMax
    /// Over a fifth-lossy path and back, one in fifty fails so often; the next round asks again.
    static let triesMax = 4

    /// Not here yet.
    private(set) var missing: Set<UInt64> = []
    /// Asked for, and not here yet.
    private(set) var asked: Set<UInt64> = []
    /// Not asked for yet, from `head` on; some may have come.
    private var queue: [UInt64] = []
    private var head = 0
    var due: Instant = .never
    private(set) var tries = 0
    /// Something that was missing has come.
    private(set) var hasProgressed = false

    var isDone: Bool { missing.isEmpty }
    var waitingCount: Int { missing.count - asked.count }

    mutating func add(_ shorts: [UInt64]) {
        for short in shorts where missing.insert(short).inserted { queue.append(short) }
    }

    /// An item came, from whomever; whether it was missing.
    mutating func arrived(_ short: UInt64) -> Bool {
        guard missing.remove(short) != nil else { return false }
        hasProgressed = true
        if asked.remove(short) != nil { tries = 0 }
        return true
    }

    /// It came and is not taken: no progress, or a set that stays unequal would be asked about all the time.
    mutating func declined(_ short: UInt64) -> Bool {
        guard missing.remove(short) != nil else { return false }
        asked.remove(short)
        return true
    }

    /// The next to ask for, once half of the last have come.
    mutating func next() -> [UInt64] {
        guard asked.count <= Self.windowMax / 2 else { return [] }
        var shorts: [UInt64] = []
        while head < queue.count, asked.count < Self.windowMax {
            let short = queue[head]
            head += 1
            guard missing.contains(short) else { continue }
            asked.insert(short)
            shorts.append(short)
        }
        if head == queue.count {
            queue.removeAll()
            head = 0
        }
        return shorts.sorted()
    }

    /// Again all that was asked for in vain; nil if that was tried enough.
    mutating func again() -> [UInt64]? {
        tries += 1
        return tries < Self.triesMax ? asked.sorted() : nil
    }
}
