internal import Rules
public import Wire

/// Finds what two sets do not share, from one side's own cells and whatever cells of the other arrive.
///
/// - Upon cells: subtract the own ones. What is already found is out of them (see below). Queue the pure ones.
/// - A cell is pure if its count is 1 or −1 and its check is that of its sum: what is in it is one item, which
///   only the other side has (1) or only this one (−1). It is taken out of all its cells, and those that
///   become pure are queued: peeling.
/// - Complete when every cell received, and cell 0 is among them, is zero.
///
/// Cells may come in any order and never all: everything here is linear, so an item found is taken out of the
/// cells not received too, where it stands as a debt until they come. A lost datagram costs only its cells.
///
/// A sketch made with intent can look pure for ever. Every peel of an honest one empties a cell for good, so
/// that there are no more peels than cells received, and no item is found twice; else the sketch is hostile.
/// By accident that happens when 32 bits of check agree by chance, once in 10⁹ cells looked at.
public struct Decoder: Sendable {
    /// What no honest sketch does.
    public enum Fault: Error, Equatable, Sendable {
        case morePeelsThanCells
        case itemRepeated
    }

    private let symbol: @Sendable (UInt64) -> Symbol
    /// Of this side's set, as it was at the beginning.
    private var own: [SketchCell]
    /// Other minus own minus what was found; a cell not received has the last part only.
    private var difference: [SketchCell]
    private var isReceived: [Bool]
    /// Other minus own, as received: what the estimate rests on.
    private var counts: [Int16]
    private var found: Set<UInt64> = []
    private var pure: [Int] = []
    private var nonzeroCount = 0

    /// The short ids that only the other side has, in the order found.
    public private(set) var onlyTheirs: [UInt64] = []
    /// The short ids that only this side has.
    public private(set) var onlyOurs: [UInt64] = []
    public private(set) var receivedCount = 0
    /// The index after the last received.
    public private(set) var frontier = 0

    /// Items taken out so far: the work, at some sixteen cells each.
    public var peelCount: Int { found.count }

    public init(own: [SketchCell], keys: SketchKeys) {
        self.init(own: own) { keys.symbol(short: $0) }
    }

    /// The same way, from the beginning.
    func restarted(own: [SketchCell]) -> Decoder { Decoder(own: own, symbol: symbol) }

    /// With symbols that tests choose.
    init(own: [SketchCell], symbol: @escaping @Sendable (UInt64) -> Symbol) {
        precondition((1...Sketch.cellsMax).contains(own.count))
        self.symbol = symbol
        self.own = own
        difference = Array(repeating: .zero, count: own.count)
        isReceived = Array(repeating: false, count: own.count)
        counts = Array(repeating: 0, count: own.count)
    }

    public var isComplete: Bool { isReceived[0] && nonzeroCount == 0 }

    /// How many cells it can take: as many as its own.
    public var cellLimit: Int { own.count }

    /// Lengthens the own cells; false, and nothing is changed, if the own set has changed meanwhile.
    public mutating func extend(own longer: [SketchCell]) -> Bool {
        guard longer.count >= own.count, longer[0] == own[0] else { return false }
        let old = own.count
        own = longer
        difference += repeatElement(.zero, count: own.count - old)
        isReceived += repeatElement(false, count: own.count - old)
        counts += repeatElement(0, count: own.count - old)
        for short in onlyTheirs { owe(symbol(short), .plus, from: old) }
        for short in onlyOurs { owe(symbol(short), .minus, from: old) }
        return true
    }

    /// Takes cells `first`…; those beyond the own cells or received before are passed over. After a throw the
    /// decoder is of no more use.
    public mutating func receive(first: Int, _ cells: [SketchCell]) throws(Fault) {
        for (offset, cell) in cells.enumerated() {
            let index = first + offset
            guard index < own.count, !isReceived[index] else { continue }
            isReceived[index] = true
            receivedCount += 1
            frontier = max(frontier, index + 1)
            let raw = cell.subtracting(own[index])
            counts[index] = Int16(bitPattern: raw.count)
            difference[index] = difference[index].adding(raw)
            if difference[index] != .zero { nonzeroCount += 1 }
            if isPure(index) != nil { pure.append(index) }
        }
        try peel()
    }

