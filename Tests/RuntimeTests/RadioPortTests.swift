import Chance
import Coverage
import NIOCore
import Radio
import Testing
import Wire

@testable import Runtime

@Suite struct `A node's radio port` {
    /// The port, and a forwarder by hand.
    private final class Mast {
        private final class Wire { var sent: [[UInt8]] = [] }

        private let gateway = GatewayEUI(7)
        private let address: SocketAddress
        private let wire = Wire()
        private let port: RadioPort

        init() throws {
            address = try SocketAddress(ipAddress: "127.0.0.1", port: 1_700)
            port = RadioPort(gateway: gateway, chance: Chance(seed: 1)) { [wire] in wire.sent.append($1) }
            _ = port.handle(
                .datagram(from: address, GatewayFrame.pullData(token: 1, gateway: gateway).encode()),
                at: .origin)
        }

        /// Sends a beacon of 16.1 dBm EIRP. Returns what the forwarder was asked for, in dBm, and what the node hears of it.
        func transmit(
            gain: Int16, _ answer: (Int) -> TransmitAcknowledgement
        ) throws -> (asked: [Int], results: [RadioPort.Result]) {
            let beacon = Transmission(
                payload: [0xE0, 1], frequency: 868_100_000, dataRate: .sf9bw125, power: 161,
                offsetMilliseconds: 0, gain: gain)
            var results = port.transmit(beacon, at: .origin)
            var asked: [Int] = []
            while !wire.sent.isEmpty {
                guard
                    case .pullResponse(let token, let packet) = try GatewayFrame.decode(
                        wire.sent.removeFirst())
                else { continue }
                asked.append(packet.powerDBm)
                let answer = GatewayFrame.transmitAck(
                    token: token, gateway: gateway, acknowledgement: answer(packet.powerDBm))
                results += port.handle(.datagram(from: address, answer.encode()), at: .origin)
            }
            return (asked, results)
        }
    }

    @Test(arguments: [(0, 16, 160), (20, 14, 160), (73, 8, 153), (-30, 19, 160), (.min, 50, -32_268)])
    func `asks for what the antenna leaves of the power that was derived`(
        gain: Int16, conducted: Int, told: Int16
    ) throws {
        let (asked, results) = try Mast().transmit(gain: gain) { _ in .accepted }
        #expect(asked == [conducted])
        #expect(results == [.transmitted(power: told)])
    }

    @Test(arguments: [670, 30_000, .max] as [Int16])
    func `says when no power is low enough for an antenna, and goes on`(gain: Int16) throws {
        let mast = try Mast()
        let (asked, results) = try mast.transmit(gain: gain) { _ in .accepted }
        #expect(asked == [])
        guard results.count == 2, case .refused(let why) = results[0] else {
            Issue.record("\(results)")
            return
        }
        #expect(why.contains("\(Double(gain) / 10) dBi"), "\(why)")
        #expect(results[1] == .transmitted(power: nil))
        let next = try mast.transmit(gain: 20) { _ in .accepted }
        #expect(next.asked == [14] && next.results == [.transmitted(power: 160)])
    }

    @Test func `asks for less where the gain table has no such row, and begins with that next time`() throws {
        let mast = try Mast()
        let rows = [3, 10, 12, 20]
        let answer: (Int) -> TransmitAcknowledgement = { rows.contains($0) ? .accepted : .refused(.power) }
        let first = try mast.transmit(gain: 20, answer)
        #expect(first.asked == [14, 13, 12])
        #expect(first.results == [.transmitted(power: 140)])
        let second = try mast.transmit(gain: 20, answer)
        #expect(second.asked == [12])
        #expect(second.results == [.transmitted(power: 140)])
        // What was found for one power says nothing of another.
        let other = try mast.transmit(gain: -50, answer)
        #expect(other.asked == [21, 20])
        #expect(other.results == [.transmitted(power: 150)])
    }

    @Test func `gives up after some rows, and at once where it is not the power`() throws {
        let mast = try Mast()
        let none = try mast.transmit(gain: 20) { _ in .refused(.power) }
        #expect(none.asked == (2...14).reversed())
        #expect(none.results.count == 2 && none.results.last == .transmitted(power: nil))
        let lowest = try mast.transmit(gain: 661) { _ in .refused(.power) }
        #expect(lowest.asked == [-50])
        #expect(lowest.results.last == .transmitted(power: nil))
        let late = try mast.transmit(gain: 20) { _ in .refused(.tooLate) }
        #expect(late.asked == [14])
        #expect(late.results.last == .transmitted(power: nil))
    }

    @Test func `tells less than it asked for, and never more, of which the operator hears`() throws {
        let mast = try Mast()
        let less = try mast.transmit(gain: 20) { _ in .acceptedWithPower(dBm: 10) }
        #expect(less.results == [.transmitted(power: 120)])
        let more = try mast.transmit(gain: 20) { _ in .acceptedWithPower(dBm: 20) }
        #expect(more.results == [.exceeded(asked: 14, used: 20), .transmitted(power: 160)])
        let unknown = try mast.transmit(gain: 20) { _ in .acceptedWithPower(dBm: nil) }
        #expect(unknown.results == [.transmitted(power: 160)])
    }
}
