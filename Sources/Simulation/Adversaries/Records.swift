internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Surrounds honest nodes with nodes that do not exist: cards of its own making, for places that are its own
/// or dead, and someone at its own place who answers for each of them.
struct Eclipser: Adversary {
    /// As many as a node has peers at most.
    static let inventedMax = 12
    static let dialsPerTick = 3
    /// Cards of nodes that are nowhere: made once, as making them is all that they cost.
    static let deadMax = 96

    private var chance: Chance
    private var invented: [SigningKey] = []
    private var seeds: [NodeID: [UInt8]] = [:]
    private var dead: [NodeRecord] = []
    private var sequence: UInt64 = 1

    init(chance: Chance) {
        self.chance = chance
        for _ in 0..<Self.inventedMax {
            let seed = self.chance.octets(SigningKey.seedByteCount)
            invented.append(SigningKey(seed: seed.octetBytes))
            seeds[invented[invented.count - 1].nodeID] = seed
        }
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for frame in datagram.frames {
            switch frame {
            case .ping(let nonce):
                // It is not told which of them was meant.
                for key in invented { say([.pong(nonce: nonce)], as: key, to: endpoint, &scene) }
            case .probe(let nonce):
                for key in invented { say([.pong(nonce: nonce)], as: key, to: endpoint, &scene) }
            case .dial: introduce(to: endpoint, dials: false, &scene)
            case .records(_, asks: true):
                // It is not told either whom this was for.
                for key in invented {
                    say([.records(cards(of: key, &scene), asks: false)], as: key, to: endpoint, &scene)
                }
            default: break
            }
        }
        return true
    }

    mutating func tick(scene: inout Scene) {
        for _ in 0..<Self.dialsPerTick {
            guard let target = chance.pick(scene.endpoints), target != scene.endpoints[scene.host] else {
                continue
            }
            introduce(to: target, dials: true, &scene)
        }
    }

    /// Dials or welcomes as one of them.
    private mutating func introduce(to endpoint: Endpoint, dials: Bool, _ scene: inout Scene) {
        let key = invented[chance.below(invented.count)]
        let cards = cards(of: key, &scene)
        guard dials else { return say([.welcome(cards)], as: key, to: endpoint, &scene) }
        say([.dial(cards[0], isUrgent: true)], as: key, to: endpoint, &scene)
        // To whom it is a peer already.
        say([.records(cards, asks: true)], as: key, to: endpoint, &scene)
    }

    /// The card of one of them, as if from itself, and cards of three more that are nowhere.
    private mutating func cards(of key: SigningKey, _ scene: inout Scene) -> [NodeRecord] {
        var records = [record(of: key, at: scene.endpoints[scene.host], scene.network)]
        while records.count < Frame.recordsMax {
            if dead.count < Self.deadMax {
                let seed = chance.octets(SigningKey.seedByteCount)
                let nowhere = Endpoint(ipv4: 0x0A00_0000 | UInt32(chance.below(1 << 24)), port: 9)
                dead.append(record(of: SigningKey(seed: seed.octetBytes), at: nowhere, scene.network))
                records.append(dead[dead.count - 1])
            } else {
                records.append(dead[chance.below(dead.count)])
            }
        }
        return records
    }

    private func record(of key: SigningKey, at endpoint: Endpoint, _ network: Digest) -> NodeRecord {
        NodeRecord(
            node: key.nodeID, sequence: sequence, roles: [.hotspot, .validator], endpoints: [endpoint],
            region: nil, version: 1
        )
        .signed(by: key, network: network)
    }

    private func say(
        _ frames: [Frame], as key: SigningKey, to endpoint: Endpoint, _ scene: inout Scene
    ) {
        scene.backdrop.seeds[key.nodeID] = seeds[key.nodeID]
        scene.send(
            Datagram(network: scene.network.prefix, sender: key.nodeID, frames: frames), to: endpoint)
    }
}

/// Spreads contact cards that nobody signed, or that only it could mean.
struct RecordForger: Adversary {
    static let targetsMax = 8

    private var chance: Chance
    private var heard = Recent<NodeRecord>(max: 64)

    init(chance: Chance) { self.chance = chance }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for case .records(let records, _) in datagram.frames {
            for record in records { heard.add(record) }
        }
        return true
    }

    mutating func tick(scene: inout Scene) {
        for peer in scene.peers.prefix(Self.targetsMax) {
            let record = card(scene)
            scene.send([.records([record], asks: chance.happens(1, in: 2))], to: peer.1)
        }
    }

    private mutating func card(_ scene: Scene) -> NodeRecord {
        let own = scene.endpoints[scene.host]
        guard let victim = chance.pick(heard.list) else { return absurd(scene) }
        return switch chance.below(4) {
        case 0:
            // Another's card, moved here, with the signature of the one that it made itself.
            forged(victim, sequence: victim.sequence &+ 1, at: own, victim.signature)
        case 1:
            forged(
                victim, sequence: .max, at: own,
                Signature(octets: chance.octets(Signature.byteCount).octetBytes))
        case 2:
            // Signed, but by the wrong one.
            forged(
                victim, sequence: .max, at: own,
                scene.key.sign(victim.signedBytes.octetBytes, domain: .record, network: scene.network))
        default: absurd(scene)
        }
    }

    private func forged(
        _ record: NodeRecord, sequence: UInt64, at endpoint: Endpoint, _ signature: Signature
    ) -> NodeRecord {
        NodeRecord(
            node: record.node, sequence: sequence, roles: record.roles, endpoints: [endpoint],
            region: record.region, version: record.version, signature: signature)
    }

    /// Its own, well signed, newer than any that its node will ever make, and each at another place.
    private mutating func absurd(_ scene: Scene) -> NodeRecord {
        let own = scene.endpoints[scene.host]
        let place = Endpoint(high: own.high, low: own.low, port: UInt16(truncatingIfNeeded: chance.bits()))
        return NodeRecord(
            node: scene.id, sequence: .max - UInt64(chance.below(4)), roles: [.validator],
            endpoints: chance.happens(1, in: 2) ? [own] : [place], region: nil, version: .max
        )
        .signed(by: scene.key, network: scene.network)
    }
}
