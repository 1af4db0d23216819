internal import Bytes
public import Chance
internal import Identity
public import Wire

extension SetKind: Sample {
    public static func any(from chance: inout Chance) -> SetKind {
        switch chance.below(4) {
        case 0: .records
        case 1: .evidence(chance.word())
        case 2: .transactions
        default: .proposal(chance.word())
        }
    }
}

extension SketchCell: Sample {
    public static func any(from chance: inout Chance) -> SketchCell {
        SketchCell(sum: chance.word(), check: chance.word(), count: chance.word())
    }
}

extension ReconciliationFrame: Sample {
    public static func any(from chance: inout Chance) -> ReconciliationFrame {
        let round: UInt16 = chance.word()
        switch chance.below(7) {
        case 0:
            let kinds = Set((0..<chance.below(kindsMax)).map { _ in SetKind.any(from: &chance) }).sorted()
            return .roots(
                round: round,
                kinds.map { SetRoot(kind: $0, count: UInt32(chance.below(1 << 20)), root: chance.word()) })
        case 1: return .equal((0..<chance.below(kindsMax)).map { _ in chance.word() })
        case 2:
            let cells = (0...chance.below(SketchCells.countMax)).map { _ in SketchCell.any(from: &chance) }
            return .cells(
                SketchCells(
                    round: round, version: chance.word(),
                    first: chance.below(SketchCells.indexLimit - SketchCells.countMax), cells: cells))
        case 3:
            let spans = (0...chance.below(CellsRequest.spansMax)).map {
                CellSpan(first: $0 * 100, count: 1 + chance.below(SketchCells.countMax))
            }
            return .more(
                CellsRequest(
                    kind: .any(from: &chance), round: round,
                    range: chance.bool() ? UInt8(chance.below(CellsRequest.rangesMax)) : nil, spans: spans))
        case 4:
            return .page(
                IDPage(
                    round: round, index: chance.word(), total: chance.word(),
                    ids: chance.numbers(max: IDPage.idsMax)))
        case 5:
            return .turn(
                PagesRequest(
                    kind: .any(from: &chance), round: round,
                    pages: chance.numbers(max: PagesRequest.pagesMax)))
        default: return .want(.any(from: &chance), chance.numbers(max: wantsMax))
        }
    }
}

extension ListRequest: Sample {
    public static func any(from chance: inout Chance) -> ListRequest {
        let first = chance.below(SketchCells.indexLimit)
        return ListRequest(
            header: .any(from: &chance), wantsBody: chance.bool(), first: first,
            count: chance.below(SketchCells.indexLimit - first + 1))
    }
}

extension ListCells: Sample {
    public static func any(from chance: inout Chance) -> ListCells {
        ListCells(
            header: .any(from: &chance), body: chance.bool() ? .any(from: &chance) : nil,
            first: chance.below(SketchCells.indexLimit - 8), cells: chance.list(max: 8))
    }
}

extension Chance {
    /// Strictly ascending.
    fileprivate mutating func numbers<Number: FixedWidthInteger & UnsignedInteger>(max: Int) -> [Number] {
        Set((0..<below(max + 1)).map { _ in word() as Number }).sorted()
    }
}
