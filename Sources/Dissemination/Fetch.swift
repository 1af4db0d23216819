public import Chance
public import Identity

/// Fetches many small things from several peers at once, as fast as the way to each of them bears and no faster.
///
/// It knows nothing of what it fetches: the host checks what comes, and says what it is worth. Who receives sets the
/// pace: nothing comes that was not asked for, so that one who fetches never fills a queue of its own making.
///
/// - Upon `want`: asked for when its turn comes, the newest first, so that who takes a tree to pieces holds few branches.
/// - Upon `arrived`: the source may be asked for one more, and for more than that while its window grows.
/// - Upon `refuted`: a source that said what is not so is asked for nothing more; what it owes is asked of others.
/// - Upon `refused`: a source has not got what it was asked for: it is left alone for a while.
/// - Upon silence for as long as answers of this source take, or when what was asked for later has come: lost, and
///   asked for again. A source that is silent altogether is left alone for longer and longer.
/// - What nobody gave in `attemptsMax` asks is given back to the host.
///
/// A window for each source: questions that are out. It doubles every round trip until there is a queue on the way
/// or too much is lost; then it grows by one a round trip as long as answers take no longer than `queueTarget` above the
/// fastest, and shrinks by one when they do (after LEDBAT, RFC 6817). Loss of more than an eighth of a round halves it
/// (RFC 5681); less, with a queue, takes a quarter; less, without one, is what radio links lose, and changes nothing.
public struct Fetch<Item: Equatable & Sendable>: Sendable {
    public enum Event: Sendable {
        case woke
        /// Whom there is to ask, in place of those before.
        case sources([NodeID])
        case want([Item])
        case arrived(Item, from: NodeID)
        case refuted(NodeID)
        case refused(by: NodeID)
        /// Nothing of what was wanted is wanted any more.
        case forget
    }

    public enum Action: Equatable, Sendable {
        case ask(NodeID, [Item])
        /// Nobody gave it.
        case unanswered(Item)
    }

    /// Questions that are out at one source, and at all.
    public static var windowMax: Int { 64 }
    public static var outstandingMax: Int { 256 }
    static var windowMin: Int { 2 }
    /// Those that said what is not so, remembered: above any active view.
    static var refutedMax: Int { 256 }
    public static var attemptsMax: Int { 8 }
    /// In one message.
    public static var groupMax: Int { 8 }
    static var queueTarget: Duration { .milliseconds(30) }
    static var patienceMin: Duration { .milliseconds(60) }
    static var patienceMax: Duration { .seconds(3) }
    /// Before anything is known of a source.
    static var patienceFirst: Duration { .milliseconds(600) }
    /// So much later asked and yet here: then what was asked before is lost.
    static var reorderMax: Int { 12 }
    /// For so many round trips the fastest counts.
    static var roundsOfFastest: Int { 64 }
    static var restMin: Duration { .seconds(1) }
    static var restMax: Duration { .seconds(30) }

    private struct Question {
        let item: Item
        let source: NodeID
        let at: Instant
        let serial: Int
        let attempt: Int
    }

    private struct Waiting {
        let item: Item
        var attempt = 0
        /// Who was asked last: pieces of a large answer may be here from it.
        var last: NodeID?
    }

    /// What is known of the way to a peer.
    struct Source {
        let id: NodeID
        /// In 256ths of a question.
        var window = 4 << 8
        var isGrowing = true
        var out = 0
        var trip: Duration?
        var variance: Duration = .zero
        var fastest: Duration?
        var serial = 0
        /// The last question of the present round, and what became of the round so far.
        var roundEnds = 0
        var rounds = 0
        var answered = 0
        var lost = 0
        var queue: Duration = .zero
        /// Questions lost since the last answer.
        var silence = 0
        var rest: Duration = Fetch.restMin
        var restsUntil: Instant = .origin

        init(_ id: NodeID) { self.id = id }

        var room: Int { max(0, window >> 8 - out) }

        var patience: Duration {
            guard let trip else { return Fetch.patienceFirst }
            return min(max(trip + variance * 4, Fetch.patienceMin), Fetch.patienceMax)
        }
    }

    /// Ascending by key: no walk depends on a hash.
    private(set) var sources: [Source] = []
    private var refuted: [NodeID] = []
    /// The last is the next.
    private var waiting: [Waiting] = []
    /// In the order of asking.
    private var questions: [Question] = []
    public private(set) var deadline: Instant = .never
    public private(set) var asked: UInt64 = 0
    public private(set) var lost: UInt64 = 0

