import Bytes
import Chance
import Radio
import TestKit
import Testing

extension Forwarder {
    mutating func run(_ event: Event, at now: Instant = .origin) -> [Action] {
        var actions: [Action] = []
        handle(event, at: now, actions: &actions)
        return actions
    }
}

@Suite struct ForwarderTests {
    private static let gateway = GatewayEUI(0xAA55_5A00_0000_0000)
    private var forwarder: Forwarder

    init() {
        forwarder = Self.make()
        _ = forwarder.run(.woke)
    }

    private static func make(counter: UInt32 = 0) -> Forwarder {
        Forwarder(
            settings: .init(gateway: gateway, counterAtOrigin: counter), chance: Chance(seed: 2), now: .origin
        )
    }

    private mutating func answer(_ packet: TransmitPacket, at now: Instant = .origin) throws
        -> TransmitAcknowledgement
    {
        let request = GatewayFrame.pullResponse(token: 5, packet: packet).encode()
        for case .send(let bytes) in forwarder.run(.datagram(request), at: now) {
            guard case .transmitAck(5, Self.gateway, let answer) = try GatewayFrame.decode(bytes) else {
                continue
            }
            return answer
        }
        throw RadioError.missingField
    }

    @Test func `it pulls at once and then at every keepalive`() throws {
        var fresh = Self.make()
        var pulls = 0
        while fresh.deadline < Instant.origin + .seconds(25) {
            for case .send(let bytes) in fresh.run(.woke, at: fresh.deadline) {
                if case .pullData(_, Self.gateway) = try GatewayFrame.decode(bytes) { pulls += 1 }
            }
        }
        #expect(pulls == 3)
    }

    @Test mutating func `its status counts`() throws {
        _ = forwarder.run(.heard(someReception()))
        let actions = forwarder.run(.woke, at: Instant.origin + .seconds(30))
        let statuses = actions.compactMap { action -> GatewayStatus? in
            guard case .send(let bytes) = action, let frame = try? GatewayFrame.decode(bytes),
                case .pushData(_, _, let upstream) = frame
            else { return nil }
            return upstream.status
        }
        #expect(statuses.map(\.packetsForwarded) == [1])
        #expect(statuses.map(\.time) == ["1970-01-01 00:00:30 GMT"])
    }

    @Test mutating func `each push is acknowledged once`() throws {
        for _ in 0..<2 {
            guard case .send(let bytes) = forwarder.run(.heard(someReception())).first,
                case .pushData(let token, _, _) = try GatewayFrame.decode(bytes)
            else { throw RadioError.kind }
            let answer = GatewayFrame.pushAck(token: token).encode()
            #expect(forwarder.run(.datagram(answer)).isEmpty)
            #expect(forwarder.counters.dropped[.unmatchedAcknowledgement] == 0)
            #expect(forwarder.run(.datagram(GatewayFrame.pushAck(token: token &+ 1).encode())).isEmpty)
            #expect(forwarder.run(.datagram(answer)).isEmpty)
            #expect(forwarder.counters.dropped[.unmatchedAcknowledgement] == 2)
            forwarder = Self.make()
            _ = forwarder.run(.woke)
        }
    }

    /// Observed of the reference forwarder.
    @Test mutating func `too much power is a warning with the power used`() throws {
        let vector = Vectors.vector("gwmp_live/power_high")
        let power = try #require(vector.input["powe"] as? Int)
        let expected = try #require(vector.expected["txpk_ack"] as? [String: Any])
        #expect(expected["warn"] as? String == "TX_POWER")
        #expect(try answer(somePacket(power: power)) == .acceptedWithPower(dBm: expected["value"] as? Int))
        #expect(try answer(somePacket(power: -9)) == .acceptedWithPower(dBm: 0))
        #expect(try answer(somePacket(power: 14)) == .accepted)
    }

    /// Observed of the reference forwarder: a time in the past wraps around to one far ahead.
    @Test mutating func `a counter value behind the counter is too early`() throws {
        let vector = Vectors.vector("gwmp_live/tmst_far_behind_counter")
        let counter = try #require(vector.input["concentrator_counter"] as? UInt32)
        let target = try #require(vector.input["tmst"] as? UInt32)
        let expected = try #require(vector.expected["txpk_ack"] as? [String: String])
        forwarder = Self.make(counter: counter)
        let error = try #require(TransmitError(rawValue: expected["error"] ?? ""))
        #expect(try answer(somePacket(moment: .counter(target))) == .refused(error))
        #expect(try answer(somePacket(moment: .counter(counter &+ 42_500))) == .refused(.tooLate))
        #expect(try answer(somePacket(moment: .counter(counter &+ 42_501))) == .accepted)
        #expect(try answer(somePacket(moment: .counter(counter &+ 512_000_001))) == .refused(.tooEarly))
    }

