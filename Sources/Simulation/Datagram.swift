internal import Bytes
internal import Identity
internal import Wire

/// What a host says to another: who speaks, in which network, then frames to the end.
///
/// In worlds without cryptography it travels as it is, and the world itself vouches for the speaker, as a session
/// would; in sealed worlds only its frames travel, in real sessions.
struct Datagram: Hashable {
    static let byteCountMax = Payload.byteCountMax + headByteCount
    static let headByteCount = 44
    static let framesMax = Payload.framesMax
    static let magic: UInt32 = 0x4541_5231

    /// The first eight octets of the network's identity.
    let network: UInt64
    let sender: NodeID
    let frames: [Frame]

    init(network: UInt64, sender: NodeID, frames: [Frame]) {
        self.network = network
        self.sender = sender
        self.frames = frames
    }

    /// - Parameter payload: Well-formed.
    init?(network: UInt64, sender: NodeID, payload: [UInt8]) {
        guard let payload = try? Payload(decoding: payload.octetBytes) else { return nil }
        self.init(network: network, sender: sender, frames: payload.frames)
    }

    init(decoding bytes: RawSpan) throws(DecodeError) {
        guard bytes.byteCount <= Self.byteCountMax else { throw .tooLong }
        var reader = ByteReader(bytes)
        (network, sender) = try Self.head(&reader)
        frames = try Payload(decoding: try reader.take(reader.remaining)).frames
    }

    /// Who speaks, and what else there is; nil for what is no datagram of the network.
    static func open(_ bytes: [UInt8], network: UInt64) -> (sender: NodeID, payload: [UInt8])? {
        guard bytes.count <= byteCountMax else { return nil }
        var reader = ByteReader(bytes.octetBytes)
        guard let head = try? head(&reader), head.0 == network else { return nil }
        return (head.1, Array(bytes[headByteCount...]))
    }

    private static func head(_ reader: inout ByteReader) throws(DecodeError) -> (UInt64, NodeID) {
        guard try reader.integer(UInt32.self) == Self.magic else { throw .unknown }
        return (try reader.integer(), try NodeID(from: &reader))
    }

    static func close(_ payload: [UInt8], network: UInt64, sender: NodeID) -> [UInt8] {
        var writer = ByteWriter(capacity: headByteCount + payload.count)
        writer.integer(magic)
        writer.integer(network)
        sender.encode(to: &writer)
        writer.raw(payload)
        return writer.bytes
    }

    func encoded() -> [UInt8] {
        Self.close(Payload(frames: frames).encoded(), network: network, sender: sender)
    }
}
