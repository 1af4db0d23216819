import Bytes
import Chance
import Identity
import Rules
import Wire

/// The bundles a node holds of one epoch: at most two an author, and when the first of each came.
struct EvidencePool {
    private struct Slot {
        var first: Bundle
        var firstID: Digest
        var second: Bundle?
        var heldSince: Instant
    }

    let epoch: Epoch
    private var slots: [NodeID: Slot] = [:]
    private var authorByID: [Digest: NodeID] = [:]
    /// Of whom two bundles are held, by the item that stands for both.
    private var conflicts: [Digest: NodeID] = [:]
    /// Bundles beyond two an author that a header names: held because the network may have agreed on them.
    private var asked: [Digest: Bundle] = [:]
    /// Of each author, in the order in which they came.
    private var askedOf: [NodeID: [Digest]] = [:]
    static let askedMax = 4_096
    /// So that one author's leave room for others': each header names one of an author.
    static let askedOfAuthorMax = 8

    init(epoch: Epoch) {
        self.epoch = epoch
    }

    var count: Int { slots.count }
    var askedCount: Int { asked.count }

    func assertInvariants() {
        precondition(asked.count <= Self.askedMax)
        precondition(asked.count == askedOf.values.reduce(0) { $0 + $1.count })
        precondition(authorByID.count == slots.values.reduce(0) { $0 + ($1.second == nil ? 1 : 2) })
        precondition(conflicts.count == slots.values.count { $0.second != nil })
        for (author, slot) in slots {
            precondition(slot.first.author == author && slot.first.epoch == epoch)
            precondition(authorByID[slot.firstID] == author)
            precondition(slot.second?.author ?? author == author && slot.second?.epoch ?? epoch == epoch)
        }
    }

    func contains(_ id: Digest) -> Bool { authorByID[id] != nil || asked[id] != nil }

    /// Whether another bundle of this author would be kept.
    func hasRoom(for author: NodeID) -> Bool { slots[author]?.second == nil }

    /// Keeps a verified third bundle of an author, which a header names; false if it is known or one too many.
    /// - Parameter owed: What the network has agreed on, if this bundle is of it: there is always room for that, and others give way.
    mutating func insertAsked(_ bundle: Bundle, owed: Set<Digest>? = nil) -> Bool {
        guard !contains(bundle.id) else { return false }
        if askedOf[bundle.author, default: []].count >= Self.askedOfAuthorMax {
            guard let owed, let other = askedOf[bundle.author]!.first(where: { !owed.contains($0) })
            else { return false }
            dropAsked(other)
        } else if asked.count >= Self.askedMax {
            guard let owed, let other = asked.keys.filter({ !owed.contains($0) }).min() else { return false }
            dropAsked(other)
        }
        askedOf[bundle.author, default: []].append(bundle.id)
        asked[bundle.id] = bundle
        return true
    }

    private mutating func dropAsked(_ id: Digest) {
        let author = asked.removeValue(forKey: id)!.author
        askedOf[author]!.removeAll { $0 == id }
        if askedOf[author]!.isEmpty { askedOf[author] = nil }
    }

    /// Keeps a verified bundle; false if it is known or one too many.
    mutating func insert(_ bundle: Bundle, at now: Instant) -> Bool {
        precondition(bundle.epoch == epoch)
        let id = bundle.id
        guard authorByID[id] == nil else { return false }
        if var slot = slots[bundle.author] {
            guard slot.second == nil else { return false }
            conflicts[EvidenceEntry.conflictItem(author: bundle.author, epoch: epoch)] = bundle.author
            // A conflict names the lower id first, so that it has one encoding.
            if id < slot.firstID {
                slot.second = slot.first
                slot.first = bundle
                slot.firstID = id
            } else {
                slot.second = bundle
            }
            slots[bundle.author] = slot
        } else {
            slots[bundle.author] = Slot(first: bundle, firstID: id, second: nil, heldSince: now)
        }
        authorByID[id] = bundle.author
        return true
    }

    /// What is held of one author.
    func entry(of author: NodeID) -> EvidenceEntry? {
        guard let slot = slots[author] else { return nil }
        return slot.second.map { .conflict(slot.first, $0) } ?? .bundle(slot.first)
    }

    /// The entry that a header's item stands for, if it is held here.
    ///
    /// A header commits to items only: the author beside one is the word of whoever sent the list, so that it is used
    /// where it can be checked and nowhere else.
    func entry(for item: EvidenceItem) -> EvidenceEntry? {
        if isRemoved(.authorsAreHints), slots[item.author] == nil { return nil }
        if let bundle = asked[item.item] { return .bundle(bundle) }
        if let author = authorByID[item.item], let slot = slots[author] {
            if slot.firstID == item.item { return .bundle(slot.first) }
            return slot.second.map { .bundle($0) }
        }
        return conflicts[item.item].flatMap { entry(of: $0) }
    }

    /// What stands for a bundle in a list, if it is held: itself, and its author's conflict.
    func items(of bundle: Bundle) -> [Digest] {
        let hasSecond = slots[bundle.author]?.second != nil
        return (contains(bundle.id) ? [bundle.id] : [])
            + (hasSecond ? [EvidenceEntry.conflictItem(author: bundle.author, epoch: epoch)] : [])
    }

    /// The bundles behind an item, for a peer that asks for it.
    func bundles(for item: Digest) -> [Bundle] {
        if let author = authorByID[item], let slot = slots[author] {
            return slot.firstID == item ? [slot.first] : slot.second.map { [$0] } ?? []
        }
        return conflicts[item].flatMap { entry(of: $0) }?.bundles ?? []
    }

    /// Everything held, ordered by author; above the limits the authors lowest by BLAKE2b(R(e) ‖ author).
    func entries(randomness: Digest, parameters: Parameters) -> [EvidenceEntry] {
        let authors = slots.keys.sorted()
        let all = authors.map { entry(of: $0)! }
        guard
            all.count > Int(parameters.bundlesMax) || all.byteCount > Int(parameters.evidenceBytesMax)
        else { return all }
        let ranked = all.map { (rank: Randomness.rank(of: $0.author, randomness: randomness), entry: $0) }
            .sorted {
                $0.rank < $1.rank
            }
        var chosen: [EvidenceEntry] = []
        var room = Int(parameters.evidenceBytesMax)
        for (_, entry) in ranked.prefix(Int(parameters.bundlesMax)) {
            let size = entry.byteCount
            guard size <= room else { break }
            room -= size
            chosen.append(entry)
        }
        return chosen.sorted { $0.author < $1.author }
    }

    /// Authors of whom a bundle was held at `instant`, ascending.
    func authors(heldBy instant: Instant) -> [NodeID] {
        slots.filter { $0.value.heldSince <= instant }.keys.sorted()
    }

    var bundles: [Bundle] {
        slots.keys.sorted().flatMap { entry(of: $0)!.bundles }
    }
}
