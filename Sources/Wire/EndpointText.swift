extension Endpoint {
    /// The longest text there is: eight groups, the last two as IPv4, brackets and port.
    public static let textByteCountMax = 54

    /// Reads `a.b.c.d:port` or `[v6]:port` (RFC 4291, without zones); nil for anything else, names too.
    public init?(text: String) {
        guard text.utf8.count <= Self.textByteCountMax else { return nil }
        guard let (host, port) = HostAndPort.split(Array(text.utf8)[...]), let port = HostAndPort.port(port)
        else { return nil }
        self.init(address: host, port: port)
    }

    /// Reads an address without its port; IPv6 stands in brackets.
    package init?(address text: ArraySlice<UInt8>, port: UInt16) {
        if text.first == UInt8(ascii: "[") {
            guard text.last == UInt8(ascii: "]"), text.count > 2 else { return nil }
            guard let groups = AddressText.groups(text.dropFirst().dropLast()) else { return nil }
            func word(_ groups: ArraySlice<UInt16>) -> UInt64 { groups.reduce(0) { $0 << 16 | UInt64($1) } }
            self.init(high: word(groups[..<4]), low: word(groups[4...]), port: port)
        } else {
            guard let address = AddressText.ipv4(text) else { return nil }
            self.init(ipv4: address, port: port)
        }
    }
}

/// `host:port` taken apart.
package enum HostAndPort {
    /// At the last colon, unless it belongs to a bracket that is still open.
    package static func split(_ text: ArraySlice<UInt8>) -> (
        host: ArraySlice<UInt8>, port: ArraySlice<UInt8>
    )? {
        guard let colon = text.lastIndex(of: UInt8(ascii: ":")) else { return nil }
        if text.first == UInt8(ascii: "[") {
            guard colon > text.startIndex, text[colon - 1] == UInt8(ascii: "]") else { return nil }
        }
        return (text[..<colon], text[(colon + 1)...])
    }

    package static func port(_ text: ArraySlice<UInt8>) -> UInt16? {
        AddressText.decimal(text, max: 65_535).map(UInt16.init)
    }
}

/// Numeric addresses as text.
enum AddressText {
    /// A decimal number without sign or leading zeros, which some readers would take for octal.
    static func decimal(_ text: ArraySlice<UInt8>, max: Int) -> Int? {
        guard (1...5).contains(text.count), text.count == 1 || text.first != UInt8(ascii: "0") else {
            return nil
        }
        var value = 0
        for digit in text {
            guard (0x30...0x39).contains(digit) else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return value <= max ? value : nil
    }

    static func ipv4(_ text: ArraySlice<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard let value = decimal(part, max: 255) else { return nil }
            address = address << 8 | UInt32(value)
        }
        return address
    }

    /// The eight groups of an IPv6 address, with `::` and a dotted tail where they may stand.
    static func groups(_ text: ArraySlice<UInt8>) -> [UInt16]? {
        guard let gap = doubleColon(in: text) else {
            guard let all = plainGroups(text), all.count == 8 else { return nil }
            return all
        }
        let before = text[..<gap]
        let after = text[(gap + 2)...]
        guard doubleColon(in: text[(gap + 1)...]) == nil else { return nil }
        guard let head = before.isEmpty ? [] : plainGroups(before, mayEndDotted: false),
            let tail = after.isEmpty ? [] : plainGroups(after), head.count + tail.count <= 7
        else { return nil }
        return head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
    }

    private static func doubleColon(in text: ArraySlice<UInt8>) -> Int? {
        text.indices.dropLast().first { text[$0] == UInt8(ascii: ":") && text[$0 + 1] == UInt8(ascii: ":") }
    }

    private static func plainGroups(_ text: ArraySlice<UInt8>, mayEndDotted: Bool = true) -> [UInt16]? {
        let parts = text.split(separator: UInt8(ascii: ":"), maxSplits: 8, omittingEmptySubsequences: false)
        guard parts.count <= 8 else { return nil }
        var groups: [UInt16] = []
        for (place, part) in parts.enumerated() {
            if mayEndDotted, place == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let address = ipv4(part) else { return nil }
                groups += [UInt16(address >> 16), UInt16(truncatingIfNeeded: address)]
            } else {
                guard (1...4).contains(part.count), let group = hexadecimal(part) else { return nil }
                groups.append(group)
            }
        }
        return groups.count <= 8 ? groups : nil
    }

    private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt16? {
        var value: UInt16 = 0
        for digit in text {
            switch digit {
            case 0x30...0x39: value = value << 4 | UInt16(digit - 0x30)
            case 0x61...0x66: value = value << 4 | UInt16(digit - 0x61 + 10)
            case 0x41...0x46: value = value << 4 | UInt16(digit - 0x41 + 10)
            default: return nil
            }
        }
        return value
    }
}
