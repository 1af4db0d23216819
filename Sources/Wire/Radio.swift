public import Bytes

/// A LoRa modulation: spreading factor and bandwidth. Tags are frozen.
public enum DataRate: UInt8, Canonical, CaseIterable, Sendable {
    case sf7bw125 = 0
    case sf8bw125 = 1
    case sf9bw125 = 2
    case sf10bw125 = 3
    case sf11bw125 = 4
    case sf12bw125 = 5
    case sf8bw500 = 6

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let value = DataRate(rawValue: try reader.integer()) else { throw .unknown }
        self = value
    }

    public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }

    public var spreadingFactor: Int {
        self == .sf8bw500 ? 8 : 7 + Int(rawValue)
    }

    public var bandwidthKilohertz: Int { self == .sf8bw500 ? 500 : 125 }

    public init?(spreadingFactor: Int, bandwidthKilohertz: Int) {
        let match = Self.allCases.first {
            $0.spreadingFactor == spreadingFactor && $0.bandwidthKilohertz == bandwidthKilohertz
        }
        guard let match else { return nil }
        self = match
    }
}

/// A regulatory region of the radio plan. Tags are frozen.
public enum Region: UInt8, Canonical, CaseIterable, Sendable {
    case eu868 = 1
    case us915 = 2

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let value = Region(rawValue: try reader.integer()) else { throw .unknown }
        self = value
    }

    public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }

    public var name: String { self == .eu868 ? "EU868" : "US915" }

    public init?(name: String) {
        guard let match = Self.allCases.first(where: { $0.name == name.uppercased() }) else { return nil }
        self = match
    }
}

/// The first eight octets of a beacon payload's digest: names a beacon without giving it away.
public struct Tag: Canonical, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let value: UInt64

    public init(_ value: UInt64) { self.value = value }

    public init(from reader: inout ByteReader) throws(DecodeError) { value = try reader.integer() }

    public func encode(to writer: inout ByteWriter) { writer.integer(value) }

    public static func < (left: Tag, right: Tag) -> Bool { left.value < right.value }

    /// Sixteen hexadecimal digits, most significant first.
    public var description: String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    public init?(text: String) {
        guard text.utf8.count == 16, let value = UInt64(text, radix: 16) else { return nil }
        self.value = value
    }
}

/// What a receiver measured of one frame.
public struct Measurement: Canonical, Hashable, Sendable {
    /// Received signal strength in 0.1 dBm.
    public let rssi: Int16
    /// Signal-to-noise ratio in 0.1 dB.
    public let snr: Int16
    /// Centre frequency in Hz.
    public let frequency: UInt32
    public let dataRate: DataRate

    public init(rssi: Int16, snr: Int16, frequency: UInt32, dataRate: DataRate) {
        self.rssi = rssi
        self.snr = snr
        self.frequency = frequency
        self.dataRate = dataRate
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        rssi = try reader.integer()
        snr = try reader.integer()
        frequency = try reader.integer()
        dataRate = try DataRate(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(rssi)
        writer.integer(snr)
        writer.integer(frequency)
        dataRate.encode(to: &writer)
    }
}
