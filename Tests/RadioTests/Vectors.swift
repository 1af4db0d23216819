import Foundation
import Radio

/// Published cases, with the source of each beside it.
enum Vectors {
    nonisolated(unsafe) private static let root: [String: Any] = {
        // Read once and never written.
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "Vectors/forwarder.json")
        let json = try? JSONSerialization.jsonObject(with: Data(contentsOf: file))
        return json as? [String: Any] ?? [:]
    }()

    /// Input and expectation of one case.
    static func vector(_ id: String) -> (input: [String: Any], expected: [String: Any]) {
        let all = unsafe root["vectors"] as? [[String: Any]] ?? []
        guard let found = all.first(where: { $0["id"] as? String == id }) else {
            preconditionFailure("no vector \(id)")
        }
        return (found["input"] as? [String: Any] ?? [:], found["expected"] as? [String: Any] ?? [:])
    }

    static func place(h3: String) -> Place {
        let all = unsafe root["locations"] as? [String: [String: Any]] ?? [:]
        guard let found = all.values.first(where: { $0["h3_u64"] as? String == h3 }),
            let degrees = found["latlng"] as? [Double]
        else { preconditionFailure("no place \(h3)") }
        return Place(latitude: degrees[0], longitude: degrees[1])
    }
}

extension DataRate {
    static let sf7 = DataRate(spreadingFactor: 7, bandwidthKHz: 125)!
    static let sf12 = DataRate(spreadingFactor: 12, bandwidthKHz: 125)!
}

extension [UInt8] {
    static func header(_ kind: UInt8, token: UInt16 = 0x1234, gateway: Bool = true, version: UInt8 = 2)
        -> [UInt8]
    {
        [version, UInt8(token >> 8), UInt8(token & 255), kind]
            + (gateway ? [0xAA, 0x55, 0x5A, 1, 2, 3, 4, 5] : [])
    }

    init(_ head: [UInt8], json: String) {
        self = head + Array(json.utf8)
    }
}

let someGateway = GatewayEUI(0xAA55_5A01_0203_0405)

func somePacket(_ payload: [UInt8] = [1, 2, 3], power: Int = 14, moment: TransmitPacket.Moment = .immediate)
    -> TransmitPacket
{
    TransmitPacket(
        payload: payload, frequencyHz: 868_100_000, dataRate: .sf7, powerDBm: power, moment: moment)
}

func someReception(_ payload: [UInt8] = [1, 2, 3], checksum: Checksum = .passed) -> ReceivedPacket {
    ReceivedPacket(
        payload: payload, frequencyHz: 868_100_000, dataRate: .sf7, checksum: checksum, counter: 7,
        channelRSSIDecidBm: -1090, signalRSSIDecidBm: -1120, snrDecidB: -55)
}
