internal import Chance
internal import Identity
internal import Rules
internal import Wire

// What probing hears: see `Probing.swift`.
extension Membership {
    mutating func hear(_ sender: NodeID, _ endpoint: Endpoint, at now: Instant) {
        guard let index = contacts.index(of: sender) else { return }
        contacts.hear(endpoint, at: index, now)
    }

    /// A peer's session may lead to another place than before, which is proven.
    mutating func follow(_ sender: NodeID, to endpoint: Endpoint) {
        guard let index = contacts.index(of: sender), var link = contacts.list[index].link,
            link.endpoint != endpoint
        else { return }
        link.endpoint = endpoint
        contacts.update(link, at: index)
    }

    /// Whether it came from a peer.
    mutating func answerPing(
        _ nonce: UInt64, from sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) -> Bool {
        guard let index = contacts.index(of: sender) else { return false }
        if var link = contacts.list[index].link {
            actions.append(.send(sender, endpoint, .pong(nonce: nonce)))
            // Whoever is always asked first never learns how long an answer takes: the next turn is then its own.
            link.turnAt = link.roundTrip.estimate == nil ? now + probeRound / 2 : nextTurn(at: now)
            contacts.update(link, at: index)
            hear(sender, endpoint, at: now)
            deadline = min(deadline, max(link.turnAt, prober.nextAt))
            return true
        }
        // It takes us for a peer: become one, or say that we are none.
        let contact = contacts.list[index]
        let mayCome = contact.isTrusted || hasRoomForCallers || isOwnChoice(index, at: now)
        if now >= contact.shunnedUntil, mayCome, appetite(at: now).wants(contact) {
            if isRemoved(.answersPings) {
                guard case .idle(let retryAt, let attempts) = contacts.list[index].phase else { return false }
                contacts.set(
                    .idle(retryAt: min(retryAt, now + settings.dialDelayMin), attempts: attempts), at: index)
                return false
            }
            // At once: it is there, and until we answer it counts on one that does not hear it. No faster than it asks,
            // and not for each of many at a time.
            guard nextAnswer <= now else { return false }
            if case .dialled(_, let at, _, _, _) = contacts.list[index].phase,
                now < at + settings.dialDelayMin
            {
                return false
            }
            nextAnswer = now + Self.dialPeriod
            dial(index, to: endpoint, at: now, &actions)
        } else {
            actions.append(.send(sender, endpoint, .goodbye))
        }
        return false
    }

    /// A late, forged or repeated answer names no open question and changes nothing.
    mutating func pong(
        _ nonce: UInt64, from sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) {
        if let place = prober.relays.firstIndex(where: {
            $0.nonce == nonce && $0.target == sender
        }) {
            let relay = prober.relays.remove(at: place)
            guard let link = contacts[relay.asker]?.link else { return }
            return actions.append(
                .send(relay.asker, link.endpoint, .indirectPong(nonce: relay.askersNonce, isAlive: true)))
        }
        guard let index = contacts.index(of: sender), var link = contacts.list[index].link,
            let echo = link.echo, echo.nonce == nonce
        else { return }
        if echo.isSingle { link.roundTrip.add(now - echo.at) }
        link.echo = nil
        link.hear(at: now)
        contacts.update(link, at: index)
        contacts.setProven(at: index)
        prober.improve()
    }

    mutating func relay(
        _ nonce: UInt64, to target: NodeID, _ place: Endpoint, for sender: NodeID, _ endpoint: Endpoint,
        at now: Instant, _ actions: inout [Action]
    ) {
        guard contacts[sender]?.link != nil, target != own.node, target != sender else { return }
        if let index = contacts.index(of: target) {
            doubt(index, at: now, &actions)
            if place == .nowhere, nonce != 0 { passOn(doubtAbout: index, of: sender, at: now, &actions) }
        }
        guard place != .nowhere, prober.relays.count < Prober.relaysMax,
            prober.relays.count(where: { $0.asker == sender }) < Prober.relaysOfOneMax
        else { return }
        let isKnown =
            contacts[target].map { $0.link?.endpoint == place || $0.endpoints.contains(place) } ?? false
        // A call takes a handshake: or else a peer could have us call anybody who is none of us.
        if !isKnown, !prober.relays.contains(where: { $0.target == target && $0.place == place }) {
            guard prober.nextBlindRelay <= now else { return }
            prober.nextBlindRelay = now + Prober.blindRelayPeriod
        }
        let relay = Prober.Relay(
            asker: sender, askersNonce: nonce, target: target, place: place, nonce: chance.bits(),
            until: now + Prober.relayPatience)
        prober.relays.append(relay)
        actions.append(.send(target, place, .probe(nonce: relay.nonce)))
    }

    /// What a helper found; it need not be true, and so decides nothing alone.
    mutating func relayed(
        _ nonce: UInt64, isAlive: Bool, by sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) {
        guard contacts[sender]?.link != nil,
            let index = contacts.list.firstIndex(where: { $0.link?.question?.nonce == nonce }),
            contacts.list[index].node != sender, var link = contacts.list[index].link,
            var question = link.question, question.stage != .direct
        else { return }
        if isAlive {
            prober.improve()
            guard link.detours + 1 < Prober.detoursMax else {
                actions.append(.send(contacts.list[index].node, link.endpoint, .goodbye))
                return disconnect(index, isRefused: true, at: now, &actions)
            }
            let detours = link.detours + 1
            link.hear(at: now)
            link.detours = detours
        } else if question.lastDenier != sender {
            question.lastDenier = sender
            question.denials += 1
            hasten(&question, at: now)
            link.question = question
        }
        contacts.update(link, at: index)
    }
}
