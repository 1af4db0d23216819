internal import Bytes
internal import Chance
internal import Identity
internal import Session
internal import Wire

/// Somebody on the network who has a key, can send from any address, and hears only what comes to its own.
///
/// It calls a host until that demands a proof of address, proves its own, and then says the proven call again and
/// again, as if from everywhere.
struct Spoofer {
    static let home = Endpoint(ipv4: 0x0AFF_FE01, port: 6_000)
    private static let initiationByteCount = 1_200
    private static let cookieReply: UInt8 = 3

    private let sessions: Sessions
    private let target: NodeID
    private let place: Endpoint
    private var chance: Chance
    private var first: [UInt8]?
    private var proven: [UInt8]?

    init(target: NodeID, at place: Endpoint, network: Digest, chance: Chance, now: Instant) {
        var chance = chance
        let seed = SecretSeed(octets: chance.octets(SecretSeed.byteCount).octetBytes)
        let key = seed.signingKey
        let card = NodeRecord(
            node: key.nodeID, sequence: 1, roles: [], endpoints: [Self.home], region: nil, version: 1
        ).signed(by: key, network: network)
        sessions = Sessions(
            key: seed.exchangeKey, record: card, network: network, secrets: .simulated(chance.split()),
            wallNanoseconds: UInt64(now.nanoseconds) + 1 << 60, now: now)
        self.target = target
        self.place = place
        self.chance = chance
    }

    /// The next datagram, and from where it seems to come.
    mutating func next(at now: Instant) -> (bytes: [UInt8], from: Endpoint) {
        guard proven == nil else {
            return (proven!, Endpoint(ipv4: 0x0B00_0001 + UInt32(chance.below(1 << 16)) << 8, port: 6_000))
        }
        run(first == nil ? .open(target, place) : .woke, at: now)
        return (proven ?? first!, Self.home)
    }

    /// Something came to its own address. It wants a cookie, and no session: an answer is not opened.
    mutating func receive(_ bytes: [UInt8], at now: Instant) {
        guard bytes.first == Self.cookieReply else { return }
        run(.datagram(bytes, from: place), at: now)
    }

    private mutating func run(_ event: Sessions.Event, at now: Instant) {
        var actions: [Sessions.Action] = []
        sessions.handle(event, at: now, actions: &actions)
        for case .transmit(let bytes, _) in actions where bytes.count == Self.initiationByteCount {
            first = first ?? bytes
            // The second proof of address stands at the end.
            if bytes.suffix(16).contains(where: { $0 != 0 }) { proven = bytes }
        }
    }

    /// What looks like an initiation, until somebody computes.
    static func garbage(_ chance: inout Chance) -> [UInt8] {
        [1, 0, 0, 0] + chance.octets(initiationByteCount - 4)
    }
}
