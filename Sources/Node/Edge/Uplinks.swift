import Chance
import Identity
import Wire

/// The validators that an edge node speaks to: whom it knows, which three it has chosen, and whom it leaves alone for a
/// while.
///
/// - Known are the nodes of the bootstrap list for ever, and those of whom a signed card came, up to `contactsMax`; of
///   these, only who has a seat is used, as long as anybody with a seat is known.
/// - Each is called where it last answered, or where its card or the list has it: upon no answer, at the next of these
///   places, as a node with IPv4 alone reaches none of the others.
/// - Three of them are uplinks, drawn by the node's own chance; with every epoch one is drawn anew, so that nobody stands
///   between a node and the network for long.
/// - Who does not answer, or lies, is left alone for 2 s, 4 s, … 5 min, half of it jitter, and gives way to another;
///   if all are, the one whose time comes first is asked, for ever. A bundle goes to three in any case: it cannot wait.
struct Uplinks {
    static let count = 3
    /// Cards of 200 octets: more validators than any node needs, so that whoever comes first is no rule.
    static let contactsMax = 64

    struct Contact {
        let node: NodeID
        /// Where it is called.
        var endpoint: Endpoint
        var record: NodeRecord?
        /// Its place in the bootstrap list, if it is there.
        var listed: Endpoint?
        var pause = Pause()

        /// Where it says that it is, and where the list has it.
        private var places: [Endpoint] {
            let told = record?.endpoints ?? []
            guard let listed, !told.contains(listed) else { return told }
            return told + [listed]
        }

        /// It may be elsewhere, or this node does not reach that kind of address: the next of its places, one after
        /// another, for as long as it takes. By where it was called last and not by failures, whose count ends.
        mutating func turnToNextPlace() {
            let places = places
            guard !places.isEmpty else { return }
            endpoint = places[((places.firstIndex(of: endpoint) ?? -1) + 1) % places.count]
        }

        /// A newer card. A place that it still names is as good as before, and that of the list until it fails.
        mutating func take(_ card: NodeRecord) {
            record = card
            let isGood = card.endpoints.contains(endpoint) || endpoint == listed && pause.failures == 0
            if !isGood, let first = card.endpoints.first { endpoint = first }
        }
    }

    /// Ascending by key.
    private(set) var contacts: [Contact] = []
    private(set) var chosen: [NodeID] = []
    private var committee: Set<NodeID> = []
    private var chance: Chance
    private var turn = 0

    init(own: NodeID, bootstrap: [(NodeID, Endpoint)], remembered: [NodeRecord], chance: Chance) {
        self.chance = chance
        for (node, endpoint) in bootstrap.prefix(Self.contactsMax) where node != own {
            insert(Contact(node: node, endpoint: endpoint, listed: endpoint))
        }
        for record in remembered where record.node != own { _ = learn(record, isSeated: true) }
    }

    /// The bootstrap list was read again: who is on it is worth a try at once.
    mutating func relist(_ list: [(NodeID, Endpoint)], own: NodeID) {
        for index in contacts.indices { contacts[index].listed = nil }
        for (node, endpoint) in list.prefix(Self.contactsMax) where node != own {
            if let index = place(of: node) {
                contacts[index].endpoint = endpoint
                contacts[index].listed = endpoint
                contacts[index].pause.until = .origin
            }
        }
        for (node, endpoint) in list.prefix(Self.contactsMax) where node != own && place(of: node) == nil {
            if makeRoom() {
                insert(Contact(node: node, endpoint: endpoint, listed: endpoint))
            }
        }
    }

    /// Cards, for the next life.
    var records: [NodeRecord] { contacts.compactMap(\.record) }

    /// Who can be of use: whoever has a seat, if any of them is known.
    private var useful: [Int] {
        let seated = contacts.indices.filter { committee.contains(contacts[$0].node) }
        return seated.isEmpty ? Array(contacts.indices) : seated
    }

    /// Useful contacts, and of them those that are not left alone now.
    func ready(at now: Instant) -> [NodeID] {
        useful.filter { contacts[$0].pause.until <= now }.map { contacts[$0].node }
    }

    /// How many of the committee are known.
    var seatedCount: Int { contacts.count { committee.contains($0.node) } }

    func destination(of node: NodeID) -> Destination? {
        place(of: node).map { Destination(node, contacts[$0].endpoint, opens: true, mayRelay: true) }
    }

    /// An epoch opens: who has a seat, and one uplink is drawn anew.
    mutating func open(committee seats: [NodeID], at now: Instant) {
        committee = Set(seats)
        if !chosen.isEmpty { chosen.remove(at: chance.below(chosen.count)) }
        fill(at: now)
    }

