import Chance
import Dissemination
import Identity
import Wire

/// A neighbour's bundle, on its way to validators.
struct Kept {
    let bundle: Bundle
    let id: Digest
    /// Validators that were given it, the present one last.
    var tried: [NodeID] = []
    /// How often something was sent to the last of them, and how often since it last said anything.
    var attempts = 0
    var unanswered = 0
    var standing: BundleStanding?
    var refusals = 0
    var nextAt: Instant
    /// A validator holds it, or nobody will.
    var isDone = false

    init(_ bundle: Bundle, at now: Instant) {
        self.bundle = bundle
        id = bundle.id
        nextAt = now
    }
}

/// What an edge node does for others of its kind.
struct Keeping {
    /// For others, of one epoch.
    static let bundlesMax = 8
    /// Of them for those that this node does not know for neighbours: keys cost nothing, and whoever makes some fills no
    /// more than this.
    static let strangersMax = 4
    static let sendersMax = 8
    /// Answers to all strangers together: an edge node's line is thin, and a header and its votes are 1,500 octets.
    private static let period: Duration = .milliseconds(125)
    private static let burst: Duration = .seconds(8)
    private static let places = 64

    var bundles: [Kept] = []
    /// Jobs at the workers, and whose bundle each is.
    var tickets: [UInt64: NodeID] = [:]
    var pieces = EdgePieces(sendersMax: sendersMax)
    /// Headers that this node verified last, and the votes for them.
    var finals: [(header: Header, pages: [VotesPage])] = []
    static let finalsMax = 2
    private var strangers: EdgeAllowance
    private var neighbours: EdgeAllowance

    init(chance: Chance) {
        var chance = chance
        func allowance(_ chance: Chance) -> EdgeAllowance {
            EdgeAllowance(
                chance: chance, places: Self.places, periodOfAll: Self.period, burstOfAll: Self.burst)
        }
        strangers = allowance(chance.split())
        neighbours = allowance(chance.split())
    }

    /// Whether one more datagram may come from there. Strangers without number leave neighbours theirs.
    mutating func takes(_ sender: NodeID, isNeighbour: Bool, at now: Instant) -> Bool {
        isNeighbour ? neighbours.takes(sender, of: nil, at: now) : strangers.takes(sender, of: nil, at: now)
    }

    /// The bundle that is being handed on: one at a time, as validators keep the pieces of one for each sender.
    var current: Int? { bundles.firstIndex { !$0.isDone } }

    var deadline: Instant { current.map { bundles[$0].nextAt } ?? .never }

    /// Whether there is room for one of this author. What is being verified takes room already.
    func hasRoom(for author: NodeID, isNeighbour: (NodeID) -> Bool) -> Bool {
        let authors = bundles.map(\.bundle.author) + tickets.values
        guard !authors.contains(author), authors.count < Self.bundlesMax else { return false }
        return isNeighbour(author) || authors.count(where: { !isNeighbour($0) }) < Self.strangersMax
    }
}
