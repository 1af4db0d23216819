import Chance
import Consensus
import Identity
import Testing
import Wire

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
        let rival = header(solo.members.digest, builder: solo.epoch.leader(of: 2), view: 2)
        solo.give(.proposal(solo.proposal(2, rival)))
        solo.give(.judged(epoch: 1, digest: rival.digest, .valid))
        #expect(!solo.ballots.contains(.notarize(1, 2, rival.digest)))
    }

    @Test func `a view is notarized once, also after a restart`() {
        var solo = Solo()
        solo.notarizeFirst()
        solo.restart()
        solo.give(.gathered)
        let rival = header(solo.members.digest, builder: solo.epoch.leader(of: 1), view: 1, flavour: 9)
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

    @Test func `a restart says again what was said`() {
        var solo = Solo()
        solo.notarizeFirst()
        let certificate = solo.certificate(.notarize(1, 1, solo.fresh.digest))
        solo.give(.certificate(certificate))
        solo.log = []
        solo.restart()
        #expect(solo.ballots == [.notarize(1, 1, solo.fresh.digest), .finalize(1, 1, solo.fresh.digest)])
        #expect(
            solo.log.contains { action in
                if case .broadcast(.certificate(certificate)) = action { true } else { false }
            })
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .objectivelyInvalid))
        #expect(!solo.ballots.contains(.nullify(1, 1)), "a finalized view is never nullified")
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

    /// Else a program that computes something else than the others would use up all views within minutes.
    @Test(arguments: [(4, true), (64, true), (65, false), (4_000, false)] as [(View, Bool)])
    func `what is no header ends its view at once, but not views without end`(near: View, isAtOnce: Bool) {
        var solo = Solo()
        // A view that another leads, on the same side of the limit.
        let view = (0..<4).map { isAtOnce ? near - $0 : near + $0 }.first {
            solo.epoch.leader(of: $0) != name(solo.me)
        }!
        solo.give(.certificate(solo.certificate(.nullify(1, view - 1))))
        #expect(solo.machine.status.view == view)
        let malformed = header(solo.members.digest, builder: name(solo.me), view: view)
        solo.give(.proposal(solo.proposal(view, malformed)))
        #expect(solo.ballots == (isAtOnce ? [.nullify(1, view)] : []))
        solo.give(.woke, after: .seconds(600))
        #expect(solo.ballots == [.nullify(1, view)])
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
