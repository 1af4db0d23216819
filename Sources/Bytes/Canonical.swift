/// A value with exactly one encoding: what we write, we read; what we read, we would have written.
public protocol Canonical {
    init(from reader: inout ByteReader) throws(DecodeError)
    func encode(to writer: inout ByteWriter)
}

extension Canonical {
    /// Reads the whole of `bytes`; leftovers are an error.
    @inlinable
    public init(decoding bytes: RawSpan) throws(DecodeError) {
        var reader = ByteReader(bytes)
        self = try Self(from: &reader)
        try reader.finish()
    }

    @inlinable
    public init(decoding bytes: [UInt8]) throws(DecodeError) {
        try self.init(decoding: bytes.octetBytes)
    }

    @inlinable
    public func encoded() -> [UInt8] {
        var writer = ByteWriter()
        encode(to: &writer)
        return writer.bytes
    }
}

extension ByteReader {
    /// A list of at most `max` values.
    @inlinable
    public mutating func list<Element: Canonical>(
        _: Element.Type = Element.self, max: Int
    ) throws(DecodeError) -> [Element] {
        let count = try count(max: max)
        var elements: [Element] = []
        // A short datagram that claims a long list gets no more memory than it has octets.
        elements.reserveCapacity(Swift.min(count, remaining))
        for _ in 0..<count { elements.append(try Element(from: &self)) }
        return elements
    }

    /// A value that may be absent: one byte, 0 or 1, then the value.
    @inlinable
    public mutating func option<Value: Canonical>(_: Value.Type = Value.self) throws(DecodeError) -> Value? {
        try bool() ? try Value(from: &self) : nil
    }
}

extension ByteWriter {
    @inlinable
    public mutating func list<Element: Canonical>(_ elements: [Element]) {
        count(elements.count)
        for element in elements { element.encode(to: &self) }
    }

    @inlinable
    public mutating func option<Value: Canonical>(_ value: Value?) {
        bool(value != nil)
        value?.encode(to: &self)
    }
}

extension FixedWidthInteger where Self: BitwiseCopyable {
    @inlinable
    public init(from reader: inout ByteReader) throws(DecodeError) {
        self = try reader.integer(Self.self)
    }

    @inlinable
    public func encode(to writer: inout ByteWriter) {
        writer.integer(self)
    }
}

extension UInt8: Canonical {}
extension UInt16: Canonical {}
extension UInt32: Canonical {}
extension UInt64: Canonical {}
extension Int16: Canonical {}
extension Int32: Canonical {}
extension Int64: Canonical {}

extension Span<UInt8> {
    /// The same bytes, raw. Octets have no padding, so every byte is initialised.
    @inlinable public var octetBytes: RawSpan {
        @_lifetime(copy self)
        get { unsafe bytes }
    }
}

extension [UInt8] {
    /// The array's own bytes, borrowed.
    @inlinable public var octetBytes: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = self.span
            return unsafe _overrideLifetime(span.bytes, borrowing: self)
        }
    }

    /// A copy that may outlive what `bytes` borrows.
    public init(copying bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { bytes in unsafe Array(bytes) }
    }
}
