public import Chance
public import Identity

/// What the faults of peers make of them: a number that is zero for whoever did nothing wrong, and below it for others.
///
/// - Upon a fault of a peer: its points are added to its debt. Who sent is certain, as a session proved it; for what came of
///   nobody certain nobody is charged.
/// - Upon a broken promise: ten points for the first that stands, forty for two, up to `promisesMost` for all together.
/// - As time passes: a point of debt is forgiven each second, a broken promise each half minute.
///
/// The debt has a most, so that nobody is ignored for longer than two minutes after its last fault; and as that much is
/// forgotten only by waiting, coming again under the same key washes nothing off. Thresholds and weights are the design's
/// (after gossipsub 1.1); what is different stands in the DocC article of `Node`.
public struct Scores: Sendable {
    /// What only a sender itself can have done.
    public enum Fault: Sendable, CaseIterable {
        /// It passed on what is not signed by whom it names.
        case badSignature
        /// What a session brought from it cannot be read.
        case malformed
        case hostileSketch
        /// It announced what it then did not give.
        case brokenPromise
        /// `Allowance.excessUnit` octets above what a peer may say.
        case excess
    }

    /// What a peer is still good for. Each has what those before it have.
    public enum Standing: UInt8, Comparable, CaseIterable, Sendable {
        case good
        /// Nothing is announced to it, and its announcements are not believed.
        case noGossip
        /// It is given neither own nor relayed evidence, and what it sends unasked is not taken.
        case noPublish
        /// Nothing of it is heard but what consensus needs.
        case ignored

        public static func < (left: Standing, right: Standing) -> Bool { left.rawValue < right.rawValue }
    }

    /// Points are negative. Local: nodes of one network may differ in all of it.
    public struct Settings: Sendable {
        public var badSignature = -100
        public var malformed = -50
        public var hostileSketch = -100
        /// Times the square of how many stand.
        public var brokenPromise = -10
        public var excess = -1
        /// At or below which a peer has a standing.
        public var noGossip = -10
        public var noPublish = -50
        public var ignored = -80
        /// Of all broken promises together: above `ignored`, as a way that is cut in one direction looks the same.
        public var promisesMost = -70
        /// Of all other faults together.
        public var most = -200
        /// In which one point is forgiven.
        public var pointPeriod: Duration = .seconds(1)
        /// In which one broken promise is.
        public var promisePeriod: Duration = .seconds(30)

        public init() {}

        /// What is wrong with it; nil: nothing.
        public var complaint: String? {
            if [badSignature, malformed, hostileSketch, brokenPromise, excess].contains(where: { $0 >= 0 }) {
                return "every fault lowers the score: its points are below zero"
            }
            guard ignored < noPublish, noPublish < noGossip, noGossip < 0 else {
                return "the thresholds descend from zero: noGossip, noPublish, ignored"
            }
            guard most <= ignored else { return "faults together must be able to reach 'ignored'" }
            guard ignored < promisesMost else {
                return "broken promises alone must not make anybody ignored: loss looks the same"
            }
            guard promisesMost <= brokenPromise else { return "one broken promise is within their most" }
            guard pointPeriod > .zero, promisePeriod > .zero else { return "forgiving takes time" }
            return nil
        }
    }

    /// One peer that did something wrong, and not long ago.
    private struct Entry: Sendable {
        let peer: NodeID
        /// Points, positive; as of `debtAt`.
        var debt = 0
        var debtAt: Instant
        var broken = 0
        var brokenAt: Instant
        var lastBroken: Instant?
    }

    /// Above any active view, and so many that came and went: those with the least debt are forgotten first.
    public static let countMax = 512
    /// However many announcements it breaks at once, one counts in so long: a peer that stopped in the midst of many
    /// has broken one promise.
    static let promisesApart: Duration = .seconds(1)
    /// Beyond it the points are at their most.
    static let brokenMax = 8

    public let settings: Settings
    /// Ascending by key: no walk depends on a hash, and it is empty as long as nobody does wrong.
    private var entries: [Entry] = []

    /// The settings must have no `complaint`.
    public init(settings: Settings = Settings()) {
        precondition(settings.complaint == nil, settings.complaint!)
        self.settings = settings
    }

