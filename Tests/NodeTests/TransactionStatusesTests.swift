import Identity
import Testing
import Wire

@testable import Node

@Suite struct `What became of transactions` {
    private func id(_ number: Int) -> Digest { Digest(of: Array(String(number).utf8)) }

    @Test func `that are final is not forgotten for refusals without number`() {
        var statuses = TransactionStatuses()
        statuses.note(final: 7, of: id(1))
        statuses.note(pending: id(2))
        for number in 10..<10_000 {
            statuses.note(refused: id(number), .wrongNonce)
            statuses.assertInvariants()
        }
        #expect(statuses[id(1)] == .final(7) && statuses[id(2)] == .pending)
        #expect(statuses[id(9_999)] == .refused(.wrongNonce) && statuses[id(10)] == .unknown)
        #expect(statuses.refusedCount == TransactionStatuses.refusedMax)
    }

    @Test func `is the best that was heard of it, and of a refusal the last`() {
        var statuses = TransactionStatuses()
        #expect(statuses[id(1)] == .unknown)
        statuses.note(refused: id(1), .insufficientBalance)
        statuses.note(refused: id(1), .wrongNonce)
        #expect(statuses[id(1)] == .refused(.wrongNonce))
        statuses.note(pending: id(1))
        statuses.note(refused: id(1), .wrongNonce)
        #expect(statuses[id(1)] == .pending)
        statuses.note(final: 3, of: id(1))
        statuses.note(refused: id(1), .wrongNonce)
        #expect(statuses[id(1)] == .final(3) && statuses.refusedCount == 0)
        statuses.assertInvariants()
    }

    @Test func `is forgotten in the order in which it was first heard`() {
        var statuses = TransactionStatuses()
        for number in 0...TransactionStatuses.takenMax { statuses.note(pending: id(number)) }
        statuses.assertInvariants()
        #expect(statuses[id(0)] == .unknown && statuses[id(1)] == .pending)
        #expect(statuses.takenCount == TransactionStatuses.takenMax)
    }
}
