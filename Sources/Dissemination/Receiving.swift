internal import Chance
internal import Identity
internal import Wire

// What arrives.
extension Dissemination {
    mutating func receive(_ frame: Frame, from peer: NodeID, at now: Instant, _ actions: inout [Action]) {
        switch frame {
        case .message(let octets):
            guard !octets.isEmpty else {
                count(.droppedMalformed)
                return charge(.malformed, to: peer, at: now, &actions)
            }
            receive(octets, Digest(of: octets), from: peer, at: now, &actions)
        case .chunk(let chunk): receive(chunk, from: peer, at: now, &actions)
        case .have(let ids):
            guard standing(of: peer, at: now) < .noGossip else { return count(.droppedUntrusted) }
            for id in ids {
                noteShown(id, by: peer)
                guard isWorthAsking(for: id, from: peer, at: now) else { continue }
                if !missing.add(id, from: peer, isAnnounced: true, at: now) { count(.droppedHaveFull) }
            }
        case .want(let ids):
            // Who is announced nothing any more may still ask for what it was announced: else it would call that broken.
            guard standing(of: peer, at: now) < .noPublish else { return count(.droppedUntrusted) }
            serve(ids, to: peer, at: now, &actions)
        case .records, .ping, .pong, .goodbye, .dial, .welcome, .refusal, .indirectPing, .indirectPong,
            .probe, .nearby, .reconciliation:
            count(.droppedMalformed)
        }
    }

    /// A whole message.
    private mutating func receive(
        _ octets: [UInt8], _ digest: Digest, from peer: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        guard let spread = Self.spread(ofTag: octets.first) else {
            settle(ShortID(digest))
            count(.delivered)
            return actions.append(.deliver(octets, digest, from: peer))
        }
        let id = ShortID(digest)
        noteShown(id, by: peer)
        guard !isDuplicate(id, from: peer, at: now) else { return count(.droppedDuplicate) }
        guard takes(spread, from: peer, at: now) else { return count(.droppedUntrusted) }
        if case .accepted = seen[id] {
            // Forwarded when it was accepted: this is an answer for the host alone.
            seen.set(id, .accepted(now))
        } else {
            guard pending.hasRoom(for: octets) else { return count(.droppedPendingFull) }
            pending.insert(
                HeldMessages.Held(octets: octets, digest: digest, spread: spread, source: peer, since: now))
            seen.set(id, .pending(now))
        }
        fulfil(id, by: peer, at: now, &actions)
        settle(id)
        count(.delivered)
        actions.append(.deliver(octets, digest, from: peer))
    }

    private mutating func receive(
        _ chunk: Chunk, from peer: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        let id = ShortID(chunk.message)
        guard !isDuplicate(id, from: peer, at: now) else { return count(.droppedChunkDuplicate) }
        switch reassembly.take(chunk, from: peer, at: now) {
        case .stored:
            // Should the rest not come, whoever sent this much is asked for it.
            if isWorthAsking(for: id, from: peer, at: now),
                !missing.add(id, from: peer, isAnnounced: false, at: now)
            {
                count(.droppedHaveFull)
            }
        // Whether it is taken decides itself there: until then, others' pieces and announcements stand.
        case .complete(let octets): receive(octets, chunk.message, from: peer, at: now, &actions)
        case .duplicate: count(.droppedChunkDuplicate)
        case .malformed:
            count(.droppedMalformed)
            charge(.malformed, to: peer, at: now, &actions)
        case .full: count(.droppedChunkFull)
        case .wrongDigest:
            // All of it came from this peer.
            count(.droppedWrongDigest)
            charge(.malformed, to: peer, at: now, &actions)
        }
    }

    private mutating func noteShown(_ id: ShortID, by peer: NodeID) {
        guard let place = peers.place(of: peer) else { return }
        peers.list[place].shown.insert(id)
        if peers.list[place].outbox.cancel(id) { count(.spared) }
    }

    /// Nothing of this message is needed any more.
    mutating func settle(_ id: ShortID) {
        missing.remove(id)
        reassembly.remove(id)
    }

    /// Whether a copy that comes now is one more of those in flight, and no answer to a question.
    private func isDuplicate(_ id: ShortID, from peer: NodeID, at now: Instant) -> Bool {
        switch seen[id] {
        case nil: false
        case .pending(let since): now - since < Self.judgementPatience
        case .accepted(let since):
            // A relay may push late, after repairs of its own; only whom we spoke to since may be answering.
            now - since < Self.acceptedQuiet || !wasAsked(peer, after: since, at: now)
        case .refused(let since): now - since < Self.refusedQuiet
        }
    }

    private func wasAsked(_ peer: NodeID, after since: Instant, at now: Instant) -> Bool {
        peers.place(of: peer).map { peers.list[$0].wasAsked(after: since, at: now) } ?? false
    }

    /// What was accepted is not asked for again; what was refused may have come too early.
    private func isWorthAsking(for id: ShortID, from peer: NodeID, at now: Instant) -> Bool {
        if case .accepted = seen[id] { return false }
        return !isDuplicate(id, from: peer, at: now)
    }
}
