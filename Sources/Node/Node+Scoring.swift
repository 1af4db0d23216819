public import Chance
public import Dissemination
public import Identity
import Ledger
import Membership
import Rules
import Wire

// What becomes of peers that do wrong. Only faults of a sender itself count, and only where a session proves who sent.
extension Node {
    /// A node with fewer peers that it hears lets none go, however bad: even a bad one shows that the network is there.
    static let heardPeersMin = 3

    func charge(
        _ fault: Scores.Fault, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard endpoints[peer] != nil, !isRemoved(.faultsCount) else { return }
        run(dissemination: .fault(fault, by: peer), at: now, &actions)
    }

    /// This peer's standing if it is within what it may say; what is above that costs nothing but its decoding.
    func admits(
        _ frames: [Frame], _ byteCount: Int, from peer: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) -> Scores.Standing? {
        var outbox: [Dissemination.Action] = []
        let standing = dissemination.admits(
            byteCount, lane(of: frames), from: peer, at: now, actions: &outbox)
        for case .ignored(let peer) in outbox { ignored(peer, at: now, &actions) }
        return standing
    }

    /// What may be crowded out by anything else is what stands beside it.
    private func lane(of frames: [Frame]) -> Dissemination.Lane {
        guard let first = frames.first?.lane, frames.allSatisfy({ $0.lane == first }) else { return .talk }
        return first
    }

    /// Whether it is ignored for now. If most of the peers were, it would be this node that the network has left behind, or
    /// its own fault: then none is.
    func isIgnored(_ peer: NodeID, at now: Instant) -> Bool {
        guard dissemination.standing(of: peer, at: now) == .ignored else { return false }
        let ignored = peers.count { dissemination.standing(of: $0, at: now) == .ignored }
        return 2 * ignored <= peers.count
    }

    /// Whether this is heard even so: who has a seat takes part in making blocks whatever else it does, votes, evidence and
    /// comparing of sets; and a link stands until its end is said.
    func isHeardOfIgnored(_ frame: Frame, from peer: NodeID) -> Bool {
        switch frame {
        case .ping, .pong, .goodbye, .probe, .indirectPong: true
        case .message(let octets):
            chain.committee.index(of: peer) != nil && !Message.isTransaction(tag: octets.first)
        case .chunk, .reconciliation: chain.committee.index(of: peer) != nil
        case .have, .want, .records, .dial, .welcome, .refusal, .indirectPing, .nearby: false
        }
    }

    func ignored(_ peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard let endpoint = endpoints[peer] else { return }
        actions.append(.notice(.ignored(peer, endpoint)))
        shunIfIgnored(peer, at: now, &actions)
    }

    /// Whoever has no seat and is ignored is no peer until its score has risen.
    func shunIfIgnored(_ peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard isIgnored(peer, at: now), chain.committee.index(of: peer) == nil else { return }
        let heard = peers.count { !isIgnored($0, at: now) }
        guard heard >= Self.heardPeersMin else { return }
        run(
            membership: .shun(peer, until: dissemination.scores.heardAgain(peer, at: now)), at: now,
            &actions)
    }

    /// Of whoever was charged with something not long ago, else 0.
    public func score(of peer: NodeID, at now: Instant) -> Int {
        dissemination.scores.score(of: peer, at: now)
    }

    public func standing(of peer: NodeID, at now: Instant) -> Scores.Standing {
        dissemination.standing(of: peer, at: now)
    }
}

extension Frame {
    fileprivate var lane: Dissemination.Lane {
        switch self {
        case .chunk: return .bulk
        case .message(let octets):
            if Message.isOfConsensus(tag: octets.first) { return .consensus }
            return Message.isBulk(tag: octets.first) ? .bulk : .talk
        default: return .talk
        }
    }
}
