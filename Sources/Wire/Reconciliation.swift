public import Bytes

/// A set that peers keep equal. Tags are frozen.
public enum SetKind: Canonical, Hashable, Comparable, Sendable {
    /// Contact cards of the backbone.
    case records
    /// What is said in an epoch: bundles, reveals.
    case evidence(Epoch)
    /// What waits to be included.
    case transactions
    /// What an epoch's present proposal includes.
    case proposal(Epoch)

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .records
        case 1: self = .evidence(try reader.integer())
        case 2: self = .transactions
        case 3: self = .proposal(try reader.integer())
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .records: writer.uleb128(0)
        case .evidence(let epoch):
            writer.uleb128(1)
            writer.integer(epoch)
        case .transactions: writer.uleb128(2)
        case .proposal(let epoch):
            writer.uleb128(3)
            writer.integer(epoch)
        }
    }
}

/// One cell of a sketch: what all items that fall into it come to. Fourteen octets.
///
/// Not to be confused with `Cell` of `Geo`, which is a place on earth.
public struct SketchCell: Canonical, Hashable, Sendable {
    public static let byteCount = 14
    /// No difference, as far as this cell can tell.
    public static let zero = SketchCell(sum: 0, check: 0, count: 0)

    /// The exclusive or of the items' short ids.
    public var sum: UInt64
    /// The exclusive or of the low 32 bits of the items' hashes.
    public var check: UInt32
    /// How many items, modulo 2¹⁶; in a difference, how many more the one side has.
    public var count: UInt16

    @inlinable
    public init(sum: UInt64, check: UInt32, count: UInt16) {
        self.sum = sum
        self.check = check
        self.count = count
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        sum = try reader.integer()
        check = try reader.integer()
        count = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(sum)
        writer.integer(check)
        writer.integer(count)
    }
}

/// A run of cells, as many as one datagram carries.
public struct CellSpan: Canonical, Hashable, Sendable {
    public let first: UInt16
    public let count: UInt8

    /// What no sketch has is the caller's fault.
    public init(first: Int, count: Int) {
        precondition(Self.isValid(first: first, count: count))
        self.first = UInt16(first)
        self.count = UInt8(count)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        first = try reader.integer()
        count = try reader.integer()
        guard Self.isValid(first: Int(first), count: Int(count)) else { throw .tooLong }
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(first)
        writer.integer(count)
    }

    static func isValid(first: Int, count: Int) -> Bool {
        first >= 0 && (1...SketchCells.countMax).contains(count) && first + count <= SketchCells.indexLimit
    }

    /// Which cells.
    public var indices: Range<Int> { Int(first)..<(Int(first) + Int(count)) }
}

/// Consecutive cells of the sender's sketch. With 82 of them, 1,156 octets: a full payload.
public struct SketchCells: Canonical, Hashable, Sendable {
    /// Of one datagram.
    public static let countMax = 82
    /// A sketch ends here; a difference that needs more is divided.
    public static let indexLimit = 4_096

    /// The receiver's number of the round that asked for them.
    public let round: UInt16
    /// Of what the sender's set was: cells of two versions are not cells of one sketch.
    public let version: UInt16
    public let first: UInt16
    public let cells: [SketchCell]

    public init(round: UInt16, version: UInt16, first: Int, cells: [SketchCell]) {
        precondition(CellSpan.isValid(first: first, count: cells.count))
        self.round = round
        self.version = version
        self.first = UInt16(first)
        self.cells = cells
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        round = try reader.integer()
        version = try reader.integer()
        first = try reader.integer()
        cells = try reader.list(max: Self.countMax)
        guard CellSpan.isValid(first: Int(first), count: cells.count) else { throw .tooLong }
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(round)
        writer.integer(version)
        writer.integer(first)
        writer.list(cells)
    }
}

/// Asks for cells of the receiver's sketch: one datagram for each span.
public struct CellsRequest: Canonical, Hashable, Sendable {
    /// The largest flight: some 9 kB, a third of what a small router queues.
    public static let spansMax = 8
    /// By the first four bits of the short id.
    public static let rangesMax = 16

    public let kind: SetKind
    public let round: UInt16
    /// Nil for the whole set, or which of the sixteen parts.
    public let range: UInt8?
    /// Ascending, none overlapping an earlier one.
    public let spans: [CellSpan]

    public init(kind: SetKind, round: UInt16, range: UInt8?, spans: [CellSpan]) {
        precondition(!spans.isEmpty && spans.count <= Self.spansMax && range ?? 0 < Self.rangesMax)
        self.kind = kind
        self.round = round
        self.range = range
        self.spans = spans
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        kind = try SetKind(from: &reader)
        round = try reader.integer()
        range = try reader.option()
        spans = try reader.list(max: Self.spansMax)
        guard range ?? 0 < Self.rangesMax, !spans.isEmpty else { throw .unknown }
        let ascends = zip(spans, spans.dropFirst()).allSatisfy {
            $0.indices.upperBound <= $1.indices.lowerBound
        }
        guard ascends else { throw .nonCanonical }
    }

    public func encode(to writer: inout ByteWriter) {
        kind.encode(to: &writer)
        writer.integer(round)
        writer.option(range)
        writer.list(spans)
    }
}
