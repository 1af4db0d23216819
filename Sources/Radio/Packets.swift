/// A packet forwarder's own name, which the protocol calls the gateway's MAC address.
public struct GatewayEUI: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let value: UInt64

    public init(_ value: UInt64) {
        self.value = value
    }

    /// Sixteen hexadecimal digits.
    public init?(hex: String) {
        guard hex.utf8.count == 16, hex.utf8.first != UInt8(ascii: "+") else { return nil }
        guard let value = UInt64(hex, radix: 16) else { return nil }
        self.value = value
    }

    public static func < (left: GatewayEUI, right: GatewayEUI) -> Bool { left.value < right.value }

    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}

/// What the concentrator said of the physical layer's checksum.
public enum Checksum: Int, Sendable {
    case failed = -1
    case absent = 0
    case passed = 1
}

/// One packet that a concentrator heard: `rxpk`.
public struct ReceivedPacket: Equatable, Sendable {
    /// Octets in one LoRa packet, by the physical header's length field.
    public static let payloadByteCountMax = 255
    /// The widest tuning range of a sub-GHz front end: SX1276 data sheet, section 1.
    public static let frequencyRangeHz: ClosedRange<UInt32> = 137_000_000...1_020_000_000
    /// The register scales of concentrators end well inside.
    static let signalRangeDecidBm = -2000...300
    static let snrRangeDecidB = -500...500

    public var payload: [UInt8]
    public var frequencyHz: UInt32
    public var dataRate: DataRate
    public var codingRate: CodingRate
    public var checksum: Checksum
    /// The concentrator's free-running microsecond counter at the end of the packet; wraps every 71 minutes.
    public var counter: UInt32
    /// GPS time in milliseconds since 1980-01-06, where the gateway has a fix.
    public var gpsMilliseconds: UInt64?
    /// Signal, noise and interference in the channel, 0.1 dBm.
    public var channelRSSIDecidBm: Int16
    /// The signal alone, 0.1 dBm, where the concentrator tells it (SX1302 and later).
    public var signalRSSIDecidBm: Int16?
    /// 0.1 dB.
    public var snrDecidB: Int16
    public var channel: Int
    public var chain: Int

    public init(
        payload: [UInt8], frequencyHz: UInt32, dataRate: DataRate, codingRate: CodingRate = .fourFifths,
        checksum: Checksum = .passed, counter: UInt32, gpsMilliseconds: UInt64? = nil,
        channelRSSIDecidBm: Int16, signalRSSIDecidBm: Int16? = nil, snrDecidB: Int16, channel: Int = 0,
        chain: Int = 0
    ) {
        self.payload = payload
        self.frequencyHz = frequencyHz
        self.dataRate = dataRate
        self.codingRate = codingRate
        self.checksum = checksum
        self.counter = counter
        self.gpsMilliseconds = gpsMilliseconds
        self.channelRSSIDecidBm = channelRSSIDecidBm
        self.signalRSSIDecidBm = signalRSSIDecidBm
        self.snrDecidB = snrDecidB
        self.channel = channel
        self.chain = chain
    }
}

/// One packet that a concentrator shall send: `txpk`.
public struct TransmitPacket: Equatable, Sendable {
    public enum Moment: Equatable, Sendable {
        case immediate
        /// At a value of the concentrator's microsecond counter.
        case counter(UInt32)
        /// At a GPS time, milliseconds since 1980-01-06.
        case gps(milliseconds: UInt64)
    }

    /// What a LoRaWAN receiver expects; the forwarder's default.
    public static let standardPreambleSymbols = 8
    public static let powerRangeDBm = -50...50

    public var payload: [UInt8]
    public var frequencyHz: UInt32
    public var dataRate: DataRate
    public var codingRate: CodingRate
    /// At the antenna connector: the maximum EIRP minus the antenna's gain is the caller's sum to do.
    public var powerDBm: Int
    public var moment: Moment
    public var invertedPolarity: Bool
    public var preambleSymbols: Int
    public var checksum: Bool
    public var chain: Int

