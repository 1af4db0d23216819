public import Identity
public import Wire

/// Transactions that wait for a block.
///
/// Each was executable, behind those of its account that wait before it, when it was taken in. Gaps
/// between nonces are allowed, because gossip reorders; a block takes no more than what follows on the
/// account's last nonce. A full pool gives up the cheapest last transaction of an account for one that pays
/// more.
///
/// Unstakings come first whatever they pay (see `Unstakings.swift`): one takes the place of anything else with its
/// nonce and gives way to nothing but an unstaking that pays more, and an account's next is not given up by a full
/// pool. So pools that have been offered one of an account hold one, in whatever order they were offered what: who
/// regrets it stakes again.
public struct TransactionPool: Sendable {
    /// Eight full blocks; at 1 KiB each, 8 MiB.
    public static let countMax = 8 * 1_024
    /// More than a person needs before the next block, and few enough to execute on trial at each arrival.
    public static let perAccountMax = 64
    /// A replacement pays at least an eighth more, so that gossip of replacements has its price.
    public static let raiseDivisor: Amount = 8
    /// How often a selection is tried again when transactions spoil one another.
    static let selectionRoundsMax = 4

    public private(set) var count = 0
    /// Ascending by nonce, never empty.
    private var waiting: [NodeID: [Transaction]] = [:]
    private var places: [Digest: Place] = [:]
    /// Of each account, ascending: what a full pool gives up first, found without walking through all of it.
    private var lasts: [Last] = []
    /// Removed since the host last asked.
    private var departed: [Digest] = []

    private struct Place {
        let account: NodeID
        let nonce: UInt64
    }

    /// The last transaction of an account.
    private struct Last: Comparable {
        let fee: Amount
        let account: NodeID

        init(_ transaction: Transaction) { (fee, account) = (transaction.fee, transaction.account) }

        static func < (left: Last, right: Last) -> Bool {
            (left.fee, left.account) < (right.fee, right.account)
        }
    }

    public init() {}

    public func contains(_ id: Digest) -> Bool { places[id] != nil }

    public func transaction(_ id: Digest) -> Transaction? {
        guard let place = places[id] else { return nil }
        return waiting[place.account]?.first { $0.nonce == place.nonce }
    }

    /// Of one account, ascending by nonce.
    public func transactions(of account: NodeID) -> [Transaction] { waiting[account] ?? [] }

    /// Takes in a transaction whose signatures, consent, keys and location are checked, to stand in block
    /// `epoch` or later. Returns why it cannot wait here, and has changed nothing then; nil also if it is
    /// here already.
    public mutating func insert(
        _ transaction: Transaction, ledger: Ledger, epoch: Epoch
    ) -> TransactionFault? {
        let id = transaction.id
        if contains(id) { return nil }
        let own = waiting[transaction.account] ?? []
        if let fault = fault(of: transaction, behind: own, ledger: ledger, epoch: epoch) { return fault }
        if let index = own.firstIndex(where: { $0.nonce == transaction.nonce }) {
            if let fault = Self.fault(of: transaction, inPlaceOf: own[index]) { return fault }
            remove(own[index])
        } else if own.count >= Self.perAccountMax {
            return .poolFull
        } else if count >= Self.countMax {
            guard let cheapest = cheapestLast(but: transaction.account, ledger: ledger),
                ledger.isNextUnstaking(transaction) || cheapest.fee < transaction.fee
            else { return .poolFull }
            remove(cheapest)
        }
        add(transaction, id: id)
        return nil
    }

    /// Why it does not replace another with its nonce.
    private static func fault(
        of transaction: Transaction, inPlaceOf old: Transaction
    ) -> TransactionFault? {
        switch (old.kind.isUnstaking, transaction.kind.isUnstaking) {
        case (false, true): return nil
        // No fee would do.
        case (true, false): return .wrongNonce
        default:
            let raise = max(1, old.fee / raiseDivisor)
            return transaction.fee >= old.fee && transaction.fee - old.fee >= raise ? nil : .feeTooLow
        }
    }

