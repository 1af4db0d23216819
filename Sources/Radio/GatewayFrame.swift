internal import Bytes

/// One datagram of the Semtech UDP packet-forwarder protocol, version 2.
///
/// Source: PROTOCOL.md of Lora-net/sx1302_hal ("Basic communication protocol between LoRa gateway and Network
/// Server"), sections 3 to 6. Octet 0 is the version, 1–2 the token, 3 the kind; messages of a gateway carry
/// its 8-octet name (big-endian) at 4. What follows is JSON.
///
/// The gateway sends PUSH_DATA (packets heard, status), PULL_DATA (keeps the way back open) and TX_ACK; the
/// server answers PUSH_ACK and PULL_ACK, and sends PULL_RESP (a packet to transmit). There is no
/// authentication: the port belongs on a loopback or private network.
public enum GatewayFrame: Equatable, Sendable {
    case pushData(token: UInt16, gateway: GatewayEUI, upstream: Upstream)
    case pushAck(token: UInt16)
    case pullData(token: UInt16, gateway: GatewayEUI)
    case pullAck(token: UInt16)
    case pullResponse(token: UInt16, packet: TransmitPacket)
    case transmitAck(token: UInt16, gateway: GatewayEUI, acknowledgement: TransmitAcknowledgement)

    /// What one PUSH_DATA carries.
    public struct Upstream: Equatable, Sendable {
        public var packets: [ReceivedPacket]
        public var status: GatewayStatus?
        /// Why some of its packets, or its status, could not be read; the rest stands.
        public var refused: [RadioError]

        public init(packets: [ReceivedPacket] = [], status: GatewayStatus? = nil, refused: [RadioError] = [])
        {
            self.packets = packets
            self.status = status
            self.refused = refused
        }
    }

    /// Packets in one PUSH_DATA: the demodulators of one SX1302 that run at the same time.
    public static let packetsMax = 16
    /// `packetsMax` packets of 255 octets, with their fields, take 9 KiB; the rest is room for a status and
    /// for fields we skip.
    public static let byteCountMax = 12 * 1024

    public static let version: UInt8 = 2

    /// The identifiers of octet 3.
    enum Kind: UInt8 {
        case pushData = 0
        case pushAck = 1
        case pullData = 2
        case pullResponse = 3
        case pullAck = 4
        case transmitAck = 5

        var namesGateway: Bool { self == .pushData || self == .pullData || self == .transmitAck }
    }

    /// What can be told before any JSON is read.
    struct Header: Equatable {
        let kind: Kind
        let token: UInt16
        /// Present exactly in the kinds that name their gateway; zero in the others.
        let gateway: GatewayEUI
        let byteCount: Int

        init(_ bytes: [UInt8]) throws(RadioError) {
            guard bytes.count <= byteCountMax else { throw .tooLong }
            guard bytes.count >= 4 else { throw .tooShort }
            guard bytes[0] == version else { throw .version }
            guard let kind = Kind(rawValue: bytes[3]) else { throw .kind }
            self.kind = kind
            token = UInt16(bytes[1]) << 8 | UInt16(bytes[2])
            byteCount = kind.namesGateway ? 12 : 4
            guard bytes.count >= byteCount else { throw .tooShort }
            gateway = GatewayEUI(bytes[4..<byteCount].reduce(0) { $0 << 8 | UInt64($1) })
        }
    }

    public static func decode(_ bytes: [UInt8]) throws(RadioError) -> GatewayFrame {
        try decode(bytes, header: Header(bytes))
    }

    static func decode(_ bytes: [UInt8], header: Header) throws(RadioError) -> GatewayFrame {
        let body = bytes[header.byteCount...]
        switch header.kind {
        case .pushData:
            let upstream = try PacketJSON.upstream(body)
            return .pushData(token: header.token, gateway: header.gateway, upstream: upstream)
        case .pullResponse:
            return .pullResponse(token: header.token, packet: try PacketJSON.transmitPacket(body))
        case .transmitAck:
            // Some forwarders end the datagram with a NUL.
            let empty = body.allSatisfy { $0 == 0 }
            let acknowledgement = empty ? .accepted : try PacketJSON.acknowledgement(body)
            return .transmitAck(
                token: header.token, gateway: header.gateway, acknowledgement: acknowledgement)
        case .pushAck, .pullAck, .pullData:
            guard body.isEmpty else { throw .trailingBytes }
            switch header.kind {
            case .pushAck: return .pushAck(token: header.token)
            case .pullAck: return .pullAck(token: header.token)
            default: return .pullData(token: header.token, gateway: header.gateway)
            }
        }
    }

    public static func decode(_ bytes: RawSpan) throws(RadioError) -> GatewayFrame {
        guard bytes.byteCount <= byteCountMax else { throw .tooLong }
        return try decode([UInt8](copying: bytes))
    }

    public func encode() -> [UInt8] {
        switch self {
        case .pushData(let token, let gateway, let upstream):
            precondition(upstream.packets.count <= Self.packetsMax)
            return Self.bytes(.pushData, token, gateway, PacketJSON.text(upstream))
        case .pushAck(let token): return Self.bytes(.pushAck, token)
        case .pullData(let token, let gateway): return Self.bytes(.pullData, token, gateway)
        case .pullAck(let token): return Self.bytes(.pullAck, token)
        case .pullResponse(let token, let packet):
            return Self.bytes(.pullResponse, token, nil, PacketJSON.text(packet))
        case .transmitAck(let token, let gateway, let acknowledgement):
            return Self.bytes(.transmitAck, token, gateway, PacketJSON.text(acknowledgement))
        }
    }

    private static func bytes(
        _ kind: Kind, _ token: UInt16, _ gateway: GatewayEUI? = nil, _ json: String = ""
    ) -> [UInt8] {
        var bytes = [version, UInt8(token >> 8), UInt8(truncatingIfNeeded: token), kind.rawValue]
        if let gateway {
            for shift in stride(from: UInt64(56), through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: gateway.value >> shift))
            }
        }
        bytes += json.utf8
        return bytes
    }
}
