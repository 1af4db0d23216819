internal import Bytes
internal import Chance
internal import Identity
internal import Node
internal import Wire

/// What one host's disk holds: the batches that were committed, and nothing else survives a power cut.
struct Disk {
    private(set) var blocks: [(block: Block, certificate: Certificate)] = []
    /// What each block changed: hosts of large worlds share these lists, and a table for each would not fit.
    private var changes: [[(key: StateKey, value: [UInt8]?)]] = []
    private(set) var safety: [UInt8]?
    private var coverage: [UInt8]?
    private var open: [Bundle] = []
    private(set) var own: Bundle?
    private var candidates: [Contents] = []
    private var peers: [NodeRecord] = []
    private var following: [UInt8]?
    /// Of a state that is being fetched, and the headers up to it.
    private var fetched: [StateKey: [UInt8]?] = [:]
    private var finals: [Epoch: FinalHeader] = [:]
    private var committees: [Digest: Committee] = [:]
    private var snapshotRecord: [UInt8]?
    /// What it was right after the host adopted a state: no block before can be executed again from this disk.
    private(set) var base: BootRecords?
    /// The last header that an edge node followed to.
    private(set) var followed: Header?
    private(set) var verdicts: [String: UInt64] = [:]
    /// A bit has changed where that can be found when the host starts, or where the store itself cannot read it.
    private(set) var isFlipped = false
    private(set) var isUnreadable = false

    var lastEpoch: Epoch { followed?.epoch ?? blocks.last?.block.header.epoch ?? 0 }
    /// The last epoch before those whose blocks can be executed again.
    var baseEpoch: Epoch { base?.recent.last?.header.epoch ?? 0 }
    /// How much of a state is here that is being fetched.
    var fetchedCount: Int { fetched.count }

    mutating func commit(_ batch: [Persisted]) {
        for persisted in batch { commit(persisted) }
    }

    private mutating func commit(_ persisted: Persisted) {
        switch persisted {
        case .safety(let bytes): safety = bytes
        case .coverage(let bytes): coverage = bytes
        case .bundle(let bundle, let isOwn):
            open.append(bundle)
            if isOwn { own = bundle }
        case .candidate(let contents, let dropped):
            candidates.removeAll { $0.header.digest == dropped }
            candidates.append(contents)
        case .peers(let records): peers = records
        case .outbox(let bundle): own = bundle
        case .droppedOpen: open = []
        case .following(let bytes, let last):
            following = bytes
            followed = last
        case .final(let final):
            precondition(final.final.header.epoch == lastEpoch + 1, "an epoch is final once, in order")
            blocks.append((final.block, final.certificate))
            // Names are made once a reason: a large world's blocks judge hundreds of thousands of reports.
            var counts: [Reason: UInt64] = [:]
            for verdict in final.verdicts {
                for report in verdict.reports { counts[report.reason, default: 0] += 1 }
            }
            for (reason, count) in counts { verdicts["\(reason)", default: 0] += count }
            changes.append(final.changes)
            note(committeesIn: final.changes)
            open = []
            candidates = []
        case .followed(let headers):
            for final in headers.finals { finals[final.header.epoch] = final }
            for committee in headers.committees { committees[committee.digest] = committee }
            snapshotRecord = headers.record
        case .fetched(let rows): for (key, value) in rows { fetched[key] = .some(value) }
        case .unfollowed(let epoch):
            finals = finals.filter { $0.key < epoch }
            snapshotRecord = nil
        // That no host resigns which is none of two with one key, the witness sees by the alarm.
        case .forgot: break
        case .adopted(let adopted):
            blocks = adopted.blocks.map { ($0.block, $0.certificate) }
            changes.append(adopted.changes)
            note(committeesIn: adopted.changes)
            open = []
            candidates = []
            fetched = [:]
            snapshotRecord = nil
            base = BootRecords(
                recent: blocks.map(\.block), lastCertificate: blocks.last?.certificate, state: stateEntries)
        }
    }

    private mutating func note(committeesIn changes: [(key: StateKey, value: [UInt8]?)]) {
        for case (.committee, let value?) in changes {
            guard let committee = try? Committee(decoding: value) else { continue }
            committees[committee.digest] = committee
        }
    }

    var boot: BootRecords {
        var boot = BootRecords(
            recent: blocks.suffix(2).map(\.block), lastCertificate: blocks.last?.certificate,
            state: stateEntries, safety: safety, coverage: coverage, bundles: open, ownBundle: own,
            candidates: candidates, peers: peers, following: following)
        boot.snapshotRows = fetched.map { ($0.key.encoded(), $0.key, $0.value) }
            .sorted { $0.0.lexicographicallyPrecedes($1.0) }.map { ($0.1, $0.2) }
        boot.snapshotRecord = snapshotRecord
        boot.snapshotHeaders = finals.keys.sorted().suffix(2).map { finals[$0]! }
        return boot
    }

    /// Ordered, as a store's tables are.
    var stateEntries: [(StateKey, [UInt8])] {
        var state: [StateKey: [UInt8]] = [:]
        for (key, value) in changes.joined() { state[key] = value }
        return state.map { ($0.key.encoded(), $0.key, $0.value) }
            .sorted { $0.0.lexicographicallyPrecedes($1.0) }.map { ($0.1, $0.2) }
    }

