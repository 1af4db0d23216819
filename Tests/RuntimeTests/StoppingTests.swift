import Bytes
import Chance
import Foundation
import Identity
import Logging
import NIOCore
import NIOPosix
import Node
import Records
import Session
import Synchronization
import Testing
import Wire

@testable import Runtime

/// A driver with a node of its own, whose writer does nothing until it is told to.
private final class Stage {
    let folder: URL
    let store: NodeStore
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let writer = NIOThreadPool(numberOfThreads: 1)
    let workers = NIOThreadPool(numberOfThreads: 1)
    let board = StatusBoard()
    /// Hears what the node sends.
    let other: DatagramSocket
    let driver: NIOLoopBoundBox<Driver?>
    private let socket: NodeSocket
    private let disk = DispatchSemaphore(value: 0)
    private let log = Log()

    /// What the operator is told.
    final class Log: Sendable {
        private let lines = Mutex<[String]>([])

        var said: [String] { lines.withLock { $0 } }

        var logger: Logger {
            var logger = Logger(label: "a test") { label in
                JSONLog(label: label) { [self] line in
                    lines.withLock { $0.append(String(decoding: line, as: UTF8.self)) }
                }
            }
            logger.logLevel = .critical
            return logger
        }
    }

    var said: [String] { log.said }

    init() async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "stopping-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        store = try NodeStore(at: folder.path + "/data", readOnly: false)
        other = try DatagramSocket(boundTo: .loopback(port: 0))
        let loop = group.next()
        driver = NIOLoopBoundBox.makeEmptyBox(valueType: Driver.self, eventLoop: loop)
        socket = try await NodeSocket.bind(.loopback(port: 0), for: "a test", byteCountMax: 2_048, on: loop) {
            _, _ in
        }
        writer.start()
        workers.start()
        let disk = disk
        writer.submit { _ in disk.wait() }
        var options = TestnetPlan.Options()
        options.nodes = 2
        options.sensors = 0
        options.scenario = .honest
        let plan = try TestnetPlan(options)
        let peer = Destination(plan.members[1].id, .loopback(port: try #require(other.port)), opens: true)
        let (store, board, writer, workers, socket, driver) = (store, board, writer, workers, socket, driver)
        let logger = log.logger
        try await loop.submit {
            driver.value = try Self.driver(
                plan, saying: [1], to: peer, store: store, board: board, writer: writer, workers: workers,
                socket: socket, logger: logger, on: loop)
        }.get()
        while board.last == nil { try await loop.submit {}.get() }
    }

    deinit { other.close() }

    /// A node that writes, and has something to say that must not be said before it has written.
    private static func driver(
        _ plan: TestnetPlan, saying payload: [UInt8], to peer: Destination, store: NodeStore,
        board: StatusBoard,
        writer: NIOThreadPool, workers: NIOThreadPool, socket: NodeSocket, logger: Logger,
        on loop: any EventLoop
    ) throws -> Driver {
        let seed = plan.members[0].seed
        let keys = NodeKeys(seed: seed.span.octetBytes)
        var actions: [NodeAction] = []
        let node = try Node(
            genesis: plan.genesis, key: keys.signing, vrfKey: keys.vrf,
            settings: NodeSettings(
                roles: .validator, endpoints: [], bootstrap: [], region: nil, recordSequence: 1),
            boot: BootRecords(), chance: Chance(seed: 1), now: Driver.now, actions: &actions)
        let carrier = Carrier(
            key: keys.exchange, record: node.card, network: plan.genesis.network,
            settings: Session.Settings(),
            secrets: SecretSource { Entropy.octets($0) }, wallNanoseconds: Driver.wallMicroseconds * 1_000,
            now: Driver.now)
        let watch = NodeWatch(
            id: keys.signing.nodeID, endpoint: .loopback(port: 1), admin: nil, roles: .validator,
            epochMilliseconds: 60_000, board: board, openedAgo: .zero, at: Driver.now,
            wallTime: Driver.wallTime)
        return Driver(
            node: node, carrier: carrier,
            first: actions + [.persist(.safety([7])), .send(payload, to: peer)], watch: watch, store: store,
            eventLoop: loop, writer: writer, workers: workers, gossip: socket, radio: nil, keyLog: nil,
            logger: logger, onFailure: { _ in })
    }

    func stop(within patience: TimeAmount) -> EventLoopFuture<Bool> {
        let driver = driver
        return group.next().flatSubmit { driver.value!.stop(within: patience) }
    }

    /// The disk goes on.
    func write() { disk.signal() }

    func end() async throws {
        let driver = driver
        try await group.next().submit { driver.value = nil }.get()
        try await writer.shutdownGracefully()
        try await workers.shutdownGracefully()
        try await socket.channel.close()
        try await group.shutdownGracefully()
        try FileManager.default.removeItem(at: folder)
    }
}

@Suite struct `A node that stops` {
    @Test(.timeLimit(.minutes(2)))
    func `amid a commit says what it had to say, and leaves its last words`() async throws {
        let stage = try await Stage()
        let stopping = stage.stop(within: .hours(1))
        // It has taken note of that, and waits.
        try await stage.group.next().submit {}.get()
        #expect(try stage.store.status() == nil && stage.store.safety() == nil)
        #expect(stage.other.receive(milliseconds: 0) == nil, "nothing is said before it is written")
        stage.write()
        #expect(try await stopping.get())
        #expect(try stage.store.safety() == [7])
        #expect(try #require(try stage.store.status()).hasStopped)
        #expect(stage.other.receive(milliseconds: 0) != nil)
        #expect(try await stage.stop(within: .hours(1)).get(), "once more does nothing")
        try await stage.end()
    }

