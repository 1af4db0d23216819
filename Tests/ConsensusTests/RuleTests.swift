import Chance
import Consensus
import Identity
import Testing
import Wire

/// The numbered rules of `Simplex`, each at its edge.
@Suite struct RuleTests {
    // MARK: Begin

    @Test func `votes of a third begin nothing, votes of more begin the epoch before the window ends`() {
        var solo = Solo(seats: 6, isBegun: false)
        solo.give(.open(solo.epoch, windowEnds: .origin + .seconds(60)))
        let voters = solo.others
        solo.give(.vote(solo.vote(.nullify(1, 1), seat: voters[0])))
        solo.give(.vote(solo.vote(.nullify(1, 1), seat: voters[1])))
        solo.give(.vote(solo.vote(.nullify(1, 2), seat: voters[1])))
        #expect(!solo.hasBegun, "one voter is counted twice")
        solo.give(.vote(solo.vote(.notarize(1, 3, solo.fresh.digest), seat: voters[2])))
        #expect(solo.hasBegun && solo.machine.status.view == 1)
    }

    @Test func `an epoch begins G after its window`() {
        var solo = Solo(isBegun: false)
        solo.give(.open(solo.epoch, windowEnds: .origin + .seconds(1)))
        #expect(solo.machine.deadline == .origin + .milliseconds(1_200))
        solo.give(.woke, after: .milliseconds(1_199))
        #expect(!solo.hasBegun)
        solo.give(.woke, after: .milliseconds(1))
        #expect(solo.hasBegun)
    }

    // MARK: 1. Propose

    @Test func `a leader builds one fresh block and says it once, restart or not`() throws {
        var solo = Solo(leading: 1)
        let builds = solo.log.filter { if case .build = $0 { true } else { false } }
        #expect(builds.count == 1)
        solo.give(.built(epoch: 1, view: 1, solo.fresh))
        solo.give(.built(epoch: 1, view: 1, solo.made(in: 1, flavour: 3)))
        #expect(solo.proposals.map(\.header) == [solo.fresh])
        let before = solo.log.prefix { if case .broadcast(.proposal) = $0 { false } else { true } }
        let saved = before.compactMap { if case .persist(let state) = $0 { state } else { nil } }
        #expect(saved.last?.records.last?.proposal?.header == solo.fresh, "the proposal was not durable")
        solo.restart()
        solo.give(.gathered)
        solo.give(.built(epoch: 1, view: 1, solo.made(in: 1, flavour: 3)))
        #expect(Set(solo.proposals.map(\.header)) == [solo.fresh])
        #expect(Set(solo.ballots) == [.notarize(1, 1, solo.fresh.digest)])
    }

    @Test func `a leader does not build before it has gathered`() {
        var solo = Solo(leading: 1, isBegun: false)
        solo.give(.open(solo.epoch, windowEnds: .origin))
        solo.give(.woke, after: .milliseconds(300))
        #expect(!solo.log.contains { if case .build = $0 { true } else { false } })
        solo.give(.gathered)
        #expect(solo.log.contains { if case .build = $0 { true } else { false } })
    }

    @Test func `a leader who lacks a nullification waits for it`() {
        var solo = Solo(leading: 3)
        solo.give(.certificate(solo.certificate(.nullify(1, 2))))
        #expect(solo.machine.status.view == 3)
        #expect(!solo.log.contains { if case .build = $0 { true } else { false } })
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        #expect(solo.log.contains { if case .build(_, 3) = $0 { true } else { false } })
    }

