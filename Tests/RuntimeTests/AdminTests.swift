import Foundation
import Identity
import NIOCore
import NIOPosix
import Records
import TestKit
import Testing
import Wire

@testable import Runtime

/// The admin port by real connections; nothing here hangs on how long anything takes.
@Suite(.serialized) struct AdminTests {
    /// Of a moment to come, so that it is not silent however slowly the test runs.
    private func status(_ change: (inout LiveStatus) -> Void = { _ in }) -> LiveStatus {
        var status = LiveStatus(
            node: NodeID(testing: 1), endpoint: .loopback(port: 4), roles: .validator,
            startedAt: Driver.wallTime - 1_000, updatedAt: Driver.wallTime + 3_600_000)
        status.openEpoch = 8
        status.waitsFor = "votes"
        change(&status)
        return status
    }

    /// Runs `body` beside a server with this board.
    private func withServer(
        _ board: StatusBoard, patience: TimeAmount = .seconds(60),
        _ body: (UInt16) throws -> Void
    ) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await AdminServer.start(
            at: .loopback(port: 0), board: board, network: "here", on: group.next(), patience: patience)
        #expect(server.endpoint.port != 0 && server.endpoint.isLoopback)
        // Its calls block this thread; the server has one of its own.
        let result = Result { try body(server.endpoint.port) }
        await server.stop()
        try await group.shutdownGracefully()
        try result.get()
    }

    private func posted(_ change: (inout LiveStatus) -> Void = { _ in }) -> StatusBoard {
        let board = StatusBoard()
        board.post(status(change))
        return board
    }

    @Test func `answers its three paths, and no other`() async throws {
        try await withServer(posted()) { port throws in
            let metrics = try RawClient.get("/metrics", port: port)
            #expect(metrics.code == 200)
            #expect(
                metrics.headers["content-type"]
                    == "application/openmetrics-text; version=1.0.0; charset=utf-8")
            #expect(try Exposition(metrics.body).samples["earshot_last_final_epoch"] == 7)

            let health = try RawClient.get("/health?verbose=1", port: port)
            #expect(health.code == 200)
            #expect(health.headers["content-type"] == "application/json")
            #expect(
                try JSONDecoder().decode(AdminPages.HealthReport.self, from: Data(health.body.utf8)).isHealthy
            )

            let status = try RawClient.get("/status", port: port)
            let report = try JSONDecoder().decode(StatusReport.self, from: Data(status.body.utf8))
            #expect(report.openEpoch == 8 && report.waitsFor == "votes" && report.network == "here")

            for path in ["/", "/metrics/", "/Metrics", "//health", "/../status"] {
                #expect(try RawClient.get(path, port: port).code == 404)
            }
        }
    }

    @Test func `tells how many peers are good for what, and the lowest score`() async throws {
        let board = posted { status in
            status.contacts = LiveStatus.Standing.allCases.enumerated().map { place, standing in
                let link = LiveStatus.Link(
                    isOutbound: true, since: 1, heardAt: 1, roundTripMicroseconds: nil, liveness: .alive)
                var contact = LiveStatus.Contact(
                    node: NodeID(testing: UInt64(place)), endpoint: nil, link: link)
                contact.score = -Int32(place * 30)
                contact.standing = standing
                return contact
            }
            // In the passive view: no peer.
            status.contacts.append(LiveStatus.Contact(node: NodeID(testing: 9), endpoint: nil))
        }
        try await withServer(board) { port throws in
            let samples = try Exposition(RawClient.get("/metrics", port: port).body).samples
            for standing in LiveStatus.Standing.allCases {
                #expect(samples["earshot_peers_by_standing{standing=\"\(standing)\"}"] == 1)
            }
            #expect(samples["earshot_peer_score_least"] == -90)
            let status = try RawClient.get("/status", port: port)
            let report = try JSONDecoder().decode(StatusReport.self, from: Data(status.body.utf8))
            #expect(report.peers.map(\.score) == [0, -30, -60, -90, 0])
            #expect(report.peers.map(\.standing) == ["good", "noGossip", "noPublish", "ignored", "good"])
        }
    }

    @Test func `answers HEAD as GET without a body, and no other method`() async throws {
        try await withServer(posted()) { port throws in
            for path in ["/metrics", "/health", "/status"] {
                let head = try RawClient.get(path, port: port, method: "HEAD")
                #expect(head.code == 200 && head.body.isEmpty)
                #expect(try #require(Int(head.headers["content-length"] ?? "")) > 10)
                for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
                    let refused = try RawClient.get(path, port: port, method: method)
                    #expect(refused.code == 405 && refused.headers["allow"] == "GET, HEAD")
                }
            }
            #expect(try RawClient.get("/nothing", port: port, method: "POST").code == 404)
        }
    }

    @Test func `keeps a connection open for the next question`() async throws {
        try await withServer(posted()) { port throws in
            let client = try RawClient(port: port)
            for _ in 0..<3 {
                client.send("GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                #expect(try client.answer().code == 200)
            }
            client.send("GET /health HTTP/1.0\r\n\r\n")
            #expect(client.receiveAll()?.hasPrefix("HTTP/1.1 200") == true)
        }
    }

    @Test func `refuses who asks for another host, as a browser led astray does`() async throws {
        try await withServer(posted()) { port throws in
            for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80"] {
                #expect(try RawClient.get("/status", port: port, host: host).code == 421)
            }
            for host in ["localhost", "127.0.0.1", "localhost:\(port)", "[::1]:\(port)", "192.0.2.7"] {
                #expect(try RawClient.get("/status", port: port, host: host).code == 200)
            }
        }
    }

    @Test func `says 503 and why of a node that is ill, silent, stopped or only starting`() async throws {
        let board = StatusBoard()
        let (halted, old) = (status { $0.isHalted = true }, status { $0.updatedAt -= 3_660_000 })
        let (stalled, stopped) = (
            status { $0.millisecondsSinceFinal = 60_000 }, status { $0.hasStopped = true }
        )
        let healthy = status()
        try await withServer(board) { port throws in
            for path in AdminPages.paths { #expect(try RawClient.get(path, port: port).code == 503) }
            let cases = [(halted, "halted"), (old, "silent"), (stalled, "stalled"), (stopped, "stopped")]
            for (ill, name) in cases {
                board.post(ill)
                let health = try RawClient.get("/health", port: port)
                let report = try JSONDecoder().decode(
                    AdminPages.HealthReport.self, from: Data(health.body.utf8))
                #expect(health.code == 503 && report.faults.map(\.name) == [name])
                #expect(
                    try Exposition(RawClient.get("/metrics", port: port).body).samples["earshot_healthy"] == 0
                )
                // What is known is still told.
                #expect(try RawClient.get("/status", port: port).code == 200)
            }
            board.post(healthy)
            #expect(try RawClient.get("/health", port: port).code == 200)
        }
    }

    @Test func `cuts off requests that have no end, and garbage`() async throws {
        try await withServer(posted()) { port throws in
            let hostile = [
                "GET /" + String(repeating: "a", count: 20_000),
                "GET /metrics HTTP/1.1\r\n" + String(repeating: "X: y\r\n", count: 5_000),
                "POST /metrics HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n"
                    + String(repeating: "z", count: 20_000),
                "\u{16}\u{3}\u{1}\u{0}nonsense\r\n\r\n", "GET /metrics HTTP/9.9\r\n\r\n",
            ]
            for text in hostile {
                let client = try RawClient(port: port)
                client.send(text)
                let said = try #require(client.receiveAll(), "it waits for more: \(text.prefix(30))")
                #expect(!said.contains(" 200 "))
                #expect(try RawClient.get("/health", port: port).code == 200)
            }
        }
    }

    @Test func `ends with clients that say nothing, or drop by drop, or do not read`() async throws {
        try await withServer(posted(), patience: .milliseconds(300)) { port throws in
            let silent = try RawClient(port: port)
            #expect(silent.receiveAll() == "")
            let half = try RawClient(port: port)
            half.send("GET /metrics HTT")
            #expect(half.receiveAll() == "")
            // Drops put nothing off.
            let slow = try RawClient(port: port)
            var drops = 0
            while slow.send("G"), drops < RawClientLimits.drops { drops += 1 }
            #expect(slow.receiveAll()?.contains(" 200 ") == false)
        }
    }

    @Test func `lets nobody pile up answers`() async throws {
        let many = posted { status in
            status.contacts = (0..<100).map { LiveStatus.Contact(node: NodeID(testing: $0), endpoint: nil) }
        }
        try await withServer(many, patience: .milliseconds(500)) { port throws in
            let greedy = try RawClient(port: port)
            let question = "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n"
            // Sockets hold some megabytes; whoever asks for more without reading is let go.
            var asked = 0
            while asked < 20_000, greedy.send(question) { asked += 1 }
            let said = try #require(greedy.receiveAll())
            #expect(said.split(separator: "HTTP/1.1 200").count < asked)
            #expect(try RawClient.get("/health", port: port).code == 200)
        }
    }

    @Test func `has room for a newcomer however many connections are open`() async throws {
        try await withServer(posted()) { port throws in
            var idle: [RawClient] = []
            for _ in 0..<(3 * AdminServer.connectionsMax) {
                let client = try RawClient(port: port)
                // Once it has its answer, it is among the open ones.
                client.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
                #expect(try client.answer().code == 200)
                idle.append(client)
            }
            // The oldest gave way, the newest did not.
            #expect(idle[0].receiveAll() == "")
            let last = try #require(idle.last)
            last.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(try last.answer().code == 200)
        }
    }

    @Test func `says that its port is taken`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let board = posted()
        let server = try await AdminServer.start(
            at: .loopback(port: 0), board: board, network: "here", on: group.next())
        do {
            let second = try await AdminServer.start(
                at: server.endpoint, board: board, network: "here", on: group.next())
            Issue.record("two servers listen at \(second.endpoint)")
        } catch let error as RuntimeError {
            #expect(error.description.contains("\(server.endpoint) for admin"))
        }
        await server.stop()
        await #expect(throws: RuntimeError.self) {
            _ = try await AdminClient.get("/status", from: server.endpoint)
        }
        try await group.shutdownGracefully()
    }

    @Test func `answers the client of status`() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let server = try await AdminServer.start(
            at: .loopback(port: 0), board: posted(), network: "here", on: group.next())
        let (code, body) = try await AdminClient.get("/status", from: server.endpoint)
        #expect(code == 200)
        #expect(try JSONDecoder().decode(StatusReport.self, from: Data(body)).openEpoch == 8)
        #expect(try await AdminClient.get("/nothing", from: server.endpoint).code == 404)
        await server.stop()
        try await group.shutdownGracefully()
    }
}

private enum RawClientLimits {
    /// Beyond what a request may hold, so that the loop ends even if time does not.
    static let drops = 100_000
}
