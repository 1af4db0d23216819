public import Chance
public import Identity
import Membership
internal import Rules
public import Session
public import Wire

/// Carries payloads in sessions: opens one where a payload is worth it, and closes those that nobody needs.
///
/// - Upon a payload for a node without a session: if it may open one, it waits for that up to 5 s; else it is dropped.
/// - Upon `hold`: the session stays as long as it can. Should it end all the same: `lost`.
/// - Upon `release`: closed a second later, so that a last word gets through.
/// - Whoever is not held is a stranger: its session is closed when nothing was said for half a minute, and when
///   strangers have half of the table, one gives way: of the prefix of addresses that has most of them, the one that was silent
///   for longest. An honest stranger is mostly silent, and keys cost nothing.
/// - Upon a payload for another place than that of the session, which leaves what was sent unanswered: that place is asked
///   too; see `Sessions`.
/// - Upon a payload that may open a session, over a stranger's that has not answered for 2 s: a new handshake, as the
///   other side may have forgotten the old one.
///
/// - Upon a call that is not answered: others bring the two together, or carry between them; see `Carrier+Rendezvous`.
///
/// The driver sends through it what `OutputQueue` lets go, so that only payloads wait for the disk, never handshakes.
public final class Carrier {
    public enum Event: Sendable {
        case woke
        case datagram([UInt8], from: Endpoint)
        case send([UInt8], to: Destination)
        case hold(NodeID)
        case release(NodeID)
        /// The node's own card, renewed.
        case card(NodeRecord)
        /// Nanoseconds since 1970, when the system's clock was set.
        case clock(wallNanoseconds: UInt64)
    }

    public enum Action: Equatable, Sendable {
        case transmit([UInt8], to: Endpoint)
        /// From a node that a session proves, and the place that the session leads to.
        case payload([UInt8], from: NodeID, Endpoint)
        /// The session with a node that was held has ended.
        case lost(NodeID)
        /// A node at the second place sees this one come from the first.
        case observed(Endpoint, by: NodeID, Endpoint)
        case keyLog(String)
    }

    /// Why a payload was dropped; the raw values are the names of counters.
    public enum Tally: String, CaseIterable, Sendable {
        case opened, closedIdle, displaced
        /// Introductions: that this node asked for, that it gave, that it followed for a peer, that led to a session.
        case introductionsAsked, introductions, introductionsFollowed, metDirectly
        /// Over relays: sessions of this node, datagrams handed on for others, ways that led to a direct one.
        case metRelayed, forwarded, relayReplaced
        case droppedIntroduction = "dropped.introduction"
        case droppedForward = "dropped.forward"
        case droppedNoRelay = "dropped.noRelay"
        case droppedNoSession = "dropped.noSession"
        case droppedWaitingFull = "dropped.waitingFull"
        case droppedNoAnswer = "dropped.noAnswer"
    }

    /// Nodes whose sessions are being opened, and what waits for one of them.
    static let waitingMax = 256
    static let waitingOfOneMax = 4
    static let openPatience: Duration = .seconds(5)
    static let linger: Duration = .seconds(1)
    static let idleMax: Duration = .seconds(30)
    static let sweepPeriod: Duration = .seconds(5)
    static let staleAfter: Duration = .seconds(2)

    struct Waiting {
        let node: NodeID
        var endpoint: Endpoint
        var mayRelay: Bool
        var until: Instant
        var payloads: [[UInt8]]
        var approach: Approach
        /// Who was asked for an introduction and has not answered, and answers whose turn has not come.
        var asked: [NodeID] = []
        var answers: [(helper: NodeID, endpoint: Endpoint)] = []

        var deadline: Instant { min(until, approach.deadline) }
    }

