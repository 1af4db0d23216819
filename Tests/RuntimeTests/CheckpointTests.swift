import Bytes
import Chance
import Foundation
import Identity
import Records
import Testing
import Wire
import WireSamples

@testable import Runtime

@Suite struct `An operator's checkpoint` {
    @Test func `is compared with the store's own chain before anything is begun`() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "checkpoint-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: url) }
        let store = try NodeStore(at: url.path + "/store", readOnly: false, mapByteCount: 1 << 20)
        var chance = Chance(seed: 3)
        var digests: [Digest] = []
        for epoch in Epoch(1)...2 {
            let header = Header.any(from: &chance, epoch: epoch)
            digests.append(header.digest)
            let certificate = Certificate.any(from: &chance, ballot: .finalize(epoch, 1, header.digest))
            let record = BlockRecord(
                final: FinalHeader(header: header, certificate: certificate), body: .any(from: &chance),
                items: [])
            let summary = EpochSummary(
                record: record, bundles: [], verdicts: [], totals: .any(from: &chance), minted: 0, burned: 0,
                millisecondsToFinal: 0)
            try store.write([
                .final(record, bundles: [], changes: [], verdicts: [], rewards: [], summary)
            ])
        }
        for epoch in Epoch(1)...2 {
            try store.compare(checkpoint: epoch, digests[Int(epoch) - 1])
            let error = #expect(throws: RuntimeError.self) {
                try store.compare(checkpoint: epoch, Digest(of: [1]))
            }
            let said = try #require(error).description
            #expect(said.contains("epoch \(epoch)") && said.contains(digests[Int(epoch) - 1].hex), "\(said)")
        }
        // It lies ahead: what comes is compared with it.
        try store.compare(checkpoint: 3, Digest(of: [1]))
    }
}
