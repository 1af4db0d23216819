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
