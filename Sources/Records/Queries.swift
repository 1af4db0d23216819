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
    public var peers: [NodeRecord] = []
}

extension NodeStore {
    /// Reads everything a node starts from, in one snapshot.
    public func life() throws(StoreError) -> StoredLife {
        var life = StoredLife()
        life.safety = try single(.safety)
        life.coverage = try single(.coverage)
        if let bytes = try single(.ownBundle) { life.ownBundle = try Self.decode(bytes.octetBytes) }
        let last = try lastEpoch()
        if last > 0 {
            for epoch in Swift.max(1, last - 1)...last {
                guard let block = try block(epoch) else { throw .corrupted }
                life.recent.append(block)
                if epoch == last { life.lastCertificate = try blockRecord(epoch)?.final.certificate }
            }
        }
        life.state = try stateEntries()
        life.bundles = try openBundles()
        life.peers = try peerRecords()
        return life
    }

    /// The number of the last final block here; 0 before the first.
    public func lastEpoch() throws(StoreError) -> Epoch {
        try store.read { transaction throws(StoreError) -> Epoch in
            guard let last = try transaction.last(in: blocks) else { return 0 }
            return Self.epoch([UInt8](copying: last.key))
        }
    }

    public func blockRecord(_ epoch: Epoch) throws(StoreError) -> BlockRecord? {
        try value(of: Self.key(epoch), in: blocks)
    }

    /// The block with its evidence; nil if it is not here.
    public func block(_ epoch: Epoch) throws(StoreError) -> Block? {
        guard let record = try blockRecord(epoch) else { return nil }
        return Block(header: record.final.header, body: record.body, evidence: try evidence(of: record))
    }

    /// The bundles behind a block's list; a missing one is damage.
    public func evidence(of record: BlockRecord) throws(StoreError) -> [EvidenceEntry] {
        var entries: [EvidenceEntry] = []
        for item in record.items {
            if let bundle = try bundle(item.item) {
                entries.append(.bundle(bundle))
            } else {
                entries.append(try conflict(of: item.author, epoch: record.final.header.epoch))
            }
        }
        return entries
    }

    private func conflict(of author: NodeID, epoch: Epoch) throws(StoreError) -> EvidenceEntry {
        var found: [(id: Digest, bundle: Bundle)] = []
        try store.read { transaction throws(StoreError) in
            try transaction.forEach(in: bundles) { key, value throws(StoreError) in
                let bundle: Bundle = try Self.decode(value)
                if bundle.author == author, bundle.epoch == epoch { found.append((Digest(octets: key), bundle)) }
                return found.count < 2
            }
        }
        guard found.count == 2 else { throw .corrupted }
        found.sort { $0.id < $1.id }
        return .conflict(found[0].bundle, found[1].bundle)
    }

    public func bundle(_ id: Digest) throws(StoreError) -> Bundle? {
        try value(of: id.octets, in: bundles)
    }

    public func epoch(ofHeader digest: Digest) throws(StoreError) -> Epoch? {
        try epochValue(of: digest.octets, in: headers)
    }

    public func epoch(ofTransaction id: Digest) throws(StoreError) -> Epoch? {
        try epochValue(of: id.octets, in: transactions)
    }

    public func summary(_ epoch: Epoch) throws(StoreError) -> EpochSummary? {
        try value(of: Self.key(epoch), in: summaries)
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

    public func rewards(_ epoch: Epoch) throws(StoreError) -> [Reward] {
        try store.read { transaction throws(StoreError) -> [Reward] in
            guard let bytes = try transaction.value(of: Self.key(epoch).octetBytes, in: rewards) else { return [] }
            do throws(DecodeError) {
                var reader = ByteReader(bytes)
                let list: [Reward] = try reader.list(max: 1 << 24)
                try reader.finish()
                return list
            } catch { throw .corrupted }
        }
    }

    /// Verdicts of beacons sent in `epochs`, in the order of epoch and tag.
    public func verdicts(
        from first: Epoch = 0, through last: Epoch = .max - 1, where isWanted: (VerdictRecord) -> Bool = { _ in true }
    ) throws(StoreError) -> [VerdictRecord] {
        try store.read { transaction throws(StoreError) -> [VerdictRecord] in
            var list: [VerdictRecord] = []
            try transaction.forEach(in: verdicts, .from(Self.key(first), below: Self.key(last + 1))) {
                _, value throws(StoreError) in
                let record: VerdictRecord = try Self.decode(value)
                if isWanted(record) { list.append(record) }
                return true
            }
            return list
        }
    }

    /// The value of one state key.
    public func state<Value: Canonical>(_ key: StateKey, as _: Value.Type) throws(StoreError) -> Value? {
        try value(of: key.encoded(), in: state)
    }

    public func stateEntries() throws(StoreError) -> [(StateKey, [UInt8])] {
        try store.read { transaction throws(StoreError) -> [(StateKey, [UInt8])] in
            var list: [(StateKey, [UInt8])] = []
            try transaction.forEach(in: state) { key, value throws(StoreError) in
                list.append((try Self.decode(key), [UInt8](copying: value)))
                return true
            }
            return list
        }
    }

    public func openBundles() throws(StoreError) -> [Bundle] {
        try store.read { transaction throws(StoreError) -> [Bundle] in
            var ids: [[UInt8]] = []
            try transaction.forEach(in: open) { key, _ throws(StoreError) in
                ids.append([UInt8](copying: key))
                return true
            }
            var list: [Bundle] = []
            for id in ids {
                guard let bytes = try transaction.value(of: id.octetBytes, in: bundles) else { throw .corrupted }
                list.append(try Self.decode(bytes))
            }
            return list
        }
    }

    public func peerRecords() throws(StoreError) -> [NodeRecord] {
        try store.read { transaction throws(StoreError) -> [NodeRecord] in
            var list: [NodeRecord] = []
            try transaction.forEach(in: peers) { _, value throws(StoreError) in
                list.append(try Self.decode(value))
                return true
            }
            return list
        }
    }

    public func status() throws(StoreError) -> LiveStatus? {
        guard let bytes = try single(.status) else { return nil }
        return try Self.decode(bytes.octetBytes)
    }

    /// The genesis this store belongs to; nil in a fresh store.
    public func genesis() throws(StoreError) -> Genesis? {
        guard let bytes = try single(.genesis) else { return nil }
        return try Self.decode(bytes.octetBytes)
    }

    /// Ties a fresh store to its network.
    public func setGenesis(_ genesis: Genesis) throws(StoreError) {
        try setSingle(genesis.encoded(), .genesis)
    }

    /// A number higher than at every start before: the sequence of the node's contact card.
    public func nextRecordSequence() throws(StoreError) -> UInt64 {
        let next = (try single(.recordSequence).map { Self.epoch($0) } ?? 0) + 1
        try setSingle(Self.key(next), .recordSequence)
        return next
    }

    private func value<Value: Canonical>(of key: [UInt8], in table: Table) throws(StoreError) -> Value? {
        try store.read { transaction throws(StoreError) -> Value? in
            guard let bytes = try transaction.value(of: key.octetBytes, in: table) else { return nil }
            return try Self.decode(bytes)
        }
    }

    private func epochValue(of key: [UInt8], in table: Table) throws(StoreError) -> Epoch? {
        try store.read { transaction throws(StoreError) -> Epoch? in
            guard let bytes = try transaction.value(of: key.octetBytes, in: table) else { return nil }
            return Self.epoch([UInt8](copying: bytes))
        }
    }
}
