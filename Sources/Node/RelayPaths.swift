import Chance
import Identity
import Wire

/// The ways over relays that a node knows: each stands for an address that is none, so that sessions need not know.
///
/// A fixed number of them, and of these a part for each relay. Who is not spoken to over one for longest gives way:
/// what is sent there is lost, and whoever wants it asks again.
struct RelayPaths {
    static let countMax = 128
    /// Over one relay: it must not drive out the ways over others.
    static let countOfOneMax = 32

    struct Path {
        let number: UInt64
        let node: NodeID
        let relay: NodeID
        var usedAt: Instant
        /// When to look for a way without the relay again.
        var retryAt: Instant
    }

    /// Ascending by number.
    private(set) var list: [Path] = []
    private var nextNumber: UInt64 = 1

    subscript(endpoint: Endpoint) -> Path? { place(of: endpoint).map { list[$0] } }

    private func place(of endpoint: Endpoint) -> Int? {
        guard endpoint.isRelayed else { return nil }
        return list.firstIndex { $0.number == endpoint.low }
    }

    func knows(_ node: NodeID, over relay: NodeID) -> Bool {
        list.contains { $0.node == node && $0.relay == relay }
    }

    /// The way to a node over a relay; a new one takes the place of an old one if there is no room.
    mutating func endpoint(
        of node: NodeID, over relay: NodeID, retryAt: Instant, at now: Instant
    ) -> Endpoint {
        if let place = list.firstIndex(where: { $0.node == node && $0.relay == relay }) {
            list[place].usedAt = now
            return .relayed(list[place].number)
        }
        let ofRelay = list.indices.filter { list[$0].relay == relay }
        let spare = ofRelay.count >= Self.countOfOneMax ? ofRelay : Array(list.indices)
        if ofRelay.count >= Self.countOfOneMax || list.count >= Self.countMax,
            let oldest = spare.min(by: { (list[$0].usedAt, $0) < (list[$1].usedAt, $1) })
        {
            list.remove(at: oldest)
        }
        let path = Path(number: nextNumber, node: node, relay: relay, usedAt: now, retryAt: retryAt)
        nextNumber += 1
        list.append(path)
        return .relayed(path.number)
    }

    mutating func use(_ endpoint: Endpoint, at now: Instant) {
        if let place = place(of: endpoint) { list[place].usedAt = now }
    }

    mutating func retry(_ endpoint: Endpoint, at later: Instant) {
        if let place = place(of: endpoint) { list[place].retryAt = later }
    }

    /// A session with it ended: nothing leads over it any more.
    mutating func forget(relay: NodeID) { list.removeAll { $0.relay == relay } }

    func assertInvariants() {
        precondition(list.count <= Self.countMax)
        precondition(zip(list, list.dropFirst()).allSatisfy { $0.number < $1.number })
        for path in list { precondition(path.node != path.relay) }
    }
}
