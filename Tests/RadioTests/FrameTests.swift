import Bytes
import Chance
import Foundation
import Radio
import TestKit
import Testing

@Suite struct FrameTests {
    private func bytes(of id: String) -> [UInt8] {
        let hex = Vectors.vector(id).input["udp_hex"] as? String ?? ""
        return [UInt8](hex: hex) ?? []
    }

    @Test func `a packet with a failed checksum is read, and says so`() throws {
        let frame = try GatewayFrame.decode(bytes(of: "gwmp_frame/new_packet"))
        guard case .pushData(0x9F30, GatewayEUI(0x0080_0000_A000_661F), let upstream) = frame else {
            Issue.record("\(frame)")
            return
        }
        let packet = try #require(upstream.packets.first)
        #expect(upstream.packets.count == 1 && upstream.refused.isEmpty)
        #expect(packet.checksum == .failed)
        #expect(packet.frequencyHz == 904_500_000)
        #expect(packet.counter == 4_202_879_084 && packet.gpsMilliseconds == 1_296_414_244_500)
        #expect(packet.dataRate.description == "SF10BW125" && packet.codingRate == .fourFifths)
        #expect(packet.channelRSSIDecidBm == -1150 && packet.snrDecidB == -155)
        #expect(packet.channel == 3 && packet.payload.count == 16 && packet.payload[0] == 0x40)
    }

