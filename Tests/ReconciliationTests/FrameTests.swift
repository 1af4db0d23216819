import Bytes
import Chance
import Identity
@testable import Reconciliation
import TestKit
import Testing
import Wire

extension ReconciliationFrame {
    static let tagCount = 7

    static func any(_ chance: inout Chance, tag: Int? = nil) -> ReconciliationFrame {
        let round = UInt16(truncatingIfNeeded: chance.bits())
        switch tag ?? chance.below(tagCount) {
        case 0:
            let kinds = Set((0..<chance.below(9)).map { _ in SetKind.any(&chance) }).sorted()
            return .roots(
                round: round,
                kinds.map {
                    SetRoot(kind: $0, count: UInt32(chance.below(1 << 20)), root: chance.bits())
                })
        case 1: return .equal((0..<chance.below(9)).map { UInt16($0) &* 77 &+ round })
        case 2:
            let cells = (0...chance.below(82)).map { _ in SketchCell.any(&chance) }
            return .cells(
                SketchCells(round: round, version: 7, first: chance.below(4_096 - 82), cells: cells))
        case 3:
            let spans = (0...chance.below(8)).map {
                CellSpan(first: $0 * 100 + chance.below(18), count: 1 + chance.below(82))
            }
            let range = chance.happens(1, in: 2) ? UInt8(chance.below(16)) : nil
            return .more(
                CellsRequest(kind: SetKind.any(&chance), round: round, range: range, spans: spans))
        case 4:
            let ids = Set((0..<chance.below(141)).map { _ in chance.bits() }).sorted()
            return .page(IDPage(round: round, index: 3, total: UInt32(chance.below(1 << 20)), ids: ids))
        case 5:
            let pages = Set((0..<chance.below(9)).map { _ in UInt16(chance.below(7_490)) }).sorted()
            return .turn(PagesRequest(kind: SetKind.any(&chance), round: round, pages: pages))
        default:
            return .want(
                SetKind.any(&chance), Set((0..<chance.below(141)).map { _ in chance.bits() }).sorted())
        }
    }
}

extension SetKind {
    static func any(_ chance: inout Chance) -> SetKind {
        switch chance.below(4) {
        case 0: .records
        case 1: .evidence(chance.bits())
        case 2: .transactions
        default: .proposal(chance.bits())
        }
    }
}

extension SketchCell {
    static func any(_ chance: inout Chance) -> SketchCell {
        SketchCell(
            sum: chance.bits(), check: UInt32(truncatingIfNeeded: chance.bits()),
            count: UInt16(truncatingIfNeeded: chance.bits()))
    }
}

@Suite struct `A frame` {
    @Test(arguments: Seed.all)
    func `is read as it was written, and fits beside any head`(seed: Seed) throws {
        var chance = seed.chance()
        for tag in 0..<ReconciliationFrame.tagCount {
            for _ in 0..<16 {
                let frame = ReconciliationFrame.any(&chance, tag: tag)
                let bytes = frame.encoded()
                #expect(bytes.first == UInt8(tag))
                #expect(try ReconciliationFrame(decoding: bytes) == frame)
                // Of a datagram's 1,200 octets, 44 are its head on loopback and 32 a session's.
                #expect(bytes.count <= 1_156)
            }
        }
    }

    @Test(arguments: Seed.all)
    func `tampered with is refused or is the only encoding of another`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<400 {
            let honest = ReconciliationFrame.any(&chance).encoded()
            var bytes = honest
            for _ in 0...chance.below(3) { bytes.mutate(with: &chance) }
            do {
                #expect(try ReconciliationFrame(decoding: bytes).encoded() == bytes)
            } catch {
                #expect(bytes != honest)
            }
        }
    }

    @Test(arguments: 0..<ReconciliationFrame.tagCount)
    func `cut short or going on is refused`(tag: Int) {
        var chance = Chance(seed: UInt64(tag))
        let bytes = ReconciliationFrame.any(&chance, tag: tag).encoded()
        for end in bytes.indices {
            #expect(throws: DecodeError.self) { try ReconciliationFrame(decoding: Array(bytes[..<end])) }
        }
        #expect(throws: DecodeError.trailingBytes(1)) { try ReconciliationFrame(decoding: bytes + [0]) }
        #expect(throws: DecodeError.unknown) { try ReconciliationFrame(decoding: [7]) }
    }

    @Test(arguments: [
        // Cells beyond the last index, and none at all.
        ("02" + "0000" + "0000" + "ff0f" + "02" + String(repeating: "00", count: 28), DecodeError.tooLong),
        ("02" + "0000" + "0000" + "0000" + "00", .tooLong),
        ("02" + "0000" + "0000" + "0000" + "53" + String(repeating: "00", count: 83 * 14), .tooLong),
        // Spans that overlap, that are none, and a seventeenth part.
        ("03" + "00" + "0000" + "00" + "02" + "000002" + "010002", .nonCanonical),
        ("03" + "00" + "0000" + "00" + "00", .unknown),
        ("03" + "00" + "0000" + "0110" + "01" + "000001", .unknown),
        ("03" + "00" + "0000" + "00" + "01" + "000053", .tooLong),
        // Ids, pages and kinds out of order or twice.
        ("04" + "0000" + "0000" + "02000000" + "02" + "0200000000000000" + "0100000000000000", .nonCanonical),
        ("05" + "00" + "0000" + "02" + "01000100", .nonCanonical),
        ("06" + "00" + "02" + "0100000000000000" + "0100000000000000", .nonCanonical),
        ("00" + "0000" + "02" + "0001" + "0000000000000000" + "0001" + "0000000000000000", .nonCanonical),
        ("06" + "04", .unknown),
    ])
    func `that no honest node writes is refused`(hex: String, fault: DecodeError) {
        #expect(throws: fault) { try ReconciliationFrame(decoding: [UInt8](hex: hex)!) }
    }

    /// Written out by hand.
    @Test func `has its octets where the format says`() {
        let roots = ReconciliationFrame.roots(
            round: 0x0102,
            [
                SetRoot(kind: .records, count: 300, root: 0x0807_0605_0403_0201),
                SetRoot(kind: .evidence(9), count: 1, root: 2),
            ])
        #expect(
            roots.encoded().hex == "00" + "0201" + "02" + "00" + "ac02" + "0102030405060708" + "01"
                + "0900000000000000" + "01" + "0200000000000000")
        let cells = ReconciliationFrame.cells(
            SketchCells(
                round: 0x0102, version: 0x0304, first: 0x0506,
                cells: [SketchCell(sum: 0x0807_0605_0403_0201, check: 0x0D0C_0B0A, count: 0x0F0E)]))
        #expect(
            cells.encoded().hex == "02" + "0201" + "0403" + "0605" + "01" + "01020304050607080a0b0c0d0e0f")
        let more = ReconciliationFrame.more(
            CellsRequest(
                kind: .transactions, round: 1, range: 15, spans: [CellSpan(first: 82, count: 82)]))
        #expect(more.encoded().hex == "03" + "02" + "0100" + "010f" + "01" + "520052")
        #expect(ReconciliationFrame.equal([1]).encoded().hex == "01" + "01" + "0100")
    }

    @Test func `is the frozen one`() {
        var chance = Chance(seed: 0xEA)
        var writer = ByteWriter(capacity: 1 << 16)
        for _ in 0..<64 { writer.octets(ReconciliationFrame.any(&chance).encoded()) }
        let frozen = "3ca2df45e9e6de2540b54880d874320b7a43665afc3d6faf27238037b8def854"
        #expect(Digest(of: writer.bytes).hex == frozen)
    }
}
