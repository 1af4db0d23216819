internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Keeps what it proposes to itself until the others give its view up, and then shows it to all or to one half: some
/// notarize what others have nullified.
///
/// All that it says is well formed, well signed, and no lie: only when and to whom is chosen.
struct LateLeader: Adversary {
    private struct Held {
        let proposal: Proposal
        let leavesAt: Instant
        let isForHalf: Bool
        var hasLeft = false
    }

    /// What every node adds to the timers of a view for fetching and executing a block.
    static let allowance: Duration = .milliseconds(500)
    private static let heldMax = 8

    private var chance: Chance
    private var wiretap = Wiretap()
    private var held: [Held] = []

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = wiretap.read(datagram, at: endpoint)
        for case .proposal(let proposal) in pieces.compactMap(\.message)
        where proposal.vote.voter == scene.id { lead(proposal, scene) }
        release(&scene)
        scene.send(pieces.filter { !isKept(from: $0.endpoint, $0.message, scene) })
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        release(&scene)
        return true
    }

    mutating func tick(scene: inout Scene) { release(&scene) }

    private mutating func lead(_ proposal: Proposal, _ scene: Scene) {
        guard !held.contains(where: { Turn($0.proposal) == Turn(proposal) }) else { return }
        if held.count == Self.heldMax { held.removeFirst() }
        held.append(
            Held(
                proposal: proposal, leavesAt: scene.now + delay(view: proposal.view, scene),
                isForHalf: chance.happens(1, in: 2)))
    }

    /// Within the Δ before who entered the view with it gives up, as what is on its way takes time too: a proposal after 3 Δ, a
    /// view after 5 Δ, both longer by half with each view.
    private mutating func delay(view: View, _ scene: Scene) -> Duration {
        let delta = scene.backdrop.delta
        var timer = chance.happens(3, in: 4) ? delta * 3 : delta * 5
        for _ in 1..<max(min(view, 6), 1) { timer = timer * 3 / 2 }
        return timer + Self.allowance - chance.duration(in: .zero...delta)
    }

    private mutating func release(_ scene: inout Scene) {
        for place in held.indices where !held[place].hasLeft && held[place].leavesAt <= scene.now {
            held[place].hasLeft = true
            let proposal = held[place].proposal
            guard proposal.header.epoch == scene.openEpoch else { continue }
            let audience = held[place].isForHalf ? scene.peers(inHalf: 0) : scene.peers.map(\.1)
            scene.send(.proposal(proposal), to: audience)
            scene.send(.vote(proposal.vote), to: audience)
        }
    }

    private func isKept(from endpoint: Endpoint, _ message: Message?, _ scene: Scene) -> Bool {
        guard let message, let ballot = ownBallot(message, scene.id), ballot.kind == .notarize,
            let known = held.first(where: { Turn($0.proposal) == Turn(ballot) })
        else { return false }
        return !known.hasLeft || known.isForHalf && scene.half(of: endpoint) == 1
    }
}