    @Test func `the second form of a packet carries its signal in a list of antennas`() throws {
        let frame = try GatewayFrame.decode(bytes(of: "gwmp_frame/test_push_data_rxpk_jsonv2"))
        guard case .pushData(0x7814, _, let upstream) = frame, let packet = upstream.packets.first else {
            Issue.record("\(frame)")
            return
        }
        #expect(
            packet.channelRSSIDecidBm == -460 && packet.signalRSSIDecidBm == nil && packet.snrDecidB == 100)
        #expect(packet.frequencyHz == 903_900_000 && packet.counter == 313_998_876)
    }

    @Test func `a pull is the header alone`() throws {
        let frame = try GatewayFrame.decode(bytes(of: "gwmp_frame/test_pull_data"))
        #expect(frame == .pullData(token: 0x9F92, gateway: someGateway))
        #expect(frame.encode() == bytes(of: "gwmp_frame/test_pull_data"))
    }

    /// Upstream calls it InvalidJson; the JSON is valid, and what is wrong is that the status has no time.
    @Test func `a status without a time is refused`() {
        #expect(throws: RadioError.missingField) {
            try GatewayFrame.decode(bytes(of: "gwmp_frame/new_parsing_error"))
        }
    }

    @Test func `the transmit request of a beacon is the published object`() throws {
        let expected = try #require(Vectors.vector("gwmp_txpk/beacon").expected["txpk"] as? [String: Any])
        let data = try #require(Data(base64Encoded: expected["data"] as? String ?? ""))
        let packet = TransmitPacket(
            payload: Array(data), frequencyHz: 867_900_000, dataRate: .sf12, powerDBm: 14)
        let bytes = GatewayFrame.pullResponse(token: 5, packet: packet).encode()
        let json = try JSONSerialization.jsonObject(with: Data(bytes[4...])) as? [String: Any]
        let object = try #require(json?["txpk"] as? [String: Any])
        #expect(NSDictionary(dictionary: object) == NSDictionary(dictionary: expected))
        #expect(try GatewayFrame.decode(bytes) == .pullResponse(token: 5, packet: packet))
    }

    /// The examples of the protocol's own text, section 4: unpadded Base64, both alphabets, LoRa beside FSK.
    @Test func `LoRa packets beside an FSK packet are kept`() throws {
        let json = """
            {"rxpk":[{"time":"2013-03-31T16:21:17.528002Z","tmst":3512348611,"chan":2,"rfch":0,"freq":866.349812,\
            "stat":1,"modu":"LORA","datr":"SF7BW125","codr":"4/6","rssi":-35,"lsnr":5.1,"size":32,\
            "data":"-DS4CGaDCdG+48eJNM3Vai-zDpsR71Pn9CPA9uCON84"},\
            {"tmst":3512348514,"chan":9,"rfch":1,"freq":869.1,"stat":1,"modu":"FSK","datr":50000,"rssi":-75,\
            "size":16,"data":"VEVTVF9QQUNLRVRfMTIzNA=="},\
            {"tmst":3316387610,"chan":0,"rfch":0,"freq":863.00981,"stat":1,"modu":"LORA","datr":"SF10BW125",\
            "codr":"4/7","rssi":-38,"lsnr":5.5,"size":32,"data":"ysgRl452xNLep9S1NTIg2lomKDxUgn3DJ7DE+b00Ass"}]}
            """
        let frame = try GatewayFrame.decode([UInt8](.header(0), json: json))
        guard case .pushData(_, _, let upstream) = frame else { return }
        #expect(upstream.packets.map(\.frequencyHz) == [866_349_812, 863_009_810])
        #expect(upstream.packets.map(\.payload.count) == [32, 32])
        #expect(upstream.refused == [.notLoRa])
    }

    @Test func `every hertz of a band survives the text in megahertz`() throws {
        for hertz in stride(from: UInt32(863_000_000), through: 928_000_000, by: 64_997) {
            var packet = somePacket()
            packet.frequencyHz = hertz
            let frame = GatewayFrame.pullResponse(token: 1, packet: packet)
            #expect(try GatewayFrame.decode(frame.encode()) == frame)
        }
    }

    /// Servers and forwarders that keep megahertz in single precision write such figures.
    @Test func `a frequency is the nearest hertz`() throws {
        for text in ["868.0999999", "868.1", "868.10000049", "868.1e0"] {
            let bytes = GatewayFrame.pullResponse(token: 1, packet: somePacket()).encode()
            let json = String(decoding: bytes[4...], as: UTF8.self).replacing("868.100000", with: text)
            let frame = try GatewayFrame.decode(Array(bytes[..<4]) + Array(json.utf8))
            #expect(frame == .pullResponse(token: 1, packet: somePacket()))
        }
    }

    @Test(arguments: Seed.all) func `whatever is written is read back`(_ seed: Seed) throws {
        var chance = seed.chance()
        for _ in 0..<30 {
            let frame = chance.frame()
            #expect(try GatewayFrame.decode(frame.encode()) == frame)
        }
    }

    /// A mutated frame is another frame or a typed error; what is read can be written and read again.
    @Test(arguments: Seed.all) func `a mutated frame never traps`(_ seed: Seed) throws {
        var chance = seed.chance()
        for _ in 0..<300 {
            var bytes = chance.frame().encode()
            for _ in 0...chance.below(4) { bytes.mutate(with: &chance) }
            guard let frame = try? GatewayFrame.decode(bytes) else { continue }
            var kept = frame
            if case .pushData(let token, let gateway, var upstream) = frame {
                upstream.refused = []
                if let status = upstream.status {
                    upstream.status = GatewayStatus(time: "t", packetsReceived: status.packetsReceived)
                }
                kept = .pushData(token: token, gateway: gateway, upstream: upstream)
            }
            #expect(try GatewayFrame.decode(kept.encode()) == kept)
        }
    }

    @Test(arguments: [
        ([UInt8](), RadioError.tooShort), ([2, 0, 0], .tooShort), ([1, 0, 0, 2], .version),
        ([2, 0, 0, 6], .kind),
        (Array([UInt8].header(2).dropLast()), .tooShort), ([UInt8].header(2) + [0], .trailingBytes),
        ([UInt8].header(0), .json), ([UInt8]([UInt8].header(0), json: "{}"), .json),
        ([UInt8]([UInt8].header(0), json: "{\"rxpk\":7}"), .json),
        ([UInt8]([UInt8].header(0), json: "{\"rxpk\":[{}]}"), .missingField),
        ([UInt8]([UInt8].header(3, gateway: false), json: "{\"txpk\":{\"imme\":true}}"), .missingField),
        (
            [UInt8](
                [UInt8].header(0), json: "{\"rxpk\":[\((0..<17).map { _ in "{}" }.joined(separator: ","))]}"),
            .tooManyPackets
        ),
        ([UInt8]([UInt8].header(0), json: "{\"rxpk\":\(String(repeating: "[", count: 6000))"), .json),
        (
            [UInt8](
                [UInt8].header(0),
                json:
                    "{\"rxpk\":\(String(repeating: "[", count: 6000))\(String(repeating: "]", count: 6000))}"),
            .json
        ),
        ([UInt8].header(0) + [UInt8](repeating: 0x7B, count: 12 * 1024), .tooLong),
    ]) func `bad datagrams have a reason`(_ bytes: [UInt8], _ reason: RadioError) {
        #expect(throws: reason) { try GatewayFrame.decode(bytes) }
    }

    @Test(arguments: [
        ("\"freq\":868.100000", "\"freq\":2450.0", RadioError.frequency),
        ("\"freq\":868.100000", "\"freq\":1e300", .frequency),
        ("SF7BW125", "SF6BW125", .dataRate), ("SF7BW125", "SF7BW126", .dataRate),
        ("SF7BW125", "SF07BW125", .dataRate),
        ("\"rssi\":-109", "\"rssi\":-1e9", .outOfRange), ("\"lsnr\":-5.5", "\"lsnr\":99", .outOfRange),
        ("\"tmst\":7", "\"tmst\":-1", .outOfRange), ("\"tmst\":7", "\"tmst\":4294967296", .outOfRange),
        ("\"size\":3", "\"size\":4", .payload), ("\"data\":\"AQID\"", "\"data\":\"A*ID\"", .payload),
        ("\"data\":\"AQID\"", "\"data\":\"AQI\"", .payload),
        ("\"modu\":\"LORA\"", "\"modu\":\"FSK\"", .notLoRa),
        ("\"stat\":1", "\"stat\":2", .outOfRange), ("\"stat\":1", "\"sta\":1", .missingField),
        ("\"codr\":\"4/5\"", "\"codr\":\"OFF\"", .outOfRange),
        ("\"tmst\":7", "\"tmst\":\"7\"", .missingField),
    ]) func `a bad field has a reason`(_ good: String, _ bad: String, _ reason: RadioError) {
        let upstream = GatewayFrame.Upstream(packets: [someReception()])
        let bytes = GatewayFrame.pushData(token: 1, gateway: someGateway, upstream: upstream).encode()
        let text = String(decoding: bytes[12...], as: UTF8.self)
        #expect(text.contains(good), "\(text)")
        let mutated = Array(bytes[..<12]) + Array(text.replacing(good, with: bad).utf8)
        #expect(throws: reason) { try GatewayFrame.decode(mutated) }
    }

    @Test(arguments: [
        ("", TransmitAcknowledgement.accepted), ("\0", .accepted),
        ("{\"txpk_ack\":{\"error\":\"NONE\"}}", .accepted),
        ("{\"txpk_ack\":{\"error\":\"TX_FREQ\"}}", .refused(.frequency)),
        ("{\"txpk_ack\":{\"error\":\"SOMETHING\"}}", .refused(.unknown)),
        ("{\"txpk_ack\":{\"warn\":\"TX_POWER\",\"value\":20}}", .acceptedWithPower(dBm: 20)),
        ("{\"txpk_ack\":{\"warn\":\"TX_POWER\",\"value\":\"20\"}}", .acceptedWithPower(dBm: 20)),
        ("{\"txpk_ack\":{\"warn\":\"TX_POWER\"}}", .acceptedWithPower(dBm: nil)),
        ("{\"txpk_ack\":{\"warn\":\"TX_POWER\",\"value\":\"\(Int.min)\"}}", .acceptedWithPower(dBm: nil)),
        ("{\"txpk_ack\":{\"warn\":\"TX_POWER\",\"value\":-1e300}}", .acceptedWithPower(dBm: nil)),
    ]) func `acknowledgements of every generation are understood`(
        _ json: String, _ expected: TransmitAcknowledgement
    ) throws {
        let frame = try GatewayFrame.decode([UInt8](.header(5), json: json))
        #expect(frame == .transmitAck(token: 0x1234, gateway: someGateway, acknowledgement: expected))
    }

    @Test func `sixteen of the largest packets fit a datagram`() throws {
        let packet = someReception([UInt8](repeating: 255, count: 255))
        let upstream = GatewayFrame.Upstream(
            packets: Array(repeating: packet, count: GatewayFrame.packetsMax),
            status: GatewayStatus(time: "t"))
        let frame = GatewayFrame.pushData(token: 1, gateway: someGateway, upstream: upstream)
        #expect(frame.encode().count < GatewayFrame.byteCountMax)
        #expect(try GatewayFrame.decode(frame.encode()) == frame)
    }

    /// Known figures of the LoRa calculator for 13 octets, coding rate 4/5, eight symbols of preamble.
    @Test func `time on air is that of the calculator`() {
        #expect(DataRate.sf7.timeOnAir(byteCount: 13) == .microseconds(46_336))
        #expect(DataRate.sf12.timeOnAir(byteCount: 13) == .microseconds(1_155_072))
        for rate in DataRate.all {
            #expect(DataRate(rate.description) == rate)
            #expect(rate.timeOnAir(byteCount: 51) <= rate.timeOnAir(byteCount: 52))
        }
    }
}

