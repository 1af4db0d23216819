public import Chance
public import Identity
public import Wire

/// What this node knows of one other node, for people who look: a copy, and no part of any rule.
public struct ContactAccount: Equatable, Sendable {
    /// Whether a peer still lives, as far as probing has come.
    public enum Liveness: UInt8, Sendable, CaseIterable {
        case alive = 0
        /// It was asked, and has the time to answer.
        case asked = 1
        /// It did not answer in time; others ask for us.
        case askedByOthers = 2
        case suspected = 3
    }

    /// Of a connected peer.
    public struct Link: Equatable, Sendable {
        public let isOutbound: Bool
        /// Kept for where it is.
        public let isNear: Bool
        public let since: Instant
        public let heardAt: Instant
        /// Smoothed; nil before the first measured answer.
        public let roundTrip: Duration?
        public let liveness: Liveness
    }

    public let node: NodeID
    /// Its newest card; nil for an entry of the bootstrap list that has not answered yet.
    public let record: NodeRecord?
    /// Where it is, or was said to be.
    public let endpoint: Endpoint?
    public let isListed: Bool
    public let isOfCommittee: Bool
    public let isAnchor: Bool
    /// It was a peer, or answered a dial.
    public let isProven: Bool
    /// Times that it told a card with a wrong signature.
    public let forgeries: Int
    /// Dials without answer.
    public let attempts: Int
    /// Nil in the passive view.
    public let link: Link?

    init(_ contact: Contact) {
        node = contact.node
        record = contact.record
        endpoint = contact.link?.endpoint ?? contact.home
        isListed = !contact.listed.isEmpty
        isOfCommittee = contact.isOfCommittee
        isAnchor = contact.isAnchor
        isProven = contact.isProven
        forgeries = contact.forgeries
        attempts = contact.attempts
        link = contact.link.map(Link.init)
    }
}

extension ContactAccount.Link {
    init(_ link: Link) {
        isOutbound = link.isOutbound
        isNear = link.isNear
        since = link.since
        heardAt = link.heardAt
        roundTrip = link.roundTrip.estimate
        switch link.question?.stage {
        case nil: liveness = .alive
        case .direct: liveness = .asked
        case .relayed: liveness = .askedByOthers
        case .suspected: liveness = .suspected
        }
    }
}

extension Membership {
    /// Everybody known, in the order of their ids: peers are the active view, all others the passive one.
    public var accounts: [ContactAccount] { contacts.list.map(ContactAccount.init) }

    /// Lifeguard's local health: 1 is best, 8 a node that hears too late to judge others.
    public var localHealth: Int { prober.health }
}
