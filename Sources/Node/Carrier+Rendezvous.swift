import Chance
public import Identity
import Session
public import Wire

/// How a node comes to one that it cannot reach.
///
/// - Upon a call that was not answered for a second: ask up to three validators with whom there is a session, others the
///   next time, to introduce us. Peers first: what a stranger says that it is costs nothing.
/// - Upon being asked for an introduction to a peer or a validator, by whoever has a session and not too often: tell
///   each of the two where this node sees the other. That is a place from which the asker speaks in this very session,
///   so nobody sends another to a place of his choice. Where an edge node is no stranger learns so.
/// - Upon being told where somebody is: whoever asked calls at once, and so does a peer of who tells; four at once and
///   then twice a second at most, as a call takes a handshake of 1,200 octets. Of several answers each has a second.
///   No word that was not asked for takes the place of a call of this node's own. Translators let in what comes from where
///   something was sent to: of two calls at one time the later one gets through (RFC 5128, section 3.3).
/// - Upon no session 2.5 s after that, with one that must be reached, as members of the committee and uplinks must: dial
///   over one that introduced us. It hands on what either says to the other, as long
///   as it is a validator, one of the two is its peer, and they do not say too much; and sees nothing but datagrams of a
///   session that is not its own. No way leads over two relays.
/// - While a session leads over a relay: every minute, ask it for an introduction again; both ask the other's place
///   whether it is there, and go over to it when it answers.
/// - Behind a translator: sessions that are held say something every 15 s.
extension Carrier {
    /// How far the search for a way to somebody has come.
    enum Approach {
        /// Called where it is said to be; others are asked at the time.
        case direct(askAt: Instant)
        case asked
        /// Called where one of these sees it, which is the last, until another's answer has its turn or it is worth a relay.
        case introduced(by: [NodeID], nextAt: Instant, relayAt: Instant)
        case relayed
        /// Somebody else wants it: called once, for the translator's sake.
        case called

        var deadline: Instant {
            switch self {
            case .direct(let instant): instant
            case .introduced(_, let nextAt, let relayAt): min(nextAt, relayAt)
            case .asked, .relayed, .called: .never
            }
        }
    }

    static let askAfter: Duration = .seconds(1)
    static let askedMax = 3
    /// How long an answer is tried alone.
    static let answerPeriod: Duration = .seconds(1)
    /// Two attempts, and their answers.
    static let relayAfter: Duration = .milliseconds(2_500)
    static let directRetryPeriod: Duration = .seconds(60)

    // MARK: Who wants a way

    /// What time does to searches.
    func approach(at now: Instant, _ actions: inout [Action]) {
        for node in waiting.filter({ $0.approach.deadline <= now }).map(\.node) {
            guard let place = waiting.firstIndex(where: { $0.node == node }) else { continue }
            switch waiting[place].approach {
            case .direct: ask(place, at: now, &actions)
            case .introduced(let helpers, _, let relayAt) where relayAt <= now:
                relayTurn = (relayTurn + 1) % 1_024
                waiting[place].approach = .relayed
                waiting[place].until = now + Self.openPatience
                guard let way = way(to: node, over: helpers[relayTurn % helpers.count], at: now, &actions)
                else {
                    count(.droppedNoRelay)
                    continue
                }
                run(.meet(node, way), at: now, &actions)
            case .introduced: callNext(place, at: now, &actions)
            case .asked, .relayed, .called: break
            }
        }
        for path in paths.list where path.retryAt <= now {
            paths.retry(.relayed(path.number), at: now + Self.directRetryPeriod)
            guard isInUse(path) else { continue }
            say(.introduce(path.node), to: path.relay, at: now, &actions)
        }
    }

    func isInUse(_ path: RelayPaths.Path) -> Bool {
        sessions.endpoint(of: path.node) == .relayed(path.number)
    }

    private func ask(_ place: Int, at now: Instant, _ actions: inout [Action]) {
        let node = waiting[place].node
        let open = sessions.openNodes.filter {
            $0 != node && sessions.endpoint(of: $0)?.isRelayed == false
        }
        let validators = open.filter { sessions.roles(of: $0).contains(.validator) }
        let known = validators.isEmpty ? open : validators
        guard !known.isEmpty else {
            waiting[place].approach = .direct(askAt: now + Self.askAfter)
            return
        }
        var helpers: [NodeID] = []
        for known in [known.filter(held.contains), known.filter { !held.contains($0) }] where !known.isEmpty {
            for step in 0..<min(known.count, Self.askedMax - helpers.count) {
                helpers.append(known[(askTurn + step) % known.count])
            }
        }
        askTurn = (askTurn + helpers.count) % 1_024
        waiting[place].approach = .asked
        waiting[place].asked = helpers
        waiting[place].until = now + Self.openPatience
        count(.introductionsAsked)
        for helper in helpers { say(.introduce(node), to: helper, at: now, &actions) }
    }

