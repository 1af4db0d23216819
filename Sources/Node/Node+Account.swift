import Bytes
public import Chance
import Consensus
import Coverage
import Dissemination
public import Membership
import Reconciliation
public import Identity
public import Wire

/// What a running node tells of itself.
public struct NodeView: Sendable {
    public let openEpoch: Epoch
    public let view: View
    public let waitsFor: String
    /// Connected peers in the order of their keys.
    public let peers: [(NodeID, Endpoint)]
}

extension Node {
    public var view: NodeView {
        NodeView(
            openEpoch: chain.openEpoch, view: simplex.status.view, waitsFor: waitsFor,
            peers: places)
    }

    private var waitsFor: String {
        if isHalted { return "an operator: this node's state differs from the network's" }
        if let sync = snapshots.sync, let waits = sync.waitsFor(needed: listed.needed) { return waits }
        if let doubt {
            let why = "the last block here is older than stakes are bound"
            let own = Checkpoint(epoch: doubt.epoch, header: doubt.header).text
            return listed.needed == 0
                ? "a start with --checkpoint, as \(why) and nobody is listed: \(own) if others have it too, else their last one"
                : "\(listed.neededBeside) nodes of the bootstrap list to be at block \(doubt.epoch) too, as \(why): "
                    + "\(doubt.agreeing.count) are, \(doubt.denying.count) have another"
        }
        if let candidate = candidates.list.first(where: \.isWaiting) {
            return "what stands behind header \(candidate.digest)"
        }
        return simplex.status.waitsFor
    }

    /// Everybody that this node knows, in the order of their keys.
    public var contacts: [ContactAccount] { membership.accounts }

    /// How late this node itself hears: 1 is best, 8 worst.
    public var localHealth: Int { membership.localHealth }

    /// Every counter with its name, those that are still zero too: whoever watches a rate needs its beginning.
    public var counters: [(String, UInt64)] {
        [("gossip.payloads", payloads)]
            + Drop.allCases.map { ("gossip.dropped.\($0)", drops[$0.rawValue]) }
            + dissemination.counters.map { ("dissemination.\($0.name)", $0.value) }
            + reconciler.counters.map { ("reconciliation.\($0.name)", $0.value) }
            + coverage.counters.map { ("coverage.\($0.name)", $0.value) }
    }

    /// Says goodbye to every peer, for a clean stop.
    public func leave(at now: Instant, actions: inout [NodeAction]) {
        for peer in peers { send([.goodbye], to: Destination(peer, endpoints[peer]!), &actions) }
    }
}
