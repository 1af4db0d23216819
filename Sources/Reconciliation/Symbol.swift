internal import Bytes
public import Identity
internal import Wire

/// An item as sketches see it: its short id, and the hash of that, which says into which cells it falls.
public struct Symbol: Hashable, Sendable {
    public let short: UInt64
    public let hash: UInt64

    @inlinable
    public init(short: UInt64, hash: UInt64) {
        self.short = short
        self.hash = hash
    }

    /// Whether no cell below `limit` holds it but the first, which holds all.
    package func isAlone(below limit: Int) -> Bool {
        var indices = CellIndices(hash: hash)
        return !indices.advance(limit: limit)
    }
}

/// What turns the items of a set into symbols, for one session.
///
/// Who knows the keys can make items whose short ids cancel another's, so that it stays hidden in every sketch;
/// under a key that was the same for all, one author could do it to the whole network. These keys are known to
/// two nodes only, and new with each nonce: a third can craft nothing, and a peer can deceive only the one
/// whom it could as well have told nothing.
public struct SketchKeys: Hashable, Sendable {
    private let shortKey, hashKey: SipKey

    /// - Parameters:
    ///   - secret: 1 to 64 octets that only the session's two sides know.
    ///   - nonce: equal on both sides, another for each connection: what one showed is of no use in the next.
    public init(secret: [UInt8], nonce: UInt64) {
        var writer = ByteWriter(capacity: 40)
        writer.raw(Array("earshot reconciliation".utf8))
        writer.integer(UInt8(0))
        writer.integer(nonce)
        let keys = blake2b(writer.written, key: secret, byteCount: 2 * SipKey.byteCount)
        shortKey = SipKey(octets: keys.octetBytes.extracting(0..<SipKey.byteCount))
        hashKey = SipKey(octets: keys.octetBytes.extracting(SipKey.byteCount..<(2 * SipKey.byteCount)))
    }

    public func short(_ id: Digest) -> UInt64 { shortKey.hash(id) }

    public func symbol(short: UInt64) -> Symbol { Symbol(short: short, hash: hashKey.hash(short)) }

    public func symbol(_ id: Digest) -> Symbol { symbol(short: short(id)) }
}

/// The cells that an item falls into: 0, then ever sparser ones; cell i holds one of 1 + i/2 items.
///
/// Yang et al., section 4.2: the gap to the next index is drawn by inverting its distribution, from a
/// generator that the item's hash seeds. Exact on every machine: IEEE 754 rounds each operation here correctly.
struct CellIndices {
    private(set) var index = 0
    private var state: UInt64

    init(hash: UInt64) {
        state = hash
    }

    /// Goes to the next index, or returns false if that is not below `limit`.
    mutating func advance(limit: Int) -> Bool {
        state &*= 0xDA94_2042_E4DD_58B5
        let gap = (Double(index) + 1.5) * (4_294_967_296.0 / (Double(state) + 1.0).squareRoot() - 1.0)
        // Compared before it is converted: it may be above any integer.
        guard gap <= Double(limit - index - 1) else { return false }
        // Rounded up by hand: without SSE 4.1 that is a call, and half of the walk.
        let whole = Int(gap)
        index += max(1, Double(whole) < gap ? whole + 1 : whole)
        return index < limit
    }
}

extension SketchCell {
    /// Counts the symbol in (+1) or out (−1).
    @inline(__always)
    mutating func apply(_ symbol: Symbol, _ sign: Sign) {
        sum ^= symbol.short
        check ^= UInt32(truncatingIfNeeded: symbol.hash)
        count &+= sign.rawValue
    }

    /// Cell by cell; what only `self` counts remains positive.
    @inline(__always)
    func subtracting(_ other: SketchCell) -> SketchCell {
        SketchCell(sum: sum ^ other.sum, check: check ^ other.check, count: count &- other.count)
    }

    @inline(__always)
    func adding(_ other: SketchCell) -> SketchCell {
        SketchCell(sum: sum ^ other.sum, check: check ^ other.check, count: count &+ other.count)
    }
}

/// Into or out of a count modulo 2¹⁶.
enum Sign: UInt16, Sendable {
    case plus = 1
    case minus = 0xFFFF

    var opposite: Sign { self == .plus ? .minus : .plus }
}
