internal import Glibc
internal import Wire

/// A UDP socket that speaks to one place only: the system then says what comes back from there by ICMP.
final class ConnectedSocket {
    enum Input {
        case nothing
        case datagram([UInt8])
        case failed(Int32)
    }

    struct Failure: Error {
        let errorNumber: Int32
    }

    let descriptor: Int32

    init(to endpoint: Endpoint) throws(Failure) {
        let family = endpoint.ipv4 != nil ? AF_INET : AF_INET6
        descriptor = socket(
            family, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue),
            0)
        guard descriptor >= 0 else { throw Failure(errorNumber: errno) }
        let status = unsafe DatagramSocket.withAddress(endpoint) { unsafe connect(descriptor, $0, $1) }
        guard status == 0 else {
            let code = errno
            Glibc.close(descriptor)
            throw Failure(errorNumber: code)
        }
    }

    deinit { Glibc.close(descriptor) }

    /// Nil, or why it will not get there. A full buffer is a lost datagram, which is no failure.
    func send(_ octets: [UInt8]) -> Int32? {
        guard unsafe Glibc.send(descriptor, octets, octets.count, 0) < 0 else { return nil }
        return errno == EAGAIN || errno == ENOBUFS || errno == EINTR ? nil : errno
    }

    /// What is there now.
    func receive() -> Input {
        var octets = [UInt8](repeating: 0, count: 2_048)
        let count = unsafe recv(descriptor, &octets, octets.count, 0)
        if count >= 0 { return .datagram(Array(octets.prefix(count))) }
        return errno == EAGAIN || errno == EINTR ? .nothing : .failed(errno)
    }
}
