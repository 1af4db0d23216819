internal import Bytes
internal import Chance
internal import Identity
internal import Node
internal import Session
internal import Wire

/// How what hosts say gets to others: in sealed worlds in real sessions, else in the clear, where the world itself
/// vouches for who speaks.
extension World {
    /// No payload as short as this carries a signature or a piece of a message: pings and their like, of which there are
    /// most, are not looked into.
    private static let smallByteCountMax = 32

    /// What the host's own node says, past whoever stands between it and the network.
    func leave(_ payload: [UInt8], to destination: Destination, from index: Int) {
        let host = hosts[index]
        let id = population.ids[index]
        guard !host.isHonest || payload.count > Self.smallByteCountMax else {
            return say(payload, [], as: id, to: destination, from: index)
        }
        guard let datagram = Datagram(network: network.prefix, sender: id, payload: payload) else {
            // Whoever hears such a thing charges it, and soon hears the speaker no more.
            if host.isHonest {
                witness.report("malformed", "says what cannot be read", at: now, host: index)
            }
            return
        }
        guard !host.isHonest else {
            witness.heard(datagram.frames, by: id, host: index, of: host, at: now) {
                self.verify([$0]).holdsEntirely
            }
            return say(payload, datagram.frames, as: id, to: destination, from: index)
        }
        var scene = scene(of: index)
        host.adversary!.send(datagram, to: destination.endpoint, scene: &scene)
        leave(scene, from: index)
    }

    func leave(_ scene: Scene, from index: Int) {
        for (bytes, endpoint) in scene.outbox {
            guard let datagram = try? Datagram(decoding: bytes.octetBytes) else {
                transport(bytes, to: endpoint, from: index)
                continue
            }
            let receiver = Network.host(at: endpoint)?.host
            let id = receiver.flatMap { $0 < plan.hosts ? population.ids[$0] : nil } ?? datagram.sender
            say(
                Array(bytes[Datagram.headByteCount...]), datagram.frames, as: datagram.sender,
                to: Destination(id, endpoint, opens: true), from: index)
        }
        for (rendezvous, node) in scene.introductions { introduce(rendezvous, to: node, by: index) }
        for transmission in scene.transmissions { radiate(transmission, by: index) }
    }

    /// Past the carrier, which would not say it.
    private func introduce(_ rendezvous: Rendezvous, to node: NodeID, by index: Int) {
        guard let sessions = hosts[index].carrier?.sessions else { return }
        var actions: [Sessions.Action] = []
        try? sessions.send(
            rendezvous, to: node, at: hosts[index].clock.reading(at: now), actions: &actions)
        for case .transmit(let bytes, let endpoint) in actions { transport(bytes, to: endpoint, from: index) }
        rearm(index)
    }

    private func say(
        _ payload: [UInt8], _ frames: [Frame], as speaker: NodeID, to destination: Destination,
        from index: Int
    ) {
        guard !isHidden(frames, to: destination.endpoint) else { return }
        guard plan.sealed else {
            if population.numbers[speaker] == nil, inventors[speaker] == nil { inventors[speaker] = index }
            let bytes = Datagram.close(payload, network: network.prefix, sender: speaker)
            return transport(bytes, to: destination.endpoint, from: index)
        }
        guard speaker != population.ids[index] else {
            return carry(.send(payload, to: destination), by: index)
        }
        guard let alias = alias(speaker, of: index) else { return }
        carry(.send(payload, to: destination), by: alias, at: index)
    }

    private func transport(_ bytes: [UInt8], to endpoint: Endpoint, from index: Int) {
        guard !isForSpoofer(bytes, to: endpoint, from: index) else { return }
        checkCall(bytes, to: endpoint, by: index)
        var arrivals: [Arrival] = []
        let drawn = links.send(bytes, from: index, to: endpoint, at: now, &arrivals)
        if let drawn { trace(index) { .init("sent", "", to: drawn.to, fate: drawn.fate) } }
        for arrival in arrivals {
            add(
                .datagram(arrival.bytes, from: arrival.source, life: hosts[arrival.host].life),
                to: arrival.host, at: arrival.at)
        }
    }

    // MARK: Coming in

    func receive(_ bytes: [UInt8], from source: Endpoint, at index: Int) {
        let host = hosts[index]
        guard !plan.sealed else {
            trace(index) { .init("datagram", "\(bytes.count) octets", from: Self.number(of: source)) }
            guard let carrier = host.carrier else { return }
            carry(.datagram(bytes, from: source), by: carrier, at: index)
            // Each takes what is meant for it.
            for alias in host.aliases { carry(.datagram(bytes, from: source), by: alias, at: index) }
            return
        }
        trace(index) { .init("datagram", Self.describe(bytes), from: Self.number(of: source)) }
        guard let (sender, payload) = Datagram.open(bytes, network: network.prefix),
            isGenuine(sender, at: source)
        else { return }
        receive(payload, from: sender, source, at: index)
    }

    private static func number(of endpoint: Endpoint) -> Int { Int(endpoint.ipv4 ?? 0) >> 8 & 0xFFFF }

    /// Nobody speaks for a host but itself, nor for one that a host has made up.
    private func isGenuine(_ sender: NodeID, at source: Endpoint) -> Bool {
        guard let owner = population.numbers[sender] ?? inventors[sender] else { return true }
        return Network.host(at: source)?.host == owner
    }

    private func receive(_ payload: [UInt8], from sender: NodeID, _ place: Endpoint, at index: Int) {
        let host = hosts[index]
        guard sender != population.ids[index] else { return }
        if spread.isOn, payload.count > Self.smallByteCountMax, let from = population.numbers[sender],
            let known = try? Payload(decoding: payload.octetBytes)
        {
            spread.deliver(known.frames, from: from, to: index, at: now)
        }
        if !host.isHonest, !passes(payload, from: sender, place, at: index) { return }
        handle(.payload(payload, from: sender, place), at: index)
    }

