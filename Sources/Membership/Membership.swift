public import Chance
public import Identity
public import Wire

/// Who is there: finds peers, keeps a bounded view of live ones, and spreads signed contact cards.
///
/// - Upon start: every node of the bootstrap list and every remembered one is a contact, to be dialled.
/// - While fewer than `activeMax` peers are connected: dial contacts, that is send one's own card and ask for
///   theirs, each again after 0.2 s, 0.4 s, … up to 30 s, half of it jitter, for ever.
/// - Upon cards: a card supersedes only one of a lower sequence. A node that sends its own card from a place
///   that the card names becomes a peer if there is room; who has no room answers a dial without its own
///   card, and an answer with a goodbye, so that no one takes for a peer who is none.
/// - Upon a dial without room: at most once a `swapPeriod` a random peer gives way to the newcomer
///   (HyParView's rule for joins), because the first to come would else close their circle to all others.
/// - The committee and the bootstrap list are trusted more than strangers: a quarter of the view is kept for
///   strangers, so that anyone may join; beyond it they give way to who is trusted, and never the other way. Keys
///   cost nothing: without this, one host with a dozen of them surrounds a node that has lost its store.
/// - Upon a peer's own card of a higher sequence: it was started anew; disconnect and connect it.
/// - Every period: cards for cards with a random peer, often while there is news and seldom in peace.
/// - Every second and peer: a ping, unless the last is still open; whatever is heard of the peer closes it.
///   Three open in a row and the peer is disconnected, and dialled again.
/// - Upon goodbye: disconnect, and dial later.
/// - Upon news, at most once a second: `persist`, from which a restarted node rejoins without its list.
///
/// The shape follows HyParView (Leitão et al. 2007) with one view in place of two; suspicion is local and is
/// never told. Nothing here proves who sent a datagram: until sessions exist that is the loopback's promise.
/// Signatures of cards are checked by the host before they come here.
public struct Membership: Equatable, Sendable {
    /// Local: nodes of one network may differ in all of it.
    public struct Settings: Equatable, Sendable {
        /// Full mesh up to 13 nodes; above, enough for a random graph to stay connected.
        public var activeMax = 12
        public var dialDelayMin: Duration = .milliseconds(200)
        public var dialDelayMax: Duration = .seconds(30)
        public var pingPeriod: Duration = .seconds(1)
        public var missesMax = 3
        /// Between exchanges of cards while the last news is younger than `newsAge`, and otherwise.
        public var exchangePeriodNews: Duration = .milliseconds(250)
        public var exchangePeriod: Duration = .seconds(5)
        public var newsAge: Duration = .seconds(3)
        public var persistDelay: Duration = .seconds(1)
        public var swapPeriod: Duration = .seconds(2)

        public init() {}

        func check() {
            precondition(activeMax > 0 && missesMax > 0)
            precondition(.zero < dialDelayMin && dialDelayMin <= dialDelayMax)
            precondition(.zero < pingPeriod && .zero < exchangePeriodNews && .zero < exchangePeriod)
            precondition(.zero <= newsAge && .zero <= persistDelay)
        }
    }

    public enum Event: Equatable, Sendable {
        case woke
        /// Cards with good signatures, from whoever claims to be `from`, received from this place.
        case records([NodeRecord], asks: Bool, from: NodeID, Endpoint)
        /// A well-formed datagram of a connected peer, from its place.
        case heard(from: NodeID, Endpoint)
        case ping(nonce: UInt64, from: NodeID, Endpoint)
        case pong(nonce: UInt64, from: NodeID, Endpoint)
        case goodbye(from: NodeID)
        /// Who has a seat on the committee: replaces what was said before.
        case committee(Set<NodeID>)
    }

    public enum Action: Equatable, Sendable {
        case send(Endpoint, Frame)
        case connected(NodeID, Endpoint)
        case disconnected(NodeID)
        /// Replaces what was persisted before.
        case persist([NodeRecord])
    }

