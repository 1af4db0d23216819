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
    /// As many as one header could name.
    static let askedMax = 1_024

    init(epoch: Epoch) {
        self.epoch = epoch
    }

    var count: Int { slots.count }
    var askedCount: Int { asked.count }

    func assertInvariants() {
        precondition(asked.count <= Self.askedMax)
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
    mutating func insertAsked(_ bundle: Bundle) -> Bool {
        guard asked.count < Self.askedMax, !contains(bundle.id) else { return false }
        asked[bundle.id] = bundle
        return true
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

    /// What may stand for a bundle in a list, now that it is held: itself, or its author's conflict.
    func items(of bundle: Bundle) -> [Digest] {
        let hasSecond = slots[bundle.author]?.second != nil
        return [bundle.id]
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
        var bytes = 0
        for entry in all { bytes += entry.bundles.reduce(0) { $0 + $1.encoded().count } }
        guard all.count > Int(parameters.bundlesMax) || bytes > Int(parameters.evidenceBytesMax) else {
            return all
        }
        let ranked = all.map { (rank: Self.rank($0.author, randomness), entry: $0) }.sorted {
            $0.rank < $1.rank
        }
        var chosen: [EvidenceEntry] = []
        var room = Int(parameters.evidenceBytesMax)
        for (_, entry) in ranked.prefix(Int(parameters.bundlesMax)) {
            let size = entry.bundles.reduce(0) { $0 + $1.encoded().count }
            guard size <= room else { break }
            room -= size
            chosen.append(entry)
        }
        return chosen.sorted { $0.author < $1.author }
    }

    private static func rank(_ author: NodeID, _ randomness: Digest) -> Digest {
        Digest(of: randomness.octets + author.octets)
    }

    /// Authors of whom a bundle was held at `instant`, ascending.
    func authors(heldBy instant: Instant) -> [NodeID] {
        slots.filter { $0.value.heldSince <= instant }.keys.sorted()
    }

    var bundles: [Bundle] {
        slots.keys.sorted().flatMap { entry(of: $0)!.bundles }
    }
}
