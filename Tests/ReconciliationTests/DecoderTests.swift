import Bytes
import Chance
import Foundation
@testable import Reconciliation
import TestKit
import Testing
import Wire

/// How the fast code is judged: plain sets, and sketches made anew.
struct Model {
    let keys: SketchKeys
    var ours: Set<UInt64> = []
    var theirs: Set<UInt64> = []

    init(_ chance: inout Chance) {
        keys = SketchKeys(secret: chance.octets(32), nonce: chance.bits())
    }

    func cells(of set: Set<UInt64>, count: Int) -> [SketchCell] {
        var sketch = Sketch(cellCount: count)
        for short in set { sketch.insert(keys.symbol(short: short)) }
        return sketch.cells
    }

    mutating func fill(_ chance: inout Chance, shared: Int, ours oursCount: Int, theirs theirsCount: Int) {
        for _ in 0..<shared {
            let short = chance.bits()
            ours.insert(short)
            theirs.insert(short)
        }
        for _ in 0..<oursCount { ours.insert(chance.bits()) }
        for _ in 0..<theirsCount { theirs.insert(chance.bits()) }
    }

    func agrees(_ decoder: Decoder) -> Bool {
        Set(decoder.onlyTheirs) == theirs.subtracting(ours)
            && Set(decoder.onlyOurs) == ours.subtracting(theirs)
            && decoder.onlyTheirs.count + decoder.onlyOurs.count == theirs.symmetricDifference(ours).count
    }
}

@Suite struct `A sketch` {
    @Test(arguments: Seed.all.prefix(8))
    func `is the same however its items came and went`(seed: Seed) {
        var chance = seed.chance()
        var model = Model(&chance)
        model.fill(&chance, shared: 0, ours: 40, theirs: 30)
        var sketch = Sketch(cellCount: 128)
        for short in model.theirs { sketch.insert(model.keys.symbol(short: short)) }
        for short in model.ours { sketch.insert(model.keys.symbol(short: short)) }
        for short in model.theirs { sketch.remove(model.keys.symbol(short: short)) }
        #expect(sketch.cells == model.cells(of: model.ours, count: 128))
        let keys = model.keys
        sketch.extend(to: 1_024, over: model.ours.map { keys.symbol(short: $0) })
        #expect(sketch.cells == model.cells(of: model.ours, count: 1_024))
    }

    @Test func `counts modulo two to the sixteenth`() {
        var sketch = Sketch(cellCount: 1)
        let symbol = Symbol(short: 1, hash: 2)
        sketch.remove(symbol)
        #expect(sketch.cells[0] == SketchCell(sum: 1, check: 2, count: 0xFFFF))
        sketch.insert(symbol)
        #expect(sketch.cells[0] == .zero)
    }

    @Test func `holds an item in cell i once in 1 + i by 2`() {
        var chance = Chance(seed: 5)
        var hits = [Int](repeating: 0, count: 64)
        for _ in 0..<20_000 {
            var indices = CellIndices(hash: chance.bits())
            repeat { hits[indices.index] += 1 } while indices.advance(limit: 64)
        }
        for (index, count) in hits.enumerated() {
            let expected = 20_000.0 / (1 + Double(index) / 2)
            // The gap is rounded up, which the first cells feel.
            let tolerance = 5 * expected.squareRoot() + 0.05 * expected
            #expect(abs(Double(count) - expected) < tolerance, "cell \(index): \(count)")
        }
    }

    @Test func `under other keys has other short ids and other cells`() {
        let digest = Samples.digest(1)
        let keys = SketchKeys(secret: [1, 2, 3], nonce: 1)
        #expect(keys.short(digest) != SketchKeys(secret: [1, 2, 3], nonce: 2).short(digest))
        #expect(keys.short(digest) != SketchKeys(secret: [1, 2, 4], nonce: 1).short(digest))
        let symbol = keys.symbol(digest)
        #expect(symbol.short == keys.short(digest))
        #expect(symbol == keys.symbol(short: symbol.short))
        #expect(symbol.hash != SketchKeys(secret: [1, 2, 3], nonce: 2).symbol(short: symbol.short).hash)
    }

