/// Appends values in their BCS form to one growing buffer.
///
/// Not copyable, so that storing an integer needs no look at who else holds the buffer; inlinable, because
/// called across modules it would cost ten times the store.
@safe public struct ByteWriter: ~Copyable, @unchecked Sendable {
    // @unchecked: it alone owns the memory.
    @usableFromInline var room: UnsafeMutableRawPointer
    @usableFromInline var capacity: Int
    @usableFromInline var end = 0

    @inlinable
    public init(capacity: Int = 256) {
        precondition(capacity >= 0)
        self.capacity = Swift.max(capacity, 16)
        unsafe room = .allocate(byteCount: self.capacity, alignment: 16)
    }

    @inlinable
    deinit {
        unsafe room.deallocate()
    }

    /// What was written so far.
    @inlinable public var bytes: [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: end) { copy, count in
            count = end
            unsafe UnsafeMutableRawBufferPointer(copy).copyMemory(
                from: UnsafeRawBufferPointer(start: room, count: end))
        }
    }

    /// The same, borrowed: for a hash or a signature.
    @inlinable public var written: RawSpan {
        @_lifetime(borrow self)
        get {
            let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(room), byteCount: end)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    @inlinable
    public mutating func integer<Word: FixedWidthInteger & BitwiseCopyable>(_ value: Word) {
        let place = unsafe reserve(MemoryLayout<Word>.size)
        unsafe place.storeBytes(of: value.littleEndian, as: Word.self)
    }

    /// Counts `count` octets as written and says where they go; the caller fills them at once.
    @inlinable
    mutating func reserve(_ count: Int) -> UnsafeMutableRawPointer {
        let start = end
        end = start + count
        if end > capacity { grow() }
        return unsafe room + start
    }

    @usableFromInline
    mutating func grow() {
        let old = capacity
        capacity = Swift.max(end, capacity * 2)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        unsafe larger.copyMemory(from: room, byteCount: old)
        unsafe room.deallocate()
        unsafe room = larger
    }

    @inlinable
    public mutating func bool(_ value: Bool) {
        integer(value ? UInt8(1) : 0)
    }

    @inlinable
    public mutating func uleb128(_ value: UInt32) {
        var rest = value
        while rest >= 0x80 {
            integer(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        integer(UInt8(rest))
    }

    /// A length or count; the caller has checked it against the field's maximum.
    @inlinable
    public mutating func count(_ value: Int) {
        uleb128(UInt32(value))
    }

    /// A length-prefixed octet string.
    public mutating func octets(_ value: [UInt8]) {
        count(value.count)
        raw(value)
    }

    /// Octets without a length: the format fixes how many.
    public mutating func raw(_ value: [UInt8]) {
        raw(value.octetBytes)
    }

    public mutating func raw(_ value: RawSpan) {
        let place = unsafe reserve(value.byteCount)
        unsafe value.withUnsafeBytes { value in
            guard let start = value.baseAddress else { return }
            unsafe place.copyMemory(from: start, byteCount: value.count)
        }
    }
}
