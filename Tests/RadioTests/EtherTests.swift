import Chance
import NIOCore
import NIOPosix
import Radio
import Testing

/// A node's radio port: the machine under a real socket.
private final class RadioPort: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private var server: ForwarderServer<SocketAddress>
    private var beacon: TransmitPacket?
    private let heard: EventLoopPromise<RadioFrame>?

    init(gateway: GatewayEUI, beacon: TransmitPacket?, heard: EventLoopPromise<RadioFrame>?) {
        server = ForwarderServer(settings: .init(gateway: gateway), chance: Chance(seed: gateway.value))
        self.beacon = beacon
        self.heard = heard
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let envelope = unwrapInboundIn(data)
        let bytes = Array(envelope.data.readableBytesView)
        run(.datagram(from: envelope.remoteAddress, bytes), context)
        let now = Instant(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds))
        if let beacon, !server.reachableGateways(at: now).isEmpty {
            self.beacon = nil
            run(.transmit(beacon, id: 1), context)
        }
    }

    private func run(_ event: ForwarderServer<SocketAddress>.Event, _ context: ChannelHandlerContext) {
        let now = Instant(nanoseconds: Int64(NIODeadline.now().uptimeNanoseconds))
        for action in server.run(event, at: now) {
            switch action {
            case .send(let address, let bytes):
                let data = context.channel.allocator.buffer(bytes: bytes)
                context.channel.writeAndFlush(
                    AddressedEnvelope(remoteAddress: address, data: data), promise: nil)
            case .received(let frame): heard?.succeed(frame)
            case .transmitted: break
            }
        }
    }
}

private struct Late: Error {}

/// Where the first datagram comes from.
private final class Source: ChannelInboundHandler {
    typealias InboundIn = AddressedEnvelope<ByteBuffer>

    private let promise: EventLoopPromise<SocketAddress>

    init(_ promise: EventLoopPromise<SocketAddress>) { self.promise = promise }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        promise.succeed(unwrapInboundIn(data).remoteAddress)
    }
}

@Suite struct EtherTests {
    @Test func `a forwarder takes no port of an address that nodes listen at`() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let loop = group.next()
        let source = loop.makePromise(of: SocketAddress.self)
        let server = try await DatagramBootstrap(group: loop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Source(source))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let node = EtherConfig.Node(
            name: "n", eui: GatewayEUI(1).description, latitude: 0, longitude: 0,
            serverPort: try #require(server.localAddress?.port))
        let ether = try Ether(config: EtherConfig(seed: 3, nodes: [node]), group: group)
        try await ether.start()
        // From here on the loop does everything: how busy the threads of the tests are does not matter.
        let deadline = loop.scheduleTask(in: .seconds(60)) { source.fail(Late()) }
        #expect(try await source.futureResult.get().ipAddress == "127.0.0.2")
        deadline.cancel()
        await ether.stop()
        try await server.close()
    }

    @Test func `a node hears another through nothing but datagrams`() async throws {
        let group = MultiThreadedEventLoopGroup.singleton
        let loop = group.next()
        let heard = loop.makePromise(of: RadioFrame.self)
        let beacon = somePacket([0xE0, 1, 2, 3])
        var ports: [any Channel] = []
        for node in 0..<2 {
            let channel = try await DatagramBootstrap(group: loop)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(
                            RadioPort(
                                gateway: GatewayEUI(UInt64(node + 1)), beacon: node == 0 ? beacon : nil,
                                heard: node == 1 ? heard : nil))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            ports.append(channel)
        }
        var config = EtherConfig(
            seed: 3,
            nodes: try ports.enumerated().map { index, channel in
                EtherConfig.Node(
                    name: "n\(index)", eui: GatewayEUI(UInt64(index + 1)).description, latitude: 0,
                    longitude: Double(index) * 0.01, serverPort: try #require(channel.localAddress?.port))
            })
        config.keepaliveMilliseconds = 100
        config.airtimePermille = 1
        let ether = try Ether(config: config, group: group)
        try await ether.start()
        let deadline = loop.scheduleTask(in: .seconds(60)) { heard.fail(Late()) }
        let frame = try await heard.futureResult.get()
        deadline.cancel()
        #expect(frame.payload == beacon.payload && frame.gateway == GatewayEUI(2))
        let stats = await ether.stats()
        #expect(stats?.transmissions == 1 && stats?.receptions == 1)
        await ether.stop()
        await ether.stop()
        #expect(await ether.stats() == nil)
        for port in ports { try await port.close() }
    }
}
