public import Identity
public import Wire

/// Whose unstaking a block owes (protocol §7): a leader cannot keep stake locked by leaving it out.
///
/// An unstaking is *due* in block e if it is its account's next by nonce and can be executed on the state before the
/// block by itself. Whether it is does not depend on what else is in the block: no other account changes what this
/// one has staked, nor takes from its balance. So a leader who has it can always include it, and who judges the block
/// need not know what its leader knows. To an account with anything in the block nothing more is owed, as it has
/// got on: so a block owes each account one at most, and whoever signs two with one nonce makes nobody wrong who has
/// but the other. Behind its account's other transactions an unstaking waits for these, and they for their fees.
///
/// Above the maximum a block owes the accounts that come first in its order of execution, which is drawn anew for each
/// block. A leader who knows of more of them leaves out later ones; so an account is left out only if the block has
/// the maximum of unstakings that come before its own.
///
/// Whoever adds penalties, or a transaction that takes from another account, must look here: what is due must be
/// executable wherever it stands.
extension Ledger {
    /// A quarter of a block's room, rounded up: an unstaking costs stake, yet whoever has much of it in many
    /// accounts must not keep everybody else out.
    public static func unstakersMax(room: Int) -> Int { (max(0, room) + 3) / 4 }

    /// Of these accounts, those whose unstakings a block owes at most.
    static func firstUnstakers(of accounts: [NodeID], room: Int, randomness: Digest) -> [NodeID] {
        let places = accounts.map { (account: $0, place: place(of: $0, randomness: randomness)) }
        return places.sorted { $0.place < $1.place }.prefix(unstakersMax(room: room)).map(\.account)
    }

    func isNextUnstaking(_ transaction: Transaction) -> Bool {
        transaction.kind.isUnstaking && transaction.nonce > 0
            && transaction.nonce - 1 == account(transaction.account).nonce
    }

    func isDueUnstaking(_ transaction: Transaction, at epoch: Epoch) -> Bool {
        transaction.kind.isUnstaking && check(transaction, at: epoch) == nil
    }

    /// Whether a block with these transactions, which can be executed on this state, owes one of these accounts its
    /// unstaking: none is wronged by a leader who has an unstaking of each, whatever else it has.
    /// - Parameter accounts: Those whose unstakings are due (`TransactionPool.unstakers`).
    public func owes(_ accounts: [NodeID], besides transactions: [Transaction], randomness: Digest) -> Bool {
        let included = Set(transactions.map(\.account))
        let missing = accounts.filter { !included.contains($0) }
        let room = Self.unstakersMax(room: Int(parameters.transactionsMax))
        guard !missing.isEmpty, room > 0 else { return false }
        var previous: NodeID?
        let unstakers = transactions.filter { transaction in
            defer { previous = transaction.account }
            return transaction.account != previous && transaction.kind.isUnstaking
        }.map(\.account)
        guard unstakers.count >= room else { return true }
        let last = Self.place(of: unstakers[room - 1], randomness: randomness)
        return missing.contains { Self.place(of: $0, randomness: randomness) < last }
    }
}

extension TransactionKind {
    var isUnstaking: Bool {
        if case .unstake = self { true } else { false }
    }
}
