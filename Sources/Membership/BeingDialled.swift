internal import Chance
internal import Identity
internal import Wire

// Dials of others, and what others answer to ours.
extension Membership {
    mutating func receiveDial(
        _ record: NodeRecord, isUrgent: Bool, from sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) {
        guard sender != own.node, record.node == sender else { return }
        learn(record, from: endpoint, isOwn: true, at: now)
        guard let index = contacts.index(of: sender) else {
            return refuse(sender, endpoint, at: now, &actions)
        }
        if let link = contacts.list[index].link {
            if record.life > link.life { restart(index, endpoint, at: now, &actions) }
        } else if isTurningTooOften(index, at: now) {
            return refuse(sender, endpoint, at: now, &actions)
        } else if now >= contacts.list[index].shunnedUntil,
            let way = wayIn(index, endpoint, isUrgent: isUrgent, at: now, &actions)
        {
            // Whoever gave way may have moved it. If both dial at once, both have chosen; but for its place nobody was.
            let place = contacts.index(of: sender)!
            let isChosen = isOwnChoice(place, at: now)
            noteTurn(place, at: now)
            connect(
                place, endpoint, isOutbound: isChosen, isPressing: way == .forced, at: now, &actions)
        } else if now >= contacts.list[index].shunnedUntil,
            mayJoinAsNear(index, endpoint, at: now, &actions)
        {
            let place = contacts.index(of: sender)!
            noteTurn(place, at: now)
            connect(place, endpoint, isOutbound: false, isNear: true, at: now, &actions)
        } else {
            return refuse(sender, endpoint, at: now, &actions)
        }
        actions.append(.send(sender, endpoint, .welcome(sample(for: sender, withOwn: true))))
    }

    /// Between two refusals of strangers of whom nothing is kept that tell of others.
    static let tellingPeriod: Duration = .milliseconds(50)

    /// A refusal is four times as long as a dial, and asks for a walk over all cards. An honest node repeats no dial as soon.
    private mutating func refuse(
        _ sender: NodeID, _ endpoint: Endpoint, at now: Instant, _ actions: inout [Action]
    ) {
        if let index = contacts.index(of: sender) {
            guard contacts.list[index].refusableAt <= now else { return }
            contacts.set(refusableAt: now + settings.dialDelayMin / 2, at: index)
        } else {
            guard nextTelling <= now else { return actions.append(.send(sender, endpoint, .refusal([]))) }
            nextTelling = now + Self.tellingPeriod
        }
        actions.append(.send(sender, endpoint, .refusal(sample(for: sender, withOwn: mayHaveExpired))))
    }

    /// In the long run, how often a node becomes a peer because it says so, by a dial after a goodbye or as started anew; and how
    /// often at once. Every time all that is kept of it begins anew, its allowances too.
    static let turnPeriod: Duration = .seconds(2)
    static let turnsAtOnce = 5

    func isTurningTooOften(_ index: Int, at now: Instant) -> Bool {
        contacts.list[index].admittedUntil - now > Self.turnPeriod * (Self.turnsAtOnce - 1)
    }

    mutating func noteTurn(_ index: Int, at now: Instant) {
        contacts.set(admittedUntil: max(contacts.list[index].admittedUntil, now) + Self.turnPeriod, at: index)
    }

    /// Between two of the committee or the list, of those that did not come so themselves, that give way to an urgent one.
    static let yieldPeriod: Duration = .seconds(300)

    private enum WayIn {
        /// There was room, or a stranger made it.
        case open
        /// One of the committee or the list made it.
        case forced
    }

    /// Whether there is room for it; somebody may give way.
    private mutating func wayIn(
        _ index: Int, _ endpoint: Endpoint, isUrgent: Bool, at now: Instant, _ actions: inout [Action]
    ) -> WayIn? {
        let isTrusted = contacts.list[index].isTrusted
        guard isTrusted || hasRoom(inPrefixOf: endpoint) else { return nil }
        let hasRoom = contacts.activeCount < settings.activeMax
        if isTrusted {
            if hasRoom { return .open }
            if strangersToSpare > 0 { return dismissStranger(at: now, &actions) ? .open : nil }
        } else if hasRoom, hasRoomForCallers {
            return .open
        }
        guard isUrgent, nextSwap <= now else { return nil }
        nextSwap = now + jittered(settings.swapPeriod)
        if dismissStranger(at: now, &actions) { return .open }
        guard isTrusted || activeStrangers < settings.activeMax / 4 else { return nil }
        return dismissTrusted(at: now, &actions) ? .forced : nil
    }

    /// Of strangers that came by themselves or are near, some places stay free for those chosen among all.
    var hasRoomForUnchosen: Bool {
        let unchosen = contacts.active.count {
            !contacts.list[$0].isTrusted && contacts.list[$0].link?.isChosen == false
        }
        return unchosen < settings.activeMax - settings.outboundMin
    }

    /// In a small network everybody is a peer, whoever dialled.
    var hasRoomForCallers: Bool { isSmall || hasRoomForUnchosen }

