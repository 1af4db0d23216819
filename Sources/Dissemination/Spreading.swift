internal import Chance
internal import Identity
internal import Wire

// What leaves: own messages, relayed ones, announcements, and answers to `want`.
extension Dissemination {
    mutating func connect(_ peer: NodeID, at now: Instant) {
        guard peers.place(of: peer) == nil else { return }
        precondition(peers.count < Self.peersMax, "the active view is smaller")
        var newcomer = Peers.Peer()
        if let allowance = left.take(peer) { newcomer.allowance = allowance }
        if standing(of: peer, at: now) < .noGossip {
            newcomer.haves = kept.newest(Self.greetingMax) {
                $0.spread != .consensus && now - $0.since <= Self.keptAge - Self.greetingLeft
            }
        }
        if !newcomer.haves.isEmpty { newcomer.haveDue = now + Self.haveDelay }
        peersDue = min(peersDue, newcomer.due)
        peers.insert(newcomer, peer)
    }

    mutating func disconnect(_ peer: NodeID, at now: Instant) {
        guard let place = peers.place(of: peer) else { return }
        left.keep(peers.list[place].allowance, of: peer, at: now)
        peers.remove(at: place)
        missing.remove(peer: peer)
        reassembly.remove(peer: peer)
    }

    mutating func publish(_ octets: [UInt8], _ spread: Class, at now: Instant, _ actions: inout [Action]) {
        checkSize(octets)
        count(.published)
        let digest = Digest(of: octets)
        if Self.spread(ofTag: octets.first) != nil {
            let id = ShortID(digest)
            pending.remove(id)
            settle(id)
            seen.set(id, .accepted(now))
            keep(octets, digest, spread, source: nil, at: now)
        } else {
            for place in peers.indices { peers.list[place].asked = now }
        }
        for place in peers.indices where gives(spread, to: place, at: now) {
            push(octets, digest, spread, to: place, at: now, &actions)
        }
    }

    mutating func accept(_ id: ShortID, at now: Instant, _ actions: inout [Action]) {
        // Late, repeated, or of a message that is not gossip: nothing waits for it.
        guard let held = pending.remove(id) else { return }
        count(.accepted)
        seen.set(id, .accepted(now))
        keep(held.octets, held.digest, held.spread, source: held.source, at: now)
        if let source = held.source, let place = peers.place(of: source) {
            // Valid and new: a busy network is no flood.
            switch held.spread {
            case .consensus: peers.list[place].allowance.giveBack(held.octets.count, .consensus)
            case .transaction: peers.list[place].allowance.giveBack(held.octets.count, .talk)
            case .evidence: break
            }
        }
        var others = peers.indices.filter {
            peers.ids[$0] != held.source && !peers.list[$0].shown.contains(id)
                && gives(held.spread, to: $0, at: now)
        }
        if held.spread != .consensus {
            let relays = relayPeers(for: held.octets.count)
            if others.count > relays {
                chance.shuffle(&others)
                for place in others[relays...] { announce(id, to: place, at: now) }
                others.removeSubrange(relays...)
            }
        }
        for place in others { push(held.octets, held.digest, held.spread, to: place, at: now, &actions) }
    }

    private func relayPeers(for byteCount: Int) -> Int {
        if byteCount > Self.largeByteCount { return Self.relayPeersOfLarge }
        let isBurst = peers.list.contains { $0.haves.count >= Self.burst }
        return isBurst ? Self.relayPeersOfBurst : Self.relayPeers
    }

    private mutating func keep(
        _ octets: [UInt8], _ digest: Digest, _ spread: Class, source: NodeID?, at now: Instant
    ) {
        kept.insert(
            HeldMessages.Held(octets: octets, digest: digest, spread: spread, source: source, since: now))
    }

    private mutating func push(
        _ octets: [UInt8], _ digest: Digest, _ spread: Class, to place: Int, at now: Instant,
        _ actions: inout [Action]
    ) {
        count(.pushed)
        if spread == .consensus, octets.count <= Frame.messageByteCountMax {
            actions.append(.send(peers.ids[place], .message(octets)))
        } else {
            enqueue(octets, digest, to: place, at: now, &actions)
        }
    }

