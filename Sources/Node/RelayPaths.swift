import Chance
import Identity
import Wire

/// The ways over relays that a node knows: each stands for an address that is none, so that sessions need not know.
///
/// A fixed number of them, and of these a part for each relay.
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

    /// The known way to a node over a relay.
    func endpoint(of node: NodeID, over relay: NodeID) -> Endpoint? {
        list.first { $0.node == node && $0.relay == relay }.map { .relayed($0.number) }
    }

    /// One of which must be removed before there is room for one more over this relay; nil if there is.
    func crowd(over relay: NodeID) -> [Path]? {
        let ofRelay = list.filter { $0.relay == relay }
        if ofRelay.count >= Self.countOfOneMax { return ofRelay }
        return list.count >= Self.countMax ? list : nil
    }

    /// A new way, for which there must be room.
    mutating func add(_ node: NodeID, over relay: NodeID, retryAt: Instant, at now: Instant) -> Endpoint {
        precondition(crowd(over: relay) == nil && endpoint(of: node, over: relay) == nil)
        let path = Path(number: nextNumber, node: node, relay: relay, usedAt: now, retryAt: retryAt)
        nextNumber += 1
        list.append(path)
        return .relayed(path.number)
    }

    mutating func use(_ endpoint: Endpoint, at now: Instant) {
        if let place = place(of: endpoint) { list[place].usedAt = now }
    }

    mutating func remove(_ path: Path) { list.removeAll { $0.number == path.number } }

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