extension Chance {
    mutating func frame() -> GatewayFrame {
        let token = UInt16(truncatingIfNeeded: bits())
        let gateway = GatewayEUI(bits())
        switch below(6) {
        case 0:
            let packets = (0...below(3)).map { _ in reception() }
            let status =
                happens(1, in: 2) ? GatewayStatus(time: "2014-01-12 08:59:28 GMT", packetsSent: 3) : nil
            return .pushData(
                token: token, gateway: gateway, upstream: .init(packets: packets, status: status))
        case 1: return .pushAck(token: token)
        case 2: return .pullData(token: token, gateway: gateway)
        case 3: return .pullAck(token: token)
        case 4: return .pullResponse(token: token, packet: transmission())
        default:
            let all: [TransmitAcknowledgement] =
                [.accepted, .acceptedWithPower(dBm: below(60) - 20)]
                + TransmitError.allCases.map { .refused($0) }
            return .transmitAck(token: token, gateway: gateway, acknowledgement: all[below(all.count)])
        }
    }

    mutating func transmission() -> TransmitPacket {
        let moments: [TransmitPacket.Moment] = [
            .immediate, .counter(UInt32(truncatingIfNeeded: bits())),
            .gps(milliseconds: UInt64(below(1 << 41))),
        ]
        return TransmitPacket(
            payload: octets(1 + below(255)), frequencyHz: UInt32(863_000_000 + below(65_000_000)),
            dataRate: DataRate.all[below(DataRate.all.count)], codingRate: CodingRate.allCases[below(4)],
            powerDBm: below(40) - 10, moment: moments[below(3)], invertedPolarity: happens(1, in: 2),
            preambleSymbols: 6 + below(20), checksum: happens(1, in: 2), chain: below(2))
    }

    mutating func reception() -> ReceivedPacket {
        ReceivedPacket(
            payload: octets(1 + below(255)), frequencyHz: UInt32(863_000_000 + below(65_000_000)),
            dataRate: DataRate.all[below(DataRate.all.count)], codingRate: CodingRate.allCases[below(4)],
            checksum: Checksum(rawValue: below(3) - 1)!, counter: UInt32(truncatingIfNeeded: bits()),
            gpsMilliseconds: happens(1, in: 2) ? UInt64(below(1 << 41)) : nil,
            channelRSSIDecidBm: Int16(below(1500) - 1500),
            signalRSSIDecidBm: happens(1, in: 2) ? Int16(below(1500) - 1500) : nil,
            snrDecidB: Int16(below(400) - 250), channel: below(10), chain: below(2))
    }
}
