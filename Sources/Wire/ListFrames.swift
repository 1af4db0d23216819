public import Bytes
public import Identity

/// Asks what stands behind a header: its body, and as many cells of the sketch of its evidence list as tell the
/// asker what differs from the list that it would have made itself.
///
/// The design's "Reconciliation"; the keys of the short ids follow from the header's digest (`SketchKeys`).
public struct ListRequest: Canonical, Hashable, Sendable {
    /// Of the header.
    public let header: Digest
    public let wantsBody: Bool
    public let first: UInt16
    /// 0 where only the body is wanted.
    public let count: UInt16

    /// What no sketch has is the caller's fault.
    public init(header: Digest, wantsBody: Bool, first: Int, count: Int) {
        precondition(first >= 0 && count >= 0 && first + count <= SketchCells.indexLimit)
        self.header = header
        self.wantsBody = wantsBody
        self.first = UInt16(first)
        self.count = UInt16(count)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        header = try Digest(from: &reader)
        wantsBody = try reader.bool()
        first = try reader.integer()
        count = try reader.integer()
        guard Int(first) + Int(count) <= SketchCells.indexLimit else { throw .tooLong }
    }

    public func encode(to writer: inout ByteWriter) {
        header.encode(to: &writer)
        writer.bool(wantsBody)
        writer.integer(first)
        writer.integer(count)
    }

    public var indices: Range<Int> { Int(first)..<(Int(first) + Int(count)) }
}

/// The answer to a `ListRequest`: at most 57 kB of cells beside the body.
public struct ListCells: Canonical, Hashable, Sendable {
    public let header: Digest
    public let body: Body?
    public let first: UInt16
    public let cells: [SketchCell]

    public init(header: Digest, body: Body?, first: Int, cells: [SketchCell]) {
        precondition(first >= 0 && first + cells.count <= SketchCells.indexLimit)
        self.header = header
        self.body = body
        self.first = UInt16(first)
        self.cells = cells
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        header = try Digest(from: &reader)
        body = try reader.option()
        first = try reader.integer()
        cells = try reader.list(max: SketchCells.indexLimit)
        guard Int(first) + cells.count <= SketchCells.indexLimit else { throw .tooLong }
    }

    public func encode(to writer: inout ByteWriter) {
        header.encode(to: &writer)
        writer.option(body)
        writer.integer(first)
        writer.list(cells)
    }
}
