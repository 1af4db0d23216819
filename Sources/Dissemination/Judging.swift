public import Chance
public import Identity
internal import Wire

// What peers are good for, by what they did.
extension Dissemination {
    public func standing(of peer: NodeID, at now: Instant) -> Scores.Standing {
        scores.standing(of: peer, at: now)
    }

    /// The peer's standing if its datagram is within what it may say, and counts it. Nil: it must not be looked at.
    public mutating func admits(
        _ byteCount: Int, _ lane: Lane, from peer: NodeID, at now: Instant, actions: inout [Action]
    ) -> Scores.Standing? {
        guard let place = peers.place(of: peer) else { return standing(of: peer, at: now) }
        if peers.list[place].allowance.takes(byteCount, lane, at: now) { return standing(of: peer, at: now) }
        count(.droppedExcess)
        let times = peers.list[place].allowance.exceed(by: byteCount)
        if times > 0 { charge(.excess, times: times, to: peer, at: now, &actions) }
        return nil
    }

    mutating func charge(
        _ fault: Scores.Fault, times: Int = 1, to peer: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        guard chargesFaults, peers.place(of: peer) != nil else { return }
        switch fault {
        case .badSignature: count(.faultsBadSignature)
        case .malformed: count(.faultsMalformed)
        case .hostileSketch: count(.faultsHostileSketch)
        case .brokenPromise: count(.faultsBrokenPromise)
        case .excess: count(.faultsExcess, times)
        }
        let before = standing(of: peer, at: now)
        scores.charge(peer, fault, times: times, at: now)
        if before < .ignored, standing(of: peer, at: now) == .ignored { actions.append(.ignored(peer)) }
    }

    /// Votes pass whatever else a peer has done, and evidence to and from who has a seat: a leader that lacks what others hold
    /// would cost them a view at each of its turns.
    func gives(_ spread: Class, to place: Int, at now: Instant) -> Bool {
        isNeeded(spread, peers.ids[place]) || standing(of: peers.ids[place], at: now) < .noPublish
    }

    private func isNeeded(_ spread: Class, _ peer: NodeID) -> Bool {
        switch spread {
        case .consensus: true
        case .evidence: needed.contains(peer)
        case .transaction: false
        }
    }

    /// What the host asked for is taken from anyone whom it asks.
    func takes(_ spread: Class, from peer: NodeID, at now: Instant) -> Bool {
        guard standing(of: peer, at: now) >= .noPublish, !isNeeded(spread, peer) else { return true }
        guard let place = peers.place(of: peer) else { return false }
        return peers.list[place].wasAsked(after: .origin, at: now)
    }

    // MARK: Promises

    /// It came, and if this peer was asked for it, it kept its word. Who was asked as often as any loss needs and did not
    /// give it, has not.
    mutating func fulfil(_ id: ShortID, by peer: NodeID, at now: Instant, _ actions: inout [Action]) {
        guard let outcome = missing.outcome(of: id, givenBy: peer) else { return }
        if outcome.isFulfilled, let place = peers.place(of: peer) {
            peers.list[place].promises = min(peers.list[place].promises + 1, Self.promisesForgivenMax)
        }
        for other in outcome.breakers { breach(by: other, since: outcome.since, at: now, &actions) }
    }

    /// Nobody who was silent ever since is blamed: it may be gone, or the way to it.
    mutating func breach(by peer: NodeID, since: Instant, at now: Instant, _ actions: inout [Action]) {
        guard let place = peers.place(of: peer), peers.list[place].heard > since else { return }
        guard peers.list[place].promises == 0 else { return peers.list[place].promises -= 1 }
        charge(.brokenPromise, to: peer, at: now, &actions)
    }
}
