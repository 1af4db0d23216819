import Wire

/// What stands between a node and the others, as far as they tell where they see it (RFC 4787, section 4.1).
public enum Translation: UInt8, Sendable, CaseIterable {
    /// Too few have said anything, or too different things.
    case unknown = 0
    /// It is seen where its operator says that it is.
    case none = 1
    /// It is seen at one place by all, and lets in, for all that is known, only what answers.
    case endpointIndependent = 2
    /// Everybody sees it at another place: where one sees it is of no use to another.
    case symmetric = 3

    /// Its way to others closes unless something goes there now and then.
    var needsKeepalive: Bool { self == .endpointIndependent || self == .symmetric }
}

/// Where others see this node. What decides is what most of the last ones said: a liar among many changes nothing, and
/// nothing is at stake but some keepalives and what people read.
struct Sightings {
    private static let countMax = 8
    private static let agreeing = 2
    private static let differing = 2

    /// One of each place, the newest last.
    private var list: [(by: Endpoint, seen: Endpoint)] = []
    private let told: [Endpoint]

    /// - Parameter told: Where its operator says that the node is.
    init(told: [Endpoint]) { self.told = told }

    mutating func note(_ seen: Endpoint, by place: Endpoint) {
        list.removeAll { $0.by == place }
        if list.count == Self.countMax { list.removeFirst() }
        list.append((place, seen))
    }

    /// Where most of them see it, of equals the newest place; nil while nobody has said anything.
    var common: (seen: Endpoint, count: Int)? {
        let counts = list.map { sight in list.count { $0.seen == sight.seen } }
        guard let most = counts.max(), let place = counts.lastIndex(of: most) else { return nil }
        return (list[place].seen, most)
    }

    var translation: Translation {
        guard let (common, most) = common else { return .unknown }
        if told.contains(common) { return .none }
        if most >= Self.agreeing, 2 * most >= list.count { return .endpointIndependent }
        return list.count >= Self.differing ? .symmetric : .unknown
    }
}
