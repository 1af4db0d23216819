internal import NIOCore
internal import Wire

extension Endpoint {
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
