internal import Bytes
public import Chance
public import Identity
public import Wire

/// What passes under agreed keys.
extension Sessions {
    /// The largest payload; more is an error to who sends it.
    public var payloadByteCountMax: Int { settings.datagramByteCountMax - Packet.dataOverhead }

    /// Sends one payload, at most once and without any promise. Nothing changes upon an error.
    public func send(
        _ payload: [UInt8], to node: NodeID, at now: Instant, actions: inout [Action]
    ) throws(SendError) {
        guard payload.count <= payloadByteCountMax else {
            throw .tooLarge(byteCount: payload.count, limit: payloadByteCountMax)
        }
        try send(payload, .payload, to: node, at: now, &actions)
    }

    /// As a payload is sent; a forwarded datagram makes a larger one than any payload.
    public func send(
        _ rendezvous: Rendezvous, to node: NodeID, at now: Instant, actions: inout [Action]
    ) throws(SendError) {
        let body = rendezvous.encoded()
        precondition(body.count <= Packet.rendezvousByteCountMax, "every rendezvous fits a datagram")
        try send(body, .rendezvous, to: node, at: now, &actions)
    }

    private func send(
        _ body: [UInt8], _ kind: InnerKind, to node: NodeID, at now: Instant, _ actions: inout [Action]
    ) throws(SendError) {
        guard let peer = self[node], let current = peer.current, isAlive(current, at: now) else {
            throw .notOpen
        }
        actions.append(.transmit(current.seal(body, kind), to: peer.endpoint))
        noteSent(peer, current, at: now)
        if peer.unansweredSince == nil { peer.unansweredSince = now }
        update(peer)
    }

    func close(_ node: NodeID, code: UInt8, at now: Instant, _ actions: inout [Action]) {
        guard let peer = self[node] else { return }
        if let keypair = peer.current, isAlive(keypair, at: now) {
            var body = [UInt8](repeating: 0, count: Packet.controlBodyByteCount)
            body[0] = code
            actions.append(.transmit(keypair.seal(body, .close), to: peer.endpoint))
        }
        remove(peer)
        if peer.isOpen {
            actions.append(.closed(node, .closed))
        } else if peer.isWanted {
            actions.append(.failed(node, .closed))
        }
    }

    func isAlive(_ keypair: Keypair, at now: Instant) -> Bool { now - keypair.born < Self.rejectAfter }

    /// To the session's path.
    func noteSent(_ peer: Peer, _ keypair: Keypair, at now: Instant) {
        peer.lastSent = now
        peer.answerAt = .never
        noteUse(of: keypair, peer, at: now)
    }

    private func noteUse(of keypair: Keypair, _ peer: Peer, at now: Instant) {
        if keypair.nextCounter >= settings.rekeyAfterDatagrams { peer.rekeyAt = min(peer.rekeyAt, now) }
    }

    /// A control datagram of zeros, to the session's path.
    func transmit(
        _ kind: InnerKind, under keypair: Keypair, _ peer: Peer, at now: Instant, _ actions: inout [Action]
    ) {
        let body = [UInt8](repeating: 0, count: Packet.controlBodyByteCount)
        actions.append(.transmit(keypair.seal(body, kind), to: peer.endpoint))
        noteSent(peer, keypair, at: now)
    }

    /// The agreed key takes the place of the one in use.
    func promote(_ peer: Peer, at now: Instant, _ actions: inout [Action]) {
        guard let keypair = peer.next else { preconditionFailure("there is no key to promote") }
        forgetPrevious(peer)
        if let current = peer.current, isAlive(current, at: now) {
            peer.previous = current
        } else {
            forgetCurrent(peer)
        }
        peer.current = keypair
        peer.next = nil
        peer.rekeyAt =
            keypair.born + (keypair.isInitiator ? Self.rekeyAfterInitiator : Self.rekeyAfterResponder)
            + jitter(Self.rekeySpread)
        let known = peer.record
        peer.record = keypair.record
        let isNewPath = !keypair.isInitiator && keypair.handshakeEndpoint != peer.endpoint
        // The other side has the key, so the answer reached it: the address is proven.
        if isNewPath { peer.endpoint = keypair.handshakeEndpoint }
        if !peer.isOpen {
            peer.isOpen = true
            actions.append(.opened(peer.node, keypair.record, peer.endpoint))
        } else {
            if isNewPath { actions.append(.moved(peer.node, peer.endpoint)) }
            if known != keypair.record { actions.append(.renewed(peer.node, keypair.record)) }
        }
    }

    func receiveData(
        _ datagram: [UInt8], from source: Endpoint, at now: Instant, _ actions: inout [Action]
    ) {
        guard (Packet.dataOverhead...Packet.dataByteCountMax).contains(datagram.count) else {
            return drop(.malformed)
        }
        let index: UInt32 = Packet.integer(datagram, at: 4)
        guard let peer = peer(ofIndex: index), let keypair = peer.keypair(ofIndex: index) else {
            return drop(.unknownIndex)
        }
        let life = keypair === peer.next ? Self.halfOpenLife : Self.rejectAfter
        guard now - keypair.born < life else { return drop(.expired) }
        let isFirst = !keypair.isConfirmed
        switch keypair.open(datagram) {
        case .replayed: drop(.replayed)
        case .forged: drop(.forged)
        case .plain(let body, let kind, let isHighest):
            hear(peer, keypair, isFirst: isFirst, at: now, &actions)
            // Not for less than it costs: a short payload waits for the next keepalive.
            let isLarge = datagram.count >= Packet.dataOverhead + Packet.controlBodyByteCount
            let isBetter = source != peer.endpoint && (peer.endpoint.isRelayed || !source.isRelayed)
            if isLarge && isHighest && keypair === peer.current && isBetter {
                challenge(peer, keypair, source, isMeeting: false, at: now, &actions)
            }
            read(body, kind, peer, keypair, from: source, at: now, &actions)
            if self[peer.node] === peer { update(peer) }
        }
    }