    @Test func `a leader proposes again what is notarized, with the certificates that justify it`() throws {
        var solo = Solo(leading: 3)
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .valid))
        let first = solo.certificate(.notarize(1, 1, solo.fresh.digest))
        let second = solo.certificate(.nullify(1, 2))
        solo.give(.certificate(first))
        solo.give(.certificate(second))
        let proposal = try #require(solo.proposals.first)
        #expect(proposal.view == 3 && proposal.header == solo.fresh && proposal.parentView == 1)
        #expect(Set(proposal.justification) == [first, second])
        #expect(!solo.log.contains { if case .build = $0 { true } else { false } })
    }

    // MARK: 2. Notarize

    @Test func `only the leader of a view proposes in it`() {
        var solo = Solo()
        let stranger = header(solo.members.digest, builder: solo.epoch.leader(of: 2), view: 1)
        let vote = Vote(
            .notarize(1, 1, stranger.digest), by: key(number(of: solo.epoch.leader(of: 2))), network: network)
        solo.give(
            .proposal(Proposal(view: 1, parentView: 0, header: stranger, justification: [], vote: vote)))
        solo.give(.judged(epoch: 1, digest: stranger.digest, .valid))
        #expect(solo.ballots.isEmpty && solo.evaluations.isEmpty)
    }

    @Test func `a fresh block waits for gathering, and may have come before it`() {
        var solo = Solo(isBegun: false)
        solo.give(.open(solo.epoch, windowEnds: .origin))
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        solo.give(.woke, after: .milliseconds(300))
        #expect(solo.evaluations.isEmpty)
        solo.give(.gathered)
        #expect(solo.evaluations.map(\.isSubjective) == [true])
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .valid))
        #expect(solo.ballots == [.notarize(1, 1, solo.fresh.digest)])
    }

    @Test func `certificates that come with a proposal count by themselves`() {
        var solo = Solo()
        let bare = solo.proposal(2, solo.made(in: 2))
        let nullification = solo.certificate(.nullify(1, 1))
        solo.give(
            .proposal(
                Proposal(
                    view: 2, parentView: 0, header: bare.header, justification: [nullification],
                    vote: bare.vote)))
        #expect(solo.machine.status.view == 2)
        #expect(solo.evaluations.map(\.digest) == [bare.header.digest])
    }

    @Test func `a fresh block in view 2 needs the nullification of view 1`() {
        var solo = Solo()
        let second = solo.made(in: 2)
        solo.give(.proposal(solo.proposal(2, second)))
        // By N[1] and its timer the node enters view 2 without X[1].
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.woke, after: .milliseconds(201))
        #expect(solo.machine.status.view == 2 && solo.evaluations.isEmpty)
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        #expect(solo.evaluations.map(\.digest) == [second.digest])
    }

    @Test func `a block proposed again needs its notarization, whatever the proposal says of itself`() {
        var solo = Solo()
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        for parentView in [View(0), 1] {
            solo.give(.proposal(solo.proposal(2, solo.fresh, parentView: parentView)))
        }
        #expect(solo.evaluations.isEmpty && solo.machine.status.view == 2)
        // What is missing is never a reason to nullify: a relay could have cut it away.
        #expect(solo.ballots.isEmpty)
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        #expect(solo.evaluations.map(\.isSubjective) == [false])
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .valid))
        #expect(solo.ballots == [.notarize(1, 2, solo.fresh.digest)])
    }

    @Test func `a block proposed again needs every nullification since`() {
        var solo = Solo(seats: 7)
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.certificate(solo.certificate(.nullify(1, 3))))
        #expect(solo.machine.status.view == 4)
        guard solo.epoch.leader(of: 4) != name(solo.me) else { return }
        solo.give(.proposal(solo.proposal(4, solo.fresh, parentView: 1)))
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .valid))
        #expect(solo.evaluations.isEmpty && solo.ballots.isEmpty)
        solo.give(.certificate(solo.certificate(.nullify(1, 2))))
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .valid))
        #expect(solo.ballots == [.notarize(1, 4, solo.fresh.digest)])
    }

    @Test func `nothing is notarized before it is judged, and what is invalid is nullified at once`() {
        var solo = Solo()
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        #expect(solo.ballots.isEmpty)
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .objectivelyInvalid))
        #expect(solo.ballots == [.nullify(1, 1)])
    }

    @Test func `what seems unfair gets no vote in the first k views, and its vote once it is notarized`() {
        var solo = Solo()
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .subjectivelyRejected))
        #expect(solo.ballots.isEmpty, "no reason to nullify before the timer")
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        #expect(solo.ballots.isEmpty, "a certificate of the same view makes no fresh block fair")
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        solo.give(.proposal(solo.proposal(2, solo.fresh, parentView: 1)))
        #expect(solo.ballots == [.notarize(1, 2, solo.fresh.digest)])
    }

    @Test func `after the first k views unfairness is no reason`() {
        var solo = Solo()
        #expect(solo.epoch.subjectiveViews == 2)
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        solo.give(.certificate(solo.certificate(.nullify(1, 2))))
        var view = View(3)
        if solo.epoch.leader(of: 3) == name(solo.me) {
            solo.give(.certificate(solo.certificate(.nullify(1, 3))))
            view = 4
        }
        let late = solo.made(in: view)
        solo.give(.proposal(solo.proposal(view, late)))
        #expect(solo.evaluations.last?.isSubjective == false)
        solo.give(.judged(epoch: 1, digest: late.digest, .subjectivelyRejected))
        #expect(solo.ballots.last == .notarize(1, view, late.digest))
    }

    // MARK: 3. Finalize

    @Test func `a view left behind is finalized late`() {
        var solo = Solo()
        solo.notarizeFirst()
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        #expect(solo.machine.status.view == 2)
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        #expect(solo.ballots == [.notarize(1, 1, solo.fresh.digest), .finalize(1, 1, solo.fresh.digest)])
    }

    @Test func `only what this node notarized itself is finalized`() {
        var solo = Solo()
        solo.notarizeFirst()
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.made(in: 1, flavour: 9).digest))))
        #expect(solo.ballots == [.notarize(1, 1, solo.fresh.digest)])
    }

    // MARK: 4. Nullify

    @Test func `the proposal timer nullifies only where nothing is notarized, the view timer without N`() {
        var solo = Solo()
        solo.notarizeFirst()
        // 3Δ + R = 800 ms, 5Δ + R = 1,000 ms.
        solo.give(.woke, after: .milliseconds(900))
        #expect(solo.ballots == [.notarize(1, 1, solo.fresh.digest)])
        solo.give(.woke, after: .milliseconds(100))
        #expect(solo.ballots.last == .nullify(1, 1))

        var silent = Solo()
        silent.give(.woke, after: .milliseconds(799))
        #expect(silent.ballots.isEmpty)
        silent.give(.woke, after: .milliseconds(1))
        #expect(silent.ballots == [.nullify(1, 1)])

        var late = Solo()
        late.give(.certificate(late.certificate(.notarize(1, 1, late.fresh.digest))))
        late.give(.proposal(late.proposal(1, late.fresh)))
        late.give(.judged(epoch: 1, digest: late.fresh.digest, .valid))
        late.give(.woke, after: .seconds(1))
        #expect(!late.ballots.contains(.nullify(1, 1)))
    }

    @Test func `a header that its leader should not have signed is nullified`() {
        var solo = Solo()
        var wrong = solo.fresh
        wrong.committee = .zero
        solo.give(.proposal(solo.proposal(1, wrong)))
        #expect(solo.ballots == [.nullify(1, 1)] && solo.evaluations.isEmpty)
    }

    // MARK: 5 and 6. Certificates

    @Test func `a certificate needs more than two thirds, as votes and as a whole`() {
        var solo = Solo()
        for seat in solo.others.prefix(2) { solo.give(.vote(solo.vote(.nullify(1, 1), seat: seat))) }
        solo.give(.certificate(solo.certificate(.nullify(1, 1), voters: 2)))
        solo.give(.certificate(solo.certificate(.finalize(1, 1, solo.fresh.digest), voters: 2)))
        #expect(solo.machine.status.view == 1 && !solo.machine.status.isFinal)
        solo.give(.vote(solo.vote(.nullify(1, 1), seat: solo.others[2])))
        #expect(solo.machine.status.view == 2)
        let formed = solo.log.compactMap { action -> Certificate? in
            if case .broadcast(.certificate(let certificate)) = action { certificate } else { nil }
        }
        #expect(
            formed.map(\.ballot) == [.nullify(1, 1)] && formed[0].isValid(in: solo.members, network: network))
    }

    @Test func `exactly two thirds of six are no quorum`() {
        var solo = Solo(seats: 6)
        for seat in solo.others.prefix(4) { solo.give(.vote(solo.vote(.nullify(1, 1), seat: seat))) }
        #expect(solo.machine.status.view == 1)
        solo.give(.vote(solo.vote(.nullify(1, 1), seat: solo.others[4])))
        #expect(solo.machine.status.view == 2)
    }

    @Test func `after a notarization the view ends by the finalize timer`() {
        var solo = Solo()
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.woke, after: .milliseconds(199))
        #expect(solo.machine.status.view == 1)
        solo.give(.woke, after: .milliseconds(1))
        #expect(solo.machine.status.view == 2)
    }

    @Test func `a seat whose times are longer votes where the others are, however fast they go on`() {
        var solo = Solo(seats: 7, leading: 7)
        // Each view is notarized before the own finalize timer of the one before, of 200 ms, runs out.
        for view in View(1)...4 {
            solo.give(.proposal(solo.proposal(view, solo.fresh, parentView: view - 1)))
            if view == 1 { solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .valid)) }
            solo.give(.certificate(solo.certificate(.notarize(1, view, solo.fresh.digest))))
            #expect(solo.machine.status.view == view)
            #expect(solo.ballots.contains(.finalize(1, view, solo.fresh.digest)), "view \(view)")
            solo.give(.woke, after: .milliseconds(100))
        }
    }

    @Test func `what is final is announced once with its header, and nothing more is signed`() throws {
        var solo = Solo()
        solo.give(.certificate(solo.certificate(.finalize(1, 1, solo.fresh.digest))))
        #expect(solo.machine.status.isFinal && solo.machine.status.waitsFor == "the header that is final")
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        solo.give(.certificate(solo.certificate(.finalize(1, 1, solo.fresh.digest))))
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .valid))
        solo.give(.woke, after: .seconds(60))
        let finals = solo.log.compactMap { if case .finalised(let final) = $0 { final } else { nil } }
        #expect(finals.map(\.header) == [solo.fresh])
        #expect(solo.ballots.isEmpty && solo.machine.deadline == .never)
        #expect(try #require(solo.disk).lastFinal == finals.first)
        // A host that lost power before it noted the block hears of it again; one that noted it goes on.
        solo.restart()
        #expect(solo.log.filter { if case .finalised = $0 { true } else { false } }.count == 2)
        solo.give(.open(instance(solo.members, epoch: 2), windowEnds: solo.now))
        #expect(solo.machine.status.epoch == 2 && !solo.machine.status.isFinal)
        solo.give(.woke, after: .seconds(1))
        #expect(try #require(solo.disk).lastFinal == finals.first, "the last final header is handed over")
    }

    @Test
    func
        `a seat whose notarization is overtaken by the certificate finalizes once, durably, and then is done`()
        throws
    {
        var solo = Solo()
        solo.notarizeFirst()
        let ballot = Ballot.finalize(1, 1, solo.fresh.digest)
        let before = solo.log.count
        solo.give(.certificate(solo.certificate(ballot)))
        #expect(solo.ballots == [.notarize(1, 1, solo.fresh.digest), ballot])
        guard case .persist(let state)? = solo.log.dropFirst(before).first else {
            Issue.record("the vote is not durable before it is said")
            return
        }
        #expect(state.records.last?.finalized == solo.fresh.digest)
        let finals = solo.log.compactMap { if case .finalised(let final) = $0 { final } else { nil } }
        #expect(finals.map(\.certificate.voters) == [[0, 1, 2, 3]])
        #expect(finals.first?.certificate.isValid(in: solo.members, network: network) == true)
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.certificate(solo.certificate(ballot)))
        solo.give(.woke, after: .seconds(60))
        solo.restart()
        solo.give(.certificate(solo.certificate(ballot)))
        #expect(solo.ballots.count == 2)
    }

    @Test
    func `a seat that nullified the view, or notarized another header, finalizes nothing by a certificate`() {
        var impatient = Solo()
        impatient.notarizeFirst()
        impatient.give(.woke, after: .seconds(2))
        #expect(impatient.ballots.contains(.nullify(1, 1)))
        impatient.give(.certificate(impatient.certificate(.finalize(1, 1, impatient.fresh.digest))))
        var other = Solo()
        other.notarizeFirst()
        let rival = other.made(in: 1, flavour: 9)
        other.give(.certificate(other.certificate(.finalize(1, 1, rival.digest))))
        other.give(.proposal(other.proposal(1, rival)))
        for solo in [impatient, other] {
            #expect(solo.machine.status.isFinal)
            #expect(!solo.ballots.contains { $0.kind == .finalize })
        }
    }

    // MARK: Alarms

    @Test func `a certificate for what this node finds invalid raises one alarm, whichever comes first`() {
        var solo = Solo()
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .objectivelyInvalid))
        #expect(solo.alarms.isEmpty)
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.certificate(solo.certificate(.finalize(1, 1, solo.fresh.digest))))
        #expect(solo.alarms == [.divergence(1, solo.fresh.digest)])

        var other = Solo()
        other.give(.proposal(other.proposal(1, other.fresh)))
        other.give(.certificate(other.certificate(.notarize(1, 1, other.fresh.digest))))
        other.give(.judged(epoch: 1, digest: other.fresh.digest, .objectivelyInvalid))
        #expect(other.alarms == [.divergence(1, other.fresh.digest)])
    }

    @Test func `two certificates that exclude each other raise the fork alarm`() {
        for isFinal in [false, true] {
            var solo = Solo()
            let ballots = [UInt8(1), 2].map { flavour in
                let digest = solo.made(in: 1, flavour: flavour).digest
                return isFinal ? Ballot.finalize(1, 1, digest) : .notarize(1, 1, digest)
            }
            let certificates = ballots.map { solo.certificate($0) }
            for certificate in certificates { solo.give(.certificate(certificate)) }
            #expect(solo.alarms == [.fork(certificates[0], certificates[1])])
        }
    }

    @Test func `a voter who contradicts itself is named once, with both votes`() {
        var solo = Solo()
        let seat = solo.others[0]
        let votes = [UInt8(1), 2, 3].map {
            solo.vote(.notarize(1, 1, solo.made(in: 1, flavour: $0).digest), seat: seat)
        }
        for vote in votes { solo.give(.vote(vote)) }
        #expect(solo.alarms == [.contradiction(votes[0], votes[1])])
    }

    @Test
    func
        `who hears its own key say what it did not say signs nothing more, in this epoch and in those after`()
        throws
    {
        for isCertified in [false, true] {
            var solo = Solo()
            let seat = try #require(solo.members.index(of: name(solo.me)))
            let ballot = Ballot.notarize(1, 1, solo.made(in: 1, flavour: 7).digest)
            if isCertified {
                let seats = [seat] + solo.others.dropLast()
                let votes = seats.sorted().map { (seat: $0, vote: solo.vote(ballot, seat: $0)) }
                solo.give(
                    .certificate(
                        Certificate(
                            ballot: ballot, voters: votes.map { UInt16($0.seat) },
                            signatures: votes.map(\.vote.signature))))
            } else {
                solo.give(.vote(solo.vote(ballot, seat: seat)))
            }
            #expect(solo.alarms == [.signedElsewhere(ballot)])
            solo.notarizeFirst()
            solo.give(.woke, after: .seconds(60))
            #expect(solo.ballots.isEmpty && solo.machine.status.isObserver)
            #expect(solo.machine.deadline > solo.now, "it has no timers any more")
            solo.give(.certificate(solo.certificate(.finalize(1, 1, solo.fresh.digest))))
            solo.give(.open(instance(solo.members, epoch: 2), windowEnds: solo.now))
            solo.give(.woke, after: .seconds(60))
            #expect(solo.ballots.isEmpty && solo.machine.status.isObserver)
            #expect(solo.alarms.count == 1)
        }
    }

    @Test func `own votes that come back are no other's, after a restart neither`() throws {
        var solo = Solo()
        solo.notarizeFirst()
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        let seat = try #require(solo.members.index(of: name(solo.me)))
        let said = solo.ballots.map { solo.vote($0, seat: seat) }
        #expect(said.count == 2)
        for vote in said { solo.give(.vote(vote)) }
        solo.restart()
        for vote in said { solo.give(.vote(vote)) }
        #expect(solo.alarms.isEmpty && !solo.machine.status.isObserver)
        // Below the notarization nothing is signed any more, and nothing is remembered.
        solo.give(.woke, after: .seconds(1))
        solo.give(.certificate(solo.certificate(.notarize(1, 9, solo.fresh.digest))))
        solo.restart()
        solo.give(.vote(solo.vote(.nullify(1, 3), seat: seat)))
        #expect(solo.alarms.isEmpty)
        solo.give(.vote(solo.vote(.nullify(1, 9), seat: seat)))
        #expect(solo.alarms == [.signedElsewhere(.nullify(1, 9))])
    }

    @Test func `the punishable pairs are these and no others`() {
        let a = Digest(of: [1])
        let b = Digest(of: [2])
        let ballots: [Ballot] = [
            .notarize(1, 1, a), .notarize(1, 1, b), .nullify(1, 1), .finalize(1, 1, a), .finalize(1, 1, b),
        ]
        let punishable: Set<[Int]> = [[0, 1], [0, 4], [1, 3], [2, 3], [2, 4], [3, 4]]
        for left in ballots.indices {
            for right in ballots.indices {
                let pair = [min(left, right), max(left, right)]
                #expect(ballots[left].contradicts(ballots[right]) == punishable.contains(pair))
                #expect(!ballots[left].contradicts(moved(ballots[right], epoch: 1, view: 2)))
                #expect(!ballots[left].contradicts(moved(ballots[right], epoch: 2, view: 1)))
            }
        }
    }

    private func moved(_ ballot: Ballot, epoch: Epoch, view: View) -> Ballot {
        switch ballot {
        case .notarize(_, _, let digest): .notarize(epoch, view, digest)
        case .nullify: .nullify(epoch, view)
        case .finalize(_, _, let digest): .finalize(epoch, view, digest)
        }
    }
}
