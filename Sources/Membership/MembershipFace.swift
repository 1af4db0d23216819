public import Chance
public import Geo
public import Identity
public import Wire

// What goes in and comes out.
extension Membership {
    /// Local: nodes of one network may differ in all of it.
    public struct Settings: Equatable, Sendable {
        /// Full mesh up to 13 nodes.
        public var activeMax = 12
        /// A random graph of 8 stays connected when half of its nodes vanish at once.
        public var activeTarget = 8
        /// Below it, dials are not slowed much.
        public var activeMin = 6
        /// Strangers' cards; all but some of the bootstrap list and the committee are strangers.
        public var passiveMax = 64
        /// Peers of one's own choice, among all.
        public var outboundMin = 3
        /// Peers for where they are: fewer than half of the view, as where a node is, is only its word.
        public var nearMax = 4
        public var limitsPrefixes = true
        /// Beside the loopback.
        public var exemptRanges: [AddressRange] = []
        public var dialDelayMin: Duration = .milliseconds(200)
        public var dialDelayMax: Duration = .seconds(30)
        public var refusalDelayMin: Duration = .seconds(2)
        public var refusalDelayMax: Duration = .seconds(300)
        /// Between two peers' turns to be asked.
        public var probePeriod: Duration = .milliseconds(500)
        public var suspicion: Duration = .seconds(3)
        public var shufflePeriodMin: Duration = .milliseconds(500)
        public var shufflePeriodMax: Duration = .seconds(300)
        public var renewalPeriod: Duration = .seconds(600)
        public var persistDelay: Duration = .seconds(1)
        /// How long a card is told after the epoch that it names, by the epochs' nominal length; at least four epochs.
        public var lifetime: Duration = .seconds(3_600)
        public var swapPeriod: Duration = .seconds(2)

        public init() {}

        /// For simulations of everything else: a node finds its peers, and takes them for alive from then on. It does not
        /// replace them either; cards are exchanged ever more seldom.
        public static var quiet: Settings {
            var settings = Settings()
            settings.probePeriod = longTime
            settings.renewalPeriod = longTime
            settings.shufflePeriodMax = longTime
            settings.nearMax = 0
            return settings
        }

        /// A year.
        private static var longTime: Duration { .seconds(31_536_000) }

        func check() {
            precondition(0 < activeMin && activeMin <= activeTarget && activeTarget <= activeMax)
            precondition(0 <= outboundMin && outboundMin < activeTarget && passiveMax > 0)
            precondition(0 <= nearMax && nearMax * 2 <= activeTarget)
            precondition(.zero < dialDelayMin && dialDelayMin <= dialDelayMax)
            precondition(.zero < refusalDelayMin && refusalDelayMin <= refusalDelayMax)
            precondition(.zero < probePeriod && .zero < suspicion && .zero < renewalPeriod)
            precondition(.zero < shufflePeriodMin && shufflePeriodMin <= shufflePeriodMax)
            precondition(.zero < lifetime)
            precondition(.zero <= persistDelay && .zero <= swapPeriod)
        }
    }

    public enum Event: Equatable, Sendable {
        case woke
        /// Cards with good signatures, from whoever claims to be `from`, received from this place.
        case records([NodeRecord], asks: Bool, from: NodeID, Endpoint)
        case dial(NodeRecord, isUrgent: Bool, from: NodeID, Endpoint)
        case welcome([NodeRecord], from: NodeID, Endpoint)
        case refusal([NodeRecord], from: NodeID, Endpoint)
        /// A well-formed datagram of a connected peer, from its place. Makes nothing due.
        case heard(from: NodeID, Endpoint)
        case ping(nonce: UInt64, from: NodeID, Endpoint)
        case pong(nonce: UInt64, from: NodeID, Endpoint)
        case probe(nonce: UInt64, from: NodeID, Endpoint)
        case indirectPing(NodeID, Endpoint, nonce: UInt64, from: NodeID, Endpoint)
        case indirectPong(nonce: UInt64, isAlive: Bool, from: NodeID, Endpoint)
        case goodbye(from: NodeID)
        /// Asks for cards of those nearest to this cell; who asks need not be a peer.
        case nearby(Cell, from: NodeID, Endpoint)
        /// Cards came of which at least one has a wrong signature, from whom a session proves and this place; they are
        /// handed over in no other way.
        case forged(from: NodeID, Endpoint)
        /// The host will have nothing of this peer until then.
        case shun(NodeID, until: Instant)
        /// A node sees this one come from `seen`; it is itself at `place`.
        case observed(seen: Endpoint, by: NodeID, Endpoint)
        /// One's own card, renewed.
        case card(NodeRecord)
        /// The bootstrap list, read again: replaces what it was.
        case bootstrap([Listed])
        /// Who has a seat on the committee: replaces what was said before.
        case committee(Set<NodeID>)
        /// This epoch is final: what time is counted in. Never goes back.
        case final(Epoch)
    }

    /// An entry of the bootstrap list.
    public struct Listed: Equatable, Sendable {
        public let node: NodeID
        public let endpoint: Endpoint

        public init(_ node: NodeID, _ endpoint: Endpoint) {
            self.node = node
            self.endpoint = endpoint
        }
    }

    public enum Action: Equatable, Sendable {
        case send(NodeID, Endpoint, Frame)
        case connected(NodeID, Endpoint)
        case disconnected(NodeID)
        /// Replaces what was persisted before.
        case persist([NodeRecord])
        /// Others agree that this is where the node is, and its card does not say so.
        case located(Endpoint)
        /// One's own card is to be signed anew, with the last final epoch.
        case renew
        /// A contact that told a forged card for the first time; others, while this one was told of, go without.
        case forger(NodeID, Endpoint)
    }
}
