public import Chance
public import Identity
public import Wire

/// Who is there: finds peers, keeps a bounded view of live ones, and spreads signed contact cards.
///
/// Two views, as in HyParView (Leitão, Pereira and Rodrigues, DSN 2007): a small active one of peers, which is
/// symmetric, and a larger passive one of cards, from which peers are replaced. What is different from it stands
/// in the DocC article.
///
/// - Upon start: every node of the bootstrap list and every remembered one is a contact; the two best peers of
///   the last life, the anchors, are dialled first.
/// - While the active view is below its target: dial contacts, each prefix as likely as another, each contact
///   again after 0.2 s, 0.4 s, … up to 30 s, half of it jitter, for ever; all dials together ever more seldom
///   while they are in vain. The target is 8; or 12 where no more than 12 others live, so that a small network is
///   a full mesh; and three of the peers must be of one's own choice. At the target nobody is dialled.
/// - Upon a dial: welcome it while there is room. Without room: the
///   committee and the bootstrap list come before strangers, of whom only a quarter of the view may stay; and for
///   who is urgent, having fewer than three peers, somebody gives way, at most once a `swapPeriod`, who came of
///   its own accord if possible; of the committee and the list it is who last came so, or one in a `yieldPeriod`. All others are refused, and told of others; they ask again in 2 s, 4 s, … 5 min.
/// - Members of the committee dial each other beyond the target, up to the view's maximum; those that told no place,
///   as they are behind translators of addresses, at none: whoever carries the dial has others introduce them.
/// - Upon welcome by whom we dialled within ten seconds: it is a peer; if there is no room any more, say goodbye. Upon
///   welcome by anybody else: goodbye. Whom we dialled only since it called came by itself. Upon refusal or goodbye by a peer: it is none.
/// - Upon a card: it supersedes one of a lower sequence, and one of the same sequence if what it says has the greater
///   digest, so that all end with the same. A peer's own card of a higher sequence, said by itself: it was started
///   anew; disconnect and connect it. Cards of others are taken from peers and from whom we dialled, and no others.
/// - The passive view holds 64 strangers, of a prefix at most 10. Beyond: who has been silent for four dials goes,
///   else one of the prefix that has most, and among equals one told from where most were told; and 32 of those that once answered are never displaced by those that
///   never did. A host of few prefixes has a small part of it, however many keys and cards it makes up. Strangers
///   that tell no place have ten places together, are not told of, and do not make the network a large one.
/// - Upon a dial from a prefix that has no place left: of it somebody gives way who never answered, as cards that
///   name foreign places keep out nobody who is there.
/// - Upon finality: a card that names an epoch a lifetime ago, or as far ahead, is told no more. An expired one is dialled after
///   all others, gives way to whatever is fresh, and is forgotten once two dials were in vain; except for the
///   bootstrap list, the committee and the anchors.
/// - When a quarter of its lifetime has passed, one's own card is renewed, within a minute, and said to every peer.
/// - Upon news of a member of the committee, and in a small network of anybody: told to all peers that did not tell it, within 20 ms,
///   of one node once in ten seconds at most. What peers hold of such cards, the host makes equal (`sharedCards`).
/// - Every half second after news, and every time a quarter later in peace up to 5 min: cards for cards with a
///   random peer.
/// - Every 5 to 10 min: one random peer above the target gives way, and one random contact is dialled, of those that expired
///   if there are any: so views stay random and halves of a network that was split find each other.
/// - Probing: see `Probing.swift`. Peers for where they are: see `Nearness.swift`.
/// - Upon news, at most once a second, and ten times in a row: `persist`, from which a restarted node rejoins without its list.
///
/// - Upon `shun`: goodbye; until its end the node is neither dialled nor welcomed.
/// - Upon anything from a peer at another place than before: that is its place now.
/// - Upon cards of which one has a wrong signature: none is taken, so that a welcome with one makes no peer. It is counted against
///   who told it, and told to the host the first time.
///
/// Suspicion is local and is never told. Who sends, and from where, is what sessions have proven before it comes
/// here; so are the signatures of cards, by the host.
public struct Membership: Equatable, Sendable {
    /// Contacts known at one time: strangers, the bootstrap list and the committee, at some 250 octets each.
    public static let contactsMax = 1_024
    /// Lines of the bootstrap list that are read: the rest of the contacts is for whom they tell of, and for who comes.
    public static let listedMax = contactsMax / 2
    /// Cards written to the store: enough to rejoin when most of them are gone.
    public static let rememberedMax = 128
    /// However long an epoch takes: a card is renewed each quarter.
    static let lifetimeMin: Epoch = 4
    static let renewalSpread: Duration = .seconds(60)
    static let activeOfPrefixMax = 2
    static let passiveOfPrefixMax = 10