    @Test(.timeLimit(.minutes(2)))
    func `does not wait for ever for a disk that is stuck`() async throws {
        let stage = try await Stage()
        #expect(try await !stage.stop(within: .zero).get())
        #expect(stage.other.receive(milliseconds: 0) == nil, "what is not written is not said")
        stage.write()
        try await stage.end()
    }

    @Test func `says last what is so then, not what was so a while before`() async throws {
        let stage = try await Stage()
        stage.write()
        let (driver, board) = (stage.driver, stage.board)
        let address = try SocketAddress(ipAddress: "127.0.0.1", port: 9)
        let stopping = stage.group.next().flatSubmit {
            let before = board.last?.serial
            driver.value!.receive([1], from: address)
            precondition(board.last?.serial == before, "this is since the last snapshot")
            return driver.value!.stop(within: .hours(1))
        }
        #expect(try await stopping.get())
        let last = try #require(try stage.store.status())
        #expect(last.hasStopped && last.counters.first { $0.name == "gossip.datagrams" }?.value == 1)
        try await stage.end()
    }

    @Test func `does not end because its store was removed, but says so and is ill`() async throws {
        let stage = try await Stage()
        stage.write()
        let data = stage.folder.path + "/data/data.mdb"
        // On a busy machine the node may be stalled too: it is alone.
        func isMisplaced() async throws -> Bool {
            let driver = stage.driver
            let status = try await stage.group.next().flatSubmit {
                driver.value!.lookForStore().map {
                    driver.value!.status(at: Driver.now, wallTime: Driver.wallTime)
                }
            }.get()
            return NodeHealth(of: status, at: status.updatedAt).faults.contains(.misplaced)
        }
        #expect(try await !isMisplaced() && stage.said.isEmpty)
        try FileManager.default.moveItem(atPath: data, toPath: data + ".away")
        for _ in 0..<3 { #expect(try await isMisplaced()) }
        #expect(stage.said.count == 1 && stage.said[0].contains("data.mdb was removed"), "\(stage.said)")
        try FileManager.default.moveItem(atPath: data + ".away", toPath: data)
        #expect(try await !isMisplaced())
        #expect(try await stage.stop(within: .hours(1)).get())
        try await stage.end()
    }

    @Test func `has run for as long as the monotonic clock says`() async throws {
        let stage = try await Stage()
        let driver = stage.driver
        let (before, after) = try await stage.group.next().submit {
            let driver = try #require(driver.value)
            let (now, wallTime) = (Driver.now, Driver.wallTime)
            let before = driver.status(at: now, wallTime: wallTime)
            // Somebody sets the clock a day on.
            return (before, driver.status(at: now + .seconds(5), wallTime: wallTime + 86_400_000))
        }.get()
        let age = before.updatedAt - before.startedAt
        let later = after.updatedAt - after.startedAt
        #expect((age + 4_000...age + 6_000).contains(later), "\(age) ms, then \(later) ms")
        stage.write()
        #expect(try await stage.stop(within: .hours(1)).get())
        try await stage.end()
    }
}