    func hasRoom(inPrefixOf endpoint: Endpoint) -> Bool {
        guard let prefix = settings.prefix(of: endpoint) else { return true }
        let ofPrefix = contacts.active.count {
            contacts.list[$0].link?.isStranger == true
                && settings.prefix(of: contacts.list[$0].home) == prefix
        }
        return ofPrefix < Self.activeOfPrefixMax
    }

    /// Lets a random stranger go: if possible one that came of its own accord or is near. None of the few of our own choice;
    /// false if nobody may go.
    private mutating func dismissStranger(at now: Instant, _ actions: inout [Action]) -> Bool {
        let strangers = contacts.active.filter { !contacts.list[$0].isTrusted }
        var may = strangers.filter { contacts.list[$0].link?.isChosen == false }
        if may.isEmpty, contacts.chosenCount > settings.outboundMin { may = strangers }
        guard !may.isEmpty else { return false }
        dismiss(may[chance.below(may.count)], at: now, &actions)
        return true
    }

    /// That somebody is urgent is its word alone, and some of the committee lie: who came in this way is the first to give
    /// way to the next, so that all of them win one place together; and anybody else seldom, so that who leaves its place
    /// for others to take wins little by it. Those of our own choice go last.
    private mutating func dismissTrusted(at now: Instant, _ actions: inout [Action]) -> Bool {
        var may = contacts.active.filter { contacts.list[$0].link?.isPressing == true }
        if may.isEmpty {
            guard nextYield <= now else { return false }
            may = contacts.active.filter { contacts.list[$0].link?.isChosen == false }
            if may.isEmpty { may = contacts.active }
            guard !may.isEmpty else { return false }
            nextYield = now + Self.yieldPeriod
        }
        dismiss(may[chance.below(may.count)], at: now, &actions)
        return true
    }

    mutating func dismiss(_ index: Int, at now: Instant, _ actions: inout [Action]) {
        let contact = contacts.list[index]
        actions.append(
            .send(contact.node, contact.link!.endpoint, .refusal(sample(for: contact.node, withOwn: false))))
        disconnect(index, isRefused: true, at: now, &actions)
    }

    // MARK: Answers

    mutating func receiveWelcome(
        _ records: [NodeRecord], from sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let card = records.first, card.node == sender, sender != own.node else { return }
        guard let index = contacts.index(of: sender) else {
            // It must not take us for a peer.
            return actions.append(.send(sender, endpoint, .goodbye))
        }
        let isCalledBack: Bool
        switch contacts.list[index].phase {
        case .active(let link):
            learn(card, from: endpoint, at: now)
            if card.life > link.life {
                restart(index, endpoint, at: now, &actions)
            } else {
                hear(sender, endpoint, at: now)
            }
            return
        case .dialled(_, let at, _, _, let isCalled):
            guard now < at + Self.answerPatience else { fallthrough }
            isCalledBack = isCalled
        case .idle: return actions.append(.send(sender, endpoint, .goodbye))
        }
        contacts.setProven(at: index)
        for record in records { learn(record, from: endpoint, at: now) }
        guard let index = contacts.index(of: sender), contacts.list[index].record != nil else { return }
        let isTrusted = contacts.list[index].isTrusted
        let isNear = nearness.dialled == sender
        if isNear { nearness.dialled = nil }
        var hasRoom = contacts.activeCount < settings.activeMax
        if isNear {
            hasRoom = makeRoomForNear(index, at: now, &actions)
        } else if !hasRoom, isTrusted, strangersToSpare > 0 {
            hasRoom = dismissStranger(at: now, &actions)
        }
        if isCalledBack, !isTrusted, !hasRoomForCallers { hasRoom = false }
        guard hasRoom, isTrusted || self.hasRoom(inPrefixOf: endpoint) else {
            contacts.set(refusals: contacts.list[index].refusals + 1, at: index)
            contacts.set(.idle(retryAt: now + refusalDelay(of: index), attempts: 0), at: index)
            return actions.append(.send(sender, endpoint, .goodbye))
        }
        connect(
            contacts.index(of: sender)!, endpoint, isOutbound: !isCalledBack, isNear: isNear, at: now,
            &actions)
    }

    mutating func receiveRefusal(
        _ records: [NodeRecord], from sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let index = contacts.index(of: sender) else { return }
        switch contacts.list[index].phase {
        case .active: disconnect(index, isRefused: true, at: now, &actions)
        case .dialled:
            contacts.setProven(at: index)
            contacts.set(refusals: contacts.list[index].refusals + 1, at: index)
            contacts.set(.idle(retryAt: now + refusalDelay(of: index), attempts: 0), at: index)
        case .idle: return
        }
        for record in records { learn(record, from: endpoint, at: now) }
    }

    mutating func refusalDelay(of index: Int) -> Duration {
        let most = contacts.activeCount == 0 ? settings.dialDelayMax : settings.refusalDelayMax
        let refusals = max(0, contacts.list[index].refusals - 1)
        return jittered(delay(settings.refusalDelayMin, after: refusals, atMost: most))
    }
}
