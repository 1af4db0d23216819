internal import Bytes
internal import Chance
internal import Dissemination
internal import Identity
internal import Wire

/// Says to every peer, for a while, a hundred times as much as a peer may say: what makes a node work, in full datagrams.
/// Beside that its node keeps to the protocol, as that of a validator whose machine was taken over.
struct Torrent: Adversary {
    static let times = 100
    static let from: Instant = .origin + .seconds(4)
    static let until: Instant = .origin + .milliseconds(5_500)
    static let ticksPerSecond = 10
    private static let octetsPerTick = times * Dissemination.Lane.talk.octetsPerSecond / ticksPerSecond

    private var chance: Chance
    /// Made once: what matters is how much it is.
    private var datagrams: [[UInt8]] = []

    init(chance: Chance) { self.chance = chance }

    mutating func tick(scene: inout Scene) {
        guard Self.from <= scene.now, scene.now < Self.until else { return }
        if datagrams.isEmpty { datagrams = (0..<64).map { _ in datagram(scene) } }
        for (_, endpoint) in scene.peers {
            var said = 0
            while said < Self.octetsPerTick {
                let bytes = datagrams[chance.below(datagrams.count)]
                scene.send(bytes: bytes, to: endpoint)
                said += bytes.count
            }
        }
    }

    private mutating func datagram(_ scene: Scene) -> [UInt8] {
        var frames: [Frame] = []
        var room = Payload.byteCountMax
        while frames.count < Payload.framesMax {
            let frame = frame(scene)
            guard frame.encoded().count <= room else { break }
            room -= frame.encoded().count
            frames.append(frame)
        }
        return Datagram(network: scene.network.prefix, sender: scene.ids[scene.host], frames: frames)
            .encoded()
    }

    private mutating func frame(_ scene: Scene) -> Frame {
        switch chance.below(4) {
        case 0: .have(chance.ids(16))
        case 1: .want(chance.ids(16))
        case 2: .message(Message.contentsRequest(chance.digest()).encoded())
        default: .message(transaction(scene).encoded())
        }
    }

    private func transaction(_ scene: Scene) -> Message {
        .transaction(
            Transaction(
                account: scene.ids[scene.host], nonce: 1_000_000,
                fee: scene.genesis.parameters.feeMin, expiry: scene.openEpoch + 1,
                kind: .transfer(to: scene.ids[scene.host], 1)
            ).signed(by: scene.key, network: scene.network))
    }
}
