internal import Bytes
public import Identity
public import Store
public import Wire

/// A node's store with its tables, typed.
///
/// | table | key | value |
/// | --- | --- | --- |
/// | `blocks` | epoch, big-endian | `BlockRecord` |
/// | `summaries` | epoch, big-endian | `EpochSummary` |
/// | `headers` | header digest | epoch |
/// | `bundles` | bundle id | `Bundle` of a block |
/// | `open` | 0, 1, …, big-endian | `Bundle` of the open epoch, in the order they came |
/// | `candidates` | header digest | `Contents` behind a header of the open epoch that this node stood for |
/// | `conflicts` | a conflict's item in a block | the ids of its two bundles |
/// | `state` | `StateKey` | the value's encoding |
/// | `verdicts` | beacon epoch ‖ tag ‖ block ‖ serial in it, big-endian | `VerdictRecord` |
/// | `executions` | block ‖ serial in it, big-endian | beacon epoch ‖ tag: the block's verdicts in its order |
/// | `rewards` | epoch, big-endian | list of `Reward` |
/// | `transactions` | transaction id | epoch |
/// | `peers` | node id | `NodeRecord` |
/// | `finals` | epoch, big-endian | `FinalHeader` of a block that is not in `blocks` |
/// | `committees` | digest | `Committee` of any period |
/// | `fetched` | `StateKey` | of a state that is being fetched: what differs from `state`, an option of the value |
/// | `undo` | epoch, big-endian ‖ `StateKey` | what the block of the epoch changed: an option of the value before |
/// | `node` | a name | one thing each: safety, coverage, status, genesis, … |
public final class NodeStore: Sendable {
    /// Raised whenever a table's keys or values change their meaning.
    public static let format: UInt32 = 4

    static let tables = [
        "blocks", "summaries", "headers", "bundles", "open", "conflicts", "state", "verdicts", "executions",
        "rewards", "transactions", "peers", "node", "candidates", "finals", "committees", "fetched", "undo",
    ]

    public let store: Store
    public let directory: String
    let blocks, summaries, headers, bundles, open, conflicts, state: Table
    let verdicts, executions, rewards, transactions, peers, node, candidates: Table
    let finals, committees, fetched, undo: Table

    /// Evidence, which is kept for weeks, is most of a store: all nodes have the same, and would stop together at a lower limit.
    /// Only addresses are taken, by doubling.
    public static let mapByteCountMax = 1 << 44

    /// Opens a node's store; a writer creates it if it is not there.
    public init(at directory: String, readOnly: Bool, mapByteCount: Int = 1 << 28) throws(StoreError) {
        self.directory = directory
        var options = Store.Options()
        options.readOnly = readOnly
        options.mapByteCount = mapByteCount
        options.mapByteCountMax = Self.mapByteCountMax
        store = try Store(at: directory, options: options, format: Self.format, tables: Self.tables)
        blocks = store.table("blocks")
        summaries = store.table("summaries")
        headers = store.table("headers")
        bundles = store.table("bundles")
        open = store.table("open")
        conflicts = store.table("conflicts")
        state = store.table("state")
        verdicts = store.table("verdicts")
        executions = store.table("executions")
        rewards = store.table("rewards")
        transactions = store.table("transactions")
        peers = store.table("peers")
        node = store.table("node")
        candidates = store.table("candidates")
        finals = store.table("finals")
        committees = store.table("committees")
        fetched = store.table("fetched")
        undo = store.table("undo")
    }

    /// Whether a node has the store open; nil where that cannot be told.
    public var hasWriter: Bool? { Store.hasWriter(in: directory) }

    /// Names of what is stored once.
    enum Single: String {
        case safety, coverage, status, genesis, virgin, voter, machine, ownBundle, recordSequence, stamp
        /// There once were later votes of the key than this store remembers.
        case forgot
        case following, followed
        /// The first epoch that the operator's word is for.
        case votesFrom
        /// What a node that fetches a state follows the headers from, sealed; and the earliest epoch after which the
        /// whole state can be told, if that is not genesis.
        case snapshot, base
        /// Peers in the order of their worth, which their records are not stored in.
        case peerOrder
        /// Milliseconds since 1970 when the last final block was handed over to be stored; absent: nobody knows.
        case finalAt
        /// Of how many epochs evidence and verdicts are kept; absent: of all.
        case kept
    }

