internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// The initiator's side of handshakes.
extension Sessions {
    func open(_ node: NodeID, _ endpoint: Endpoint, at now: Instant, _ actions: inout [Action]) {
        if let peer = self[node] {
            guard !peer.isOpen, !peer.isWanted else { return }
            // It has called us already; its key is likely to be confirmed before ours would be.
            peer.isWanted = true
            peer.redialAt = now + Self.insistence
            return update(peer)
        }
        guard node != record.node, let key = node.exchangeKey else {
            return actions.append(.failed(node, .badIdentity))
        }
        guard let peer = insert(node, key, endpoint, isWanted: true) else {
            return actions.append(.failed(node, .tableFull))
        }
        dial(peer, at: now, &actions)
    }

    /// Begins anew, with the attempts that are left. The peer may be gone afterwards.
    func dial(_ peer: Peer, at now: Instant, _ actions: inout [Action]) {
        peer.dialStarted = now
        attempt(peer, at: now, &actions)
    }

    /// Sends an initiation in place of the last one. The peer may be gone afterwards.
    func attempt(_ peer: Peer, at now: Instant, _ actions: inout [Action]) {
        forgetDial(peer)
        peer.redialAt = .never
        guard peer.attempts < settings.attemptsMax else { return giveUp(peer, at: now, &actions) }
        let ephemeral = ExchangeKey(ephemeral: secrets.octets(ExchangeKey.byteCount).octetBytes)
        let greeting = Greeting(timestamp: stamp(at: now), record: record)
        guard
            let (message, noise) = NoiseIK.initiate(
                own: own, responder: peer.key, prologue: prologue, ephemeral: ephemeral,
                payload: greeting.encoded())
        else {
            peer.outcome = .badIdentity
            return giveUp(peer, at: now, &actions)
        }
        let delay = min(Self.attemptDelayMin * (1 << min(peer.attempts, 8)), Self.attemptDelayMax)
        peer.attempts += 1
        let index = drawIndex(for: peer)
        var datagram = Packet.head(.initiation, capacity: Packet.initiationByteCount)
        Packet.append(index, to: &datagram)
        datagram += message
        let mac1 = peer.keys.mac1(datagram[...])
        datagram += mac1
        let cookie = peer.cookie.flatMap { now - $0.received < CookieJar.cookieLifetime ? $0.octets : nil }
        datagram +=
            cookie.map { mac(datagram[...], key: $0) } ?? [UInt8](repeating: 0, count: Packet.macByteCount)
        precondition(datagram.count == Packet.initiationByteCount)
        peer.dial = Peer.Dial(
            index: index, noise: noise, mac1: mac1, hasProof: cookie != nil, endpoint: peer.endpoint,
            sent: now, nextAttempt: now + delay + jitter(Self.attemptJitter))
        actions.append(.transmit(datagram, to: peer.endpoint))
        update(peer)
    }

    /// All attempts are used up.
    private func giveUp(_ peer: Peer, at now: Instant, _ actions: inout [Action]) {
        guard peer.isOpen else {
            if let next = peer.next, !next.isInitiator {
                // It called us: this may still succeed, and ends when the key does.
                return update(peer)
            }
            remove(peer)
            return actions.append(.failed(peer.node, peer.outcome))
        }
        let isSilent = peer.unansweredSince.map { now - $0 >= Self.silenceMax } ?? false
        guard let current = peer.current, current.isConfirmed, !isSilent else {
            remove(peer)
            return actions.append(.closed(peer.node, .dead))
        }
        // The old key lives, and nothing says that the peer does not.
        peer.attempts = 0
        peer.redialAt = now + Self.attemptDelayMin
        update(peer)
    }

    /// Nanoseconds since 1970, but always more than the last time.
    private func stamp(at now: Instant) -> UInt64 {
        lastStamp = max(lastStamp &+ 1, wallClock(at: now))
        return lastStamp
    }