    private(set) var own: NodeRecord
    var vantage = Vantage()
    /// When the next place of this node may be told to the host, and when one that waits for it is.
    var nextLocation = Instant.origin
    var locateAt = Instant.never
    let settings: Settings
    var chance: Chance
    var contacts = Contacts()
    /// Changes whenever `sharedCards` may have changed. Stored, as hosts look at it after every event, and would copy all the
    /// rest for it.
    public private(set) var sharedCardsVersion: UInt64 = 0
    /// Cached: recomputed after whatever may bring it forward, so early at times and never late.
    public internal(set) var deadline: Instant
    var nextDial: Instant
    /// When a stranger of whom nothing is kept is told of others next.
    var nextTelling = Instant.origin
    /// When somebody who takes us for a peer may be dialled next.
    var nextAnswer = Instant.origin
    /// Dials since the last peer was won.
    var dialsInVain = 0
    var nextShuffle: Instant
    var shufflePeriod: Duration
    var nextRenewal: Instant
    var nextSwap: Instant
    /// When one of the committee or the list may give way to an urgent one next: see `yieldPeriod`.
    var nextYield = Instant.origin
    /// When the next forger is worth telling of.
    var nextForger = Instant.origin
    var persistAt: Instant = .never
    /// A virtual clock of how often cards were written: see `persistPeriod`.
    var persistedUntil = Instant.origin
    /// Of the last final epoch, as far as this node knows.
    private(set) var final: Epoch
    /// In epochs.
    let lifetime: Epoch
    /// When the own card is to be renewed; never, unless it has grown old.
    private var renewOwnAt = Instant.never
    var committee: Set<NodeID> = []
    /// The last card that was news: told in the next exchanges.
    var freshest: NodeID?
    /// To be told to all peers at `newsDue`.
    var news: [News] = []
    var newsDue = Instant.never
    /// See `reckonSize`.
    var isLarge = false
    /// A card found no room in the passive view, for its prefix or at all; forgotten at the next start.
    var hasTurnedAway = false
    var prober: Prober
    var nearness: Nearness
    /// No more others live, as far as is known, than can be peers. Cached with `deadline`.
    var isSmall = true