    /// Contacts known at one time: bounds what liars can make us hold, at some 250 octets each.
    public static let contactsMax = 1_024
    /// Cards written to the store: enough to rejoin when most of them are gone.
    public static let rememberedMax = 128
    /// Dials sent at one moment, so that a long list is no burst.
    static let dialsMax = 8
    /// The least time between two such moments.
    static let dialPeriod: Duration = .milliseconds(50)
    /// Dials without answer after which a contact gives way to a newer one.
    static let attemptsBeforeForgetting = 4
    /// Doublings beyond which the delay is the longest one for any settings.
    private static let doublingsMax = 16
    /// The delay after a goodbye is that after so many attempts: it left, or has no room.
    private static let attemptsAfterGoodbye = 3

    private let own: NodeRecord
    private let settings: Settings
    private var chance: Chance
    private var contacts = Contacts()
    private var nextDial: Instant
    private var nextExchange: Instant
    private var lastNews: Instant
    private var persistAt: Instant = .never
    private var nextSwap: Instant
    private var committee: Set<NodeID> = []
    /// The last card that was news: told in the next exchanges.
    private var freshest: NodeID?

    /// `remembered` is what was persisted last; its signatures were checked before that.
    public init(
        record: NodeRecord, bootstrap: [(NodeID, Endpoint)], remembered: [NodeRecord],
        settings: Settings = Settings(), chance: Chance, now: Instant
    ) {
        settings.check()
        own = record
        self.settings = settings
        self.chance = chance
        nextDial = now
        nextExchange = now + settings.exchangePeriodNews
        lastNews = now
        nextSwap = now
        for (node, endpoint) in bootstrap.prefix(Self.contactsMax)
        where node != own.node && contacts[node] == nil {
            contacts.insert(
                Contact(node: node, record: nil, listed: endpoint, phase: .idle(retryAt: now, attempts: 0)))
        }
        for record in remembered { learn(record, at: now) }
        persistAt = .never
    }

    /// When to send `woke`, at the latest.
    public var deadline: Instant {
        var deadline = min(persistAt, contacts.activeCount > 0 ? nextExchange : .never)
        var nextRetry = Instant.never
        let sparesStrangers = strangersToSpare > 0
        // By index: a copy of a contact for each costs more than the look at it.
        for index in contacts.list.indices {
            switch contacts.list[index].phase {
            case .idle(let retryAt, _):
                if wantsPeers || sparesStrangers && contacts.list[index].isTrusted {
                    nextRetry = min(nextRetry, retryAt)
                }
            case .active(let link): deadline = min(deadline, link.nextPing)
            }
        }
        if nextRetry < .never { deadline = min(deadline, max(nextRetry, nextDial)) }
        return deadline
    }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .woke: wake(at: now, &actions)
        case .records(let records, let asks, let sender, let endpoint):
            receive(records, asks: asks, from: sender, endpoint, at: now, &actions)
        case .heard(let sender, let endpoint): hear(sender, endpoint)
        case .ping(let nonce, let sender, let endpoint):
            answerPing(nonce, from: sender, endpoint, at: now, &actions)
        case .pong(let nonce, let sender, let endpoint):
            // A late, forged or repeated answer names no open question and changes nothing.
            if contacts[sender]?.link?.nonce == nonce { hear(sender, endpoint) }
        case .committee(let members):
            committee = members
            contacts.set(committee: members)
        case .goodbye(let sender):
            guard let index = contacts.index(of: sender), contacts.list[index].link != nil else { break }
            disconnect(index, attempts: Self.attemptsAfterGoodbye, at: now, &actions)
        }
        contacts.assertInvariants()
    }

    /// The newest card known of every other node, in the order of their ids.
    public var records: [NodeRecord] { contacts.list.compactMap(\.record) }

    /// Connected peers in the order of their ids.
    public var peers: [NodeID] { contacts.list.filter { $0.link != nil }.map(\.node) }

    /// Contacts held, cards or bootstrap entries.
    public var contactCount: Int { contacts.list.count }

    /// Every table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        [
            ("contacts", contacts.list.count, Self.contactsMax),
            ("active", contacts.activeCount, settings.activeMax),
        ]
    }

    /// For tests and simulation, at any time.
    public func assertInvariants() {
        precondition(contacts.list.count <= Self.contactsMax && contacts.activeCount <= settings.activeMax)
        precondition(contacts.activeCount == contacts.list.count { $0.link != nil })
        precondition(zip(contacts.list, contacts.list.dropFirst()).allSatisfy { $0.node < $1.node })
        precondition(
            contacts.list.allSatisfy { $0.node != own.node && $0.link?.misses ?? 0 < settings.missesMax })
    }

    private var wantsPeers: Bool { contacts.activeCount < settings.activeMax }

    /// Connected peers that are strangers beyond their share of the view.
    private var strangersToSpare: Int {
        var strangers = 0
        for index in contacts.list.indices where contacts.list[index].isActive {
            if !contacts.list[index].isTrusted { strangers += 1 }
        }
        return max(0, strangers - settings.activeMax / 4)
    }
}