    func note(_ approach: Approach, of node: NodeID) {
        switch approach {
        case .direct, .asked, .called: break
        case .introduced, .relayed:
            count(sessions.endpoint(of: node)?.isRelayed == true ? .metRelayed : .metDirectly)
        }
    }

    /// The way to a node over a relay, made if there is none; nil if there is no room for it.
    ///
    /// For a new one the way gives way that nobody speaks over, else a stranger's, of these the one that was silent for
    /// longest. Never one over which a peer is spoken to or somebody is called: whoever knows the relay makes new ones.
    private func way(
        to node: NodeID, over relay: NodeID, at now: Instant, _ actions: inout [Action]
    ) -> Endpoint? {
        if let known = paths.endpoint(of: node, over: relay) {
            paths.use(known, at: now)
            return known
        }
        if let crowd = paths.crowd(over: relay) {
            let spare = crowd.filter { !isNeeded($0) }
            func rank(_ path: RelayPaths.Path) -> (Int, Instant, UInt64) {
                (isInUse(path) ? 1 : 0, path.usedAt, path.number)
            }
            guard let oldest = spare.min(by: { rank($0) < rank($1) }) else { return nil }
            if isInUse(oldest) { run(.close(oldest.node, code: 0), at: now, &actions) }
            paths.remove(oldest)
        }
        return paths.add(node, over: relay, retryAt: now + Self.directRetryPeriod, at: now)
    }

    private func isNeeded(_ path: RelayPaths.Path) -> Bool {
        sessions.place(of: path.node) == .relayed(path.number)
            && (held.contains(path.node) || waiting.contains { $0.node == path.node })
    }

    /// There is no session with this one any more, so no way leads over it.
    func forgetWays(over relay: NodeID, at now: Instant, _ actions: inout [Action]) {
        let ways = paths.list.filter { $0.relay == relay }
        paths.forget(relay: relay)
        for way in ways where sessions.place(of: way.node) == .relayed(way.number) {
            // Now, and not when its silence is noticed: whoever needs it looks for another way.
            run(.close(way.node, code: 0), at: now, &actions)
        }
    }

    private func say(
        _ rendezvous: Rendezvous, to node: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        var outbox: [Sessions.Action] = []
        do throws(Sessions.SendError) {
            try sessions.send(rendezvous, to: node, at: now, actions: &outbox)
        } catch {
            return count(.droppedNoSession)
        }
        carryOut(outbox, at: now, &actions)
    }

    /// Sends what leads to a node over a relay.
    func transmit(_ bytes: [UInt8], over way: Endpoint, at now: Instant, _ actions: inout [Action]) {
        guard let path = paths[way], sessions.endpoint(of: path.relay)?.isRelayed == false,
            bytes.count <= Rendezvous.datagramByteCountMax
        else { return count(.droppedNoRelay) }
        paths.use(way, at: now)
        say(.forward(bytes, to: path.node), to: path.relay, at: now, &actions)
    }

    // MARK: Who is asked

    func receive(
        _ rendezvous: Rendezvous, from sender: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        switch rendezvous {
        case .introduce(let node): introduce(sender, to: node, at: now, &actions)
        case .meet(let node, let endpoint): meet(node, endpoint, by: sender, at: now, &actions)
        case .forward(let bytes, let node): forward(bytes, from: sender, to: node, at: now, &actions)
        case .forwarded(let bytes, let node):
            // A new way only from whom we chose, and for a call: else whoever has a session could fill the table.
            let isKnown = paths.endpoint(of: node, over: sender) != nil
            let isTaken =
                isKnown
                || held.contains(sender) && (Sessions.isCall(bytes) || sessions.endpoint(of: node) != nil)
            guard node != sessions.node, node != sender, isTaken,
                let way = way(to: node, over: sender, at: now, &actions)
            else { return count(.droppedForward) }
            run(.datagram(bytes, from: way), at: now, &actions)
        }
    }

