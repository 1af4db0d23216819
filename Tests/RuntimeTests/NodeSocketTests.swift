import Bytes
import Chance
import Foundation
import Glibc
import Identity
import Logging
import NIOCore
import NIOPosix
import Testing
import Wire

@testable import Runtime

private struct Late: Error {}

@Suite struct `A node's socket` {
    /// Each is refused by the system, for a reason of its own.
    private static let refused = [
        Endpoint.loopback(port: 0), Endpoint(high: 0, low: 1, port: 9), Endpoint(ipv4: .max, port: 9),
        Endpoint(ipv4: 0xF000_0001, port: 9),
    ]

    @Test func `goes on after sends that the system refuses`() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let heard = loop.makePromise(of: [UInt8].self)
        let one = try await NodeSocket.bind(
            .loopback(port: 0), for: "a test", byteCountMax: 2_048, on: loop
        ) { bytes, _ in heard.succeed(bytes) }
        let place = Endpoint.loopback(port: UInt16(try #require(one.channel.localAddress?.port)))
        let other = try DatagramSocket(boundTo: .loopback(port: 0))
        defer { other.close() }
        let otherPort = try #require(other.port)
        for refused in Self.refused { #expect(!one.send([1], to: refused), "\(refused)") }
        #expect(!one.send([UInt8](repeating: 0, count: 70_000), to: .loopback(port: otherPort)))
        #expect(one.send([2, 3], to: .loopback(port: otherPort)))
        #expect(other.receive(milliseconds: 10_000) == [2, 3])
        other.send([4, 5, 6], to: place)
        // From here on nothing waits for other tests.
        let deadline = loop.scheduleTask(in: .seconds(60)) { heard.fail(Late()) }
        #expect(try await heard.futureResult.get() == [4, 5, 6])
        deadline.cancel()
        #expect(one.channel.isActive)
        try await one.channel.close()
    }

    @Test func `says who else may hold its port`() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let holder = try DatagramSocket(boundTo: .loopback(port: 0))
        defer { holder.close() }
        let place = Endpoint.loopback(port: try #require(holder.port))
        let error = await #expect(throws: RuntimeError.self) {
            _ = try await NodeSocket.bind(place, for: "gossip", byteCountMax: 2_048, on: loop) { _, _ in }
        }
        #expect(
            "\(try #require(error))".contains("cannot listen on \(place) for gossip: Address already in use"))
    }

    @Test func `does not look for another node where its address is not this machine's`() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        // For documentation (RFC 5737).
        let place = Endpoint(ipv4: 0xC000_0201, port: 4_100)
        let error = await #expect(throws: RuntimeError.self) {
            _ = try await NodeSocket.bind(place, for: "gossip", byteCountMax: 2_048, on: loop) { _, _ in }
        }
        let said = "\(try #require(error))"
        #expect(said.contains("Cannot assign requested address; no interface of this machine"), "\(said)")
        #expect(!said.contains("another"), "\(said)")
    }

    @Test(arguments: [
        (EADDRINUSE, "another"), (EACCES, "below 1024"), (EPERM, "below 1024"),
        (EADDRNOTAVAIL, "no interface"),
        (EAFNOSUPPORT, "no IPv6"), (EMFILE, "Too many open files"),
    ]) func `says of each refusal what to do`(errorNumber: Int32, words: String) {
        let place = Endpoint(high: 0, low: 1, port: 53)
        let said = "\(DatagramSocket.Refusal(errorNumber: errorNumber).sentence(of: place, for: "gossip"))"
        #expect(said.hasPrefix("cannot listen on \(place) for gossip: ") && said.contains(words), "\(said)")
        #expect(said.contains("another") == (errorNumber == EADDRINUSE), "\(said)")
    }

    @Test func `of both families reaches and hears both`() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let heard = loop.makePromise(of: Endpoint?.self)
        let both = try await NodeSocket.bind(
            Endpoint(high: 0, low: 0, port: 0), for: "a test", byteCountMax: 2_048, on: loop
        ) { _, address in heard.succeed(Endpoint(address)) }
        let port = UInt16(try #require(both.channel.localAddress?.port))
        let other = try DatagramSocket(boundTo: .loopback(port: 0))
        defer { other.close() }
        let place = Endpoint.loopback(port: try #require(other.port))
        #expect(both.send([7], to: place))
        #expect(other.receive(milliseconds: 10_000) == [7])
        other.send([8], to: .loopback(port: port))
        let deadline = loop.scheduleTask(in: .seconds(60)) { heard.fail(Late()) }
        #expect(try await heard.futureResult.get() == place)
        deadline.cancel()
        try await both.channel.close()
    }
}

@Suite struct `The system's clock` {
    private let base: UInt64 = 1_700_000_000_000_000_000

    @Test func `is found set, once, forwards or back`() {
        var clock = ClockWatch(wallNanoseconds: base, at: .origin + .seconds(5))
        let looks: [(wall: UInt64, at: Int64, isSet: Bool)] = [
            (base + 10_000_000_000, 15, false),
            // Drift.
            (base + 10_400_000_000, 15, false),
            (base + 60_000_000_000, 16, true),
            (base + 61_000_000_000, 17, false),
            (base - 3_600_000_000_000, 18, true),
            (base - 3_599_000_000_000, 19, false),
            (0, 19, true),
        ]
        for look in looks {
            let isSet = clock.wasSet(to: look.wall, at: .origin + .seconds(look.at))
            #expect(isSet == look.isSet, "\(look)")
        }
    }
}