    mutating func enqueue(
        _ octets: [UInt8], _ digest: Digest, to place: Int, at now: Instant, _ actions: inout [Action]
    ) {
        switch peers.list[place].outbox.add(octets, digest) {
        case .queued: flush(place, at: now, &actions)
        case .alreadyQueued: count(.droppedAlreadyQueued)
        case .full: count(.droppedQueueFull)
        }
    }

    private mutating func flush(_ place: Int, at now: Instant, _ actions: inout [Action]) {
        for frame in peers.list[place].outbox.flush(at: now) {
            if case .chunk = frame { count(.chunksSent) }
            actions.append(.send(peers.ids[place], frame))
        }
        peersDue = min(peersDue, peers.list[place].outbox.deadline)
    }

    private mutating func announce(_ id: ShortID, to place: Int, at now: Instant) {
        guard standing(of: peers.ids[place], at: now) < .noGossip else { return count(.droppedUntrusted) }
        guard peers.list[place].haves.count < Self.havesMax else { return count(.droppedAnnouncementFull) }
        peers.list[place].haves.append(id)
        peers.list[place].haveDue = min(peers.list[place].haveDue, now + Self.haveDelay)
        peersDue = min(peersDue, now + Self.haveDelay)
    }

    mutating func serve(_ ids: [ShortID], to peer: NodeID, at now: Instant, _ actions: inout [Action]) {
        guard let place = peers.place(of: peer) else { return }
        for id in ids {
            guard let held = kept[id] else {
                count(.droppedUnservable)
                continue
            }
            count(.served)
            enqueue(held.octets, held.digest, to: place, at: now, &actions)
        }
    }

    // MARK: Time

    mutating func wake(at now: Instant, _ actions: inout [Action]) {
        if peersDue <= now {
            for place in peers.indices {
                if peers.list[place].outbox.deadline <= now { flush(place, at: now, &actions) }
                if peers.list[place].haveDue <= now { sendHaves(to: place, &actions) }
            }
            peersDue = peers.due
        }
        ask(at: now, &actions)
        if nextSweep <= now {
            nextSweep = now + Self.sweepPeriod
            kept.expire(at: now)
            let unjudged = pending.count
            pending.expire(at: now)
            count(.droppedUnjudged, unjudged - pending.count)
            count(.droppedIncomplete, reassembly.expire(at: now))
        }
    }

    private mutating func sendHaves(to place: Int, _ actions: inout [Action]) {
        let shown = peers.list[place].shown
        let ids = peers.list[place].haves.filter { !shown.contains($0) }
        peers.list[place].haves = []
        peers.list[place].haveDue = .never
        count(.announced, ids.count)
        for start in stride(from: 0, to: ids.count, by: Frame.idsMax) {
            let some = Array(ids[start..<min(start + Frame.idsMax, ids.count)])
            actions.append(.send(peers.ids[place], .have(some)))
        }
    }

    /// Asks for what is due, one advertiser a message, many messages a frame.
    private mutating func ask(at now: Instant, _ actions: inout [Action]) {
        var questions: [NodeID: [ShortID]] = [:]
        defer {
            for (peer, since) in missing.takeBroken() { breach(by: peer, since: since, at: now, &actions) }
        }
        while let (id, peer) = missing.nextDue(at: now) {
            if let progress = reassembly.progress(of: id, from: peer) {
                // A direct message cannot be asked for by id; its host asks. So this peer says, and no other.
                if let tag = reassembly.firstOctet(of: id, from: peer), Self.spread(ofTag: tag) == nil {
                    missing.remove(peer, of: id)
                    continue
                }
                // Its chunks are coming. What others send is nothing that this one has to answer for.
                if now - progress < MissingMessages.patience {
                    missing.noteComing(id)
                    continue
                }
            }
            missing.noteAsked(id, of: peer, at: now)
            questions[peer, default: []].append(id)
        }
        for peer in peers.ids {
            guard let ids = questions[peer] else { continue }
            count(.wanted, ids.count)
            for start in stride(from: 0, to: ids.count, by: Frame.idsMax) {
                actions.append(.send(peer, .want(Array(ids[start..<min(start + Frame.idsMax, ids.count)]))))
            }
        }
    }
}