    /// What the keys are for: by linear algebra over short ids that all can compute, two sets differ and look alike.
    @Test func `cannot be made to cancel by who lacks the keys`() {
        // 65 of any 64-bit words have some that sum to zero; find them under keys that the attacker has.
        let known = SketchKeys(secret: [0], nonce: 0)
        let crafted = Samples.cancelling(under: known)
        #expect(crafted.reduce(0) { $0 ^ known.short($1) } == 0)
        let session = SketchKeys(secret: [9], nonce: 0)
        #expect(crafted.reduce(0) { $0 ^ session.short($1) } != 0)
    }
}

@Suite struct `A decoder` {
    /// Of all seeds together; `PAIRS=1000` for a short run.
    static let pairs = ProcessInfo.processInfo.environment["PAIRS"].flatMap { Int($0) } ?? 1_000_000

    @Test(arguments: Seed.all.prefix(8))
    func `finds what two sets do not share, exactly`(seed: Seed) throws {
        var chance = seed.chance()
        let runs = Self.pairs / Seed.all.prefix(8).count
        var cellsUsed = 0
        var differences = 0
        for _ in 0..<runs {
            var model = Model(&chance)
            model.fill(
                &chance, shared: chance.below(6), ours: chance.below(6), theirs: chance.below(6))
            var theirs = model.cells(of: model.theirs, count: 64)
            var decoder = Decoder(own: model.cells(of: model.ours, count: 64), keys: model.keys)
            var count = 0
            while !decoder.isComplete, count < 4_096 {
                if count == theirs.count {
                    // Two items may well share the little that they have of 64 cells.
                    theirs = model.cells(of: model.theirs, count: 8 * count)
                    guard decoder.extend(own: model.cells(of: model.ours, count: 8 * count)) else { break }
                }
                try decoder.receive(first: count, [theirs[count]])
                count += 1
            }
            guard decoder.isComplete, model.agrees(decoder), decoder.peelCount <= count else {
                Issue.record("a pair fails after \(count) cells, \(chance)")
                return
            }
            cellsUsed += count
            differences += decoder.peelCount
        }
        print("\(runs) pairs: \(differences) differences from \(cellsUsed) cells, all exact (\(seed))")
    }

    @Test(arguments: Seed.all.prefix(16))
    func `takes cells in any order, with gaps and twice`(seed: Seed) throws {
        var chance = seed.chance()
        var model = Model(&chance)
        model.fill(&chance, shared: 50, ours: chance.below(60), theirs: chance.below(60))
        let theirs = model.cells(of: model.theirs, count: 1_024)
        let own = model.cells(of: model.ours, count: 1_024)
        var decoder = Decoder(own: Array(own[..<512]), keys: model.keys)
        var blocks = Array(0..<32)
        chance.shuffle(&blocks)
        blocks.removeFirst(8)
        #expect(!decoder.isComplete)
        for block in blocks + blocks.prefix(3) {
            try decoder.receive(first: block * 32, Array(theirs[(block * 32)..<(block * 32 + 32)]))
            #expect(!decoder.isComplete || model.agrees(decoder))
            if block == blocks[4] {
                let extended = decoder.extend(own: own)
                #expect(extended)
                #expect(decoder.cellLimit == 1_024)
            }
        }
        try decoder.receive(first: 0, Array(theirs[..<1]))
        #expect(decoder.isComplete && model.agrees(decoder))
        // What of the first five blocks was beyond the first 512 cells had no use.
        #expect(decoder.receivedCount <= 24 * 32 + 1)
    }