    public init() {}

    public var outstandingCount: Int { questions.count }
    /// Nothing is wanted that is not here.
    public var isIdle: Bool { waiting.isEmpty && questions.isEmpty }

    public func isRefuted(_ source: NodeID) -> Bool { refuted.contains(source) }

    /// Whether anything is awaited from that peer.
    public func asks(_ source: NodeID) -> Bool { questions.contains { $0.source == source } }

    /// Whether this was asked of that peer and is still awaited from it.
    public func awaits(_ item: Item, from source: NodeID) -> Bool {
        questions.contains { $0.source == source && $0.item == item }
    }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .woke: break
        case .sources(let list): replaceSources(by: list)
        case .want(let items): waiting += items.reversed().map { Waiting(item: $0) }
        case .arrived(let item, let source): arrived(item, from: source, at: now)
        case .refuted(let source):
            if refuted.count == Self.refutedMax { refuted.removeFirst() }
            refuted.append(source)
            replaceSources(by: sources.map(\.id))
        case .refused(let source):
            for place in questions.indices.reversed() where questions[place].source == source {
                returnQuestion(at: place, isLost: false)
            }
            change(source) { $0.restsUntil = now + Self.restMin }
        case .forget:
            waiting.removeAll()
            questions.removeAll()
            for place in sources.indices { sources[place].out = 0 }
        }
        expire(at: now, &actions)
        ask(at: now, &actions)
        deadline = nextDeadline(at: now)
    }

    // MARK: Sources

    private mutating func replaceSources(by list: [NodeID]) {
        let known = sources
        sources = list.filter { !refuted.contains($0) }.sorted().map { id in
            known.first { $0.id == id } ?? Source(id)
        }
        for place in questions.indices.reversed()
        where !sources.contains(where: { $0.id == questions[place].source }) {
            returnQuestion(at: place, isLost: false)
        }
    }

    private mutating func change(_ id: NodeID, _ body: (inout Source) -> Void) {
        guard let place = sources.firstIndex(where: { $0.id == id }) else { return }
        body(&sources[place])
    }

    // MARK: Answers

    private mutating func arrived(_ item: Item, from id: NodeID, at now: Instant) {
        // Asked of one and given by another late: whoever gave it, it is here.
        if let place = waiting.lastIndex(where: { $0.item == item }) { waiting.remove(at: place) }
        guard let place = questions.firstIndex(where: { $0.item == item }) else { return }
        let question = questions.remove(at: place)
        change(question.source) { source in
            source.out -= 1
            guard question.source == id else { return }
            source.silence = 0
            source.rest = Self.restMin
            Self.measure(now - question.at, &source)
            source.answered += 1
            if question.serial >= source.roundEnds { Self.endRound(&source) }
        }
        guard question.source == id else { return }
        // What was asked long before this one and is not here will not come.
        let latest = question.serial - Self.reorderMax
        for place in questions.indices.reversed()
        where questions[place].source == id && questions[place].serial < latest {
            returnQuestion(at: place, isLost: true)
        }
    }

    private static func measure(_ trip: Duration, _ source: inout Source) {
        if let known = source.trip {
            let difference = trip > known ? trip - known : known - trip
            source.variance = (source.variance * 3 + difference) / 4
            source.trip = (known * 7 + trip) / 8
        } else {
            source.trip = trip
            source.variance = trip / 2
        }
        source.fastest = min(source.fastest ?? trip, trip)
        source.queue = source.trip! - source.fastest!
        if source.isGrowing {
            source.window += 1 << 8
        } else if source.queue < queueTarget {
            source.window += max(1, (1 << 16) / source.window)
        } else {
            source.window -= max(1, (1 << 16) / source.window)
        }
        bound(&source)
    }

    private static func bound(_ source: inout Source) {
        source.window = min(max(source.window, windowMin << 8), windowMax << 8)
    }

    /// Once a round trip: what was lost of it, and whether there is a queue.
    private static func endRound(_ source: inout Source) {
        let hasQueue = source.queue >= queueTarget
        if source.lost > 1, source.lost * 8 > source.lost + source.answered {
            source.window /= 2
            source.isGrowing = false
        } else if hasQueue {
            if source.lost > 0 { source.window -= source.window / 4 }
            source.isGrowing = false
        }
        bound(&source)
        // A way may have become longer.
        source.rounds += 1
        if source.rounds.isMultiple(of: roundsOfFastest) { source.fastest = source.trip }
        source.roundEnds = source.serial
        source.lost = 0
        source.answered = 0
    }

    /// It is asked for again.
    private mutating func returnQuestion(at place: Int, isLost: Bool) {
        let question = questions.remove(at: place)
        waiting.append(
            Waiting(item: question.item, attempt: question.attempt + 1, last: isLost ? question.source : nil))
        change(question.source) { source in
            source.out -= 1
            if isLost {
                source.lost += 1
                source.silence += 1
            }
        }
        if isLost { lost += 1 }
    }

    // MARK: Time

    private mutating func expire(at now: Instant, _ actions: inout [Action]) {
        for place in questions.indices.reversed() {
            let question = questions[place]
            guard let source = sources.first(where: { $0.id == question.source }),
                question.at + source.patience <= now
            else { continue }
            returnQuestion(at: place, isLost: true)
        }
        for place in sources.indices where sources[place].silence > sources[place].window >> 8 + 2 {
            // Not one answer to a whole window: it is away, or it keeps silent.
            sources[place].silence = 0
            sources[place].window = Self.windowMin << 8
            sources[place].isGrowing = true
            sources[place].restsUntil = now + sources[place].rest
            sources[place].rest = min(sources[place].rest * 2, Self.restMax)
        }
        for place in waiting.indices.reversed() where waiting[place].attempt >= Self.attemptsMax {
            actions.append(.unanswered(waiting.remove(at: place).item))
        }
    }

    private func nextDeadline(at now: Instant) -> Instant {
        var deadline = Instant.never
        for question in questions {
            guard let source = sources.first(where: { $0.id == question.source }) else { continue }
            deadline = min(deadline, question.at + source.patience)
        }
        if !waiting.isEmpty {
            for source in sources where source.restsUntil > now {
                deadline = min(deadline, source.restsUntil)
            }
        }
        return deadline
    }

    // MARK: Asking

    /// Questions leave in groups: one for each answer would cost a tenth of all octets.
    private mutating func ask(at now: Instant, _ actions: inout [Action]) {
        while !waiting.isEmpty, questions.count < Self.outstandingMax, let place = nextSource(at: now) {
            let source = sources[place]
            let group = min(source.room, min(Self.groupMax, Self.outstandingMax - questions.count))
            var items: [Item] = []
            while items.count < group, let next = takeNext(for: source.id) {
                sources[place].serial += 1
                sources[place].out += 1
                asked += 1
                questions.append(
                    Question(
                        item: next.item, source: source.id, at: now, serial: sources[place].serial,
                        attempt: next.attempt))
                items.append(next.item)
            }
            guard !items.isEmpty else { return }
            actions.append(.ask(source.id, items))
        }
    }

    /// The newest that was not lost on the way from another source; for who has nothing else to do, any.
    private mutating func takeNext(for source: NodeID) -> Waiting? {
        let first = max(0, waiting.count - 2 * Self.windowMax)
        let place = waiting[first...].lastIndex { $0.last == nil || $0.last == source || $0.attempt > 2 }
        guard let place = place ?? waiting.indices.last else { return nil }
        return waiting.remove(at: place)
    }

    /// Whoever has most room, if it is worth a message.
    private func nextSource(at now: Instant) -> Int? {
        var best: Int?
        for place in sources.indices where sources[place].restsUntil <= now {
            let source = sources[place]
            let isWorth = source.room >= min(Self.groupMax, max(1, source.window >> 8 / 4)) || source.out == 0
            guard source.room > 0, isWorth else { continue }
            if let known = best, sources[known].room >= source.room { continue }
            best = place
        }
        return best
    }

    /// For tests and simulation.
    public func assertInvariants() {
        precondition(questions.count <= Self.outstandingMax && refuted.count <= Self.refutedMax)
        for source in sources {
            precondition(source.out == questions.count { $0.source == source.id })
            precondition(source.window >= Self.windowMin << 8 && source.window <= Self.windowMax << 8)
        }
        precondition(questions.allSatisfy { question in sources.contains { $0.id == question.source } })
    }
}
