public import Chance
public import Identity
internal import Rules
public import Wire

/// Makes the sets of peers equal, whatever dissemination has lost.
///
/// - One to two seconds after a change to one peer that is drawn, unless some peer's sets are known to be the same by then; and
///   ever more seldom, to thirty, to each: send the roots of the sets that are not known to be equal, one datagram (`roots`).
///   Each set named begins a *round*, of this side's. A set that was equal and has not changed here is not named: if it
///   changes there, the peer names it.
/// - Upon `roots`: answer `equal` for the sets that are. For others send the first datagram of cells, or sixteen of them if
///   the two cannot differ by much; but where the counts are more than three tenths apart, the first page of short ids.
/// - Upon `cells`: decode. Complete: the round knows the difference. Else, when all asked for have come or some
///   time has passed: ask for `more`, by flights of 1, 2, 4 and 8 datagrams, first what is missing, and no
///   more than the estimate says. Too much for 4,096 cells: sixteen parts, one after the other, by the first four
///   bits of the short ids; too much even so: page.
/// - Upon `page`: as many more as eight (`turn`), while not too much waits to be pulled.
/// - The difference known: `want` what only the peer has, 280 items at a time; hand what only this side has to the host
///   (`push`). When all that was wanted has come, or did not come after four questions, the round has settled.
/// - Upon `more`, `turn`, `want`: answer; nothing is remembered but the cells a round began with.
/// - Upon a hostile sketch: tell the host, end all rounds with the peer, and be deaf to it for a minute.
///
/// Nothing is acknowledged: what is lost is asked for again, and what is answered twice is ignored. Both sides
/// ask, each at its own times, but who was just asked waits.
///
/// The design's "Reconciliation"; the sketch is that of Yang et al. (see `Sketch`, `Decoder`).
public struct Reconciler: Sendable {
    public enum Event: Sendable, Equatable {
        case woke
        /// A session is up; both sides have the same keys, which no one else has. More than `peersMax`
        /// peers are not taken: say it again when another has gone.
        case connected(NodeID, SketchKeys)
        case disconnected(NodeID)
        /// This node keeps such a set; it is empty until told of items.
        case opened(SetKind)
        /// Opens the set if need be.
        case inserted(SetKind, Digest)
        case removed(SetKind, Digest)
        /// An item that a peer sent is not taken, as it is of no use here: rounds wait for it no longer.
        case declined(SetKind, Digest)
        /// This node keeps no such set any more.
        case cleared(SetKind)
        /// Ask all peers now: an epoch's window has closed. Where a round goes on, when it has ended.
        case hurried
        case frame(ReconciliationFrame, from: NodeID)
    }

    public enum Action: Sendable, Equatable {
        case send(NodeID, ReconciliationFrame)
        /// The peer lacks these: send them to it. At its own pace; what never leaves, the peer asks for again.
        case push(NodeID, SetKind, [Digest])
        /// What the peer had when the round began is here, but for so many items that it did not send.
        case settled(NodeID, SetKind, since: Instant, unanswered: Int)
        case penalise(NodeID, Fault)
    }

    /// What only a node with intent does.
    public enum Fault: Error, Equatable, Sendable {
        case hostileSketch(Decoder.Fault)
    }

    /// What happened, by kind; the raw values are the names of counters.
    public enum Tally: String, CaseIterable, Sendable {
        case asked, equal, decoded, divided, paged, settled, restarted, wanted, pushed, served
        case givenUp, unanswered, hostile
        case droppedStranger = "dropped.stranger"
        case droppedHostile = "dropped.hostile"
        case droppedLimited = "dropped.limited"
        case droppedUnknown = "dropped.unknown"
        case droppedStale = "dropped.stale"
        case droppedFull = "dropped.full"
    }

    /// An active view of 12 and room for what validators add. Each costs 0.3 µs for each item inserted.
    public static let peersMax = 16
    /// Records, transactions, and evidence and proposal of a few epochs.
    public static let kindsMax = ReconciliationFrame.kindsMax
    static let intervalMin: Duration = .seconds(1)
    static let intervalMax: Duration = .seconds(15)
    /// For an answer, at first: above any round trip on earth. Then three of the peer's own.
    static let answerPatience: Duration = .milliseconds(500)
    static let answerPatienceMin: Duration = .milliseconds(60)
    /// For the next item: some seventy leave a peer in this time, at its pace, if it has nothing else to say.
    static let pullPatience: Duration = .milliseconds(600)
    static let triesMax = 4
    /// Cells to begin with where little can differ: enough for five items, and more are asked for.
    static let cellsOfNear = 16
    static let changesOfNear: UInt64 = 16
    /// Between two looks at when roots are due, as items come.
    static let hastePeriod: Duration = .milliseconds(250)
    static let hostileQuiet: Duration = .seconds(60)
    /// Of one round. More, the peer pulls at its own pace.
    static let pushesMax = 1_024
    /// What it costs to make the cells of one part, in datagrams.
    static let partCost = 8

