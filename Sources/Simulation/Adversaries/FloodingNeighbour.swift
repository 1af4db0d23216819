internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// An edge node that gives all others more than they can keep: bundles of its own, of strangers that it makes up, of others
/// with bad signatures, pieces of what never becomes whole, questions without end and answers that nobody asked for.
struct FloodingNeighbour: Adversary {
    static let datagramsPerTick = 16
    private static let strangersMax = 16

    private var chance: Chance
    private var strangers: [SigningKey] = []

    init(chance: Chance) { self.chance = chance }

    mutating func tick(scene: inout Scene) {
        while strangers.count < Self.strangersMax {
            let seed = chance.octets(SigningKey.seedByteCount)
            let key = SigningKey(seed: seed.octetBytes, isGuarded: false)
            scene.backdrop.seeds[key.nodeID] = seed
            strangers.append(key)
        }
        for _ in 0..<Self.datagramsPerTick {
            let target = scene.endpoints[chance.below(scene.endpoints.count)]
            guard target != scene.ownEndpoint else { continue }
            let stranger = strangers[chance.below(strangers.count)]
            let isOwn = chance.happens(1, in: 2)
            let frame = frame(isOwn ? scene.key : stranger, scene)
            let sender = isOwn ? scene.id : stranger.nodeID
            scene.send(Datagram(network: scene.network.prefix, sender: sender, frames: [frame]), to: target)
        }
    }

    private mutating func frame(_ key: SigningKey, _ scene: Scene) -> Frame {
        let readings = [Reading(sequence: chance.bits(), kind: 1, value: Int64(chance.below(1_000)))]
        let epoch = scene.openEpoch + Epoch(chance.below(2))
        switch chance.below(6) {
        case 0, 1:
            let bundle = Bundle(
                author: key.nodeID, epoch: epoch, ownTag: nil, reports: [], readings: readings
            )
            .signed(by: key, network: scene.network)
            return .message(Message.handIn(bundle).encoded())
        case 2:
            let victim = scene.ids[chance.below(scene.ids.count)]
            let bundle = Bundle(
                author: victim, epoch: epoch, ownTag: nil, reports: [], readings: readings,
                signature: Signature(octets: chance.octets(Signature.byteCount).octetBytes))
            return .message(Message.handIn(bundle).encoded())
        case 3:
            return .chunk(
                Chunk(
                    message: chance.digest(), index: UInt16(chance.below(3)), count: 4,
                    octets: chance.octets(Chunk.byteCountMax)))
        case 4: return .message(Message.question(.follow(epoch)).encoded())
        default: return .message(Message.answer(.bundle(chance.digest(), .held)).encoded())
        }
    }
}