    /// Observed of the reference forwarder.
    @Test mutating func `a payload without padding is accepted, in the very octets observed`() throws {
        let json = """
            {"txpk":{"imme":true,"freq":868.1,"rfch":0,"powe":14,"modu":"LORA","datr":"SF7BW125","codr":"4/5",\
            "ipol":false,"size":4,"data":"AQIDBA"}}
            """
        let actions = forwarder.run(.datagram([UInt8](.header(3, token: 5, gateway: false), json: json)))
        let expected = Vectors.vector("gwmp_live/unpadded_base64").expected["udp_hex"] as? String ?? ""
        #expect(actions == [.send([UInt8](hex: expected) ?? [])])
    }

    @Test mutating func `a frequency outside the radio's range is refused`() throws {
        var packet = somePacket()
        packet.frequencyHz = 433_000_000
        #expect(try answer(packet) == .refused(.frequency))
        #expect(try answer(somePacket(moment: .gps(milliseconds: 1))) == .refused(.gpsUnlocked))
    }

    @Test mutating func `immediate packets queue one behind the other`() throws {
        let length = somePacket().timeOnAir
        for _ in 0..<3 { #expect(try answer(somePacket()) == .accepted) }
        var starts: [Instant] = []
        while starts.count < 3 {
            let now = forwarder.deadline
            for case .transmit(let packet, let until) in forwarder.run(.woke, at: now) {
                #expect(packet == somePacket() && until == now + length)
                starts.append(now)
            }
        }
        let first = Instant.origin + .milliseconds(80)
        #expect(starts == [first, first + length, first + length + length])
    }

    @Test mutating func `two packets at one time collide, and the queue has an end`() throws {
        #expect(try answer(somePacket(moment: .counter(1_000_000))) == .accepted)
        #expect(try answer(somePacket(moment: .counter(1_010_000))) == .refused(.collidesWithPacket))
        for index in 2...UInt32(Forwarder.queueMax) {
            #expect(try answer(somePacket(moment: .counter(index * 1_000_000))) == .accepted)
        }
        #expect(try answer(somePacket(moment: .counter(500_000_000))) == .refused(.collidesWithPacket))
    }

    @Test mutating func `a packet without a good checksum is not forwarded`() {
        #expect(forwarder.run(.heard(someReception(checksum: .absent))).isEmpty)
        #expect(forwarder.counters.heard == 1 && forwarder.counters.forwarded == 0)
    }

    @Test mutating func `what it cannot read it does not answer`() {
        #expect(forwarder.run(.datagram([UInt8](.header(3, gateway: false), json: "{\"txpk\":{}}"))).isEmpty)
        #expect(forwarder.run(.datagram([UInt8](.header(2), json: ""))).isEmpty)
        #expect(forwarder.counters.dropped[.missingField] == 1 && forwarder.counters.dropped[.kind] == 1)
    }

    /// Node and forwarder talk in memory: everything that one says, the other understands.
    @Test(arguments: Seed.all) func `requests of every kind end at the node as the forwarder decided`(
        _ seed: Seed
    ) throws {
        var chance = seed.chance()
        var server = ForwarderServer<Int>(settings: .init(gateway: Self.gateway), chance: chance.split())
        var forwarder = Self.make()
        var outcomes: [UInt64: TransmitOutcome] = [:]
        var sent: UInt64 = 0
        for case .send(let bytes) in forwarder.run(.woke) { _ = server.run(.datagram(from: 1, bytes)) }
        func note(_ id: UInt64, _ outcome: TransmitOutcome) {
            #expect(outcomes.updateValue(outcome, forKey: id) == nil, "each request ends once")
        }
        for id in 0..<UInt64(40) {
            let now = Instant(nanoseconds: Int64(id) * 200_000_000)
            var steps = forwarder.run(.woke, at: now)
            for action in server.run(.transmit(chance.transmission(), id: id), at: now) {
                switch action {
                case .send(_, let bytes): steps += forwarder.run(.datagram(bytes), at: now)
                case .transmitted(let id, let outcome): note(id, outcome)
                case .received: Issue.record("nothing was heard")
                }
            }
            for case .send(let bytes) in steps {
                for case .transmitted(let id, let outcome) in server.run(.datagram(from: 1, bytes), at: now) {
                    note(id, outcome)
                }
            }
        }
        for case .transmitted(let id, let outcome) in server.run(.woke, at: .never) { note(id, outcome) }
        #expect(outcomes.count == 40)
        for outcome in outcomes.values {
            switch outcome {
            case .accepted, .acceptedWithPower: sent += 1
            case .refused, .unacknowledged: break
            case .noGateway, .busy: Issue.record("\(outcome)")
            }
        }
        let counters = forwarder.counters
        #expect(counters.downlinks == sent + counters.refused)
        // A request for the second chain is the one thing that the forwarder leaves unanswered.
        #expect(counters.dropped.total == counters.dropped[.outOfRange])
    }
}
