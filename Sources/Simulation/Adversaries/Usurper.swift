internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Proposes in views that others lead: headers that it makes up from theirs, with a vote of its own or with the one that the leader
/// cast for another header. A fourth of its kind also say that the leader voted for it, with a signature that nobody made.
///
/// The first are well signed: whoever does not ask whose they are verifies and carries as many as it makes up.
struct Usurper: Adversary {
    static let proposalsPerTick = 3
    /// Proposals that it answers at once: two of its kind would answer each other's without end.
    private static let answersPerTick = 8

    private var chance: Chance
    private let forges: Bool
    private var incoming = Wiretap()
    private var led = Recent<Proposal>(max: 8)
    private var answers = 0

    init(chance: Chance) {
        var chance = chance
        forges = chance.happens(1, in: 4)
        self.chance = chance
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for case .proposal(let proposal) in incoming.read(datagram, at: endpoint).compactMap(\.message)
        where isOthers(proposal, scene) && !led.list.contains(where: { Turn($0) == Turn(proposal) }) {
            led.add(proposal)
            guard answers < Self.answersPerTick else { continue }
            answers += 1
            usurp(&scene)
        }
        return true
    }

    mutating func tick(scene: inout Scene) {
        answers = 0
        usurp(&scene)
    }

    private func isOthers(_ proposal: Proposal, _ scene: Scene) -> Bool {
        proposal.vote.voter != scene.id
            && proposal.vote.ballot
                == .notarize(proposal.header.epoch, proposal.view, proposal.header.digest)
    }

    private mutating func usurp(_ scene: inout Scene) {
        let open = led.list.filter { $0.header.epoch == scene.openEpoch }
        for _ in 0..<Self.proposalsPerTick {
            guard let proposal = chance.pick(open) else { return }
            scene.sendToAll(.proposal(invented(from: proposal, scene)))
        }
    }

    /// Seats lead in turns: the same one does so many views later, where nobody has proposed yet.
    private mutating func invented(from proposal: Proposal, _ scene: Scene) -> Proposal {
        let view = proposal.view + View(chance.below(3) * scene.genesis.validators.count)
        var header = proposal.header
        header.buildView = view
        header.transactionsRoot = chance.digest()
        let ballot = Ballot.notarize(header.epoch, view, header.digest)
        let vote =
            switch chance.below(forges ? 3 : 2) {
            case 0: Vote(ballot, by: scene.key, network: scene.network)
            case 1: proposal.vote
            default:
                Vote(
                    ballot: ballot, voter: proposal.vote.voter,
                    signature: Signature(octets: chance.octets(Signature.byteCount).octetBytes))
            }
        return Proposal(
            view: view, parentView: proposal.parentView, header: header,
            justification: proposal.justification, vote: vote)
    }
}