    private mutating func peel() throws(Fault) {
        var next = 0
        while next < pure.count {
            let index = pure[next]
            next += 1
            // It may have been emptied since it was queued.
            guard let (symbol, sign) = isPure(index) else { continue }
            guard isRemoved(.sketchLimits) || found.count < receivedCount else { throw .morePeelsThanCells }
            let isNew = found.insert(symbol.hash).inserted
            guard isRemoved(.sketchLimits) || isNew else { throw .itemRepeated }
            if sign == .plus { onlyTheirs.append(symbol.short) } else { onlyOurs.append(symbol.short) }
            // Here and not in a check after the event: without the limits above this may never come to its end.
            precondition(onlyTheirs.count + onlyOurs.count <= own.count, "a peel empties a cell for good")
            takeOut(symbol, sign)
        }
        pure.removeAll(keepingCapacity: true)
    }

    /// Takes what was found earlier out of cells that were not there then.
    private mutating func owe(_ symbol: Symbol, _ sign: Sign, from old: Int) {
        var indices = CellIndices(hash: symbol.hash)
        while indices.advance(limit: own.count) {
            if indices.index >= old { difference[indices.index].apply(symbol, sign.opposite) }
        }
    }

    /// All the way to the last cell that may come: a debt where none was received.
    private mutating func takeOut(_ symbol: Symbol, _ sign: Sign) {
        var indices = CellIndices(hash: symbol.hash)
        repeat {
            let index = indices.index
            let wasZero = difference[index] == .zero
            difference[index].apply(symbol, sign.opposite)
            guard isReceived[index] else { continue }
            let isZero = difference[index] == .zero
            if wasZero != isZero { nonzeroCount += isZero ? -1 : 1 }
            if isPure(index) != nil { pure.append(index) }
        } while indices.advance(limit: own.count)
    }

    private func isPure(_ index: Int) -> (Symbol, Sign)? {
        let cell = difference[index]
        guard let sign = Sign(rawValue: cell.count) else { return nil }
        let symbol = symbol(cell.sum)
        return UInt32(truncatingIfNeeded: symbol.hash) == cell.check ? (symbol, sign) : nil
    }

    /// About how many items the two sides do not share; nil before cell 0 and eight others are here.
    ///
    /// An item falls into cell i with probability p = 1/(1 + i/2), so the cell's count is p times that of cell 0
    /// with a variance of p(1 − p) for each item: the mean of the squared deviations, so scaled, is their
    /// number. From the 81 cells of a first datagram it errs by a sixth.
    public var estimate: Int? {
        guard isReceived[0] else { return nil }
        let whole = Double(counts[0])
        var sum = 0.0
        var samples = 0
        for index in 1..<max(frontier, 1) where isReceived[index] {
            let share = 2.0 / Double(index + 2)
            let deviation = Double(counts[index]) - whole * share
            sum += deviation * deviation / (share * (1 - share))
            samples += 1
        }
        return samples < 8 ? nil : max(Int(sum / Double(samples)), Int(abs(whole)), found.count)
    }

    /// The cells below `end` that are missing, the first of them first, cut for datagrams.
    public func missing(below end: Int, spansMax: Int) -> [CellSpan] {
        var spans: [CellSpan] = []
        var index = 0
        while index < min(end, own.count), spans.count < spansMax {
            if isReceived[index] {
                index += 1
                continue
            }
            let first = index
            while index < min(end, own.count), !isReceived[index], index - first < SketchCells.countMax {
                index += 1
            }
            spans.append(CellSpan(first: first, count: index - first))
        }
        return spans
    }
}
