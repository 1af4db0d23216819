internal import Foundation

/// The JSON of the protocol, read with suspicion and written as the reference forwarder writes it.
///
/// Foundation's decoder bounds the depth of nesting; the datagram's size bounds everything else. A packet
/// that cannot be read costs itself and not its neighbours in the datagram: a forwarder mixes LoRa and FSK
/// freely.
enum PacketJSON {
    private static let decoder = JSONDecoder()

    private static func decode<Value: Decodable>(
        _: Value.Type, _ json: ArraySlice<UInt8>
    ) throws(RadioError) -> Value {
        // The root is an object: refuses the cheapest garbage before a parser sees it. Some forwarders end
        // with a NUL.
        var json = json
        while json.last == 0 { json.removeLast() }
        guard json.first == UInt8(ascii: "{"), json.last == UInt8(ascii: "}") else { throw .json }
        do { return try decoder.decode(Value.self, from: Data(json)) } catch { throw .json }
    }

    static func upstream(_ json: ArraySlice<UInt8>) throws(RadioError) -> GatewayFrame.Upstream {
        let raw = try decode(RawUpstream.self, json)
        guard raw.rxpk.count <= GatewayFrame.packetsMax else { throw .tooManyPackets }
        var upstream = GatewayFrame.Upstream()
        for packet in raw.rxpk {
            do throws(RadioError) {
                guard let packet = packet.value else { throw RadioError.missingField }
                upstream.packets.append(try packet.checked())
            } catch { upstream.refused.append(error) }
        }
        if let status = raw.stat {
            do throws(RadioError) {
                guard let status = status.value else { throw RadioError.missingField }
                upstream.status = try status.checked()
            } catch { upstream.refused.append(error) }
        }
        if upstream.packets.isEmpty, upstream.status == nil { throw upstream.refused.first ?? .json }
        return upstream
    }

    static func transmitPacket(_ json: ArraySlice<UInt8>) throws(RadioError) -> TransmitPacket {
        guard let packet = try decode(RawDownstream.self, json).txpk.value else { throw .missingField }
        return try packet.checked()
    }

    static func acknowledgement(_ json: ArraySlice<UInt8>) throws(RadioError) -> TransmitAcknowledgement {
        guard let raw = try decode(RawAcknowledgementRoot.self, json).txpk_ack.value else {
            throw .missingField
        }
        return raw.checked()
    }
}

// MARK: The shapes on the wire: names are the protocol's, and nothing is checked yet.

/// A value that may fail to decode without failing what holds it.
private struct Attempt<Value: Decodable>: Decodable {
    let value: Value?

    init(from decoder: any Decoder) {
        value = try? Value(from: decoder)
    }
}

private struct RawUpstream: Decodable {
    let rxpk: [Attempt<RawReceived>]
    let stat: Attempt<RawStatus>?

    private enum Key: CodingKey { case rxpk, stat }

    init(from decoder: any Decoder) throws {
        let root = try decoder.container(keyedBy: Key.self)
        rxpk = try root.decodeIfPresent([Attempt<RawReceived>].self, forKey: .rxpk) ?? []
        stat = try root.decodeIfPresent(Attempt<RawStatus>.self, forKey: .stat)
    }
}

private struct RawDownstream: Decodable { let txpk: Attempt<RawTransmit> }
private struct RawAcknowledgementRoot: Decodable { let txpk_ack: Attempt<RawAcknowledgement> }

/// A field that is text in some messages and a number in others.
private enum TextOrNumber: Decodable {
    case text(String)
    case number(Double)

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let text = try? value.decode(String.self) {
            self = .text(text)
        } else {
            self = .number(try value.decode(Double.self))
        }
    }
}

private struct RawAntenna: Decodable {
    let rssic: Double?
    let rssis: Double?
    let lsnr: Double?
}

private struct RawReceived: Decodable {
    let tmst: Double?
    let tmms: Double?
    let freq: Double?
    let chan: Double?
    let rfch: Double?
    let stat: Double?
    let modu: String?
    let datr: TextOrNumber?
    let codr: String?
    let rssi: Double?
    let rssis: Double?
    let lsnr: Double?
    let size: Double?
    let data: String?
    let rsig: [RawAntenna]?

    func checked() throws(RadioError) -> ReceivedPacket {
        guard modu == "LORA" else { throw modu == nil ? .missingField : .notLoRa }
        let stat = try integer(stat, in: -1...1)
        let strongest = rsig?.max { ($0.rssic ?? -.infinity) < ($1.rssic ?? -.infinity) }
        let signal = rssis ?? strongest?.rssis
        return ReceivedPacket(
            payload: try checkedPayload(data, size: size), frequencyHz: try checkedFrequency(freq),
            dataRate: try checkedDataRate(datr), codingRate: try checkedCodingRate(codr),
            checksum: Checksum(rawValue: stat)!,
            counter: UInt32(try integer(tmst, in: 0...Int(UInt32.max))),
            gpsMilliseconds: tmms == nil ? nil : UInt64(try integer(tmms, in: 0...gpsMillisecondsMax)),
            channelRSSIDecidBm: try tenths(
                rssi ?? strongest?.rssic ?? rssis, in: ReceivedPacket.signalRangeDecidBm),
            signalRSSIDecidBm: signal == nil
                ? nil : try tenths(signal, in: ReceivedPacket.signalRangeDecidBm),
            snrDecidB: try tenths(lsnr ?? strongest?.lsnr, in: ReceivedPacket.snrRangeDecidB),
            channel: try integer(chan ?? 0, in: 0...255), chain: try integer(rfch ?? 0, in: 0...255))
    }
}

