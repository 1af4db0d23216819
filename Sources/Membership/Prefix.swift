internal import Rules
public import Wire

/// What one operator can be expected to hold as a whole: an IPv4 /24 or an IPv6 /48.
///
/// Keys cost nothing and addresses little, but addresses in many prefixes cost something: so views are bounded
/// by prefix (as in Bitcoin's address manager; Heilman et al., "Eclipse attacks on Bitcoin's peer-to-peer
/// network", USENIX Security 2015).
public struct Prefix: Hashable, Comparable, Sendable {
    /// A number of its own.
    public let value: UInt64

    /// Of all who name no place by which they could be bounded: together they have the share of one prefix.
    static let ofNoPlace = Prefix(value: 0xFFFE << 48)

    private init(value: UInt64) { self.value = value }

    public init(_ endpoint: Endpoint) {
        // A /48 leaves the upper 16 bits empty.
        value = endpoint.ipv4.map { 0xFFFF << 48 | UInt64($0 >> 8) } ?? endpoint.high >> 16
    }

    public static func < (left: Prefix, right: Prefix) -> Bool { left.value < right.value }
}

/// A range of addresses in which prefixes are not limited: a testnet's, or a laboratory's.
public struct AddressRange: Hashable, Sendable {
    private let high: UInt64
    private let low: UInt64
    private let highMask: UInt64
    private let lowMask: UInt64

    /// - Parameter bits: Of an IPv6 address that are the range's, 0 to 128; an IPv4 range has 96 more than its own.
    public init(_ endpoint: Endpoint, bits: Int) {
        precondition(0 <= bits && bits <= 128)
        highMask = bits == 0 ? 0 : UInt64.max << UInt64(max(0, 64 - bits))
        lowMask = bits <= 64 ? 0 : UInt64.max << UInt64(128 - bits)
        high = endpoint.high & highMask
        low = endpoint.low & lowMask
    }

    public func contains(_ endpoint: Endpoint) -> Bool {
        endpoint.high & highMask == high && endpoint.low & lowMask == low
    }
}

extension Membership.Settings {
    /// Nil where nothing is limited.
    public func prefix(of endpoint: Endpoint?) -> Prefix? {
        guard limitsPrefixes, !isRemoved(.prefixLimits), let endpoint, !endpoint.isLoopback,
            !exemptRanges.contains(where: { $0.contains(endpoint) })
        else { return nil }
        return Prefix(endpoint)
    }

    /// Each once. A card that names a foreign place first and its true one second hides nothing by it.
    func prefixes(of contact: Contact) -> [Prefix] {
        var prefixes: [Prefix] = []
        for place in contact.homes {
            if let prefix = prefix(of: place), !prefixes.contains(prefix) { prefixes.append(prefix) }
        }
        return prefixes
    }
}
