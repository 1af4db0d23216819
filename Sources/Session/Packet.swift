internal import Bytes
internal import Identity
internal import Wire

/// The first octet of each datagram. Tags are frozen.
enum PacketKind: UInt8 {
    case initiation = 1
    case response = 2
    case cookieReply = 3
    case data = 4
}

/// Where things stand in a datagram; integers are little-endian.
enum Packet {
    /// Type and three octets of zero.
    static let typeByteCount = 4
    static let macByteCount = 16

    static let initiationByteCount = 1_200
    /// Type, sender's index.
    static let initiationHead = 8
    /// Timestamp, record, zeros.
    static let initiationPayloadByteCount =
        initiationByteCount - initiationHead - NoiseIK.firstOverhead - 2 * macByteCount
    static let initiationMac1 = initiationByteCount - 2 * macByteCount
    static let initiationMac2 = initiationByteCount - macByteCount

    /// Type, receiver's index, sender's index.
    static let responseHead = 12
    /// With the largest record: what is left free of the request's size pays for nothing.
    static let responseByteCountMax = 512

    /// Type, receiver's index, nonce, sealed cookie.
    static let cookieReplyHead = 8
    static let cookieByteCount = 16
    static let cookieReplyByteCount =
        cookieReplyHead + WideCipher.nonceByteCount + cookieByteCount + CipherKey.tagByteCount

    /// Type, receiver's index, counter.
    static let dataHead = 16
    /// Head, the inner kind, tag.
    static let dataOverhead = dataHead + 1 + CipherKey.tagByteCount
    /// The largest that leaves an Ethernet link whole over IPv6.
    static let dataByteCountMax = 1_452
    /// What a datagram of another session may have around it, which it travels in.
    static let rendezvousByteCountMax = dataByteCountMax - dataOverhead
    /// Control frames are all of one size, that of the largest: no length tells what they say, and the answer
    /// to any of them is never larger.
    static let controlBodyByteCount = 8

    /// Nil for a type that is unknown or reserved octets that are not zero.
    static func kind(of datagram: [UInt8]) -> PacketKind? {
        guard datagram.count >= typeByteCount, datagram[1] | datagram[2] | datagram[3] == 0 else {
            return nil
        }
        return PacketKind(rawValue: datagram[0])
    }

    static func integer<Word: FixedWidthInteger>(_ datagram: [UInt8], at offset: Int) -> Word {
        var word: Word = 0
        for index in stride(from: MemoryLayout<Word>.size - 1, through: 0, by: -1) {
            word = word << 8 | Word(truncatingIfNeeded: datagram[offset + index])
        }
        return word
    }

    static func append<Word: FixedWidthInteger>(_ word: Word, to datagram: inout [UInt8]) {
        for shift in stride(from: 0, to: Word.bitWidth, by: 8) {
            datagram.append(UInt8(truncatingIfNeeded: word >> Word(shift)))
        }
    }

    static func head(_ kind: PacketKind, capacity: Int) -> [UInt8] {
        var datagram: [UInt8] = []
        datagram.reserveCapacity(capacity)
        datagram.append(kind.rawValue)
        append(UInt16(0), to: &datagram)
        datagram.append(0)
        return datagram
    }
}

/// What an initiator says of itself: when, and its signed record. Zeros fill the rest.
struct Greeting {
    let timestamp: UInt64
    let record: NodeRecord

    init(timestamp: UInt64, record: NodeRecord) {
        self.timestamp = timestamp
        self.record = record
    }

    init(decoding octets: [UInt8]) throws(DecodeError) {
        guard octets.count == Packet.initiationPayloadByteCount else { throw .truncated }
        var reader = ByteReader(octets.octetBytes)
        timestamp = try reader.integer()
        record = try NodeRecord(from: &reader)
        while reader.remaining > 0 {
            guard try reader.integer(UInt8.self) == 0 else { throw .nonCanonical }
        }
    }

    func encoded() -> [UInt8] {
        var writer = ByteWriter(capacity: Packet.initiationPayloadByteCount)
        writer.integer(timestamp)
        record.encode(to: &writer)
        let octets = writer.bytes
        precondition(octets.count <= Packet.initiationPayloadByteCount, "no record is so large")
        return octets + [UInt8](repeating: 0, count: Packet.initiationPayloadByteCount - octets.count)
    }
}

/// What a responder says: its record, from where it saw the initiator come, and what its clock shows.
struct Welcome: Canonical {
    let record: NodeRecord
    let observed: Endpoint
    /// Nanoseconds since 1970, for people who look for a wrong clock: no rule reads it.
    let wallNanoseconds: UInt64

    init(record: NodeRecord, observed: Endpoint, wallNanoseconds: UInt64) {
        self.record = record
        self.observed = observed
        self.wallNanoseconds = wallNanoseconds
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        record = try NodeRecord(from: &reader)
        observed = try Endpoint(from: &reader)
        wallNanoseconds = try reader.integer()
    }

    func encode(to writer: inout ByteWriter) {
        record.encode(to: &writer)
        observed.encode(to: &writer)
        writer.integer(wallNanoseconds)
    }
}

/// The last plaintext octet of a data datagram says what the others are: last and not first, so that taking
/// it off an array moves nothing. Tags are frozen.
enum InnerKind: UInt8 {
    /// The host's octets.
    case payload = 0
    /// Eight zeros.
    case keepalive = 1
    /// Eight octets drawn by chance.
    case pathChallenge = 2
    /// The same eight.
    case pathResponse = 3
    /// The reason, seven zeros.
    case close = 4
    /// How two others, or one other and one of us, come together: a `Rendezvous`.
    case rendezvous = 5
}
