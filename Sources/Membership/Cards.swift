internal import Chance
internal import Identity
internal import Rules
internal import Wire

// What is known of others: learning, forgetting, telling, remembering.
extension Membership {
    /// Cards that a peer exchanges are taken no faster.
    static let cardsPeriod: Duration = .milliseconds(100)
    /// Of the passive view, those that once answered and that nobody's word displaces.
    var provenMax: Int { settings.passiveMax / 2 }
    /// In the long run, how often all cards are written, and how often in a row: anybody can be news by changing its card, and
    /// each time what is sent waits for the disk.
    static let persistPeriod: Duration = .seconds(30)
    static let persistsAtOnce = 10
    /// While exchanges are as frequent, the last news is worth repeating.
    static let freshPeriod: Duration = .seconds(2)
    /// Between two forgers that the host is told of: their keys cost nothing.
    static let forgerPeriod: Duration = .seconds(1)

    mutating func receive(
        _ records: [NodeRecord], asks: Bool, from sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let index = contacts.index(of: sender), var link = contacts.list[index].link else { return }
        let isOwn = records.count == 1 && records[0].node == sender
        var isHearsay = false
        if asks || isOwn, link.cardsAt + Self.cardsPeriod <= now {
            link.cardsAt = now
        } else if !asks, link.isAskedForCards {
            link.isAskedForCards = false
        } else {
            guard !asks, link.takesNews(at: now) else { return contacts.update(link, at: index) }
            isHearsay = true
        }
        link.hear(at: now)
        contacts.update(link, at: index)
        for record in records where !(isHearsay && isPassedOver(record.node)) {
            learn(record, from: endpoint, isHearsay: isHearsay, at: now)
        }
        guard let index = contacts.index(of: sender) else { return }
        if let own = records.first(where: { $0.node == sender }), own.life > link.life {
            restart(index, endpoint, at: now, &actions)
        }
        guard asks else { return }
        let cards = sample(for: sender, withOwn: true, without: records)
        actions.append(.send(sender, endpoint, .records(cards, asks: false)))
    }

    /// Whoever is no contact is forgotten anyway.
    mutating func noteForgery(
        by sender: NodeID, _ endpoint: Endpoint, at now: Instant, _ actions: inout [Action]
    ) {
        guard let index = contacts.index(of: sender) else { return }
        contacts.noteForgery(at: index)
        guard contacts.list[index].forgeries == 1, nextForger <= now else { return }
        nextForger = now + Self.forgerPeriod
        actions.append(.forger(sender, endpoint))
    }

    /// Whoever is on the list no longer is a stranger like any other; whoever is on it now is tried at once.
    mutating func replaceListed(by list: [Listed], at now: Instant) {
        // A node of two addresses, an IPv4 and an IPv6 one, has two lines.
        var places: [NodeID: [Endpoint]] = [:]
        var nodes: [NodeID] = []
        for entry in list.prefix(Self.listedMax) where entry.node != own.node {
            let known = places[entry.node] ?? []
            if known.isEmpty { nodes.append(entry.node) }
            guard known.count < NodeRecord.endpointsMax, !known.contains(entry.endpoint) else { continue }
            places[entry.node] = known + [entry.endpoint]
        }
        contacts.set(listed: places)
        for node in nodes {
            if let index = contacts.index(of: node) {
                contacts.hasten(index, at: now)
            } else if contacts.list.count < Self.contactsMax {
                contacts.insert(Contact(node: node, record: nil, listed: places[node] ?? [], retryAt: now))
            }
        }
        // Of whom nothing but the old list told.
        for index in contacts.list.indices.reversed()
        where contacts.list[index].record == nil && contacts.list[index].listed.isEmpty {
            if !contacts.list[index].isActive { contacts.remove(at: index) }
        }
    }

    /// Whether it takes the place of the card that is known of its node. An owner that signs two of one sequence
    /// tells one of them here and the other there: unless all keep the same one, what they share is never equal.
    private func supersedes(_ record: NodeRecord, at index: Int) -> Bool {
        guard let known = contacts.list[index].record, let saying = contacts.list[index].saying else {
            return true
        }
        guard known.sequence == record.sequence else {
            return known.sequence < record.sequence || isRemoved(.recordSequence)
        }
        return known != record && saying < record.saying
    }

