import Identity
public import Wire

extension Membership {
    /// Cards of those members of the committee that answered when they were last tried, this node's own first; to tell
    /// whoever looks for validators. `turn` decides which ones, where there are more.
    public func committeeCards(max: Int, turn: Int) -> [NodeRecord] {
        var cards = committee.contains(own.node) ? [own] : []
        let others = contacts.list.filter { $0.isOfCommittee && isTold($0) }.compactMap(\.record)
        guard !others.isEmpty else { return cards }
        for place in 0..<min(others.count, max - cards.count) {
            cards.append(others[(turn + place) % others.count])
        }
        return cards
    }
}
