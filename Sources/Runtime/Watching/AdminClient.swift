internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
public import Wire

/// Asks a node's admin port, as `earshot status` does.
public enum AdminClient {
    /// Far above any status: a node knows no more than a thousand others.
    static let answerByteCountMax = 4 << 20
    static let patience: TimeAmount = .seconds(5)

    /// The status code and body of one page.
    public static func get(_ path: String, from endpoint: Endpoint) async throws -> (code: Int, body: [UInt8])
    {
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        let answer = eventLoop.makePromise(of: (Int, ByteBuffer).self)
        let channel: any Channel
        do {
            channel = try await ClientBootstrap(group: eventLoop)
                .connectTimeout(patience)
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHTTPClientHandlers()
                        try pipeline.addHandler(Collector(answer))
                    }
                }
                .connect(to: SocketAddress(endpoint)).get()
        } catch {
            answer.fail(error)
            throw RuntimeError(
                "nobody answers at \(endpoint): is the node running, and is `admin` in its configuration?")
        }
        let deadline = eventLoop.scheduleTask(in: patience) { channel.close(promise: nil) }
        defer { deadline.cancel() }
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: path,
            headers: ["Host": "\(endpoint)", "Connection": "close"])
        channel.write(HTTPClientRequestPart.head(head), promise: nil)
        channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        do {
            let (code, body) = try await answer.futureResult.get()
            channel.close(promise: nil)
            return (code, Array(body.readableBytesView))
        } catch {
            throw RuntimeError("\(endpoint) took the question and did not answer it: is it an Earshot node?")
        }
    }

    private struct Unanswered: Error {}

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = HTTPClientResponsePart

        private let answer: EventLoopPromise<(Int, ByteBuffer)>
        private var code = 0
        private var body = ByteBuffer()

        init(_ answer: EventLoopPromise<(Int, ByteBuffer)>) { self.answer = answer }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head): code = Int(head.status.code)
            case .body(var part):
                guard body.readableBytes + part.readableBytes <= AdminClient.answerByteCountMax else {
                    return context.close(promise: nil)
                }
                body.writeBuffer(&part)
            case .end: answer.succeed((code, body))
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

        func channelInactive(context: ChannelHandlerContext) {
            // After an answer this changes nothing.
            answer.fail(Unanswered())
        }
    }
}
