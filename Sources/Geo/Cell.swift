public import Bytes
import CH3

/// A hexagon (rarely a pentagon) of the H3 grid, of resolution 0 (a continent) to 15 (a table).
///
/// Rules that nodes must agree on reason about cells only through what this file offers: H3 computes all of
/// it with integers, so every machine comes to the same answer. Between coordinates and cells H3 computes
/// in floating point; that is in `Placement.swift`, apart.
///
/// Encoded as the index's 64 bits. Ordered by them, which puts coarser cells before finer ones.
public struct Cell: Hashable, Sendable {
    /// The H3 index.
    public let raw: UInt64

    /// The finest resolution.
    public static let resolutionMax = 15
    /// The resolution at which a hotspot asserts where it is: cells of some 11 m.
    public static let assertedResolution = 12
    /// The resolution at which "too near" is counted in grid steps: cells of some 29 m.
    public static let nearnessResolution = 11
    /// The resolution at which a node tells strangers where it is: a region of some 10 km, not a roof.
    public static let regionResolution = 5
    /// The most steps of a disk: 12,481 cells, 100 kB. The protocol's own disks have 1 step.
    public static let diskRadiusMax = 64
    /// How many resolutions finer children may be: 16,807 cells.
    public static let childDepthMax = 5

    /// Nil unless H3 knows a cell of this index.
    public init?(_ raw: UInt64) {
        guard isValidCell(raw) != 0 else { return nil }
        self.raw = raw
    }

    /// An index that H3 itself returned.
    init(known raw: UInt64) {
        assert(isValidCell(raw) != 0)
        self.raw = raw
    }

    public var resolution: Int { Int(getResolution(raw)) }

    /// One of the 12 cells of its resolution that have five neighbours; distances across it may be undefined.
    public var isPentagon: Bool { CH3.isPentagon(raw) != 0 }

    /// The cell of a coarser resolution that holds this one, itself at its own; nil where `resolution` is
    /// finer than its own or no resolution at all.
    public func parent(at resolution: Int) -> Cell? {
        guard 0...self.resolution ~= resolution else { return nil }
        var parent: UInt64 = 0
        let error = unsafe cellToParent(raw, Int32(resolution), &parent)
        precondition(error == 0, "a valid cell has every coarser parent")
        return Cell(known: parent)
    }

    /// The region that a node's record names; nil for a cell coarser than regions are.
    public var region: Cell? { parent(at: Self.regionResolution) }

    /// The steps from cell to cell along the grid; nil where H3 does not define them.
    ///
    /// Undefined between different resolutions, between cells too far apart (roughly, more than one base
    /// cell between them) and across pentagons. Where defined, the same in both directions.
    public func gridDistance(to other: Cell) -> Int? {
        guard resolution == other.resolution else { return nil }
        var steps: Int64 = 0
        let error = unsafe CH3.gridDistance(raw, other.raw, &steps)
        return error == 0 ? Int(steps) : nil
    }

    /// The cells at most `radius` steps away, itself among them, ascending.
    ///
    /// Seven for one step, six around a pentagon.
    public func gridDisk(radius: Int) -> [Cell] {
        precondition(0...Self.diskRadiusMax ~= radius)
        var disk = [UInt64](repeating: 0, count: 3 * radius * (radius + 1) + 1)
        let error = unsafe CH3.gridDisk(raw, Int32(radius), &disk)
        precondition(error == 0, "a valid cell has a disk of every radius")
        return Self.sorted(&disk)
    }

    /// The cells of a finer resolution within this one, ascending; at most `childDepthMax` resolutions finer.
    public func children(at resolution: Int) -> [Cell] {
        let own = self.resolution
        precondition(own...min(own + Self.childDepthMax, Self.resolutionMax) ~= resolution)
        var count: Int64 = 0
        let counted = unsafe cellToChildrenSize(raw, Int32(resolution), &count)
        precondition(counted == 0)
        var children = [UInt64](repeating: 0, count: Int(count))
        let listed = unsafe cellToChildren(raw, Int32(resolution), &children)
        precondition(listed == 0, "a valid cell has children of every finer resolution")
        return Self.sorted(&children)
    }

    /// H3 leaves gaps, as zeros, where a pentagon lacks a neighbour.
    private static func sorted(_ indices: inout [UInt64]) -> [Cell] {
        indices.sort()
        return indices.drop { $0 == 0 }.map { Cell(known: $0) }
    }
}

extension Cell: Canonical {
    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let cell = Cell(try reader.integer(UInt64.self)) else { throw .unknown }
        self = cell
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(raw)
    }
}

extension Cell: Comparable {
    public static func < (left: Cell, right: Cell) -> Bool { left.raw < right.raw }
}

extension Cell: LosslessStringConvertible {
    /// The index as H3 writes it: fifteen lower-case hexadecimal digits.
    public var description: String { String(raw, radix: 16) }

    /// Nil unless `description` is exactly what the cell describes itself as.
    public init?(_ description: String) {
        guard let raw = UInt64(description, radix: 16), let cell = Cell(raw) else { return nil }
        guard cell.description == description else { return nil }
        self = cell
    }
}
