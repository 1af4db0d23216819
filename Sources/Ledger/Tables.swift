internal import Identity
internal import Wire

/// The typed form of the state. Dictionaries are never iterated where their order could leak.
struct Tables: Sendable {
    var totals = Totals()
    var accounts: [NodeID: Account] = [:]
    var devices: [NodeID: Device] = [:]
    var validators: [NodeID: Validator] = [:]
    var activities: [NodeID: Activity] = [:]
    /// By period.
    var committees: [UInt64: Committee] = [:]
    /// By the epoch of release, then the owner.
    var unbondings: [Epoch: [NodeID: Amount]] = [:]

    /// Derived: those with more than one version, which pruning must look at.
    var changingDevices: Set<NodeID> = []
    var changingValidators: Set<NodeID> = []

    mutating func merge(_ changes: Changes) {
        totals = changes.totals
        for (id, account) in changes.accounts { accounts[id] = account.isEmpty ? nil : account }
        for (id, device) in changes.devices { set(device, for: id) }
        for (id, validator) in changes.validators { set(validator, for: id) }
        for (id, activity) in changes.activities { activities[id] = activity.isEmpty ? nil : activity }
        for (period, committee) in changes.committees { committees[period] = committee }
        for (key, amount) in changes.unbondings {
            unbondings[key.due, default: [:]][key.owner] = amount == 0 ? nil : amount
            if unbondings[key.due]?.isEmpty == true { unbondings[key.due] = nil }
        }
    }

    mutating func set(_ device: Device, for id: NodeID) {
        devices[id] = device
        if device.versions.count > 1 { changingDevices.insert(id) } else { changingDevices.remove(id) }
    }

    mutating func set(_ validator: Validator, for id: NodeID) {
        validators[id] = validator
        if validator.versions.count > 1 {
            changingValidators.insert(id)
        } else {
            changingValidators.remove(id)
        }
    }

    /// Whether the books balance to the unit: what exists is what someone or something holds. Walks
    /// everything.
    var balances: Bool {
        let held =
            accounts.values.reduce(UInt128(0)) { $0 + UInt128($1.balance) } + UInt128(totals.treasury)
        let staked = validators.values.reduce(UInt128(0)) { $0 + UInt128($1.versions.last!.stake) }
        let unbonding = unbondings.values.reduce(UInt128(0)) { sum, owners in
            owners.values.reduce(sum) { $0 + UInt128($1) }
        }
        return staked == UInt128(totals.staked) && unbonding == UInt128(totals.unbonding)
            && held + staked + unbonding == UInt128(totals.supply) && totals.supply <= Ledger.supplyMax
    }
}

/// Names one entry of stake on its way back.
struct UnbondingKey: Hashable, Sendable {
    let due: Epoch
    let owner: NodeID
}

/// What one block writes, typed: the new value of everything touched.
struct Changes: Sendable {
    var totals: Totals
    var accounts: [NodeID: Account] = [:]
    var devices: [NodeID: Device] = [:]
    var validators: [NodeID: Validator] = [:]
    var activities: [NodeID: Activity] = [:]
    /// Nil inside: forgotten.
    var committees: [UInt64: Committee?] = [:]
    /// 0: released.
    var unbondings: [UnbondingKey: Amount] = [:]
}

extension Account {
    /// An account that never did or got anything has no entry in the state.
    var isEmpty: Bool { self == Account() }
}

extension Activity {
    var isEmpty: Bool { self == Activity() }
}
