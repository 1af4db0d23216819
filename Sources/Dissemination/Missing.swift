internal import Chance
internal import Identity
internal import Wire

/// Messages that peers say to have and we have not: whom to ask, and when.
struct MissingMessages: Sendable {
    /// Bounds what advertisers can make us remember, at some 400 octets each.
    static let countMax = 8_192
    /// So that one peer's inventions leave room for the others' truths.
    static let perPeerMax = 1_024
    static let advertisersMax = 8
    /// Before the first question: the push is most likely on its way.
    static let patience: Duration = .milliseconds(60)
    /// For an answer, before the next advertiser is asked.
    static let answerPatience: Duration = .milliseconds(100)
    /// Over a quarter-lossy path and back, one in 10⁵ messages fails so often.
    static let triesMax = 16
    /// However many advertisers are sending all the time.
    static let turnsMax = triesMax * advertisersMax
    /// Questions to one advertiser after which its silence about the message breaks its word: over a quarter-lossy path and back,
    /// three in a thousand; over one that loses six in ten, one in four, which `Dissemination.promisesForgiven` allows for.
    /// Fewer break it where nobody gives the message at all.
    static let asksOfPromise = 8

    struct Missing: Sendable {
        fileprivate(set) var advertisers: [NodeID]
        /// Questions to each of them; nil for who has announced nothing, and so has no word to break: some of its chunks came.
        fileprivate var asks: [UInt8?]
        fileprivate var firstAsk: Instant?
        fileprivate var tries = 0
        /// Tries, and turns of those who were sending.
        fileprivate var turns = 0
        fileprivate var due: Instant
        /// Whose share it takes.
        fileprivate let first: NodeID
    }

    private struct Timer: Comparable {
        let due: Instant
        let id: ShortID
        static func < (left: Timer, right: Timer) -> Bool {
            left.due == right.due ? left.id < right.id : left.due < right.due
        }
    }

    private var messages: [ShortID: Missing] = [:]
    private var shares: [NodeID: Int] = [:]
    /// A binary heap, the earliest first; timers whose message is found or moved are skipped.
    private var timers: [Timer] = []
    /// Who gave nothing of what nobody gave, and since when it was asked; until the next `takeBroken`.
    private var broken: [(peer: NodeID, since: Instant)] = []

    var count: Int { messages.count }
    var deadline: Instant { timers.first?.due ?? .never }

    /// Returns whether the advertisement is remembered.
    /// - Parameter isAnnounced: The peer says that it has all of it; else it has sent a part.
    mutating func add(_ id: ShortID, from peer: NodeID, isAnnounced: Bool, at now: Instant) -> Bool {
        let asks: UInt8? = isAnnounced ? 0 : nil
        if let missing = messages[id] {
            if let place = missing.advertisers.firstIndex(of: peer) {
                messages[id]!.asks[place] = missing.asks[place] ?? asks
            } else if missing.advertisers.count < Self.advertisersMax {
                messages[id]!.advertisers.append(peer)
                messages[id]!.asks.append(asks)
            }
            return true
        }
        guard count < Self.countMax, shares[peer, default: 0] < Self.perPeerMax,
            timers.count < 2 * Self.countMax
        else { return false }
        shares[peer, default: 0] += 1
        messages[id] = Missing(
            advertisers: [peer], asks: [asks], due: now + Self.patience, first: peer)
        push(Timer(due: now + Self.patience, id: id))
        return true
    }

    mutating func remove(_ id: ShortID) {
        guard let missing = messages.removeValue(forKey: id) else { return }
        let share = shares[missing.first]! - 1
        shares[missing.first] = share > 0 ? share : nil
    }

    /// Takes the peer from among the advertisers.
    mutating func remove(peer: NodeID) {
        // Each step touches one message only: their order changes nothing.
        for id in Array(messages.keys) {
            guard let place = messages[id]!.advertisers.firstIndex(of: peer) else { continue }
            messages[id]!.advertisers.remove(at: place)
            messages[id]!.asks.remove(at: place)
        }
    }

