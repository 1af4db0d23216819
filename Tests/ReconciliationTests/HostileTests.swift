import Bytes
import Chance
@testable import Reconciliation
import TestKit
import Testing
import Wire

enum HostileCells {
    /// Cells that an item of this hash does not fall into.
    static func strangers(to hash: UInt64, below limit: Int) -> [Int] {
        var indices = CellIndices(hash: hash)
        var own: Set<Int> = [0]
        while indices.advance(limit: limit) { own.insert(indices.index) }
        return (0..<limit).filter { !own.contains($0) }
    }
}

@Suite struct `A hostile sketch` {
    private static let keys = SketchKeys(secret: [7], nonce: 7)

    private static func empty(_ count: Int = 512) -> Decoder {
        Decoder(own: Sketch(cellCount: count).cells, keys: keys)
    }

    private static func pure(_ short: UInt64, _ sign: Sign = .plus) -> SketchCell {
        var cell = SketchCell.zero
        cell.apply(keys.symbol(short: short), sign)
        return cell
    }

    /// Taking the item out of its cells leaves it where it stands, and puts it where it was not: for ever.
    @Test func `with an item where it does not belong ends`() {
        var cells = [SketchCell](repeating: .zero, count: 82)
        let hash = Self.keys.symbol(short: 5).hash
        cells[HostileCells.strangers(to: hash, below: 82)[0]] = Self.pure(5)
        var decoder = Self.empty()
        #expect(throws: Decoder.Fault.itemRepeated) { try decoder.receive(first: 0, cells) }
        #expect(decoder.peelCount == 1)
    }

    @Test func `with one pure cell everywhere ends`() {
        var decoder = Self.empty()
        let cells = [SketchCell](repeating: Self.pure(9, .minus), count: 82)
        #expect(throws: Decoder.Fault.itemRepeated) { try decoder.receive(first: 0, cells) }
        #expect(decoder.peelCount == 1)
    }

    @Test func `with another pure item in each cell ends`() {
        var decoder = Self.empty(4_096)
        let cells = (0..<4_096).map { Self.pure(UInt64($0) + 1, $0.isMultiple(of: 2) ? .plus : .minus) }
        do throws(Decoder.Fault) { try decoder.receive(first: 0, cells) } catch {}
        #expect(!decoder.isComplete && (1...4_096).contains(decoder.peelCount))
    }

    @Test func `of ones only is never complete`() throws {
        var decoder = Self.empty()
        let ones = SketchCell(sum: .max, check: .max, count: .max)
        try decoder.receive(first: 0, [SketchCell](repeating: ones, count: 512))
        #expect(!decoder.isComplete && decoder.peelCount == 0)
    }

    /// What a chosen hash would allow, and 2³² work for each cell does: sums of items look like items.
    @Test(arguments: Seed.all)
    func `whose sums are items again costs no more peels than cells`(seed: Seed) {
        var chance = seed.chance()
        let count = 8 + chance.below(500)
        var decoder = Decoder(own: Sketch(cellCount: count).cells) { Symbol(short: $0, hash: $0) }
        let cells = (0..<count).map { _ in
            let sum = chance.bits()
            return SketchCell(
                sum: sum, check: UInt32(truncatingIfNeeded: sum),
                count: UInt16(truncatingIfNeeded: chance.below(5) - 2))
        }
        do throws(Decoder.Fault) {
            try decoder.receive(first: 0, cells)
            #expect(!decoder.isComplete)
        } catch {}
        #expect(decoder.peelCount <= decoder.receivedCount)
    }

    /// Two cells, and one item after the other: only the count of peels ends it before it has run through all.
    @Test func `that goes on with ever new items is ended by the count of peels`() {
        // Each item falls into all cells, and what is left after it is the next: sums of a linear hash.
        var faults: Set<String> = []
        for seed: UInt64 in 0..<400 {
            var chance = Chance(seed: seed)
            var decoder = Decoder(own: Sketch(cellCount: 6).cells) { Symbol(short: $0, hash: $0) }
            let cells = (0..<6).map { _ in
                let sum = chance.bits()
                return SketchCell(
                    sum: sum, check: UInt32(truncatingIfNeeded: sum),
                    count: chance.happens(1, in: 2) ? 1 : 0xFFFF)
            }
            do throws(Decoder.Fault) { try decoder.receive(first: 0, cells) } catch {
                faults.insert("\(error)")
            }
            #expect(decoder.peelCount <= 6)
        }
        #expect(faults == ["morePeelsThanCells", "itemRepeated"])
    }

    @Test(arguments: Seed.all)
    func `that is an honest one with a few bits changed is never believed`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<50 {
            var model = Model(&chance)
            model.fill(&chance, shared: 5, ours: chance.below(20), theirs: chance.below(20))
            var cells = model.cells(of: model.theirs, count: 164)
            for _ in 0...chance.below(3) {
                let place = chance.below(chance.happens(1, in: 2) ? 8 : 164)
                switch chance.below(5) {
                case 0: cells[place].sum ^= 1 << UInt64(chance.below(64))
                case 1: cells[place].check ^= 1 << UInt32(chance.below(32))
                case 2: cells[place].count &+= chance.happens(1, in: 2) ? 1 : 0xFFFF
                case 3: cells[place] = cells[chance.below(164)]
                default: cells[place].apply(model.keys.symbol(short: chance.bits()), .plus)
                }
            }
            var decoder = Decoder(own: model.cells(of: model.ours, count: 164), keys: model.keys)
            do throws(Decoder.Fault) { try decoder.receive(first: 0, cells) } catch {}
            #expect(decoder.peelCount <= decoder.receivedCount)
            let isUnchanged = cells == model.cells(of: model.theirs, count: 164)
            #expect(!decoder.isComplete || (isUnchanged && model.agrees(decoder)))
        }
    }
}
