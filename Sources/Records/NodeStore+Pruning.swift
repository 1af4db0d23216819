internal import Bytes
internal import Identity
public import Store
public import Wire

// What a node forgets, where its genesis lets it.
//
// Upon the final block e, of e − kept and earlier: evidence, transactions, verdicts and rewards go; header and certificate
// stay, and so does the line about the epoch. The state after the earliest block that is kept can still be told, by undoing
// what the blocks since have done: from there on everything can be executed again.
extension NodeStore {
    /// Epochs forgotten in one commit, so that a setting that is new to a long chain does not make one long.
    static let prunedAtOnce = 4

    /// Of how many epochs evidence and verdicts are kept from now on; 0: of all.
    public func setKeptEpochs(_ count: UInt32) throws(StoreError) {
        try store.write { transaction throws(StoreError) in
            if count > 0 {
                try put(Self.key(Epoch(count)), .kept, &transaction)
            } else {
                try transaction.delete(Array(Single.kept.rawValue.utf8).octetBytes, in: node)
            }
        }
    }

    /// The epochs through the last whose blocks are here with their evidence, none missing; nil before block 1.
    ///
    /// Where a state was adopted they begin with the two blocks that came with it, without verdicts and rewards: what
    /// the node had executed before lies beyond a gap.
    public func keptBlocks() throws(StoreError) -> ClosedRange<Epoch>? {
        try store.read { transaction throws(StoreError) -> ClosedRange<Epoch>? in
            guard let first = try transaction.first(in: blocks), let last = try transaction.last(in: blocks)
            else {
                return nil
            }
            let base = try single(.base, transaction).map { Self.epoch($0) } ?? 0
            let oldest = Self.epoch([UInt8](copying: first.key))
            return max(oldest, base > 0 ? base - 1 : 0)...Self.epoch([UInt8](copying: last.key))
        }
    }

    func prune(after last: Epoch, _ transaction: inout WriteTransaction) throws(StoreError) {
        guard let bytes = try single(.kept, transaction) else { return }
        let kept = Self.epoch(bytes)
        guard last > kept else { return }
        var done = 0
        while done < Self.prunedAtOnce, let first = try firstBlock(transaction), first <= last - kept {
            try forget(first, &transaction)
            done += 1
        }
        // From the second of the blocks that are left on: it takes two to execute the next.
        guard done > 0, let first = try firstBlock(transaction) else { return }
        let base = first + 1
        let known = try single(.base, transaction).map { Self.epoch($0) } ?? 0
        guard base > known else { return }
        try put(Self.key(base), .base, &transaction)
        try transaction.delete(.below(Self.key(base + 1)), in: undo)
    }

    private func firstBlock(_ transaction: borrowing WriteTransaction) throws(StoreError) -> Epoch? {
        guard let first = try transaction.first(in: blocks) else { return nil }
        return Self.epoch([UInt8](copying: first.key))
    }

    private func forget(_ epoch: Epoch, _ transaction: inout WriteTransaction) throws(StoreError) {
        let key = Self.key(epoch)
        guard let bytes = try octets(of: key, in: blocks, transaction) else { return }
        let record: BlockRecord = try Self.decode(bytes.octetBytes)
        try transaction.put(record.final.encoded().octetBytes, for: key.octetBytes, in: finals)
        try transaction.delete(key.octetBytes, in: blocks)
        try transaction.delete(key.octetBytes, in: rewards)
        for item in record.items {
            let item = item.item.octets
            if let pair = try octets(of: item, in: conflicts, transaction) {
                try transaction.delete(Array(pair.prefix(32)).octetBytes, in: bundles)
                try transaction.delete(Array(pair.dropFirst(32)).octetBytes, in: bundles)
                try transaction.delete(item.octetBytes, in: conflicts)
            } else {
                try transaction.delete(item.octetBytes, in: bundles)
            }
        }
        for done in record.body.transactions {
            try transaction.delete(done.id.octets.octetBytes, in: transactions)
        }
        var judged: [[UInt8]] = []
        try transaction.forEach(in: executions, .prefix(key)) { place, beacon throws(StoreError) in
            judged.append([UInt8](copying: beacon) + [UInt8](copying: place))
            return true
        }
        for verdict in judged { try transaction.delete(verdict.octetBytes, in: verdicts) }
        try transaction.delete(.prefix(key), in: executions)
    }
}