    public let sessions: Sessions
    private let strangersMax: Int
    var held: Set<NodeID> = []
    /// Open sessions of strangers, and when something was last said in them.
    private var strangers: [NodeID: Instant] = [:]
    private var nextSweep: Instant = .never
    /// In the order of their opening.
    var waiting: [Waiting] = []
    var desk = RendezvousDesk()
    var paths = RelayPaths()
    var sightings: Sightings
    /// Raised with every question for introductions, so that others are asked the next time; and with every relay chosen.
    var askTurn = 0
    var relayTurn = 0
    /// Released, and closed at that time; ascending.
    private var leaving: [(node: NodeID, at: Instant)] = []
    private var tallies = [UInt64](repeating: 0, count: Tally.allCases.count)

    /// `record` is the node's own card; see `Sessions` for the rest.
    public init(
        key: ExchangeKey, record: NodeRecord, network: Digest, settings: Session.Settings,
        secrets: SecretSource, wallNanoseconds: UInt64, stampsAbove: UInt64 = 0, now: Instant
    ) {
        sessions = Sessions(
            key: key, record: record, network: network, settings: settings, secrets: secrets,
            wallNanoseconds: wallNanoseconds, stampsAbove: stampsAbove, now: now)
        strangersMax = settings.sessionsMax / 2
        sightings = Sightings(told: record.endpoints)
        precondition(sessions.payloadByteCountMax >= Payload.byteCountMax, "every payload fits a datagram")
    }

    /// The highest timestamp of a handshake that has left.
    public var lastStamp: UInt64 { sessions.lastStamp }

    /// When to send `woke`, at the latest.
    public var deadline: Instant {
        var deadline = min(sessions.deadline, strangers.isEmpty ? .never : nextSweep)
        if let next = leaving.first { deadline = min(deadline, next.at) }
        for entry in waiting { deadline = min(deadline, entry.deadline) }
        for path in paths.list where isInUse(path) { deadline = min(deadline, path.retryAt) }
        return deadline
    }