    /// Nanoseconds since 1970, as far as this node knows.
    func wallClock(at now: Instant) -> UInt64 {
        let passed = UInt64(max(0, (now - wallSet).nanoseconds))
        let (sum, overflow) = wallNanoseconds.addingReportingOverflow(passed)
        return overflow ? 0 : sum
    }

    func receiveResponse(_ datagram: [UInt8], at now: Instant, _ actions: inout [Action]) {
        let least = Packet.responseHead + NoiseIK.secondOverhead + Packet.macByteCount
        guard (least...Packet.responseByteCountMax).contains(datagram.count) else { return drop(.malformed) }
        let message = datagram[..<(datagram.count - Packet.macByteCount)]
        guard ownKeys.mac1(message).equalsInConstantTime(Array(datagram[message.endIndex...])) else {
            return drop(.badMac1)
        }
        let index: UInt32 = Packet.integer(datagram, at: 4)
        let remoteIndex: UInt32 = Packet.integer(datagram, at: 8)
        guard let peer = peer(ofIndex: index), let dial = peer.dial, dial.index == index else {
            return drop(.unknownIndex)
        }
        guard remoteIndex != 0, let outcome = dial.noise.finish(message[Packet.responseHead...]) else {
            return drop(.badResponse)
        }
        guard let welcome = try? Welcome(decoding: outcome.payload), welcome.record.node == peer.node,
            isGenuine(welcome.record, of: peer)
        else {
            peer.outcome = .badRecord
            return drop(.badRecord)
        }
        peer.dial = nil
        // Whatever was said halfway was said, as far as we know, in the middle.
        let doubt = (now - dial.sent) / 2
        let ours = wallClock(at: dial.sent + doubt)
        let ahead = Int64(truncatingIfNeeded: welcome.wallNanoseconds &- ours)
        peer.clock = ClockReading(ahead: .nanoseconds(ahead), doubt: doubt)
        let keypair = Keypair(
            localIndex: index, remoteIndex: remoteIndex, isInitiator: true, born: now,
            endpoint: dial.endpoint, record: welcome.record, outcome: outcome)
        if settings.logsKeys { actions.append(.keyLog(keypair.keyLogLine)) }
        actions.append(.observed(welcome.observed, by: peer.node))
        forgetNext(peer)
        peer.redialAt = .never
        peer.next = keypair
        if peer.current.map({ !$0.isConfirmed || !isAlive($0, at: now) }) ?? true {
            promote(peer, at: now, &actions)
        }
        peer.confirmation = Peer.Confirmation(
            at: now + Self.confirmDelayMin, delay: Self.confirmDelayMin)
        transmit(.keepalive, under: keypair, peer, at: now, &actions)
        update(peer)
    }

    func receiveCookie(_ datagram: [UInt8], at now: Instant, _ actions: inout [Action]) {
        guard datagram.count == Packet.cookieReplyByteCount else { return drop(.malformed) }
        let index: UInt32 = Packet.integer(datagram, at: 4)
        guard let peer = peer(ofIndex: index), let dial = peer.dial, dial.index == index else {
            return drop(.unknownIndex)
        }
        let nonceEnd = Packet.cookieReplyHead + WideCipher.nonceByteCount
        guard
            let cookie = WideCipher.open(
                Array(datagram[nonceEnd...]), key: peer.keys.cookie,
                nonce: Array(datagram[Packet.cookieReplyHead..<nonceEnd]), authenticating: dial.mac1)
        else { return drop(.badCookie) }
        peer.cookie = (cookie, now)
        peer.outcome = .cookieOnly
        // At once, but not again if the proof was not enough: the timer does that.
        if !dial.hasProof { attempt(peer, at: now, &actions) }
    }

    /// Whether the peer signed this record. What was checked once is not checked again.
    func isGenuine(_ record: NodeRecord, of peer: Peer?) -> Bool {
        if let peer, peer.record == record { return true }
        let preimage = SigningDomain.record.preimage(
            network: network, message: record.signedBytes.octetBytes)
        return record.node.signed(preimage.octetBytes, with: record.signature)
    }
}