    /// Why it could not stand in block `epoch` behind those of its account that wait before it.
    private func fault(
        of transaction: Transaction, behind own: [Transaction], ledger: Ledger, epoch: Epoch
    ) -> TransactionFault? {
        let last = ledger.account(transaction.account).nonce
        guard transaction.nonce > last, transaction.nonce - last <= UInt64(Self.perAccountMax) else {
            return .wrongNonce
        }
        var draft = Draft(base: ledger.tables, parameters: ledger.parameters)
        for earlier in own where earlier.nonce < transaction.nonce {
            draft.pretend(nonce: earlier.nonce - 1, of: transaction.account)
            // One that fails by now is pruned after the block; this one is judged without it.
            try? draft.execute(earlier, at: epoch)
        }
        draft.pretend(nonce: transaction.nonce - 1, of: transaction.account)
        do {
            try draft.execute(transaction, at: epoch)
            return nil
        } catch {
            return error
        }
    }

    /// The accounts whose unstaking is due in block `epoch` on this ledger, ascending.
    public func unstakers(ledger: Ledger, epoch: Epoch) -> [NodeID] {
        waiting.filter { account, own in
            let last = ledger.account(account).nonce
            return own.first { $0.nonce > last }.map { ledger.isDueUnstaking($0, at: epoch) } ?? false
        }.keys.sorted()
    }

    /// At most `max` transactions for block `epoch` on this ledger, in the order of execution, executable as
    /// they stand: unstakings that are due, as far as they come first, and those that pay most, each behind those of
    /// its account that it waits for.
    public func select(max: Int, randomness: Digest, ledger: Ledger, epoch: Epoch) -> [Transaction] {
        let first = Set(
            Ledger.firstUnstakers(
                of: unstakers(ledger: ledger, epoch: epoch), room: max, randomness: randomness))
        var offers: [Offer] = waiting.keys.sorted().flatMap { account in
            self.offers(of: account, after: ledger.account(account).nonce, isFirst: first.contains(account))
        }
        offers.sort()
        offers = executable(of: offers, ledger: ledger, epoch: epoch)
        var selected: [Transaction] = []
        for _ in 0..<Self.selectionRoundsMax {
            let chosen = offers.prefix(Swift.max(0, max)).map(\.transaction)
            let ordered = Ledger.order(chosen, randomness: randomness)
            var draft = Draft(base: ledger.tables, parameters: ledger.parameters)
            selected = []
            var failed: [NodeID: UInt64] = [:]
            for transaction in ordered where failed[transaction.account] == nil {
                do {
                    try draft.execute(transaction, at: epoch)
                    selected.append(transaction)
                } catch {
                    failed[transaction.account] = transaction.nonce
                }
            }
            if failed.isEmpty { break }
            // Others get the room of those that failed.
            offers.removeAll { offer in
                failed[offer.transaction.account].map { $0 <= offer.transaction.nonce } ?? false
            }
        }
        return selected
    }

    /// Those that can be executed in the order of what they pay; of an account those before its first that cannot. Else chains
    /// whose first transaction was replaced by one that leaves nothing for the rest would take everybody's room.
    private func executable(of offers: [Offer], ledger: Ledger, epoch: Epoch) -> [Offer] {
        var draft = Draft(base: ledger.tables, parameters: ledger.parameters)
        var spoilt: Set<NodeID> = []
        return offers.filter { offer in
            guard !spoilt.contains(offer.transaction.account) else { return false }
            do {
                try draft.execute(offer.transaction, at: epoch)
                return true
            } catch {
                spoilt.insert(offer.transaction.account)
                return false
            }
        }
    }

    /// After a final block is applied: forgets what the ledger has executed, or what cannot stand in its next
    /// block.
    public mutating func prune(ledger: Ledger) {
        for (account, own) in waiting {
            let last = ledger.account(account).nonce
            var draft = Draft(base: ledger.tables, parameters: ledger.parameters)
            for transaction in own {
                if transaction.nonce <= last {
                    drop(transaction)
                    continue
                }
                draft.pretend(nonce: transaction.nonce - 1, of: account)
                do {
                    try draft.execute(transaction, at: ledger.epoch + 1)
                } catch {
                    drop(transaction)
                }
            }
        }
        lasts = waiting.values.map { Last($0.last!) }.sorted()
    }

