import Bytes
import Chance
import Identity
import Records
import Store
import TestKit
import Testing
import Wire
import WireSamples

@Suite struct NodeStoreTests {
    @Test(arguments: Seed.all)
    func `a final block is found again in every way there is to ask for it`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(try store.lastEpoch() == 0)
        let finals = (1...4).map { Final(epoch: $0, verdictEpochs: [$0], from: &chance) }
        for final in finals { try store.write([final.write]) }
        #expect(try store.lastEpoch() == 4)
        for (final, epoch) in zip(finals, Epoch(1)...) {
            let record = try #require(try store.blockRecord(epoch))
            #expect(record.encoded() == final.record.encoded())
            #expect(try store.block(epoch) == final.block)
            #expect(try store.evidence(of: record) == final.block.evidence)
            #expect(try store.summary(epoch) == final.summary)
            #expect(try store.rewards(epoch) == final.rewards)
            #expect(try store.epoch(ofHeader: final.block.header.digest) == epoch)
            for transaction in final.block.body.transactions {
                #expect(try store.epoch(ofTransaction: transaction.id) == epoch)
            }
            for entry in final.block.evidence {
                #expect(try store.bundles(ofItem: entry.item) == entry.bundles)
                for bundle in entry.bundles { #expect(try store.bundle(bundle.id) == bundle) }
            }
        }
        #expect(try store.summaries(last: 3) == finals[1...].map(\.summary))
        #expect(try store.summaries(last: 100) == finals.map(\.summary))
        #expect(try store.summaries(last: 0).isEmpty)
    }