    /// Something authentic came under this key.
    private func hear(
        _ peer: Peer, _ keypair: Keypair, isFirst: Bool, at now: Instant, _ actions: inout [Action]
    ) {
        peer.unansweredSince = nil
        guard isFirst, keypair !== peer.previous else { return }
        if keypair === peer.next {
            promote(peer, at: now, &actions)
            // The initiator waits for this.
            if !keypair.isInitiator { transmit(.keepalive, under: keypair, peer, at: now, &actions) }
        }
        peer.confirmation = nil
        forgetDial(peer)
        peer.redialAt = .never
        peer.attempts = 0
    }

    private func read(
        _ body: [UInt8], _ kind: UInt8, _ peer: Peer, _ keypair: Keypair, from source: Endpoint,
        at now: Instant, _ actions: inout [Action]
    ) {
        guard let kind = InnerKind(rawValue: kind),
            kind == .payload || kind == .rendezvous || body.count == Packet.controlBodyByteCount
        else { return drop(.badInner) }
        switch kind {
        case .payload:
            if peer.answerAt == .never { peer.answerAt = now + Self.answerPayloadAfter }
            actions.append(.received(peer.node, body))
        case .rendezvous:
            guard let rendezvous = try? Rendezvous(decoding: body) else { return drop(.badInner) }
            if peer.answerAt == .never { peer.answerAt = now + Self.answerPayloadAfter }
            actions.append(.rendezvous(peer.node, rendezvous))
        case .keepalive:
            // Only this way round, so that no keepalive answers an answer.
            guard !keypair.isInitiator, keypair === peer.current, peer.lastSent < now else { return }
            transmit(.keepalive, under: keypair, peer, at: now, &actions)
        case .pathChallenge:
            actions.append(.transmit(keypair.seal(body, .pathResponse), to: source))
            // Elsewhere it is no word on the session's path, and keeps no translator's entry for that.
            guard source == peer.endpoint else { return noteUse(of: keypair, peer, at: now) }
            noteSent(peer, keypair, at: now)
        case .pathResponse:
            guard let challenge = peer.challenges.first(where: { $0.endpoint == source }),
                now - challenge.sent < Self.challengePeriod, challenge.octets.equalsInConstantTime(body)
            else { return drop(.badPathResponse) }
            peer.challenges = []
            peer.endpoint = source
            actions.append(.moved(peer.node, source))
        case .close:
            // Of what was before the call that `next` answers, which overtook it on the way: that call stands.
            if let next = peer.next, !next.isInitiator, keypair !== next { return drop(.overtakenClose) }
            remove(peer)
            actions.append(.closed(peer.node, .closedByPeer(code: body[0])))
        }
    }

    /// Somebody whom both know says where it sees this node, and to it where it sees us; or its card says where it is.
    func meet(_ node: NodeID, _ endpoint: Endpoint, at now: Instant, _ actions: inout [Action]) {
        guard let peer = self[node] else { return open(node, endpoint, at: now, &actions) }
        if peer.isOpen {
            guard peer.endpoint.isRelayed || peer.unansweredSince != nil, endpoint != peer.endpoint,
                !endpoint.isRelayed, let current = peer.current, isAlive(current, at: now)
            else { return }
            challenge(peer, current, endpoint, isMeeting: true, at: now, &actions)
            return update(peer)
        }
        // Its call has come through already.
        guard peer.next == nil else { return open(node, endpoint, at: now, &actions) }
        peer.isWanted = true
        peer.endpoint = endpoint
        peer.attempts = 0
        dial(peer, at: now, &actions)
    }

    /// Asks an address whether the peer is there: where a datagram came from, with never more octets than came.
    private func challenge(
        _ peer: Peer, _ keypair: Keypair, _ place: Endpoint, isMeeting: Bool, at now: Instant,
        _ actions: inout [Action]
    ) {
        peer.challenges.removeAll { now - $0.sent >= Self.challengePeriod }
        // Places that others name leave room for the one that a datagram comes from.
        let alike = peer.challenges.count { $0.isMeeting == isMeeting }
        guard alike < (isMeeting ? Self.meetingsMax : 1),
            !peer.challenges.contains(where: { $0.endpoint == place })
        else { return }
        let octets = secrets.octets(Packet.controlBodyByteCount)
        peer.challenges.append(
            Peer.Challenge(octets: octets, endpoint: place, sent: now, isMeeting: isMeeting))
        actions.append(.transmit(keypair.seal(octets, .pathChallenge), to: place))
        noteUse(of: keypair, peer, at: now)
    }
}
