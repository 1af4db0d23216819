internal import Bytes
internal import Identity
public import Wire

/// Why entries are not the state of a ledger.
public enum RestoreError: Error, Equatable, Sendable {
    /// One key stands twice.
    case duplicate(StateKey)
    /// The value does not decode, or is one that the state never holds.
    case malformed(StateKey)
    case missingTotals
    /// Not exactly the committees that a ledger of this epoch keeps.
    case wrongCommittees
    /// The totals are not what the entries add up to.
    case unbalanced
}

extension Ledger {
    /// A ledger from persisted or fetched entries, in any order.
    ///
    /// Holds no more than that they are a possible state: the caller compares `stateRoot` with a final
    /// header.
    public init(
        restoring entries: [(StateKey, [UInt8])], parameters: Parameters, epoch: Epoch
    ) throws(RestoreError) {
        var seen: Set<StateKey> = []
        seen.reserveCapacity(entries.count)
        for (key, _) in entries {
            guard seen.insert(key).inserted else { throw .duplicate(key) }
        }
        let writes = entries.map { StateTrie.Write(key: $0.0, value: $0.1) }
        try self.init(restoring: StateTrie().updated(with: writes), parameters: parameters, epoch: epoch)
    }

    /// A ledger whose state is that of a trie; no more is sure of it than of restored entries.
    public init(
        restoring trie: StateTrie, parameters: Parameters, epoch: Epoch
    ) throws(RestoreError) {
        precondition(parameters.flaw == nil, "parameters that nobody checked")
        var tables = Tables()
        var hasTotals = false
        for (key, value) in trie.entries {
            if key == .totals { hasTotals = true }
            let isPossible: Bool
            do {
                isPossible = try tables.insert(value, for: key, after: epoch)
            } catch {
                throw .malformed(key)
            }
            guard isPossible else { throw .malformed(key) }
        }
        guard hasTotals else { throw .missingTotals }
        let periods = Self.periodsHeld(after: epoch, committeeEpochs: parameters.committeeEpochs)
        guard tables.committees.keys.sorted() == periods else { throw .wrongCommittees }
        guard tables.balances else { throw .unbalanced }
        self.init(parameters: parameters, epoch: epoch, tables: tables, trie: trie)
    }
}

extension Tables {
    /// False if the value decodes but is one that the state of `epoch` never holds.
    fileprivate mutating func insert(
        _ value: [UInt8], for key: StateKey, after epoch: Epoch
    ) throws(DecodeError) -> Bool {
        switch key {
        case .totals:
            totals = try Totals(decoding: value)
        case .account(let id):
            let account = try Account(decoding: value)
            accounts[id] = account
            return !account.isEmpty
        case .device(let id):
            let device = try Device(decoding: value)
            set(device, for: id)
            return Ledger.isAscending(device.versions.map(\.effective))
        case .validator(let id):
            let validator = try Validator(decoding: value)
            set(validator, for: id)
            return Ledger.isAscending(validator.versions.map(\.effective))
        case .activity(let id):
            let activity = try Activity(decoding: value)
            activities[id] = activity
            return !activity.isEmpty
        case .committee(let period):
            let committee = try Committee(decoding: value)
            committees[period] = committee
            return !committee.seats.isEmpty
        case .unbonding(let due, let owner):
            let amount = try Amount(decoding: value)
            unbondings[due, default: [:]][owner] = amount
            return amount > 0 && due > epoch
        }
        return true
    }
}
