public import Bytes

public struct VRFProof: Canonical, Hashable, Sendable {
    public static let byteCount = 80
    let a, b: Words
    let c, d: UInt64
    public init(from reader: inout ByteReader) throws(DecodeError) {
        a = Words(try reader.take(32))
        b = Words(try reader.take(32))
        c = try reader.integer()
        d = try reader.integer()
    }
    public func encode(to writer: inout ByteWriter) {
        a.write(to: &writer)
        b.write(to: &writer)
        writer.integer(c)
        writer.integer(d)
    }
}

public struct VRFOutput: Hashable, Sendable {
    public let octets: [UInt8]
}
