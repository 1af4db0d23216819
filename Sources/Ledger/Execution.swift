internal import Bytes
public import Identity
internal import Rules
public import Wire

/// All that the execution of a block depends on besides the state before it.
public struct BlockInput: Sendable {
    public var epoch: Epoch
    /// R(epoch).
    public var randomness: Digest
    /// Of the header.
    public var builder: NodeID
    /// In the order of `Ledger.order`. Signatures, consents' signatures and VRF keys are checked already.
    public var transactions: [Transaction]
    /// Signatures and digest are checked already; nil in block 1 only.
    public var parentCertificate: Certificate?
    /// C(epoch − 1), as this ledger knows it.
    public var parentCommittee: Committee
    /// Of the beacons that this block judges.
    public var verdicts: [BeaconVerdict]
    /// The new activity of every node that coverage changed, each once, in any order.
    public var activities: [(NodeID, Activity)]

    public init(
        epoch: Epoch, randomness: Digest, builder: NodeID, transactions: [Transaction],
        parentCertificate: Certificate?, parentCommittee: Committee, verdicts: [BeaconVerdict],
        activities: [(NodeID, Activity)]
    ) {
        self.epoch = epoch
        self.randomness = randomness
        self.builder = builder
        self.transactions = transactions
        self.parentCertificate = parentCertificate
        self.parentCommittee = parentCommittee
        self.verdicts = verdicts
        self.activities = activities
    }
}

/// Why a block is invalid, by objective rules: whoever signed it is to blame.
public enum ExecutionFault: Error, Hashable, Sendable {
    /// Not the block after this ledger's.
    case wrongEpoch
    /// More than `transactionsMax`.
    case tooManyTransactions
    /// The transaction at this index comes before its predecessor in the order of execution.
    case wrongOrder(index: Int)
    case transaction(index: Int, TransactionFault)
    /// Absent after block 1 or present in it; not a finalize certificate of the parent's epoch; unknown or
    /// repeated seats; less than a quorum.
    case badCertificate
    /// The builder has no seat in C(epoch).
    case notInCommittee
}

/// What a block does to the state it was tried on.
public struct BlockOutcome: Sendable {
    public let epoch: Epoch
    /// Ascending by the key's encoding; nil for what is deleted.
    public let changes: [(StateKey, [UInt8]?)]
    public let stateRoot: Digest
    /// Beacons, then witnesses, then validators; each ascending by node.
    public let rewards: [Reward]
    public let minted: Amount
    public let burned: Amount
    public let totals: Totals
    /// C(epoch + 1).
    public let nextEpochCommittee: Committee
    /// The period and committee that this block fixed, if it is the last of a period.
    public let fixedCommittee: (period: UInt64, committee: Committee)?

    /// The state it was tried on.
    public let parentRoot: Digest
    let typed: Changes
    let trie: StateTrie
}

extension Ledger {
    /// Tries a block: the same input on the same state gives the same outcome, and the ledger stays as it is.
    ///
    /// In this order: penalties (none yet), verdicts and rewards, transactions, what becomes effective,
    /// committee.
    public func execute(_ input: BlockInput) throws(ExecutionFault) -> BlockOutcome {
        guard input.epoch == epoch + 1 else { throw .wrongEpoch }
        guard input.transactions.count <= Int(parameters.transactionsMax) else { throw .tooManyTransactions }
        precondition(
            epoch == 0 || input.parentCommittee == committee(for: epoch), "a committee of another chain")
        var draft = Draft(base: tables, parameters: parameters)

        for (id, activity) in input.activities {
            let previous = draft.changes.activities.updateValue(activity, forKey: id)
            precondition(previous == nil, "two activities of one node")
        }
        let (rewards, minted) = try draft.payRewards(for: input)

        if let index = Self.firstOutOfOrder(input.transactions, randomness: input.randomness) {
            throw .wrongOrder(index: index)
        }
        for (index, transaction) in input.transactions.enumerated() {
            do {
                try draft.execute(transaction, at: input.epoch)
            } catch {
                throw .transaction(index: index, error)
            }
        }

        draft.pruneVersions(at: input.epoch)
        draft.releaseUnbonding(at: input.epoch)
        let fixed = draft.fixCommittee(at: input.epoch, randomness: input.randomness)
        draft.assertBalanced(minted: minted, burned: 0)

        let entries = draft.entries()
        let trie = trie.updated(with: entries.map { StateTrie.Write(key: $0.0, value: $0.1) })
        let nextPeriod = Self.period(of: input.epoch + 1, committeeEpochs: parameters.committeeEpochs)
        return BlockOutcome(
            epoch: input.epoch, changes: entries, stateRoot: trie.root, rewards: rewards, minted: minted,
            burned: 0, totals: draft.totals, nextEpochCommittee: draft.committee(nextPeriod)!,
            fixedCommittee: fixed, parentRoot: stateRoot, typed: draft.changes, trie: trie)
    }

    /// Takes over the outcome of a block that is final; it must have been tried on exactly this state.
    public mutating func apply(_ outcome: BlockOutcome) {
        precondition(
            outcome.epoch == epoch + 1 && outcome.parentRoot == stateRoot, "an outcome of another state")
        epoch = outcome.epoch
        tables.merge(outcome.typed)
        trie = outcome.trie
    }
}

// MARK: - The order of execution

extension Ledger {
    /// The order in which block e executes transactions: accounts by BLAKE2b-256(R(e) ‖ account), then
    /// nonces.
    public static func order(_ transactions: [Transaction], randomness: Digest) -> [Transaction] {
        var places: [NodeID: Digest] = [:]
        for transaction in transactions where places[transaction.account] == nil {
            places[transaction.account] = place(of: transaction.account, randomness: randomness)
        }
        return transactions.sorted { left, right in
            left.account == right.account
                ? left.nonce < right.nonce : places[left.account]! < places[right.account]!
        }
    }

    static func firstOutOfOrder(_ transactions: [Transaction], randomness: Digest) -> Int? {
        var last: Digest?
        for (index, transaction) in transactions.enumerated() {
            if index > 0, transactions[index - 1].account == transaction.account {
                if transactions[index - 1].nonce >= transaction.nonce { return index }
                continue
            }
            let place = place(of: transaction.account, randomness: randomness)
            if let last, last >= place { return index }
            last = place
        }
        return nil
    }

    static func place(of account: NodeID, randomness: Digest) -> Digest {
        var writer = ByteWriter(capacity: 64)
        if !isRemoved(.transactionOrder) { randomness.encode(to: &writer) }
        account.encode(to: &writer)
        return Digest(of: writer.written)
    }
}
