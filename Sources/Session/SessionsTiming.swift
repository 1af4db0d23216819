internal import Chance
internal import Identity
internal import Wire

/// What the passing of time does.
extension Sessions {
    func wake(at now: Instant, _ actions: inout [Action]) {
        guard now >= nextWake else { return }
        // Whom it is done to may be removed by it, and another then stands in its place.
        for slot in taken.sorted() {
            guard let peer = slots[slot], peer.due <= now else { continue }
            fire(peer, at: now, &actions)
        }
        nextWake = taken.reduce(.never) { min($0, slots[$1]!.due) }
    }

    private func fire(_ peer: Peer, at now: Instant, _ actions: inout [Action]) {
        expire(peer, at: now)
        guard peer.isOpen || peer.isWanted || peer.next != nil else {
            drop(.halfOpenExpired)
            return remove(peer)
        }
        confirm(peer, at: now, &actions)
        if let current = peer.current {
            let needsKeepalive = peer.isBehindNAT || settings.isBehindNAT
            if now >= peer.answerAt || needsKeepalive && now >= peer.lastSent + Self.keepalivePeriod {
                transmit(.keepalive, under: current, peer, at: now, &actions)
            }
        }
        peer.answerAt = now >= peer.answerAt ? .never : peer.answerAt
        if let dial = peer.dial {
            return now >= dial.nextAttempt ? attempt(peer, at: now, &actions) : update(peer)
        }
        if now >= peer.redialAt || needsDial(peer, at: now) { return dial(peer, at: now, &actions) }
        update(peer)
    }

    /// Wipes keys whose time is over.
    private func expire(_ peer: Peer, at now: Instant) {
        if let next = peer.next, now - next.born >= Self.halfOpenLife { forgetNext(peer) }
        if let previous = peer.previous, !isAlive(previous, at: now) { forgetPrevious(peer) }
        if let current = peer.current, !isAlive(current, at: now) { forgetCurrent(peer) }
        if peer.unconfirmed == nil { peer.confirmation = nil }
    }

    /// The initiator says again that it has the key.
    private func confirm(_ peer: Peer, at now: Instant, _ actions: inout [Action]) {
        guard let confirmation = peer.confirmation, now >= confirmation.at, let keypair = peer.unconfirmed
        else { return }
        transmit(.keepalive, under: keypair, peer, at: now, &actions)
        let delay = min(confirmation.delay * 2, Self.confirmDelayMax)
        peer.confirmation = Peer.Confirmation(at: now + delay, delay: delay)
    }

    /// Whether a handshake is due and none is under way.
    private func needsDial(_ peer: Peer, at now: Instant) -> Bool {
        guard peer.next == nil else { return false }
        guard let current = peer.current else { return peer.redialAt == .never }
        if !current.isConfirmed && now - current.born >= Self.confirmPatience { return true }
        if now >= peer.rekeyAt { return true }
        return peer.unansweredSince.map { now - $0 >= Self.silenceMax } ?? false
    }
}