    /// Takes a card if it is newer than what is known.
    /// - Parameters:
    ///   - teller: Where it was told; nil for one that was remembered.
    ///   - isOwn: Said by whose card it is, so that somebody is there even if it has expired.
    ///   - isHearsay: Told as news or to make sets equal: see `News.swift`.
    mutating func learn(
        _ record: NodeRecord, from teller: Endpoint?, isOwn: Bool = false, isHearsay: Bool = false,
        at now: Instant
    ) {
        guard record.node != own.node else { return }
        if let index = contacts.index(of: record.node) {
            if !isHearsay { contacts.setHearsay(false, at: index) }
            guard supersedes(record, at: index) else { return noteTold(record.node, at: teller) }
            let known = contacts.list[index].record
            guard contacts.set(record: record, at: index) else {
                // Renewed, and no news.
                persistSoon(at: now, after: Self.renewalSpread)
                return
            }
            if !contacts.list[index].isActive, known != nil {
                // It was started anew, or has moved: worth a dial at once.
                contacts.set(refusals: 0, at: index)
                contacts.hasten(index, at: now)
            }
            spread(record.node, toldAt: teller, at: now)
            return noteNews(record.node, at: now)
        }
        var contact = Contact(node: record.node, record: record, retryAt: now)
        contact.isOfCommittee = committee.contains(record.node)
        contact.teller = settings.prefix(of: teller)
        contact.isHearsay = isHearsay
        guard isOwn || teller == nil || !hasExpired(record) else { return }
        let full = fullPrefixes(for: contact)
        let squatter = isOwn ? givingWay(in: full, to: contact) : nil
        guard contacts.list.count < Self.contactsMax, full.isEmpty || squatter != nil else {
            if isOfUse(record, isOfCommittee: contact.isOfCommittee) { hasTurnedAway = true }
            return
        }
        if let squatter { contacts.remove(at: squatter) }
        contacts.insert(contact)
        trim()
        // Who took another's place is no news before it is a peer: keys cost nothing, the next would follow at once.
        guard contacts.index(of: record.node) != nil, squatter == nil else { return }
        spread(record.node, toldAt: teller, at: now)
        noteNews(record.node, at: now)
    }

    /// Of the prefixes that bound it in the passive view, those that have no place left.
    private func fullPrefixes(for contact: Contact) -> [Prefix] {
        guard !contact.isOfCommittee else { return [] }
        let prefixes = passivePrefixes(of: contact)
        guard !prefixes.isEmpty else { return [] }
        var counts = [Int](repeating: 0, count: prefixes.count)
        for index in contacts.list.indices where !contacts.list[index].isActive {
            // Hearsay takes no room from what is told by whom we chose to ask.
            if contacts.list[index].isHearsay, !contact.isHearsay { continue }
            for prefix in passivePrefixes(of: contacts.list[index]) {
                if let place = prefixes.firstIndex(of: prefix) { counts[place] += 1 }
            }
        }
        return prefixes.indices.filter { counts[$0] >= Self.passiveOfPrefixMax }.map { prefixes[$0] }
    }

    private func passivePrefixes(of contact: Contact) -> [Prefix] {
        let prefixes = settings.prefixes(of: contact)
        guard prefixes.isEmpty, settings.limitsPrefixes, !isRemoved(.prefixLimits) else { return prefixes }
        // A loopback is a place for those who are on that machine too, but not for who is elsewhere.
        let isElsewhere = own.endpoints.contains { !$0.isLoopback }
        let hasPlace = contact.endpoints.contains { !$0.isLoopback || !isElsewhere }
        return hasPlace ? [] : [.ofNoPlace]
    }

    /// Who gives way to one that dials from the only prefix that has no place left for it: of those that never
    /// answered, who was dialled most often, and among equals one told from elsewhere. Whoever names a foreign prefix
    /// displaces nobody there. A stranger without a place is no loss, even if it answered: it can only come by
    /// itself, and is known again when it does.
    private func givingWay(in full: [Prefix], to contact: Contact) -> Int? {
        guard full.count == 1, full[0] == .ofNoPlace || full[0] == contact.teller else { return nil }
        let may = contacts.list.indices.filter {
            let other = contacts.list[$0]
            return !other.isActive && !other.isTrusted && !other.isAnchor && !other.isHearsay
                && (full[0] == .ofNoPlace || !other.isProven) && passivePrefixes(of: other).contains(full[0])
        }
        func order(_ index: Int) -> (Int, Int, Int, Int) {
            let other = contacts.list[index]
            return (other.isProven ? 0 : 1, other.attempts, other.teller == full[0] ? 0 : 1, index)
        }
        return may.max { order($0) < order($1) }
    }

    /// Forgets strangers beyond the passive view's size.
    mutating func trim() {
        while contacts.passiveCount > settings.passiveMax {
            let idle = contacts.list.indices.filter {
                !contacts.list[$0].isTrusted && !contacts.list[$0].isActive
            }
            contacts.remove(at: leastWorth(of: idle))
        }
    }

