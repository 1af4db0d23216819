internal import Chance
internal import Identity
internal import Wire

/// How many peers more are wanted, and of which kind.
struct Appetite: Equatable, Sendable {
    /// Of any kind.
    var any = 0
    /// Members of the committee, for one of them.
    var fellows = 0
    var isSmall = true

    /// Anybody at all.
    var isHungry: Bool { any > 0 || fellows > 0 }

    func wants(_ contact: Contact) -> Bool { any > 0 || fellows > 0 && contact.isOfCommittee }
}

// Becoming a peer, and ceasing to be one.
extension Membership {
    /// Dials sent at one moment, so that a long list is no burst.
    static let dialsMax = 8
    /// The least time between two such moments.
    static let dialPeriod: Duration = .milliseconds(50)
    /// How long a dial counts as a peer to come.
    static let dialPatience: Duration = .seconds(1)
    /// How long a dial may be answered, which the session to carry it may take some seconds for: who keeps silent, to say
    /// welcome when the view is full of others, was not dialled for that.
    static let answerPatience: Duration = .seconds(10)
    /// Dials without answer after which a contact is not counted on, and gives way to a newer one.
    static let attemptsBeforeForgetting = 4
    static let anchorsMax = 2
    /// Fewer peers than this are urgent.
    var urgentBelow: Int { min(3, settings.activeTarget) }

    /// Connected peers that are strangers beyond their share of the view.
    var strangersToSpare: Int { max(0, activeStrangers - settings.activeMax / 4) }

    var activeStrangers: Int {
        var strangers = 0
        for index in contacts.active where !contacts.list[index].isTrusted { strangers += 1 }
        return strangers
    }

    func appetite(at now: Instant) -> Appetite {
        var pending = 0
        for index in contacts.dialled {
            if case .dialled(_, let at, let retryAt, _, _) = contacts.list[index].phase,
                now < min(at + Self.dialPatience, retryAt)
            {
                pending += 1
            }
        }
        let active = contacts.activeCount
        let room = settings.activeMax - active
        var appetite = Appetite()
        appetite.isSmall = contacts.liveCount <= settings.activeMax
        if appetite.isSmall {
            appetite.any = max(0, room - pending)
        } else {
            let chosen = min(settings.outboundMin - contacts.chosenCount, room)
            appetite.any = max(0, max(settings.activeTarget - active, chosen) - pending)
        }
        if committee.contains(own.node) {
            appetite.fellows = max(0, (room > 0 ? room : strangersToSpare) - pending)
        }
        return appetite
    }

    // MARK: Dialling

    mutating func dialDue(at now: Instant, _ actions: inout [Action]) {
        let appetite = appetite(at: now)
        guard appetite.isHungry else { return }
        let due = candidates(at: now) { appetite.wants($0) }
        let count = min(max(appetite.any, appetite.fellows), Self.dialsMax)
        for index in due.prefix(count) { dial(index, at: now, &actions) }
        if due.isEmpty {
            nextDial = now + .seconds(1)
        } else {
            let most: Duration =
                contacts.activeCount == 0
                ? .milliseconds(400)
                : contacts.activeCount < settings.activeMin || isSmall ? .seconds(2) : .seconds(60)
            nextDial = now + jittered(delay(Self.dialPeriod, after: dialsInVain, atMost: most))
            dialsInVain += 1
        }
    }

    /// Who may be dialled now: anchors, then fellows, then one of each prefix, then the others, then who is known by hearsay, and last those whose cards
    /// have expired; each at random, so that neither a part of the list nor a crowded prefix is preferred.
    private mutating func candidates(at now: Instant, where isWanted: (Contact) -> Bool) -> [Int] {
        var due: [Int] = []
        for index in contacts.list.indices {
            guard let retryAt = contacts.list[index].retryAt, retryAt <= now else { continue }
            if isWanted(contacts.list[index]) { due.append(index) }
        }
        // In a small network that is the rule: everybody is a peer.
        guard !due.isEmpty else { return [] }
        var counts: [Prefix: Int] = [:]
        for index in contacts.active {
            guard let prefix = settings.prefix(of: contacts.list[index].home) else { continue }
            counts[prefix, default: 0] += 1
        }
        chance.shuffle(&due)
        let isFellow = committee.contains(own.node)
        var first: [Int] = []
        var fellows: [Int] = []
        var different: [Int] = []
        var others: [Int] = []
        var hearsay: [Int] = []
        var expired: [Int] = []
        for index in due {
            let contact = contacts.list[index]
            let prefixes = settings.prefixes(of: contact)
            let isCrowded = prefixes.contains { counts[$0, default: 0] >= Self.activeOfPrefixMax }
            guard contact.isTrusted || !isCrowded else { continue }
            if contact.isAnchor {
                first.append(index)
            } else if isFellow, contact.isOfCommittee {
                fellows.append(index)
            } else if hasExpired(contact.record) {
                expired.append(index)
            } else if contact.isHearsay {
                hearsay.append(index)
            } else if prefixes.allSatisfy({ counts[$0] == nil }) {
                different.append(index)
            } else {
                others.append(index)
            }
            for prefix in prefixes { counts[prefix, default: 0] += 1 }
        }
        chance.shuffle(&different)
        return first + fellows + different + others + hearsay + expired
    }

    /// Whether we dialled it a moment ago, among all, of our own accord.
    func isOwnChoice(_ index: Int, at now: Instant) -> Bool {
        guard case .dialled(_, let at, _, _, isCalledBack: false) = contacts.list[index].phase else {
            return false
        }
        return now < at + Self.answerPatience && nearness.dialled != contacts.list[index].node
    }