    /// Those that have gone since this was asked last, in the order of their ids.
    public mutating func takeDeparted() -> [Digest] {
        defer { departed = [] }
        return departed.sorted()
    }

    // MARK: Parts

    /// A transaction with the least fee of the chain up to it: sorting by it never parts a chain. An unstaking that comes
    /// first stands as if nothing paid more, and holds back nothing behind it.
    private struct Offer: Comparable {
        let transaction: Transaction
        let fee: Amount

        static func < (left: Offer, right: Offer) -> Bool {
            if left.fee != right.fee { return left.fee > right.fee }
            let (one, other) = (left.transaction, right.transaction)
            return one.account == other.account ? one.nonce < other.nonce : one.account < other.account
        }
    }

    /// What follows on nonce `last` without a gap.
    private func offers(of account: NodeID, after last: UInt64, isFirst: Bool) -> [Offer] {
        var offers: [Offer] = []
        var fee = Amount.max
        for transaction in waiting[account]! where transaction.nonce > last {
            guard transaction.nonce == last + UInt64(offers.count) + 1 else { break }
            if !isFirst || !offers.isEmpty { fee = min(fee, transaction.fee) }
            offers.append(Offer(transaction: transaction, fee: fee))
        }
        return offers
    }

    private func cheapestLast(but account: NodeID, ledger: Ledger) -> Transaction? {
        for last in lasts where last.account != account {
            let transaction = waiting[last.account]!.last!
            if !ledger.isNextUnstaking(transaction) { return transaction }
        }
        return nil
    }

    private mutating func add(_ transaction: Transaction, id: Digest) {
        var own = waiting[transaction.account] ?? []
        let last = own.last
        let index = own.firstIndex { $0.nonce > transaction.nonce } ?? own.count
        own.insert(transaction, at: index)
        waiting[transaction.account] = own
        replaceLast(last, by: own.last)
        places[id] = Place(account: transaction.account, nonce: transaction.nonce)
        count += 1
    }

    private mutating func remove(_ transaction: Transaction) {
        let last = waiting[transaction.account]!.last
        drop(transaction)
        replaceLast(last, by: waiting[transaction.account]?.last)
    }

    private mutating func replaceLast(_ old: Transaction?, by new: Transaction?) {
        guard old?.nonce != new?.nonce || old?.fee != new?.fee else { return }
        if let old { lasts.remove(at: placeInLasts(of: Last(old))) }
        if let new {
            let last = Last(new)
            lasts.insert(last, at: placeInLasts(of: last))
        }
    }

    /// Where it stands, or would.
    private func placeInLasts(of last: Last) -> Int {
        var range = 0..<lasts.count
        while !range.isEmpty {
            let middle = range.lowerBound + range.count / 2
            range = lasts[middle] < last ? middle + 1..<range.upperBound : range.lowerBound..<middle
        }
        return range.lowerBound
    }

    /// All but that of the lasts.
    private mutating func drop(_ transaction: Transaction) {
        waiting[transaction.account]!.removeAll { $0.nonce == transaction.nonce }
        if waiting[transaction.account]!.isEmpty { waiting[transaction.account] = nil }
        let id = transaction.id
        places[id] = nil
        departed.append(id)
        count -= 1
    }

    /// For tests and simulation: limits hold and the tables agree.
    public func assertInvariants() {
        precondition(count <= Self.countMax && places.count == count)
        precondition(waiting.values.reduce(0) { $0 + $1.count } == count)
        precondition(lasts == waiting.values.map { Last($0.last!) }.sorted())
        for (account, own) in waiting {
            precondition(!own.isEmpty && own.count <= Self.perAccountMax)
            precondition(zip(own, own.dropFirst()).allSatisfy { $0.nonce < $1.nonce })
            precondition(own.allSatisfy { $0.account == account && contains($0.id) })
        }
    }
}