// MARK: Time

extension Membership {
    private mutating func wake(at now: Instant, _ actions: inout [Action]) {
        probe(at: now, &actions)
        if nextDial <= now { dialDue(at: now, &actions) }
        if nextExchange <= now { exchange(at: now, &actions) }
        if persistAt <= now {
            persistAt = .never
            actions.append(.persist(remembered()))
        }
    }

    /// Pings every peer whose turn it is; gives up those that left too many pings open.
    private mutating func probe(at now: Instant, _ actions: inout [Action]) {
        for index in contacts.list.indices {
            guard var link = contacts.list[index].link, link.nextPing <= now else { continue }
            if link.nonce != nil { link.misses += 1 }
            if link.misses >= settings.missesMax {
                disconnect(index, attempts: 0, at: now, &actions)
                continue
            }
            let nonce = chance.bits()
            link.nonce = nonce
            link.nextPing = now + settings.pingPeriod
            contacts.update(link, at: index)
            actions.append(.send(link.endpoint, .ping(nonce: nonce)))
        }
    }

    /// Dials some of the contacts that are due, at random, so that one part of the list is never preferred.
    private mutating func dialDue(at now: Instant, _ actions: inout [Action]) {
        let sparesStrangers = wantsPeers || strangersToSpare > 0
        guard sparesStrangers else { return }
        nextDial = now + Self.dialPeriod
        var due = contacts.list.indices.filter { index in
            guard case .idle(let retryAt, _) = contacts.list[index].phase else { return false }
            return retryAt <= now && (wantsPeers || contacts.list[index].isTrusted)
        }
        if due.count > Self.dialsMax {
            chance.shuffle(&due)
            let trusted = due.filter { contacts.list[$0].isTrusted }
            due = trusted + due.filter { !contacts.list[$0].isTrusted }
        }
        for index in due.prefix(Self.dialsMax) { dial(index, at: now, &actions) }
    }

    private mutating func dial(_ index: Int, at now: Instant, _ actions: inout [Action]) {
        let contact = contacts.list[index]
        guard case .idle(_, let attempts) = contact.phase else { preconditionFailure("it is connected") }
        let endpoints = contact.endpoints
        guard !endpoints.isEmpty else {
            // It told no place: it must come to us.
            return contacts.set(.idle(retryAt: .never, attempts: attempts), at: index)
        }
        actions.append(
            .send(endpoints[attempts % endpoints.count], .records([own], asks: true)))
        let next = attempts + 1
        contacts.set(.idle(retryAt: now + delay(after: attempts), attempts: next), at: index)
    }

    /// Between a half and the whole of 0.2 s · 2ⁿ, at most 30 s.
    private mutating func delay(after attempts: Int) -> Duration {
        let whole = min(
            settings.dialDelayMin * (1 << min(attempts, Self.doublingsMax)), settings.dialDelayMax)
        return chance.duration(in: (whole / 2)...whole)
    }

