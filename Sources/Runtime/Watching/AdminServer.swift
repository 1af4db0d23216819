internal import Foundation
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Wire

/// `/metrics`, `/health` and `/status` on a loopback port.
///
/// It has an event loop, and so a thread, of its own, and reads nothing but the last snapshot: it answers while the
/// node waits, hangs or works at its limit, and whatever its clients do costs the node nothing. NIO's own HTTP
/// decoder suffices for three paths; a web framework would take longer to build than the node.
///
/// Bounded in every direction: `connectionsMax` at a time, of which the oldest gives way; `requestByteCountMax` for a
/// whole request; `patience` for a request to come, for an answer to be taken, and for the next request; one answer
/// in flight for each connection.
final class AdminServer: Sendable {
    /// A scraper, a probe, a person, and some that forgot to leave.
    static let connectionsMax = 16
    static let requestByteCountMax = 8_192
    static let patience: TimeAmount = .seconds(10)

    let endpoint: Endpoint
    private let channel: any Channel

    private init(_ channel: any Channel, _ endpoint: Endpoint) {
        self.channel = channel
        self.endpoint = endpoint
    }

    /// Listens; port 0 takes one that is free, which `endpoint` names.
    static func start(
        at endpoint: Endpoint, board: StatusBoard, network: String, on eventLoop: any EventLoop,
        patience: TimeAmount = AdminServer.patience
    ) async throws -> AdminServer {
        do {
            let shared = try await eventLoop.submit {
                NIOLoopBound(
                    AdminConnections(pages: AdminPages(board: board, network: network), patience: patience),
                    eventLoop: eventLoop)
            }.get()
            let channel = try await ServerBootstrap(group: eventLoop)
                .serverChannelOption(.backlog, value: Int32(connectionsMax))
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4_096)
                )
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try shared.value.admit(channel)
                    }
                }
                .bind(to: SocketAddress(endpoint)).get()
            guard let address = channel.localAddress, let bound = Endpoint(address) else {
                throw RuntimeError("the admin port has no address")
            }
            return AdminServer(channel, bound)
        } catch let error as IOError {
            throw DatagramSocket.Refusal(errorNumber: error.errnoCode).sentence(
                of: endpoint, for: "admin",
                takenAdvice: "is another program there? Choose another port, or 0 for one that is free")
        }
    }

    /// Open connections end with their event loop.
    func stop() async {
        try? await channel.close()
    }
}

/// The connections of one server; lives on its event loop.
final class AdminConnections {
    let pages: AdminPages
    let patience: TimeAmount
    /// The oldest first.
    private var open: [any Channel] = []

    init(pages: AdminPages, patience: TimeAmount) {
        self.pages = pages
        self.patience = patience
    }

    func admit(_ channel: any Channel) throws {
        // Whoever asked had time to: a newcomer is worth more than who has been silent for longest.
        if open.count >= AdminServer.connectionsMax { open.removeFirst().close(promise: nil) }
        open.append(channel)
        let connections = NIOLoopBound(self, eventLoop: channel.eventLoop)
        channel.closeFuture.whenComplete { _ in
            connections.value.open.removeAll { $0 === channel }
        }
        let guardian = RequestSizeGuard()
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(guardian)
        try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false)
        try pipeline.addHandler(AdminHandler(self, guardian))
    }
}

/// Closes a connection that sends more than a request may have; before anything is decoded.
final class RequestSizeGuard: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var byteCount = 0
    private var isOver = false

    func requestEnded() { byteCount = 0 }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver else { return }
        let buffer = unwrapInboundIn(data)
        byteCount += buffer.readableBytes
        guard byteCount > AdminServer.requestByteCountMax else { return context.fireChannelRead(data) }
        isOver = true
        let answer =
            "HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer)), promise: nil)
        context.close(promise: nil)
    }
}

/// One client.
final class AdminHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case waiting
        case reading(HTTPRequestHead)
        case answering
    }

    private let connections: AdminConnections
    private let guardian: RequestSizeGuard
    private var state = State.waiting
    private var deadline: Scheduled<Void>?

    init(_ connections: AdminConnections, _ guardian: RequestSizeGuard) {
        self.connections = connections
        self.guardian = guardian
    }

    func channelActive(context: ChannelHandlerContext) {
        arm(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        deadline?.cancel()
        deadline = nil
        context.fireChannelInactive()
    }

    /// A socket's error, or no HTTP; in the latter case the answer, 400, is on its way.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (unwrapInboundIn(data), state) {
        case (.head(let head), .waiting): state = .reading(head)
        case (.body, .reading): break
        case (.end, .reading(let head)):
            guardian.requestEnded()
            state = .answering
            answer(head, context)
        // It asks again before it took the last answer: answers would pile up here.
        default: context.close(promise: nil)
        }
    }

    private func answer(_ request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        arm(context)
        let response = response(to: request)
        var head = HTTPResponseHead(version: .http1_1, status: response.status, headers: response.headers)
        head.headers.add(name: "Content-Length", value: "\(response.body.readableBytes)")
        head.headers.add(name: "Cache-Control", value: "no-store")
        if !request.isKeepAlive { head.headers.add(name: "Connection", value: "close") }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            context.write(wrapOutboundOut(.body(.byteBuffer(response.body))), promise: nil)
        }
        let isLast = !request.isKeepAlive
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
            let (handler, context) = bound.value
            guard !isLast else { return context.close(promise: nil) }
            handler.state = .waiting
            handler.arm(context)
        }
    }

    private struct Response {
        var status: HTTPResponseStatus
        var headers: HTTPHeaders
        var body: ByteBuffer

        init(_ status: HTTPResponseStatus, _ contentType: String, _ body: ByteBuffer) {
            self.status = status
            headers = ["Content-Type": contentType]
            self.body = body
        }

        init(_ status: HTTPResponseStatus, _ text: String) {
            self.init(status, "text/plain; charset=utf-8", ByteBuffer(string: text + "\n"))
        }
    }

    private func response(to request: HTTPRequestHead) -> Response {
        // A web page may send a browser here under a name of its own; what it reads then is none of its business.
        guard request.headers["Host"].allSatisfy(Self.isPlainHost) else {
            return Response(.misdirectedRequest, "ask by address, or as localhost")
        }
        let path = request.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)[0]
        guard let page = connections.pages.page(String(path), at: Driver.wallTime) else {
            return Response(
                .notFound, "there is nothing here; there are \(AdminPages.paths.joined(separator: ", "))")
        }
        guard request.method == .GET || request.method == .HEAD else {
            var response = Response(.methodNotAllowed, "only GET and HEAD")
            response.headers.add(name: "Allow", value: "GET, HEAD")
            return response
        }
        return Response(HTTPResponseStatus(statusCode: page.code), page.contentType, page.body)
    }

    /// An address, or this machine's own name for itself.
    static func isPlainHost(_ host: String) -> Bool {
        let text = Array(host.utf8)[...]
        let name = HostAndPort.split(text)?.host ?? text
        return Endpoint(address: name, port: 0) != nil || String(decoding: name, as: UTF8.self) == "localhost"
    }

    /// Whatever is awaited of the client has to come in time.
    private func arm(_ context: ChannelHandlerContext) {
        deadline?.cancel()
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        deadline = context.eventLoop.scheduleTask(in: connections.patience) {
            bound.value.close(promise: nil)
        }
    }
}
