internal import Coverage
internal import Identity
internal import Node
internal import Records
internal import Store
internal import Wire

extension RecordWrite {
    /// What the node wants kept, in the terms of the store, and the time of day beside a final block.
    /// - Parameter wallTime: Milliseconds since 1970.
    static func all(of persisted: Persisted, at wallTime: UInt64) -> [RecordWrite] {
        let write = RecordWrite(persisted)
        switch persisted {
        case .final: return [write, .finalAt(wallTime)]
        case .adopted(let adopted): return [write, .finalAt(adopted.isFresh ? wallTime : nil)]
        default: return [write]
        }
    }

    private init(_ persisted: Persisted) {
        switch persisted {
        case .safety(let bytes): self = .safety(bytes)
        case .coverage(let bytes): self = .coverage(bytes)
        case .bundle(let bundle, let isOwn): self = .bundle(bundle, isOwn: isOwn)
        case .candidate(let contents, let dropped): self = .candidate(contents, dropping: dropped)
        case .peers(let records): self = .peers(records)
        case .outbox(let bundle): self = .outbox(bundle)
        case .droppedOpen: self = .droppedOpen
        case .following(let bytes, let last): self = .following(bytes, last?.epoch ?? 0)
        case .followed(let headers):
            self = .followed(headers.finals, headers.committees, record: headers.record)
        case .fetched(let rows): self = .fetched(rows)
        case .unfollowed(let epoch): self = .unfollowed(from: epoch)
        case .forgot: self = .forgot
        case .adopted(let adopted):
            self = .adopted(
                adopted.blocks.map { block, certificate in
                    let final = FinalHeader(header: block.header, certificate: certificate)
                    let record = BlockRecord(final: final, body: block.body, items: block.contents.items)
                    return (record, block.evidence.flatMap(\.bundles))
                }, changes: adopted.changes)
        case .final(let block):
            let record = BlockRecord(final: block.final, body: block.body, items: block.items)
            self = .final(
                record, bundles: block.bundles, changes: block.changes, verdicts: block.verdicts,
                rewards: block.rewards,
                EpochSummary(
                    record: record, bundles: block.bundles, verdicts: block.verdicts, totals: block.totals,
                    minted: block.minted, burned: block.burned, millisecondsToFinal: block.millisecondsToFinal
                ))
        }
    }
}

extension NodeStore {
    /// Refuses a checkpoint that this store's own chain contradicts: either of the two is another network's, or forged.
    func compare(checkpoint epoch: Epoch, _ header: Digest) throws {
        guard try lastEpoch() >= epoch, let digest = try final(epoch)?.header.digest, digest != header else {
            return
        }
        throw RuntimeError(
            "the checkpoint of epoch \(epoch) is \(header.hex), but the header in the store is \(digest.hex): "
                + "if the checkpoint is right, move the store away and start the node again")
    }

    /// How long ago the last final block was made durable; nil where that is not known, and by a clock that stands before it.
    func sinceFinal(at wallTime: UInt64) throws(StoreError) -> Duration? {
        guard let at = try finalAt(), at <= wallTime else { return nil }
        return .milliseconds(Int64(clamping: wallTime - at))
    }

    /// Reads what a peer asked for.
    func answer(_ request: StoreRequest) throws(StoreError) -> [Message] {
        switch request {
        case .finality(let from, let count):
            var headers: [FinalHeader] = []
            for epoch in from..<(from + Epoch(min(count, Message.finalityMax))) {
                guard let final = try final(epoch) else { break }
                headers.append(final)
            }
            return headers.isEmpty ? [] : [.finality(headers)]
        case .contents(let digest):
            guard let epoch = try epoch(ofHeader: digest), let record = try blockRecord(epoch) else {
                return []
            }
            return [.contents(Contents(header: record.final.header, body: record.body, items: record.items))]
        case .bundles(let ids):
            var messages: [Message] = []
            for id in ids { messages += try bundles(ofItem: id).map { .bundle($0) } }
            return messages
        case .transactionStatus(let id):
            return [.transactionStatus(id, try epoch(ofTransaction: id).map { .final($0) } ?? .unknown)]
        case .committee(let digest):
            return try committee(digest).map { [.snapshotAnswer(.committee($0))] } ?? []
        }
    }
}
