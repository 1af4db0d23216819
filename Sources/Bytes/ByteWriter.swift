/// Appends values in their BCS form to one growing buffer.
public struct ByteWriter: Sendable {
    public private(set) var bytes: [UInt8]

    public init(capacity: Int = 256) {
        bytes = []
        bytes.reserveCapacity(capacity)
    }

    /// Inlined where it is called: unspecialised across modules, one integer costs as much as a hash.
    @inlinable
    public mutating func integer<Word: FixedWidthInteger & BitwiseCopyable>(_ value: Word) {
        unsafe withUnsafeBytes(of: value.littleEndian) { octets in unsafe append(octets) }
    }

    @usableFromInline
    mutating func append(_ octets: UnsafeRawBufferPointer) {
        unsafe bytes.append(contentsOf: octets)
    }

    public mutating func bool(_ value: Bool) {
        bytes.append(value ? 1 : 0)
    }

    public mutating func uleb128(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    /// A length or count; the caller has checked it against the field's maximum.
    public mutating func count(_ value: Int) {
        uleb128(UInt32(value))
    }

    /// A length-prefixed octet string.
    public mutating func octets(_ value: [UInt8]) {
        count(value.count)
        bytes += value
    }

    /// Octets without a length: the format fixes how many.
    public mutating func raw(_ value: [UInt8]) {
        bytes += value
    }

    public mutating func raw(_ value: RawSpan) {
        unsafe value.withUnsafeBytes { value in unsafe bytes.append(contentsOf: value) }
    }
}
