internal import Bytes
internal import Chance
public import Identity
public import Wire

// Cards that every full node is to hold: those of the committee, and in a small network everybody's. They travel as news from peer
// to peer, and the host makes what peers hold of them equal (`sharedCards`), so that nothing depends on luck.
//
// Whoever invents nodes has their cards spread by honest ones in this way, and so tellers prove nothing here: what is known by news alone
// is *hearsay*. It is passed over while the view is full, dialled after all others, displaced before all others, takes no room from them, and is neither exchanged nor remembered;
// until its owner says it, or somebody who was asked for cards.
extension Membership {
    /// To gather news for one frame, and to hear who has them already.
    static let newsDelay: Duration = .milliseconds(20)
    /// Waiting to be told; what is one too many, peers find by comparing.
    static let newsMax = 64
    /// Of one node no more often: whoever is started anew all the time is no news.
    static let newsPeriod: Duration = .seconds(10)

    struct News: Equatable, Sendable {
        let node: NodeID
        /// Where it was told: they know.
        var tellers: [Endpoint]
    }

    /// The passive view has no room for everybody, or a prefix has none: what strangers one holds is then a matter of chance, and
    /// nothing to make equal. It was so, until half of the view is free.
    mutating func reckonSize() {
        let most = settings.passiveMax
        let isLarge = contacts.passiveCount >= (self.isLarge ? most / 2 : most * 3 / 4) || hasTurnedAway
        guard isLarge != self.isLarge else { return }
        self.isLarge = isLarge
        contacts.noteChange()
    }

    /// The cards to make equal with peers, in the order of their nodes, one's own first if it is of use. An id stands
    /// for what a card says: the same one renewed has the same, as it is no news.
    public var sharedCards: [(id: Digest, card: NodeRecord)] {
        var cards: [(id: Digest, card: NodeRecord)] = []
        if isOfUse(own, isOfCommittee: committee.contains(own.node)) { cards.append((own.saying, own)) }
        for index in contacts.list.indices where isShared(index) {
            cards.append((contacts.list[index].saying!, contacts.list[index].record!))
        }
        return cards
    }

    /// By the clock that all share, and not by who answers here: else two sets would never be equal.
    private func isShared(_ index: Int) -> Bool {
        guard let record = contacts.list[index].record, !isLarge || contacts.list[index].isOfCommittee,
            isOfUse(record, isOfCommittee: contacts.list[index].isOfCommittee)
        else { return false }
        return !hasExpired(record) && (record.epoch <= final || record.epoch - final <= lifetime)
    }

    /// Whether others could do anything with the card: a stranger without a place must come by itself. Of these one
    /// holds a few only, so that they could not be made equal.
    func isOfUse(_ record: NodeRecord, isOfCommittee: Bool) -> Bool {
        isOfCommittee || !record.endpoints.isEmpty
    }

    /// A stranger that nobody was asked for, while the view is full: all that it could displace is another one like it.
    func isPassedOver(_ node: NodeID) -> Bool {
        contacts.passiveCount >= settings.passiveMax && contacts.index(of: node) == nil
            && !committee.contains(node)
    }

    /// Whether this card would be passed over if a peer told it now, so that nobody need check its signature.
    public func passesOver(_ card: NodeRecord, asks: Bool, from sender: NodeID) -> Bool {
        guard !asks, card.node != sender, contacts[sender]?.link?.isAskedForCards == false else {
            return false
        }
        return isPassedOver(card.node)
    }

    /// The very card, signature and all: whoever tells it needs no checking.
    public func holds(_ card: NodeRecord) -> Bool {
        guard let index = contacts.index(of: card.node) else { return card == own }
        return contacts.list[index].record == card
    }

    /// Whether this node called it and waits for its answer.
    public func hasDialled(_ node: NodeID) -> Bool {
        guard let index = contacts.index(of: node) else { return false }
        return contacts.dialled.contains(index)
    }

    /// Tells peers of it soon.
    mutating func spread(_ node: NodeID, toldAt teller: Endpoint?, at now: Instant) {
        guard let index = contacts.index(of: node), isShared(index), news.count < Self.newsMax,
            contacts.list[index].spreadAt <= now, !news.contains(where: { $0.node == node })
        else { return }
        contacts.set(spreadAt: now + Self.newsPeriod, at: index)
        news.append(News(node: node, tellers: teller.map { [$0] } ?? []))
        newsDue = min(newsDue, now + Self.newsDelay)
    }

    /// Somebody else tells what is waiting to be told.
    mutating func noteTold(_ node: NodeID, at teller: Endpoint?) {
        guard !news.isEmpty, let teller, let place = news.firstIndex(where: { $0.node == node }),
            news[place].tellers.count < settings.activeMax
        else { return }
        news[place].tellers.append(teller)
    }

    mutating func tellNews(_ actions: inout [Action]) {
        let told = news
        news = []
        newsDue = .never
        for index in contacts.active {
            let peer = contacts.list[index].node
            let endpoint = contacts.list[index].link!.endpoint
            var cards: [NodeRecord] = []
            for item in told where item.node != peer && !item.tellers.contains(endpoint) {
                guard let record = contacts[item.node]?.record else { continue }
                cards.append(record)
            }
            for start in stride(from: 0, to: cards.count, by: Frame.recordsMax) {
                let some = Array(cards[start..<min(start + Frame.recordsMax, cards.count)])
                actions.append(.send(peer, endpoint, .records(some, asks: false)))
            }
        }
    }
}

extension NodeRecord {
    /// What stands for all that the card says but how fresh it is.
    public var saying: Digest {
        var writer = ByteWriter(capacity: 128)
        node.encode(to: &writer)
        writer.integer(life)
        roles.encode(to: &writer)
        writer.list(endpoints)
        writer.option(region)
        writer.integer(version)
        return Digest(of: writer.bytes)
    }
}