    static func key(_ epoch: Epoch) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: epoch >> UInt64(56 - 8 * $0)) }
    }

    static func epoch(_ key: [UInt8]) -> Epoch {
        key.prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// What the store holds must be what was written; anything else is damage.
    static func decode<Value: Canonical>(_ bytes: RawSpan) throws(StoreError) -> Value {
        do throws(DecodeError) { return try Value(decoding: bytes) } catch { throw .corrupted }
    }
}

/// One thing to write; the runtime commits many in one transaction.
public enum RecordWrite: Sendable {
    case safety([UInt8])
    case coverage([UInt8])
    case bundle(Bundle, isOwn: Bool)
    case candidate(Contents, dropping: Digest?)
    case final(
        BlockRecord, bundles: [Bundle], changes: [(key: StateKey, value: [UInt8]?)],
        verdicts: [BeaconVerdict],
        rewards: [Reward], EpochSummary)
    /// The best first: a node that starts again takes the first ones for its anchors.
    case peers([NodeRecord])
    /// The one bundle that an edge node signed last.
    case outbox(Bundle)
    /// The bundles of an epoch that is over, which an edge node kept for others.
    case droppedOpen
    /// What an edge node follows the chain from, sealed.
    case following([UInt8], Epoch)
    /// The time of day of the final block in the same batch, in milliseconds since 1970; nil where that block may be old.
    case finalAt(UInt64?)
    case status(LiveStatus)
    /// The highest timestamp of a handshake that may have left.
    case stamp(UInt64)
    /// Verified headers of blocks that are not here, the committees that they made known, and what to go on from.
    case followed([FinalHeader], [Committee], record: [UInt8])
    case fetched([(key: StateKey, value: [UInt8]?)])
    /// Headers from this epoch on whose blocks are not here are not the network's.
    case unfollowed(from: Epoch)
    /// The key whose votes these are has signed what is not among them.
    case forgot
    /// The last two blocks, or the first one, and what makes the state after them of the one stored.
    case adopted([(block: BlockRecord, bundles: [Bundle])], changes: [(key: StateKey, value: [UInt8]?)])
}

extension NodeStore {
    /// Commits all of them or none, synchronously: when this returns they survive a power cut.
    public func write(_ writes: [RecordWrite]) throws(StoreError) {
        try store.write { transaction throws(StoreError) in
            for write in writes { try self.write(write, &transaction) }
        }
    }

    private func write(_ write: RecordWrite, _ transaction: inout WriteTransaction) throws(StoreError) {
        switch write {
        case .safety(let bytes):
            try put(bytes, .safety, &transaction)
            // The mark is good for one first vote.
            try transaction.delete(Array(Single.virgin.rawValue.utf8).octetBytes, in: node)
        case .coverage(let bytes): try put(bytes, .coverage, &transaction)
        case .bundle(let bundle, let isOwn):
            let encoded = bundle.encoded()
            // One after the other, so that a commit fills pages and touches no others; ids are all over the table.
            let place = Self.key(UInt64(try transaction.count(in: open)))
            try transaction.append(encoded.octetBytes, for: place.octetBytes, in: open)
            if isOwn { try put(encoded, .ownBundle, &transaction) }
        case .candidate(let contents, let dropped):
            try transaction.put(
                contents.encoded().octetBytes, for: contents.header.digest.octets.octetBytes, in: candidates)
            if let dropped { try transaction.delete(dropped.octets.octetBytes, in: candidates) }
        case .final(let block, let blockBundles, let changes, let blockVerdicts, let paid, let summary):
            let epoch = block.final.header.epoch
            let key = Self.key(epoch)
            try transaction.put(block.encoded().octetBytes, for: key.octetBytes, in: blocks)
            try transaction.put(summary.encoded().octetBytes, for: key.octetBytes, in: summaries)
            let digest = block.final.header.digest.octets
            try transaction.put(key.octetBytes, for: digest.octetBytes, in: headers)
            try self.clearOpen(&transaction)
            try self.write(evidence: blockBundles, of: block, &transaction)
            try self.note(undoing: changes, of: epoch, &transaction)
            try self.write(changes: changes, &transaction)
            try self.prune(after: epoch, &transaction)
            try self.write(verdicts: blockVerdicts, block: epoch, &transaction)
            var writer = ByteWriter()
            writer.list(paid)
            try transaction.put(writer.bytes.octetBytes, for: key.octetBytes, in: rewards)
            for transactionDone in block.body.transactions {
                try transaction.put(
                    key.octetBytes, for: transactionDone.id.octets.octetBytes, in: transactions)
            }
        case .peers(let records):
            try transaction.clear(peers)
            for record in records {
                try transaction.put(
                    record.encoded().octetBytes, for: record.node.octets.octetBytes, in: peers)
            }
            var writer = ByteWriter()
            writer.list(records.map(\.node))
            try put(writer.bytes, .peerOrder, &transaction)
        case .outbox(let bundle): try put(bundle.encoded(), .ownBundle, &transaction)
        case .droppedOpen: try clearOpen(&transaction)
        case .following(let bytes, let epoch):
            try put(bytes, .following, &transaction)
            try put(Self.key(epoch), .followed, &transaction)
            // The mark is good for the first epochs, until there is this.
            try transaction.delete(Array(Single.virgin.rawValue.utf8).octetBytes, in: node)
        case .finalAt(let wallTime):
            if let wallTime {
                try put(Self.key(wallTime), .finalAt, &transaction)
            } else {
                try transaction.delete(Array(Single.finalAt.rawValue.utf8).octetBytes, in: node)
            }
        case .status(let status): try put(status.encoded(), .status, &transaction)
        case .stamp(let stamp): try put(Self.key(stamp), .stamp, &transaction)
        case .followed(let headers, let newCommittees, let record):
            try self.write(followed: headers, newCommittees, record: record, &transaction)
        case .fetched(let rows): try self.write(fetched: rows, &transaction)
        case .unfollowed(let epoch):
            try transaction.delete(.from(Self.key(epoch)), in: finals)
            try transaction.delete(Array(Single.snapshot.rawValue.utf8).octetBytes, in: node)
        case .forgot:
            if let key = try single(.voter, transaction) { try put(key, .forgot, &transaction) }
        case .adopted(let blocks, let changes): try adopt(blocks, changes: changes, &transaction)
        }
    }

