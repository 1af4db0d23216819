import Chance
import Radio
import TestKit
import Testing

private typealias Server = ForwarderServer<Int>

extension ForwarderServer {
    mutating func run(_ event: Event, at now: Instant = .origin) -> [Action] {
        var actions: [Action] = []
        handle(event, at: now, actions: &actions)
        return actions
    }

    fileprivate var received: Int { Int(counters.packets) }
}

@Suite struct ServerTests {
    private var server = Server(settings: .init(), chance: Chance(seed: 1))

    private func push(_ packets: [ReceivedPacket], token: UInt16 = 9, from gateway: GatewayEUI = someGateway)
        -> [UInt8]
    {
        GatewayFrame.pushData(token: token, gateway: gateway, upstream: .init(packets: packets)).encode()
    }

    private func pull(_ gateway: GatewayEUI = someGateway) -> [UInt8] {
        GatewayFrame.pullData(token: 4, gateway: gateway).encode()
    }

    @Test mutating func `a push is acknowledged before its packets are reported`() {
        let actions = server.run(.datagram(from: 7, push([someReception()])))
        #expect(actions.count == 2)
        #expect(actions.first == .send(to: 7, GatewayFrame.pushAck(token: 9).encode()))
        guard case .received(let frame) = actions.last else {
            Issue.record("\(actions)")
            return
        }
        #expect(
            frame.gateway == someGateway && frame.payload == [1, 2, 3] && frame.frequencyHz == 868_100_000)
        #expect(frame.rssiDecidBm == -1120 && frame.snrDecidB == -55 && frame.counter == 7)
    }

    @Test mutating func `a replayed push is acknowledged and dropped`() {
        _ = server.run(.datagram(from: 7, push([someReception()])))
        let again = server.run(.datagram(from: 8, push([someReception()])))
        #expect(again == [.send(to: 8, GatewayFrame.pushAck(token: 9).encode())])
        #expect(server.counters.dropped[.replayed] == 1 && server.received == 1)
        #expect(server.run(.datagram(from: 7, push([someReception()], token: 10))).count == 2)
    }

    @Test mutating func `the replay window remembers so many datagrams and no more`() {
        for token in 0..<UInt16(Server.windowMax) {
            _ = server.run(.datagram(from: 7, push([someReception()], token: token)))
        }
        _ = server.run(.datagram(from: 7, push([someReception()], token: 0)))
        #expect(server.counters.dropped[.replayed] == 1, "the oldest is still known")
        _ = server.run(.datagram(from: 7, push([someReception()], token: 5000)))
        _ = server.run(.datagram(from: 7, push([someReception()], token: 1)))
        #expect(server.counters.dropped[.replayed] == 2, "the second oldest is still known")
        _ = server.run(.datagram(from: 7, push([someReception()], token: 0)))
        #expect(server.counters.dropped[.replayed] == 2, "the oldest is forgotten")
    }

    @Test mutating func `packets without a good checksum are dropped and counted`() {
        let packets = [someReception(checksum: .failed), someReception(), someReception(checksum: .absent)]
        #expect(server.run(.datagram(from: 7, push(packets))).count == 2)
        #expect(server.counters.dropped[.badChecksum] == 2 && server.received == 1)
    }

    @Test mutating func `a push whose JSON is broken is acknowledged and counted`() {
        let actions = server.run(.datagram(from: 7, [UInt8](.header(0, token: 3), json: "{]}")))
        #expect(actions == [.send(to: 7, GatewayFrame.pushAck(token: 3).encode())])
        #expect(server.counters.dropped[.json] == 1)
    }

    @Test mutating func `only the configured gateway is listened to`() {
        server = Server(settings: .init(gateway: GatewayEUI(1)), chance: Chance(seed: 1))
        #expect(server.run(.datagram(from: 7, pull())).isEmpty)
        #expect(server.run(.datagram(from: 7, push([someReception()]))).isEmpty)
        #expect(server.counters.dropped[.unknownGateway] == 2)
        #expect(server.run(.datagram(from: 7, pull(GatewayEUI(1)))).count == 1)
    }

    @Test mutating func `a fifth gateway waits until another has been silent`() {
        for name in 0..<UInt64(Server.gatewaysMax) {
            _ = server.run(.datagram(from: 7, pull(GatewayEUI(name))))
        }
        #expect(server.run(.datagram(from: 9, pull(GatewayEUI(99)))).isEmpty)
        #expect(server.counters.dropped[.tooManyGateways] == 1)
        let later = Instant.origin + .seconds(60)
        #expect(server.reachableGateways(at: later).isEmpty)
        #expect(server.run(.datagram(from: 9, pull(GatewayEUI(99))), at: later).count == 1)
        #expect(server.reachableGateways(at: later) == [GatewayEUI(99)])
    }

    @Test mutating func `a request without a way back fails at once`() {
        #expect(server.run(.transmit(somePacket(), id: 1)) == [.transmitted(id: 1, .noGateway)])
        _ = server.run(.datagram(from: 7, push([someReception()])))
        #expect(server.run(.transmit(somePacket(), id: 2)) == [.transmitted(id: 2, .noGateway)])
    }

    @Test mutating func `a request goes to the address of the last pull`() {
        _ = server.run(.datagram(from: 7, pull()))
        _ = server.run(.datagram(from: 8, pull()))
        guard case .send(to: 8, _) = server.run(.transmit(somePacket(), id: 1)).first else {
            Issue.record("not sent")
            return
        }
    }

    @Test mutating func `each request ends once, whatever acknowledgements come`() throws {
        _ = server.run(.datagram(from: 7, pull()))
        let token = try transmit(id: 1)
        let forged = GatewayFrame.transmitAck(
            token: token &+ 1, gateway: someGateway, acknowledgement: .accepted)
        let stranger = GatewayFrame.transmitAck(
            token: token, gateway: GatewayEUI(1), acknowledgement: .accepted)
        let answer = GatewayFrame.transmitAck(
            token: token, gateway: someGateway, acknowledgement: .refused(.tooLate))
        #expect(server.run(.datagram(from: 7, forged.encode())).isEmpty)
        #expect(server.run(.datagram(from: 7, stranger.encode())).isEmpty)
        #expect(server.run(.datagram(from: 7, answer.encode())) == [.transmitted(id: 1, .refused(.tooLate))])
        #expect(server.run(.datagram(from: 7, answer.encode())).isEmpty)
        #expect(server.counters.dropped[.unmatchedAcknowledgement] == 3)
        #expect(server.deadline == .never)
    }

    @Test mutating func `a request without an answer ends at its deadline`() throws {
        _ = server.run(.datagram(from: 7, pull()))
        let token = try transmit(id: 1)
        let due = Instant.origin + .seconds(3)
        #expect(server.deadline == due)
        #expect(server.run(.woke, at: Instant(nanoseconds: due.nanoseconds - 1)).isEmpty)
        #expect(server.run(.woke, at: due) == [.transmitted(id: 1, .unacknowledged)])
        let late = GatewayFrame.transmitAck(token: token, gateway: someGateway, acknowledgement: .accepted)
        #expect(server.run(.datagram(from: 7, late.encode()), at: due).isEmpty)
    }

    @Test mutating func `requests beyond the maximum are refused`() throws {
        _ = server.run(.datagram(from: 7, pull()))
        for id in 0..<UInt64(Server.openMax) { _ = try transmit(id: id) }
        #expect(server.run(.transmit(somePacket(), id: 99)) == [.transmitted(id: 99, .busy)])
        #expect(server.run(.woke, at: .never).count == Server.openMax)
    }

    /// A million in all over the usual seeds: valid, mutated, truncated, replayed, oversized and random
    /// datagrams. The machine asserts its own bounds after each.
    @Test(arguments: Seed.all) func `a flood changes counters and nothing else`(_ seed: Seed) throws {
        var chance = seed.chance()
        var server = Server(settings: .init(gateway: someGateway), chance: Chance(seed: 1))
        _ = server.run(.datagram(from: 7, pull()))
        let good = (0..<64).map { index in
            push([someReception(chance.octets(1 + index))], token: UInt16(index))
        }
        let oversized = good[0] + [UInt8](repeating: 0x20, count: GatewayFrame.byteCountMax)
        var answers = 0
        for step in 1...31_250 {
            var bytes = good[chance.below(good.count)]
            switch chance.below(8) {
            case 0: break
            case 1: bytes = oversized
            case 2: bytes = Array(bytes[..<chance.below(bytes.count)])
            case 3: bytes = chance.octets(chance.below(40))
            case 4: bytes[chance.below(4)] = UInt8(chance.below(7))
            case 5: bytes = bytes + bytes
            default: bytes.mutate(with: &chance)
            }
            let now = Instant(nanoseconds: Int64(step) * 1000)
            answers += server.run(.datagram(from: 666, bytes), at: now).count
        }
        let counters = server.counters
        #expect(counters.datagrams == 31_251)
        #expect(
            counters.dropped[.tooLong] > 0 && counters.dropped[.tooShort] > 0
                && counters.dropped[.version] > 0)
        #expect(counters.dropped[.replayed] > 0 && counters.dropped[.json] > 0)
        #expect(counters.dropped[.unknownGateway] > 0 && counters.dropped[.kind] > 0)
        // Either dropped with a reason, or reported, or a pull that a mutation made.
        #expect(counters.dropped.total + counters.packets <= counters.datagrams)
        #expect(counters.dropped.total + counters.packets >= counters.datagrams * 95 / 100)
        #expect(answers <= 31_250 * 2)
    }

    private mutating func transmit(id: UInt64) throws -> UInt16 {
        guard case .send(_, let bytes) = server.run(.transmit(somePacket(), id: id)).first,
            case .pullResponse(let token, _) = try GatewayFrame.decode(bytes)
        else { throw RadioError.kind }
        return token
    }
}