    public init(
        payload: [UInt8], frequencyHz: UInt32, dataRate: DataRate, codingRate: CodingRate = .fourFifths,
        powerDBm: Int, moment: Moment = .immediate, invertedPolarity: Bool = false,
        preambleSymbols: Int = standardPreambleSymbols, checksum: Bool = true, chain: Int = 0
    ) {
        self.payload = payload
        self.frequencyHz = frequencyHz
        self.dataRate = dataRate
        self.codingRate = codingRate
        self.powerDBm = powerDBm
        self.moment = moment
        self.invertedPolarity = invertedPolarity
        self.preambleSymbols = preambleSymbols
        self.checksum = checksum
        self.chain = chain
    }

    public var timeOnAir: Duration {
        dataRate.timeOnAir(
            byteCount: payload.count, codingRate: codingRate, preambleSymbols: preambleSymbols,
            checksum: checksum)
    }
}

/// Why a forwarder did not send: `error` of `txpk_ack`.
public enum TransmitError: String, CaseIterable, Sendable {
    case tooLate = "TOO_LATE"
    case tooEarly = "TOO_EARLY"
    case collidesWithPacket = "COLLISION_PACKET"
    case collidesWithBeacon = "COLLISION_BEACON"
    case frequency = "TX_FREQ"
    /// An error only before protocol 1.5; now a warning with the power used.
    case power = "TX_POWER"
    case gpsUnlocked = "GPS_UNLOCKED"
    /// Some word of a forwarder that we do not know.
    case unknown = "UNKNOWN"
}

/// What became of a `txpk`, in the forwarder's words.
public enum TransmitAcknowledgement: Equatable, Sendable {
    case accepted
    /// Accepted, but the radio cannot do that power; nil where the forwarder did not tell what it used.
    case acceptedWithPower(dBm: Int?)
    case refused(TransmitError)
}

/// A forwarder's periodic report on itself: `stat`.
public struct GatewayStatus: Equatable, Sendable {
    /// The gateway's own clock, as text; nobody relies on it.
    public var time: String
    public var packetsReceived: UInt64
    public var packetsReceivedIntact: UInt64
    public var packetsForwarded: UInt64
    /// Share of upstream datagrams that were acknowledged, 0.1 %.
    public var acknowledgedPermille: Int
    public var downlinksReceived: UInt64
    public var packetsSent: UInt64

    public init(
        time: String, packetsReceived: UInt64 = 0, packetsReceivedIntact: UInt64 = 0,
        packetsForwarded: UInt64 = 0,
        acknowledgedPermille: Int = 0, downlinksReceived: UInt64 = 0, packetsSent: UInt64 = 0
    ) {
        self.time = time
        self.packetsReceived = packetsReceived
        self.packetsReceivedIntact = packetsReceivedIntact
        self.packetsForwarded = packetsForwarded
        self.acknowledgedPermille = acknowledgedPermille
        self.downlinksReceived = downlinksReceived
        self.packetsSent = packetsSent
    }
}

extension GatewayStatus {
    /// The forwarder's own form of a time, `2014-01-12 08:59:28 GMT`, from seconds since 1970.
    ///
    /// Years are counted from 1 March, so that the leap day is the last of its year.
    static func timeText(unixSeconds: Int64) -> String {
        let days = unixSeconds.quotient(flooredBy: 86_400)
        let second = unixSeconds - days * 86_400
        let shifted = days + 719_468
        let era = shifted.quotient(flooredBy: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        let date = "\(year)-\(twoDigits(month))-\(twoDigits(day))"
        return
            "\(date) \(twoDigits(second / 3600)):\(twoDigits(second / 60 % 60)):\(twoDigits(second % 60)) GMT"
    }

    private static func twoDigits(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

extension Int64 {
    fileprivate func quotient(flooredBy divisor: Int64) -> Int64 {
        (self - (self % divisor + divisor) % divisor) / divisor
    }
}
