public import Bytes
public import Identity
public import Store
public import Wire

/// What a node needs of its store to carry on.
public struct StoredLife: Sendable {
    public var recent: [Block] = []
    public var lastCertificate: Certificate?
    public var state: [(StateKey, [UInt8])] = []
    public var safety: [UInt8]?
    public var coverage: [UInt8]?
    public var bundles: [Bundle] = []
    public var ownBundle: Bundle?
    public var candidates: [Contents] = []
    public var peers: [NodeRecord] = []
    /// What an edge node followed the chain to.
    public var following: [UInt8]?
    /// Of a state that was being fetched.
    public var snapshotRows: [(key: StateKey, value: [UInt8]?)] = []
    public var snapshotRecord: [UInt8]?
    public var snapshotHeaders: [FinalHeader] = []
}

extension NodeStore {
    /// Reads as one commit left it: whatever is read with the transaction fits together, though a node writes meanwhile.
    public func read<Result: ~Copyable>(
        _ body: (borrowing ReadTransaction) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        try store.read(body)
    }

    /// Reads everything a node starts from, in one snapshot.
    public func life() throws(StoreError) -> StoredLife {
        try store.read { transaction throws(StoreError) -> StoredLife in
            var life = StoredLife()
            life.safety = try single(.safety, transaction)
            life.coverage = try single(.coverage, transaction)
            if let bytes = try single(.ownBundle, transaction) {
                life.ownBundle = try Self.decode(bytes.octetBytes)
            }
            let last = try lastEpoch(transaction)
            for epoch in Swift.max(1, Swift.max(last, 1) - 1)..<(last + 1) {
                guard let block = try block(epoch, transaction) else { throw .corrupted }
                life.recent.append(block)
            }
            if last > 0 { life.lastCertificate = try blockRecord(last, transaction)?.final.certificate }
            life.state = try stateEntries(transaction)
            life.bundles = try openBundles(transaction)
            life.candidates = try candidates(transaction)
            life.peers = try peerRecords(transaction)
            life.following = try single(.following, transaction)
            life.snapshotRows = try fetchedRows(transaction)
            life.snapshotRecord = try single(.snapshot, transaction)
            life.snapshotHeaders = try followedHeaders(transaction)
            return life
        }
    }

    /// Consensus' memory of its own votes, encoded; nil before the first.
    public func safety() throws(StoreError) -> [UInt8]? { try single(.safety) }

    /// The last epoch that an edge node knows to be final; 0 on a full node.
    public func followedEpoch() throws(StoreError) -> Epoch {
        try store.read { transaction throws(StoreError) in try followedEpoch(transaction) }
    }

    public func followedEpoch(_ transaction: borrowing ReadTransaction) throws(StoreError) -> Epoch {
        try single(.followed, transaction).map { Self.epoch($0) } ?? 0
    }

    /// The last bundle that this node signed.
    public func ownBundle() throws(StoreError) -> Bundle? {
        guard let bytes = try single(.ownBundle) else { return nil }
        return try Self.decode(bytes.octetBytes)
    }

    /// The number of the last final block here; 0 before the first.
    public func lastEpoch() throws(StoreError) -> Epoch {
        try store.read { transaction throws(StoreError) in try lastEpoch(transaction) }
    }

    public func lastEpoch(_ transaction: borrowing ReadTransaction) throws(StoreError) -> Epoch {
        guard let last = try transaction.last(in: blocks) else { return 0 }
        return Self.epoch([UInt8](copying: last.key))
    }

    public func blockRecord(_ epoch: Epoch) throws(StoreError) -> BlockRecord? {
        try store.read { transaction throws(StoreError) in try blockRecord(epoch, transaction) }
    }