    public func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .woke: wake(at: now, &actions)
        case .datagram(let bytes, let source):
            // No network delivers from there; a local sender could make it up.
            guard !source.isRelayed else { return count(.droppedNoRelay) }
            run(.datagram(bytes, from: source), at: now, &actions)
        case .send(let payload, let destination): send(payload, to: destination, at: now, &actions)
        case .hold(let node):
            held.insert(node)
            strangers[node] = nil
            leaving.removeAll { $0.node == node }
            keepAlive(node, at: now, &actions)
        case .release(let node):
            guard held.remove(node) != nil, sessions.endpoint(of: node) != nil else { return }
            strangers[node] = now
            nextSweep = min(nextSweep, now + Self.sweepPeriod)
            leaving.append((node, now + Self.linger))
        case .card(let card): run(.record(card), at: now, &actions)
        case .clock(let wallNanoseconds):
            run(.clock(wallNanoseconds: wallNanoseconds), at: now, &actions)
        }
    }

    /// Ends every session, for a clean stop.
    public func leave(at now: Instant, actions: inout [Action]) {
        held = []
        for node in sessions.openNodes { run(.close(node, code: 0), at: now, &actions) }
    }

    private func send(
        _ payload: [UInt8], to destination: Destination, at now: Instant, _ actions: inout [Action]
    ) {
        let node = destination.node
        if let place = sessions.endpoint(of: node) {
            let isStale =
                destination.opens && !held.contains(node)
                && sessions.isSilent(node, for: Self.staleAfter, at: now)
            guard isStale else {
                if place != destination.endpoint, !isRemoved(.sessionsAskAtHome) {
                    run(.meet(node, destination.endpoint), at: now, &actions)
                }
                return pass(payload, to: node, at: now, &actions)
            }
            run(.close(node, code: 0), at: now, &actions)
        }
        guard destination.opens else { return count(.droppedNoSession) }
        // A way over a relay that is gone: there is nothing to wait for.
        var mayRelay = destination.mayRelay
        var askAt = destination.endpoint.isRelayed ? now : now + Self.askAfter
        if let place = waiting.firstIndex(where: { $0.node == node }) {
            var isElsewhere = false
            mayRelay = mayRelay || waiting[place].mayRelay
            waiting[place].mayRelay = mayRelay
            switch waiting[place].approach {
            case .direct(let earlier):
                isElsewhere = waiting[place].endpoint != destination.endpoint
                askAt = min(askAt, earlier)
            case .called: return call(instead: place, destination, payload, askAt: askAt, at: now, &actions)
            case .asked, .introduced, .relayed: break
            }
            guard isElsewhere else {
                guard waiting[place].payloads.count < Self.waitingOfOneMax else {
                    return count(.droppedWaitingFull)
                }
                return waiting[place].payloads.append(payload)
            }
            // It may be elsewhere: try there instead.
            waiting.remove(at: place)
            run(.close(node, code: 0), at: now, &actions)
        }
        guard waiting.count < Self.waitingMax else { return count(.droppedWaitingFull) }
        waiting.append(
            Waiting(
                node: node, endpoint: destination.endpoint, mayRelay: mayRelay,
                until: now + Self.openPatience,
                payloads: [payload], approach: .direct(askAt: askAt)))
        run(.open(node, destination.endpoint), at: now, &actions)
    }

    /// Somebody else said where it is, which may not be true: this node's own call does not wait behind that one.
    private func call(
        instead place: Int, _ destination: Destination, _ payload: [UInt8], askAt: Instant, at now: Instant,
        _ actions: inout [Action]
    ) {
        waiting[place].approach = .direct(askAt: askAt)
        waiting[place].until = now + Self.openPatience
        waiting[place].payloads.append(payload)
        guard !destination.endpoint.isRelayed, waiting[place].endpoint != destination.endpoint else { return }
        waiting[place].endpoint = destination.endpoint
        run(.meet(destination.node, destination.endpoint), at: now, &actions)
    }

    private func pass(_ payload: [UInt8], to node: NodeID, at now: Instant, _ actions: inout [Action]) {
        var outbox: [Sessions.Action] = []
        do throws(Sessions.SendError) {
            try sessions.send(payload, to: node, at: now, actions: &outbox)
        } catch {
            return count(.droppedNoSession)
        }
        if strangers[node] != nil { strangers[node] = now }
        carryOut(outbox, at: now, &actions)
    }

    func run(_ event: Sessions.Event, at now: Instant, _ actions: inout [Action]) {
        var outbox: [Sessions.Action] = []
        sessions.handle(event, at: now, actions: &outbox)
        carryOut(outbox, at: now, &actions)
    }

    func carryOut(_ outbox: [Sessions.Action], at now: Instant, _ actions: inout [Action]) {
        for action in outbox {
            switch action {
            case .transmit(let bytes, let endpoint):
                guard endpoint.isRelayed else {
                    actions.append(.transmit(bytes, to: endpoint))
                    continue
                }
                transmit(bytes, over: endpoint, at: now, &actions)
            case .rendezvous(let node, let rendezvous):
                if strangers[node] != nil { strangers[node] = now }
                receive(rendezvous, from: node, at: now, &actions)
            case .opened(let node, _, _): opened(node, at: now, &actions)
            case .received(let node, let payload):
                if strangers[node] != nil { strangers[node] = now }
                guard let endpoint = sessions.endpoint(of: node) else { continue }
                actions.append(.payload(payload, from: node, endpoint))
            case .closed(let node, _):
                strangers[node] = nil
                leaving.removeAll { $0.node == node }
                desk.forget(node, at: now)
                if held.remove(node) != nil { actions.append(.lost(node)) }
                forgetWays(over: node, at: now, &actions)
            case .failed(let node, _):
                guard let place = waiting.firstIndex(where: { $0.node == node }) else { continue }
                count(.droppedNoAnswer, waiting.remove(at: place).payloads.count)
            case .observed(let seen, let node):
                guard let place = sessions.place(of: node), !seen.isRelayed, !place.isRelayed else {
                    continue
                }
                note(seen, by: place, at: now, &actions)
                actions.append(.observed(seen, by: node, place))
            case .keyLog(let line): actions.append(.keyLog(line))
            case .moved(let node, let endpoint):
                // Whatever it was before: a path that is none over a relay is never left for one.
                if !endpoint.isRelayed, paths.list.contains(where: { $0.node == node }) {
                    count(.relayReplaced)
                }
            case .renewed, .refused: break
            }
        }
    }

    private func opened(_ node: NodeID, at now: Instant, _ actions: inout [Action]) {
        count(.opened)
        if !held.contains(node) {
            if strangers.count >= strangersMax { displace(for: node, at: now, &actions) }
            strangers[node] = now
            nextSweep = min(nextSweep, now + Self.sweepPeriod)
        }
        keepAlive(node, at: now, &actions)
        guard let place = waiting.firstIndex(where: { $0.node == node }) else { return }
        note(waiting[place].approach, of: node)
        for payload in waiting.remove(at: place).payloads { pass(payload, to: node, at: now, &actions) }
    }

    private func displace(for newcomer: NodeID, at now: Instant, _ actions: inout [Action]) {
        var counts: [Prefix: Int] = [:]
        if let prefix = prefix(of: newcomer) { counts[prefix] = 1 }
        let all = strangers.map { (node: $0.key, heard: $0.value, prefix: prefix(of: $0.key)) }
        for case (_, _, let prefix?) in all { counts[prefix, default: 0] += 1 }
        func rank(_ stranger: (node: NodeID, heard: Instant, prefix: Prefix?)) -> (Int, Instant, NodeID) {
            (-(stranger.prefix.flatMap { counts[$0] } ?? 1), stranger.heard, stranger.node)
        }
        guard let oldest = all.min(by: { rank($0) < rank($1) }) else { return }
        count(.displaced)
        run(.close(oldest.node, code: 0), at: now, &actions)
    }

    /// Nil where an address says nothing of who is there.
    func prefix(of node: NodeID) -> Prefix? {
        guard let place = sessions.endpoint(of: node), !place.isLoopback, !place.isRelayed else { return nil }
        return Prefix(place)
    }

    private func wake(at now: Instant, _ actions: inout [Action]) {
        run(.woke, at: now, &actions)
        while let next = leaving.first, next.at <= now {
            leaving.removeFirst()
            run(.close(next.node, code: 0), at: now, &actions)
        }
        for entry in waiting where entry.until <= now {
            // Whoever wants it still will ask again.
            run(.close(entry.node, code: 0), at: now, &actions)
            waiting.removeAll { $0.node == entry.node }
        }
        approach(at: now, &actions)
        guard nextSweep <= now else { return }
        nextSweep = now + Self.sweepPeriod
        for node in strangers.filter({ now - $0.value >= Self.idleMax }).keys.sorted() {
            count(.closedIdle)
            run(.close(node, code: 0), at: now, &actions)
        }
    }

    func count(_ tally: Tally, _ amount: Int = 1) {
        tallies[Self.places[tally]!] += UInt64(amount)
    }

    private static let places: [Tally: Int] = Dictionary(
        uniqueKeysWithValues: Tally.allCases.enumerated().map { ($1, $0) })

    public subscript(tally: Tally) -> UInt64 { tallies[Self.places[tally]!] }

    /// Every counter with its name, in a fixed order.
    public var counters: [(name: String, value: UInt64)] {
        zip(Tally.allCases, tallies).map { ($0.rawValue, $1) } + sessions.counters
    }

    /// Every table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        sessions.gauges + [
            ("strangers", strangers.count, strangersMax), ("waiting", waiting.count, Self.waitingMax),
            ("relayPaths", paths.list.count, RelayPaths.countMax),
            ("relayedPairs", desk.pairCount, RendezvousDesk.pairsMax),
        ]
    }

    /// For tests and simulation, after each event.
    public func assertInvariants() {
        sessions.assertInvariants()
        for (name, value, limit) in gauges { precondition(value <= limit, name) }
        paths.assertInvariants()
        precondition(desk.askerCount <= sessions.openNodes.count, "who asks has a session")
        for node in strangers.keys {
            precondition(
                !held.contains(node) && sessions.endpoint(of: node) != nil, "a stranger's session is gone")
        }
        for entry in waiting {
            precondition(
                sessions.endpoint(of: entry.node) == nil && entry.payloads.count <= Self.waitingOfOneMax)
        }
    }
}
