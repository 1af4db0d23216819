import Chance
import Geo
import Identity
import Ledger
import Membership
import Wire

// Where a node says that it is, and its answer to who asks for those near a place.
extension Node {
    /// Of the place that the registry has for this node in the open epoch; without one, what its settings say.
    static func region(of node: NodeID, in chain: Chain, else configured: Cell?) -> Cell? {
        chain.ledger.device(node)?.version(at: chain.openEpoch)?.location?.cell.region ?? configured
    }

    var region: Cell? { Self.region(of: id, in: chain, else: settings.region) }

    /// An epoch has opened: its card is signed anew if the registry has another place for it.
    func noteRegion(at now: Instant, _ actions: inout [NodeAction]) {
        guard region != card.region else { return }
        renewCard(endpoints: card.endpoints, at: now, &actions)
    }

    func receive(
        nearby cell: Cell, from sender: NodeID, _ place: Endpoint, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard membership.answersNearby(sender, at: now) else { return count(.nearbyAllowance) }
        if endpoints[sender] == nil {
            guard takes(fromStranger: Destination(sender, place), at: now) else {
                return count(.edgeAllowance)
            }
        }
        run(membership: .nearby(cell, from: sender, place), at: now, &actions)
    }
}
