/// Base64 (RFC 4648) as packet forwarders write it: padded or not, in either alphabet.
///
/// Forwarders differ, and so do the examples in the protocol's own text: some leave out the padding, some
/// write `-` and `_`, some leave bits in the last digit. The reader takes them all; the writer pads.
enum Base64 {
    static func text(_ octets: [UInt8]) -> String {
        let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        text.reserveCapacity((octets.count + 2) / 3 * 4)
        for start in stride(from: 0, to: octets.count, by: 3) {
            let count = min(3, octets.count - start)
            var group = UInt32(octets[start]) << 16
            if count > 1 { group |= UInt32(octets[start + 1]) << 8 }
            if count > 2 { group |= UInt32(octets[start + 2]) }
            for place in 0..<4 {
                let digit = digits[Int(group >> UInt32(18 - 6 * place)) & 63]
                text.append(place <= count ? digit : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil unless `text` is Base64 of at most `max` octets.
    static func octets(_ text: String, max: Int) -> [UInt8]? {
        guard text.utf8.count <= (max + 2) / 3 * 4 else { return nil }
        var digits = Array(text.utf8)
        var padding = 0
        while digits.last == UInt8(ascii: "="), padding < 2 {
            digits.removeLast()
            padding += 1
        }
        guard digits.count % 4 != 1, padding == 0 || (digits.count + padding).isMultiple(of: 4) else {
            return nil
        }
        var octets: [UInt8] = []
        octets.reserveCapacity(digits.count * 3 / 4)
        var bits: UInt32 = 0
        var bitCount = 0
        for digit in digits {
            guard let value = value(of: digit) else { return nil }
            bits = bits << 6 | UInt32(value)
            bitCount += 6
            if bitCount >= 8 {
                bitCount -= 8
                octets.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
            }
        }
        return octets.count <= max ? octets : nil
    }

    private static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "+"), UInt8(ascii: "-"): 62
        case UInt8(ascii: "/"), UInt8(ascii: "_"): 63
        default: nil
        }
    }
}
