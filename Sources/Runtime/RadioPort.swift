internal import Chance
internal import Coverage
internal import NIOCore
internal import Radio
internal import Wire

/// The node's side of the packet forwarder: translates between the node's transmissions and measurements and the
/// forwarder's packets.
///
/// Upon a transmission: the forwarder is asked for its EIRP less the antenna's gain, in whole dBm and never more. Upon
/// TX_POWER, with which forwarders before protocol 1.5 refuse a power that has no row in their gain table: for 1 dB
/// less, until one is accepted; the next transmission begins with that. The power that is told is the one of the request
/// that was accepted, and never above what was to be sent.
final class RadioPort {
    enum Result: Equatable {
        case heard(payload: [UInt8], Measurement)
        case transmitted(power: Int16?)
        case refused(String)
        /// The forwarder sends with more than it was asked for; in dBm at the antenna's connector.
        case exceeded(asked: Int, used: Int)
    }

    /// How often one transmission is asked for with less: the rows of forwarders' gain tables are up to 4 dB apart, and end
    /// at 27 dBm or some dB below, where the most that a region allows is 36.
    static let loweringsMax = 12

    /// What the forwarder has not answered yet.
    private struct Request {
        let transmission: Transmission
        /// dBm at the antenna's connector.
        var conducted: Int
        var lowerings = 0

        /// EIRP in 0.1 dBm.
        func power(conducted: Int) -> Int16 { Int16(clamping: conducted * 10 + Int(transmission.gain)) }
    }

    private let send: (SocketAddress, [UInt8]) -> Void
    private var server: ForwarderServer<SocketAddress>
    private var nextID: UInt64 = 0
    /// As many as are open at the server, which bounds them.
    private var pending: [UInt64: Request] = [:]
    /// What the forwarder took instead of a power that it refused, in dBm.
    private var lowered: (asked: Int, accepted: Int)?
    private var unmodelled: UInt64 = 0

    init(gateway: GatewayEUI?, chance: Chance, send: @escaping (SocketAddress, [UInt8]) -> Void) {
        self.send = send
        server = ForwarderServer(settings: .init(gateway: gateway), chance: chance)
    }

    var deadline: Instant { server.deadline }

    var counters: [(String, UInt64)] {
        [("radio.datagrams", server.counters.datagrams), ("radio.packets", server.counters.packets)]
            + server.counters.dropped.occurred.map { ("radio.dropped.\($0.reason.rawValue)", $0.count) }
            + (unmodelled > 0 ? [("radio.dropped.unmodelledDataRate", unmodelled)] : [])
    }

    func transmit(_ transmission: Transmission, at now: Instant) -> [Result] {
        let range = TransmitPacket.powerRangeDBm
        guard let most = Self.mostConducted(of: transmission) else {
            return [
                .refused(
                    "with an antenna of \(Double(transmission.gain) / 10) dBi even \(range.lowerBound) dBm are more than "
                        + "the \(Double(transmission.power) / 10) dBm EIRP of its region; if the antenna has another "
                        + "gain, correct it with `earshot tx update`"),
                .transmitted(power: nil),
            ]
        }
        let accepted = lowered.flatMap { $0.asked == most ? $0.accepted : nil }
        return ask(Request(transmission: transmission, conducted: accepted ?? most), at: now)
    }

    /// Whole dBm at the antenna's connector that radiate no more than was derived; nil if no radio can do so little.
    private static func mostConducted(of transmission: Transmission) -> Int? {
        let range = TransmitPacket.powerRangeDBm
        let exact = Double(Int(transmission.power) - Int(transmission.gain)) / 10
        let most = min(Int(exact.rounded(.down)), range.upperBound)
        return range.contains(most) ? most : nil
    }

    private func ask(_ request: Request, at now: Instant) -> [Result] {
        nextID += 1
        pending[nextID] = request
        let transmission = request.transmission
        let rate = Radio.DataRate(
            spreadingFactor: transmission.dataRate.spreadingFactor,
            bandwidthKHz: transmission.dataRate.bandwidthKilohertz)!
        let packet = TransmitPacket(
            payload: transmission.payload, frequencyHz: transmission.frequency, dataRate: rate,
            powerDBm: request.conducted)
        return handle(.transmit(packet, id: nextID), at: now)
    }

    func handle(_ event: ForwarderServer<SocketAddress>.Event, at now: Instant) -> [Result] {
        var actions: [ForwarderServer<SocketAddress>.Action] = []
        server.handle(event, at: now, actions: &actions)
        var results: [Result] = []
        for action in actions {
            switch action {
            case .send(let address, let bytes): send(address, bytes)
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
                guard let request = pending.removeValue(forKey: id) else { continue }
                results += ended(request, outcome, at: now)
            }
        }
        return results
    }

    private func ended(_ request: Request, _ outcome: TransmitOutcome, at now: Instant) -> [Result] {
        let power = request.power(conducted: request.conducted)
        switch outcome {
        case .accepted:
            remember(request)
            return [.transmitted(power: power)]
        case .acceptedWithPower(let used):
            guard let used else { return [.transmitted(power: power)] }
            // More than was to be sent is told to the operator, and to nobody else: a reveal of it would not be valid.
            guard used <= request.conducted else {
                return [.exceeded(asked: request.conducted, used: used), .transmitted(power: power)]
            }
            return [.transmitted(power: request.power(conducted: used))]
        // No answer: it may have been sent, and then it must be declared.
        case .unacknowledged: return [.transmitted(power: power)]
        case .refused(.power): return lower(request, at: now)
        case .refused(let error): return [.refused("\(error)"), .transmitted(power: nil)]
        case .noGateway:
            return [.refused("no packet forwarder is connected"), .transmitted(power: nil)]
        case .busy: return [.refused("too many requests wait"), .transmitted(power: nil)]
        }
    }

    private func remember(_ request: Request) {
        guard request.lowerings > 0, let most = Self.mostConducted(of: request.transmission) else { return }
        lowered = (most, request.conducted)
    }

    private func lower(_ request: Request, at now: Instant) -> [Result] {
        var less = request
        less.conducted -= 1
        less.lowerings += 1
        guard less.lowerings <= Self.loweringsMax,
            TransmitPacket.powerRangeDBm.contains(less.conducted)
        else {
            return [
                .refused(
                    "its gain table has no row for \(request.conducted) dBm, nor for the \(request.lowerings) dB above; "
                        + "add one to its configuration"),
                .transmitted(power: nil),
            ]
        }
        return ask(less, at: now)
    }
}