    var chance: Chance
    var peers: [NodeID: Peer] = [:]
    /// The keys of `peers`, ascending: no walk over peers depends on a hash.
    var order: [NodeID] = []
    private var left = LeftAllowances()
    var items: [SetKind: ItemSet] = [:]
    /// The keys of `items`, ascending.
    var kinds: [SetKind] = []
    /// When an item's coming last hastened the roots.
    private var hastened: Instant = .origin
    /// When another than the peer that was drawn last may be drawn, whatever became of its turn.
    private var hastyUntil: Instant = .origin
    private var tallies = [UInt64](repeating: 0, count: Tally.allCases.count)

    public init(chance: Chance) {
        self.chance = chance
    }

    /// When to send `woke`, at the latest.
    public var deadline: Instant {
        order.reduce(.never) { min($0, peers[$1]!.deadline) }
    }

    /// How many items of a kind are held.
    public func count(of kind: SetKind) -> Int { items[kind]?.count ?? 0 }

    /// The peers whose sets are made equal with these, in the order of their keys.
    public var connected: [NodeID] { order }

    /// Every counter with its name, in a fixed order.
    public var counters: [(name: String, value: UInt64)] {
        zip(Tally.allCases, tallies).map { ($0.rawValue, $1) }
    }

    public subscript(tally: Tally) -> UInt64 { tallies[Self.places[tally]!] }

    private static let places: [Tally: Int] = Dictionary(
        uniqueKeysWithValues: Tally.allCases.enumerated().map { ($1, $0) })

