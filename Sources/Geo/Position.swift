public import Bytes

/// A place on the Earth, in ten-millionths of a degree: steps of at most 11 mm.
///
/// At the poles and on the antimeridian one place has several positions; they are 0 m apart.
public struct Position: Hashable, Sendable {
    /// Ten-millionths of a degree, north positive, within ±90°.
    public let latitude: Int32
    /// Ten-millionths of a degree, east positive, within ±180°.
    public let longitude: Int32

    /// Ten-millionths in a degree.
    public static let unitsPerDegree: Int32 = 10_000_000
    public static let latitudeMax: Int32 = 90 * unitsPerDegree
    public static let longitudeMax: Int32 = 180 * unitsPerDegree

    /// Nil outside ±90° and ±180°.
    public init?(latitude: Int32, longitude: Int32) {
        guard -Self.latitudeMax...Self.latitudeMax ~= latitude else { return nil }
        guard -Self.longitudeMax...Self.longitudeMax ~= longitude else { return nil }
        self.latitude = latitude
        self.longitude = longitude
    }
}

extension Position: Canonical {
    /// Latitude, then longitude.
    public init(from reader: inout ByteReader) throws(DecodeError) {
        let latitude = try reader.integer(Int32.self)
        let longitude = try reader.integer(Int32.self)
        guard let position = Position(latitude: latitude, longitude: longitude) else { throw .unknown }
        self = position
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(latitude)
        writer.integer(longitude)
    }
}

extension Position: LosslessStringConvertible {
    /// Decimal degrees, latitude first: `51.5123155,-0.2919066`.
    public var description: String { "\(Self.degrees(latitude)),\(Self.degrees(longitude))" }

    /// Reads decimal degrees, latitude first, with at most seven decimals; nil for anything else.
    public init?(_ description: String) {
        let parts = description.split(separator: ",", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        guard let latitude = Self.units(parts[0]), let longitude = Self.units(parts[1]) else { return nil }
        self.init(latitude: latitude, longitude: longitude)
    }

    private static func degrees(_ units: Int32) -> String {
        let (whole, rest) = units.magnitude.quotientAndRemainder(dividingBy: unitsPerDegree.magnitude)
        let decimals = String(rest)
        let zeros = String(repeating: "0", count: 7 - decimals.count)
        return "\(units < 0 ? "-" : "")\(whole).\(zeros)\(decimals)"
    }

    private static func units(_ text: Substring) -> Int32? {
        let negative = text.first == "-"
        let parts = text.dropFirst(negative ? 1 : 0)
            .split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
        let decimals = parts.count == 2 ? parts[1] : "0"
        guard 1...2 ~= parts.count, 1...3 ~= parts[0].count, 1...7 ~= decimals.count else { return nil }
        let digits = parts[0] + decimals + String(repeating: "0", count: 7 - decimals.count)
        guard digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }) else { return nil }
        // At most ten digits.
        guard let units = Int64(digits) else { return nil }
        return Int32(exactly: negative ? -units : units)
    }
}
