internal import Glibc
public import Wire

/// A plain UDP socket for tools that ask one question and wait for one answer.
public final class DatagramSocket {
    private let descriptor: Int32

    /// Binds to an address; port 0 lets the system choose.
    public init(boundTo endpoint: Endpoint) throws(RuntimeError) {
        let family = endpoint.ipv4 != nil ? AF_INET : AF_INET6
        descriptor = socket(family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw RuntimeError("the system gives no socket: error \(errno)") }
        let status = unsafe Self.withAddress(endpoint) { unsafe bind(descriptor, $0, $1) }
        guard status == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw RuntimeError("cannot bind \(endpoint): \(unsafe String(cString: strerror(code)))")
        }
    }

    public func close() { Glibc.close(descriptor) }

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

    private static func withAddress(
        _ endpoint: Endpoint, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        if let ipv4 = endpoint.ipv4 {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = endpoint.port.bigEndian
            address.sin_addr.s_addr = ipv4.bigEndian
            return unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        var address = sockaddr_in6()
        address.sin6_family = sa_family_t(AF_INET6)
        address.sin6_port = endpoint.port.bigEndian
        unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { bytes in
            for index in 0..<8 {
                unsafe bytes[index] = UInt8(truncatingIfNeeded: endpoint.high >> UInt64(56 - 8 * index))
                unsafe bytes[8 + index] = UInt8(truncatingIfNeeded: endpoint.low >> UInt64(56 - 8 * index))
            }
        }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe body($0, socklen_t(MemoryLayout<sockaddr_in6>.size))
            }
        }
    }
}
