public import Identity
public import Wire

extension SketchKeys {
    /// For the list behind a header. Whoever made the items could not know these keys, as the header commits to the
    /// items; and whoever makes the header can spoil nothing but its own proposal, as what is decoded
    /// must come to the root in the header. So one sketch of a list serves all who ask.
    public init(header: Digest) {
        self.init(secret: header.octets, nonce: 0)
    }
}

/// The sketch of a list that changes no more, for all who ask.
public struct ListSketch: Sendable {
    private let keys: SketchKeys
    private let shorts: [UInt64]
    private var sketch = Sketch()

    public init(_ items: [Digest], keys: SketchKeys) {
        self.keys = keys
        let symbols = items.map { keys.symbol($0) }
        shorts = symbols.map(\.short)
        for symbol in symbols { sketch.insert(symbol) }
    }

    /// Cells of these indices, no further than 4,096; beyond 512 they are made when first asked for.
    public mutating func cells(_ indices: Range<Int>) -> [SketchCell] {
        if indices.upperBound > sketch.cells.count {
            sketch.extend(to: Sketch.cellsMax, over: shorts.lazy.map { [keys] in keys.symbol(short: $0) })
        }
        return Array(sketch.cells[indices])
    }

    /// The places of the items with these short ids, ascending.
    public func places(of wanted: [UInt64]) -> [Int] {
        let set = Set(wanted)
        return shorts.indices.filter { set.contains(shorts[$0]) }
    }
}

/// What another's list has and the own has not, found from cells of the other's sketch.
///
/// Ask for `next`, hand in what comes, until `isComplete`; nil before that: the lists are too far apart.
public struct ListDifference: Sendable {
    /// Beyond this share of the longer list, in tenths, the list itself is shorter.
    static let tenthsMax = 3
    /// Cells asked for first: one datagram of them tells a difference of fifty.
    static let firstMax = SketchCells.countMax

    private let keys: SketchKeys
    private let shorts: [UInt64]
    private var own: ListSketch
    private var decoder: Decoder
    private let first: Int

    /// Nil if the other list is so much longer or shorter that its sketch would cost more than itself.
    public init?(own items: [Digest], keys: SketchKeys, theirCount: Int) {
        let longer = max(items.count, theirCount)
        let apart = abs(items.count - theirCount)
        guard longer < 16 || 10 * apart <= Self.tenthsMax * longer else { return nil }
        self.keys = keys
        shorts = items.map { keys.short($0) }
        own = ListSketch(items, keys: keys)
        decoder = Decoder(own: own.cells(0..<Sketch.prefixCount), keys: keys)
        // Neither more than both lists could need, nor less than their lengths tell already.
        first = max(min(Self.firstMax, 2 * longer + 4), min(Sketch.cellsMax, 2 * apart))
    }

    public var isComplete: Bool { decoder.isComplete }
    /// Up to which cell it has come.
    public var frontier: Int { decoder.frontier }
    /// Short ids that only the other list has.
    public var onlyTheirs: [UInt64] { decoder.onlyTheirs }

    /// The places in the own list that the other has not.
    public var onlyOurs: [Int] {
        let set = Set(decoder.onlyOurs)
        return shorts.indices.filter { set.contains(shorts[$0]) }
    }

    /// Which cells to ask for next; nil if more would be of no use.
    public var next: Range<Int>? {
        let frontier = decoder.frontier
        guard frontier > 0 else { return 0..<first }
        guard frontier < Sketch.cellsMax else { return nil }
        // Generous where a round trip is dear: an eighth more than most differences of this size need.
        let estimate = decoder.estimate ?? 0
        let aimed = estimate * 3 / 2
        let end = max(aimed, frontier + max(Self.firstMax / 2, frontier / 4))
        return frontier..<min(end, Sketch.cellsMax)
    }

    /// Takes cells that were asked for; what came before, or leaves a gap, is passed over.
    public mutating func receive(first: Int, _ cells: [SketchCell]) throws(Decoder.Fault) {
        guard first <= decoder.frontier, first + cells.count <= Sketch.cellsMax else { return }
        if first + cells.count > decoder.cellLimit {
            _ = decoder.extend(own: own.cells(0..<Sketch.cellsMax))
        }
        try decoder.receive(first: first, cells)
    }

    /// The short id of an item under the keys of the list.
    public func short(_ item: Digest) -> UInt64 { keys.short(item) }
}
