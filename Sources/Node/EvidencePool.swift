import Bytes
import Chance
import HeapModule
import Identity
import Rules
import Wire

/// How much of an epoch's evidence is held, and whose, where there is more: twice what a block may have, of the authors who rank
/// first. A block is filled in that very order, so that what is left out here is left out of every full block, and the other half
/// is for what others' blocks have and this node's own would not.
struct EvidenceRoom {
    let authorsMax: Int
    let byteCountMax: Int
    /// R(e). It is known before any evidence of e: nothing of an epoch is taken before the block before it is final.
    let randomness: Digest

    init(_ parameters: Parameters, randomness: Digest) {
        authorsMax = 2 * Int(parameters.bundlesMax)
        byteCountMax = 2 * Int(parameters.evidenceBytesMax)
        self.randomness = randomness
    }
}

/// The bundles a node holds of one epoch: at most two an author, and when the first of each came.
///
/// Above its room the authors who rank last go, with all they said. Nobody who ranks after them is taken in any more: so what is held
/// depends on what came, and not on the order in which it did, and nodes that compare their pools end with equal ones. The own bundle
/// goes like any other: what its author owes others, its own store holds.
struct EvidencePool {
    private struct Slot {
        var first: Bundle
        var firstID: Digest
        var second: Bundle?
        var heldSince: Instant
        /// What it counts for in a block.
        var byteCount: Int
    }

    private struct Ranked: Comparable {
        let rank: Digest
        let author: NodeID

        static func < (left: Ranked, right: Ranked) -> Bool { left.rank < right.rank }
    }

    /// Once there was no room for somebody.
    private struct Ranking {
        var held: Heap<Ranked>
        /// The lowest rank without room.
        var limit: Digest
    }

    let epoch: Epoch
    /// Nil where all that comes is asked for.
    let room: EvidenceRoom?
    private var ranking: Ranking?
    private var byteCount = 0
    /// Bundles for which there is no room any more, until they are taken from here.
    private var dropped: [Bundle] = []
    private var slots: [NodeID: Slot] = [:]
    private var authorByID: [Digest: NodeID] = [:]
    /// Of whom two bundles are held, by the item that stands for both.
    private var conflicts: [Digest: NodeID] = [:]
    /// Bundles beyond two an author, and of authors without room, that a header names: held because the network may have agreed
    /// on them.
    private var asked: [Digest: Bundle] = [:]
    private var askedByteCount = 0
    /// Of each author, in the order in which they came.
    private var askedOf: [NodeID: [Digest]] = [:]
    static let askedMin = 4_096
    /// So that one author's leave room for others': each header names one of an author.
    static let askedOfAuthorMax = 8

    init(epoch: Epoch, room: EvidenceRoom? = nil) {
        self.epoch = epoch
        self.room = room
    }

    var count: Int { slots.count }
    /// Without those that were asked for.
    var bundleCount: Int { authorByID.count }
    var askedCount: Int { asked.count }

    /// There is room for a whole block at least, two bundles an entry: of what it names nothing may be held otherwise.
    var askedMax: Int { max(Self.askedMin, room?.authorsMax ?? 0) }
    private var askedByteCountMax: Int {
        max(Self.askedMin * Bundle.byteCountMax, room?.byteCountMax ?? 0)
    }

    func assertInvariants() {
        precondition(asked.count <= askedMax && askedByteCount <= askedByteCountMax)
        precondition(askedByteCount == asked.values.reduce(0) { $0 + $1.encoded().count })
        precondition(byteCount == slots.values.reduce(0) { $0 + $1.byteCount })
        if let room { precondition(slots.count <= room.authorsMax && byteCount <= room.byteCountMax) }
        if let ranking {
            precondition(ranking.held.count == slots.count)
            precondition(slots.keys.allSatisfy { !isOutranked($0) })
        }
        precondition(asked.count == askedOf.values.reduce(0) { $0 + $1.count })
        precondition(authorByID.count == slots.values.reduce(0) { $0 + ($1.second == nil ? 1 : 2) })
        precondition(
            conflicts.count == Set(slots.keys).union(askedOf.keys).count { hasConflict($0) })
        for (author, slot) in slots {
            precondition(slot.first.author == author && slot.first.epoch == epoch)
            precondition(authorByID[slot.firstID] == author)
            precondition(slot.second?.author ?? author == author && slot.second?.epoch ?? epoch == epoch)
        }
    }

    func contains(_ id: Digest) -> Bool { authorByID[id] != nil || asked[id] != nil }

    /// Whether another bundle of this author would be kept.
    func hasRoom(for author: NodeID) -> Bool { slots[author]?.second == nil && !isOutranked(author) }

    /// Whether there is no room for this author, as so many rank before it.
    func isOutranked(_ author: NodeID) -> Bool {
        guard let ranking, let room else { return false }
        return ranking.limit <= Randomness.rank(of: author, randomness: room.randomness)
    }

    /// What went since this was asked last.
    mutating func takeDropped() -> [Bundle] {
        defer { dropped = [] }
        return dropped
    }

