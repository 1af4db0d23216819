import Bytes
import Chance
import Foundation
import Glibc
import Identity
import Node
import Radio
import Records
import Runtime
import Session
import TestKit
import Testing
import Wire

/// Datagrams made from valid ones: garbled, truncated, replayed, grown, and plain garbage.
private struct Flood {
    let valid: [[UInt8]]
    var chance: Chance

    mutating func next() -> [UInt8] {
        var bytes = valid[chance.below(valid.count)]
        switch chance.below(8) {
        case 0: break
        case 1: bytes.removeLast(1 + chance.below(bytes.count))
        case 2: bytes += [UInt8](repeating: UInt8(chance.below(256)), count: 1_200 + chance.below(12_000))
        case 3: bytes = chance.octets(1 + chance.below(48))
        default: for _ in 0...chance.below(3) { bytes.mutate(with: &chance) }
        }
        return bytes
    }
}

/// Somebody with a key of its own and a session with a node.
private final class Stranger {
    let keys = NodeKeys(seed: [UInt8](repeating: 7, count: 32).span.octetBytes)
    private let socket: DatagramSocket
    private let node: Destination
    private let carrier: Carrier
    private let start = ContinuousClock.now
    /// Every datagram of the handshake.
    private(set) var sent: [[UInt8]] = []

    init(_ socket: DatagramSocket, _ target: TestnetPlan.Member, _ network: Digest) throws {
        self.socket = socket
        node = Destination(target.id, target.gossip, opens: true)
        let card = NodeRecord(
            node: keys.signing.nodeID, sequence: 1, roles: [], endpoints: [], region: nil, version: 1
        ).signed(by: keys.signing, network: network)
        carrier = Carrier(
            key: keys.exchange, record: card, network: network, settings: Session.Settings(),
            secrets: SecretSource { Entropy.octets($0) },
            wallNanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9), now: .origin)
        carry(.send(Payload(frames: [.ping(nonce: 0)]).encoded(), to: node))
    }

    private var now: Instant {
        let passed = (ContinuousClock.now - start).components
        return .origin + .nanoseconds(passed.seconds * 1_000_000_000 + passed.attoseconds / 1_000_000_000)
    }

    private func carry(_ event: Carrier.Event) {
        for case .transmit(let bytes, let endpoint) in actions(event) {
            sent.append(bytes)
            socket.send(bytes, to: endpoint)
        }
    }

    private func actions(_ event: Carrier.Event) -> [Carrier.Action] {
        var actions: [Carrier.Action] = []
        carrier.handle(event, at: now, actions: &actions)
        return actions
    }

    func isOpen() -> Bool {
        carry(.woke)
        if let bytes = socket.receive(milliseconds: 1) { carry(.datagram(bytes, from: node.endpoint)) }
        return carrier.sessions.endpoint(of: node.node) != nil
    }

    /// One datagram of the session.
    func seal(_ words: [UInt8]) -> [UInt8] {
        for case .transmit(let bytes, _) in actions(.send(words, to: node)) { return bytes }
        return []
    }

    func say(_ words: [UInt8]) { socket.send(seal(words), to: node.endpoint) }
}

extension TestnetTests {
    @Suite struct FloodTests {
        static let datagramCount: UInt64 = 1_000_000
        /// By which a node's own memory may grow between a tenth of the flood and its end: room for a few epochs of
        /// state and for the allocator's whims, a hundredth of what the flood itself weighs.
        static let growthMax = 24 << 20
        /// Kept below so many octets, a socket's queue neither overflows nor makes votes wait long.
        static let queueMax = 256 << 10

