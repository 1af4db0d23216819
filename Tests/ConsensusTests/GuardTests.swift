import Chance
import Consensus
import Identity
import Testing
import Wire

/// One machine among four equal seats; the test speaks for the other three.
private struct Solo {
    let members = committee([1, 1, 1, 1])
    let epoch: Simplex.Instance
    let me: Int
    var machine: Simplex
    var now = Instant.origin
    var disk: SafetyState?
    var log: [Simplex.Action] = []

    /// `me` leads neither view 1 nor view 2.
    init() {
        epoch = instance(members)
        me = (0..<4).first { [epoch] in
            key($0).nodeID != epoch.leader(of: 1) && key($0).nodeID != epoch.leader(of: 2)
        }!
        machine = Solo.machine(me, nil)
        open()
    }

    static func machine(_ me: Int, _ restored: SafetyState?) -> Simplex {
        Simplex(
            settings: Simplex.Settings(network: network, delta: .milliseconds(100)), signer: key(me),
            chance: Chance(seed: 1), restored: restored)
    }

    mutating func open() {
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

    func proposal(_ view: View, _ header: Header) -> Proposal {
        let leader = (0..<4).map(key).first { $0.nodeID == epoch.leader(of: view) }!
        return Proposal(
            view: view, parentView: 0, header: header, justification: [],
            vote: Vote(.notarize(1, view, header.digest), by: leader, network: network))
    }

    func certificate(_ ballot: Ballot) -> Certificate {
        let seats = (0..<4).filter { $0 != members.index(of: key(me).nodeID) }
        return Certificate(
            ballot: ballot, voters: seats.map { UInt16($0) },
            signatures: seats.map { seat in
                let signer = (0..<4).map(key).first { $0.nodeID == members.seats[seat].key }!
                return Vote(ballot, by: signer, network: network).signature
            })
    }

    var fresh: Header { header(members, builder: epoch.leader(of: 1), view: 1) }

    mutating func notarizeFirst() {
        give(.proposal(proposal(1, fresh)))
        give(.judged(epoch: 1, digest: fresh.digest, .valid))
    }

    var ballots: [Ballot] {
        log.compactMap { action in
            if case .broadcast(.vote(let vote)) = action, vote.voter == key(me).nodeID { return vote.ballot }
            return nil
        }
    }
}

@Suite struct GuardTests {
    @Test func `what was nullified is not finalized, though it may be notarized late`() {
        var solo = Solo()
        solo.give(.woke, after: .seconds(1))
        solo.notarizeFirst()
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        #expect(solo.ballots == [.nullify(1, 1), .notarize(1, 1, solo.fresh.digest)])
    }

    @Test func `what was finalized is not nullified, whatever the host says later`() {
        var solo = Solo()
        solo.notarizeFirst()
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .objectivelyInvalid))
        #expect(solo.ballots == [.notarize(1, 1, solo.fresh.digest), .finalize(1, 1, solo.fresh.digest)])
    }

    @Test func `a fresh header that passes over a notarized one gets no vote`() {
        var solo = Solo()
        solo.notarizeFirst()
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.woke, after: .milliseconds(201))
        #expect(solo.machine.status.view == 2)
        let rival = header(solo.members, builder: solo.epoch.leader(of: 2), view: 2)
        solo.give(.proposal(solo.proposal(2, rival)))
        solo.give(.judged(epoch: 1, digest: rival.digest, .valid))
        #expect(!solo.ballots.contains(.notarize(1, 2, rival.digest)))
    }

    @Test func `a view is notarized once, also after a restart`() {
        var solo = Solo()
        solo.notarizeFirst()
        solo.restart()
        solo.give(.gathered)
        let rival = header(solo.members, builder: solo.epoch.leader(of: 1), view: 1, flavour: 9)
        // Only a notarized rival takes the place of the remembered proposal.
        solo.give(.certificate(solo.certificate(.notarize(1, 1, rival.digest))))
        solo.give(.proposal(solo.proposal(1, rival)))
        solo.give(.judged(epoch: 1, digest: rival.digest, .valid))
        #expect(Set(solo.ballots) == [.notarize(1, 1, solo.fresh.digest)])
    }

    @Test func `a vote leaves after the state that remembers it`() {
        var solo = Solo()
        solo.notarizeFirst()
        let vote = solo.log.lastIndex { if case .broadcast(.vote) = $0 { true } else { false } }!
        let saved = solo.log[..<vote].reversed().compactMap { action -> SafetyState? in
            if case .persist(let state) = action { state } else { nil }
        }
        #expect(saved.first?.records.first?.notarized == solo.fresh.digest)
    }

    @Test func `a restart arms the timers again`() {
        var solo = Solo()
        solo.restart()
        #expect(solo.machine.deadline < .never)
        solo.give(.woke, after: .seconds(1))
        #expect(solo.ballots == [.nullify(1, 1)])
    }

    @Test func `an epoch below the remembered one is only observed`() {
        var solo = Solo()
        solo.machine = Solo.machine(solo.me, solo.disk)
        solo.give(.open(instance(solo.members, epoch: 0), windowEnds: .origin))
        #expect(solo.machine.status.isObserver)
    }

    @Test func `leaders are a permutation and the subjective ones weigh more than a third`() {
        let members = committee([5, 1, 9, 2, 2])
        let epoch = instance(members)
        #expect(epoch.leaders.sorted() == [0, 1, 2, 3, 4])
        let weights = epoch.leaders.prefix(Int(epoch.subjectiveViews)).map { members.seats[$0].weight }
        #expect(weights.reduce(0, +) * 3 > 19 && weights.dropLast().reduce(0, +) * 3 <= 19)
    }

    @Test func `signatures of certificates are handed out singly and a short one is refused`() {
        let solo = Solo()
        let whole = solo.certificate(.nullify(1, 1))
        #expect(whole.isValid(in: solo.members, network: network))
        let short = Certificate(
            ballot: whole.ballot, voters: Array(whole.voters.dropLast()),
            signatures: Array(whole.signatures.dropLast()))
        #expect(short.checks(in: solo.members, network: network) == nil)
    }
}
