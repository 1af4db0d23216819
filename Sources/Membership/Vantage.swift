internal import Chance
internal import Identity
internal import Wire

/// From where others see this node: what three of them, in different prefixes, agree on is its public place, unless
/// more agree on another.
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
        let at: Instant
    }

    static let sightsMax = 16
    static let agreeing = 3
    /// Sessions are renewed every two to three minutes, and each time say where one is seen: an older sight is of a
    /// peer that is none any more, and must not outvote those who see a node that has moved.
    static let sightLife: Duration = .seconds(360)

    /// The newest last, one of each viewpoint.
    private var sights: [Sight] = []

    mutating func note(_ seen: Endpoint, by node: NodeID, in prefix: Prefix?, at now: Instant) {
        let viewpoint = prefix.map { Viewpoint.prefix($0) } ?? .node(node)
        sights.removeAll { $0.viewpoint == viewpoint || $0.at + Self.sightLife <= now }
        if sights.count == Self.sightsMax { sights.removeFirst() }
        sights.append(Sight(viewpoint: viewpoint, seen: seen, at: now))
    }

    /// The place that most viewpoints see, if they are enough; of two that as many see, the one seen last: whoever
    /// moves is seen at the new place by one after the other.
    var agreed: Endpoint? {
        var best: (place: Endpoint, count: Int)?
        for sight in sights.reversed() {
            let count = sights.count { $0.seen == sight.seen }
            if count > best?.count ?? Self.agreeing - 1 { best = (sight.seen, count) }
        }
        return best?.place
    }
}

extension Membership {
    /// Between two places that this node is told to have. Each takes one of the changes that its card has in one
    /// life, which liars would use up by turns; and nobody moves as often.
    static let locationPeriod: Duration = .seconds(60)

    /// - Parameter place: Where the node is that sees this one.
    mutating func observe(
        _ seen: Endpoint, by node: NodeID, _ place: Endpoint, at now: Instant, _ actions: inout [Action]
    ) {
        // Of whom we called for others we know nothing: any peer could have us call as many as it likes.
        guard let index = contacts.index(of: node),
            contacts.list[index].isActive || contacts.dialled.contains(index)
        else { return }
        // No public place; but who shares this machine sees its loopback, as all do in a laboratory.
        guard seen.port != 0, !seen.isUnspecified, !seen.isLoopback || place.isLoopback else { return }
        vantage.note(seen, by: node, in: settings.prefix(of: place), at: now)
        locate(at: now, &actions)
    }

    /// Says where others agree that this node is; later, if it moved a moment ago.
    mutating func locate(at now: Instant, _ actions: inout [Action]) {
        locateAt = .never
        guard let agreed = vantage.agreed, !own.endpoints.contains(agreed) else { return }
        guard nextLocation <= now else {
            locateAt = nextLocation
            deadline = min(deadline, locateAt)
            return
        }
        nextLocation = now + Self.locationPeriod
        actions.append(.located(agreed))
    }
}
