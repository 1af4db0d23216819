internal import Bytes
internal import Chance
internal import Identity
internal import Rules
internal import Wire

/// The responder's side of handshakes. Each step costs more than the one before, and is taken only after it.
extension Sessions {
    func receiveInitiation(
        _ datagram: [UInt8], from source: Endpoint, at now: Instant, _ actions: inout [Action]
    ) {
        guard datagram.count == Packet.initiationByteCount else { return drop(.malformed) }
        let mac1 = Array(datagram[Packet.initiationMac1..<Packet.initiationMac2])
        guard
            ownKeys.mac1(datagram[..<Packet.initiationMac1]).equalsInConstantTime(mac1) || isRemoved(.mac1)
        else { return drop(.badMac1) }
        let remoteIndex: UInt32 = Packet.integer(datagram, at: 4)
        guard admit(datagram, mac1, remoteIndex, from: source, at: now, &actions) else { return }
        let message = datagram[Packet.initiationHead..<Packet.initiationMac1]
        answersBegun += 1
        guard remoteIndex != 0,
            let responder = NoiseIK.respond(own: own, prologue: prologue, to: message),
            let greeting = try? Greeting(decoding: responder.payload)
        else { return drop(.badInitiation) }
        guard timestamps.advance(responder.theirStatic, to: greeting.timestamp) else {
            return drop(.replayedInitiation)
        }
        let node = greeting.record.node
        guard node != record.node else { return drop(.ownInitiation) }
        guard node.exchangeKey == responder.theirStatic, isGenuine(greeting.record, of: self[node]) else {
            return drop(.badRecord)
        }
        if let peer = self[node] {
            guard greeting.timestamp > peer.lastTimestamp else { return drop(.replayedInitiation) }
            guard yields(to: peer, from: source, at: now) else { return drop(.simultaneous) }
        }
        answer(responder, greeting, remoteIndex, from: source, at: now, &actions)
    }

    /// Whether the source may make us work. Keeps nothing of a source that did not prove its address.
    private func admit(
        _ datagram: [UInt8], _ mac1: [UInt8], _ remoteIndex: UInt32, from source: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) -> Bool {
        let isLoaded = admission.isLoaded(settings: settings, pending: halfOpenCount, at: now)
        let mac2 = Array(datagram[Packet.initiationMac2...])
        let claimsProof = mac2.contains { $0 != 0 }
        guard isLoaded || claimsProof else { return true }
        jar.rotate(secrets: secrets, at: now)
        if claimsProof && jar.honours(mac2, over: datagram[..<Packet.initiationMac2], from: source) {
            // Only here: who forges addresses could else use up the allowance of any.
            guard admission.admits(source, settings: settings, at: now) else {
                drop(.prefixLimited)
                return false
            }
            return true
        }
        guard isLoaded else { return true }
        drop(.unproven)
        let nonce = secrets.octets(WideCipher.nonceByteCount)
        var reply = Packet.head(.cookieReply, capacity: Packet.cookieReplyByteCount)
        Packet.append(remoteIndex, to: &reply)
        reply += nonce
        reply += WideCipher.seal(
            jar.cookie(for: source), key: ownKeys.cookie, nonce: nonce, authenticating: mac1)
        precondition(reply.count == Packet.cookieReplyByteCount)
        actions.append(.transmit(reply, to: source))
        return false
    }

    /// Of two handshakes under way at one time, whether the peer's goes on.
    ///
    /// The lower id never forgets its own: the higher forgets its when the lower's comes, and an answer that came before
    /// makes it drop the lower's. So of two that are both answered one is left.
    private func yields(to peer: Peer, from source: Endpoint, at now: Instant) -> Bool {
        if let dial = peer.dial {
            if record.node < peer.node {
                // Our call reaches it soon, if it is where we call. Others may have told us a place where it is not.
                return dial.endpoint != source || now - peer.dialStarted >= Self.insistence
            }
            forgetDial(peer)
            peer.redialAt = now + Self.insistence + jitter(Self.attemptJitter)
            return true
        }
        // Ours was answered: the peer sent this before, or it would have forgotten its own.
        if let unconfirmed = peer.unconfirmed, now - unconfirmed.born < Self.insistence { return false }
        return true
    }

    private func answer(
        _ responder: NoiseIK.Responder, _ greeting: Greeting, _ remoteIndex: UInt32, from source: Endpoint,
        at now: Instant, _ actions: inout [Action]
    ) {
        let theirs = greeting.record
        let ephemeral = ExchangeKey(ephemeral: secrets.octets(ExchangeKey.byteCount).octetBytes)
        let welcome = Welcome(record: record, observed: source, wallNanoseconds: wallClock(at: now)).encoded()
        guard let (message, outcome) = responder.finish(ephemeral: ephemeral, payload: welcome) else {
            return drop(.badInitiation)
        }
        guard
            let peer = self[theirs.node]
                ?? insert(theirs.node, responder.theirStatic, source, isWanted: false)
        else { return drop(.tableFull) }
        peer.lastTimestamp = greeting.timestamp
        forgetNext(peer)
        if peer.current?.isConfirmed ?? true { peer.confirmation = nil }
        let index = drawIndex(for: peer)
        let keypair = Keypair(
            localIndex: index, remoteIndex: remoteIndex, isInitiator: false, born: now, endpoint: source,
            record: theirs, outcome: outcome)
        peer.next = keypair
        if settings.logsKeys { actions.append(.keyLog(keypair.keyLogLine)) }
        var datagram = Packet.head(.response, capacity: Packet.responseByteCountMax)
        Packet.append(remoteIndex, to: &datagram)
        Packet.append(index, to: &datagram)
        datagram += message
        datagram += peer.keys.mac1(datagram[...])
        precondition(datagram.count <= Packet.responseByteCountMax)
        actions.append(.transmit(datagram, to: source))
        update(peer)
    }
}
