/// Why a text is not the Bech32m it should be; says what a person can look for.
public enum Bech32mError: Error, Hashable, Sendable, CustomStringConvertible {
    /// More than 90 characters.
    case tooLong
    case mixedCase
    /// A character that cannot stand there, at this octet of the text, counted from 0.
    case character(at: Int)
    /// No `1` between prefix and data.
    case noSeparator
    case emptyPrefix
    /// Another kind of name: carries the prefix that was expected.
    case wrongPrefix(expected: String)
    /// Fewer than the six characters of the checksum.
    case shortChecksum
    case checksum
    /// The data stands for another number of octets.
    case length(expected: Int)
    /// The bits that fill up the last character are not zero, or there is a character too many.
    case padding

    public var description: String {
        switch self {
        case .tooLong: "longer than \(Bech32m.characterCountMax) characters"
        case .mixedCase: "mixes upper and lower case"
        case .character(let index): "character \(index + 1) does not belong there"
        case .noSeparator: "has no '1' between its prefix and its data"
        case .emptyPrefix: "nothing stands before the '1'"
        case .wrongPrefix(let expected): "does not begin with '\(expected)1'"
        case .shortChecksum: "ends too early for a checksum"
        case .checksum: "the checksum does not match; a character is wrong, missing or too many"
        case .length(let expected): "does not stand for \(expected) octets"
        case .padding: "the last character of the data carries bits that mean nothing"
        }
    }
}

/// Bech32m (BIP-350): text for people to copy, that finds any four mistyped characters.
public enum Bech32m {
    /// BIP-173's limit, within which the checksum keeps its promise.
    public static let characterCountMax = 90

    private static let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
    private static let constant: UInt32 = 0x2BC8_30A3
    private static let checksumCount = 6

    /// The value of every ASCII character, or 255.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 128)
        for (value, character) in alphabet.enumerated() { values[Int(character)] = UInt8(value) }
        return values
    }()

    /// Encodes five-bit values under a lower-case prefix.
    public static func encode(prefix: String, values: [UInt8]) -> String {
        let prefix = Array(prefix.utf8)
        precondition(!prefix.isEmpty && prefix.allSatisfy { (33...126).contains($0) && !isUpper($0) })
        precondition(values.allSatisfy { $0 < 32 })
        precondition(prefix.count + 1 + values.count + checksumCount <= characterCountMax)
        let empty = [UInt8](repeating: 0, count: checksumCount)
        let sum = checksum(prefix: prefix, values: values + empty) ^ constant
        var text = prefix + [UInt8(ascii: "1")]
        for value in values { text.append(alphabet[Int(value)]) }
        for place in stride(from: 5 * (checksumCount - 1), through: 0, by: -5) {
            text.append(alphabet[Int((sum >> UInt32(place)) & 31)])
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The prefix, in lower case, and the five-bit values without the checksum.
    public static func decode(_ text: String) throws(Bech32mError) -> (prefix: String, values: [UInt8]) {
        guard text.utf8.count <= characterCountMax else { throw .tooLong }
        var text = Array(text.utf8)
        if let index = text.firstIndex(where: { !(33...126).contains($0) }) { throw .character(at: index) }
        if text.contains(where: isUpper) {
            guard !text.contains(where: isLower) else { throw .mixedCase }
            text = text.map { isUpper($0) ? $0 | 0x20 : $0 }
        }
        guard let separator = text.lastIndex(of: UInt8(ascii: "1")) else { throw .noSeparator }
        guard separator > 0 else { throw .emptyPrefix }
        let prefix = Array(text[..<separator])
        var values: [UInt8] = []
        for index in (separator + 1)..<text.count {
            let value = Self.values[Int(text[index])]
            guard value < 32 else { throw .character(at: index) }
            values.append(value)
        }
        guard values.count >= checksumCount else { throw .shortChecksum }
        guard checksum(prefix: prefix, values: values) == constant else { throw .checksum }
        return (String(decoding: prefix, as: UTF8.self), Array(values.dropLast(checksumCount)))
    }

    /// Octets as five-bit values, most significant bit first, filled up with zeros.
    public static func fives(_ octets: [UInt8]) -> [UInt8] {
        var fives: [UInt8] = []
        var pending: UInt32 = 0
        var bitCount: UInt32 = 0
        for octet in octets {
            pending = (pending << 8 | UInt32(octet)) & 0xFFF
            bitCount += 8
            while bitCount >= 5 {
                bitCount -= 5
                fives.append(UInt8((pending >> bitCount) & 31))
            }
        }
        if bitCount > 0 { fives.append(UInt8((pending << (5 - bitCount)) & 31)) }
        return fives
    }

    /// The inverse of `fives`; refuses what it would not have made.
    public static func octets(_ fives: [UInt8]) throws(Bech32mError) -> [UInt8] {
        var octets: [UInt8] = []
        var pending: UInt32 = 0
        var bitCount: UInt32 = 0
        for five in fives {
            pending = (pending << 5 | UInt32(five)) & 0xFFF
            bitCount += 5
            if bitCount >= 8 {
                bitCount -= 8
                octets.append(UInt8((pending >> bitCount) & 0xFF))
            }
        }
        guard bitCount < 5, pending & ((1 << bitCount) - 1) == 0 else { throw .padding }
        return octets
    }

    /// BIP-173's polynomial over the expanded prefix and the values.
    private static func checksum(prefix: [UInt8], values: [UInt8]) -> UInt32 {
        let generator: [UInt32] = [0x3B6A_57B2, 0x2650_8E6D, 0x1EA1_19FA, 0x3D42_33DD, 0x2A14_62B3]
        var sum: UInt32 = 1
        for value in prefix.map({ $0 >> 5 }) + [0] + prefix.map({ $0 & 31 }) + values {
            let top = sum >> 25
            sum = (sum & 0x1FF_FFFF) << 5 ^ UInt32(value)
            for bit in 0..<5 where (top >> UInt32(bit)) & 1 == 1 { sum ^= generator[bit] }
        }
        return sum
    }

    private static func isUpper(_ character: UInt8) -> Bool { (0x41...0x5A).contains(character) }
    private static func isLower(_ character: UInt8) -> Bool { (0x61...0x7A).contains(character) }
}

extension NodeID {
    public static let textPrefix = "ear"

    /// The name as people pass it on: `ear1…`, 62 characters.
    public var text: String {
        Bech32m.encode(prefix: Self.textPrefix, values: Bech32m.fives(octets))
    }

    /// Reads `ear1…`, in lower or in upper case.
    public init(text: String) throws(Bech32mError) {
        let (prefix, values) = try Bech32m.decode(text)
        guard prefix == Self.textPrefix else { throw .wrongPrefix(expected: Self.textPrefix) }
        let octets = try Bech32m.octets(values)
        guard let node = NodeID(octets: octets) else { throw .length(expected: Self.byteCount) }
        self = node
    }
}
