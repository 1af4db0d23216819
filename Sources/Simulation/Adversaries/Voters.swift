internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Votes for two blocks in one view: to each half for another, or to everyone for both.
struct DoubleVoter: Adversary {
    private var chance: Chance
    private var wiretap = Wiretap()
    private var voted = Recent<Ballot>(max: 64)
    private var split = Recent<Ballot>(max: 64)

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = wiretap.read(datagram, at: endpoint)
        for piece in pieces {
            guard let ballot = piece.message.flatMap({ ownBallot($0, scene.id) }) else { continue }
            vote(ballot, &scene)
        }
        let kept = pieces.filter { piece in
            guard let ballot = piece.message.flatMap({ ownBallot($0, scene.id) }) else { return true }
            return scene.half(of: piece.endpoint) == 0 || !split.list.contains(ballot)
        }
        scene.send(kept)
    }

    private mutating func vote(_ ballot: Ballot, _ scene: inout Scene) {
        guard let digest = ballot.digest, !voted.list.contains(ballot) else { return }
        voted.add(ballot)
        let other = Digest(of: digest.encoded())
        let second: Ballot =
            ballot.kind == .notarize
            ? .notarize(ballot.epoch, ballot.view, other) : .finalize(ballot.epoch, ballot.view, other)
        if chance.happens(1, in: 2) {
            split.add(ballot)
            scene.send(scene.vote(second), to: scene.peers(inHalf: 1))
        } else {
            scene.sendToAll(scene.vote(second))
        }
    }
}

/// Votes that a view is void and that its block is final, both: the contradiction that agreement rests on.
struct NullifyAndFinalizer: Adversary {
    private var wiretap = Wiretap()
    private var done = Recent<Turn>(max: 64)

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = wiretap.read(datagram, at: endpoint)
        for piece in pieces {
            guard let ballot = piece.message.flatMap({ ownBallot($0, scene.id) }) else { continue }
            contradict(ballot, &scene)
        }
        scene.send(pieces)
    }

    private mutating func contradict(_ ballot: Ballot, _ scene: inout Scene) {
        guard let digest = ballot.digest, !done.list.contains(Turn(ballot)) else { return }
        done.add(Turn(ballot))
        scene.sendToAll(scene.vote(.nullify(ballot.epoch, ballot.view)))
        scene.sendToAll(scene.vote(.finalize(ballot.epoch, ballot.view, digest)))
    }
}

/// What a message votes as `id`: a vote, or the one inside a proposal.
func ownBallot(_ message: Message, _ id: NodeID) -> Ballot? {
    switch message {
    case .vote(let vote) where vote.voter == id: vote.ballot
    case .proposal(let proposal) where proposal.vote.voter == id: proposal.vote.ballot
    default: nil
    }
}
