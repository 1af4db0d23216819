public import Bytes
public import Geo
public import Identity

/// A piece of a message too large for one datagram.
public struct Chunk: Canonical, Hashable, Sendable {
    /// Fits a payload beside the chunk's own head.
    public static let byteCountMax = 1_024
    /// Of the largest message.
    public static let countMax = Message.byteCountMax / byteCountMax

    /// Of the whole message's encoding.
    public let message: Digest
    public let index: UInt16
    public let count: UInt16
    public let octets: [UInt8]

    public init(message: Digest, index: UInt16, count: UInt16, octets: [UInt8]) {
        self.message = message
        self.index = index
        self.count = count
        self.octets = octets
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        message = try Digest(from: &reader)
        index = try reader.integer()
        count = try reader.integer()
        guard index < count, Int(count) <= Self.countMax else { throw .tooLong }
        octets = try reader.octets(max: Self.byteCountMax)
        // All but the last are full, so that there is one way to cut a message.
        guard !octets.isEmpty, index == count - 1 || octets.count == Self.byteCountMax else {
            throw .nonCanonical
        }
    }

    public func encode(to writer: inout ByteWriter) {
        message.encode(to: &writer)
        writer.integer(index)
        writer.integer(count)
        writer.octets(octets)
    }
}

/// The first sixteen octets of a message's digest.
public struct ShortID: Canonical, Hashable, Comparable, Sendable {
    public let high: UInt64
    public let low: UInt64

    public init(_ digest: Digest) {
        (high, low) = (digest.prefix, digest.secondPrefix)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        high = try reader.integer()
        low = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(high)
        writer.integer(low)
    }

    public static func < (left: ShortID, right: ShortID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

/// One thing in a payload. Tags are frozen.
public enum Frame: Canonical, Hashable, Sendable {
    /// Signed contact cards; `asks` wants the receiver's in return.
    case records([NodeRecord], asks: Bool)
    /// A whole message.
    case message([UInt8])
    case chunk(Chunk)
    /// Messages the sender holds and has not pushed.
    case have([ShortID])
    /// Messages the sender wants pushed.
    case want([ShortID])
    case ping(nonce: UInt64)
    case pong(nonce: UInt64)
    case goodbye
    /// Asks to be the receiver's peer, by the sender's own card; urgent for who has next to no peers.
    case dial(NodeRecord, isUrgent: Bool)
    /// The receiver is a peer: the sender's own card, then others'.
    case welcome([NodeRecord])
    /// The receiver is no peer, or no longer: cards of others, to go to; the sender's own may be among them.
    case refusal([NodeRecord])
    /// Asks a peer to see whether somebody answers there.
    case indirectPing(NodeID, Endpoint, nonce: UInt64)
    /// What came of an indirect ping.
    case indirectPong(nonce: UInt64, isAlive: Bool)
    /// A ping by who need not be a peer: on another's behalf.
    case probe(nonce: UInt64)
    /// Asks whoever it reaches, a peer or not, for `records` of those nearest to the middle of this cell, which is of the
    /// resolution of a card's region.
    case nearby(Cell)
    /// Makes sets equal. Its kinds are tags of their own, so that 82 cells fill a payload.
    case reconciliation(ReconciliationFrame)

    private static let reconciliationBase: UInt32 = 32
    public static let recordsMax = 4
    public static let messageByteCountMax = 1_100
    public static let idsMax = 64

    public init(from reader: inout ByteReader) throws(DecodeError) {
        let tag = try reader.uleb128()
        switch tag {
        case 0: self = .records(try reader.list(max: Self.recordsMax), asks: try reader.bool())
        case 1: self = .message(try reader.octets(max: Self.messageByteCountMax))
        case 2: self = .chunk(try Chunk(from: &reader))
        case 3: self = .have(try reader.list(max: Self.idsMax))
        case 4: self = .want(try reader.list(max: Self.idsMax))
        case 5: self = .ping(nonce: try reader.integer())
        case 6: self = .pong(nonce: try reader.integer())
        case 7: self = .goodbye
        case 8: self = .dial(try NodeRecord(from: &reader), isUrgent: try reader.bool())
        case 9: self = .welcome(try reader.list(max: Self.recordsMax))
        case 10: self = .refusal(try reader.list(max: Self.recordsMax))
        case 11:
            self = .indirectPing(
                try NodeID(from: &reader), try Endpoint(from: &reader), nonce: try reader.integer())
        case 12: self = .indirectPong(nonce: try reader.integer(), isAlive: try reader.bool())
        case 13: self = .probe(nonce: try reader.integer())
        case 14:
            let cell = try Cell(from: &reader)
            guard cell.resolution == Cell.regionResolution else { throw .unknown }
            self = .nearby(cell)
        case Self.reconciliationBase..<(Self.reconciliationBase + ReconciliationFrame.tagCount):
            self = .reconciliation(
                try ReconciliationFrame(tag: tag - Self.reconciliationBase, from: &reader))
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .records(let records, let asks):
            writer.uleb128(0)
            writer.list(records)
            writer.bool(asks)
        case .message(let octets):
            writer.uleb128(1)
            writer.octets(octets)
        case .chunk(let chunk):
            writer.uleb128(2)
            chunk.encode(to: &writer)
        case .have(let ids):
            writer.uleb128(3)
            writer.list(ids)
        case .want(let ids):
            writer.uleb128(4)
            writer.list(ids)
        case .ping(let nonce):
            writer.uleb128(5)
            writer.integer(nonce)
        case .pong(let nonce):
            writer.uleb128(6)
            writer.integer(nonce)
        case .goodbye: writer.uleb128(7)
        case .dial(let record, let isUrgent):
            writer.uleb128(8)
            record.encode(to: &writer)
            writer.bool(isUrgent)
        case .welcome(let records):
            writer.uleb128(9)
            writer.list(records)
        case .refusal(let records):
            writer.uleb128(10)
            writer.list(records)
        case .indirectPing(let node, let endpoint, let nonce):
            writer.uleb128(11)
            node.encode(to: &writer)
            endpoint.encode(to: &writer)
            writer.integer(nonce)
        case .indirectPong(let nonce, let isAlive):
            writer.uleb128(12)
            writer.integer(nonce)
            writer.bool(isAlive)
        case .probe(let nonce):
            writer.uleb128(13)
            writer.integer(nonce)
        case .nearby(let cell):
            writer.uleb128(14)
            cell.encode(to: &writer)
        case .reconciliation(let frame): frame.encode(to: &writer, base: Self.reconciliationBase)
        }
    }
}

/// What one datagram of a session carries: frames to the end.
public struct Payload: Hashable, Sendable {
    /// Of a datagram of 1,200 octets, which fits IPv6's least link, 44 are left to what carries the payload: a session
    /// takes 33.
    public static let byteCountMax = 1_156
    public static let framesMax = 32

    public let frames: [Frame]

    public init(frames: [Frame]) { self.frames = frames }

    public init(decoding bytes: RawSpan) throws(DecodeError) {
        guard bytes.byteCount <= Self.byteCountMax else { throw .tooLong }
        var reader = ByteReader(bytes)
        var frames: [Frame] = []
        while reader.remaining > 0 {
            guard frames.count < Self.framesMax else { throw .tooLong }
            frames.append(try Frame(from: &reader))
        }
        self.frames = frames
    }

    public func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: Self.byteCountMax)
        for frame in frames { frame.encode(to: &writer) }
        return writer.bytes
    }
}
