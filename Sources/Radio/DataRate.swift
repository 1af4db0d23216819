/// A LoRa data rate: what decides how far, and how long, a packet is on the air.
public struct DataRate: Hashable, Sendable, CustomStringConvertible {
    /// 7…12.
    public let spreadingFactor: Int
    /// 125, 250 or 500.
    public let bandwidthKHz: Int

    /// Nil for what no region's plan uses.
    public init?(spreadingFactor: Int, bandwidthKHz: Int) {
        guard (7...12).contains(spreadingFactor), [125, 250, 500].contains(bandwidthKHz) else { return nil }
        self.spreadingFactor = spreadingFactor
        self.bandwidthKHz = bandwidthKHz
    }

    /// Reads the form of the packet forwarder, `SF7BW125`, and no other spelling of it.
    public init?(_ text: String) {
        let text = Array(text.utf8)
        guard text.count <= 9, text.starts(with: "SF".utf8) else { return nil }
        guard let split = text.firstIndex(of: UInt8(ascii: "B")) else { return nil }
        guard text[split...].starts(with: "BW".utf8) else { return nil }
        guard let factor = Self.number(text[2..<split]), let width = Self.number(text[(split + 2)...]) else {
            return nil
        }
        self.init(spreadingFactor: factor, bandwidthKHz: width)
    }

    public var description: String { "SF\(spreadingFactor)BW\(bandwidthKHz)" }

    /// Every data rate there is, slowest modulation last in each bandwidth.
    public static let all: [DataRate] = [125, 250, 500].flatMap { width in
        (7...12).map { DataRate(spreadingFactor: $0, bandwidthKHz: width)! }
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...3).contains(digits.count), digits.first != UInt8(ascii: "0") else { return nil }
        var value = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int(digit - UInt8(ascii: "0"))
        }
        return value
    }
}

/// How many code bits carry four bits of payload.
public enum CodingRate: Int, CaseIterable, Sendable {
    case fourFifths = 5
    case fourSixths = 6
    case fourSevenths = 7
    case fourEighths = 8

    /// `4/5` and its like; `2/3` and `1/2` are what some forwarders write for `4/6` and `4/8`.
    init?(_ text: String) {
        switch text {
        case "4/5": self = .fourFifths
        case "4/6", "2/3": self = .fourSixths
        case "4/7": self = .fourSevenths
        case "4/8", "1/2": self = .fourEighths
        default: return nil
        }
    }

    var text: String { "4/\(rawValue)" }
}

extension DataRate {
    /// How long one packet with an explicit header is on the air, rounded up to the microsecond.
    ///
    /// Semtech AN1200.13, "LoRa Modem Designer's Guide", section 4: the preamble and 4.25 symbols, then eight
    /// symbols and as many code blocks as payload, header and checksum need. Low data rate optimisation is on
    /// where a symbol lasts longer than 16 ms, as the concentrator's driver sets it.
    public func timeOnAir(
        byteCount: Int, codingRate: CodingRate = .fourFifths, preambleSymbols: Int = 8, checksum: Bool = true
    ) -> Duration {
        precondition(0 <= byteCount && byteCount <= 255 && 0 <= preambleSymbols && preambleSymbols <= 65_535)
        // 2^SF chips at one chip per hertz; 2^12 / 125 kHz = 32.768 ms, so quarter symbols are whole
        // nanoseconds.
        let symbolNanoseconds = (1 << spreadingFactor) * 1_000_000 / bandwidthKHz
        let slow = symbolNanoseconds > 16_000_000
        let bits = 8 * byteCount - 4 * spreadingFactor + 28 + (checksum ? 16 : 0)
        let bitsPerBlock = 4 * (spreadingFactor - (slow ? 2 : 0))
        let blocks = bits > 0 ? (bits + bitsPerBlock - 1) / bitsPerBlock : 0
        let quarterSymbols = 4 * (preambleSymbols + 8 + blocks * codingRate.rawValue) + 17
        let nanoseconds = quarterSymbols * symbolNanoseconds / 4
        return .microseconds((nanoseconds + 999) / 1000)
    }
}
