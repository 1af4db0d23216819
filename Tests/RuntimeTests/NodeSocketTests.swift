import Bytes
import Chance
import Identity
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
        var names = FoundNames()
        let found = await names.places(of: list) { entry in
            guard entry.host == "a.example" else { throw Late() }
            return .loopback(port: 11)
        }
        #expect(found.places.map(\.1) == [.loopback(port: 11)])
        #expect(found.missing.map(\.host) == ["b.example"])
        let later = await names.places(of: list) { _ in throw Late() }
        #expect(later.places.map(\.1) == [.loopback(port: 11)])
        #expect(later.missing.map(\.host) == ["a.example", "b.example"])
        let moved = await names.places(of: list) { entry in .loopback(port: entry.port + 20) }
        #expect(moved.places.map(\.1) == [.loopback(port: 21), .loopback(port: 22)] && moved.missing.isEmpty)
        _ = await names.places(of: []) { _ in throw Late() }
        #expect(await names.places(of: list) { _ in throw Late() }.places.isEmpty, "it was off the list")
    }
}

private struct Seed {
    let text: String

    init(_ number: UInt8) {
        let seed = [UInt8](repeating: number, count: 32)
        text = SigningKey(seed: seed.octetBytes, isGuarded: false).nodeID.text
    }
}