        /// What strangers say once they have a session: whole and signed.
        private func said(_ plan: TestnetPlan, by stranger: SigningKey) -> [[UInt8]] {
            let network = plan.genesis.network
            let peer = plan.members[1]
            let key = NodeKeys(seed: peer.seed.span.octetBytes).signing
            let vote = Vote(.notarize(3, 1, network), by: key, network: network)
            let bundle = Bundle(author: peer.id, epoch: 3, ownTag: nil, reports: []).signed(
                by: key, network: network)
            let transfer = Transaction(
                account: stranger.nodeID, nonce: 1, fee: 1_000, expiry: 50, kind: .transfer(to: peer.id, 1)
            ).signed(by: stranger, network: network)
            let card = NodeRecord(
                node: stranger.nodeID, sequence: 1, roles: .observer, endpoints: [.loopback(port: 9)],
                region: nil,
                version: 1
            ).signed(by: stranger, network: network)
            let id = ShortID(network)
            let frames: [Frame] = [
                .message(Message.vote(vote).encoded()), .message(Message.bundle(bundle).encoded()),
                .message(Message.transaction(transfer).encoded()),
                .message(Message.accountRequest(peer.id).encoded()),
                .message(Message.contentsRequest(network).encoded()),
                .message(Message.finalityRequest(from: 1, count: 8).encoded()),
                .chunk(
                    Chunk(message: network, index: 0, count: 9, octets: [UInt8](repeating: 1, count: 1_024))),
                .records([card], asks: false), .have([id, id, id]), .want([id]), .ping(nonce: 1),
                .pong(nonce: 1),
                .goodbye,
            ]
            return (frames.map { [$0] } + [Array(frames.suffix(5))]).map { Payload(frames: $0).encoded() }
        }

        private func packet(_ payload: [UInt8]) -> ReceivedPacket {
            ReceivedPacket(
                payload: payload, frequencyHz: 868_100_000,
                dataRate: Radio.DataRate(spreadingFactor: 7, bandwidthKHz: 125)!, counter: 1,
                channelRSSIDecidBm: -900,
                snrDecidB: 50)
        }

        /// What a gateway and its impostors send to a radio port.
        private func radio(_ name: GatewayEUI) -> [[UInt8]] {
            let packets = [packet([1, 2, 3]), packet([UInt8](repeating: 9, count: 51))]
            return [name, GatewayEUI(7)].flatMap { gateway in
                [
                    GatewayFrame.pushData(token: 1, gateway: gateway, upstream: .init(packets: packets)),
                    .pushData(token: 2, gateway: gateway, upstream: .init(packets: [packets[0]])),
                    .transmitAck(token: 3, gateway: gateway, acknowledgement: .accepted),
                    .pushAck(token: 4), .pullAck(token: 5),
                ].map { $0.encode() }
            }
        }

        /// Octets that wait at the sockets of these ports, as the kernel says.
        private func queued(_ ports: [UInt16]) throws -> Int {
            let text = try String(contentsOfFile: "/proc/net/udp", encoding: .utf8)
            return text.split(separator: "\n").dropFirst().reduce(0) { sum, line in
                let fields = line.split(separator: " ", maxSplits: 5)
                guard fields.count > 4, let port = fields[1].split(separator: ":").last,
                    ports.contains(UInt16(port, radix: 16) ?? 0),
                    let queue = fields[4].split(separator: ":").last
                else { return sum }
                return sum + (Int(queue, radix: 16) ?? 0)
            }
        }

        /// Resident octets that are the process's own: mapped files do not count.
        private func memory(_ process: Int32) throws -> Int {
            let fields = try String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8).split(
                separator: " ")
            return (Int(fields[1])! - Int(fields[2])!) * Int(sysconf(Int32(_SC_PAGESIZE)))
        }

        private func dropped(_ counters: [String: UInt64]) -> UInt64 {
            counters.filter { $0.key.contains(".dropped.") }.values.reduce(0, +)
        }