    /// Makes up the three, with whoever is not left alone if that is possible.
    mutating func fill(at now: Instant) {
        let useful = Set(useful.map { contacts[$0].node })
        chosen.removeAll { !useful.contains($0) }
        var others = ready(at: now).filter { !chosen.contains($0) }
        while chosen.count < Self.count, !others.isEmpty {
            chosen.append(others.remove(at: chance.below(others.count)))
        }
    }

    /// Who is given a bundle: the uplinks, and where these are fewer than three, of those that are left alone the ones
    /// whose time comes first.
    mutating func recipients(at now: Instant) -> [NodeID] {
        fill(at: now)
        let others = useful.filter { !chosen.contains(contacts[$0].node) }
            .sorted { (contacts[$0].pause.until, $0) < (contacts[$1].pause.until, $1) }
        return chosen + others.prefix(Self.count - chosen.count).map { contacts[$0].node }
    }

    /// Whom to ask next: the uplinks in turn, else anybody, `excluded` only if there is nobody else.
    mutating func pick(excluding excluded: [NodeID] = [], at now: Instant) -> Destination? {
        fill(at: now)
        let ready = ready(at: now)
        turn += 1
        let uplinks = chosen.filter { ready.contains($0) && !excluded.contains($0) }
        if !uplinks.isEmpty { return destination(of: uplinks[turn % uplinks.count]) }
        let others = ready.filter { !excluded.contains($0) }
        if !others.isEmpty { return destination(of: others[chance.below(others.count)]) }
        if !ready.isEmpty { return destination(of: ready[chance.below(ready.count)]) }
        return useful.min { contacts[$0].pause.until < contacts[$1].pause.until }
            .flatMap { destination(of: contacts[$0].node) }
    }

    /// Somebody who is none of these; nil if nobody is known.
    mutating func stranger(to nodes: [NodeID], at now: Instant) -> NodeID? {
        let others = ready(at: now).filter { !nodes.contains($0) }
        return others.isEmpty ? nil : others[chance.below(others.count)]
    }

    /// It is there; whether it tells the truth is another question.
    mutating func answered(_ node: NodeID, at place: Endpoint) {
        guard let index = self.place(of: node) else { return }
        contacts[index].pause.until = .origin
        contacts[index].endpoint = place
    }

    /// What it said is so, or nobody can tell: its next failure is the first.
    mutating func believed(_ node: NodeID) {
        guard let index = self.place(of: node) else { return }
        contacts[index].pause = Pause()
    }

    /// It did not answer, or said what is not so.
    mutating func failed(_ node: NodeID, at now: Instant) {
        guard let index = place(of: node) else { return }
        contacts[index].pause.failed(at: now, &chance)
        contacts[index].turnToNextPlace()
        guard !ready(at: now).isEmpty else { return }
        chosen.removeAll { $0 == node }
        fill(at: now)
    }

    func isKnown(_ node: NodeID) -> Bool { place(of: node) != nil }

    /// Takes a card whose signature holds, if it is newer; true if it is worth remembering.
    mutating func learn(_ record: NodeRecord, isSeated: Bool? = nil) -> Bool {
        guard isSeated ?? committee.contains(record.node) || place(of: record.node) != nil,
            let endpoint = record.endpoints.first
        else { return false }
        if let index = place(of: record.node) {
            if let known = contacts[index].record, known.sequence >= record.sequence { return false }
            contacts[index].take(record)
            return true
        }
        guard makeRoom() else { return false }
        insert(Contact(node: record.node, endpoint: endpoint, record: record))
        return true
    }

    /// Whoever lost its seat or fails most gives way, if anybody does.
    private mutating func makeRoom() -> Bool {
        guard contacts.count >= Self.contactsMax else { return true }
        let spare = contacts.indices.filter {
            contacts[$0].listed == nil && !chosen.contains(contacts[$0].node)
                && (!committee.contains(contacts[$0].node) || contacts[$0].pause.failures > 2)
        }
        guard let worst = spare.max(by: { contacts[$0].pause.failures < contacts[$1].pause.failures })
        else { return false }
        contacts.remove(at: worst)
        return true
    }

    private mutating func insert(_ contact: Contact) {
        let index = contacts.firstIndex { contact.node < $0.node } ?? contacts.count
        if let known = place(of: contact.node) {
            contacts[known].endpoint = contact.endpoint
            contacts[known].listed = contact.listed
            return
        }
        contacts.insert(contact, at: index)
    }

    private func place(of node: NodeID) -> Int? { contacts.firstIndex { $0.node == node } }

    func assertInvariants() {
        precondition(contacts.count <= Self.contactsMax && chosen.count <= Self.count)
        precondition(zip(contacts, contacts.dropFirst()).allSatisfy { $0.node < $1.node })
        precondition(chosen.allSatisfy { node in contacts.contains { $0.node == node } })
        precondition(Set(chosen).count == chosen.count)
    }
}
