internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Tells edge nodes what is not so: headers that nobody voted for, votes that nobody cast, its own vote for a quorum, votes
/// for another header, old headers for new ones, committees of its own making and what these decide, places in the
/// evidence where there are none, records of devices that were changed, cards with bad signatures, and epochs that are
/// final in a year.
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
        case .votes(let page):
            switch chance.below(3) {
            case 0: return []
            case 1: return [.votes(forged(page.ballot, scene))]
            // What it said of the header may not be so.
            default: return [answer]
            }
        case .inclusion(let epoch, let proof):
            guard let proof else {
                let made = MerkleProof(index: 0, siblings: [])
                return [.inclusion(epoch, chance.happens(1, in: 2) ? made : nil)]
            }
            guard chance.happens(1, in: 2) else { return [.inclusion(epoch, nil)] }
            return [.inclusion(epoch, MerkleProof(index: proof.index ^ 1, siblings: proof.siblings))]
        case .device(let epoch, let value):
            var octets = value ?? [0]
            octets[chance.below(octets.count)] ^= 1
            return [.device(epoch, chance.happens(1, in: 2) ? nil : octets)]
        case .deviceProof, .deviceProofPage: return [answer]
        case .committee(let digest, let page, _):
            return [.committee(digest, page: page, Self.committee(of: scene).seats)]
        case .bundle(let id, _): return [.bundle(id, chance.happens(1, in: 2) ? .refused : .partial(.max))]
        case .cards(let records):
            return [
                .cards(records.map { $0.changed(sequence: $0.sequence &+ 1, endpoint: scene.ownEndpoint) })
            ]
        case .neighbours(let list):
            // Those that there are, at its own place; or nobody, and itself among them.
            if chance.happens(1, in: 2) {
                return [.neighbours(list.map { Neighbour(node: $0.node, endpoint: scene.ownEndpoint) })]
            }
            let nobody = (1..<Answer.neighboursMax).map { _ in
                Neighbour(
                    node: NodeID(octets: chance.octets(32).octetBytes), endpoint: scene.ownEndpoint)
            }
            return [.neighbours([Neighbour(node: scene.id, endpoint: scene.ownEndpoint)] + nobody)]
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
            // A committee of one decides alone.
            let own = Self.committee(of: scene)
            let alpha = Randomness.alpha(
                network: scene.network, epoch: header.epoch, randomness: header.randomness)
            changed.committee = own.digest
            changed.nextCommittee = own.digest
            changed.builder = scene.id
            changed.randomnessProof = scene.vrfKey.prove(alpha.octetBytes)
            let vote = Vote(
                .finalize(changed.epoch, 1, changed.digest), by: scene.key, network: scene.network)
            return [
                .header(changed, lastFinal: lastFinal, age: age), .votes(Self.page(of: vote, seats: [0])),
            ]
        case 2: changed.nextCommittee = chance.digest()
        case 3: changed.stateRoot = chance.digest()
        case 4: changed.epoch += 1
        default:
            // The truth, but late: only how long ago it was is not.
            return [.header(header, lastFinal: lastFinal + 50, age: .max - 1)]
        }
        let ballot = Ballot.finalize(changed.epoch, 1, changed.digest)
        let said = Answer.header(changed, lastFinal: lastFinal, age: age)
        switch chance.below(3) {
        case 0: return [said]
        case 1: return [said, .votes(forged(ballot, scene))]
        default:
            let seat = scene.genesis.committee.index(of: scene.id).map { [UInt16($0)] } ?? []
            return [
                said, .votes(Self.page(of: Vote(ballot, by: scene.key, network: scene.network), seats: seat)),
            ]
        }
    }

    private static func committee(of scene: Scene) -> Committee {
        Committee(seats: [Seat(key: scene.id, vrfKey: scene.vrfKey.publicKey, weight: 1 << 40)])
    }

    /// Votes of all seats of a small committee: one's own is good, the others are nobody's.
    private func forged(_ ballot: Ballot, _ scene: Scene) -> VotesPage {
        let count = min(scene.genesis.validators.count, VotesPage.entriesMax)
        return Self.page(
            of: Vote(ballot, by: scene.key, network: scene.network), seats: (0..<count).map { UInt16($0) })
    }

    private static func page(of vote: Vote, seats: [UInt16]) -> VotesPage {
        VotesPage(
            ballot: vote.ballot, page: 0, pages: 1,
            entries: seats.map { VotesPage.Entry(voter: $0, signature: vote.signature) })
    }
}

extension Scene {
    var ownEndpoint: Endpoint { endpoints[host] }
}

extension NodeRecord {
    fileprivate func changed(sequence: UInt64, endpoint: Endpoint) -> NodeRecord {
        NodeRecord(
            node: node, sequence: sequence, roles: roles, endpoints: [endpoint], region: region,
            version: version, signature: signature)
    }
}

/// Takes edge nodes' bundles, says that it has them, and keeps them to itself: a validator, or a neighbour that shall hand
/// them on.
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
