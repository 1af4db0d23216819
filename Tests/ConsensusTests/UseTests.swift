import Bytes
import Chance
import Consensus
import Identity
import Testing
import Wire

/// What is of no use here is not passed on: one dishonest seat must not make all others carry its inventions.
@Suite struct UseTests {
    @Test func `a vote is of use once, and only for views that may come soon`() {
        var solo = Solo()
        let seat = solo.others[0]
        let vote = solo.vote(.nullify(1, 1), seat: seat)
        #expect(solo.machine.isOfUse(.vote(vote)))
        solo.give(.vote(vote))
        #expect(!solo.machine.isOfUse(.vote(vote)))
        #expect(solo.machine.isOfUse(.vote(solo.vote(.nullify(1, 30), seat: seat))))
        for view in [View(40), 1_000, View.max] {
            #expect(!solo.machine.isOfUse(.vote(solo.vote(.nullify(1, view), seat: seat))))
        }
        #expect(!solo.machine.isOfUse(.vote(solo.vote(.nullify(2, 1), seat: seat))))
        let stranger = Vote(
            .nullify(1, 1), by: SigningKey(seed: [UInt8](repeating: 200, count: 32).octetBytes),
            network: network)
        #expect(!solo.machine.isOfUse(.vote(stranger)))
    }

    @Test func `of votes that contradict each other one goes on, for the others' alarm, and no third`() {
        var solo = Solo()
        let seat = solo.others[0]
        func vote(_ flavour: UInt8) -> Vote {
            solo.vote(.notarize(1, 1, solo.made(in: 1, flavour: flavour).digest), seat: seat)
        }
        let votes = (0..<3).map { vote(UInt8($0)) }
        solo.give(.vote(votes[0]))
        #expect(solo.machine.isOfUse(.vote(votes[1])))
        solo.give(.vote(votes[1]))
        #expect(solo.alarms.count == 1)
        #expect(!solo.machine.isOfUse(.vote(votes[2])))
        // The same seat's vote of another kind is still counted.
        #expect(solo.machine.isOfUse(.vote(solo.vote(.nullify(1, 1), seat: seat))))
    }

    @Test func `one certificate of a ballot goes on, whoever signed it, and those of any later view`() {
        var solo = Solo(seats: 7)
        let ballot = Ballot.notarize(1, 1, solo.fresh.digest)
        let first = solo.certificate(ballot, voters: 5)
        let second = solo.certificate(ballot, voters: 6)
        #expect(first != second && solo.machine.isOfUse(.certificate(first)))
        solo.give(.certificate(first))
        #expect(!solo.machine.isOfUse(.certificate(first)) && !solo.machine.isOfUse(.certificate(second)))
        #expect(solo.machine.isOfUse(.certificate(solo.certificate(.notarize(1, 90, solo.fresh.digest)))))
        #expect(solo.machine.isOfUse(.certificate(solo.certificate(.nullify(1, 1)))))
        let final = solo.certificate(.finalize(1, 1, solo.fresh.digest))
        #expect(solo.machine.isOfUse(.certificate(final)))
        solo.give(.certificate(final))
        #expect(!solo.machine.isOfUse(.certificate(final)))
        #expect(!solo.machine.isOfUse(.certificate(solo.certificate(.nullify(1, 1)))))
        // Whose header is not here yet, it still wants.
        #expect(solo.machine.isOfUse(.proposal(solo.proposal(1, solo.fresh))))
    }

