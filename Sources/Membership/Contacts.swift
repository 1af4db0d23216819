internal import Chance
internal import Geo
internal import Identity
internal import Wire

extension Endpoint {
    /// Whether a card can name it.
    fileprivate var isAddress: Bool { port != 0 && !isUnspecified && !isRelayed }
}

/// One node that might be a peer.
struct Contact: Equatable, Sendable {
    /// How we stand with it. Each case carries only what is true while it lasts.
    enum Phase: Equatable, Sendable {
        /// Dialled at `retryAt` at the earliest. `attempts` counts dials without answer.
        case idle(retryAt: Instant, attempts: Int)
        /// `isCalledBack`: because it called as if it were a peer, and not as we chose it.
        case dialled(Endpoint, at: Instant, retryAt: Instant, attempts: Int, isCalledBack: Bool)
        /// Apart from the contact: of a hundred contacts a dozen have a link, and it is the larger part.
        indirect case active(Link)
    }

    let node: NodeID
    /// Its newest signed card; nil for an entry of the bootstrap list that has not answered yet.
    private(set) var record: NodeRecord?
    /// The card's `saying`.
    private(set) var saying: Digest?
    /// The middle of the region that the card names: asked for at every ranking, and dear to compute.
    private(set) var place: Position?
    /// Where the bootstrap list says it is, in its order; such a contact is never forgotten.
    var listed: [Endpoint]
    var phase: Phase
    /// Of the committee; kept here because it is asked for at every event.
    var isOfCommittee = false
    /// One of the two best peers of the last life.
    var isAnchor = false
    /// It was a peer, or answered a dial: somebody is there.
    var isProven = false
    /// Nobody told its card who was asked for cards, or whose it is.
    var isHearsay = false
    /// Dials that it answered with a refusal since it was last a peer.
    var refusals = 0
    /// From which prefix its card was told first; nil where prefixes are not limited, or if it was remembered.
    var teller: Prefix?
    /// Times that it told a card with a wrong signature.
    var forgeries = 0
    /// Until then it is no peer, for what it did.
    var shunnedUntil = Instant.origin
    /// Until then no doubt about it is passed on again.
    var doubtedUntil = Instant.origin
    /// When news of it are told on again, at the earliest.
    var spreadAt = Instant.origin
    /// When a dial of it is refused next, at the earliest.
    var refusableAt = Instant.origin
    /// Becoming a peer costs us more than a dial costs it: a virtual clock of how often it did so by its own will.
    var admittedUntil = Instant.origin

    init(node: NodeID, record: NodeRecord?, listed: [Endpoint] = [], retryAt: Instant) {
        self.node = node
        self.record = record
        saying = record?.saying
        place = record?.region?.centre
        self.listed = listed
        phase = .idle(retryAt: retryAt, attempts: 0)
    }

    mutating func set(record new: NodeRecord) {
        if new.region != record?.region { place = new.region?.centre }
        record = new
        saying = new.saying
    }

    /// More than a stranger.
    var isTrusted: Bool { !listed.isEmpty || isOfCommittee }

    /// Where to try it, the bootstrap list's places last: its own word is newer.
    var endpoints: [Endpoint] {
        var endpoints = record?.endpoints ?? []
        // Whoever signs a card writes into it what it likes: ways of our own, or no address.
        if !endpoints.allSatisfy(\.isAddress) { endpoints.removeAll { !$0.isAddress } }
        for place in listed where !endpoints.contains(place) { endpoints.append(place) }
        return endpoints
    }

    var home: Endpoint? { link?.home ?? record?.endpoints.first ?? listed.first }

    /// Whether it can be dialled at all: fellows without a place are brought together by others, and anybody else
    /// without one must come by itself.
    var isReachable: Bool { isTrusted || record?.endpoints.contains(where: \.isAddress) == true }

    /// A peer, or one that can be dialled and has not left too many dials unanswered.
    var isLive: Bool { isActive || isReachable && attempts < Membership.attemptsBeforeForgetting }

    /// Every place that counts for its prefixes: a peer's is known, anybody else may be at each that its card names.
    var homes: [Endpoint] { link.map { [$0.home] } ?? endpoints }

    var isActive: Bool {
        if case .active = phase { true } else { false }
    }

    var link: Link? {
        if case .active(let link) = phase { return link }
        return nil
    }

    /// Dials without answer.
    var attempts: Int {
        switch phase {
        case .idle(_, let attempts), .dialled(_, _, _, let attempts, _): attempts
        case .active: 0
        }
    }

    /// When it may be dialled; nil for a peer.
    var retryAt: Instant? {
        switch phase {
        case .idle(let retryAt, _), .dialled(_, _, let retryAt, _, _): retryAt
        case .active: nil
        }
    }
}

