internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Tells its peers of nodes that do not exist, at places of nobody, a hundred times a second: who believes all of it is
/// made to send handshakes of 1,200 octets to whomever it likes.
struct Introducer: Adversary {
    private static let perTick = 10

    mutating func tick(scene: inout Scene) {
        for (peer, _) in scene.peers {
            for _ in 0..<Self.perTick {
                let made = SigningKey(seed: scene.chance.octets(32).octetBytes).nodeID
                let victim = Endpoint(
                    ipv4: 0x0C00_0001 + UInt32(scene.chance.below(1 << 16)) << 8, port: 6_000)
                scene.say(.meet(made, victim), to: peer)
            }
        }
    }
}
