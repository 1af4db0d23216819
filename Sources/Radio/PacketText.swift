/// The writing half of the protocol's JSON.
///
/// Written by hand, in the reference forwarder's order of fields: every number is an exact decimal of an
/// integer, which no encoder of floating-point values promises.
extension PacketJSON {
    static func text(_ upstream: GatewayFrame.Upstream) -> String {
        var members: [String] = []
        if !upstream.packets.isEmpty {
            members.append("\"rxpk\":[\(upstream.packets.map(text).joined(separator: ","))]")
        }
        if let status = upstream.status { members.append("\"stat\":\(text(status))") }
        return "{\(members.joined(separator: ","))}"
    }

    static func text(_ packet: TransmitPacket) -> String {
        var fields: [String] = []
        switch packet.moment {
        case .immediate: fields.append("\"imme\":true")
        case .counter(let counter): fields += ["\"imme\":false", "\"tmst\":\(counter)"]
        case .gps(let milliseconds): fields += ["\"imme\":false", "\"tmms\":\(milliseconds)"]
        }
        fields += [
            "\"freq\":\(megahertz(packet.frequencyHz))", "\"rfch\":\(packet.chain)",
            "\"powe\":\(packet.powerDBm)",
            "\"modu\":\"LORA\"", "\"datr\":\"\(packet.dataRate)\"", "\"codr\":\"\(packet.codingRate.text)\"",
            "\"ipol\":\(packet.invertedPolarity)",
        ]
        if packet.preambleSymbols != TransmitPacket.standardPreambleSymbols {
            fields.append("\"prea\":\(packet.preambleSymbols)")
        }
        if !packet.checksum { fields.append("\"ncrc\":true") }
        fields += ["\"size\":\(packet.payload.count)", "\"data\":\"\(Base64.text(packet.payload))\""]
        return "{\"txpk\":{\(fields.joined(separator: ","))}}"
    }

    /// Success has no JSON at all.
    static func text(_ acknowledgement: TransmitAcknowledgement) -> String {
        switch acknowledgement {
        case .accepted: ""
        case .refused(let error): "{\"txpk_ack\":{\"error\":\"\(error.rawValue)\"}}"
        case .acceptedWithPower(nil): "{\"txpk_ack\":{\"warn\":\"TX_POWER\"}}"
        case .acceptedWithPower(let power?): "{\"txpk_ack\":{\"warn\":\"TX_POWER\",\"value\":\(power)}}"
        }
    }

    private static func text(_ packet: ReceivedPacket) -> String {
        var fields = ["\"jver\":1", "\"tmst\":\(packet.counter)"]
        if let milliseconds = packet.gpsMilliseconds { fields.append("\"tmms\":\(milliseconds)") }
        fields += [
            "\"chan\":\(packet.channel)", "\"rfch\":\(packet.chain)",
            "\"freq\":\(megahertz(packet.frequencyHz))",
            "\"stat\":\(packet.checksum.rawValue)", "\"modu\":\"LORA\"", "\"datr\":\"\(packet.dataRate)\"",
            "\"codr\":\"\(packet.codingRate.text)\"",
        ]
        if let signal = packet.signalRSSIDecidBm {
            fields.append("\"rssis\":\(tenths(signal, fraction: false))")
        }
        fields += [
            "\"lsnr\":\(tenths(packet.snrDecidB, fraction: true))",
            "\"rssi\":\(tenths(packet.channelRSSIDecidBm, fraction: false))",
            "\"size\":\(packet.payload.count)",
            "\"data\":\"\(Base64.text(packet.payload))\"",
        ]
        return "{\(fields.joined(separator: ","))}"
    }

    private static func text(_ status: GatewayStatus) -> String {
        let time = status.time.filter { $0.isASCII && $0 >= " " && $0 != "\"" && $0 != "\\" }
        let fields = [
            "\"time\":\"\(time)\"", "\"rxnb\":\(status.packetsReceived)",
            "\"rxok\":\(status.packetsReceivedIntact)",
            "\"rxfw\":\(status.packetsForwarded)",
            "\"ackr\":\(status.acknowledgedPermille / 10).\(status.acknowledgedPermille % 10)",
            "\"dwnb\":\(status.downlinksReceived)", "\"txnb\":\(status.packetsSent)",
        ]
        return "{\(fields.joined(separator: ","))}"
    }

    /// Six decimals, as the forwarder prints them.
    private static func megahertz(_ hertz: UInt32) -> String {
        let fraction = String(hertz % 1_000_000)
        return "\(hertz / 1_000_000).\(String(repeating: "0", count: 6 - fraction.count))\(fraction)"
    }

    /// A decimal with one place; `fraction` says whether `.0` is written too.
    private static func tenths(_ value: Int16, fraction: Bool) -> String {
        let whole = "\(value < 0 ? "-" : "")\(value.magnitude / 10)"
        return value % 10 == 0 && !fraction ? whole : "\(whole).\(value.magnitude % 10)"
    }
}
