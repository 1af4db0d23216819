internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Justifies what it proposes with certificates that nobody signed, and now and then says such a one by itself.
///
/// All else of its proposals is in order: whoever does not look at each signature believes that views were given up, or
/// blocks notarized, that were not.
struct CertificateForger: Adversary {
    private static let ticksPerCertificate = 10

    private var chance: Chance
    private var wiretap = Wiretap()
    private var led = Recent<Proposal>(max: 32)

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        var kept: [Piece] = []
        for piece in wiretap.read(datagram, at: endpoint) {
            guard case .proposal(let proposal) = piece.message, proposal.vote.voter == scene.id,
                !proposal.justification.isEmpty
            else {
                kept.append(piece)
                continue
            }
            // Once for all of a message's chunks.
            if case .chunk(let chunk) = piece.frame, chunk.index > 0 { continue }
            scene.send(.proposal(forged(proposal)), to: piece.endpoint)
        }
        scene.send(kept)
    }

    private mutating func forged(_ proposal: Proposal) -> Proposal {
        if let known = led.list.first(where: { Turn($0) == Turn(proposal) }) { return known }
        let forged = Proposal(
            view: proposal.view, parentView: proposal.parentView, header: proposal.header,
            justification: proposal.justification.map { certificate in
                Certificate(
                    ballot: certificate.ballot, voters: certificate.voters,
                    signatures: certificate.voters.map { _ in signature() })
            }, vote: proposal.vote)
        led.add(forged)
        return forged
    }

    mutating func tick(scene: inout Scene) {
        guard chance.happens(1, in: Self.ticksPerCertificate) else { return }
        let view = View(1 + chance.below(3))
        let voters = scene.genesis.committee.seats.indices.map { UInt16($0) }
        let ballot =
            chance.happens(1, in: 2)
            ? Ballot.nullify(scene.openEpoch, view) : .notarize(scene.openEpoch, view, chance.digest())
        scene.sendToAll(
            .certificate(
                Certificate(ballot: ballot, voters: voters, signatures: voters.map { _ in signature() })))
    }

    private mutating func signature() -> Signature {
        Signature(octets: chance.octets(Signature.byteCount).octetBytes)
    }
}
