import Chance
import Consensus
import Identity
import Wire

/// A header on its way to being executed: first what stands behind it must be here, then its signatures checked.
struct Candidate {
    enum Stage {
        /// The body and the list of evidence items are asked for.
        case needsContents
        /// The list is here, some bundles are not.
        case needsBundles(Contents)
        /// Workers check the body's signatures.
        case checking(Contents, [EvidenceEntry])
        /// Checked and executed: every root is as the header says.
        case executed(Block, Executed)
        /// Was executed, as others were since: begun again with its bundles if consensus asks once more, or if it is final.
        case laidAside(Contents)
        /// Objectively not a block of this epoch.
        case invalid(BlockFault)
    }

    let header: Header
    let digest: Digest
    var stage: Stage = .needsContents
    /// Answer `Simplex` once it is known; the strictest view that asked decides whether subjective rules apply.
    var isAwaited = false
    var isSubjective = false
    /// Set once the header is final.
    var certificate: Certificate?
    /// When to ask the next peer for what is missing.
    var retryAt: Instant = .origin
    var attempt = 0
    /// Of its evidence list, once that is known and was looked through: what is not here.
    var absent: AbsentItems?
    /// What of its evidence list is known, while that is asked for.
    var list: ListGuess?
    /// Who answered the last question: asked first, once.
    var answerer: NodeID?
    /// Who was asked anything: what others say of its list is not listened to.
    var asked: Set<NodeID> = []
    /// What stands behind it is on the disk, or on its way there.
    var isStored = false

    var isWaiting: Bool {
        switch stage {
        case .needsContents, .needsBundles: true
        case .checking, .executed, .laidAside, .invalid: false
        }
    }
}

extension Candidate {
    /// Which peer to ask for what is missing, this time: the builder first, then those with a seat, of whom most hold what
    /// they voted for, then anybody. Keys cost nothing: among strangers a dishonest host could make a node ask for long.
    /// - Parameter peers: In the order of their keys.
    func source(among peers: [NodeID], committee: Committee) -> NodeID? {
        guard !peers.isEmpty else { return nil }
        if attempt == 0, peers.contains(header.builder) { return header.builder }
        let seated = peers.filter { committee.index(of: $0) != nil }
        let others = peers.filter { committee.index(of: $0) == nil }
        let start = Int(digest.prefix % 1024)
        let turn = attempt % peers.count
        return turn < seated.count
            ? seated[(start + turn) % seated.count] : others[(start + turn) % others.count]
    }
}

/// What of an evidence list is not here, in the list's order. Each bundle that comes is looked up, and no list is walked through
/// for it: a header may name ten thousand that nobody has.
struct AbsentItems {
    private var list: ArraySlice<EvidenceItem>
    private var absent: Set<Digest>

    init(_ items: [EvidenceItem]) {
        list = items[...]
        absent = Set(items.map(\.item))
    }

    var isEmpty: Bool { absent.isEmpty }

    func contains(_ item: Digest) -> Bool { absent.contains(item) }

    /// False if it was not absent.
    mutating func remove(_ item: Digest) -> Bool { absent.remove(item) != nil }

    /// The first of them, as many as one question names.
    mutating func first(_ count: Int) -> [EvidenceItem] {
        while let item = list.first?.item, !absent.contains(item) { list.removeFirst() }
        var found: [EvidenceItem] = []
        for item in list where absent.contains(item.item) {
            found.append(item)
            if found.count == count { break }
        }
        return found
    }
}

/// The candidates of the open epoch, in the order of their arrival, or of when they were last executed.
struct Candidates {
    /// One proposal a view: of so many, those of the first views are not the ones that the newest are about.
    static let max = 64
    /// Of those that are not final, so many keep what executing them gave: 15 to 20 MB each, where ten thousand authors report
    /// twenty beacons. Who has seen one notarized proposes that again, so that an older one seldom becomes final.
    static let executedMax = 4
    /// How long an unanswered request waits before the next peer is asked.
    static let patience: Duration = .milliseconds(150)

    private(set) var list: [Candidate] = []
    /// Those on the disk, the oldest first.
    private var stored: [Digest] = []

    subscript(digest: Digest) -> Candidate? {
        get { list.first { $0.digest == digest } }
        set {
            guard let newValue else { return list.removeAll { $0.digest == digest } }
            if let place = list.firstIndex(where: { $0.digest == digest }) {
                list[place] = newValue
            } else {
                // The oldest gives way: should it be needed yet, it is asked for again.
                if list.count >= Self.max, let oldest = list.firstIndex(where: { $0.certificate == nil }) {
                    list.remove(at: oldest)
                }
                list.append(newValue)
            }
        }
    }

    var deadline: Instant {
        // By index: it is asked for at every event, and copies of candidates cost more than the look at them.
        var deadline = Instant.never
        for place in list.indices where list[place].isWaiting {
            deadline = min(deadline, list[place].retryAt)
        }
        return deadline
    }