/// What we know of a connected peer.
struct Link: Equatable, Sendable {
    /// Where its session leads now.
    var endpoint: Endpoint
    /// Where it was when it became a peer: whoever moves keeps its share of that prefix.
    private(set) var home: Endpoint
    /// Of the card under which it connected: a later one, said by itself, means that it was started anew.
    let life: UInt64
    /// We dialled it.
    let isOutbound: Bool
    /// One of the few that are kept for where they are.
    var isNear: Bool
    /// It said that it was urgent, and one of the committee or the list gave way to it.
    let isPressing: Bool
    /// A stranger when it connected, so that its prefix counted.
    private(set) var isStranger: Bool
    let since: Instant
    var heardAt: Instant
    var roundTrip = RoundTrip()
    var question: Question?
    /// The last ping, until it is answered: the host says `heard` first, which closes the question.
    var echo: Echo?
    /// Its next turn to be asked. What it says meanwhile does not put it off for longer than a moment: or else all its peers,
    /// who heard the same message at one time, would wait for the same time, and nobody look after it until then.
    var turnAt: Instant
    /// Questions in a row that others had to answer for it.
    var detours = 0
    /// When cards were last exchanged that we had not asked for.
    var cardsAt: Instant
    var isAskedForCards = false
    /// When its frames of news would have come, had they come at their pace: they may be ahead of it by `newsBurst`.
    private var newsUntil: Instant
    /// When it was last told who is near.
    var askedAt = Instant(nanoseconds: .min)

    init(
        endpoint: Endpoint, life: UInt64, isOutbound: Bool, isNear: Bool, isPressing: Bool, isStranger: Bool,
        turnAt: Instant, now: Instant
    ) {
        self.endpoint = endpoint
        home = endpoint
        self.life = life
        self.isOutbound = isOutbound
        self.isNear = isNear
        self.isPressing = isPressing
        self.isStranger = isStranger
        self.turnAt = turnAt
        since = now
        heardAt = now
        cardsAt = Instant(nanoseconds: .min)
        newsUntil = now
    }

    /// Frames of cards that nobody asked for: thirty-two at once, as many as all that a small network has, and ten in a
    /// second.
    private static let newsPeriod: Duration = .milliseconds(100)
    private static let newsBurst: Duration = .milliseconds(3_200)

    mutating func takesNews(at now: Instant) -> Bool {
        let next = max(newsUntil, now) + Self.newsPeriod
        guard next <= now + Self.newsBurst else { return false }
        newsUntil = next
        return true
    }

    /// We chose it among all, each prefix as likely as another: strangers cannot fill these places.
    var isChosen: Bool { isOutbound && !isNear }

    /// A silence of so long is worth a question, if it is the peer's turn.
    static let silence: Duration = .milliseconds(500)

    /// When it is to be asked.
    var dueAt: Instant { max(turnAt, heardAt + Self.silence) }

    mutating func keepShare(of before: Link) { (home, isStranger) = (before.home, before.isStranger) }

    /// Whatever it says answers whatever we asked.
    mutating func hear(at now: Instant) {
        heardAt = max(heardAt, now)
        question = nil
        detours = 0
    }
}

/// Contacts in the order of their ids, so that no walk over them depends on a hash.
///
/// What is asked for at every event is kept beside the list, in few cache lines: a contact has some 400 octets.
struct Contacts: Equatable, Sendable {
    private(set) var list: [Contact] = []
    /// Of each contact of `list`, for the search.
    private var ids: [NodeID] = []
    /// Those who are peers, by place, ascending.
    private(set) var active: [Int] = []
    /// Those who were dialled and are no peers yet, by place, ascending.
    private(set) var dialled: [Int] = []
    /// Peers of one's own choice, and not for where they are.
    private(set) var chosenCount = 0
    /// Of those who are live.
    private(set) var liveCount = 0
    /// Strangers that are no peers: the passive view.
    private(set) var passiveCount = 0
    /// Another after each change of what cards say, and of whose they are.
    private(set) var version: UInt64 = 0

    var activeCount: Int { active.count }

    /// Where `node` stands, or where it would.
    private func place(of node: NodeID) -> (index: Int, isThere: Bool) {
        var low = 0
        var high = ids.count
        while low < high {
            let middle = (low + high) / 2
            if ids[middle] < node { low = middle + 1 } else { high = middle }
        }
        return (low, low < ids.count && ids[low] == node)
    }

    func index(of node: NodeID) -> Int? {
        let (index, isThere) = place(of: node)
        return isThere ? index : nil
    }

    subscript(node: NodeID) -> Contact? { index(of: node).map { list[$0] } }

    mutating func insert(_ contact: Contact) {
        let (index, isThere) = place(of: contact.node)
        precondition(!isThere && !contact.isActive)
        list.insert(contact, at: index)
        ids.insert(contact.node, at: index)
        for place in active.indices where active[place] >= index { active[place] += 1 }
        for place in dialled.indices where dialled[place] >= index { dialled[place] += 1 }
        if !contact.isTrusted { passiveCount += 1 }
        if contact.record != nil { noteChange() }
        count(contact.phase, at: index, isThere: true)
    }

