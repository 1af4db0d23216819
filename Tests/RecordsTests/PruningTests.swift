import Bytes
import Chance
import Foundation
import Identity
import Records
import Store
import TestKit
import Testing
import Wire
import WireSamples

@Suite struct `A store that may forget` {
    @Test(arguments: Seed.all.prefix(8))
    func
        `keeps so many epochs of evidence and verdicts, all headers, and can tell the state at their beginning`(
            seed: Seed
        ) throws
    {
        var chance = seed.chance()
        let scratch = try Scratch()
        let store = try NodeStore(at: scratch.path + "/store", readOnly: false, mapByteCount: 1 << 26)
        try store.setKeptEpochs(5)
        var finals: [Final] = []
        var state: [StateKey: [UInt8]] = [:]
        var states: [[StateKey: [UInt8]]] = [[:]]
        let keys = (0..<12).map { _ in StateKey.account(.any(from: &chance)) }
        for epoch in Epoch(1)...20 {
            var final = Final(epoch: epoch, verdictEpochs: [epoch], from: &chance)
            var changes: [StateKey: [UInt8]?] = [:]
            for key in keys where chance.happens(1, in: 3) {
                changes[key] = .some(chance.happens(1, in: 3) ? nil : chance.octets(8))
            }
            for (key, value) in changes {
                final.changes.append((key, value))
                state[key] = value
            }
            try store.write([final.write])
            finals.append(final)
            states.append(state)
            let first = max(1, Int64(epoch) - 4)
            #expect(try store.keptBlocks() == Epoch(first)...epoch)
        }
        for (index, final) in finals.enumerated() {
            let epoch = Epoch(index + 1)
            let isKept = epoch >= 16
            #expect(try store.final(epoch) == final.record.final)
            #expect(try store.block(epoch) == (isKept ? final.block : nil))
            #expect(try store.verdicts(ofBlock: epoch) == (isKept ? final.verdicts : []))
            #expect(try store.verdicts(from: epoch, through: epoch).isEmpty != isKept)
            #expect(try store.rewards(epoch) == (isKept ? final.rewards : []))
            #expect(try store.summary(epoch) == final.summary)
        }
        let base = try store.baseEpoch()
        #expect(base == 17)
        let told = Dictionary(uniqueKeysWithValues: try store.baseState())
        #expect(told == states[Int(base)])
    }

    @Test func `tells in one transaction what fits together, though a node writes and forgets meanwhile`()
        throws
    {
        var chance = Chance(seed: 4)
        let scratch = try Scratch()
        let store = try NodeStore(at: scratch.path + "/store", readOnly: false, mapByteCount: 1 << 26)
        try store.setKeptEpochs(3)
        let account = StateKey.account(.any(from: &chance))
        let finals = (Epoch(1)...10).map { epoch in
            var final = Final(epoch: epoch, verdictEpochs: [epoch], from: &chance)
            final.changes.append((account, [UInt8(epoch)]))
            return final
        }
        try store.write(finals.prefix(5).map(\.write))
        let (begin, done) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let later = finals.dropFirst(5).map(\.write)
        Thread.detachNewThread {
            begin.wait()
            for write in later { try? store.write([write]) }
            done.signal()
        }
        try store.read { transaction throws(StoreError) in
            let last = try store.lastEpoch(transaction)
            begin.signal()
            done.wait()
            let again = (try store.lastEpoch(transaction), try store.baseEpoch(transaction))
            #expect(last == 5 && again == (5, 4))
            for epoch in Epoch(3)...5 {
                let final = finals[Int(epoch) - 1]
                let block = try store.block(epoch, transaction)
                let header = try store.final(epoch, transaction)
                let verdicts = try store.verdicts(ofBlock: epoch, transaction)
                #expect(block == final.block && header == final.record.final && verdicts == final.verdicts)
            }
            let state = try store.stateEntries(transaction).map(\.1)
            let base = try store.baseState(transaction).map(\.1)
            #expect(state == [[5]] && base == [[4]])
        }
        #expect(try store.lastEpoch() == 10 && store.block(5) == nil)
        #expect(try store.stateEntries().map(\.1) == [[10]])
    }

    @Test func `keeps everything where nothing is said`() throws {
        var chance = Chance(seed: 3)
        let scratch = try Scratch()
        let store = try NodeStore(at: scratch.path + "/store", readOnly: false, mapByteCount: 1 << 26)
        for epoch in Epoch(1)...12 { try store.write([Final(epoch: epoch, from: &chance).write]) }
        #expect(try store.keptBlocks() == 1...12)
        #expect(try store.baseEpoch() == 0)
    }

    @Test func `tells a block that pays nothing from one whose payments are forgotten`() throws {
        var chance = Chance(seed: 5)
        let scratch = try Scratch()
        let store = try NodeStore(at: scratch.path + "/store", readOnly: false, mapByteCount: 1 << 26)
        try store.setKeptEpochs(3)
        for epoch in Epoch(1)...6 {
            let final = Final(epoch: epoch, from: &chance)
            let bundles = final.block.evidence.flatMap(\.bundles)
            try store.write([
                .final(
                    final.record, bundles: bundles, changes: [], verdicts: [], rewards: [], final.summary)
            ])
        }
        #expect(try store.recordedRewards(6) == [])
        #expect(try store.recordedRewards(1) == nil)
        #expect(try store.recordedRewards(7) == nil)
    }

    @Test func `counts no blocks from before the gap that an adopted state leaves`() throws {
        var chance = Chance(seed: 7)
        let scratch = try Scratch()
        let store = try NodeStore(at: scratch.path + "/store", readOnly: false, mapByteCount: 1 << 26)
        for epoch in Epoch(1)...3 { try store.write([Final(epoch: epoch, from: &chance).write]) }
        let adopted = [Final(epoch: 9, from: &chance), Final(epoch: 10, from: &chance)]
        let blocks = adopted.map { (block: $0.record, bundles: $0.block.evidence.flatMap(\.bundles)) }
        try store.write([.adopted(blocks, changes: [])])
        #expect(try store.keptBlocks() == 9...10)
        try store.write([Final(epoch: 11, from: &chance).write])
        #expect(try store.keptBlocks() == 9...11)
    }
}