    private mutating func exchange(at now: Instant, _ actions: inout [Action]) {
        let isNews = now - lastNews < settings.newsAge
        let period = isNews ? settings.exchangePeriodNews : settings.exchangePeriod
        nextExchange = now + chance.duration(in: (period / 2)...period)
        let active = contacts.list.indices.filter { contacts.list[$0].link != nil }
        guard !active.isEmpty else { return }
        let peer = contacts.list[active[chance.below(active.count)]]
        let cards = sample(for: peer.node, withOwn: true)
        actions.append(.send(peer.link!.endpoint, .records(cards, asks: true)))
    }

    /// Peers first: they were alive a moment ago.
    private func remembered() -> [NodeRecord] {
        let active = contacts.list.filter { $0.link != nil }.compactMap(\.record)
        let others = contacts.list.filter { $0.link == nil }.compactMap(\.record)
        return Array((active + others).prefix(Self.rememberedMax))
    }
}

// MARK: Datagrams

extension Membership {
    private mutating func receive(
        _ records: [NodeRecord], asks: Bool, from sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) {
        guard sender != own.node else { return }
        for record in records { learn(record, at: now) }
        let introduces = records.contains { $0.node == sender && $0.endpoints.contains(endpoint) }
        let wasPeer = contacts[sender]?.link?.endpoint == endpoint
        if introduces { meet(sender, endpoint, asks: asks, at: now, &actions) }
        guard asks, introduces || wasPeer else { return }
        let isPeer = contacts[sender]?.link != nil
        actions.append(.send(endpoint, .records(sample(for: sender, withOwn: isPeer), asks: false)))
    }

    /// `sender` showed its own card from a place that the card names.
    private mutating func meet(
        _ sender: NodeID, _ endpoint: Endpoint, asks: Bool, at now: Instant, _ actions: inout [Action]
    ) {
        // A full table may have refused its card; and a card may be older than the one that we hold, whose
        // places are the ones that count.
        guard let index = contacts.index(of: sender), let record = contacts.list[index].record,
            record.endpoints.contains(endpoint)
        else { return }
        if let link = contacts.list[index].link {
            guard record.sequence > link.sequence else { return }
            actions.append(.disconnected(sender))
        } else if !wantsPeers, contacts.list[index].isTrusted, strangersToSpare > 0 {
            _ = dismissOne(sparesTrusted: true, at: now, &actions)
        } else if !wantsPeers {
            // An answer with its card says that it counts us among its peers.
            guard asks else { return actions.append(.send(endpoint, .goodbye)) }
            guard nextSwap <= now else { return }
            let isStranger = !contacts.list[index].isTrusted
            let strangers = contacts.list.count { $0.link != nil && !$0.isTrusted }
            let keepsTrusted = isStranger && strangers >= settings.activeMax / 4
            nextSwap = now + chance.duration(in: (settings.swapPeriod / 2)...settings.swapPeriod)
            guard dismissOne(sparesTrusted: keepsTrusted, at: now, &actions) else { return }
        }
        let firstPing = now + chance.duration(in: .zero...settings.pingPeriod)
        contacts.set(
            .active(Link(endpoint: endpoint, sequence: record.sequence, nextPing: firstPing)), at: index)
        actions.append(.connected(sender, endpoint))
        noteNews(sender, at: now)
    }

    /// Lets a random peer go, with a word; false if there is none that may go.
    private mutating func dismissOne(
        sparesTrusted: Bool, at now: Instant, _ actions: inout [Action]
    ) -> Bool {
        let active = contacts.list.indices.filter {
            contacts.list[$0].link != nil && !(sparesTrusted && contacts.list[$0].isTrusted)
        }
        guard !active.isEmpty else { return false }
        let index = active[chance.below(active.count)]
        actions.append(.send(contacts.list[index].link!.endpoint, .goodbye))
        disconnect(index, attempts: Self.attemptsAfterGoodbye, at: now, &actions)
        return true
    }