    public var count: Int { entries.count }

    /// Zero or less.
    public func score(of peer: NodeID, at now: Instant) -> Int {
        guard let place = place(of: peer) else { return 0 }
        return score(of: forgiven(entries[place], at: now))
    }

    public func standing(of peer: NodeID, at now: Instant) -> Standing {
        // Almost always.
        if entries.isEmpty { return .good }
        let score = score(of: peer, at: now)
        if score <= settings.ignored { return .ignored }
        if score <= settings.noPublish { return .noPublish }
        return score <= settings.noGossip ? .noGossip : .good
    }

    /// When a peer that commits no more faults will be heard again; not later than two minutes from now.
    public func heardAgain(_ peer: NodeID, at now: Instant) -> Instant {
        let points = settings.ignored - score(of: peer, at: now) + 1
        return points > 0 ? now + settings.pointPeriod * points : now
    }

    mutating func charge(_ peer: NodeID, _ fault: Fault, times: Int = 1, at now: Instant) {
        precondition(times > 0)
        var entry = place(of: peer).map { entries[$0] } ?? Entry(peer: peer, debtAt: now, brokenAt: now)
        entry = forgiven(entry, at: now)
        if fault == .brokenPromise {
            if let last = entry.lastBroken, now - last < Self.promisesApart { return }
            entry.lastBroken = now
            entry.broken = min(entry.broken + 1, Self.brokenMax)
        } else {
            // Times may be as many as a stranger likes: nothing here may overflow.
            let most = -settings.most
            entry.debt = min(entry.debt + points(of: fault) * min(times, most), most)
        }
        store(entry, at: now)
    }

    private func points(of fault: Fault) -> Int {
        switch fault {
        case .badSignature: -settings.badSignature
        case .malformed: -settings.malformed
        case .hostileSketch: -settings.hostileSketch
        case .brokenPromise: -settings.brokenPromise
        case .excess: -settings.excess
        }
    }

    private func score(of entry: Entry) -> Int {
        let promises = entry.broken * entry.broken * -settings.brokenPromise
        return -entry.debt - min(promises, -settings.promisesMost)
    }

    /// As it is now: what is forgiven is gone, what is left of a period counts on.
    private func forgiven(_ entry: Entry, at now: Instant) -> Entry {
        var entry = entry
        let points = Self.periods(settings.pointPeriod, from: entry.debtAt, to: now)
        entry.debt = max(0, entry.debt - points)
        entry.debtAt = entry.debt == 0 ? now : entry.debtAt + settings.pointPeriod * points
        let promises = Self.periods(settings.promisePeriod, from: entry.brokenAt, to: now)
        entry.broken = max(0, entry.broken - promises)
        entry.brokenAt = entry.broken == 0 ? now : entry.brokenAt + settings.promisePeriod * promises
        return entry
    }

    private static func periods(_ period: Duration, from start: Instant, to end: Instant) -> Int {
        start < end ? Int((end - start).nanoseconds / period.nanoseconds) : 0
    }

    private mutating func store(_ entry: Entry, at now: Instant) {
        if let place = place(of: entry.peer) { return entries[place] = entry }
        if entries.count == Self.countMax { makeRoom(at: now) }
        entries.insert(entry, at: bound(of: entry.peer))
    }

    /// Whoever is forgiven goes, or whoever is nearest to it.
    private mutating func makeRoom(at now: Instant) {
        let scores = entries.map { score(of: forgiven($0, at: now)) }
        var best = 0
        for place in scores.indices where scores[place] > scores[best] { best = place }
        entries.remove(at: best)
    }

    private func place(of peer: NodeID) -> Int? {
        let place = bound(of: peer)
        return place < entries.count && entries[place].peer == peer ? place : nil
    }

    private func bound(of peer: NodeID) -> Int {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].peer < peer { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// For tests and simulation.
    func assertInvariants() {
        precondition(entries.count <= Self.countMax)
        for entry in entries {
            precondition(
                (0...(-settings.most)).contains(entry.debt) && (0...Self.brokenMax).contains(entry.broken))
        }
        for place in entries.indices.dropFirst() {
            precondition(entries[place - 1].peer < entries[place].peer)
        }
    }
}