    /// `remembered` is what was persisted last, its best first; its signatures were checked before that.
    /// - Parameter epoch: How long an epoch takes, nominally.
    public init(
        record: NodeRecord, bootstrap: [(NodeID, Endpoint)], remembered: [NodeRecord],
        epoch: Duration = .seconds(600), settings: Settings = Settings(), chance: Chance, now: Instant
    ) {
        settings.check()
        own = record
        final = record.epoch
        lifetime = max(Self.lifetimeMin, Epoch(settings.lifetime.milliseconds / epoch.milliseconds))
        self.settings = settings
        var chance = chance
        nextDial = now
        nextShuffle = now + settings.shufflePeriodMin
        shufflePeriod = settings.shufflePeriodMin
        nextRenewal = now + chance.duration(in: (settings.renewalPeriod / 2)...settings.renewalPeriod)
        nextSwap = now
        prober = Prober(nextAt: now + chance.duration(in: .zero...settings.probePeriod))
        self.chance = chance
        nearness = Nearness(chance: chance, now: now)
        deadline = now
        replaceListed(by: bootstrap.map { Listed($0, $1) }, at: now)
        for (place, record) in remembered.prefix(Self.rememberedMax).enumerated() {
            learn(record, from: nil, at: now)
            guard place < Self.anchorsMax, let index = contacts.index(of: record.node) else { continue }
            contacts.setAnchor(at: index)
        }
        persistAt = .never
        sharedCardsVersion = contacts.version
        reckon(at: now)
    }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        defer { sharedCardsVersion = contacts.version }
        switch event {
        case .heard(let sender, let endpoint): return hear(sender, endpoint, at: now)
        case .records(_, _, let sender, let endpoint), .dial(_, _, let sender, let endpoint),
            .welcome(_, let sender, let endpoint), .refusal(_, let sender, let endpoint),
            .ping(_, let sender, let endpoint), .pong(_, let sender, let endpoint),
            .indirectPing(_, _, _, let sender, let endpoint), .indirectPong(_, _, let sender, let endpoint):
            follow(sender, to: endpoint)
        case .woke, .probe, .nearby, .goodbye, .forged, .shun, .committee, .observed, .card, .bootstrap,
            .final:
            break
        }
        switch event {
        case .heard: break
        case .ping(let nonce, let sender, let endpoint):
            // Of a peer's nothing becomes due.
            guard !answerPing(nonce, from: sender, endpoint, at: now, &actions) else { return }
        case .pong(let nonce, let sender, let endpoint):
            return pong(nonce, from: sender, endpoint, at: now, &actions)
        case .probe(let nonce, let sender, let endpoint):
            guard sender != own.node else { return }
            return actions.append(.send(sender, endpoint, .pong(nonce: nonce)))
        case .woke: wake(at: now, &actions)
        case .records(let records, let asks, let sender, let endpoint):
            receive(records, asks: asks, from: sender, endpoint, at: now, &actions)
            dialNear(at: now, &actions)
        case .dial(let record, let isUrgent, let sender, let endpoint):
            receiveDial(record, isUrgent: isUrgent, from: sender, endpoint, at: now, &actions)
        case .welcome(let records, let sender, let endpoint):
            receiveWelcome(records, from: sender, endpoint, at: now, &actions)
        case .refusal(let records, let sender, let endpoint):
            receiveRefusal(records, from: sender, endpoint, at: now, &actions)
        case .indirectPing(let target, let place, let nonce, let sender, let endpoint):
            relay(nonce, to: target, place, for: sender, endpoint, at: now, &actions)
        case .indirectPong(let nonce, let isAlive, let sender, let endpoint):
            relayed(nonce, isAlive: isAlive, by: sender, endpoint, at: now, &actions)
        case .committee(let members):
            committee = members
            contacts.set(committee: members)
            // Who has told no place and was nobody to look for.
            for index in contacts.list.indices where contacts.list[index].isOfCommittee {
                if case .idle(.never, let attempts) = contacts.list[index].phase {
                    contacts.set(.idle(retryAt: now, attempts: attempts), at: index)
                }
            }
        case .observed(let seen, let node, let place):
            return observe(seen, by: node, place, at: now, &actions)
        case .card(let card):
            precondition(card.node == own.node && card.sequence > own.sequence)
            let isElsewhere = card.endpoints != own.endpoints
            if card.saying != own.saying { contacts.noteChange() }
            if card.region != own.region { movedRegion(at: now) }
            own = card
            tellPeers(&actions)
            if isElsewhere { noteNews(own.node, at: now) }
        case .final(let epoch):
            guard final < epoch else { return }
            final = epoch
            // Some cards may not be worth sharing any more.
            contacts.noteChange()
            forgetExpired(at: now)
            guard own.epoch + lifetime / 4 <= final, renewOwnAt == .never else { break }
            // Not all at once; and seldom while this node catches up.
            renewOwnAt = now + jittered(Self.renewalSpread)
        case .bootstrap(let list): replaceListed(by: list, at: now)
        case .forged(let sender, let endpoint):
            return noteForgery(by: sender, endpoint, at: now, &actions)
        case .shun(let node, let until):
            guard let index = contacts.index(of: node) else { return }
            shun(index, until: until, at: now, &actions)
        case .nearby(let cell, let sender, let endpoint):
            return answerNearby(cell, from: sender, endpoint, at: now, &actions)
        case .goodbye(let sender):
            guard let index = contacts.index(of: sender), contacts.list[index].isActive else { return }
            disconnect(index, isRefused: true, at: now, &actions)
        }
        trim()
        reckonSize()
        reckon(at: now)
    }

    /// The newest card known of every other node, in the order of their ids.
    public var records: [NodeRecord] { contacts.list.compactMap(\.record) }

    /// Connected peers in the order of their ids.
    public var peers: [NodeID] { contacts.active.map { contacts.list[$0].node } }

    /// Contacts held, cards or bootstrap entries.
    public var contactCount: Int { contacts.list.count }

    /// Every table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        [
            ("contacts", contacts.list.count, Self.contactsMax),
            ("active", contacts.activeCount, settings.activeMax),
            ("passive", contacts.passiveCount, settings.passiveMax),
            ("near", nearCount, settings.nearMax),
            ("relays", prober.relays.count, Prober.relaysMax),
            ("news", news.count, Self.newsMax),
        ]
    }

    /// For tests and simulation, at any time.
    public func assertInvariants() {
        contacts.assertInvariants()
        precondition(sharedCardsVersion == contacts.version)
        for gauge in gauges { precondition(gauge.value <= gauge.limit, gauge.name) }
        precondition(contacts.list.allSatisfy { $0.node != own.node })
        precondition((1...Prober.healthMax).contains(prober.health))
        var prefixes: [Prefix: Int] = [:]
        for index in contacts.active where contacts.list[index].link?.isStranger == true {
            guard let prefix = settings.prefix(of: contacts.list[index].home) else { continue }
            prefixes[prefix, default: 0] += 1
        }
        precondition(prefixes.values.allSatisfy { $0 <= Self.activeOfPrefixMax })
    }
}

