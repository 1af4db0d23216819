public import Bytes
public import Identity

/// What nodes say to each other so that two of them meet who cannot reach one another: the body of a session's
/// datagram of that kind. Tags are frozen.
///
/// No frame of a payload, as a forwarded datagram is larger than any payload may be; and no business of what stands
/// above sessions.
public enum Rendezvous: Canonical, Hashable, Sendable {
    /// Asks the receiver to tell the sender and this node where it sees the other one.
    case introduce(NodeID)
    /// The sender sees this node there, and tells it at the same moment where it sees the receiver.
    case meet(NodeID, Endpoint)
    /// Asks the receiver to hand this datagram to this node.
    case forward([UInt8], to: NodeID)
    /// This node asked the sender to hand this datagram to the receiver. What is in it proves itself.
    case forwarded([UInt8], from: NodeID)

    /// Of a forwarded datagram: the largest that a session makes. With all that goes around it, 1,268 octets leave.
    public static let datagramByteCountMax = 1_200

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .introduce(try NodeID(from: &reader))
        case 1: self = .meet(try NodeID(from: &reader), try Endpoint(from: &reader))
        case 2:
            let node = try NodeID(from: &reader)
            self = .forward(try reader.octets(max: Self.datagramByteCountMax), to: node)
        case 3:
            let node = try NodeID(from: &reader)
            self = .forwarded(try reader.octets(max: Self.datagramByteCountMax), from: node)
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .introduce(let node):
            writer.uleb128(0)
            node.encode(to: &writer)
        case .meet(let node, let endpoint):
            writer.uleb128(1)
            node.encode(to: &writer)
            endpoint.encode(to: &writer)
        case .forward(let datagram, let node):
            writer.uleb128(2)
            node.encode(to: &writer)
            writer.octets(datagram)
        case .forwarded(let datagram, let node):
            writer.uleb128(3)
            node.encode(to: &writer)
            writer.octets(datagram)
        }
    }
}

extension Endpoint {
    /// The upper half of 0100::/64, from which and to which no datagram ever goes (RFC 6666).
    private static let discarded: UInt64 = 0x0100_0000_0000_0000

    /// What stands in one process for a way through a relay: means nothing to anybody else.
    public static func relayed(_ number: UInt64) -> Endpoint {
        Endpoint(high: discarded, low: number, port: 0)
    }

    /// Where somebody is who has told no place: nobody goes there but by introduction.
    public static let nowhere = relayed(0)

    public var isRelayed: Bool { high == Self.discarded }
}