    private mutating func leastWorth(of idle: [Int]) -> Int {
        let silent = idle.filter { contacts.list[$0].attempts >= Self.attemptsBeforeForgetting }
        if let most = silent.max(by: {
            (contacts.list[$0].attempts, $0) < (contacts.list[$1].attempts, $1)
        }) {
            return most
        }
        let hearsay = idle.filter { contacts.list[$0].isHearsay }
        if !hearsay.isEmpty { return hearsay[chance.below(hearsay.count)] }
        let unproven = idle.filter { !contacts.list[$0].isProven }
        let expired = unproven.filter { hasExpired(contacts.list[$0].record) }
        if !expired.isEmpty { return expired[chance.below(expired.count)] }
        let pool =
            idle.count - unproven.count > provenMax
            ? idle.filter { contacts.list[$0].isProven } : unproven
        var counts: [Prefix: Int] = [:]
        let prefixes = pool.map { settings.prefixes(of: contacts.list[$0]) }
        for prefix in prefixes.joined() { counts[prefix, default: 0] += 1 }
        let sizes = prefixes.map { $0.map { counts[$0]! }.max() ?? 1 }
        let largest = sizes.max()!
        let crowded = mostTold(pool.indices.filter { sizes[$0] == largest }.map { pool[$0] })
        return crowded[chance.below(crowded.count)]
    }

    /// Those told from the prefix that most were told from: whoever tells without end displaces its own words.
    private func mostTold(_ indices: [Int]) -> [Int] {
        var counts: [Prefix?: Int] = [:]
        for index in indices { counts[contacts.list[index].teller, default: 0] += 1 }
        let most = counts.values.max()
        return indices.filter { counts[contacts.list[$0].teller] == most }
    }

    /// Written together with what else is news within a moment; and if there is always news, seldom.
    mutating func persistSoon(at now: Instant, after delay: Duration? = nil) {
        let ahead = persistedUntil - now - Self.persistPeriod * (Self.persistsAtOnce - 1)
        persistAt = min(persistAt, now + max(delay ?? settings.persistDelay, ahead))
    }

    /// Worth telling peers and the store. In a network larger than the view there is always somebody new, and that
    /// is no news.
    mutating func noteNews(_ node: NodeID, at now: Instant) {
        freshest = node
        persistSoon(at: now)
        guard contacts.passiveCount < settings.passiveMax * 3 / 4 else { return }
        shufflePeriod = settings.shufflePeriodMin
        nextShuffle = min(nextShuffle, now + jittered(shufflePeriod))
    }

    mutating func shuffle(at now: Instant, _ actions: inout [Action]) {
        let active = contacts.active
        guard !active.isEmpty else { return }
        nextShuffle = now + jittered(shufflePeriod)
        shufflePeriod = min(shufflePeriod * 5 / 4, settings.shufflePeriodMax)
        let index = active[chance.below(active.count)]
        var link = contacts.list[index].link!
        link.isAskedForCards = true
        contacts.update(link, at: index)
        let cards = sample(for: contacts.list[index].node, withOwn: true)
        actions.append(.send(contacts.list[index].node, link.endpoint, .records(cards, asks: true)))
    }

    /// Up to four cards: one's own, the newest news, and random others of whom something was heard; never the
    /// receiver's.
    mutating func sample(
        for receiver: NodeID, withOwn: Bool, without known: [NodeRecord] = []
    ) -> [NodeRecord] {
        var cards = withOwn ? [own] : []
        let freshest = shufflePeriod < Self.freshPeriod ? freshest : nil
        if let freshest, freshest != receiver, let contact = contacts[freshest], let record = contact.record,
            isTold(contact)
        {
            cards.append(record)
        }
        var others: [Int] = []
        for index in contacts.list.indices {
            guard isTold(contacts.list[index]) else { continue }
            let node = contacts.list[index].node
            if node != receiver, node != freshest, !known.contains(where: { $0.node == node }) {
                others.append(index)
            }
        }
        while cards.count < Frame.recordsMax, !others.isEmpty {
            let place = chance.below(others.count)
            cards.append(contacts.list[others[place]].record!)
            others.swapAt(place, others.count - 1)
            others.removeLast()
        }
        return cards
    }

    /// Anchors first, then other peers: they were alive a moment ago; last, those whose cards have expired.
    func remembered() -> [NodeRecord] {
        let anchors = anchors
        let active = contacts.active.filter { !anchors.contains($0) }
        let others = contacts.list.indices.filter { !contacts.list[$0].isActive }
        let fresh = others.filter { !hasExpired(contacts.list[$0].record) }
        let all =
            anchors + active + fresh.filter { contacts.list[$0].isProven }
            + fresh.filter { !contacts.list[$0].isProven }
            + others.filter { hasExpired(contacts.list[$0].record) }
        let told = all.lazy.filter { !contacts.list[$0].isHearsay }
        return Array(told.compactMap { contacts.list[$0].record }.prefix(Self.rememberedMax))
    }
}