@Suite struct `Names of a bootstrap list` {
    private func entries(_ text: String) throws -> [PeersFile.Entry] {
        try text.split(separator: "\n").map { try PeersFile.entry(String($0)) }
    }

    @Test func `stay where they were when nobody can look them up`() async throws {
        let (one, other) = (Seed(1).text, Seed(2).text)
        let list = try entries("earshot://\(one)@a.example:1\nearshot://\(other)@b.example:2")
        var names = FoundNames(list)
        func look(_ find: (PeersFile.Entry) -> Endpoint?) -> [Endpoint] {
            for entry in names.look() { names.found(entry, at: find(entry)) }
            return names.places.map(\.1)
        }
        #expect(look { $0.host == "a.example" ? .loopback(port: 11) : nil } == [.loopback(port: 11)])
        #expect(names.missing.map(\.host) == ["b.example"])
        #expect(look { _ in nil } == [.loopback(port: 11)])
        #expect(names.missing.map(\.host) == ["a.example", "b.example"])
        #expect(look { .loopback(port: $0.port + 20) } == [.loopback(port: 21), .loopback(port: 22)])
        #expect(names.missing.isEmpty)
        names.list([])
        #expect(look { _ in nil }.isEmpty)
        names.list(list)
        #expect(look { _ in nil }.isEmpty, "it was off the list")
    }

    @Test func `are asked for once at a time, and those last that were not found`() throws {
        let list = try (UInt8(1)...3).map {
            try #require(try entries("earshot://\(Seed($0).text)@n\($0).example:1").first)
        }
        var names = FoundNames(list)
        #expect(names.look().map(\.host) == ["n1.example", "n2.example", "n3.example"])
        #expect(names.look().isEmpty, "all are being looked up")
        names.found(list[0], at: nil)
        #expect(names.look().map(\.host) == ["n1.example"])
        #expect(names.pause == nil)
        for entry in list { names.found(entry, at: entry.host == "n1.example" ? nil : .loopback(port: 5)) }
        #expect(names.pause == BootstrapWatch.retryPeriod)
        #expect(names.look().map(\.host) == ["n2.example", "n3.example", "n1.example"])
        for entry in list { names.found(entry, at: .loopback(port: 5)) }
        #expect(names.pause == BootstrapWatch.period)
        names.list([PeersFile.Entry(node: list[0].node, endpoint: .loopback(port: 6))])
        #expect(names.look().isEmpty && names.pause == nil, "there are no names")
    }

    @Test(.timeLimit(.minutes(1)))
    func `are told as each is found, and the list is read again while one is not`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "list-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        func write(_ hosts: String...) throws {
            let lines = hosts.enumerated().map { "earshot://\(Seed(UInt8($0 + 1)).text)@\($1)" }
            try lines.joined(separator: "\n").write(to: file, atomically: true, encoding: .utf8)
        }
        try write("slow.example:1", "fast.example:2")
        let slow = DispatchSemaphore(value: 0)
        let resolvers = NIOThreadPool(numberOfThreads: BootstrapWatch.lookupsMax)
        resolvers.start()
        var logger = Logger(label: "a test")
        logger.logLevel = .critical
        let watch = BootstrapWatch(file: file.path, resolvers: resolvers, logger: logger) { entry in
            if entry.host == "slow.example" { slow.wait() }
            return .loopback(port: entry.port)
        }
        let (signals, signal) = AsyncStream.makeStream(of: Void.self)
        let (lists, list) = AsyncStream.makeStream(of: [UInt16].self)
        let watching = Task {
            await watch.run(upon: signals) { places, _ in list.yield(places.map(\.1.port)) }
        }
        var told = lists.makeAsyncIterator()
        #expect(await told.next() == [2], "nobody has answered for the first")
        try write("slow.example:1", "fast.example:2", "127.0.0.1:3", "late.example:4")
        signal.yield()
        #expect(await told.next() == [2, 3])
        #expect(await told.next() == [2, 3, 4])
        slow.signal()
        #expect(await told.next() == [1, 2, 3, 4])
        watching.cancel()
        await watching.value
        try await resolvers.shutdownGracefully()
    }

    @Test func `are looked up for the family of the node's socket`() throws {
        let places = [
            Endpoint(high: 0x2001_0db8 << 32, low: 1, port: 9), Endpoint(ipv4: 0xC000_0201, port: 9),
        ]
        for (listen, chosen) in [
            ("0.0.0.0:1", places[1]), ("[::]:1", places[0]), ("[2001:db8::7]:1", places[0]),
        ] {
            let families = AddressFamilies(boundTo: try #require(Endpoint(text: listen)))
            #expect(families.first(of: places) == chosen, "\(listen)")
            #expect(families.first(of: []) == nil)
        }
        let both = AddressFamilies(boundTo: try #require(Endpoint(text: "[::]:1")))
        #expect(both.first(of: [places[1]]) == places[1])
        let one = AddressFamilies(boundTo: try #require(Endpoint(text: "[2001:db8::7]:1")))
        #expect(one.first(of: [places[1]]) == nil)
        let entry = try PeersFile.entry("earshot://\(Seed(1).text)@localhost:77")
        #expect(try PeersFile.resolve(entry, for: .ipv4) == .loopback(port: 77))
    }
}

private struct Seed {
    let text: String

    init(_ number: UInt8) {
        let seed = [UInt8](repeating: number, count: 32)
        text = SigningKey(seed: seed.octetBytes, isGuarded: false).nodeID.text
    }
}
