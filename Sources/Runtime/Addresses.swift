internal import Glibc
internal import NIOCore
internal import Wire

/// What a socket reaches.
public enum AddressFamilies: String, Sendable {
    case ipv4 = "IPv4"
    case ipv6 = "IPv6"
    case both = "IPv4 and IPv6"

    /// Of a socket that is bound there; one of no particular IPv6 address is of both (`DatagramSocket.bound`).
    init(boundTo endpoint: Endpoint) {
        if endpoint.ipv4 != nil {
            self = .ipv4
        } else {
            self = endpoint.isUnspecified ? .both : .ipv6
        }
    }

    /// The first place that can be reached.
    func first(of places: [Endpoint]) -> Endpoint? {
        places.first { place in
            switch self {
            case .ipv4: place.ipv4 != nil
            case .ipv6: place.ipv4 == nil
            case .both: true
            }
        }
    }
}

extension Endpoint {
    /// Multicast (RFC 5771; RFC 4291, 2.7), or the broadcast to a whole network (RFC 919): no place of a node.
    var isOfMany: Bool {
        if let ipv4 { return ipv4 >> 28 == 0xE || ipv4 == .max }
        return high >> 56 == 0xFF
    }

    /// All places of a host, the best by the system's own order (RFC 6724) first; none where it cannot be found.
    static func places(of host: String, port: UInt16) -> [Endpoint] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_family = AF_UNSPEC
        unsafe hints.ai_socktype = Int32(SOCK_DGRAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(host, String(port), &hints, &list) == 0 else { return [] }
        defer { unsafe freeaddrinfo(list) }
        var places: [Endpoint] = []
        var next = unsafe list
        while let entry = unsafe next {
            if let address = unsafe entry.pointee.ai_addr {
                let octets = unsafe UnsafeRawBufferPointer(
                    start: address, count: Int(entry.pointee.ai_addrlen))
                places.append(DatagramSocket.endpoint(unsafe Array(octets)))
            }
            unsafe next = entry.pointee.ai_next
        }
        return places
    }

    /// Of an address a datagram came from; nil for what is not IP.
    init?(_ address: SocketAddress) {
        // The layout of `sockaddr_in` and `sockaddr_in6` (netinet/in.h): port at 2, IPv4 at 4, IPv6 at 8.
        let octets = unsafe address.withSockAddr { start, count in
            unsafe Array(UnsafeRawBufferPointer(start: start, count: count))
        }
        func number(_ place: Int, _ count: Int) -> UInt64 {
            octets[place..<(place + count)].reduce(0) { $0 << 8 | UInt64($1) }
        }
        switch address.protocol {
        case .inet: self.init(ipv4: UInt32(number(4, 4)), port: UInt16(number(2, 2)))
        case .inet6: self.init(high: number(8, 8), low: number(16, 8), port: UInt16(number(2, 2)))
        default: return nil
        }
    }
}

extension SocketAddress {
    init(_ endpoint: Endpoint) {
        var packed = ByteBuffer()
        if let ipv4 = endpoint.ipv4 {
            packed.writeInteger(ipv4)
        } else {
            packed.writeInteger(endpoint.high)
            packed.writeInteger(endpoint.low)
        }
        // Four or sixteen octets are always an address.
        try! self.init(packedIPAddress: packed, port: Int(endpoint.port))
    }
}
