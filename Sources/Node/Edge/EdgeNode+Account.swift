public import Chance
import Coverage
public import Dissemination
public import Identity
public import Membership
public import Wire

/// What a driver drives: a full node or an edge node.
public protocol NodeMachine: AnyObject {
    var id: NodeID { get }
    var card: NodeRecord { get }
    var openEpoch: Epoch { get }
    /// Whether it may sign votes, and does.
    var isVoter: Bool { get }
    var isHalted: Bool { get }
    /// Milliseconds since 1970, set by the driver.
    var wallTime: UInt64 { get set }
    var view: NodeView { get }
    var counters: [(String, UInt64)] { get }
    /// Everybody that it knows as a peer or might make one.
    var contacts: [ContactAccount] { get }
    /// What a node's own faults make of it: 0 for whoever did nothing wrong, below it for others.
    func score(of peer: NodeID, at now: Instant) -> Int
    func standing(of peer: NodeID, at now: Instant) -> Scores.Standing
    /// How late it hears itself: 1 is best, 8 worst.
    var localHealth: Int { get }
    var gauges: [(name: String, value: Int, limit: Int)] { get }
    var deadline: Instant { get }
    func handle(_ event: NodeEvent, at now: Instant, actions: inout [NodeAction])
    func leave(at now: Instant, actions: inout [NodeAction])
    func assertInvariants()
}

extension Node: NodeMachine {}

extension EdgeNode: NodeMachine {
    public var openEpoch: Epoch { chain.openEpoch }
    public var lastFinal: Header? { chain.last }
    public var isVoter: Bool { false }
    /// It has uplinks in place of peers.
    public var contacts: [ContactAccount] { [] }
    public var localHealth: Int { 1 }
    /// It believes no uplink, and leaves those that lie (`Uplinks`).
    public func score(of peer: NodeID, at now: Instant) -> Int { 0 }
    public func standing(of peer: NodeID, at now: Instant) -> Scores.Standing { .good }

    public var view: NodeView {
        NodeView(
            openEpoch: chain.openEpoch, view: 0, waitsFor: waitsFor,
            peers: uplinks.chosen.compactMap { node in
                uplinks.destination(of: node).map { (node, $0.endpoint) }
            })
    }

    private var waitsFor: String {
        if isHalted { return "an operator: two headers are certified that contradict each other" }
        if let exchange { return "\(exchange.uplink.short)'s answer about epoch \(exchange.epoch)" }
        if let settling { return "the place of its bundle in block \(settling.header.epoch)" }
        return "the end of epoch \(chain.openEpoch)"
    }

    public var counters: [(String, UInt64)] {
        Counter.allCases.map { ("edge.\($0)", counts[$0.rawValue]) }
            + coverage.counters.map { ("coverage.\($0.name)", $0.value) }
    }

    private var proofByteCount: Int { errands.first?.proof?.octets.count ?? 0 }

    /// Every table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        [
            ("edge.contacts", uplinks.contacts.count, Uplinks.contactsMax),
            ("edge.uplinks", uplinks.chosen.count, Uplinks.count),
            ("edge.tickets", tickets.count, Self.ticketsMax),
            ("edge.errands", errands.count, 2),
            ("edge.proof", proofByteCount, Errand.Proof.byteCountMax),
            ("edge.pushes", outbox?.pushes.count ?? 0, Self.pushesMax),
            ("edge.checked", outbox?.checked.count ?? 0, Self.checksMax),
            ("edge.neighbours", neighbours.contacts.count, Neighbours.countMax),
            ("edge.handovers", outbox?.handovers.count ?? 0, Neighbours.countMax),
            ("edge.kept", keeping.bundles.count + keeping.tickets.count, Self.keptMax),
            ("edge.pieces", keeping.pieces.count, Keeping.sendersMax),
            ("edge.finals", keeping.finals.count, Keeping.finalsMax),
            ("edge.seats", exchange?.seats.count ?? 0, Certificate.seatsMax),
        ] + coverage.gauges.map { ("coverage.\($0.name)", $0.value, $0.limit) }
    }

    /// Nobody keeps anything for it: there is no goodbye to say.
    public func leave(at now: Instant, actions: inout [NodeAction]) {}

    public func assertInvariants() {
        coverage.assertInvariants()
        uplinks.assertInvariants()
        neighbours.assertInvariants()
        for gauge in gauges {
            precondition(gauge.value <= gauge.limit, "\(gauge.name): \(gauge.value) of \(gauge.limit)")
        }
        precondition(exchange == nil || settling == nil, "one question about the chain at a time")
        precondition(settling == nil || settling!.header.epoch == chain.last?.epoch)
        precondition(Set(keeping.bundles.map(\.bundle.author)).count == keeping.bundles.count)
        precondition(
            keeping.bundles.allSatisfy { $0.bundle.author != id && $0.bundle.epoch == chain.openEpoch })
        precondition(keeping.tickets.keys.allSatisfy { tickets[$0] != nil })
        precondition(ownBundle.map { $0.epoch <= chain.openEpoch } ?? true)
    }
}
