/// A cursor over borrowed bytes, by the rules of BCS (Binary Canonical Serialization).
///
/// It copies nothing and cannot outlive what it reads. Integers are little-endian and fixed, lengths and
/// enum tags are ULEB128 in their shortest form and at most 32 bits wide.
///
/// Inlinable throughout: called across modules, reading an integer would cost ten times the load.
public struct ByteReader: ~Escapable {
    @usableFromInline let bytes: RawSpan
    @usableFromInline var offset = 0

    @inlinable
    @_lifetime(copy bytes)
    public init(_ bytes: RawSpan) {
        self.bytes = bytes
    }

    @inlinable public var remaining: Int { bytes.byteCount - offset }

    /// How many bytes have been read: with `read(from:to:)`, the bytes a signature covers.
    @inlinable public var position: Int { offset }

    /// Bytes already read, still borrowed.
    @inlinable
    @_lifetime(copy self)
    public func read(from start: Int, to end: Int) -> RawSpan {
        precondition(0 <= start && start <= end && end <= offset)
        return bytes.extracting(start..<end)
    }

    /// The next `count` bytes, still borrowed.
    @inlinable
    @_lifetime(copy self)
    public mutating func take(_ count: Int) throws(DecodeError) -> RawSpan {
        precondition(count >= 0)
        guard count <= remaining else { throw .truncated }
        defer { offset += count }
        return bytes.extracting(offset..<(offset + count))
    }

    /// One little-endian integer of the type's width.
    @inlinable
    public mutating func integer<Word: FixedWidthInteger & BitwiseCopyable>(
        _: Word.Type = Word.self
    ) throws(DecodeError) -> Word {
        let word = try take(MemoryLayout<Word>.size)
        // In bounds by `take`; every bit pattern is a valid integer.
        return unsafe Word(littleEndian: word.unsafeLoadUnaligned(as: Word.self))
    }

    /// 0 or 1; any other byte would be a second encoding of true.
    @inlinable
    public mutating func bool() throws(DecodeError) -> Bool {
        switch try integer(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw .unknown
        }
    }

    /// An unsigned LEB128 integer of at most 32 bits, in its one shortest form.
    @inlinable
    public mutating func uleb128() throws(DecodeError) -> UInt32 {
        let first = try integer(UInt8.self)
        // Nearly every length and tag.
        if first < 0x80 { return UInt32(first) }
        var value = UInt64(first & 0x7F)
        for shift in stride(from: UInt64(7), to: 35, by: 7) {
            let byte = try integer(UInt8.self)
            guard byte != 0 else { throw .nonCanonical }
            value |= UInt64(byte & 0x7F) << shift
            guard value <= UInt64(UInt32.max) else { throw .tooLong }
            if byte < 0x80 { return UInt32(value) }
        }
        throw .tooLong
    }

    /// A length, refused above `max` before anyone allocates for it.
    @inlinable
    public mutating func count(max: Int) throws(DecodeError) -> Int {
        let count = Int(try uleb128())
        guard count <= max else { throw .tooLong }
        return count
    }

    /// A length-prefixed octet string, copied.
    @inlinable
    public mutating func octets(max: Int) throws(DecodeError) -> [UInt8] {
        let count = try count(max: max)
        return [UInt8](copying: try take(count))
    }

    /// Ends the read; bytes left over are an error.
    @inlinable
    public consuming func finish() throws(DecodeError) {
        guard remaining == 0 else { throw .trailingBytes(remaining) }
    }
}
