internal import Glibc
internal import NIOCore
internal import NIOPosix
internal import Wire

/// A UDP socket of a running node: NIO reads it, and what is sent does not pass through NIO.
///
/// NIO closes a channel for good when the system refuses a datagram for another reason than its size or an unreachable
/// host. But a refusal says nothing of the next datagram: a default route may be gone for a moment (ENETUNREACH), a firewall's
/// table be full (EPERM), a stranger may tell a place of a family that this socket has not (EAFNOSUPPORT), or send
/// from port 0, where nobody can be answered (EINVAL). Here what is refused is a lost datagram, and so is what finds the
/// system's buffer full.
final class NodeSocket: Sendable {
    /// What is received comes through here. Its end is the socket's.
    let channel: any Channel
    /// Where it listens: its port is never 0.
    let endpoint: Endpoint
    /// A duplicate of the channel's descriptor.
    private let descriptor: Int32

    private init(_ channel: any Channel, at endpoint: Endpoint, _ descriptor: Int32) {
        self.channel = channel
        self.endpoint = endpoint
        self.descriptor = descriptor
    }

    deinit { Glibc.close(descriptor) }

    /// Listens; port 0 takes one that is free.
    /// - Parameter name: What for, in words for an operator.
    /// - Parameter byteCountMax: The largest datagram that is of use.
    static func bind(
        _ endpoint: Endpoint, for name: String, byteCountMax: Int, on eventLoop: any EventLoop,
        _ receive: @escaping @Sendable ([UInt8], SocketAddress) -> Void
    ) async throws -> NodeSocket {
        let bound: Int32
        do throws(DatagramSocket.Refusal) {
            bound = try DatagramSocket.bound(to: endpoint, blocks: false)
        } catch {
            throw error.sentence(of: endpoint, for: name)
        }
        let descriptor = fcntl(bound, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else {
            Glibc.close(bound)
            throw RuntimeError("the system gives no more descriptors: error \(errno)")
        }
        do {
            // The channel owns the first descriptor from here on.
            let channel = try await DatagramBootstrap(group: eventLoop)
                .channelOption(.socketOption(.so_rcvbuf), value: 4 << 20)
                .channelOption(.datagramVectorReadMessageCount, value: 16)
                .channelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 16 * byteCountMax)
                )
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(DatagramReceiver(receive))
                    }
                }
                .withBoundSocket(bound).get()
            let place = channel.localAddress.flatMap { Endpoint($0) } ?? endpoint
            return NodeSocket(channel, at: place, descriptor)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    /// Whether the system took it.
    @discardableResult
    func send(_ bytes: [UInt8], to endpoint: Endpoint) -> Bool {
        let sent = unsafe DatagramSocket.withAddress(endpoint) { address, length in
            unsafe Int32(truncatingIfNeeded: sendto(descriptor, bytes, bytes.count, 0, address, length))
        }
        return sent >= 0
    }

    /// The same for an address that something came from.
    func send(_ bytes: [UInt8], to address: SocketAddress) {
        _ = unsafe address.withSockAddr { address, length in
            unsafe sendto(descriptor, bytes, bytes.count, 0, address, socklen_t(length))
        }
    }
}

/// Hands the bytes of each datagram on.
private final class DatagramReceiver: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let receive: @Sendable ([UInt8], SocketAddress) -> Void

    init(_ receive: @escaping @Sendable ([UInt8], SocketAddress) -> Void) {
        self.receive = receive
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        receive(Array(envelope.data.readableBytesView), envelope.remoteAddress)
    }

    /// An error of the socket (an unreachable peer, say) is not fatal: the next datagram may get through. One that is
    /// closes the channel.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