    @Test
    func
        `votes for what is final are counted though the quorum is complete, each seat's once, and no others`()
        throws
    {
        var solo = Solo(seats: 7)
        let ballot = Ballot.finalize(1, 1, solo.fresh.digest)
        let late = solo.others[5]
        // The quorum is made of five, whoever told it; one more vote is here already, and none of this seat.
        solo.give(.vote(solo.vote(ballot, seat: solo.others[0])))
        solo.give(.certificate(solo.certificate(ballot, voters: 5)))
        #expect(solo.machine.finality?.voters.count == 5 && solo.machine.status.isFinal)
        #expect(!solo.machine.isOfUse(.vote(solo.vote(ballot, seat: solo.others[0]))))
        let useless = [
            solo.vote(.finalize(1, 1, solo.made(in: 1, flavour: 9).digest), seat: late),
            solo.vote(.finalize(1, 2, solo.fresh.digest), seat: late),
            solo.vote(.notarize(1, 1, solo.fresh.digest), seat: late), solo.vote(.nullify(1, 1), seat: late),
            Vote(
                ballot, by: SigningKey(seed: [UInt8](repeating: 200, count: 32).octetBytes), network: network),
        ]
        for vote in useless { #expect(!solo.machine.isOfUse(.vote(vote)), "\(vote.ballot)") }
        let vote = solo.vote(ballot, seat: late)
        #expect(solo.machine.isOfUse(.vote(vote)))
        solo.give(.vote(vote))
        #expect(!solo.machine.isOfUse(.vote(vote)))
        solo.give(.vote(vote))
        solo.give(.proposal(solo.proposal(1, solo.fresh)))
        let finals = solo.log.compactMap { if case .finalised(let final) = $0 { final } else { nil } }
        let certificate = try #require(finals.first?.certificate)
        #expect(finals.count == 1 && certificate.voters == solo.others.map { UInt16($0) })
        #expect(certificate.isValid(in: solo.members, network: network))
        #expect(certificate == solo.machine.finality && solo.ballots.isEmpty && solo.alarms.isEmpty)
    }

    @Test func `a vote that came before the certificate is in what is final`() {
        var solo = Solo(seats: 7)
        let ballot = Ballot.finalize(1, 1, solo.fresh.digest)
        solo.give(.vote(solo.vote(ballot, seat: solo.others[5])))
        solo.give(.certificate(solo.certificate(ballot, voters: 5)))
        #expect(solo.machine.finality == solo.certificate(ballot))
    }

    @Test func `a proposal goes on only with the leader's vote for it, also of what is certified`() {
        var solo = Solo(seats: 7)
        func proposal(_ view: View, _ ballot: Ballot, by seat: Int) -> Message {
            .proposal(
                Proposal(
                    view: view, parentView: 0, header: solo.fresh, justification: [],
                    vote: solo.vote(ballot, seat: seat)))
        }
        let ballot = Ballot.notarize(1, 1, solo.fresh.digest)
        let leader = solo.members.index(of: solo.epoch.leader(of: 1))!
        func check() {
            for seat in solo.others where seat != leader {
                #expect(!solo.machine.isOfUse(proposal(1, ballot, by: seat)))
            }
            #expect(!solo.machine.isOfUse(proposal(0, .notarize(1, 0, solo.fresh.digest), by: leader)))
            #expect(!solo.machine.isOfUse(proposal(1, .notarize(1, 2, solo.fresh.digest), by: leader)))
            #expect(!solo.machine.isOfUse(proposal(1, .nullify(1, 1), by: leader)))
            #expect(solo.machine.isOfUse(proposal(1, ballot, by: leader)))
        }
        check()
        solo.give(.certificate(solo.certificate(ballot)))
        check()
    }

    @Test func `a leader's second header goes on only if it is the notarized one`() {
        var solo = Solo()
        let first = solo.proposal(1, solo.fresh)
        let rival = solo.proposal(1, solo.made(in: 1, flavour: 9))
        #expect(solo.machine.isOfUse(.proposal(first)))
        solo.give(.proposal(first))
        #expect(!solo.machine.isOfUse(.proposal(first)) && !solo.machine.isOfUse(.proposal(rival)))
        solo.give(.certificate(solo.certificate(.notarize(1, 1, rival.header.digest))))
        #expect(solo.machine.isOfUse(.proposal(rival)) && !solo.machine.isOfUse(.proposal(first)))
        #expect(!solo.machine.isOfUse(.proposal(solo.proposal(50, solo.made(in: 50)))))
    }
}
