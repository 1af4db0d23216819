internal import Bytes
public import Identity
public import Store
public import Wire

// What a node keeps that starts from a state instead of from genesis, and what it needs to tell earlier states.
extension NodeStore {
    // MARK: Writing

    func write(
        followed headers: [FinalHeader], _ newCommittees: [Committee], record: [UInt8],
        _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        for final in headers {
            let key = Self.key(final.header.epoch)
            try transaction.put(final.encoded().octetBytes, for: key.octetBytes, in: finals)
        }
        for committee in newCommittees {
            let encoded = committee.encoded()
            try transaction.put(
                encoded.octetBytes, for: Digest(of: encoded).octets.octetBytes, in: committees)
        }
        try put(record, .snapshot, &transaction)
    }

    func write(
        fetched rows: [(key: StateKey, value: [UInt8]?)], _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        for (key, value) in rows {
            try transaction.put(Self.option(value).octetBytes, for: key.encoded().octetBytes, in: fetched)
        }
    }

    /// The state becomes the one after the last of these blocks.
    func adopt(
        _ list: [(block: BlockRecord, bundles: [Bundle])], changes: [(key: StateKey, value: [UInt8]?)],
        _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        try clearOpen(&transaction)
        for (block, bundles) in list {
            let key = Self.key(block.final.header.epoch)
            try transaction.put(block.encoded().octetBytes, for: key.octetBytes, in: blocks)
            try transaction.put(
                key.octetBytes, for: block.final.header.digest.octets.octetBytes, in: headers)
            try write(evidence: bundles, of: block, &transaction)
            for done in block.body.transactions {
                try transaction.put(key.octetBytes, for: done.id.octets.octetBytes, in: transactions)
            }
        }
        try write(changes: changes, &transaction)
        try transaction.clear(fetched)
        try transaction.clear(undo)
        try transaction.delete(Array(Single.snapshot.rawValue.utf8).octetBytes, in: node)
        if let last = list.last { try put(Self.key(last.block.final.header.epoch), .base, &transaction) }
    }

    /// Keeps what a block is about to change, where the blocks before it cannot be executed again.
    func note(
        undoing changes: [(key: StateKey, value: [UInt8]?)], of epoch: Epoch,
        _ transaction: inout WriteTransaction
    ) throws(StoreError) {
        let isTold = try single(.base, transaction) != nil
        let forgets = try single(.kept, transaction) != nil
        // The state after block 1 is as good a beginning as any, and undoing it would be another copy of genesis.
        guard isTold || forgets && epoch > 1 else { return }
        for (key, _) in changes {
            let key = key.encoded()
            let before = try octets(of: key, in: state, transaction)
            try transaction.put(
                Self.option(before).octetBytes, for: (Self.key(epoch) + key).octetBytes, in: undo)
        }
    }

    func octets(
        of key: [UInt8], in table: Table, _ transaction: borrowing WriteTransaction
    ) throws(StoreError) -> [UInt8]? {
        guard let bytes = try transaction.value(of: key.octetBytes, in: table) else { return nil }
        return [UInt8](copying: bytes)
    }

    private static func option(_ value: [UInt8]?) -> [UInt8] { value.map { [1] + $0 } ?? [0] }

    private static func option(stored bytes: RawSpan) throws(StoreError) -> [UInt8]? {
        let octets = [UInt8](copying: bytes)
        switch octets.first {
        case 0 where octets.count == 1: return nil
        case 1: return Array(octets.dropFirst())
        default: throw .corrupted
        }
    }

    // MARK: Reading

    /// The header and certificate of an epoch, whether its block is here or not.
    public func final(_ epoch: Epoch) throws(StoreError) -> FinalHeader? {
        try store.read { transaction throws(StoreError) in try final(epoch, transaction) }
    }

    public func final(
        _ epoch: Epoch, _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> FinalHeader? {
        if let record = try blockRecord(epoch, transaction) { return record.final }
        return try value(of: Self.key(epoch), in: finals, transaction)
    }

    public func committee(_ digest: Digest) throws(StoreError) -> Committee? {
        try store.read { transaction throws(StoreError) in try committee(digest, transaction) }
    }

    public func committee(
        _ digest: Digest, _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> Committee? {
        try value(of: digest.octets, in: committees, transaction)
    }

    /// The last epoch before those whose blocks can be executed again; 0 where all can.
    public func baseEpoch() throws(StoreError) -> Epoch {
        try store.read { transaction throws(StoreError) in try baseEpoch(transaction) }
    }

    public func baseEpoch(_ transaction: borrowing ReadTransaction) throws(StoreError) -> Epoch {
        try single(.base, transaction).map { Self.epoch($0) } ?? 0
    }

    /// The whole state after the block of `baseEpoch`: the stored one with everything undone that blocks did since.
    public func baseState() throws(StoreError) -> [(StateKey, [UInt8])] {
        try store.read { transaction throws(StoreError) in try baseState(transaction) }
    }

    public func baseState(
        _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> [(StateKey, [UInt8])] {
        let stored = try stateEntries(transaction)
        var changed: [StateKey: [UInt8]?] = [:]
        // Backwards, so that the earliest value is the last that counts.
        try transaction.forEach(in: undo, .all, reverse: true) { key, value throws(StoreError) in
            let name = Array([UInt8](copying: key).dropFirst(8))
            let key: StateKey = try Self.decode(name.octetBytes)
            changed[key] = .some(try Self.option(stored: value))
            return true
        }
        var entries = stored.filter { changed[$0.0] == nil }
        for (key, value) in changed { if let value { entries.append((key, value)) } }
        return entries.map { ($0.0.encoded(), $0.0, $0.1) }
            .sorted { $0.0.lexicographicallyPrecedes($1.0) }.map { ($0.1, $0.2) }
    }

    /// Rows of a state that is being fetched which differ from the one stored.
    public func fetchedCount() throws(StoreError) -> Int {
        try store.read { transaction throws(StoreError) in try transaction.count(in: fetched) }
    }

    func fetchedRows(
        _ transaction: borrowing ReadTransaction
    ) throws(StoreError) -> [(key: StateKey, value: [UInt8]?)] {
        var rows: [(key: StateKey, value: [UInt8]?)] = []
        try transaction.forEach(in: fetched) { key, value throws(StoreError) in
            rows.append((try Self.decode(key), try Self.option(stored: value)))
            return true
        }
        return rows
    }

    /// The last two headers that were followed, ascending.
    func followedHeaders(_ transaction: borrowing ReadTransaction) throws(StoreError) -> [FinalHeader] {
        var list: [FinalHeader] = []
        try transaction.forEach(in: finals, .all, reverse: true, limit: 2) { _, value throws(StoreError) in
            list.append(try Self.decode(value))
            return true
        }
        return list.reversed()
    }
}