    /// Takes a card if it is newer than what is known.
    private mutating func learn(_ record: NodeRecord, at now: Instant) {
        guard record.node != own.node else { return }
        if let index = contacts.index(of: record.node) {
            if let known = contacts.list[index].record, known.sequence >= record.sequence { return }
            contacts.set(record: record, at: index)
            if contacts.list[index].link == nil {
                // It lives, or has moved: worth a dial at once.
                contacts.set(.idle(retryAt: now, attempts: 0), at: index)
            }
        } else {
            guard makeRoom(for: record.node) else { return }
            contacts.insert(
                Contact(
                    node: record.node, record: record, listed: nil, phase: .idle(retryAt: now, attempts: 0),
                    isOfCommittee: committee.contains(record.node)))
        }
        noteNews(record.node, at: now)
    }

    /// Whether one more contact may be held; forgets the one that has been silent for the most dials, and for
    /// somebody of the committee a stranger in any case.
    private mutating func makeRoom(for node: NodeID) -> Bool {
        guard contacts.list.count >= Self.contactsMax else { return true }
        var silent: (index: Int, attempts: Int)?
        for (index, contact) in contacts.list.enumerated() {
            guard !contact.isTrusted, case .idle(_, let attempts) = contact.phase else { continue }
            let attemptsMin = committee.contains(node) ? 0 : Self.attemptsBeforeForgetting
            if attempts >= max(attemptsMin, (silent?.attempts ?? -1) + 1) {
                silent = (index, attempts)
            }
        }
        guard let silent else { return false }
        contacts.remove(at: silent.index)
        return true
    }

    private mutating func noteNews(_ node: NodeID, at now: Instant) {
        lastNews = now
        freshest = node
        persistAt = min(persistAt, now + settings.persistDelay)
        nextExchange = min(nextExchange, now + settings.exchangePeriodNews)
    }

    private mutating func hear(_ sender: NodeID, _ endpoint: Endpoint) {
        guard let index = contacts.index(of: sender), var link = contacts.list[index].link,
            link.endpoint == endpoint
        else { return }
        link.nonce = nil
        link.misses = 0
        contacts.update(link, at: index)
    }

    private mutating func answerPing(
        _ nonce: UInt64, from sender: NodeID, _ endpoint: Endpoint, at now: Instant,
        _ actions: inout [Action]
    ) {
        guard let index = contacts.index(of: sender) else { return }
        if let link = contacts.list[index].link {
            guard link.endpoint == endpoint else { return }
            actions.append(.send(endpoint, .pong(nonce: nonce)))
            return hear(sender, endpoint)
        }
        // It takes us for a peer: become one, or say that we are none.
        guard contacts.list[index].endpoints.contains(endpoint) else { return }
        if wantsPeers {
            guard case .idle(let retryAt, let attempts) = contacts.list[index].phase, retryAt > now else {
                return
            }
            contacts.set(
                .idle(retryAt: min(retryAt, now + settings.dialDelayMin), attempts: attempts), at: index)
        } else {
            actions.append(.send(endpoint, .goodbye))
        }
    }

    private mutating func disconnect(
        _ index: Int, attempts: Int, at now: Instant, _ actions: inout [Action]
    ) {
        let retryAt = now + delay(after: attempts)
        contacts.set(.idle(retryAt: retryAt, attempts: attempts), at: index)
        actions.append(.disconnected(contacts.list[index].node))
    }

    /// Up to four cards: one's own, the newest news, and random others; never the receiver's.
    private mutating func sample(for receiver: NodeID, withOwn: Bool) -> [NodeRecord] {
        var cards = withOwn ? [own] : []
        if let freshest, freshest != receiver, let record = contacts[freshest]?.record {
            cards.append(record)
        }
        var others = contacts.list.indices.filter { index in
            contacts.list[index].record != nil && contacts.list[index].node != receiver
                && contacts.list[index].node != freshest
        }
        while cards.count < Frame.recordsMax, !others.isEmpty {
            let place = chance.below(others.count)
            cards.append(contacts.list[others[place]].record!)
            others.swapAt(place, others.count - 1)
            others.removeLast()
        }
        return cards
    }
}
