internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Says again what it has heard and what its node says, with a few octets changed so that it is still well-formed; in its own
/// name and well signed where it can.
///
/// No lie of it has a purpose. It looks for the value that nobody thought of, behind all that a decoder and a signature
/// keep out: others' words are as near to what a node expects as a stranger's can be.
struct Mangler: Adversary {
    private static let saidPerTick = 3
    /// Of each kind of message and frame, so that seldom ones are as likely as those that fly all the time.
    private static let keptOfKind = 4
    /// Larger ones are not looked at: a change in them is as good as one in a small one.
    private static let byteCountMax = 8 << 10
    /// Most changes leave nothing that can be read.
    private static let triesMax = 32

    private var chance: Chance
    private var incoming = Wiretap()
    private var outgoing = Wiretap()
    /// By the first octet of their encoding, which names the kind.
    private var messages: [UInt8: Recent<[UInt8]>] = [:]
    private var frames: [UInt8: Recent<[UInt8]>] = [:]

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        note(outgoing.read(datagram, at: endpoint))
        scene.send(datagram, to: endpoint)
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        note(incoming.read(datagram, at: endpoint))
        return true
    }

    mutating func tick(scene: inout Scene) {
        for _ in 0..<Self.saidPerTick {
            let places = chance.happens(7, in: 8) ? scene.peers.map(\.1) : scene.endpoints
            guard let place = chance.pick(places), place != scene.endpoints[scene.host] else { continue }
            if chance.happens(2, in: 3) {
                if let message = message(scene) { scene.send(message, to: place) }
            } else if let frame = frame(scene) {
                scene.send([frame], to: place)
            }
        }
    }

    private mutating func note(_ pieces: [Piece]) {
        for piece in pieces {
            if let message = piece.message {
                keep(message.encoded(), in: &messages)
            } else if case .chunk = piece.frame {
                continue
            } else {
                keep(piece.frame.encoded(), in: &frames)
            }
        }
    }

    private func keep(_ octets: [UInt8], in kinds: inout [UInt8: Recent<[UInt8]>]) {
        guard let kind = octets.first, octets.count <= Self.byteCountMax else { return }
        kinds[kind, default: Recent(max: Self.keptOfKind)].add(octets)
    }

    private mutating func message(_ scene: Scene) -> Message? {
        for _ in 0..<Self.triesMax {
            guard let octets = changed(messages, scene) else { return nil }
            if let message = try? Message(decoding: octets) { return owned(message, scene) }
        }
        return nil
    }

    private mutating func frame(_ scene: Scene) -> Frame? {
        for _ in 0..<Self.triesMax {
            guard let octets = changed(frames, scene) else { return nil }
            if let frame = try? Frame(decoding: octets) { return owned(frame, scene) }
        }
        return nil
    }

    // MARK: Changes

    private mutating func changed(_ kinds: [UInt8: Recent<[UInt8]>], _ scene: Scene) -> [UInt8]? {
        guard let kind = chance.pick(kinds.keys.sorted()), let list = kinds[kind]?.list,
            var octets = chance.pick(list), let other = chance.pick(list)
        else { return nil }
        for _ in 0..<(1 + chance.below(3)) { change(&octets, other, scene) }
        return octets
    }

    /// - Parameter other: Of the same kind, so that its fields stand in like places.
    private mutating func change(_ octets: inout [UInt8], _ other: [UInt8], _ scene: Scene) {
        let place = 1 + chance.below(max(octets.count - 1, 1))
        guard place < octets.count else { return }
        switch chance.below(7) {
        case 0:
            let epoch = scene.openEpoch
            let values: [UInt64] = [
                0, 1, 2, epoch - 1, epoch, epoch + 1, epoch + 2, 1 << 31, 1 << 32, 1 << 62, 1 << 63, .max - 1,
                .max, chance.bits(),
            ]
            let value = chance.pick(values)!
            let width = chance.pick([2, 4, 8])!
            for index in 0..<width where place + index < octets.count {
                octets[place + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * index))
            }
        case 1: octets[place] = chance.pick([0, 1, 2, 0x7F, 0x80, 0xFF])!
        case 2: octets[place] &+= chance.happens(1, in: 2) ? 1 : .max
        case 3: octets[place] ^= 1 << UInt8(chance.below(8))
        case 4:
            let id = chance.pick(scene.ids)!.octets
            for (index, octet) in id.enumerated() where place + index < octets.count {
                octets[place + index] = octet
            }
        case 5:
            let run = place..<min(place + 1 + chance.below(64), octets.count)
            for index in run where index < other.count { octets[index] = other[index] }
        default:
            let run = place..<min(place + 1 + chance.below(64), octets.count)
            if chance.happens(1, in: 2) {
                octets.removeSubrange(run)
            } else if octets.count + run.count <= Self.byteCountMax {
                octets.insert(contentsOf: octets[run], at: place)
            }
        }
    }

    // MARK: Its own name

    /// Three of four are signed by this host, whoever is said to have signed them.
    private mutating func owned(_ message: Message, _ scene: Scene) -> Message {
        guard chance.happens(3, in: 4) else { return message }
        switch message {
        case .bundle(let bundle): return .bundle(owned(bundle, scene))
        case .handIn(let bundle): return .handIn(owned(bundle, scene))
        case .vote(let vote): return scene.vote(vote.ballot)
        case .proposal(let proposal): return .proposal(scene.proposal(proposal, with: proposal.header))
        case .transaction(let transaction):
            return .transaction(
                Transaction(
                    account: scene.id, nonce: transaction.nonce, fee: transaction.fee,
                    expiry: transaction.expiry, kind: transaction.kind
                ).signed(by: scene.key, network: scene.network))
        default: return message
        }
    }

    private func owned(_ bundle: Bundle, _ scene: Scene) -> Bundle {
        Bundle(
            author: scene.id, epoch: bundle.epoch, ownTag: bundle.ownTag, reports: bundle.reports,
            isPartial: bundle.isPartial, reveals: bundle.reveals, readings: bundle.readings
        ).signed(by: scene.key, network: scene.network)
    }

    private mutating func owned(_ frame: Frame, _ scene: Scene) -> Frame {
        guard chance.happens(3, in: 4) else { return frame }
        switch frame {
        case .records(let records, let asks): return .records(records.map { owned($0, scene) }, asks: asks)
        case .dial(let record, let isUrgent): return .dial(owned(record, scene), isUrgent: isUrgent)
        case .welcome(let records): return .welcome(records.map { owned($0, scene) })
        case .refusal(let records): return .refusal(records.map { owned($0, scene) })
        default: return frame
        }
    }

    private func owned(_ record: NodeRecord, _ scene: Scene) -> NodeRecord {
        NodeRecord(
            node: scene.id, sequence: record.sequence, epoch: record.epoch, roles: record.roles,
            endpoints: record.endpoints, region: record.region, version: record.version
        ).signed(by: scene.key, network: scene.network)
    }
}