    @Test func `the time of the last final block is told, unless that block may be old`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(try store.finalAt() == nil)
        try store.write([.finalAt(1_000)])
        try store.write([.finalAt(2_000)])
        #expect(try store.finalAt() == 2_000)
        try store.write([.finalAt(nil)])
        #expect(try store.finalAt() == nil)
    }

    @Test func `headers of another chain are neither told nor gone on from, those before them are`() throws {
        var chance = Chance(seed: 11)
        let scratch = try Scratch()
        let store = try scratch.store()
        let finals = (Epoch(1)...6).map { epoch in
            let header = Header.any(from: &chance, epoch: epoch)
            return FinalHeader(
                header: header,
                certificate: .any(from: &chance, ballot: .finalize(epoch, 1, header.digest)))
        }
        try store.write([.followed(finals, [], record: [7])])
        #expect(try store.life().snapshotRecord == [7])
        try store.write([.unfollowed(from: 4)])
        let told = try (Epoch(1)...6).compactMap { try store.final($0)?.header.digest }
        #expect(told == finals.prefix(3).map(\.header.digest))
        #expect(try store.life().snapshotRecord == nil)
    }

    @Test
    func
        `what stands behind headers of the open epoch is there at the next start, and gone once it is final`()
        throws
    {
        var chance = Chance(seed: 5)
        let scratch = try Scratch()
        var contents: [Contents] = []
        do {
            let store = try scratch.store()
            contents = (0..<3).map { _ in
                Block(header: .any(from: &chance, epoch: 1), body: .any(from: &chance), evidence: []).contents
            }
            try store.write([.candidate(contents[0], dropping: nil), .candidate(contents[1], dropping: nil)])
            try store.write([.candidate(contents[2], dropping: contents[0].header.digest)])
        }
        let store = try scratch.store()
        #expect(Set(try store.life().candidates) == Set(contents[1...]))
        try store.write([Final(epoch: 1, from: &chance).write])
        #expect(try store.life().candidates.isEmpty)
    }

    @Test func `what was never written is nil or empty`() throws {
        var chance = Chance(seed: 1)
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(try store.blockRecord(1) == nil)
        #expect(try store.block(1) == nil)
        #expect(try store.summary(1) == nil)
        #expect(try store.rewards(1).isEmpty)
        #expect(try store.bundle(.any(from: &chance)) == nil)
        #expect(try store.bundles(ofItem: .any(from: &chance)).isEmpty)
        #expect(try store.epoch(ofHeader: .any(from: &chance)) == nil)
        #expect(try store.epoch(ofTransaction: .any(from: &chance)) == nil)
        #expect(try store.state(.totals, as: Totals.self) == nil)
        #expect(try store.verdicts().isEmpty)
        #expect(try store.verdicts(ofBlock: 1).isEmpty)
        #expect(try store.status() == nil)
        #expect(try store.genesis() == nil)
        #expect(try store.openBundles().isEmpty)
        #expect(try store.peerRecords().isEmpty)
        let life = try store.life()
        #expect(life.recent.isEmpty && life.lastCertificate == nil && life.state.isEmpty)
        #expect(life.safety == nil && life.coverage == nil && life.ownBundle == nil)
        #expect(life.bundles.isEmpty && life.peers.isEmpty)
    }

    @Test(arguments: Seed.all)
    func `a conflict in a block is kept as the two bundles that the block had`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let store = try scratch.store()
        let author = NodeID.any(from: &chance)
        let bundles = (0..<3).map { _ in Bundle.any(from: &chance, author: author, epoch: 9) }
            .sorted { $0.id < $1.id }
        // The node held one that the block does not name, with the lowest id of all.
        try store.write([.bundle(bundles[0], isOwn: false)])
        let other = EvidenceEntry.bundle(.any(from: &chance, author: .any(from: &chance), epoch: 9))
        let entries = [EvidenceEntry.conflict(bundles[1], bundles[2]), other].sorted { $0.author < $1.author }
        let final = Final(epoch: 9, evidence: entries, from: &chance)
        try store.write([final.write])
        #expect(try store.block(9)?.evidence == entries)
        #expect(try store.bundle(bundles[0].id) == nil)
        #expect(try store.summary(9)?.conflicts == 1)
        #expect(try store.summary(9)?.bundles == 2)
    }

    @Test(arguments: Seed.all)
    func `verdicts are found by epoch, by predicate and by block`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let store = try scratch.store()
        // Beacons of an epoch are judged in the two blocks after it, so that epochs come up twice.
        let finals = (3...8).map { Final(epoch: $0, verdictEpochs: [$0 - 1, $0 - 2, $0 - 1], from: &chance) }
        for final in finals { try store.write([final.write]) }
        let all = finals.flatMap { final in
            final.verdicts.map { (block: final.block.header.epoch, verdict: $0) }
        }
        let ranges: [(Epoch, Epoch)] = [(0, .max), (2, 4), (4, 4), (7, .max - 1), (9, 3), (6, .max)]
        for (first, last) in ranges {
            let expected = all.filter { first <= $0.verdict.epoch && $0.verdict.epoch <= last }
            let found = try store.verdicts(from: first, through: last)
            #expect(Set(found.map(\.verdict)) == Set(expected.map(\.verdict)))
            #expect(found.count == expected.count)
            let keys = found.map { ($0.verdict.epoch, $0.verdict.tag) }
            #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 <= $1 })
        }
        let wanted = all[chance.below(all.count)]
        let found = try store.verdicts { $0.verdict == wanted.verdict }
        #expect(found.map(\.block) == [wanted.block])
        for final in finals {
            #expect(try store.verdicts(ofBlock: final.block.header.epoch) == final.verdicts)
        }
        #expect(try store.verdicts(ofBlock: 2).isEmpty)
    }

    @Test func `two blocks that judge one beacon's tag keep both verdicts`() throws {
        var chance = Chance(seed: 3)
        let scratch = try Scratch()
        let store = try scratch.store()
        let first = BeaconVerdict.any(from: &chance, epoch: 5)
        var second = first
        second.reason = first.reason == .valid ? .duplicate : .valid
        for (epoch, verdict) in [(Epoch(6), first), (7, second)] {
            let final = Final(epoch: epoch, evidence: [], from: &chance)
            try store.write([
                .final(
                    final.record, bundles: [], changes: [], verdicts: [verdict], rewards: [], final.summary)
            ])
        }
        #expect(try store.verdicts(from: 5, through: 5).map(\.verdict) == [first, second])
    }

    @Test(arguments: Seed.all)
    func `state entries are those of the last change, and deletions delete`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let store = try scratch.store()
        var model: [StateKey: [UInt8]] = [:]
        for epoch in Epoch(1)...6 {
            var final = Final(epoch: epoch, evidence: [], from: &chance)
            for key in model.keys.sorted(by: { $0.encoded().lexicographicallyPrecedes($1.encoded()) })
            where chance.happens(1, in: 3) {
                final.changes.append((key, nil))
                model[key] = nil
            }
            for _ in 0..<5 {
                let key = StateKey.any(from: &chance)
                let value = Account.any(from: &chance).encoded()
                final.changes.append((key, value))
                model[key] = value
            }
            try store.write([final.write])
            let entries = try store.stateEntries()
            #expect(entries.count == model.count)
            for (key, value) in entries { #expect(model[key] == value) }
        }
        let (key, value) = try #require(model.first)
        #expect(try store.state(key, as: Account.self)?.encoded() == value)
    }

    @Test(arguments: Seed.all)
    func `bundles stay open until their epoch is final, and the own one is remembered`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let store = try scratch.store()
        let own = Bundle.any(from: &chance, author: .any(from: &chance), epoch: 1)
        let named = Bundle.any(from: &chance, author: .any(from: &chance), epoch: 1)
        let late = Bundle.any(from: &chance, author: .any(from: &chance), epoch: 1)
        try store.write([
            .bundle(named, isOwn: false), .bundle(own, isOwn: true), .bundle(late, isOwn: false),
        ])
        try store.write([.bundle(named, isOwn: false)])
        #expect(try store.openBundles() == [own, named, late].sorted { $0.id < $1.id })
        #expect(try store.life().ownBundle == own)
        let final = Final(epoch: 1, evidence: [.bundle(named)], from: &chance)
        try store.write([final.write])
        #expect(try store.openBundles().isEmpty)
        #expect(try store.bundle(named.id) == named)
        // Whom the block left out is of no more use, but what was said in one's own name is.
        #expect(try store.bundle(late.id) == nil)
        #expect(try store.life().ownBundle == own)
        let next = Bundle.any(from: &chance, author: own.author, epoch: 2)
        try store.write([.bundle(next, isOwn: true)])
        #expect(try store.life().ownBundle == next)
        #expect(try store.openBundles() == [next])
    }

    @Test(arguments: Seed.all)
    func `peers are replaced as a whole`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let store = try scratch.store()
        for _ in 0..<3 {
            let records = chance.ascending(NodeRecord.self, max: 6) { $0.node }
            try store.write([.peers(records)])
            #expect(try store.peerRecords() == records)
        }
    }

    @Test func `peers come back in the order of their worth, and the anchors are the first of it`() throws {
        var chance = Chance(seed: 9)
        let scratch = try Scratch()
        let store = try scratch.store()
        let records = Array(chance.ascending(NodeRecord.self, max: 6) { $0.node }.reversed())
        try #require(records.count > 1)
        try store.write([.peers(records)])
        #expect(try store.peerRecords() == records)
        #expect(try store.life().peers == records)
    }

    @Test func `a card's sequence is above that of every life, whatever store it had`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(try store.nextRecordSequence(atLeast: 1_700_000_000) == 1_700_000_000)
        #expect(try store.nextRecordSequence(atLeast: 1_600_000_000) == 1_700_000_001)
        #expect(try store.nextRecordSequence(atLeast: .max) < 1 << 41)
    }

    @Test func `many writes are committed together, or none of them`() throws {
        var chance = Chance(seed: 4)
        let scratch = try Scratch()
        let store = try scratch.store()
        let final = Final(epoch: 1, from: &chance)
        let next = Bundle.any(from: &chance, author: .any(from: &chance), epoch: 2)
        try store.write([
            .safety([1]), .coverage([2]), final.write, .bundle(next, isOwn: false), .safety([3]),
        ])
        let life = try store.life()
        #expect(life.safety == [3] && life.coverage == [2])
        #expect(life.recent == [final.block])
        #expect(life.bundles == [next])
    }

    @Test(arguments: Seed.all)
    func `a reopened store has the life that was written`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let genesis = Genesis.any(from: &chance)
        var finals = (1...3).map { Final(epoch: $0, verdictEpochs: [$0], from: &chance) }
        finals[2].changes = [(.totals, Totals.any(from: &chance).encoded())]
        let own = Bundle.any(from: &chance, author: .any(from: &chance), epoch: 4)
        let peers = chance.ascending(NodeRecord.self, max: 6) { $0.node }
        let safety = chance.octets(40)
        do {
            let store = try scratch.store()
            try store.setGenesis(genesis)
            for final in finals { try store.write([final.write]) }
            try store.write([.safety(safety), .coverage([7]), .bundle(own, isOwn: true), .peers(peers)])
            #expect(try store.nextRecordSequence() == 1)
            #expect(try store.nextRecordSequence() == 2)
            #expect(try store.lastStamp() == 0)
            try store.write([.stamp(1 << 60 | 3)])
        }
        do {
            let store = try scratch.store()
            #expect(try store.nextRecordSequence() == 3)
            #expect(try store.lastStamp() == 1 << 60 | 3)
        }
        let store = try scratch.store(readOnly: true)
        #expect(try store.genesis() == genesis)
        let life = try store.life()
        #expect(life.recent == finals[1...].map(\.block))
        #expect(life.lastCertificate == finals[2].record.final.certificate)
        #expect(life.state.map(\.0) == [.totals])
        #expect(life.state.map(\.1) == finals[2].changes.map(\.value))
        #expect(life.safety == safety && life.coverage == [7])
        #expect(life.bundles == [own] && life.ownBundle == own)
        #expect(life.peers == peers)
        for final in finals { #expect(try store.block(final.block.header.epoch) == final.block) }
    }
}