    @Test func `lacks no cell that it has, and asks for the first first`() throws {
        var chance = Chance(seed: 3)
        let model = Model(&chance)
        var decoder = Decoder(own: model.cells(of: [], count: 512), keys: model.keys)
        let blank = [SketchCell](repeating: SketchCell(sum: 1, check: 0, count: 9), count: 82)
        try decoder.receive(first: 82, blank)
        #expect(decoder.missing(below: 300, spansMax: 8).map(\.indices) == [0..<82, 164..<246, 246..<300])
        #expect(decoder.missing(below: 300, spansMax: 1).map(\.indices) == [0..<82])
        #expect(decoder.missing(below: 9_999, spansMax: 99).last?.indices.upperBound == 512)
        try decoder.receive(first: 10, [blank[0]])
        #expect(decoder.missing(below: 82, spansMax: 8).map(\.indices) == [0..<10, 11..<82])
    }

    @Test func `does not lengthen when its own set has changed`() {
        var chance = Chance(seed: 4)
        var model = Model(&chance)
        model.fill(&chance, shared: 0, ours: 3, theirs: 0)
        var decoder = Decoder(own: model.cells(of: model.ours, count: 64), keys: model.keys)
        model.ours.insert(1)
        let extended = decoder.extend(own: model.cells(of: model.ours, count: 128))
        #expect(!extended)
        #expect(decoder.cellLimit == 64)
    }

    @Test(arguments: [20, 100, 300, 1_000], [0, 50, 100])
    func `estimates a difference from its first datagram`(difference: Int, percentOurs: Int) throws {
        var chance = Chance(seed: UInt64(difference + percentOurs))
        var sum = 0.0
        for _ in 0..<24 {
            var model = Model(&chance)
            let ours = difference * percentOurs / 100
            model.fill(&chance, shared: 0, ours: ours, theirs: difference - ours)
            var decoder = Decoder(own: model.cells(of: model.ours, count: 512), keys: model.keys)
            try decoder.receive(first: 0, Array(model.cells(of: model.theirs, count: 82)))
            let ratio = Double(decoder.estimate ?? 0) / Double(difference)
            #expect((0.4...2.0).contains(ratio))
            sum += ratio
        }
        #expect((0.85...1.15).contains(sum / 24), "\(sum / 24)")
    }
}

/// The design's figures, over sets of a hundred thousand: cells for each difference, mean and 99th percentile.
@Suite struct `The size of a sketch` {
    private static let base: (keys: SketchKeys, sketch: Sketch) = {
        var chance = Chance(seed: 0x1B17)
        let keys = SketchKeys(secret: chance.octets(32), nonce: 1)
        var sketch = Sketch(cellCount: 2_048)
        for _ in 0..<100_000 { sketch.insert(keys.symbol(short: chance.bits())) }
        return (keys, sketch)
    }()

    @Test(arguments: [
        (1, 400, 1.00, 1.0), (5, 2_000, 1.78, 4.4), (10, 2_000, 1.73, 3.3), (50, 1_000, 1.51, 2.0),
        (100, 500, 1.45, 1.73), (1_000, 40, 1.38, 1.46),
    ])
    func `is the design's`(difference: Int, runs: Int, mean: Double, percentile: Double) throws {
        let (keys, base) = Self.base
        var chance = Chance(seed: UInt64(difference))
        var counts: [Int] = []
        for _ in 0..<runs {
            var (ours, theirs) = (base, base)
            let oursCount = chance.below(difference + 1)
            for index in 0..<difference {
                let symbol = keys.symbol(short: chance.bits())
                if index < oursCount { ours.insert(symbol) } else { theirs.insert(symbol) }
            }
            var decoder = Decoder(own: ours.cells, keys: keys)
            var count = 0
            while !decoder.isComplete {
                try decoder.receive(first: count, [theirs.cells[count]])
                count += 1
            }
            #expect(decoder.onlyOurs.count == oursCount)
            #expect(decoder.onlyTheirs.count == difference - oursCount)
            counts.append(count)
        }
        counts.sort()
        let measured = Double(counts.reduce(0, +)) / Double(runs * difference)
        let high = Double(counts[runs * 99 / 100]) / Double(difference)
        print("d = \(difference): mean \(measured), p99 \(high) cells a difference (\(mean), \(percentile))")
        #expect(measured <= mean * 1.03)
        #expect(high <= percentile * 1.15)
    }
}
