import Bytes
import Chance
import Consensus
import Identity
import Testing
import Wire

/// What goes to few peers again and again, and what a flood may cost.
@Suite struct RepairTests {
    private func summary(of solo: Solo, view: View = 1) -> Summary {
        Summary(epoch: 1, view: view, views: [], lastFinal: 0)
    }

    @Test func `every Δ six peers get a summary, the own latest votes and what justifies the view`() throws {
        var solo = Solo(seats: 10)
        let notarization = solo.certificate(.notarize(1, 1, solo.fresh.digest))
        let nullification = solo.certificate(.nullify(1, 2))
        solo.notarizeFirst()
        solo.give(.certificate(notarization))
        solo.give(.certificate(nullification))
        #expect(solo.machine.status.view == 3)
        solo.log = []
        solo.give(.woke, after: .milliseconds(121))
        let peers = Set(solo.sent.map(\.peer))
        #expect(peers.count == 6 && !peers.contains(name(solo.me)))
        for peer in peers {
            let messages = solo.sent.filter { $0.peer == peer }.map(\.message)
            #expect(messages.contains { if case .summary = $0 { true } else { false } })
            let ballots = messages.compactMap { if case .vote(let vote) = $0 { vote.ballot } else { nil } }
            #expect(ballots.contains(.finalize(1, 1, solo.fresh.digest)))
            #expect(ballots.contains(.notarize(1, 1, solo.fresh.digest)))
            #expect(
                messages.contains(.certificate(notarization))
                    && messages.contains(.certificate(nullification)))
        }
        #expect(solo.machine.deadline <= solo.now + .milliseconds(120))
        solo.log = []
        solo.give(.woke, after: .milliseconds(79))
        #expect(solo.sent.isEmpty, "sooner than 0.8 Δ")
    }

    @Test func `in a large committee a summary goes to six with whom there is a session`() {
        var solo = Solo(seats: 30)
        let peers = Set(solo.others.prefix(12).map { name(number(of: solo.members.seats[$0].key)) })
        solo.give(.peers(peers))
        solo.log = []
        solo.give(.woke, after: .milliseconds(121))
        let sentTo = Set(solo.sent.map(\.peer))
        #expect(sentTo.count == 6 && sentTo.isSubset(of: peers))
        solo.give(.peers([]))
        solo.log = []
        solo.give(.woke, after: .milliseconds(121))
        #expect(Set(solo.sent.map(\.peer)).count == 6, "whoever is told of nobody tries all")
    }

    @Test func `a peer is answered with what its summary lacks, once in half of Δ`() {
        var solo = Solo()
        solo.notarizeFirst()
        let peer = name(number(of: solo.members.seats[solo.others[0]].key))
        let other = name(number(of: solo.members.seats[solo.others[1]].key))
        solo.log = []
        solo.give(.summary(summary(of: solo), from: peer))
        let answer = solo.sent.map(\.message)
        #expect(answer.contains { if case .proposal = $0 { true } else { false } })
        #expect(answer.filter { if case .vote = $0 { true } else { false } }.count == 2)
        solo.give(.summary(summary(of: solo), from: peer), after: .milliseconds(49))
        #expect(solo.sent.count == answer.count)
        solo.give(.summary(summary(of: solo), from: other))
        #expect(solo.sent.count == 2 * answer.count)
        solo.give(.summary(summary(of: solo), from: peer), after: .milliseconds(1))
        #expect(solo.sent.count == 3 * answer.count)
        for _ in 0..<5 { solo.give(.proposalRequested(epoch: 1, view: 1, from: peer)) }
        #expect(solo.sent.count == 3 * answer.count + 1)
    }

    @Test func `one who has everything is sent nothing`() {
        var solo = Solo()
        solo.notarizeFirst()
        solo.give(.woke, after: .milliseconds(121))
        let own = solo.sent.compactMap { if case .summary(let summary) = $0.message { summary } else { nil } }
        solo.log = []
        solo.give(.summary(own[0], from: name(20)))
        #expect(solo.sent.isEmpty)
    }

    @Test func `a flood of strangers' votes and of far views is not kept`() {
        var solo = Solo()
        let digest = solo.fresh.digest
        for number in 4..<20 {
            solo.give(.vote(Vote(.nullify(1, 1), by: key(number), network: network)))
        }
        for view in View(34)..<2_000 {
            solo.give(.vote(solo.vote(.notarize(1, view * 1_000, digest), seat: solo.others[0])))
            solo.give(.proposal(solo.proposal(view, solo.made(in: view))))
        }
        solo.give(.vote(solo.vote(.notarize(1, .max, digest), seat: solo.others[0])))
        solo.give(.certificate(solo.certificate(.notarize(1, .max, digest))))
        solo.give(.certificate(solo.certificate(.nullify(1, .max))))
        // Nothing was kept: a peer that lacks all is sent nothing, and a summary speaks of one view.
        solo.log = []
        solo.give(.summary(summary(of: solo), from: name(20)))
        #expect(solo.sent.isEmpty)
        solo.give(.woke, after: .milliseconds(121))
        let own = solo.sent.compactMap { if case .summary(let summary) = $0.message { summary } else { nil } }
        #expect(own.first?.views.map(\.view) == [1])
    }

    @Test func `answers to any number of askers are metered`() {
        var solo = Solo()
        solo.notarizeFirst()
        solo.log = []
        for asker in UInt32(0)..<3_000 {
            let id = Digest(of: [UInt8(asker & 255), UInt8(asker >> 8)]).encoded()
            solo.give(.proposalRequested(epoch: 1, view: 1, from: try! NodeID(decoding: id)))
        }
        #expect(solo.sent.count == 2 * Certificate.seatsMax)
        solo.give(.proposalRequested(epoch: 1, view: 1, from: name(20)), after: .milliseconds(50))
        #expect(solo.sent.count == 2 * Certificate.seatsMax + 1)
    }

    @Test func `many views without a notarization stop at a bound, and one notarization goes on from there`()
    {
        var solo = Solo()
        let bound = View(SafetyState.viewsMax)
        for view in [1, 2, bound - 1, bound, bound + 1, bound + 30, bound + 33, 2 * bound] {
            solo.give(.certificate(solo.certificate(.nullify(1, view))))
        }
        #expect(solo.machine.status.view == bound)
        #expect(solo.machine.status.waitsFor.contains("too many views"))
        #expect(solo.disk!.records.count <= SafetyState.viewsMax)
        solo.give(.certificate(solo.certificate(.notarize(1, bound + 5, solo.fresh.digest))))
        solo.give(.woke, after: .seconds(60))
        #expect(solo.machine.status.view > bound)
    }

    @Test func `the more views pass in vain, the longer each lasts`() {
        func lasts(_ view: View, notarized: View? = nil) -> Duration {
            var solo = Solo()
            if let notarized {
                solo.give(.certificate(solo.certificate(.notarize(1, notarized, solo.fresh.digest))))
            }
            solo.give(.certificate(solo.certificate(.nullify(1, view - 1))))
            let began = solo.now
            while !solo.ballots.contains(.nullify(1, view)) {
                solo.give(.woke, after: max(.zero, solo.machine.deadline - solo.now))
                guard solo.now < began + .seconds(3600) else { return .seconds(3600) }
            }
            return solo.now - began
        }
        // Nobody proposes: three times Δ, eightfold, and half a second to execute what came before.
        #expect(lasts(64) == .milliseconds(2_900))
        #expect(lasts(128) == .milliseconds(5_300))
        #expect(lasts(4_096) == .milliseconds(154_100))
        #expect(lasts(4_096, notarized: 4_000) == .milliseconds(4_100))
    }

    @Test func `what was asked in a view that is over is asked again where it is proposed again`() {
        var solo = Solo()
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        solo.give(.woke)
        #expect(solo.evaluations.map(\.digest) == [solo.fresh.digest])
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.proposal(solo.proposal(2, solo.fresh, parentView: 1)))
        solo.give(.woke)
        #expect(solo.evaluations.map(\.digest) == [solo.fresh.digest, solo.fresh.digest])
        solo.give(.judged(epoch: 1, digest: solo.fresh.digest, .valid))
        #expect(solo.ballots.contains(.notarize(1, 2, solo.fresh.digest)))
    }

    @Test func `whoever waits for votes says whose they are`() {
        var solo = Solo(seats: 7)
        func names(_ seats: some Sequence<Int>) -> String {
            seats.map { solo.members.seats[$0].key.short }.joined(separator: ", ")
        }
        #expect(
            solo.machine.status.waitsFor == "the proposal of view 1 from \(solo.epoch.leader(of: 1).short)")
        solo.notarizeFirst()
        // The leader's vote came with its proposal.
        let leader = solo.members.index(of: solo.epoch.leader(of: 1))!
        let absent = solo.others.filter { $0 != leader }
        #expect(
            solo.machine.status.waitsFor
                == "notarize votes of view 1 from \(names(absent.prefix(4))) and \(absent.count - 4) others")
        solo.give(.vote(solo.vote(.notarize(1, 1, solo.fresh.digest), seat: absent[1])))
        solo.give(.vote(solo.vote(.notarize(1, 1, solo.fresh.digest), seat: absent[3])))
        let left = absent.enumerated().filter { ![1, 3].contains($0.offset) }.map(\.element)
        #expect(solo.machine.status.waitsFor == "notarize votes of view 1 from \(names(left))")
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        solo.give(.woke, after: .seconds(60))
        #expect(
            solo.machine.status.waitsFor
                == "nullify votes of view 2 from \(names(solo.others.prefix(4))) and 2 others")
    }

    @Test func `a slow network makes its leaders patient, within bounds`() {
        var solo = Solo(leading: 1)
        solo.give(.built(epoch: 1, view: 1, solo.fresh))
        solo.now = solo.now + .milliseconds(780)
        solo.give(.certificate(solo.certificate(.notarize(1, 1, solo.fresh.digest))))
        solo.give(.certificate(solo.certificate(.finalize(1, 1, solo.fresh.digest))))
        let opened = solo.now
        solo.give(.open(instance(solo.members, epoch: 2), windowEnds: opened))
        // Half of 780 ms, a quarter of the way from 100 ms; G is two of these.
        #expect(solo.machine.deadline == opened + .milliseconds(345))
    }
}
