internal import Glibc
public import Wire

/// A plain UDP socket for tools that ask one question and wait for one answer.
public final class DatagramSocket {
    private let descriptor: Int32

    /// Binds to an address; port 0 lets the system choose.
    public init(boundTo endpoint: Endpoint) throws(RuntimeError) {
        do throws(Refusal) {
            descriptor = try Self.bound(to: endpoint)
        } catch {
            throw RuntimeError("cannot bind \(endpoint): \(error)")
        }
    }

    /// Why the system gives no socket there.
    struct Refusal: Error, CustomStringConvertible {
        let errorNumber: Int32

        var description: String { unsafe String(cString: strerror(errorNumber)) }

        /// With what to do about it, where that is known.
        /// - Parameter name: What for, in words for an operator.
        /// - Parameter takenAdvice: What to do where the port is somebody's.
        func sentence(
            of endpoint: Endpoint, for name: String,
            takenAdvice: String = "is another node running there? Stop it or choose another port"
        ) -> RuntimeError {
            let advice: String? =
                switch errorNumber {
                case EADDRINUSE: takenAdvice
                case EADDRNOTAVAIL:
                    "no interface of this machine has that address (`ip address` lists them); name one that it has"
                case EACCES where endpoint.port < 1_024, EPERM where endpoint.port < 1_024:
                    "this user may not: ports below 1024 are the administrator's; choose a higher one"
                case EAFNOSUPPORT: "this machine has no \(endpoint.ipv4 == nil ? "IPv6" : "IPv4")"
                default: nil
                }
            return RuntimeError(
                "cannot listen on \(endpoint) for \(name): \(self)" + (advice.map { "; \($0)" } ?? ""))
        }
    }

    /// A descriptor bound to an address; of one in IPv6 that is no particular one, to both families, whatever the system's
    /// default is.
    static func bound(to endpoint: Endpoint, blocks: Bool = true) throws(Refusal) -> Int32 {
        let family = endpoint.ipv4 != nil ? AF_INET : AF_INET6
        let kind =
            Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
            | (blocks ? 0 : Int32(SOCK_NONBLOCK.rawValue))
        let descriptor = socket(family, kind, 0)
        guard descriptor >= 0 else { throw Refusal(errorNumber: errno) }
        if family == AF_INET6 {
            var no: Int32 = 0
            unsafe setsockopt(
                descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &no, socklen_t(MemoryLayout<Int32>.size))
        }
        let status = unsafe withAddress(endpoint) { unsafe bind(descriptor, $0, $1) }
        guard status == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw Refusal(errorNumber: code)
        }
        return descriptor
    }

    public func close() { Glibc.close(descriptor) }

    /// The port it is bound to; nil once it is closed.
    public var port: UInt16? {
        var address = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_in6>.size)
        var length = socklen_t(address.count)
        let status = unsafe address.withUnsafeMutableBytes { octets in
            unsafe octets.withMemoryRebound(to: sockaddr.self) { address in
                unsafe getsockname(descriptor, address.baseAddress!, &length)
            }
        }
        return status == 0 ? Self.endpoint(address).port : nil
    }

    public func send(_ bytes: [UInt8], to endpoint: Endpoint) {
        _ = unsafe Self.withAddress(endpoint) { address, length in
            unsafe Int32(truncatingIfNeeded: sendto(descriptor, bytes, bytes.count, 0, address, length))
        }
    }

    /// The next datagram within so many milliseconds; nil if none came.
    public func receive(milliseconds: Int32) -> [UInt8]? {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe Glibc.poll(&poll, 1, milliseconds) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 2_048)
        let count = unsafe recv(descriptor, &bytes, bytes.count, 0)
        return count >= 0 ? Array(bytes.prefix(count)) : nil
    }

    /// As `receive`, and from where it came.
    public func receiveFrom(milliseconds: Int32) -> (bytes: [UInt8], source: Endpoint)? {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe Glibc.poll(&poll, 1, milliseconds) == 1 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 2_048)
        var address = [UInt8](repeating: 0, count: MemoryLayout<sockaddr_in6>.size)
        var length = socklen_t(address.count)
        let count = unsafe address.withUnsafeMutableBytes { octets in
            unsafe octets.withMemoryRebound(to: sockaddr.self) { address in
                unsafe recvfrom(descriptor, &bytes, bytes.count, 0, address.baseAddress!, &length)
            }
        }
        guard count >= 0 else { return nil }
        return (Array(bytes.prefix(count)), Self.endpoint(address))
    }

    /// Of the octets of a `sockaddr_in` or `sockaddr_in6` (netinet/in.h): all but the family is big-endian.
    static func endpoint(_ octets: [UInt8]) -> Endpoint {
        func integer<Value: FixedWidthInteger>(_ range: Range<Int>) -> Value {
            octets[range].reduce(0) { $0 << 8 | Value($1) }
        }
        let port: UInt16 = integer(2..<4)
        guard octets[0] == UInt8(AF_INET) else {
            return Endpoint(high: integer(8..<16), low: integer(16..<24), port: port)
        }
        return Endpoint(ipv4: integer(4..<8), port: port)
    }

    /// Lends the address to C: the octets of a `sockaddr_in` or `sockaddr_in6` (netinet/in.h), the family in the machine's order,
    /// all else big-endian. Without an allocation, as it stands before every datagram.
    static func withAddress(
        _ endpoint: Endpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        unsafe withUnsafeTemporaryAllocation(byteCount: 28, alignment: 8) { octets in
            unsafe octets.initializeMemory(as: UInt8.self, repeating: 0)
            let isIPv4 = endpoint.ipv4 != nil
            unsafe octets.storeBytes(of: UInt16(isIPv4 ? AF_INET : AF_INET6), as: UInt16.self)
            unsafe octets.storeBytes(of: endpoint.port.bigEndian, toByteOffset: 2, as: UInt16.self)
            if let ipv4 = endpoint.ipv4 {
                unsafe octets.storeBytes(of: ipv4.bigEndian, toByteOffset: 4, as: UInt32.self)
            } else {
                unsafe octets.storeBytes(of: endpoint.high.bigEndian, toByteOffset: 8, as: UInt64.self)
                unsafe octets.storeBytes(of: endpoint.low.bigEndian, toByteOffset: 16, as: UInt64.self)
            }
            return unsafe octets.withMemoryRebound(to: sockaddr.self) { address in
                unsafe body(address.baseAddress!, isIPv4 ? 16 : 28)
            }
        }
    }
}