    private func introduce(
        _ asker: NodeID, to node: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        // Who knows an edge node's key alone must not learn from it where the node is (protocol §4).
        let isOpenToAll = held.contains(node) || sessions.roles(of: node).contains(.validator)
        guard asker != node, isOpenToAll,
            let one = sessions.endpoint(of: asker), let other = sessions.endpoint(of: node),
            !one.isRelayed, !other.isRelayed,
            desk.introduces(asker, to: node, isHeld: held.contains(asker), at: now)
        else { return count(.droppedIntroduction) }
        count(.introductions)
        say(.meet(asker, one), to: node, at: now, &actions)
        say(.meet(node, other), to: asker, at: now, &actions)
    }

    private func forward(
        _ bytes: [UInt8], from sender: NodeID, to node: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        guard sender != node, sessions.roles(of: sessions.node).contains(.validator),
            held.contains(sender) || held.contains(node),
            sessions.endpoint(of: sender)?.isRelayed == false,
            sessions.endpoint(of: node)?.isRelayed == false,
            desk.forwards(
                bytes.count, from: sender, to: node, held: held,
                prefix: prefix(of: held.contains(sender) ? node : sender), at: now)
        else { return count(.droppedForward) }
        count(.forwarded)
        say(.forwarded(bytes, from: sender), to: node, at: now, &actions)
    }

    private func meet(
        _ node: NodeID, _ endpoint: Endpoint, by helper: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        guard !endpoint.isRelayed, !endpoint.isUnspecified, endpoint.port != 0, node != sessions.node else {
            return count(.droppedIntroduction)
        }
        if let way = sessions.endpoint(of: node) {
            // A small question of that place, no call.
            if way.isRelayed, held.contains(helper) || paths.endpoint(of: node, over: helper) != nil {
                run(.meet(node, endpoint), at: now, &actions)
            }
            return
        }
        if let place = waiting.firstIndex(where: { $0.node == node }) {
            guard waiting[place].asked.contains(helper) else { return }
            waiting[place].asked.removeAll { $0 == helper }
            waiting[place].answers.append((helper, endpoint))
            if case .asked = waiting[place].approach { callNext(place, at: now, &actions) }
            return
        }
        guard held.contains(helper), waiting.count < Self.waitingMax, desk.calls(at: now) else {
            return count(.droppedIntroduction)
        }
        count(.introductionsFollowed)
        waiting.append(
            Waiting(
                node: node, endpoint: endpoint, mayRelay: false, until: now + Self.openPatience, payloads: [],
                approach: .called))
        run(.meet(node, endpoint), at: now, &actions)
    }

    /// Calls where the next answer says that is another than the last; looks again a second later.
    private func callNext(_ place: Int, at now: Instant, _ actions: inout [Action]) {
        var helpers: [NodeID] = []
        var relayAt = waiting[place].mayRelay ? now + Self.relayAfter : .never
        if case .introduced(let earlier, _, let due) = waiting[place].approach {
            helpers = earlier
            relayAt = due
        }
        var next: Endpoint?
        while next == nil, !waiting[place].answers.isEmpty {
            let answer = waiting[place].answers.removeFirst()
            if helpers.isEmpty || answer.endpoint != waiting[place].endpoint { next = answer.endpoint }
            helpers.append(answer.helper)
        }
        waiting[place].approach = .introduced(by: helpers, nextAt: now + Self.answerPeriod, relayAt: relayAt)
        guard let next else { return }
        waiting[place].until = now + Self.openPatience
        waiting[place].endpoint = next
        run(.meet(waiting[place].node, next), at: now, &actions)
    }

    // MARK: Behind a translator

    /// What stands between this node and the others.
    public var translation: Translation { sightings.translation }

    /// Where most of the others see it.
    public var seenAt: Endpoint? { sightings.common?.seen }

    func note(_ seen: Endpoint, by place: Endpoint, at now: Instant, _ actions: inout [Action]) {
        let before = translation.needsKeepalive
        sightings.note(seen, by: place)
        guard translation.needsKeepalive != before else { return }
        for node in held.sorted() { keepAlive(node, at: now, &actions) }
    }

    func keepAlive(_ node: NodeID, at now: Instant, _ actions: inout [Action]) {
        guard held.contains(node) else { return }
        run(.behindNAT(node, translation.needsKeepalive), at: now, &actions)
    }

    /// Over whom the session with a node leads; nil if over nobody.
    public func relay(of node: NodeID) -> NodeID? {
        sessions.endpoint(of: node).flatMap { paths[$0]?.relay }
    }
}
