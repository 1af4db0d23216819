import Chance
import Dissemination
import Identity
import Membership
import Reconciliation
import Wire

/// The contact cards that are made equal with peers.
struct SharedCards {
    /// Pushed at once; a peer that lacks more asks again.
    static let pushesMax = 64

    /// Of the membership's cards that these are.
    private(set) var version: UInt64?
    private var ids: [Digest] = []
    private var cards: [Digest: NodeRecord] = [:]

    func contains(_ id: Digest) -> Bool { cards[id] != nil }

    subscript(id: Digest) -> NodeRecord? { cards[id] }

    /// What has gone and what has come, each in the order of the cards' nodes.
    mutating func update(from membership: Membership) -> (gone: [Digest], come: [Digest]) {
        version = membership.sharedCardsVersion
        let old = (ids: ids, cards: cards)
        let shared = membership.sharedCards
        ids = shared.map(\.id)
        cards = Dictionary(shared.map { ($0.id, $0.card) }) { first, _ in first }
        return (old.ids.filter { cards[$0] == nil }, ids.filter { old.cards[$0] == nil })
    }
}

extension Node {
    /// Tells the reconciler which cards have come and gone.
    func compareCards(at now: Instant, _ actions: inout [NodeAction]) {
        guard cards.version != membership.sharedCardsVersion else { return }
        let (gone, come) = cards.update(from: membership)
        for id in gone { run(reconciliation: .removed(.records, id), at: now, &actions) }
        for id in come { run(reconciliation: .inserted(.records, id), at: now, &actions) }
    }

    func push(cards ids: [Digest], to peer: NodeID, _ actions: inout [NodeAction]) {
        guard let endpoint = endpoints[peer] else { return }
        let records = ids.prefix(SharedCards.pushesMax).compactMap { cards[$0] }.filter { $0.node != peer }
        for start in stride(from: 0, to: records.count, by: Frame.recordsMax) {
            let some = Array(records[start..<min(start + Frame.recordsMax, records.count)])
            send([.records(some, asks: false)], to: Destination(peer, endpoint), &actions)
        }
    }

    /// Whatever its cards, their signatures are good.
    func take(_ event: Membership.Event, at now: Instant, _ actions: inout [NodeAction]) {
        run(membership: event, at: now, &actions)
        guard case .records(let records, asks: false, _, _) = event else { return }
        decline(records, at: now, &actions)
    }

    /// Rounds wait no longer for those of these that are not held.
    func decline(_ records: [NodeRecord], at now: Instant, _ actions: inout [NodeAction]) {
        for record in records {
            let id = record.saying
            if !cards.contains(id) { run(reconciliation: .declined(.records, id), at: now, &actions) }
        }
    }
}
