public import Bytes

/// Thirty-two octets held as four words, so that copying, hashing and comparing never allocate.
///
/// Most significant octet first, so that the order of values is the order of their octets.
public struct Words: Hashable, Comparable, Sendable {
    @usableFromInline let a, b, c, d: UInt64

    @inlinable
    init(_ octets: RawSpan) {
        precondition(octets.byteCount == 32)
        // In bounds by the precondition; every bit pattern is a valid integer.
        a = unsafe UInt64(bigEndian: octets.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self))
        b = unsafe UInt64(bigEndian: octets.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self))
        c = unsafe UInt64(bigEndian: octets.unsafeLoadUnaligned(fromByteOffset: 16, as: UInt64.self))
        d = unsafe UInt64(bigEndian: octets.unsafeLoadUnaligned(fromByteOffset: 24, as: UInt64.self))
    }

    @inlinable
    init(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) {
        (self.a, self.b, self.c, self.d) = (a, b, c, d)
    }

    @inlinable
    public static func < (left: Words, right: Words) -> Bool {
        if left.a != right.a { return left.a < right.a }
        if left.b != right.b { return left.b < right.b }
        if left.c != right.c { return left.c < right.c }
        return left.d < right.d
    }

    /// The first eight octets as a number, most significant first.
    @inlinable var first: UInt64 { a }
    /// The eight after them.
    @inlinable var second: UInt64 { b }

    @inlinable
    func bit(_ index: Int) -> Bool {
        let word =
            switch index >> 6 {
            case 0: a
            case 1: b
            case 2: c
            default: d
            }
        return (word >> UInt64(63 - (index & 63))) & 1 == 1
    }

    @inlinable
    func exclusiveOr(_ other: Words) -> Words {
        Words(a ^ other.a, b ^ other.b, c ^ other.c, d ^ other.d)
    }

    /// The octets in their order in memory.
    var bigEndian: (UInt64, UInt64, UInt64, UInt64) {
        (a.bigEndian, b.bigEndian, c.bigEndian, d.bigEndian)
    }

    /// Lends the octets to C, from the stack.
    func withOctets<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe Swift.withUnsafeBytes(of: bigEndian) { unsafe body($0.octets!) }
    }

    /// The octets that `body` writes, all 32 of them.
    init(writing body: (UnsafeMutablePointer<UInt8>) -> Void) {
        var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        unsafe Swift.withUnsafeMutableBytes(of: &words) {
            unsafe body($0.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
        self.init(
            UInt64(bigEndian: words.0), UInt64(bigEndian: words.1), UInt64(bigEndian: words.2),
            UInt64(bigEndian: words.3))
    }

    @inlinable
    func write(to writer: inout ByteWriter) {
        // The writer puts the least significant octet first, on every machine.
        writer.integer(a.byteSwapped)
        writer.integer(b.byteSwapped)
        writer.integer(c.byteSwapped)
        writer.integer(d.byteSwapped)
    }
}

/// A value of thirty-two octets with a meaning of its own: a key, a digest.
public protocol WordsValue: Canonical, Hashable, Comparable, Sendable {
    var words: Words { get }
    init(words: Words)
}

extension WordsValue {
    public static var byteCount: Int { 32 }

    /// Takes exactly 32 octets.
    @inlinable
    public init(octets: RawSpan) {
        self.init(words: Words(octets))
    }

    /// Nil unless there are exactly 32.
    public init?(octets: [UInt8]) {
        guard octets.count == 32 else { return nil }
        self.init(octets: octets.octetBytes)
    }

    public init?(hex: String) {
        guard let octets = [UInt8](hex: hex) else { return nil }
        self.init(octets: octets)
    }

    @inlinable
    public init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(octets: try reader.take(32))
    }

    @inlinable
    public func encode(to writer: inout ByteWriter) {
        words.write(to: &writer)
    }

    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.words < right.words }

    public var octets: [UInt8] { encoded() }
    public var hex: String { octets.hex }
    /// The first eight hexadecimal digits: for people, never for comparing.
    public var short: String { String(hex.prefix(8)) }
    /// The first eight octets as a number, most significant first.
    @inlinable public var prefix: UInt64 { words.first }
    /// The eight octets after `prefix`, likewise.
    @inlinable public var secondPrefix: UInt64 { words.second }
    /// Bit `index`, counted from the most significant of the first octet.
    @inlinable
    public func bit(_ index: Int) -> Bool { words.bit(index) }
}

/// A node's Ed25519 public key, and so its name.
public struct NodeID: WordsValue, CustomStringConvertible {
    public let words: Words
    @inlinable
    public init(words: Words) { self.words = words }
    public var description: String { short }

    /// Names a node of a test, with a key that no one can sign for.
    package init(testing number: UInt64) {
        words = Words(number, 0, 0, 0)
    }
}

/// A BLAKE2b-256 hash.
public struct Digest: WordsValue, CustomStringConvertible {
    public let words: Words
    @inlinable
    public init(words: Words) { self.words = words }
    public var description: String { short }

    public static let zero = Digest(words: Words(0, 0, 0, 0))

    /// Bit by bit; its own inverse. For fingerprints of sets, never for security.
    @inlinable
    public func exclusiveOr(_ other: Digest) -> Digest {
        Digest(words: words.exclusiveOr(other.words))
    }
}

/// The public half of a VRF key: a point of edwards25519, separate from every signing key.
public struct VRFPublicKey: WordsValue {
    public let words: Words
    @inlinable
    public init(words: Words) { self.words = words }
}
