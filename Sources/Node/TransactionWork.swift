import Identity

/// Transactions that peers have told and whose signatures are at the workers. They take jobs in their order, and a transaction
/// costs who makes it nothing: neither one peer's nor all peers' may make votes wait for long.
struct TransactionWork {
    /// At 60 µs each on one core an eighth of a second.
    static let max = 2_048
    /// More than reconciliation asks of one peer at one time, so that who catches up is not held up.
    static let maxOfPeer = 640

    private var tellers: [UInt64: NodeID] = [:]
    private var counts: [NodeID: Int] = [:]

    var count: Int { tellers.count }

    func hasRoom(for teller: NodeID) -> Bool {
        count < Self.max && counts[teller, default: 0] < Self.maxOfPeer
    }

    mutating func begin(_ ticket: UInt64, for teller: NodeID) {
        tellers[ticket] = teller
        counts[teller, default: 0] += 1
    }

    mutating func end(_ ticket: UInt64) {
        guard let teller = tellers.removeValue(forKey: ticket), let count = counts[teller] else { return }
        counts[teller] = count > 1 ? count - 1 : nil
    }

    func assertInvariants() {
        precondition(counts.values.reduce(0, +) == tellers.count)
    }
}