    /// Drops the bundles of the epoch that was open; its block has those that it names.
    func clearOpen(_ transaction: inout WriteTransaction) throws(StoreError) {
        try transaction.clear(open)
        try transaction.clear(candidates)
    }

    /// The bundles behind a block's list.
    func write(
        evidence list: [Bundle], of block: BlockRecord, _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        var idsByAuthor: [NodeID: [Digest]] = [:]
        for bundle in list {
            let encoded = bundle.encoded()
            let id = Digest(of: encoded)
            try transaction.put(encoded.octetBytes, for: id.octets.octetBytes, in: bundles)
            idsByAuthor[bundle.author, default: []].append(id)
        }
        for item in block.items {
            let ids = idsByAuthor[item.author, default: []].sorted()
            guard ids.count == 2 else { continue }
            let value = ids[0].octets + ids[1].octets
            try transaction.put(value.octetBytes, for: item.item.octets.octetBytes, in: conflicts)
        }
    }

    func write(
        changes: [(key: StateKey, value: [UInt8]?)], _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        for (stateKey, value) in changes {
            let key = stateKey.encoded()
            if let value {
                if case .committee = stateKey {
                    let digest = Digest(of: value).octets
                    try transaction.put(value.octetBytes, for: digest.octetBytes, in: committees)
                }
                try transaction.put(value.octetBytes, for: key.octetBytes, in: state)
            } else {
                try transaction.delete(key.octetBytes, in: state)
            }
        }
    }

    private func write(
        verdicts list: [BeaconVerdict], block: Epoch, _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        for (serial, verdict) in list.enumerated() {
            let beacon = Self.key(verdict.epoch) + Self.key(verdict.tag.value)
            // The block is in the key: two blocks may judge beacons of one epoch and tag.
            let place = Self.key(block) + Self.key(UInt64(serial))
            let record = VerdictRecord(block: block, verdict: verdict).encoded()
            try transaction.put(record.octetBytes, for: (beacon + place).octetBytes, in: verdicts)
            try transaction.put(beacon.octetBytes, for: place.octetBytes, in: executions)
        }
    }

    func put(
        _ bytes: [UInt8], _ single: Single, _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        try transaction.put(bytes.octetBytes, for: Array(single.rawValue.utf8).octetBytes, in: node)
    }

    func single(_ single: Single) throws(StoreError) -> [UInt8]? {
        try store.read { transaction throws(StoreError) in try self.single(single, transaction) }
    }

    func single(
        _ single: Single, _ transaction: borrowing some Snapshot & ~Copyable
    ) throws(StoreError) -> [UInt8]? {
        guard let bytes = try transaction.value(of: Array(single.rawValue.utf8).octetBytes, in: node)
        else { return nil }
        return [UInt8](copying: bytes)
    }

    func setSingle(_ bytes: [UInt8], _ single: Single) throws(StoreError) {
        try store.write { transaction throws(StoreError) in try put(bytes, single, &transaction) }
    }
}
