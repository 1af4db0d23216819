internal import Identity
internal import Wire

/// Says one thing to one half of the network and another to the other: as leader two blocks, as author two
/// bundles of one epoch.
struct Equivocator: Adversary {
    private var wiretap = Wiretap()
    private var led = Recent<Turn>(max: 32)
    private var authored = Recent<Epoch>(max: 8)

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = wiretap.read(datagram, at: endpoint)
        for piece in pieces {
            switch piece.message {
            case .proposal(let proposal) where proposal.vote.voter == scene.id: lead(proposal, &scene)
            case .bundle(let bundle) where bundle.author == scene.id: author(bundle, &scene)
            default: break
            }
        }
        scene.send(pieces.filter { !isKept(from: $0.endpoint, $0.message, scene) })
    }

    private mutating func lead(_ proposal: Proposal, _ scene: inout Scene) {
        guard !led.list.contains(Turn(proposal)) else { return }
        led.add(Turn(proposal))
        var header = proposal.header
        header.wallTime ^= 1
        let other = scene.proposal(proposal, with: header)
        // A block proposed again must be the notarized one: of another only the vote is believed.
        let messages: [Message] =
            proposal.parentView == 0 ? [.proposal(other), .vote(other.vote)] : [.vote(other.vote)]
        for message in messages { scene.send(message, to: scene.peers(inHalf: 1)) }
        scene.send(.vote(proposal.vote), to: scene.peers(inHalf: 0))
    }

    private mutating func author(_ bundle: Bundle, _ scene: inout Scene) {
        guard !authored.list.contains(bundle.epoch) else { return }
        authored.add(bundle.epoch)
        let other = Bundle(
            author: bundle.author, epoch: bundle.epoch, ownTag: bundle.ownTag, reports: bundle.reports,
            isPartial: !bundle.isPartial, reveals: bundle.reveals, readings: bundle.readings
        )
        .signed(by: scene.key, network: scene.network)
        scene.send(.bundle(other), to: scene.peers(inHalf: 1))
    }

    /// The second half hears nothing of the first version from here.
    private func isKept(from endpoint: Endpoint, _ message: Message?, _ scene: Scene) -> Bool {
        guard scene.half(of: endpoint) == 1 else { return false }
        return switch message {
        case .proposal(let proposal): proposal.vote.voter == scene.id && proposal.parentView == 0
        case .bundle(let bundle): bundle.author == scene.id
        case .vote(let vote):
            vote.voter == scene.id && vote.ballot.kind == .notarize && led.list.contains(Turn(vote.ballot))
        default: false
        }
    }
}
