import Chance
import Consensus
import Identity
import Wire

/// One machine among equal seats; the test speaks for the others.
struct Solo {
    let members: Committee
    let epoch: Simplex.Instance
    let me: Int
    var machine: Simplex
    var now = Instant.origin
    var disk: SafetyState?
    var log: [Simplex.Action] = []

    /// `me` leads the view `leading`, or neither view 1 nor view 2.
    init(seats: Int = 4, leading: View? = nil, isBegun: Bool = true) {
        members = committee([UInt64](repeating: 1, count: seats))
        epoch = instance(members)
        me = (0..<seats).first { [epoch] number in
            if let leading { return name(number) == epoch.leader(of: leading) }
            return name(number) != epoch.leader(of: 1) && name(number) != epoch.leader(of: 2)
        }!
        machine = Solo.machine(me, nil)
        if isBegun { begin() }
    }

    static func machine(_ me: Int, _ restored: SafetyState?) -> Simplex {
        Simplex(
            settings: Simplex.Settings(network: network, delta: .milliseconds(100)), signer: key(me),
            chance: Chance(seed: 1), restored: restored)
    }

    mutating func begin() {
        give(.open(epoch, windowEnds: .origin))
        give(.woke, after: .milliseconds(300))
        give(.gathered)
    }

    mutating func restart() {
        machine = Solo.machine(me, disk)
        give(.open(epoch, windowEnds: .origin))
    }

    mutating func give(_ event: Simplex.Event, after delay: Duration = .zero) {
        now = now + delay
        var actions: [Simplex.Action] = []
        machine.handle(event, at: now, actions: &actions)
        for action in actions {
            if case .persist(let state) = action { disk = state }
        }
        log += actions
    }

    func proposal(_ view: View, _ header: Header, parentView: View = 0) -> Proposal {
        Proposal(
            view: view, parentView: parentView, header: header, justification: [],
            vote: Vote(
                .notarize(1, view, header.digest), by: key(number(of: epoch.leader(of: view))),
                network: network))
    }

    /// Of all the others, or of as many of them as are wanted.
    func certificate(_ ballot: Ballot, voters count: Int? = nil) -> Certificate {
        let seats = members.seats.indices.filter { $0 != members.index(of: name(me)) }.prefix(count ?? .max)
        return Certificate(
            ballot: ballot, voters: seats.map { UInt16($0) },
            signatures: seats.map { vote(ballot, seat: $0).signature })
    }

    func vote(_ ballot: Ballot, seat: Int) -> Vote {
        Vote(ballot, by: key(number(of: members.seats[seat].key)), network: network)
    }

    /// Seats of the others.
    var others: [Int] { members.seats.indices.filter { members.seats[$0].key != name(me) } }

    var fresh: Header { made(in: 1) }

    func made(in view: View, flavour: UInt8 = 0) -> Header {
        header(members.digest, builder: epoch.leader(of: view), view: view, flavour: flavour)
    }

    mutating func notarizeFirst() {
        give(.proposal(proposal(1, fresh)))
        give(.judged(epoch: 1, digest: fresh.digest, .valid))
    }

    /// Own votes, each as often as it was broadcast.
    var ballots: [Ballot] {
        log.compactMap { action in
            if case .broadcast(.vote(let vote)) = action, vote.voter == name(me) { return vote.ballot }
            return nil
        }
    }

    var evaluations: [(digest: Digest, isSubjective: Bool)] {
        log.compactMap { action in
            if case .evaluate(let header, _, _, let isSubjective) = action {
                return (header.digest, isSubjective)
            }
            return nil
        }
    }

    var alarms: [Simplex.Alarm] {
        log.compactMap { action in
            if case .alarm(let alarm) = action { return alarm }
            return nil
        }
    }

    /// What was sent to single peers.
    var sent: [(peer: NodeID, message: Message)] {
        log.compactMap { action in
            if case .send(let peer, let message) = action { return (peer, message) }
            return nil
        }
    }

    var proposals: [Proposal] {
        log.compactMap { action in
            if case .broadcast(.proposal(let proposal)) = action { return proposal }
            return nil
        }
    }

    var hasBegun: Bool {
        log.contains { action in
            if case .began = action { return true }
            return false
        }
    }
}