    /// One advertiser will not give it.
    mutating func remove(_ peer: NodeID, of id: ShortID) {
        guard let place = messages[id]?.advertisers.firstIndex(of: peer) else { return }
        messages[id]!.advertisers.remove(at: place)
        messages[id]!.asks.remove(at: place)
        if messages[id]!.advertisers.isEmpty { remove(id) }
    }

    /// The advertiser whose turn it was is sending. Such a turn is no question, as long as somebody else may be asked.
    mutating func noteComing(_ id: ShortID) {
        guard let missing = messages[id], missing.advertisers.count > 1, missing.turns < Self.turnsMax else {
            return
        }
        messages[id]!.tries -= 1
    }

    /// The question that was due is put; whose chunks are coming is asked nothing.
    mutating func noteAsked(_ id: ShortID, of peer: NodeID, at now: Instant) {
        guard let place = messages[id]?.advertisers.firstIndex(of: peer) else { return }
        messages[id]!.asks[place]? += 1
        if messages[id]!.firstAsk == nil { messages[id]!.firstAsk = now }
    }

    /// What a message says of those who announced it, now that `peer` gave it; nil if nobody was asked for it.
    func outcome(of id: ShortID, givenBy peer: NodeID) -> (
        isFulfilled: Bool, breakers: [NodeID], since: Instant
    )? {
        guard let missing = messages[id], let since = missing.firstAsk else { return nil }
        let isFulfilled = zip(missing.advertisers, missing.asks).contains { $0 == peer && $1 ?? 0 > 0 }
        return (isFulfilled, Self.breakers(of: missing).filter { $0 != peer }, since)
    }

    private static func breakers(of missing: Missing, asks least: Int = asksOfPromise) -> [NodeID] {
        zip(missing.advertisers, missing.asks).filter { Int($1 ?? 0) >= least }.map(\.0)
    }

    /// All were silent to as many questions as no loss explains, however many shared them: or else three that announce the
    /// same inventions would answer for none.
    private static func breakersTogether(of missing: Missing) -> [NodeID] {
        breakers(of: missing, asks: min(asksOfPromise, triesMax / max(1, missing.advertisers.count)))
    }

    mutating func takeBroken() -> [(peer: NodeID, since: Instant)] {
        defer { broken.removeAll() }
        return broken
    }

    /// The next message that is due, with its next advertiser in turn, asked again after `answerPatience`.
    /// A message that nobody answers for is forgotten.
    mutating func nextDue(at now: Instant) -> (id: ShortID, peer: NodeID)? {
        while let timer = timers.first, timer.due <= now {
            pop()
            guard let missing = messages[timer.id], missing.due == timer.due else { continue }
            guard missing.tries < Self.triesMax, !missing.advertisers.isEmpty else {
                if let since = missing.firstAsk {
                    broken += Self.breakersTogether(of: missing).map { ($0, since) }
                }
                remove(timer.id)
                continue
            }
            messages[timer.id]!.tries += 1
            messages[timer.id]!.turns += 1
            schedule(timer.id, at: now + Self.answerPatience)
            return (timer.id, missing.advertisers[missing.turns % missing.advertisers.count])
        }
        return nil
    }

    private mutating func schedule(_ id: ShortID, at due: Instant) {
        messages[id]!.due = due
        push(Timer(due: due, id: id))
    }

    private mutating func push(_ timer: Timer) {
        timers.append(timer)
        var child = timers.count - 1
        while child > 0, timers[child] < timers[(child - 1) / 2] {
            timers.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    private mutating func pop() {
        let last = timers.removeLast()
        guard !timers.isEmpty else { return }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < timers.count else { break }
            if child + 1 < timers.count, timers[child + 1] < timers[child] { child += 1 }
            guard timers[child] < last else { break }
            timers[parent] = timers[child]
            parent = child
        }
        timers[parent] = last
    }
}
