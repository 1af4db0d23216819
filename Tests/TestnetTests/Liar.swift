import Bytes
import Chance
import Foundation
import Identity
import Node
import Runtime
import Session
import Synchronization
import Wire

/// A bootstrap node that lies: it answers at a real socket, in sessions like anybody's, and tells nothing that is so.
final class Liar: Sendable {
    enum Tactic: Sendable {
        /// Cards that nobody signed: among others one that moves a node that there is.
        case forges(target: NodeRecord)
        /// First the well-signed cards of nodes that do not exist, then its own card and nothing else.
        case misleads
    }

    let id: NodeID
    /// Who must not be found with whoever asked it.
    let forged: [NodeRecord]
    /// Of whom it told in good form, and who are nowhere.
    let dead: [NodeRecord]

    /// Times that it was asked who there is, by a dial or for cards.
    var asked: Int { state.withLock { $0.asked } }

    private struct State {
        var asked = 0
        var isStopped = false
    }

    private let state = Mutex(State())

    init(_ tactic: Tactic, seed: UInt8, at place: Endpoint, network: Digest) throws {
        func keys(_ number: UInt8) -> NodeKeys {
            NodeKeys(seed: [UInt8](repeating: number, count: 32).span.octetBytes)
        }
        func card(_ node: NodeID, _ places: [Endpoint], sequence: UInt64 = 1) -> NodeRecord {
            NodeRecord(
                node: node, sequence: sequence << NodeRecord.changeBits, roles: .hotspot, endpoints: places,
                region: nil, version: 1)
        }
        let own = keys(seed)
        id = own.signing.nodeID
        let nowhere = Endpoint.loopback(port: 9)
        switch tactic {
        case .forges(let target):
            let others = [
                card(target.node, [nowhere], sequence: 1 << 20),
                card(keys(seed + 1).signing.nodeID, [nowhere]),
            ]
            forged = others.map { card in
                let signature = own.signing.sign(
                    card.signedBytes.octetBytes, domain: .record, network: network)
                return NodeRecord(
                    node: card.node, sequence: card.sequence, roles: card.roles, endpoints: card.endpoints,
                    region: nil, version: card.version, signature: signature)
            }
            dead = []
        case .misleads:
            forged = []
            dead = (UInt8(1)...3).map { number in
                let keys = keys(seed + number).signing
                return card(keys.nodeID, [nowhere]).signed(by: keys, network: network)
            }
        }
        let mine = card(id, [place]).signed(by: own.signing, network: network)
        // The thread's alone, once it runs.
        nonisolated(unsafe) let socket = try DatagramSocket(boundTo: place)
        let lies = forged + dead
        Thread.detachNewThread { [self] in
            let answerer = Answerer(own, mine, lies: lies, isForger: dead.isEmpty, network: network)
            unsafe serve(answerer, socket)
        }
    }

    func stop() { state.withLock { $0.isStopped = true } }

    private func serve(_ answerer: Answerer, _ socket: DatagramSocket) {
        while !state.withLock({ $0.isStopped }) {
            for (bytes, place) in answerer.turn(socket.receiveFrom(milliseconds: 20)) {
                socket.send(bytes, to: place)
            }
            state.withLock { $0.asked = answerer.asked }
        }
        socket.close()
    }
}

/// What it says, on its thread.
private final class Answerer {
    private let own: NodeRecord
    private let lies: [NodeRecord]
    private let isForger: Bool
    private let carrier: Carrier
    private let start = ContinuousClock.now
    private(set) var asked = 0

    init(_ keys: NodeKeys, _ own: NodeRecord, lies: [NodeRecord], isForger: Bool, network: Digest) {
        self.own = own
        self.lies = lies
        self.isForger = isForger
        carrier = Carrier(
            key: keys.exchange, record: own, network: network, settings: Session.Settings(),
            secrets: SecretSource { Entropy.octets($0) },
            wallNanoseconds: UInt64(Date().timeIntervalSince1970 * 1e9), now: .origin)
    }

    private var now: Instant {
        let passed = (ContinuousClock.now - start).components
        return .origin + .nanoseconds(passed.seconds * 1_000_000_000 + passed.attoseconds / 1_000_000_000)
    }

    /// What to send, after a datagram or after none.
    func turn(_ datagram: (bytes: [UInt8], source: Endpoint)?) -> [(bytes: [UInt8], place: Endpoint)] {
        var events: [Carrier.Event] = [.woke]
        if let datagram { events.append(.datagram(datagram.bytes, from: datagram.source)) }
        var out: [(bytes: [UInt8], place: Endpoint)] = []
        while !events.isEmpty {
            var actions: [Carrier.Action] = []
            carrier.handle(events.removeFirst(), at: now, actions: &actions)
            for action in actions {
                switch action {
                case .transmit(let bytes, let place): out.append((bytes, place))
                case .payload(let payload, let node, let place):
                    let frames = (try? Payload(decoding: payload.octetBytes))?.frames ?? []
                    for answer in frames.compactMap({ self.answer($0) }) {
                        events.append(
                            .send(Payload(frames: [answer]).encoded(), to: Destination(node, place)))
                    }
                case .lost, .observed, .keyLog: break
                }
            }
        }
        return out
    }

    private func answer(_ frame: Frame) -> Frame? {
        switch frame {
        case .dial:
            asked += 1
            return .welcome([own] + lies)
        case .records(_, asks: true):
            asked += 1
            return .records(isForger ? [own] + lies : [own], asks: false)
        case .ping(let nonce), .probe(let nonce): return .pong(nonce: nonce)
        default: return nil
        }
    }
}
