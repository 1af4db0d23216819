internal import Bytes
internal import Chance
internal import Coverage
internal import Identity
internal import Wire

/// A host that does not keep to the protocol: it stands between an honest node and the network.
///
/// Sending nothing, changing, adding: everything that a real attacker with this host's keys can do, and nothing
/// that he cannot (he forges no other's signature).
protocol Adversary {
    /// The host's node wants to send this; nothing leaves but what is given to `scene`.
    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene)
    /// Something has come; false keeps it from the host's node.
    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool
    /// Something has come by radio; its node hears it too.
    mutating func hear(_ payload: [UInt8], _ measurement: Measurement, scene: inout Scene)
    /// Every 100 ms.
    mutating func tick(scene: inout Scene)
}

extension Adversary {
    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        scene.send(datagram, to: endpoint)
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool { true }

    mutating func hear(_ payload: [UInt8], _ measurement: Measurement, scene: inout Scene) {}

    mutating func tick(scene: inout Scene) {}
}

/// What an adversary knows at all times.
final class Backdrop {
    let host: Int
    let key: SigningKey
    let vrfKey: VRFKey
    let genesis: Genesis
    let network: Digest
    /// Where every host of the world is, by its number.
    let endpoints: [Endpoint]
    let ids: [NodeID]
    /// Δ, which everybody has from the same settings.
    let delta: Duration
    /// Of those for whom it speaks beside itself.
    var seeds: [NodeID: [UInt8]] = [:]

    init(
        host: Int, key: SigningKey, vrfKey: VRFKey, genesis: Genesis, network: Digest, endpoints: [Endpoint],
        ids: [NodeID], delta: Duration
    ) {
        self.host = host
        self.key = key
        self.vrfKey = vrfKey
        self.genesis = genesis
        self.network = network
        self.endpoints = endpoints
        self.ids = ids
        self.delta = delta
    }
}

/// What an adversary knows and can do at one moment.
struct Scene {
    let backdrop: Backdrop
    let now: Instant
    /// Where this host's node has peers.
    let peers: [(NodeID, Endpoint)]
    let openEpoch: Epoch
    var chance: Chance
    /// What leaves, in its order.
    private(set) var outbox: [(bytes: [UInt8], to: Endpoint)] = []
    /// What is sent by radio.
    private(set) var transmissions: [Transmission] = []
    /// What leaves as sessions' own words, in sealed worlds.
    private(set) var introductions: [(Rendezvous, to: NodeID)] = []

    init(
        _ backdrop: Backdrop, now: Instant, peers: [(NodeID, Endpoint)], openEpoch: Epoch, chance: Chance
    ) {
        self.backdrop = backdrop
        self.now = now
        self.peers = peers
        self.openEpoch = openEpoch
        self.chance = chance
    }

    var host: Int { backdrop.host }
    var key: SigningKey { backdrop.key }
    var vrfKey: VRFKey { backdrop.vrfKey }
    var genesis: Genesis { backdrop.genesis }
    var network: Digest { backdrop.network }
    var endpoints: [Endpoint] { backdrop.endpoints }
    var ids: [NodeID] { backdrop.ids }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint) {
        outbox.append((datagram.encoded(), endpoint))
    }

    mutating func send(bytes: [UInt8], to endpoint: Endpoint) { outbox.append((bytes, endpoint)) }

    mutating func say(_ rendezvous: Rendezvous, to node: NodeID) { introductions.append((rendezvous, node)) }

    mutating func transmit(_ transmission: Transmission) { transmissions.append(transmission) }

    /// The same moment with nothing said yet, and its own chances.
    mutating func again() -> Scene {
        var scene = self
        scene.outbox = []
        scene.transmissions = []
        scene.introductions = []
        scene.chance = chance.split()
        return scene
    }

    /// A message as this host's own, whole or in chunks, to one place.
    mutating func send(_ message: Message, to endpoint: Endpoint) {
        let octets = message.encoded()
        if octets.count <= Frame.messageByteCountMax { return send([.message(octets)], to: endpoint) }
        send(chunksOf: octets, as: Digest(of: octets), to: endpoint)
    }

    /// In chunks that say to be of the message with this digest.
    mutating func send(chunksOf octets: [UInt8], as digest: Digest, to endpoint: Endpoint) {
        let pieces = stride(from: 0, to: octets.count, by: Chunk.byteCountMax).map {
            Array(octets[$0..<min($0 + Chunk.byteCountMax, octets.count)])
        }
        for (index, piece) in pieces.enumerated() {
            let chunk = Chunk(
                message: digest, index: UInt16(index), count: UInt16(pieces.count), octets: piece)
            send([.chunk(chunk)], to: endpoint)
        }
    }

    mutating func send(_ frames: [Frame], to endpoint: Endpoint) {
        send(Datagram(network: network.prefix, sender: ids[host], frames: frames), to: endpoint)
    }
}
