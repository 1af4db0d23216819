import Bytes
import Chance
import Identity
import Records
import Store
import TestKit
import Testing
import Wire
import WireSamples

/// What the store holds must be what was written; anything else is reported and never guessed at.
@Suite struct DamageTests {
    private static func filled(_ scratch: borrowing Scratch, _ chance: inout Chance) throws -> (
        NodeStore, Final
    ) {
        let store = try scratch.store()
        let author = NodeID.any(from: &chance)
        let bundles = [
            Bundle.any(from: &chance, author: author, epoch: 1),
            Bundle.any(from: &chance, author: author, epoch: 1),
        ].sorted { $0.id < $1.id }
        let single = EvidenceEntry.bundle(.any(from: &chance, author: .any(from: &chance), epoch: 1))
        let evidence = [EvidenceEntry.conflict(bundles[0], bundles[1]), single].sorted {
            $0.author < $1.author
        }
        var final = Final(epoch: 1, evidence: evidence, verdictEpochs: [1], from: &chance)
        final.changes = [(.totals, Totals().encoded())]
        try store.setGenesis(.any(from: &chance))
        try store.write([
            final.write, .peers([.any(from: &chance)]),
            .bundle(.any(from: &chance, author: author, epoch: 2), isOwn: true),
        ])
        return (store, final)
    }

    @Test(arguments: Seed.all)
    func `a damaged record is corrupted`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let (store, final) = try Self.filled(scratch, &chance)
        let epoch = bigEndian(1)
        let conflict = try #require(final.block.evidence.first { $0.bundles.count == 2 })
        let pair = conflict.bundles
        func cut(_ key: [UInt8], in table: String) throws {
            try store.damage(key, in: table) { $0.append(0) }
        }
        try cut(Array("ownBundle".utf8), in: "node")
        #expect(throws: StoreError.corrupted) { try store.life() }
        try cut(Array("genesis".utf8), in: "node")
        #expect(throws: StoreError.corrupted) { try store.genesis() }
        try cut(epoch, in: "summaries")
        #expect(throws: StoreError.corrupted) { try store.summary(1) }
        #expect(throws: StoreError.corrupted) { try store.summaries(last: 1) }
        try cut(epoch, in: "rewards")
        #expect(throws: StoreError.corrupted) { try store.rewards(1) }
        let verdict = final.verdicts[0]
        let place = epoch + bigEndian(0)
        try cut(bigEndian(verdict.epoch) + bigEndian(verdict.tag.value) + place, in: "verdicts")
        #expect(throws: StoreError.corrupted) { try store.verdicts() }
        #expect(throws: StoreError.corrupted) { try store.verdicts(ofBlock: 1) }
        try cut(StateKey.totals.encoded(), in: "state")
        #expect(throws: StoreError.corrupted) { try store.state(.totals, as: Totals.self) }
        try cut(conflict.item.octets, in: "conflicts")
        #expect(throws: StoreError.corrupted) { try store.block(1) }
        try store.damage(conflict.item.octets, in: "conflicts") { $0.removeLast() }
        _ = try store.block(1)
        try cut(pair[1].id.octets, in: "bundles")
        #expect(throws: StoreError.corrupted) { try store.bundle(pair[1].id) }
        #expect(throws: StoreError.corrupted) { try store.block(1) }
        try cut(epoch, in: "blocks")
        #expect(throws: StoreError.corrupted) { try store.blockRecord(1) }
    }

    @Test(arguments: Seed.all)
    func `a missing bundle of a block or of the open epoch is damage`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let (store, final) = try Self.filled(scratch, &chance)
        let entry = final.block.evidence[chance.below(2)]
        try store.delete(entry.bundles.last!.id.octets, in: "bundles")
        #expect(throws: StoreError.corrupted) { try store.block(1) }
        #expect(throws: StoreError.corrupted) { try store.life() }
        try store.write([.bundle(.any(from: &chance, author: .any(from: &chance), epoch: 2), isOwn: false)])
        #expect(try store.openBundles().count == 2)
        try store.delete([UInt8](repeating: 0, count: 8), in: "open")
        #expect(throws: StoreError.corrupted) { try store.openBundles() }
    }

    @Test(arguments: Seed.all)
    func `a bit that turned in a block record is found or makes another well-formed record`(seed: Seed) throws
    {
        var chance = seed.chance()
        let scratch = try Scratch()
        let (store, final) = try Self.filled(scratch, &chance)
        for _ in 0..<8 {
            var bytes = final.record.encoded()
            bytes.mutate(with: &chance)
            try store.damage(bigEndian(1), in: "blocks") { $0 = bytes }
            do throws(StoreError) {
                let record = try store.blockRecord(1)
                #expect(record?.encoded() == bytes)
            } catch {
                #expect(error == .corrupted)
            }
        }
    }
}
