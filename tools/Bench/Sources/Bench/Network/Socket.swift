internal import Baseline
internal import Chance
internal import Wire

/// A datagram socket of the loopback that does not block.
@safe final class Socket {
    /// As the runtime asks for.
    static let receiveBuffer: CInt = 4 << 20

    fileprivate let descriptor: CInt
    let endpoint: Endpoint
    private(set) var sentDatagrams = 0
    private(set) var sentOctets = 0
    /// Of both, what makes or renews sessions, or refuses to: all but data.
    private(set) var handshakeOctets = 0

    /// At a port that the system chooses.
    init(at ipv4: UInt32 = 0x7F00_0001) {
        descriptor = baseline_udp_open(ipv4, Self.receiveBuffer)
        precondition(descriptor >= 0, "the system gives no socket: `ulimit -n` may be too low")
        endpoint = Endpoint(ipv4: ipv4, port: baseline_udp_port(descriptor))
    }

    deinit { baseline_udp_close(descriptor) }

    /// What the system does not take is a lost datagram.
    func send(_ octets: [UInt8], to endpoint: Endpoint) {
        guard let ipv4 = endpoint.ipv4 else { return }
        sentDatagrams += 1
        sentOctets += octets.count
        if octets.first != 4 { handshakeOctets += octets.count }
        _ = unsafe octets.withUnsafeBufferPointer { octets in
            unsafe baseline_udp_send(
                descriptor, octets.baseAddress, octets.count, ipv4, endpoint.port)
        }
    }
}

/// Takes datagrams from sockets, up to 32 in a call of the system.
@safe final class Batch {
    private let batch: OpaquePointer

    init() { unsafe batch = baseline_batch_new() }

    deinit { unsafe baseline_batch_free(batch) }

    /// Hands over what waits, and how much that was.
    @discardableResult
    func receive(from socket: Socket, _ body: ([UInt8], Endpoint) -> Void) -> Int {
        let count = unsafe baseline_batch_receive(batch, socket.descriptor)
        for place in 0..<count {
            let it = unsafe baseline_batch_datagram(batch, place)
            let octets = unsafe Array(UnsafeBufferPointer(start: it.octets, count: it.count))
            body(octets, unsafe Endpoint(ipv4: it.ipv4, port: it.port))
        }
        return Int(count)
    }

    /// Takes what waits and looks at none of it: the least that receiving costs.
    func discard(from socket: Socket) -> Int { unsafe Int(baseline_batch_receive(batch, socket.descriptor)) }
}

/// Waits until one of many sockets has something.
final class Poll {
    private let descriptor = baseline_poll_open()
    private var tags = [UInt32](repeating: 0, count: 256)

    deinit { baseline_udp_close(descriptor) }

    func add(_ socket: Socket, tag: Int) {
        precondition(baseline_poll_add(descriptor, socket.descriptor, UInt32(tag)))
    }

    /// The tags of the sockets that have something; none if the time was over first.
    func wait(_ patience: Duration) -> [Int] {
        let count = unsafe baseline_poll_wait(
            descriptor, &tags, CInt(tags.count), max(0, patience.nanoseconds))
        return tags.prefix(Int(count)).map(Int.init)
    }
}

/// The machine's clock, as nodes are told of it.
enum Clock {
    static var now: Instant { Instant(nanoseconds: baseline_wall()) }
}
