internal import Chance
internal import Foundation
public import NIOCore
internal import NIOPosix

/// The ether as a service: one process that looks like one packet forwarder to each node of a testnet.
///
/// One socket for each forwarder, on the loopback network, all on one event loop; the machine below decides
/// everything. A node cannot tell it from real forwarders, because it speaks to it through nothing but
/// datagrams.
public final class Ether: Sendable {
    private let eventLoop: any EventLoop
    private let config: EtherConfig
    private let driver: NIOLoopBoundBox<Driver?>

    /// `group` stays the caller's to shut down, after `stop()`.
    public init(config: EtherConfig, group: any EventLoopGroup) throws(EtherConfigError) {
        try config.validate()
        self.config = config
        eventLoop = group.next()
        driver = NIOLoopBoundBox.makeEmptyBox(valueType: Driver.self, eventLoop: eventLoop)
    }

    /// Binds every socket and starts to emulate. Throws, with nothing left bound, if a socket cannot be
    /// bound.
    public func start() async throws {
        var channels: [any Channel] = []
        do {
            for node in config.nodes.indices { channels.append(try await bind(node)) }
        } catch {
            for channel in channels { try? await channel.close() }
            throw error
        }
        let bound = channels
        try await eventLoop.submit { [self] in
            precondition(driver.value == nil, "an ether starts once")
            let driver = Driver(config: config, channels: bound, eventLoop: eventLoop)
            self.driver.value = driver
            driver.advance(.woke)
        }.get()
    }

    /// Closes every socket; stopping twice, or before starting, does nothing.
    public func stop() async {
        let channels = try? await eventLoop.submit { [driver] in
            let channels = driver.value?.stop() ?? []
            driver.value = nil
            return channels
        }.get()
        for channel in channels ?? [] { try? await channel.close() }
    }

    /// Nil unless it runs.
    public func stats() async -> EtherStats? {
        try? await eventLoop.submit { [driver] in driver.value?.stats }.get()
    }

    /// Where forwarders send from: an address of the loopback network (RFC 1122, section 3.2.1.3) that no node listens at, so
    /// that a port that the system chooses here is never one that a node is about to take.
    static let address = "127.0.0.2"

    private func bind(_ node: Int) async throws -> any Channel {
        let port = config.nodes[node].serverPort
        return try await DatagramBootstrap(group: eventLoop)
            .channelInitializer { [driver] channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        Receiver(node: node, serverPort: port, driver: driver))
                }
            }
            .bind(host: Self.address, port: 0).get()
    }
}

/// Feeds the machine and carries out what it asks for; lives on one event loop.
private final class Driver {
    private var machine: EtherMachine
    private let channels: [any Channel]
    private let servers: [SocketAddress]
    private let eventLoop: any EventLoop
    private var timer: Scheduled<Void>?
    private var timerAt = Instant.never
    private var stopped = false

    init(config: EtherConfig, channels: [any Channel], eventLoop: any EventLoop) {
        eventLoop.preconditionInEventLoop()
        self.channels = channels
        self.eventLoop = eventLoop
        servers = config.nodes.map { node in
            // Cannot fail: an address literal and a validated port.
            try! SocketAddress(ipAddress: "127.0.0.1", port: node.serverPort)
        }
        let now = Self.now()
        let unixSeconds = Int64(Date().timeIntervalSince1970) - now.nanoseconds / 1_000_000_000
        machine = EtherMachine(config: config, unixSecondsAtOrigin: unixSeconds, now: now)
    }

    var stats: EtherStats { machine.stats }

    func advance(_ event: EtherMachine.Event) {
        guard !stopped else { return }
        var actions: [EtherMachine.Action] = []
        machine.handle(event, at: Self.now(), actions: &actions)
        for action in actions {
            switch action {
            case .send(let node, let bytes):
                let channel = channels[node]
                let envelope = AddressedEnvelope(
                    remoteAddress: servers[node], data: channel.allocator.buffer(bytes: bytes))
                // A datagram that cannot be sent is a datagram lost.
                channel.writeAndFlush(envelope, promise: nil)
            }
        }
        rearm()
    }

    /// Ends all activity; the channels are the caller's to close.
    func stop() -> [any Channel] {
        stopped = true
        timer?.cancel()
        timer = nil
        return channels
    }

    private func rearm() {
        let deadline = machine.deadline
        guard deadline != timerAt || timer == nil else { return }
        timer?.cancel()
        timer = nil
        timerAt = deadline
        guard deadline != .never else { return }
        // The timer keeps the driver alive until it fires or `stop` cancels it.
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        timer = eventLoop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, deadline.nanoseconds)))) {
            bound.value.timer = nil
            bound.value.advance(.woke)
        }
    }

    private static func now() -> Instant {
        Instant(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds))
    }
}

/// Hands one forwarder's datagrams to the driver: those of its server, as the original's connected socket
/// does.
private final class Receiver: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let node: Int
    private let serverPort: Int
    private let driver: NIOLoopBoundBox<Driver?>

    init(node: Int, serverPort: Int, driver: NIOLoopBoundBox<Driver?>) {
        self.node = node
        self.serverPort = serverPort
        self.driver = driver
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        guard envelope.remoteAddress.port == serverPort else { return }
        driver.value?.advance(.datagram(node: node, Array(envelope.data.readableBytesView)))
    }

    /// Errors of single datagrams, such as a port that nobody listens on, are losses and no reason to close.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}