    /// Whether the host's adversary lets its node hear it.
    private func passes(_ payload: [UInt8], from sender: NodeID, _ place: Endpoint, at index: Int) -> Bool {
        guard let datagram = Datagram(network: network.prefix, sender: sender, payload: payload) else {
            return true
        }
        var scene = scene(of: index)
        let passes = hosts[index].adversary!.receive(datagram, from: place, scene: &scene)
        leave(scene, from: index)
        return passes
    }

    // MARK: Sessions

    /// Peers, and as many strangers; more where edge nodes are strangers to all validators.
    private var sessionsMax: Int { 64 + 16 * plan.edges / plan.validators }

    func carrier(of index: Int, card: NodeRecord) -> Carrier {
        let seed = population.seeds[index]
        return carrier(SecretSeed(octets: seed.octetBytes), card: card, of: index)
    }

    private func carrier(_ seed: SecretSeed, card: NodeRecord, of index: Int) -> Carrier {
        let host = hosts[index]
        var settings = Session.Settings()
        let sessionsMax = isEdge(index) ? 64 : sessionsMax
        settings.sessionsMax = sessionsMax
        settings.slotsKeptForDials = sessionsMax / 4
        // Any time that rises over a host's lives.
        return Carrier(
            key: seed.exchangeKey, record: card, network: network, settings: settings,
            secrets: .simulated(host.chance.split()),
            wallNanoseconds: UInt64(host.life) << 50 + UInt64(now.nanoseconds),
            now: host.clock.reading(at: now))
    }

    /// Sessions of one that the host's adversary has made up.
    private func alias(_ speaker: NodeID, of index: Int) -> Carrier? {
        let host = hosts[index]
        if let known = host.aliases.first(where: { $0.sessions.node == speaker }) { return known }
        guard let seed = host.backdrop?.seeds[speaker] else { return nil }
        let card = NodeRecord(
            node: speaker, sequence: 1, roles: [.hotspot, .validator],
            endpoints: [Network.endpoint(of: min(index, plan.hosts - 1))], region: nil, version: 1
        ).signed(by: SigningKey(seed: seed.octetBytes), network: network)
        let alias = carrier(SecretSeed(octets: seed.octetBytes), card: card, of: index)
        host.aliases.append(alias)
        return alias
    }

    func carry(_ event: Carrier.Event, by index: Int) {
        guard let carrier = hosts[index].carrier else { return }
        carry(event, by: carrier, at: index)
    }

    func wakeCarriers(of index: Int) {
        carry(.woke, by: index)
        for alias in hosts[index].aliases { carry(.woke, by: alias, at: index) }
    }

    private func carry(_ event: Carrier.Event, by carrier: Carrier, at index: Int) {
        let host = hosts[index]
        defer { rearm(index) }
        var actions: [Carrier.Action] = []
        carrier.handle(event, at: host.clock.reading(at: now), actions: &actions)
        if !isLarge { carrier.assertInvariants() }
        let isOwn = carrier === host.carrier
        if isOwn, case .datagram(let bytes, _) = event {
            let takes = actions.contains { if case .payload = $0 { true } else { false } }
            checkSessions(of: index, carrier, tookFrom: takes ? bytes : nil)
        }
        for action in actions {
            switch action {
            case .transmit(let bytes, let endpoint): transport(bytes, to: endpoint, from: index)
            case .payload(let payload, let sender, let place):
                trace(index) {
                    .init("payload", Self.describe(payload: payload), from: Self.number(of: place))
                }
                guard isOwn else {
                    _ = passes(payload, from: sender, place, at: index)
                    continue
                }
                receive(payload, from: sender, place, at: index)
            case .lost(let node):
                injected["sessionLost", default: 0] += 1
                if isOwn { handle(.lost(node), at: index) }
            case .observed(let seen, let node, let place):
                if isOwn { handle(.observed(seen, by: node, place), at: index) }
            case .keyLog: break
            }
        }
    }

    // MARK: Hidden votes

    /// Whether a fault keeps this vote, or what it led to, from its receiver.
    private func isHidden(_ frames: [Frame], to endpoint: Endpoint) -> Bool {
        guard links.isFaulty, let receiver = Network.host(at: endpoint)?.host else { return false }
        let faults = links.faults(.splitVotes).filter { $0.hosts.contains(receiver) }
        guard !faults.isEmpty else { return false }
        for case .message(let octets) in frames {
            guard let message = try? Message(decoding: octets),
                faults.contains(where: { hides($0, message, from: receiver) })
            else { continue }
            injected["votesHidden", default: 0] += 1
            return true
        }
        return false
    }

    private func hides(_ fault: Fault, _ message: Message, from receiver: Int) -> Bool {
        let ballot: Ballot
        switch message {
        case .vote(let vote): ballot = vote.ballot
        case .certificate(let certificate): ballot = certificate.ballot
        case .proposal(let proposal):
            // It carries the nullification of the view before.
            guard proposal.view > 1 else { return false }
            ballot = .nullify(proposal.header.epoch, proposal.view - 1)
        default: return false
        }
        var chance = Chance(seed: plan.seed ^ ballot.epoch << 32 ^ UInt64(ballot.view))
        var order = fault.hosts
        chance.shuffle(&order)
        let few = max(1, (plan.validators - 1) / 3)
        return switch ballot {
        case .notarize: fault.amount == 0 && !order.prefix(few).contains(receiver)
        case .nullify: fault.amount == 1 && ballot.view % 2 == 1 && order.suffix(few).contains(receiver)
        case .finalize: false
        }
    }
}
