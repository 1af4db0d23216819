internal import Bytes
internal import Identity
internal import Wire

/// As leader it signs two blocks of one view, both of which can be executed, and shows each to one half; where it must
/// propose again what was notarized, it proposes that block changed, to everyone.
///
/// The second block differs in what people read and no rule does (the wall time), so whoever asks for its contents can
/// be given them.
struct Forker: Adversary {
    private struct Fork {
        let original: Digest
        let proposal: Proposal
        var contents: Contents?
    }

    /// Its second blocks claim another state than execution gives.
    private let isFalse: Bool
    private var outgoing = Wiretap()
    private var incoming = Wiretap()
    private var forks: [Fork] = []
    private static let forksMax = 8

    init(isFalse: Bool) { self.isFalse = isFalse }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = outgoing.read(datagram, at: endpoint)
        for piece in pieces {
            switch piece.message {
            case .proposal(let proposal) where proposal.vote.voter == scene.id: lead(proposal, &scene)
            case .contents(let contents): learn(contents)
            default: break
            }
        }
        scene.send(pieces.filter { !isKept(from: $0.endpoint, $0.message, scene) })
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for case .contents(let contents) in incoming.read(datagram, at: endpoint).compactMap(\.message) {
            learn(contents)
        }
        return true
    }

    mutating func tick(scene: inout Scene) {
        for fork in forks where fork.proposal.header.epoch == scene.openEpoch {
            let audience = audience(of: fork.proposal, scene)
            scene.send(.proposal(fork.proposal), to: audience)
            if let contents = fork.contents {
                scene.send(.contents(contents), to: audience)
            } else {
                scene.sendToAll(.contentsRequest(fork.original))
            }
        }
    }

    private mutating func lead(_ proposal: Proposal, _ scene: inout Scene) {
        guard !forks.contains(where: { Turn($0.proposal) == Turn(proposal) }) else { return }
        var header = proposal.header
        header.wallTime ^= 1
        if isFalse { header.stateRoot = header.parent }
        let fork = Fork(original: proposal.header.digest, proposal: scene.proposal(proposal, with: header))
        if forks.count == Self.forksMax { forks.removeFirst() }
        forks.append(fork)
        let audience = audience(of: fork.proposal, scene)
        scene.send(.proposal(fork.proposal), to: audience)
        scene.send(.vote(fork.proposal.vote), to: audience)
    }

    private mutating func learn(_ contents: Contents) {
        let digest = contents.header.digest
        for place in forks.indices where forks[place].original == digest && forks[place].contents == nil {
            forks[place].contents = Contents(
                header: forks[place].proposal.header, body: contents.body, items: contents.items)
        }
    }

    private func audience(of proposal: Proposal, _ scene: Scene) -> [Endpoint] {
        proposal.parentView == 0 ? scene.peers(inHalf: 1) : scene.peers.map(\.1)
    }

    /// Who is shown the second block hears nothing of the first from here.
    private func isKept(from endpoint: Endpoint, _ message: Message?, _ scene: Scene) -> Bool {
        guard let message, let ballot = ownBallot(message, scene.id), ballot.kind == .notarize,
            let fork = forks.first(where: { Turn($0.proposal) == Turn(ballot) })
        else { return false }
        return fork.proposal.parentView > 0 || scene.half(of: endpoint) == 1
    }
}