        @Test func `a million hostile datagrams are dropped for named reasons while epochs go on`()
            async throws
        {
            let world = try World(portBase: Ports.flood) { $0.nodes = 4 }
            try await world.goOn(world.names, by: 1)
            let target = world.testnet.plan.members[0]
            let gateway = try #require(GatewayEUI(hex: target.gateway))
            let process = try #require(world.testnet.children[target.name]).processID
            try await acceptsFullFrames(world, target, gateway)

            var chance = Chance(seed: 1)
            let socket = try DatagramSocket(boundTo: .loopback(port: 0))
            defer { socket.close() }
            let stranger = try Stranger(socket, target, world.testnet.plan.genesis.network)
            try await until("a session with the node") { stranger.isOpen() }
            var speech = Flood(
                valid: said(world.testnet.plan, by: stranger.keys.signing), chance: chance.split())
            // What opened the session, and sealed words: all of it whole and genuine once.
            let genuine = stranger.sent + (0..<8).map { stranger.seal([UInt8($0)]) }
            var floods = [
                (to: target.gossip, Flood(valid: genuine, chance: chance.split())),
                (to: target.radio, Flood(valid: radio(gateway), chance: chance.split())),
            ]
            let ports = [target.gossip.port, target.radio.port]
            let before = dropped(try world.counters(of: target.name))
            let start = world.last(of: target.name)
            var early: Int?
            var count: UInt64 = 0
            try await until(
                "the node to account for a million datagrams", within: .seconds(400), every: .zero
            ) {
                for place in floods.indices {
                    for _ in 0..<200 { socket.send(floods[place].1.next(), to: floods[place].to) }
                }
                for _ in 0..<200 {
                    let words = speech.next()
                    if words.count <= Payload.byteCountMax { stranger.say(words) }
                }
                while try queued(ports) > Self.queueMax { sched_yield() }
                count = dropped(try world.counters(of: target.name)) - before
                if early == nil, count >= Self.datagramCount / 10 { early = try memory(process) }
                return count >= Self.datagramCount
            }
            let growth = try memory(process) - (try #require(early))
            #expect(growth < Self.growthMax, "its memory grew by \(growth) octets")
            #expect(world.last(of: target.name) > start + 5, "it finalised while it was flooded")
            try await world.goOn(world.names, by: 2)
            let last = world.testnet.commonEpoch(of: world.names)
            #expect(world.testnet.faults(through: last, of: world.names) == [])

            let counters = try world.counters(of: target.name)
            let reasons = [
                "session.dropped.malformed", "session.dropped.badMac1", "session.dropped.unknownIndex",
                "session.dropped.forged", "session.dropped.replayed", "session.dropped.unproven",
                "gossip.dropped.malformed", "gossip.dropped.strangersFrame", "gossip.dropped.badSignature",
                "gossip.dropped.refusedTransaction", "radio.dropped.tooShort", "radio.dropped.tooLong",
                "radio.dropped.version", "radio.dropped.kind", "radio.dropped.json", "radio.dropped.replayed",
                "radio.dropped.unknownGateway", "radio.dropped.unmatchedAcknowledgement",
            ]
            for reason in reasons { #expect(counters[reason] ?? 0 > 0, "\(reason) in \(counters)") }
        }

        /// The largest datagram of a real forwarder: eight kilobytes, more than fits a gossip datagram sevenfold.
        private func acceptsFullFrames(
            _ world: World, _ target: TestnetPlan.Member, _ gateway: GatewayEUI
        ) async throws {
            let packets = (0..<GatewayFrame.packetsMax).map {
                packet([UInt8](repeating: UInt8($0), count: 255))
            }
            let frame = GatewayFrame.pushData(token: 99, gateway: gateway, upstream: .init(packets: packets))
                .encode()
            let socket = try DatagramSocket(boundTo: .loopback(port: 0))
            defer { socket.close() }
            socket.send(frame, to: target.radio)
            try await until("sixteen packets of one datagram to be heard") {
                try world.counters(of: target.name)["coverage.foreignPayload"] ?? 0 >= 16
            }
        }
    }
}
