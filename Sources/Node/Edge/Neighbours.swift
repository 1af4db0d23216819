import Chance
import Identity
import Wire

/// The edge nodes near this one: whom it turns to when no validator answers.
///
/// - Known are five at most, of whom a validator told. One answer changes two of them at most, once there are five: who
///   lies about who is near must be asked often to stand all around a node.
/// - Asked for in one epoch of eight, and in each while fewer than three are known; of a validator that has just said
///   that it holds the bundle, so that no session is opened for it.
/// - Who does not answer, or lies, is left alone for 2 s, 4 s, … 5 min, half of it jitter.
struct Neighbours {
    static let countMax = Answer.neighboursMax
    static let enough = 3
    static let changesMax = 2
    /// One epoch of so many.
    static let period = 8

    struct Contact {
        let node: NodeID
        var endpoint: Endpoint
        var pause = Pause()
    }

    private(set) var contacts: [Contact] = []
    /// They are to be asked for in this epoch.
    private(set) var isDue = false
    /// Of whom they were asked for.
    private(set) var asked: NodeID?
    /// Who showed a header last, and is asked first for the next one.
    var guide: NodeID?
    private let own: NodeID
    private var chance: Chance

    init(own: NodeID, remembered: [Neighbour], chance: Chance) {
        self.own = own
        self.chance = chance
        learn(remembered)
    }

    /// For the next life.
    var list: [Neighbour] { contacts.map { Neighbour(node: $0.node, endpoint: $0.endpoint) } }

    func isKnown(_ node: NodeID) -> Bool { place(of: node) != nil }

    func destination(of node: NodeID) -> Destination? {
        place(of: node).map { Destination(node, contacts[$0].endpoint, opens: true) }
    }

    private func place(of node: NodeID) -> Int? { contacts.firstIndex { $0.node == node } }

    /// An epoch opens.
    mutating func open() {
        asked = nil
        isDue = chance.happens(1, in: Self.period) || contacts.count < Self.enough
    }

    /// A validator is asked for them.
    mutating func ask(_ validator: NodeID) {
        asked = validator
        isDue = false
    }

    /// The answer to that.
    mutating func learn(_ told: [Neighbour]) {
        asked = nil
        var changes = 0
        for neighbour in told where neighbour.node != own {
            if let place = place(of: neighbour.node) {
                contacts[place].endpoint = neighbour.endpoint
            } else if contacts.count < Self.countMax {
                contacts.append(Contact(node: neighbour.node, endpoint: neighbour.endpoint))
            } else if changes < Self.changesMax {
                changes += 1
                let failures = contacts.map(\.pause.failures).max()!
                let worst = contacts.indices.filter { contacts[$0].pause.failures == failures }
                contacts.remove(at: worst[chance.below(worst.count)])
                contacts.append(Contact(node: neighbour.node, endpoint: neighbour.endpoint))
            }
        }
    }

    /// One of them that is none of these, and not left alone now; nil if there is nobody.
    mutating func pick(excluding excluded: [NodeID] = [], at now: Instant) -> Destination? {
        let ready = contacts.filter { $0.pause.until <= now && !excluded.contains($0.node) }
        return ready.isEmpty ? nil : destination(of: ready[chance.below(ready.count)].node)
    }

    /// Whom to ask about the chain. Whoever was asked first the last time must show a header to be it again.
    mutating func pickToFollow(at now: Instant) -> Destination? {
        defer { guide = nil }
        let isReady = contacts.contains { $0.node == guide && $0.pause.until <= now }
        return isReady ? destination(of: guide!) : pick(at: now)
    }

    /// For moments that neighbours should not share.
    mutating func jitter(_ range: ClosedRange<Duration>) -> Duration { chance.duration(in: range) }

    mutating func answered(_ node: NodeID, at endpoint: Endpoint) {
        guard let place = place(of: node) else { return }
        contacts[place].pause = Pause()
        contacts[place].endpoint = endpoint
    }

    /// It did not answer, or said what is not so.
    mutating func failed(_ node: NodeID, at now: Instant) {
        guard let place = place(of: node) else { return }
        contacts[place].pause.failed(at: now, &chance)
    }

    func assertInvariants() {
        precondition(contacts.count <= Self.countMax && Set(contacts.map(\.node)).count == contacts.count)
        precondition(!contacts.contains { $0.node == own })
    }
}
