/// Why something that came to a radio port was refused: the reason is all there is to know.
///
/// Closed and without payload, so that refusing a datagram never allocates; the raw value is the label of a
/// metric.
public enum RadioError: String, Error, CaseIterable, Sendable {
    // Of the datagram.
    /// Shorter than its header.
    case tooShort
    /// Longer than `GatewayFrame.byteCountMax`.
    case tooLong
    /// Not protocol version 2.
    case version
    /// An identifier that the protocol does not know, or that this side never receives.
    case kind
    /// Bytes after a message that has none.
    case trailingBytes
    /// Not the JSON object that this message carries.
    case json
    /// More packets in one datagram than `GatewayFrame.packetsMax`.
    case tooManyPackets

    // Of one packet in it.
    /// A mandatory field is absent or of another type.
    case missingField
    /// A number that no concentrator can mean.
    case outOfRange
    /// FSK and whatever else is not LoRa.
    case notLoRa
    /// A spreading factor outside 7…12 or a bandwidth other than 125, 250 or 500 kHz.
    case dataRate
    /// Outside what the sub-GHz front ends of concentrators can tune.
    case frequency
    /// Not Base64, empty, above 255 octets, or not of the stated size.
    case payload
    /// The physical layer's checksum failed or was absent.
    case badChecksum

    // Of the conversation.
    /// The same datagram again.
    case replayed
    /// Not the gateway that this node is configured for.
    case unknownGateway
    /// As many gateways as `ForwarderServer.gatewaysMax` are there already.
    case tooManyGateways
    /// A TX_ACK that answers nothing that is open: late, forged or repeated.
    case unmatchedAcknowledgement
}

/// How many were refused, by reason.
public struct DropCounters: Equatable, Sendable {
    private var counts = [UInt64](repeating: 0, count: RadioError.allCases.count)

    public init() {}

    public subscript(reason: RadioError) -> UInt64 { counts[Self.index(of: reason)] }

    public var total: UInt64 { counts.reduce(0, &+) }

    /// Every reason that has occurred, in the order of declaration.
    public var occurred: [(reason: RadioError, count: UInt64)] {
        zip(RadioError.allCases, counts).filter { $0.1 > 0 }.map { (reason: $0.0, count: $0.1) }
    }

    mutating func count(_ reason: RadioError) {
        counts[Self.index(of: reason)] &+= 1
    }

    private static func index(of reason: RadioError) -> Int {
        RadioError.allCases.firstIndex(of: reason)!
    }
}
