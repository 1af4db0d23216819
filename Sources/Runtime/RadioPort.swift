internal import Chance
internal import Coverage
internal import NIOCore
internal import Radio
internal import Wire

/// The node's side of the packet forwarder: translates between the node's transmissions and measurements and the
/// forwarder's packets, and writes to the radio socket.
final class RadioPort {
    enum Result {
        case heard(payload: [UInt8], Measurement)
        case transmitted(power: Int16?)
        case refused(String)
    }

    private let socket: NodeSocket
    private var server: ForwarderServer<SocketAddress>
    /// Antenna gain in 0.1 dBi: EIRP less conducted power.
    private let gain: Int16
    private var nextID: UInt64 = 0
    private var pending: [UInt64: Int16] = [:]
    private var unmodelled: UInt64 = 0

    init(socket: NodeSocket, gateway: GatewayEUI?, gain: Int16, chance: Chance) {
        self.socket = socket
        self.gain = gain
        server = ForwarderServer(settings: .init(gateway: gateway), chance: chance)
    }

    var deadline: Instant { server.deadline }

    var counters: [(String, UInt64)] {
        [("radio.datagrams", server.counters.datagrams), ("radio.packets", server.counters.packets)]
            + server.counters.dropped.occurred.map { ("radio.dropped.\($0.reason.rawValue)", $0.count) }
            + (unmodelled > 0 ? [("radio.dropped.unmodelledDataRate", unmodelled)] : [])
    }

    func transmit(_ transmission: Transmission, at now: Instant) -> [Result] {
        nextID += 1
        // Whole dBm of conducted power, never more than derived.
        let conducted = Int((Double(transmission.power - gain) / 10).rounded(.down))
        pending[nextID] = Int16(conducted * 10) + gain
        let rate = Radio.DataRate(
            spreadingFactor: transmission.dataRate.spreadingFactor,
            bandwidthKHz: transmission.dataRate.bandwidthKilohertz)!
        let packet = TransmitPacket(
            payload: transmission.payload, frequencyHz: transmission.frequency, dataRate: rate,
            powerDBm: conducted)
        return handle(.transmit(packet, id: nextID), at: now)
    }

    func handle(_ event: ForwarderServer<SocketAddress>.Event, at now: Instant) -> [Result] {
        var actions: [ForwarderServer<SocketAddress>.Action] = []
        server.handle(event, at: now, actions: &actions)
        var results: [Result] = []
        for action in actions {
            switch action {
            case .send(let address, let bytes): socket.send(bytes, to: address)
            case .received(let frame):
                guard
                    let rate = Wire.DataRate(
                        spreadingFactor: frame.dataRate.spreadingFactor,
                        bandwidthKilohertz: frame.dataRate.bandwidthKHz)
                else {
                    unmodelled += 1
                    continue
                }
                results.append(
                    .heard(
                        payload: frame.payload,
                        Measurement(
                            rssi: frame.rssiDecidBm, snr: frame.snrDecidB, frequency: frame.frequencyHz,
                            dataRate: rate)))
            case .transmitted(let id, let outcome):
                guard let power = pending.removeValue(forKey: id) else { continue }
                switch outcome {
                case .accepted: results.append(.transmitted(power: power))
                case .acceptedWithPower(let conducted):
                    let used = conducted.map { Int16(clamping: $0 * 10) + gain } ?? power
                    results.append(.transmitted(power: min(power, used)))
                // No answer: it may have been sent, and then it must be declared.
                case .unacknowledged: results.append(.transmitted(power: power))
                case .refused(let error):
                    results += [.refused("\(error)"), .transmitted(power: nil)]
                case .noGateway:
                    results += [.refused("no packet forwarder is connected"), .transmitted(power: nil)]
                case .busy: results += [.refused("too many requests wait"), .transmitted(power: nil)]
                }
            }
        }
        return results
    }
}