    func assertInvariants() {
        // What is final is always taken in.
        precondition(list.count { $0.certificate == nil } <= Self.max)
        precondition(Set(list.map(\.digest)).count == list.count, "each header once")
        precondition(executedPlaces.count <= Self.executedMax)
        precondition(stored.count <= Self.max)
    }

    mutating func removeAll() {
        list.removeAll()
        stored.removeAll()
    }

    /// Of those that are executed and not final, the one executed longest ago first.
    private var executedPlaces: [Int] {
        list.indices.filter { place in
            guard case .executed = list[place].stage else { return false }
            return list[place].certificate == nil
        }
    }

    /// Takes in what executing a header gave. If there are too many of these, the one executed longest ago is laid aside.
    mutating func note(_ executed: Executed, of block: Block, _ digest: Digest) {
        guard let place = list.firstIndex(where: { $0.digest == digest }) else { return }
        var candidate = list.remove(at: place)
        candidate.stage = .executed(block, executed)
        list.append(candidate)
        for place in executedPlaces.dropLast(Self.executedMax) {
            guard case .executed(let block, _) = list[place].stage else { continue }
            list[place].stage = .laidAside(block.contents)
        }
    }

    /// Takes up again what was remembered of the open epoch; a changed bit makes it another header, or none.
    mutating func restore(_ remembered: [Contents], epoch: Epoch) {
        for contents in remembered where contents.header.epoch == epoch && contents.matchesHeader {
            let digest = contents.header.digest
            guard self[digest] == nil, stored.count < Self.max else { continue }
            var candidate = Candidate(header: contents.header, digest: digest)
            candidate.stage = .needsBundles(contents)
            candidate.isStored = true
            self[digest] = candidate
            stored.append(digest)
        }
    }

    /// Whether a header that waits for its bundles names this one, or that its author said two things.
    func name(_ bundle: Bundle) -> Bool {
        let items = Self.items(of: bundle)
        return list.contains { candidate in
            guard case .needsBundles(let contents) = candidate.stage else { return false }
            if let absent = candidate.absent { return items.contains { absent.contains($0) } }
            return contents.items.contains { items.contains($0.item) }
        }
    }

    /// Whether a header that this node has what stands behind it stands on this bundle: others may ask for it.
    func standOn(_ bundle: Bundle) -> Bool {
        list.contains { candidate in
            switch candidate.stage {
            case .checking(_, let evidence): Self.hold(evidence, bundle)
            case .executed(let block, _): Self.hold(block.evidence, bundle)
            case .laidAside(let contents): Self.name(contents.items, bundle)
            case .needsContents, .needsBundles, .invalid: false
            }
        }
    }

    private static func hold(_ evidence: [EvidenceEntry], _ bundle: Bundle) -> Bool {
        guard let place = place(of: bundle.author, in: evidence.indices, { evidence[$0].author }) else {
            return false
        }
        return evidence[place].bundles.contains { $0.id == bundle.id }
    }

    private static func name(_ items: [EvidenceItem], _ bundle: Bundle) -> Bool {
        guard let place = place(of: bundle.author, in: items.indices, { items[$0].author }) else {
            return false
        }
        return Self.items(of: bundle).contains(items[place].item)
    }

    /// - Parameter places: Ascending by author, as in the list of every block.
    private static func place(
        of author: NodeID, in places: Range<Int>, _ authorAt: (Int) -> NodeID
    ) -> Int? {
        var range = places
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            let found = authorAt(middle)
            if found == author { return middle }
            range = found < author ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return nil
    }

    /// What may stand for it in a list.
    private static func items(of bundle: Bundle) -> [Digest] {
        [bundle.id, EvidenceEntry.conflictItem(author: bundle.author, epoch: bundle.epoch)]
    }

    /// The items of the header that is final and waits for this bundle, if there is one.
    func owed(_ bundle: Bundle) -> Set<Digest>? {
        for candidate in list where candidate.certificate != nil {
            guard case .needsBundles(let contents) = candidate.stage else { continue }
            let items = Set(contents.items.map(\.item))
            if Self.items(of: bundle).contains(where: { items.contains($0) }) { return items }
        }
        return nil
    }

    /// Some of these are here now. Returns the headers that lack nothing any more.
    mutating func note(_ items: [Digest]) -> [Digest] {
        var complete: [Digest] = []
        for place in list.indices {
            guard case .needsBundles = list[place].stage, list[place].absent != nil else { continue }
            for item in items where list[place].absent!.remove(item) && list[place].absent!.isEmpty {
                complete.append(list[place].digest)
            }
        }
        return complete
    }

    /// Notes that what stands behind a header goes to the disk; returns which one it takes the place of.
    mutating func store(_ digest: Digest) -> Digest? {
        stored.append(digest)
        return stored.count > Self.max ? stored.removeFirst() : nil
    }
}