    mutating func count(_ tally: Tally, _ amount: Int = 1) { tallies[Self.places[tally]!] += UInt64(amount) }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .woke: wake(at: now, &actions)
        case .connected(let peer, let keys): connect(peer, keys, at: now)
        case .disconnected(let peer):
            guard let gone = peers.removeValue(forKey: peer) else { return }
            left.keep(gone.allowance, of: peer, at: now)
            order.removeAll { $0 == peer }
        case .opened(let kind):
            guard items[kind] == nil, open(kind) else { return }
            hastenOne(at: now)
        case .inserted(let kind, let id): insert(id, kind, at: now, &actions)
        case .removed(let kind, let id): remove(id, kind, at: now)
        case .declined(let kind, let id): decline(id, kind, at: now, &actions)
        case .cleared(let kind): clear(kind)
        case .hurried:
            for peer in order where peers[peer]!.hostileUntil == nil {
                peers[peer]!.due = now
                peers[peer]!.isHurried = true
            }
        case .frame(let frame, let peer): receive(frame, from: peer, at: now, &actions)
        }
        assert(
            {
                assertInvariants(); return true
            }())
    }

    private mutating func connect(_ peer: NodeID, _ keys: SketchKeys, at now: Instant) {
        guard peers[peer] != nil || order.count < Self.peersMax else { return count(.droppedFull) }
        // Two nodes' keys are always the same. A peer may go on with a round of before we were started or connected again: no
        // cells of now may be taken for cells of the sketch that it has the first of.
        let numbers = chance.bits()
        let version = isRemoved(.sketchVersions) ? 0 : UInt16(truncatingIfNeeded: numbers >> 16)
        peers[peer] = Peer(
            keys: keys, version: version, nextRound: UInt16(truncatingIfNeeded: numbers),
            interval: Self.intervalMin, due: now + chance.duration(in: .zero...Self.intervalMin),
            allowance: peers[peer]?.allowance ?? left.take(peer) ?? Allowance(now: now))
        if !order.contains(peer) {
            order.append(peer)
            order.sort()
        }
    }

    private mutating func open(_ kind: SetKind) -> Bool {
        if items[kind] != nil { return true }
        guard kinds.count < Self.kindsMax else {
            count(.droppedFull)
            return false
        }
        items[kind] = ItemSet()
        kinds.append(kind)
        kinds.sort()
        return true
    }

    private mutating func insert(
        _ id: Digest, _ kind: SetKind, at now: Instant, _ actions: inout [Action]
    ) {
        guard open(kind) else { return }
        guard items[kind]!.insert(id) else {
            if !items[kind]!.contains(id) { count(.droppedFull) }
            return
        }
        // Items come by the thousand; roots leave within two seconds of each all the same.
        if now - hastened >= Self.hastePeriod {
            hastened = now
            hastenOne(at: now)
        }
        for peer in order {
            guard let index = peers[peer]!.rounds.firstIndex(where: { $0.kind == kind }) else { continue }
            arrived(peers[peer]!.keys.short(id), peer, index, at: now, &actions)
        }
    }

    private mutating func decline(
        _ id: Digest, _ kind: SetKind, at now: Instant, _ actions: inout [Action]
    ) {
        for peer in order {
            guard let index = peers[peer]!.rounds.firstIndex(where: { $0.kind == kind }) else { continue }
            let short = peers[peer]!.keys.short(id)
            guard peers[peer]!.rounds[index].pull.declined(short) else { continue }
            pullMore(peer, index, at: now, &actions)
        }
    }

    private mutating func remove(_ id: Digest, _ kind: SetKind, at now: Instant) {
        guard items[kind]?.contains(id) == true else { return }
        for peer in order where peers[peer]!.sets[kind] != nil { prepare(kind, peer) }
        guard let place = items[kind]!.remove(id) else { return }
        for peer in order { peers[peer]!.sets[kind]?.remove(at: place) }
        hastenOne(at: now)
    }

    private mutating func clear(_ kind: SetKind) {
        guard items.removeValue(forKey: kind) != nil else { return }
        kinds.removeAll { $0 == kind }
        for peer in order {
            peers[peer]!.sets[kind] = nil
            peers[peer]!.agreed[kind] = nil
            peers[peer]!.served[kind] = nil
            peers[peer]!.servedParts[kind] = nil
            peers[peer]!.rounds.removeAll { $0.kind == kind }
        }
    }

    /// Something has changed: one peer is asked soon, others when their turn comes. What dissemination did not bring to
    /// somebody, each of its peers may find out.
    private mutating func hastenOne(at now: Instant) {
        // A peer that asks all the time puts its own turn off; it must not put off another's for ever.
        guard !order.contains(where: { peers[$0]!.isHasty }) || hastyUntil <= now else { return }
        let able = order.filter { peers[$0]!.hostileUntil == nil }
        guard !able.isEmpty else { return }
        let peer = able[chance.below(able.count)]
        // Its own turn comes as soon.
        guard peers[peer]!.due - now > Self.intervalMin * 2 else { return }
        hasten(peer, at: now)
        peers[peer]!.isHasty = true
        hastyUntil = now + Self.intervalMin * 4
    }

    /// Whether each set, as it is now, is some peer's too.
    var isCompared: Bool {
        kinds.allSatisfy { kind in
            order.contains { peers[$0]!.agreed[kind] == items[kind]!.version }
        }
    }

    /// The peer's set is what ours is now.
    mutating func agree(_ kind: SetKind, _ peer: NodeID) { peers[peer]!.agreed[kind] = items[kind]!.version }

    /// The next roots leave within two seconds.
    mutating func hasten(_ peer: NodeID, at now: Instant) {
        guard peers[peer]!.hostileUntil == nil else { return }
        peers[peer]!.isHasty = false
        peers[peer]!.interval = Self.intervalMin
        guard peers[peer]!.due - now > Self.intervalMin * 2 else { return }
        peers[peer]!.due = now + chance.duration(in: Self.intervalMin...(Self.intervalMin * 2))
    }

    /// A round with the peer is over, however it ended.
    mutating func closeRound(_ peer: NodeID, _ index: Int, at now: Instant) {
        peers[peer]!.rounds.remove(at: index)
        if peers[peer]!.isHurried, peers[peer]!.rounds.isEmpty { peers[peer]!.due = now }
    }

    /// The peer's round goes on, and finds what both lack: ours would find the same.
    mutating func giveWay(to peer: NodeID, at now: Instant) {
        guard !peers[peer]!.isHurried else { return }
        let due = now + chance.duration(in: Self.intervalMin...(Self.intervalMin * 2))
        peers[peer]!.due = max(peers[peer]!.due, due)
    }

    /// Every table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        let rounds = order.map { peers[$0]!.rounds.count }.max() ?? 0
        let served = order.map { peers[$0]!.served.count + peers[$0]!.servedParts.count }.max() ?? 0
        let asked = order.flatMap { peers[$0]!.rounds.map(\.pull.asked.count) }.max() ?? 0
        return [
            ("peers", peers.count, Self.peersMax),
            ("kinds", kinds.count, Self.kindsMax),
            ("itemsOfOneKind", kinds.map { items[$0]!.count }.max() ?? 0, ItemSet.countMax),
            ("roundsOfOnePeer", rounds, Self.kindsMax),
            ("servedToOnePeer", served, 2 * Self.kindsMax),
            ("askedOfOnePeer", asked, Pull.windowMax),
        ]
    }

    /// Run after each event in debug builds; a simulation may run it at any time.
    public func assertInvariants() {
        precondition(order.count == peers.count && order.count <= Self.peersMax)
        precondition(left.count <= LeftAllowances.countMax)
        precondition(kinds.count == items.count && kinds.count <= Self.kindsMax)
        for (name, value, limit) in gauges { precondition(value <= limit, name) }
        for peer in order {
            let peer = peers[peer]!
            for kind in kinds {
                let viewed = peer.sets[kind]?.shorts.count ?? 0
                precondition(viewed <= items[kind]!.count, "a view holds what the set holds")
                precondition(peer.rounds.count { $0.kind == kind } <= 1)
            }
            precondition(peer.hostileUntil == nil || peer.rounds.isEmpty)
        }
    }
}
