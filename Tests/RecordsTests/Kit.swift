import Bytes
import Chance
import Foundation
import Identity
import Records
import Store
import Wire
import WireSamples

/// A directory of the test's own, gone when the test is.
struct Scratch: ~Copyable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "records-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Opens the one store of the directory; only one may be open at a time.
    func store(readOnly: Bool = false) throws(StoreError) -> NodeStore {
        try NodeStore(at: path + "/store", readOnly: readOnly, mapByteCount: 1 << 20)
    }
}

/// A final block made up from chance, with all that is stored beside it.
struct Final {
    let block: Block
    let record: BlockRecord
    let verdicts: [BeaconVerdict]
    let rewards: [Reward]
    let summary: EpochSummary
    var changes: [(key: StateKey, value: [UInt8]?)] = []

    init(epoch: Epoch, verdictEpochs: [Epoch] = [], from chance: inout Chance) {
        var entries: [NodeID: EvidenceEntry] = [:]
        for _ in 0..<chance.below(5) {
            let entry = EvidenceEntry.any(from: &chance, epoch: epoch)
            entries[entry.author] = entry
        }
        let evidence = entries.values.sorted { $0.author < $1.author }
        self.init(epoch: epoch, evidence: evidence, verdictEpochs: verdictEpochs, from: &chance)
    }

    init(epoch: Epoch, evidence: [EvidenceEntry], verdictEpochs: [Epoch] = [], from chance: inout Chance) {
        let header = Header.any(from: &chance, epoch: epoch)
        let body = Body.any(from: &chance)
        block = Block(header: header, body: body, evidence: evidence)
        record = BlockRecord(
            final: FinalHeader(
                header: header,
                certificate: .any(from: &chance, ballot: .finalize(epoch, chance.word(), header.digest))),
            body: body, items: evidence.map { EvidenceItem(author: $0.author, item: $0.item) })
        var verdicts: [BeaconVerdict] = []
        for epoch in verdictEpochs { verdicts.append(.any(from: &chance, epoch: epoch)) }
        self.verdicts = verdicts
        rewards = chance.list(max: 5)
        summary = EpochSummary(
            record: record, bundles: evidence.flatMap(\.bundles), verdicts: verdicts,
            totals: .any(from: &chance), minted: chance.word(), burned: chance.word(),
            millisecondsToFinal: chance.word())
    }

    var write: RecordWrite {
        .final(
            record, bundles: block.evidence.flatMap(\.bundles), changes: changes, verdicts: verdicts,
            rewards: rewards, summary)
    }
}

extension NodeStore {
    /// Writes into a table behind the types' back, as damage would.
    func damage(_ key: [UInt8], in name: String, _ change: (inout [UInt8]) -> Void) throws(StoreError) {
        let table = store.table(name)
        try store.write { transaction throws(StoreError) in
            var bytes: [UInt8] = []
            if let value = try transaction.value(of: key.octetBytes, in: table) {
                bytes = [UInt8](copying: value)
            }
            change(&bytes)
            try transaction.put(bytes.octetBytes, for: key.octetBytes, in: table)
        }
    }

    func delete(_ key: [UInt8], in name: String) throws(StoreError) {
        let table = store.table(name)
        try store.write { transaction throws(StoreError) in
            _ = try transaction.delete(key.octetBytes, in: table)
        }
    }
}

func bigEndian(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * $0)) }
}