    public func blockRecord(
        _ epoch: Epoch, _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> BlockRecord? {
        try value(of: Self.key(epoch), in: blocks, transaction)
    }

    /// The block with its evidence; nil if it is not here.
    public func block(_ epoch: Epoch) throws(StoreError) -> Block? {
        try store.read { transaction throws(StoreError) in try block(epoch, transaction) }
    }

    public func block(_ epoch: Epoch, _ transaction: borrowing ReadTransaction) throws(StoreError) -> Block? {
        guard let record = try blockRecord(epoch, transaction) else { return nil }
        return Block(
            header: record.final.header, body: record.body, evidence: try evidence(of: record, transaction))
    }

    /// The bundles behind a block's list; a missing one is damage.
    public func evidence(of record: BlockRecord) throws(StoreError) -> [EvidenceEntry] {
        try store.read { transaction throws(StoreError) in try evidence(of: record, transaction) }
    }

    private func evidence(
        of record: BlockRecord, _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> [EvidenceEntry] {
        var entries: [EvidenceEntry] = []
        entries.reserveCapacity(record.items.count)
        for item in record.items {
            let found = try bundles(ofItem: item.item, transaction)
            switch found.count {
            case 1: entries.append(.bundle(found[0]))
            case 2: entries.append(.conflict(found[0], found[1]))
            default: throw .corrupted
            }
        }
        return entries
    }

    public func bundle(_ id: Digest) throws(StoreError) -> Bundle? {
        try store.read { transaction throws(StoreError) in try value(of: id.octets, in: bundles, transaction)
        }
    }

    /// What an item of a block's list stands for: one bundle, or the two of a conflict, the lower id first;
    /// empty if it is not here.
    public func bundles(ofItem item: Digest) throws(StoreError) -> [Bundle] {
        try store.read { transaction throws(StoreError) in try bundles(ofItem: item, transaction) }
    }

    private func bundles(
        ofItem item: Digest, _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> [Bundle] {
        if let bundle: Bundle = try value(of: item.octets, in: bundles, transaction) { return [bundle] }
        guard let ids = try transaction.value(of: item.octets.octetBytes, in: conflicts) else { return [] }
        let pair = [UInt8](copying: ids)
        guard pair.count == 64 else { throw .corrupted }
        let first: Bundle? = try value(of: Array(pair[..<32]), in: bundles, transaction)
        let second: Bundle? = try value(of: Array(pair[32...]), in: bundles, transaction)
        guard let first, let second else { throw .corrupted }
        return [first, second]
    }

    public func epoch(ofHeader digest: Digest) throws(StoreError) -> Epoch? {
        try epochValue(of: digest.octets, in: headers)
    }

    public func epoch(ofTransaction id: Digest) throws(StoreError) -> Epoch? {
        try epochValue(of: id.octets, in: transactions)
    }

    public func summary(_ epoch: Epoch) throws(StoreError) -> EpochSummary? {
        try store.read { transaction throws(StoreError) in
            try value(of: Self.key(epoch), in: summaries, transaction)
        }
    }

    /// The last `count` summaries, ascending.
    public func summaries(last count: Int) throws(StoreError) -> [EpochSummary] {
        try store.read { transaction throws(StoreError) -> [EpochSummary] in
            var list: [EpochSummary] = []
            try transaction.forEach(in: summaries, .all, reverse: true, limit: count) {
                _, value throws(StoreError) in
                list.append(try Self.decode(value))
                return true
            }
            return list.reversed()
        }
    }

    public func rewards(_ epoch: Epoch) throws(StoreError) -> [Reward] { try recordedRewards(epoch) ?? [] }

    /// What a block pays; nil where that is not here: not executed here, or forgotten. Empty: it pays nothing.
    public func recordedRewards(_ epoch: Epoch) throws(StoreError) -> [Reward]? {
        try store.read { transaction throws(StoreError) -> [Reward]? in
            guard let bytes = try transaction.value(of: Self.key(epoch).octetBytes, in: rewards) else {
                return nil
            }
            do throws(DecodeError) {
                var reader = ByteReader(bytes)
                let list: [Reward] = try reader.list(max: 1 << 24)
                try reader.finish()
                return list
            } catch { throw .corrupted }
        }
    }

    /// Verdicts of beacons sent from epoch `first` through `last`, in the order of epoch and tag.
    public func verdicts(
        from first: Epoch = 0, through last: Epoch = .max,
        where isWanted: (VerdictRecord) -> Bool = { _ in true }
    ) throws(StoreError) -> [VerdictRecord] {
        let range: KeyRange =
            last == .max ? .from(Self.key(first)) : .from(Self.key(first), below: Self.key(last + 1))
        return try store.read { transaction throws(StoreError) -> [VerdictRecord] in
            var list: [VerdictRecord] = []
            try transaction.forEach(in: verdicts, range) { _, value throws(StoreError) in
                let record: VerdictRecord = try Self.decode(value)
                if isWanted(record) { list.append(record) }
                return true
            }
            return list
        }
    }

    /// The verdicts that one block executed, in the order of their execution.
    public func verdicts(ofBlock block: Epoch) throws(StoreError) -> [BeaconVerdict] {
        try store.read { transaction throws(StoreError) in try verdicts(ofBlock: block, transaction) }
    }

    public func verdicts(
        ofBlock block: Epoch, _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> [BeaconVerdict] {
        var keys: [[UInt8]] = []
        try transaction.forEach(in: executions, .prefix(Self.key(block))) {
            place, beacon throws(StoreError) in
            keys.append([UInt8](copying: beacon) + [UInt8](copying: place))
            return true
        }
        var list: [BeaconVerdict] = []
        for key in keys {
            let record: VerdictRecord? = try value(of: key, in: verdicts, transaction)
            guard let record else { throw .corrupted }
            list.append(record.verdict)
        }
        return list
    }

    /// The value of one state key.
    public func state<Value: Canonical>(_ key: StateKey, as _: Value.Type) throws(StoreError) -> Value? {
        try store.read { transaction throws(StoreError) -> Value? in
            try value(of: key.encoded(), in: state, transaction)
        }
    }

    public func stateEntries() throws(StoreError) -> [(StateKey, [UInt8])] {
        try store.read { transaction throws(StoreError) in try stateEntries(transaction) }
    }

    public func stateEntries(
        _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> [(StateKey, [UInt8])] {
        var list: [(StateKey, [UInt8])] = []
        try transaction.forEach(in: state) { key, value throws(StoreError) in
            list.append((try Self.decode(key), [UInt8](copying: value)))
            return true
        }
        return list
    }

    /// Bundles of the epoch that is not final yet, in the order of their ids.
    public func openBundles() throws(StoreError) -> [Bundle] {
        try store.read { transaction throws(StoreError) in try openBundles(transaction) }
    }

    private func openBundles(_ transaction: borrowing ReadTransaction) throws(StoreError) -> [Bundle] {
        var list: [Digest: Bundle] = [:]
        var count: UInt64 = 0
        try transaction.forEach(in: open) { key, value throws(StoreError) in
            guard [UInt8](copying: key) == Self.key(count) else { throw .corrupted }
            count += 1
            let bundle: Bundle = try Self.decode(value)
            list[bundle.id] = bundle
            return true
        }
        return list.values.sorted { $0.id < $1.id }
    }

    /// What stands behind headers of the epoch that is not final yet, in the order of their digests.
    private func candidates(_ transaction: borrowing ReadTransaction) throws(StoreError) -> [Contents] {
        var list: [Contents] = []
        try transaction.forEach(in: candidates) { _, value throws(StoreError) in
            list.append(try Self.decode(value))
            return true
        }
        return list
    }

    /// Peers of the last life, the best first.
    public func peerRecords() throws(StoreError) -> [NodeRecord] {
        try store.read { transaction throws(StoreError) in try peerRecords(transaction) }
    }

    private func peerRecords(_ transaction: borrowing ReadTransaction) throws(StoreError) -> [NodeRecord] {
        var records: [NodeID: NodeRecord] = [:]
        var rest: [NodeID] = []
        try transaction.forEach(in: peers) { _, value throws(StoreError) in
            let record: NodeRecord = try Self.decode(value)
            records[record.node] = record
            rest.append(record.node)
            return true
        }
        var best: [NodeID] = []
        let key = Array(Single.peerOrder.rawValue.utf8)
        if let bytes = try transaction.value(of: key.octetBytes, in: node) {
            var reader = ByteReader(bytes)
            do throws(DecodeError) { best = try reader.list(max: 1 << 16) } catch { throw .corrupted }
        }
        // Stores of older versions have no order.
        return (best + rest).compactMap { records.removeValue(forKey: $0) }
    }

    /// The genesis this store belongs to; nil in a fresh store.
    public func genesis() throws(StoreError) -> Genesis? {
        try store.read { transaction throws(StoreError) in try genesis(transaction) }
    }

    public func genesis(_ transaction: borrowing ReadTransaction) throws(StoreError) -> Genesis? {
        guard let bytes = try single(.genesis, transaction) else { return nil }
        return try Self.decode(bytes.octetBytes)
    }

    /// Ties a fresh store to its network.
    public func setGenesis(_ genesis: Genesis) throws(StoreError) {
        try setSingle(genesis.encoded(), .genesis)
    }

    /// A number higher than at every start before: the sequence of the node's contact card.
    ///
    /// - Parameter floor: It is no lower than this. Seconds since 1970 put a node whose store is another one, or an older
    ///   copy, above the cards that others remember of it.
    public func nextRecordSequence(atLeast floor: UInt64 = 0) throws(StoreError) -> UInt64 {
        let last = try single(.recordSequence).map { Self.epoch($0) } ?? 0
        guard last < Self.recordSequenceMax else { throw .corrupted }
        let next = max(last + 1, min(floor, Self.recordSequenceMax))
        try setSingle(Self.key(next), .recordSequence)
        return next
    }

    /// Room below it for the changes within one life.
    private static let recordSequenceMax: UInt64 = 1 << 40

    /// The timestamp of a handshake that was written last; 0 in a fresh store.
    public func lastStamp() throws(StoreError) -> UInt64 {
        try single(.stamp).map { Self.epoch($0) } ?? 0
    }

    /// When the last final block was made durable, in milliseconds since 1970; nil where that is not known.
    public func finalAt() throws(StoreError) -> UInt64? {
        try single(.finalAt).map { Self.epoch($0) }
    }

    func value<Value: Canonical>(
        of key: [UInt8], in table: Table, _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> Value? {
        guard let bytes = try transaction.value(of: key.octetBytes, in: table) else { return nil }
        return try Self.decode(bytes)
    }

    private func epochValue(of key: [UInt8], in table: Table) throws(StoreError) -> Epoch? {
        try store.read { transaction throws(StoreError) -> Epoch? in
            guard let bytes = try transaction.value(of: key.octetBytes, in: table) else { return nil }
            return Self.epoch([UInt8](copying: bytes))
        }
    }
}
