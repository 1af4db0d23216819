public import Bytes

public struct Cell: Canonical, Hashable, Comparable, Sendable {
    public let index: UInt64
    public init(unchecked index: UInt64) { self.index = index }
    public init(from reader: inout ByteReader) throws(DecodeError) { index = try reader.integer() }
    public func encode(to writer: inout ByteWriter) { writer.integer(index) }
    public static func < (left: Cell, right: Cell) -> Bool { left.index < right.index }
    public var resolution: Int { Int(index >> 52 & 15) }
}

public struct Position: Canonical, Hashable, Sendable {
    public let latitude: Int32
    public let longitude: Int32
    public init(from reader: inout ByteReader) throws(DecodeError) {
        latitude = try reader.integer()
        longitude = try reader.integer()
    }
    public func encode(to writer: inout ByteWriter) {
        writer.integer(latitude)
        writer.integer(longitude)
    }
}
