internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Keeps its node's bundle to itself. As leader it gives everybody two others of the same epoch, which fill its place in every
/// pool, and proposes a little later, when they are there, a block that names the third: that one it gives to one half alone, when
/// they ask. It votes for that block and says no more of the epoch: the others are just enough, if all get what the block names.
///
/// Its node hears of none of the two, so that its block can be executed by whoever has what it names; nor does it hear who else
/// votes to finalize it, or it would say with its certificate what it keeps back as a vote.
struct ThirdBundle: Adversary {
    private var chance: Chance
    private var outgoing = Wiretap()
    private var incoming = Wiretap()
    private var own = Recent<Bundle>(max: 4)
    /// Those that all have.
    private var decoys = Recent<Bundle>(max: 8)
    /// Of the epoch, until it is shown.
    private var proposal: Proposal?
    private var shownAt = Instant.never

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        var kept: [Piece] = []
        for piece in outgoing.read(datagram, at: endpoint) {
            switch piece.message {
            case .proposal(let proposal) where proposal.vote.voter == scene.id:
                lead(proposal, &scene)
                if self.proposal != nil { continue }
            case .bundle(let bundle) where bundle.author == scene.id:
                if !own.list.contains(bundle) { own.add(bundle) }
                guard hasLed(in: bundle.epoch), scene.half(of: endpoint) == 1 else { continue }
            case .vote(let vote) where vote.voter == scene.id && hasLed(in: vote.ballot.epoch):
                guard vote.ballot.kind == .notarize, proposal == nil else { continue }
            case .summary(let summary) where hasLed(in: summary.epoch): continue
            default: break
            }
            kept.append(piece)
        }
        scene.send(kept)
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        !incoming.read(datagram, at: endpoint).contains { piece in
            switch piece.message {
            case .bundle(let bundle): decoys.list.contains(bundle)
            case .vote(let vote): vote.ballot.kind == .finalize && hasLed(in: vote.ballot.epoch)
            default: false
            }
        }
    }

    mutating func tick(scene: inout Scene) {
        guard let proposal, shownAt <= scene.now else { return }
        self.proposal = nil
        scene.sendToAll(.proposal(proposal))
        scene.sendToAll(.vote(proposal.vote))
    }

    private func hasLed(in epoch: Epoch) -> Bool { decoys.list.contains { $0.epoch == epoch } }

    private mutating func lead(_ proposal: Proposal, _ scene: inout Scene) {
        let epoch = proposal.header.epoch
        guard !hasLed(in: epoch), let bundle = own.list.last(where: { $0.epoch == epoch }) else { return }
        for _ in 0..<2 {
            let decoy = Bundle(
                author: bundle.author, epoch: epoch, ownTag: bundle.ownTag, reports: bundle.reports,
                isPartial: bundle.isPartial, reveals: bundle.reveals,
                readings: [Reading(sequence: chance.bits(), kind: 1, value: Int64(chance.below(1_000)))]
            )
            .signed(by: scene.key, network: scene.network)
            decoys.add(decoy)
            scene.sendToAll(.bundle(decoy))
        }
        self.proposal = proposal
        shownAt = scene.now + .milliseconds(60)
    }
}
