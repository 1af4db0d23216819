import Bytes
import Chance
import Foundation
import Records
import Testing
import Wire
import WireSamples

@testable import Node
@testable import Runtime

@Suite struct `The time of the last final block` {
    @Test func `is stored with it, and of a fetched one only if that is known to be young`() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "final-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: url) }
        let store = try NodeStore(at: url.path + "/store", readOnly: false, mapByteCount: 1 << 22)
        var chance = Chance(seed: 3)
        let block = Block.any(from: &chance)
        let certificate = Certificate.any(
            from: &chance, ballot: .finalize(block.header.epoch, 1, block.header.digest))
        #expect(try store.sinceFinal(at: 9_000) == nil)

        let final = FinalBlock(
            block: block, certificate: certificate, changes: [], verdicts: [], rewards: [],
            totals: .any(from: &chance), minted: 0, burned: 0, millisecondsToFinal: 0)
        try store.write(RecordWrite.all(of: .final(final), at: 5_000))
        #expect(try store.sinceFinal(at: 5_500) == .milliseconds(500))
        // A clock that was set back, or has not been set since the machine began, tells nothing.
        #expect(try store.sinceFinal(at: 4_999) == nil)

        for isFresh in [true, false] {
            let adopted = AdoptedState(blocks: [(block, certificate)], changes: [], isFresh: isFresh)
            try store.write(RecordWrite.all(of: .adopted(adopted), at: 6_000))
            #expect(try store.sinceFinal(at: 6_000) == (isFresh ? .zero : nil))
        }
        try store.write(RecordWrite.all(of: .peers([]), at: 7_000))
        #expect(try store.sinceFinal(at: 8_000) == nil)
    }
}
