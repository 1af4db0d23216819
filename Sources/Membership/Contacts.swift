internal import Chance
internal import Identity
internal import Wire

/// One node that might be a peer.
struct Contact: Equatable, Sendable {
    /// How we stand with it. Each case carries only what is true while it lasts.
    enum Phase: Equatable, Sendable {
        /// Not connected; dialled at `retryAt` at the earliest. `attempts` counts dials without answer.
        case idle(retryAt: Instant, attempts: Int)
        case active(Link)
    }

    let node: NodeID
    /// Its newest signed card; nil for an entry of the bootstrap list that has not answered yet.
    var record: NodeRecord?
    /// Where the bootstrap list says it is; such a contact is never forgotten.
    var listed: Endpoint?
    var phase: Phase
    /// Of the committee; kept here because it is asked for at every event.
    var isOfCommittee = false

    /// More than a stranger.
    var isTrusted: Bool { listed != nil || isOfCommittee }

    /// Where to try it, the bootstrap list's place last: its own word is newer.
    var endpoints: [Endpoint] {
        var endpoints = record?.endpoints ?? []
        if let listed, !endpoints.contains(listed) { endpoints.append(listed) }
        return endpoints
    }

    var isActive: Bool {
        if case .active = phase { true } else { false }
    }

    var link: Link? {
        if case .active(let link) = phase { return link }
        return nil
    }
}

/// What we know of a connected peer.
struct Link: Equatable, Sendable {
    let endpoint: Endpoint
    /// Of the card under which it connected: a higher one, said by itself, means that it was started anew.
    let sequence: UInt64
    var nextPing: Instant
    /// The open question; nil once the peer was heard since.
    var nonce: UInt64?
    var misses = 0
}

/// Contacts in the order of their ids, so that no walk over them depends on a hash.
struct Contacts: Equatable, Sendable {
    private(set) var list: [Contact] = []
    private(set) var activeCount = 0

    /// Where `node` stands, or where it would.
    private func place(of node: NodeID) -> (index: Int, isThere: Bool) {
        var low = 0
        var high = list.count
        while low < high {
            let middle = (low + high) / 2
            if list[middle].node < node { low = middle + 1 } else { high = middle }
        }
        return (low, low < list.count && list[low].node == node)
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
    }

    mutating func remove(at index: Int) {
        precondition(list[index].link == nil)
        list.remove(at: index)
    }

    mutating func set(record: NodeRecord, at index: Int) { list[index].record = record }

    mutating func set(committee: Set<NodeID>) {
        for index in list.indices { list[index].isOfCommittee = committee.contains(list[index].node) }
    }

    mutating func set(_ phase: Contact.Phase, at index: Int) {
        if list[index].link != nil { activeCount -= 1 }
        list[index].phase = phase
        if list[index].link != nil { activeCount += 1 }
    }

    mutating func update(_ link: Link, at index: Int) {
        precondition(list[index].link != nil)
        list[index].phase = .active(link)
    }

    func assertInvariants() {
        assert(activeCount == list.count { $0.link != nil })
        assert(zip(list, list.dropFirst()).allSatisfy { $0.node < $1.node })
    }
}
