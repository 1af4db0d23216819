public import Bytes

/// What one side's set comes to, under the session's key.
public struct SetRoot: Canonical, Hashable, Sendable {
    public let kind: SetKind
    public let count: UInt32
    /// The sum of cell 0: the exclusive or of all short ids.
    public let root: UInt64

    public init(kind: SetKind, count: UInt32, root: UInt64) {
        self.kind = kind
        self.count = count
        self.root = root
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        kind = try SetKind(from: &reader)
        count = try reader.uleb128()
        root = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        kind.encode(to: &writer)
        writer.uleb128(count)
        writer.integer(root)
    }
}

/// Some of the sender's short ids, where two sets are too unlike for a sketch.
public struct IDPage: Canonical, Hashable, Sendable {
    /// Of one page: 1,120 octets.
    public static let idsMax = 140

    /// The receiver's number of the round that asked for it.
    public let round: UInt16
    public let index: UInt16
    /// How many ids the sender's set has in all.
    public let total: UInt32
    /// Strictly ascending.
    public let ids: [UInt64]

    public init(round: UInt16, index: UInt16, total: UInt32, ids: [UInt64]) {
        self.round = round
        self.index = index
        self.total = total
        self.ids = ids
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        round = try reader.integer()
        index = try reader.integer()
        total = try reader.integer()
        ids = try reader.ascending(max: Self.idsMax)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(round)
        writer.integer(index)
        writer.integer(total)
        writer.list(ids)
    }
}

/// Asks for pages of the receiver's short ids.
public struct PagesRequest: Canonical, Hashable, Sendable {
    public static let pagesMax = 8

    public let kind: SetKind
    public let round: UInt16
    /// Strictly ascending.
    public let pages: [UInt16]

    public init(kind: SetKind, round: UInt16, pages: [UInt16]) {
        self.kind = kind
        self.round = round
        self.pages = pages
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        kind = try SetKind(from: &reader)
        round = try reader.integer()
        pages = try reader.ascending(max: Self.pagesMax)
    }

    public func encode(to writer: inout ByteWriter) {
        kind.encode(to: &writer)
        writer.integer(round)
        writer.list(pages)
    }
}

/// One thing in a datagram between two that make their sets equal. Tags are frozen.
public enum ReconciliationFrame: Canonical, Hashable, Sendable {
    /// All of the sender's sets, ascending by kind. The round of the n-th is `round` + n.
    case roots(round: UInt16, [SetRoot])
    /// In these of the receiver's rounds, the sets were equal.
    case equal([UInt16])
    case cells(SketchCells)
    case more(CellsRequest)
    case page(IDPage)
    case turn(PagesRequest)
    /// Asks for items by their short ids, ascending.
    case want(SetKind, [UInt64])

    /// Of one node.
    public static let kindsMax = 8
    public static let wantsMax = 140

    /// Of how many kinds a frame is.
    static let tagCount: UInt32 = 7

    public init(from reader: inout ByteReader) throws(DecodeError) {
        try self.init(tag: try reader.uleb128(), from: &reader)
    }

    /// The tag was read before, as one of `Frame`.
    init(tag: UInt32, from reader: inout ByteReader) throws(DecodeError) {
        switch tag {
        case 0:
            let round: UInt16 = try reader.integer()
            let roots = try reader.list(SetRoot.self, max: Self.kindsMax)
            let ascends = zip(roots, roots.dropFirst()).allSatisfy { $0.kind < $1.kind }
            guard ascends else { throw .nonCanonical }
            self = .roots(round: round, roots)
        case 1: self = .equal(try reader.list(max: Self.kindsMax))
        case 2: self = .cells(try SketchCells(from: &reader))
        case 3: self = .more(try CellsRequest(from: &reader))
        case 4: self = .page(try IDPage(from: &reader))
        case 5: self = .turn(try PagesRequest(from: &reader))
        case 6:
            let kind = try SetKind(from: &reader)
            self = .want(kind, try reader.ascending(max: Self.wantsMax))
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) { encode(to: &writer, base: 0) }

    /// With tags from `base` on.
    func encode(to writer: inout ByteWriter, base: UInt32) {
        switch self {
        case .roots(let round, let roots):
            writer.uleb128(base)
            writer.integer(round)
            writer.list(roots)
        case .equal(let rounds):
            writer.uleb128(base + 1)
            writer.list(rounds)
        case .cells(let cells):
            writer.uleb128(base + 2)
            cells.encode(to: &writer)
        case .more(let request):
            writer.uleb128(base + 3)
            request.encode(to: &writer)
        case .page(let page):
            writer.uleb128(base + 4)
            page.encode(to: &writer)
        case .turn(let request):
            writer.uleb128(base + 5)
            request.encode(to: &writer)
        case .want(let kind, let ids):
            writer.uleb128(base + 6)
            kind.encode(to: &writer)
            writer.list(ids)
        }
    }
}

extension ByteReader {
    /// A set of numbers: strictly ascending, so that it has one encoding.
    fileprivate mutating func ascending<Number: Canonical & Comparable>(
        max: Int
    ) throws(DecodeError) -> [Number] {
        let numbers = try list(Number.self, max: max)
        let ascends = zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }
        guard ascends else { throw .nonCanonical }
        return numbers
    }
}