    func answer(_ request: StoreRequest) -> [Message] {
        switch request {
        case .finality(let from, let count):
            guard from > 0, from <= lastEpoch, let first = blocks.first?.block.header.epoch else { return [] }
            let found = (from..<min(from + Epoch(count), lastEpoch + 1)).map { epoch in
                guard epoch >= first else { return finals[epoch] }
                let (block, certificate) = blocks[Int(epoch - first)]
                return FinalHeader(header: block.header, certificate: certificate)
            }
            let run = found.prefix { $0 != nil }.compactMap { $0 }
            return run.isEmpty ? [] : [.finality(run)]
        case .contents(let digest):
            guard let block = blocks.first(where: { $0.block.header.digest == digest })?.block else {
                return []
            }
            let items = block.evidence.map { EvidenceItem(author: $0.author, item: $0.item) }
            return [.contents(Contents(header: block.header, body: block.body, items: items))]
        case .bundles(let ids):
            return bundles(ids).map { .bundle($0) }
        case .transactionStatus(let id):
            let block = blocks.first { $0.block.body.transactions.contains { $0.id == id } }?.block
            return [.transactionStatus(id, block.map { .final($0.header.epoch) } ?? .unknown)]
        case .committee(let digest):
            return committees[digest].map { [.snapshotAnswer(.committee($0))] } ?? []
        }
    }

    /// Those that are in blocks, as a store has no others by their ids: single ones by their id, pairs by the item of the conflict.
    private func bundles(_ ids: [Digest]) -> [Bundle] {
        var found: [Digest: [Bundle]] = [:]
        for block in blocks.reversed() where !ids.allSatisfy({ found[$0] != nil }) {
            for entry in block.block.evidence {
                found[entry.item] = entry.bundles
                if entry.bundles.count > 1 { for bundle in entry.bundles { found[bundle.id] = [bundle] } }
            }
        }
        return ids.flatMap { found[$0] ?? [] }
    }

    // MARK: Damage

    /// Changes one bit of what a start reads, of the votes if there are any and only those are meant.
    mutating func flip(ofVotes: Bool, _ chance: inout Chance) {
        isFlipped = true
        if ofVotes, flipSafety(&chance) { return }
        if flipFollowing(&chance) { return }
        var kinds = Array(0..<7)
        chance.shuffle(&kinds)
        for kind in kinds {
            let done =
                switch kind {
                case 0: flipSafety(&chance)
                case 1: flipCoverage(&chance)
                case 2: flipState(&chance)
                case 3: flipOwn(&chance)
                case 4: flipOpen(&chance)
                case 5: flipPeers(&chance)
                default: flipBlock(&chance)
                }
            if done { return }
        }
    }

    private static func flipped(_ bytes: [UInt8], _ chance: inout Chance) -> [UInt8] {
        guard !bytes.isEmpty else { return bytes }
        var bytes = bytes
        bytes[chance.below(bytes.count)] ^= 1 << UInt8(chance.below(8))
        return bytes
    }

    /// A value with a bit changed; nil if the store could not read it any more.
    private mutating func flipped<Value: Canonical>(_ value: Value, _ chance: inout Chance) -> Value? {
        let changed = try? Value(decoding: Self.flipped(value.encoded(), &chance).octetBytes)
        if changed == nil { isUnreadable = true }
        return changed
    }

    /// Half of the time, on an edge node's disk.
    private mutating func flipFollowing(_ chance: inout Chance) -> Bool {
        guard let bytes = following, chance.happens(1, in: 2) else { return false }
        following = Self.flipped(bytes, &chance)
        return true
    }

    private mutating func flipSafety(_ chance: inout Chance) -> Bool {
        guard let bytes = safety else { return false }
        safety = Self.flipped(bytes, &chance)
        return true
    }

    private mutating func flipCoverage(_ chance: inout Chance) -> Bool {
        guard let bytes = coverage else { return false }
        coverage = Self.flipped(bytes, &chance)
        return true
    }

    private mutating func flipState(_ chance: inout Chance) -> Bool {
        let entries = stateEntries
        guard !entries.isEmpty else { return false }
        let (key, value) = entries[chance.below(entries.count)]
        changes.append([(key, Self.flipped(value, &chance))])
        return !value.isEmpty
    }

    private mutating func flipOwn(_ chance: inout Chance) -> Bool {
        guard let bundle = own else { return false }
        own = flipped(bundle, &chance) ?? bundle
        return true
    }

    private mutating func flipOpen(_ chance: inout Chance) -> Bool {
        guard !open.isEmpty else { return false }
        let place = chance.below(open.count)
        open[place] = flipped(open[place], &chance) ?? open[place]
        return true
    }

    private mutating func flipPeers(_ chance: inout Chance) -> Bool {
        guard !peers.isEmpty else { return false }
        let place = chance.below(peers.count)
        peers[place] = flipped(peers[place], &chance) ?? peers[place]
        return true
    }

    private mutating func flipBlock(_ chance: inout Chance) -> Bool {
        guard let last = blocks.last else { return false }
        let evidence = last.block.evidence
        if let place = evidence.indices.first(where: {
            if case .bundle = evidence[$0] { true } else { false }
        }),
            case .bundle(let bundle) = evidence[place], let changed = flipped(bundle, &chance)
        {
            var evidence = evidence
            evidence[place] = .bundle(changed)
            let block = Block(header: last.block.header, body: last.block.body, evidence: evidence)
            blocks[blocks.count - 1].block = block
        } else if let header = flipped(last.block.header, &chance) {
            let block = Block(header: header, body: last.block.body, evidence: evidence)
            blocks[blocks.count - 1].block = block
        }
        return true
    }
}