    mutating func remove(at index: Int) {
        precondition(!list[index].isActive)
        if !list[index].isTrusted { passiveCount -= 1 }
        if list[index].record != nil { noteChange() }
        count(list[index].phase, at: index, isThere: false)
        list.remove(at: index)
        ids.remove(at: index)
        for place in active.indices where active[place] > index { active[place] -= 1 }
        for place in dialled.indices where dialled[place] > index { dialled[place] -= 1 }
    }

    mutating func noteChange() { version += 1 }

    /// True if it says something else than the last one.
    @discardableResult
    mutating func set(record: NodeRecord, at index: Int) -> Bool {
        let saying = list[index].saying
        let wasLive = list[index].isLive
        list[index].set(record: record)
        if list[index].isLive != wasLive { liveCount += wasLive ? -1 : 1 }
        guard list[index].saying != saying else { return false }
        noteChange()
        return true
    }

    /// Worth a dial at once; one that is on its way may still be answered.
    mutating func hasten(_ index: Int, at now: Instant) {
        switch list[index].phase {
        case .active: break
        case .idle: set(.idle(retryAt: now, attempts: 0), at: index)
        case .dialled(let endpoint, let at, _, _, let isCalledBack):
            set(
                .dialled(endpoint, at: at, retryAt: now, attempts: 0, isCalledBack: isCalledBack), at: index)
        }
    }

    mutating func set(refusals: Int, at index: Int) { list[index].refusals = refusals }
    mutating func setProven(at index: Int) {
        list[index].isProven = true
        list[index].isHearsay = false
    }
    mutating func setHearsay(_ isHearsay: Bool, at index: Int) { list[index].isHearsay = isHearsay }
    mutating func setAnchor(at index: Int) { list[index].isAnchor = true }
    mutating func set(doubtedUntil: Instant, at index: Int) { list[index].doubtedUntil = doubtedUntil }
    mutating func set(spreadAt: Instant, at index: Int) { list[index].spreadAt = spreadAt }
    mutating func set(shunnedUntil: Instant, at index: Int) { list[index].shunnedUntil = shunnedUntil }
    mutating func set(refusableAt: Instant, at index: Int) { list[index].refusableAt = refusableAt }
    mutating func set(admittedUntil: Instant, at index: Int) { list[index].admittedUntil = admittedUntil }

    mutating func noteForgery(at index: Int) { list[index].forgeries += 1 }

    mutating func set(listed places: [NodeID: [Endpoint]]) {
        for index in list.indices { list[index].listed = places[list[index].node] ?? [] }
        recount()
    }

    mutating func set(committee: Set<NodeID>) {
        for index in list.indices { list[index].isOfCommittee = committee.contains(list[index].node) }
        noteChange()
        recount()
    }

    /// Others are strangers now.
    private mutating func recount() {
        passiveCount = list.count { !$0.isTrusted && !$0.isActive }
        liveCount = list.count { $0.isLive }
    }

    mutating func set(_ phase: Contact.Phase, at index: Int) {
        let wasActive = list[index].isActive
        count(list[index].phase, at: index, isThere: false)
        list[index].phase = phase
        count(phase, at: index, isThere: true)
        guard list[index].isActive != wasActive else { return }
        if !list[index].isTrusted { passiveCount += wasActive ? 1 : -1 }
    }

    mutating func update(_ link: Link, at index: Int) {
        precondition(list[index].link.map { $0.isChosen == link.isChosen } ?? false)
        list[index].phase = .active(link)
    }

    /// A peer was heard from this place; anybody else changes nothing.
    mutating func hear(_ endpoint: Endpoint, at index: Int, _ now: Instant) {
        guard case .active(var link) = list[index].phase else { return }
        link.endpoint = endpoint
        link.hear(at: now)
        list[index].phase = .active(link)
    }

    /// Takes a contact, which is in this phase, into what is kept beside the list, or out of it.
    private mutating func count(_ phase: Contact.Phase, at index: Int, isThere: Bool) {
        let one = isThere ? 1 : -1
        if list[index].isLive { liveCount += one }
        switch phase {
        case .idle: break
        case .dialled: Self.change(&dialled, index, isThere: isThere)
        case .active(let link):
            if link.isChosen { chosenCount += one }
            Self.change(&active, index, isThere: isThere)
        }
    }

    private static func change(_ places: inout [Int], _ index: Int, isThere: Bool) {
        let place = places.firstIndex { $0 >= index } ?? places.count
        if isThere { places.insert(index, at: place) } else { places.remove(at: place) }
    }

    func assertInvariants() {
        precondition(ids == list.map(\.node))
        precondition(active == list.indices.filter { list[$0].isActive })
        precondition(chosenCount == active.count { list[$0].link!.isChosen })
        precondition(
            dialled
                == list.indices.filter {
                    if case .dialled = list[$0].phase { true } else { false }
                })
        precondition(liveCount == list.count { $0.isLive })
        precondition(passiveCount == list.count { !$0.isTrusted && !$0.isActive })
        precondition(zip(list, list.dropFirst()).allSatisfy { $0.node < $1.node })
    }
}
