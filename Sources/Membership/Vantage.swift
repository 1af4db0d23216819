internal import Identity
internal import Wire

/// From where others see this node: what three of them, in different prefixes, agree on is its public place.
///
/// One liar, or one host with many keys, can move nobody: it has few prefixes. After "when three peers in different
/// /24 agree" of the design; an observation of an address that belongs to nobody else counts for the newest word of
/// its prefix only.
struct Vantage: Equatable, Sendable {
    private enum Viewpoint: Equatable, Sendable {
        case prefix(Prefix)
        /// Where prefixes are not limited, every node is a viewpoint of its own.
        case node(NodeID)
    }

    private struct Sight: Equatable, Sendable {
        let viewpoint: Viewpoint
        let seen: Endpoint
    }

    static let sightsMax = 16
    static let agreeing = 3

    /// The newest last, one of each viewpoint.
    private var sights: [Sight] = []

    /// - Returns: The place that enough viewpoints agree on now, if the new sight is one of them.
    mutating func note(_ seen: Endpoint, by node: NodeID, in prefix: Prefix?) -> Endpoint? {
        let viewpoint = prefix.map { Viewpoint.prefix($0) } ?? .node(node)
        sights.removeAll { $0.viewpoint == viewpoint }
        if sights.count == Self.sightsMax { sights.removeFirst() }
        sights.append(Sight(viewpoint: viewpoint, seen: seen))
        return sights.count { $0.seen == seen } >= Self.agreeing ? seen : nil
    }

    var count: Int { sights.count }
}
