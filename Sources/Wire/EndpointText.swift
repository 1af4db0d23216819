extension Endpoint {
    /// Reads `a.b.c.d:port` or `[v6]:port`, the form that `description` writes and the short forms of IPv6; nil for
    /// anything else, names among them.
    public init?(text: String) {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        guard let port = UInt16(text[text.index(after: colon)...]), port > 0 else { return nil }
        let host = text[..<colon]
        if host.first == "[", host.last == "]" {
            guard let (high, low) = Self.ipv6(host.dropFirst().dropLast()) else { return nil }
            self.init(high: high, low: low, port: port)
        } else {
            guard let address = Self.ipv4(host) else { return nil }
            self.init(ipv4: address, port: port)
        }
    }

    private static func ipv4(_ text: Substring) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            // A leading zero reads as octal elsewhere: refused rather than guessed.
            guard part.utf8.count <= 3, part == "0" || part.first != "0", part.allSatisfy(\.isASCII),
                let octet = UInt8(part)
            else { return nil }
            address = address << 8 | UInt32(octet)
        }
        return address
    }

    private static func ipv6(_ text: Substring) -> (UInt64, UInt64)? {
        var head: [UInt16] = []
        var tail: [UInt16] = []
        if let gap = text.range(of: "::") {
            guard let before = groups(text[..<gap.lowerBound]), let after = groups(text[gap.upperBound...]),
                before.count + after.count < 8
            else { return nil }
            (head, tail) = (before, after)
        } else {
            guard let all = groups(text), all.count == 8 else { return nil }
            head = all
        }
        let words = head + [UInt16](repeating: 0, count: 8 - head.count - tail.count) + tail
        func join(_ part: ArraySlice<UInt16>) -> UInt64 { part.reduce(0) { $0 << 16 | UInt64($1) } }
        return (join(words[..<4]), join(words[4...]))
    }

    private static func groups(_ text: Substring) -> [UInt16]? {
        if text.isEmpty { return [] }
        var groups: [UInt16] = []
        for part in text.split(separator: ":", omittingEmptySubsequences: false) {
            guard (1...4).contains(part.utf8.count), part.first != "+", let group = UInt16(part, radix: 16) else {
                return nil
            }
            groups.append(group)
        }
        return groups
    }
}

extension Substring {
    /// The first place of `pattern`, without Foundation.
    fileprivate func range(of pattern: String) -> Range<Index>? {
        var place = startIndex
        while place < endIndex {
            if self[place...].hasPrefix(pattern) { return place..<index(place, offsetBy: pattern.count) }
            place = index(after: place)
        }
        return nil
    }
}
