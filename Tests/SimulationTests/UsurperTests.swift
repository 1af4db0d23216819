import Consensus
import Identity
import Testing
import Wire

@testable import Simulation

/// Who says what is others' to say, and who opens accounts for nothing.
@Suite struct UsurperTests {
    @Test
    func
        `a usurper proposes other headers in others' views, with its own vote or the leader's for another, and a few forge one`()
        throws
    {
        var ways: [Set<String>] = []
        for seed: UInt64 in 0..<16 {
            var stage = Stage(.usurper, seed: seed)
            let own = stage.proposal(by: 0)
            _ = stage.hear(.proposal(own), from: 1)
            for _ in 0..<10 { stage.tick() }
            #expect(stage.outbox.isEmpty, "what it leads itself is its own to say")
            let leaders = stage.proposal(by: 1, justification: 1)
            let passes = stage.hear(.proposal(leaders), from: 1)
            #expect(passes)
            for _ in 0..<10 { stage.tick() }
            var seen: Set<String> = []
            for said in try stage.heard() {
                guard case .proposal(let proposal) = said.message else {
                    Issue.record("it says more than that")
                    return
                }
                let digest = proposal.header.digest
                #expect(digest != leaders.header.digest && proposal.header.epoch == 1)
                let good = proposal.vote.isSigned(network: Stage.network)
                let isForHeader = proposal.vote.ballot == .notarize(1, proposal.view, digest)
                if proposal.vote.voter == stage.ids[0] {
                    #expect(good && isForHeader)
                    seen.insert("own")
                } else if good {
                    #expect(proposal.vote == leaders.vote)
                    seen.insert("another header's")
                } else {
                    #expect(proposal.vote.voter == stage.ids[1] && isForHeader)
                    seen.insert("nobody's")
                }
            }
            ways.append(seen)
        }
        #expect(ways.allSatisfy { $0.isSuperset(of: ["own", "another header's"]) })
        #expect(ways.contains { $0.contains("nobody's") } && ways.contains { !$0.contains("nobody's") })
    }

    @Test func `an opener of accounts sends a unit to a new key at a time, for the least fee`() throws {
        var stage = Stage(.accountOpener)
        for _ in 0..<20 { stage.tick() }
        var receivers: [UInt64: NodeID] = [:]
        for said in try stage.heard() {
            guard case .transaction(let transaction) = said.message,
                case .transfer(let receiver, 1) = transaction.kind
            else {
                Issue.record("it says more than that")
                return
            }
            #expect(isSigned(transaction) && transaction.account == stage.ids[0])
            #expect(transaction.fee == Parameters().feeMin && !stage.ids.contains(receiver))
            #expect(receivers[transaction.nonce] ?? receiver == receiver)
            receivers[transaction.nonce] = receiver
        }
        #expect(receivers.keys.sorted() == Array(1...20) && Set(receivers.values).count == 20)
    }
}