private struct RawTransmit: Decodable {
    let imme: Bool?
    let tmst: Double?
    let tmms: Double?
    let freq: Double?
    let rfch: Double?
    let powe: Double?
    let modu: String?
    let datr: TextOrNumber?
    let codr: String?
    let ipol: Bool?
    let prea: Double?
    let size: Double?
    let data: String?
    let ncrc: Bool?

    func checked() throws(RadioError) -> TransmitPacket {
        guard modu == "LORA" else { throw modu == nil ? .missingField : .notLoRa }
        let moment: TransmitPacket.Moment
        if imme == true {
            moment = .immediate
        } else if let tmst {
            moment = .counter(UInt32(try integer(tmst, in: 0...Int(UInt32.max))))
        } else {
            moment = .gps(milliseconds: UInt64(try integer(tmms, in: 0...gpsMillisecondsMax)))
        }
        // The reference forwarder silently lengthens a preamble below six symbols; so do we.
        let preamble = try integer(prea ?? Double(TransmitPacket.standardPreambleSymbols), in: 0...65_535)
        return TransmitPacket(
            payload: try checkedPayload(data, size: size), frequencyHz: try checkedFrequency(freq),
            dataRate: try checkedDataRate(datr), codingRate: try checkedCodingRate(codr),
            powerDBm: try integer(powe ?? 0, in: TransmitPacket.powerRangeDBm), moment: moment,
            invertedPolarity: ipol ?? false, preambleSymbols: max(6, preamble), checksum: !(ncrc ?? false),
            chain: try integer(rfch, in: 0...255))
    }
}

private struct RawAcknowledgement: Decodable {
    let error: String?
    let warn: String?
    let value: TextOrNumber?

    /// Before protocol 1.5 `NONE` was the error of success.
    func checked() -> TransmitAcknowledgement {
        if let error, error != "NONE" { return .refused(TransmitError(rawValue: error) ?? .unknown) }
        guard warn == "TX_POWER" else { return .accepted }
        switch value {
        case .number(let power) where (-100...100).contains(power):
            return .acceptedWithPower(dBm: Int(power.rounded()))
        case .text(let power):
            return .acceptedWithPower(dBm: Int(power).flatMap { (-100...100).contains($0) ? $0 : nil })
        default: return .acceptedWithPower(dBm: nil)
        }
    }
}

private struct RawStatus: Decodable {
    let time: String?
    let rxnb: Double?
    let rxok: Double?
    let rxfw: Double?
    let ackr: Double?
    let dwnb: Double?
    let txnb: Double?

    func checked() throws(RadioError) -> GatewayStatus {
        guard let time, time.utf8.count <= 64 else { throw .missingField }
        let counts = 0...Int(UInt32.max)
        return GatewayStatus(
            time: time, packetsReceived: UInt64(try integer(rxnb ?? 0, in: counts)),
            packetsReceivedIntact: UInt64(try integer(rxok ?? 0, in: counts)),
            packetsForwarded: UInt64(try integer(rxfw ?? 0, in: counts)),
            acknowledgedPermille: Int(try tenths(ackr ?? 0, in: 0...10_000)),
            downlinksReceived: UInt64(try integer(dwnb ?? 0, in: counts)),
            packetsSent: UInt64(try integer(txnb ?? 0, in: counts)))
    }
}

// MARK: Numbers: the nearest integer in the field's own unit, or a refusal.

/// GPS milliseconds until the year 2100.
private let gpsMillisecondsMax = 3_800_000_000_000

private func integer(_ number: Double?, in range: ClosedRange<Int>) throws(RadioError) -> Int {
    guard let number else { throw .missingField }
    guard number.isFinite, Double(range.lowerBound) <= number, number <= Double(range.upperBound) else {
        throw .outOfRange
    }
    return Int(number.rounded())
}

private func tenths(_ number: Double?, in range: ClosedRange<Int>) throws(RadioError) -> Int16 {
    guard let number else { throw .missingField }
    return Int16(try integer(number * 10, in: range))
}

/// The nearest hertz: 904.5 MHz is 904,500,000 Hz and not one less.
private func checkedFrequency(_ megahertz: Double?) throws(RadioError) -> UInt32 {
    guard let megahertz else { throw .missingField }
    let hertz = (megahertz * 1e6).rounded()
    let range = ReceivedPacket.frequencyRangeHz
    guard Double(range.lowerBound) <= hertz, hertz <= Double(range.upperBound) else { throw .frequency }
    return UInt32(hertz)
}

private func checkedDataRate(_ raw: TextOrNumber?) throws(RadioError) -> DataRate {
    switch raw {
    case .text(let text):
        guard let dataRate = DataRate(text) else { throw .dataRate }
        return dataRate
    case .number: throw .notLoRa
    case nil: throw .missingField
    }
}

private func checkedCodingRate(_ raw: String?) throws(RadioError) -> CodingRate {
    guard let raw else { throw .missingField }
    guard let rate = CodingRate(raw) else { throw .outOfRange }
    return rate
}

private func checkedPayload(_ data: String?, size: Double?) throws(RadioError) -> [UInt8] {
    guard let data else { throw .missingField }
    let size = try integer(size, in: 0...ReceivedPacket.payloadByteCountMax)
    guard let payload = Base64.octets(data, max: ReceivedPacket.payloadByteCountMax) else { throw .payload }
    guard !payload.isEmpty, payload.count == size else { throw .payload }
    return payload
}
