internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Tells edge nodes what is not so: headers that nobody voted for, votes that nobody cast, old headers for new ones,
/// committees of its own making, places in the evidence where there are none, records of devices that were changed, cards
/// with bad signatures, and epochs that are final in a year.
struct LyingUplink: Adversary {
    private var chance: Chance
    private var old: Header?

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        var frames: [Frame] = []
        var hasLied = false
        for frame in datagram.frames {
            guard case .message(let octets) = frame, octets.first == 17,
                case .answer(let answer)? = try? Message(decoding: octets)
            else {
                frames.append(frame)
                continue
            }
            hasLied = true
            for lie in lies(instead: answer, scene) { frames.append(.message(Message.answer(lie).encoded())) }
        }
        guard hasLied else { return scene.send(datagram, to: endpoint) }
        for frame in frames { scene.send([frame], to: endpoint) }
    }

    private mutating func lies(instead answer: Answer, _ scene: Scene) -> [Answer] {
        switch answer {
        case .open(let lastFinal, _):
            if chance.happens(1, in: 2) { return [.open(lastFinal: lastFinal + 9, age: .max - 1)] }
            return [.open(lastFinal: lastFinal / 2, age: 0)]
        case .header(let header, let lastFinal, let age): return lies(about: header, lastFinal, age, scene)
        case .votes(let page): return chance.happens(1, in: 3) ? [] : [.votes(forged(page.ballot, scene))]
        case .inclusion(let epoch, let proof):
            guard let proof, chance.happens(1, in: 2) else { return [.inclusion(epoch, nil)] }
            return [.inclusion(epoch, MerkleProof(index: proof.index ^ 1, siblings: proof.siblings))]
        case .device(let epoch, let value):
            var octets = value ?? [0]
            octets[chance.below(octets.count)] ^= 1
            return [.device(epoch, chance.happens(1, in: 2) ? nil : octets)]
        case .deviceProof(let epoch, let proof): return [.deviceProof(epoch, proof)]
        case .committee(let digest, let page, _):
            let own = Seat(key: scene.id, vrfKey: scene.vrfKey.publicKey, weight: 1 << 40)
            return [.committee(digest, page: page, [own])]
        case .bundle(let id, _): return [.bundle(id, chance.happens(1, in: 2) ? .refused : .partial(.max))]
        case .cards(let records):
            return [
                .cards(records.map { $0.changed(sequence: $0.sequence &+ 1, endpoint: scene.ownEndpoint) })
            ]
        }
    }

    private mutating func lies(
        about header: Header, _ lastFinal: Epoch, _ age: UInt32, _ scene: Scene
    ) -> [Answer] {
        defer { old = header }
        var changed = header
        switch chance.below(6) {
        case 0: return [.header(old ?? header, lastFinal: lastFinal, age: 0)]
        case 1:
            // A committee of one.
            let own = Committee(
                seats: [Seat(key: scene.id, vrfKey: scene.vrfKey.publicKey, weight: 1 << 40)])
            changed.committee = own.digest
            changed.builder = scene.id
        case 2: changed.nextCommittee = chance.digest()
        case 3: changed.stateRoot = chance.digest()
        case 4: changed.epoch += 1
        default:
            // The truth, but late: only how long ago it was is not.
            return [.header(header, lastFinal: lastFinal + 50, age: .max - 1)]
        }
        return [
            .header(changed, lastFinal: lastFinal, age: age),
            .votes(forged(.finalize(changed.epoch, 1, changed.digest), scene)),
        ]
    }

    /// Votes of all seats of a small committee: one's own is good, the others are nobody's.
    private func forged(_ ballot: Ballot, _ scene: Scene) -> VotesPage {
        let vote = Vote(ballot, by: scene.key, network: scene.network)
        let voters = (0..<UInt16(VotesPage.entriesMax)).map { $0 }
        return VotesPage(
            ballot: ballot, page: 0, pages: 1,
            entries: voters.prefix(scene.genesis.validators.count)
                .map { VotesPage.Entry(voter: $0, signature: vote.signature) })
    }
}

extension Scene {
    fileprivate var ownEndpoint: Endpoint { endpoints[host] }
}

extension NodeRecord {
    fileprivate func changed(sequence: UInt64, endpoint: Endpoint) -> NodeRecord {
        NodeRecord(
            node: node, sequence: sequence, roles: roles, endpoints: [endpoint], region: region,
            version: version, signature: signature)
    }
}

/// Takes edge nodes' bundles, says that it has them, and keeps them to itself.
struct HoardingUplink: Adversary {
    private var incoming = Wiretap()

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        var keeps = false
        for frame in datagram.frames {
            switch frame {
            case .message(let octets) where octets.first == 18: keeps = true
            case .chunk where !scene.peers.contains(where: { $0.0 == datagram.sender }): keeps = true
            default: break
            }
        }
        guard keeps else { return true }
        for piece in incoming.read(datagram, at: endpoint) {
            guard case .handIn(let bundle) = piece.message else { continue }
            scene.send(.answer(.bundle(bundle.id, .held)), to: endpoint)
        }
        return false
    }
}
