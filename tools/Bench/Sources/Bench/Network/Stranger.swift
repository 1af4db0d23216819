internal import Bytes
internal import Chance
internal import Identity
internal import Node
internal import Session
internal import Wire

/// Somebody with a key and a socket who asks a node whether it lives, by a handshake and a question.
final class Stranger {
    private let carrier: Carrier
    private let socket = Socket()
    private let batch = Batch()
    private let target: Destination
    private var answered: Set<UInt64> = []

    init(askingAt host: FleetHost, of world: FleetWorld, chance: inout Chance) {
        let octets = chance.octets(32)
        let key = SigningKey(seed: octets.octetBytes)
        let card = NodeRecord(
            node: key.nodeID, sequence: 1, roles: .observer, endpoints: [socket.endpoint], region: nil,
            version: 1
        ).signed(by: key, network: world.network)
        let now = Clock.now
        carrier = Carrier(
            key: SecretSeed(octets: octets.octetBytes).exchangeKey, record: card, network: world.network,
            settings: Session.Settings(), secrets: .simulated(chance.split()),
            wallNanoseconds: UInt64(now.nanoseconds), now: now)
        target = Destination(host.id, host.socket.endpoint, opens: true)
    }

    func ask(_ nonce: UInt64) {
        handle(.send(Payload(frames: [.probe(nonce: nonce)]).encoded(), to: target))
    }

    /// Whether the answer has come; to be asked again and again.
    func hasAnswer(to nonce: UInt64) -> Bool {
        batch.receive(from: socket) { handle(.datagram($0, from: $1)) }
        if carrier.deadline <= Clock.now { handle(.woke) }
        return answered.contains(nonce)
    }

    private func handle(_ event: Carrier.Event) {
        var actions: [Carrier.Action] = []
        carrier.handle(event, at: Clock.now, actions: &actions)
        for action in actions {
            switch action {
            case .transmit(let octets, let endpoint): socket.send(octets, to: endpoint)
            case .payload(let payload, _, _):
                guard let payload = try? Payload(decoding: payload.octetBytes) else { continue }
                for case .pong(let nonce) in payload.frames { answered.insert(nonce) }
            case .lost, .observed, .keyLog: break
            }
        }
    }
}