// MARK: Time

extension Membership {
    /// What is due next. By index: a copy of a contact for each costs more than the look at it; and those that only
    /// wait to be dialled are looked at while somebody is wanted.
    mutating func reckon(at now: Instant) {
        var due = min(min(min(persistAt, renewOwnAt), min(nextRenewal, newsDue)), locateAt)
        if contacts.activeCount > 0 { due = min(due, nextShuffle) }
        due = min(due, probeDue)
        let appetite = appetite(at: now)
        isSmall = appetite.isSmall
        if seeksNear { due = min(due, nearness.nextQuery) }
        var retry = Instant.never
        for index in contacts.dialled {
            guard case .dialled(_, let at, let retryAt, _, _) = contacts.list[index].phase else { continue }
            // Until then it counts as a peer to come.
            let hopeEnds = min(at + Self.dialPatience, retryAt)
            if hopeEnds > now { due = min(due, hopeEnds) }
        }
        if appetite.isHungry {
            for index in contacts.list.indices {
                guard appetite.any > 0 || contacts.list[index].isOfCommittee,
                    let retryAt = contacts.list[index].retryAt
                else { continue }
                retry = min(retry, retryAt)
            }
        }
        if retry < .never { due = min(due, max(retry, nextDial)) }
        deadline = due
    }

    private mutating func wake(at now: Instant, _ actions: inout [Action]) {
        probe(at: now, &actions)
        if nextRenewal <= now { renew(at: now, &actions) }
        if renewOwnAt <= now {
            renewOwnAt = .never
            actions.append(.renew)
        }
        if locateAt <= now { locate(at: now, &actions) }
        if nextDial <= now { dialDue(at: now, &actions) }
        if newsDue <= now { tellNews(&actions) }
        if nextShuffle <= now { shuffle(at: now, &actions) }
        if seeksNear, nearness.nextQuery <= now { seekNear(at: now, &actions) }
        if persistAt <= now {
            persistAt = .never
            persistedUntil = max(persistedUntil, now) + Self.persistPeriod
            actions.append(.persist(remembered()))
        }
    }

    func delay(_ least: Duration, after attempts: Int, atMost most: Duration) -> Duration {
        min(least * (1 << min(attempts, 16)), most)
    }

    /// Between a half and the whole of it.
    mutating func jittered(_ whole: Duration) -> Duration { chance.duration(in: (whole / 2)...whole) }
}