    /// Keeps a verified bundle that a header names and for which there is no other room; false if it is known or one too many.
    /// - Parameter owed: What the network has agreed on, if this bundle is of it: there is always room for that, and others give way.
    mutating func insertAsked(
        _ bundle: Bundle, owed: @autoclosure () -> Set<Digest>? = nil
    ) -> Bool {
        guard !contains(bundle.id) else { return false }
        if askedOf[bundle.author, default: []].count >= Self.askedOfAuthorMax {
            guard let owed = owed(), let other = askedOf[bundle.author]!.first(where: { !owed.contains($0) })
            else { return false }
            dropAsked(other)
        }
        let size = bundle.encoded().count
        while asked.count >= askedMax || askedByteCount + size > askedByteCountMax {
            guard let owed = owed(), dropSuperfluous(beside: owed) else { return false }
        }
        askedOf[bundle.author, default: []].append(bundle.id)
        asked[bundle.id] = bundle
        askedByteCount += size
        noteConflict(of: bundle.author)
        return true
    }

    /// Of what was asked for, all that none of these items stands for: to look through it once for each that comes would take
    /// longer than all else. False if there is none.
    private mutating func dropSuperfluous(beside owed: Set<Digest>) -> Bool {
        let superfluous = asked.filter { id, bundle in
            !owed.contains(id)
                && !owed.contains(EvidenceEntry.conflictItem(author: bundle.author, epoch: epoch))
        }.keys
        for id in superfluous { dropAsked(id) }
        return !superfluous.isEmpty
    }

    private mutating func dropAsked(_ id: Digest) {
        let bundle = asked.removeValue(forKey: id)!
        askedByteCount -= bundle.encoded().count
        askedOf[bundle.author]!.removeAll { $0 == id }
        if askedOf[bundle.author]!.isEmpty { askedOf[bundle.author] = nil }
        noteConflict(of: bundle.author)
    }

    /// Whether two bundles of an author are held in whatever place.
    private func hasConflict(_ author: NodeID) -> Bool {
        slots[author]?.second != nil || askedOf[author, default: []].count > 1
    }

    private mutating func noteConflict(of author: NodeID) {
        let item = EvidenceEntry.conflictItem(author: author, epoch: epoch)
        conflicts[item] = hasConflict(author) ? author : nil
    }

    private func conflict(of author: NodeID) -> EvidenceEntry? {
        if let slot = slots[author], let second = slot.second { return .conflict(slot.first, second) }
        let ids = askedOf[author, default: []].sorted()
        guard ids.count > 1, let first = asked[ids[0]], let second = asked[ids[1]] else { return nil }
        return .conflict(first, second)
    }

    /// Keeps a verified bundle; false if it is known or one too many, or if there is no room for its author.
    mutating func insert(_ bundle: Bundle, at now: Instant) -> Bool {
        precondition(bundle.epoch == epoch)
        let id = bundle.id
        guard authorByID[id] == nil, !isOutranked(bundle.author) else { return false }
        if var slot = slots[bundle.author] {
            guard slot.second == nil else { return false }
            // A conflict names the lower id first, so that it has one encoding.
            if id < slot.firstID {
                slot.second = slot.first
                slot.first = bundle
                slot.firstID = id
            } else {
                slot.second = bundle
            }
            byteCount -= slot.byteCount
            slot.byteCount = EvidenceEntry.conflict(slot.first, slot.second!).byteCount
            byteCount += slot.byteCount
            slots[bundle.author] = slot
            noteConflict(of: bundle.author)
        } else {
            let size = EvidenceEntry.bundle(bundle).byteCount
            slots[bundle.author] = Slot(
                first: bundle, firstID: id, second: nil, heldSince: now, byteCount: size)
            byteCount += size
            if ranking != nil { ranking!.held.insert(ranked(bundle.author)) }
        }
        authorByID[id] = bundle.author
        makeRoom()
        return authorByID[id] != nil
    }

    private func ranked(_ author: NodeID) -> Ranked {
        Ranked(rank: Randomness.rank(of: author, randomness: room!.randomness), author: author)
    }

    /// Lets go who ranks last until what is left has room. Up to then nobody's rank is computed.
    private mutating func makeRoom() {
        guard let room else { return }
        while slots.count > room.authorsMax || byteCount > room.byteCountMax {
            var held = ranking?.held ?? Heap(slots.keys.map(ranked))
            ranking = nil
            guard let last = held.popMax() else { return }
            ranking = Ranking(held: held, limit: last.rank)
            drop(last.author)
        }
    }

    private mutating func drop(_ author: NodeID) {
        guard let slot = slots.removeValue(forKey: author) else { return }
        byteCount -= slot.byteCount
        for bundle in [slot.first, slot.second].compactMap({ $0 }) {
            authorByID[bundle.id] = nil
            dropped.append(bundle)
        }
        if slot.second != nil { noteConflict(of: author) }
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
        return conflicts[item.item].flatMap { conflict(of: $0) }
    }

    /// What stands for a bundle in a list, if it is held: itself, and its author's conflict.
    func items(of bundle: Bundle) -> [Digest] {
        (contains(bundle.id) ? [bundle.id] : [])
            + (hasConflict(bundle.author)
                ? [EvidenceEntry.conflictItem(author: bundle.author, epoch: epoch)] : [])
    }

    /// The bundles behind an item, for a peer that asks for it.
    func bundles(for item: Digest) -> [Bundle] {
        if let bundle = asked[item], !isRemoved(.servesAsked) { return [bundle] }
        if let author = authorByID[item], let slot = slots[author] {
            return slot.firstID == item ? [slot.first] : slot.second.map { [$0] } ?? []
        }
        return conflicts[item].flatMap { conflict(of: $0) }?.bundles ?? []
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
