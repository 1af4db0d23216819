internal import Bytes
internal import Identity
internal import Wire

/// A state in the making: changes over tables that stay as they are.
struct Draft {
    let base: Tables
    let parameters: Parameters
    var changes: Changes

    init(base: Tables, parameters: Parameters) {
        self.base = base
        self.parameters = parameters
        changes = Changes(totals: base.totals)
    }

    var totals: Totals {
        get { changes.totals }
        set { changes.totals = newValue }
    }

    func account(_ id: NodeID) -> Account { changes.accounts[id] ?? base.accounts[id] ?? Account() }
    func device(_ id: NodeID) -> Device? { changes.devices[id] ?? base.devices[id] }
    func validator(_ id: NodeID) -> Validator? { changes.validators[id] ?? base.validators[id] }

    func committee(_ period: UInt64) -> Committee? {
        if let changed = changes.committees[period] { return changed }
        return base.committees[period]
    }

    func unbonding(_ key: UnbondingKey) -> Amount {
        changes.unbondings[key] ?? base.unbondings[key.due]?[key.owner] ?? 0
    }

    /// Cannot overflow: nobody holds more than the supply, which is below 2⁶².
    mutating func deposit(_ amount: Amount, to id: NodeID) {
        var account = account(id)
        account.balance += amount
        changes.accounts[id] = account
    }

    mutating func withdraw(_ amount: Amount, from id: NodeID) {
        var account = account(id)
        precondition(account.balance >= amount, "a withdrawal that nobody checked")
        account.balance -= amount
        changes.accounts[id] = account
    }
}

// MARK: - What becomes effective

extension Draft {
    /// How far back a verdict may look, in epochs before the block that executes it.
    static let lookbackEpochs: Epoch = 2

    /// Forgets the versions that were superseded before every epoch a verdict may still ask for.
    mutating func pruneVersions(at epoch: Epoch) {
        let horizon = epoch < Self.lookbackEpochs ? 0 : epoch - Self.lookbackEpochs
        for id in base.changingDevices.union(changes.devices.keys).sorted() {
            guard var device = device(id) else { continue }
            let superseded = device.versions.filter { $0.effective <= horizon }.count - 1
            if superseded > 0 {
                device.versions.removeFirst(superseded)
                changes.devices[id] = device
            }
        }
        for id in base.changingValidators.union(changes.validators.keys).sorted() {
            guard var validator = validator(id) else { continue }
            let superseded = validator.versions.filter { $0.effective <= horizon }.count - 1
            if superseded > 0 {
                validator.versions.removeFirst(superseded)
                changes.validators[id] = validator
            }
        }
    }

    /// Gives back the stake that is due at `epoch`. Every epoch is executed, so nothing older can be waiting.
    mutating func releaseUnbonding(at epoch: Epoch) {
        var owners = Set(base.unbondings[epoch, default: [:]].keys)
        for key in changes.unbondings.keys where key.due == epoch { owners.insert(key.owner) }
        for owner in owners.sorted() {
            let key = UnbondingKey(due: epoch, owner: owner)
            let amount = unbonding(key)
            changes.unbondings[key] = 0
            totals.unbonding -= amount
            deposit(amount, to: owner)
        }
    }
}

// MARK: - Results

extension Draft {
    /// All that differs from the base, ascending by the key's encoding; nil for what is gone.
    func entries() -> [(StateKey, [UInt8]?)] {
        var entries: [(StateKey, [UInt8]?)] = []
        if totals != base.totals { entries.append((.totals, totals.encoded())) }
        // Tags come first in an encoding and identifiers sort as their octets do: list after list is the
        // order.
        for (id, account) in changes.accounts.sorted(by: { $0.key < $1.key }) {
            let entry = account.isEmpty ? nil : account
            if entry != base.accounts[id] { entries.append((.account(id), entry?.encoded())) }
        }
        for (id, device) in changes.devices.sorted(by: { $0.key < $1.key })
        where device != base.devices[id] {
            entries.append((.device(id), device.encoded()))
        }
        for (id, validator) in changes.validators.sorted(by: { $0.key < $1.key })
        where validator != base.validators[id] {
            entries.append((.validator(id), validator.encoded()))
        }
        for (id, activity) in changes.activities.sorted(by: { $0.key < $1.key }) {
            let entry = activity.isEmpty ? nil : activity
            if entry != base.activities[id] { entries.append((.activity(id), entry?.encoded())) }
        }
        // Numbers are little-endian, so these do not sort by their values.
        var numbered: [(key: [UInt8], entry: (StateKey, [UInt8]?))] = []
        for (period, committee) in changes.committees where committee != base.committees[period] {
            let key = StateKey.committee(period)
            numbered.append((key.encoded(), (key, committee?.encoded())))
        }
        for (unbonding, amount) in changes.unbondings
        where amount != base.unbondings[unbonding.due]?[unbonding.owner] ?? 0 {
            let key = StateKey.unbonding(unbonding.due, unbonding.owner)
            numbered.append((key.encoded(), (key, amount == 0 ? nil : amount.encoded())))
        }
        numbered.sort { $0.key.lexicographicallyPrecedes($1.key) }
        return entries + numbered.map(\.entry)
    }

    /// Halts if this block made or lost a single unit beyond what it says it minted and burned.
    ///
    /// Adds up the differences of everything touched: by induction from a balanced start, all of it.
    func assertBalanced(minted: Amount, burned: Amount) {
        var held = Int128(totals.treasury) - Int128(base.totals.treasury)
        for (id, account) in changes.accounts {
            held += Int128(account.balance) - Int128(base.accounts[id]?.balance ?? 0)
        }
        var staked: Int128 = 0
        for (id, validator) in changes.validators {
            staked += Int128(validator.versions.last!.stake)
            staked -= Int128(base.validators[id]?.versions.last!.stake ?? 0)
        }
        var unbonding: Int128 = 0
        for (key, amount) in changes.unbondings {
            unbonding += Int128(amount) - Int128(base.unbondings[key.due]?[key.owner] ?? 0)
        }
        precondition(staked == Int128(totals.staked) - Int128(base.totals.staked), "stakes do not balance")
        precondition(
            unbonding == Int128(totals.unbonding) - Int128(base.totals.unbonding),
            "unbonding does not balance")
        precondition(held + staked + unbonding == Int128(minted) - Int128(burned), "the books do not balance")
        precondition(
            Int128(totals.supply) - Int128(base.totals.supply) == Int128(minted) - Int128(burned)
                && totals.minted - base.totals.minted == minted
                && totals.burned - base.totals.burned == burned,
            "the supply does not balance")
        precondition(totals.supply <= Ledger.supplyMax)
    }
}