    /// - Parameter place: Where it called from a moment ago, as if it were a peer; nil: where its card says.
    mutating func dial(_ index: Int, to place: Endpoint? = nil, at now: Instant, _ actions: inout [Action]) {
        let contact = contacts.list[index]
        let isCalledBack = place != nil && !isOwnChoice(index, at: now)
        if nearness.dialled == contact.node { nearness.dialled = nil }
        let endpoints = place.map { [$0] } ?? contact.endpoints
        let attempts = contact.attempts
        guard !endpoints.isEmpty || contact.isOfCommittee else {
            // It told no place: it must come to us. Fellows are brought together by others.
            return contacts.set(.idle(retryAt: .never, attempts: attempts), at: index)
        }
        let endpoint = endpoints.isEmpty ? .nowhere : endpoints[attempts % endpoints.count]
        let isUrgent = contacts.activeCount < urgentBelow
        actions.append(.send(contact.node, endpoint, .dial(own, isUrgent: isUrgent)))
        let retryAt =
            now
            + jittered(
                delay(settings.dialDelayMin, after: attempts, atMost: settings.dialDelayMax))
        contacts.set(
            .dialled(
                endpoint, at: now, retryAt: retryAt, attempts: attempts + 1, isCalledBack: isCalledBack),
            at: index)
    }

    /// Lets one peer too many go, and tries one that is none.
    mutating func renew(at now: Instant, _ actions: inout [Action]) {
        nextRenewal = now + jittered(settings.renewalPeriod)
        guard !isSmall else { return }
        if contacts.activeCount > settings.activeTarget {
            let keeps = anchors
            var may = contacts.active.filter {
                !keeps.contains($0) && !contacts.list[$0].isTrusted && contacts.list[$0].link?.isNear == false
            }
            let came = may.filter { contacts.list[$0].link?.isOutbound == false }
            if contacts.chosenCount < settings.outboundMin, !came.isEmpty { may = came }
            if !may.isEmpty { dismiss(may[chance.below(may.count)], at: now, &actions) }
        }
        guard contacts.activeCount < settings.activeMax else { return }
        let may = candidates(at: now, where: { !$0.isTrusted })
        let expired = may.first { hasExpired(contacts.list[$0].record) }
        if let index = expired ?? may.first { dial(index, at: now, &actions) }
    }

    /// The best peers: of those we chose, the ones that were there for longest.
    var anchors: [Int] {
        let active = contacts.active.sorted { left, right in
            let (one, other) = (contacts.list[left].link!, contacts.list[right].link!)
            return (one.isChosen ? 0 : 1, one.since, left) < (other.isChosen ? 0 : 1, other.since, right)
        }
        return Array(active.prefix(Self.anchorsMax))
    }

    // MARK: Links

    mutating func connect(
        _ index: Int, _ endpoint: Endpoint, isOutbound: Bool, isNear: Bool = false,
        isPressing: Bool = false, at now: Instant, _ actions: inout [Action]
    ) {
        let contact = contacts.list[index]
        let link = Link(
            endpoint: endpoint, life: contact.record!.life, isOutbound: isOutbound, isNear: isNear,
            isPressing: isPressing, isStranger: !contact.isTrusted, turnAt: firstTurn(at: now), now: now)
        contacts.set(.active(link), at: index)
        contacts.set(refusals: 0, at: index)
        dialsInVain = 0
        actions.append(.connected(contact.node, endpoint))
        noteNews(contact.node, at: now)
    }

    /// A peer was started anew and remembers nothing of us. One that says so all the time stays what it was.
    mutating func restart(_ index: Int, _ endpoint: Endpoint, at now: Instant, _ actions: inout [Action]) {
        guard !isTurningTooOften(index, at: now) else { return }
        noteTurn(index, at: now)
        let before = contacts.list[index].link!
        actions.append(.disconnected(contacts.list[index].node))
        contacts.set(.idle(retryAt: now, attempts: 0), at: index)
        connect(
            index, endpoint, isOutbound: before.isOutbound, isNear: before.isNear,
            isPressing: before.isPressing, at: now, &actions)
        // Wherever it is now, it keeps its share of the prefix that it came from, and takes none of another's.
        var link = contacts.list[index].link!
        link.keepShare(of: before)
        contacts.update(link, at: index)
    }

    mutating func shun(_ index: Int, until end: Instant, at now: Instant, _ actions: inout [Action]) {
        contacts.set(shunnedUntil: end, at: index)
        guard let link = contacts.list[index].link else { return }
        actions.append(.send(contacts.list[index].node, link.endpoint, .goodbye))
        disconnect(index, isRefused: true, at: now, &actions)
        let retryAt = max(end, contacts.list[index].retryAt ?? end)
        contacts.set(.idle(retryAt: retryAt, attempts: 0), at: index)
    }

    /// `isRefused`: it will not have us, or we it; otherwise it fell silent, and is dialled again soon.
    mutating func disconnect(_ index: Int, isRefused: Bool, at now: Instant, _ actions: inout [Action]) {
        actions.append(.disconnected(contacts.list[index].node))
        if contacts.list[index].link?.isNear == true { lostNear(at: now) }
        if isRefused { contacts.set(refusals: contacts.list[index].refusals + 1, at: index) }
        let wait =
            isRefused
            ? refusalDelay(of: index)
            : jittered(settings.dialDelayMin)
        contacts.set(.idle(retryAt: now + wait, attempts: 0), at: index)
        persistSoon(at: now)
    }
}
