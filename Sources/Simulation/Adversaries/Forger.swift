internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Says what others would say, with signatures that nobody made; and as somebody whom the registry does not know.
struct Forger: Adversary {
    static let forgeriesPerTick = 4

    private var chance: Chance
    private var incoming = Wiretap()
    private var outgoing = Wiretap()
    private var headers = Recent<Header>(max: 8)

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        note(outgoing.read(datagram, at: endpoint))
        scene.send(datagram, to: endpoint)
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        note(incoming.read(datagram, at: endpoint))
        return true
    }

    private mutating func note(_ pieces: [Piece]) {
        for case .proposal(let proposal) in pieces.compactMap(\.message)
        where !headers.list.contains(proposal.header) {
            headers.add(proposal.header)
        }
    }

    mutating func tick(scene: inout Scene) {
        for _ in 0..<Self.forgeriesPerTick {
            guard let victim = chance.pick(scene.ids.filter { $0 != scene.id }) else { return }
            let forged = message(as: victim, scene)
            if case .transaction = forged {
                // A wallet is nobody's peer: who is ignored by all may still hand in.
                scene.send(
                    forged,
                    to: scene.endpoints.indices.filter { $0 != scene.host }.map { scene.endpoints[$0] })
            } else {
                scene.sendToAll(forged)
            }
        }
    }

    private mutating func message(as victim: NodeID, _ scene: Scene) -> Message {
        switch chance.below(5) {
        case 0:
            let ballot = Ballot.nullify(scene.openEpoch, View(1 + chance.below(3)))
            return .vote(Vote(ballot: ballot, voter: victim, signature: signature()))
        case 1:
            return .bundle(
                Bundle(
                    author: victim, epoch: scene.openEpoch, ownTag: Tag(chance.bits()), reports: [],
                    signature: signature()))
        case 2:
            return .transaction(
                Transaction(
                    account: victim, nonce: UInt64(1 + chance.below(3)),
                    fee: scene.genesis.parameters.feeMin, expiry: scene.openEpoch + 8,
                    kind: .transfer(to: scene.id, 1), signature: signature()))
        case 3:
            guard let header = headers.list.last(where: { $0.epoch == scene.openEpoch }) else { fallthrough }
            return .finality([FinalHeader(header: header, certificate: certificate(of: header, scene))])
        default:
            let stranger = SigningKey(seed: chance.octets(SigningKey.seedByteCount).octetBytes)
            return .bundle(
                Bundle(author: stranger.nodeID, epoch: scene.openEpoch, ownTag: nil, reports: [])
                    .signed(by: stranger, network: scene.network))
        }
    }

    /// Of the whole committee, which never voted so.
    private mutating func certificate(of header: Header, _ scene: Scene) -> Certificate {
        let voters = scene.genesis.committee.seats.indices.map { UInt16($0) }
        return Certificate(
            ballot: .finalize(header.epoch, 1, header.digest), voters: voters,
            signatures: voters.map { _ in signature() })
    }

    private mutating func signature() -> Signature {
        Signature(octets: chance.octets(Signature.byteCount).octetBytes)
    }
}
