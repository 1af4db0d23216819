internal import Identity
internal import Rules
public import Wire

extension Ledger {
    /// Why `transaction` could not stand in block `epoch` on this state; nil if it could.
    ///
    /// `pendingNonce`: judge it as if the account's last nonce were this one, because others wait before it.
    /// The host checks signatures, consents' signatures, VRF keys and the plausibility of locations.
    public func check(
        _ transaction: Transaction, at epoch: Epoch, pendingNonce: UInt64? = nil
    ) -> TransactionFault? {
        var draft = Draft(base: tables, parameters: parameters)
        if let pendingNonce { draft.pretend(nonce: pendingNonce, of: transaction.account) }
        do {
            try draft.execute(transaction, at: epoch)
            return nil
        } catch {
            return error
        }
    }
}

extension Draft {
    /// For pools: judges a transaction before those that it waits for are here.
    mutating func pretend(nonce: UInt64, of id: NodeID) {
        var account = account(id)
        account.nonce = nonce
        changes.accounts[id] = account
    }

    /// Executes one transaction of block `epoch`; nothing has changed if it throws.
    mutating func execute(_ transaction: Transaction, at epoch: Epoch) throws(TransactionFault) {
        guard epoch <= transaction.expiry else { throw .expired }
        guard transaction.expiry - epoch <= Ledger.expiryEpochsMax else { throw .expiryTooFar }
        guard transaction.fee >= parameters.feeMin else { throw .feeTooLow }
        let account = account(transaction.account)
        guard account.nonce < .max, transaction.nonce == account.nonce + 1 else { throw .wrongNonce }
        let spent = try spending(of: transaction, at: epoch)
        let (fees, isTooMuch) = transaction.fee.addingReportingOverflow(entryFee(of: transaction.kind))
        let (cost, overflow) = spent.addingReportingOverflow(fees)
        guard !isTooMuch, !overflow, cost <= account.balance else { throw .insufficientBalance }

        withdraw(cost, from: transaction.account)
        changes.accounts[transaction.account]!.nonce = transaction.nonce
        if !isRemoved(.balancedBooks) {
            totals.treasury += fees
        }
        perform(transaction, effective: epoch + Ledger.effectDelayEpochs)
    }

    // MARK: Rules

    /// Everything that a kind asks of the state but the balance; returns what it takes from the account, without fees.
    private func spending(of transaction: Transaction, at epoch: Epoch) throws(TransactionFault) -> Amount {
        let account = transaction.account
        let effective = epoch + Ledger.effectDelayEpochs
        switch transaction.kind {
        case .registerDevice(_, let consent, _, _):
            guard consent.owner == account else { throw .badConsent }
            guard device(consent.device) == nil else { throw .alreadyRegistered }
            return 0
        case .updateDevice(let id, _, _), .locate(let id, _):
            guard let device = device(id) else { throw .notRegistered }
            guard device.versions.last!.owner == account else { throw .notOwner }
            let hasRoom = device.versions.count < Device.versionsMax
            guard hasRoom || device.versions.last!.effective == effective else { throw .tooManyChanges }
            return 0
        case .transfer(_, let amount):
            guard amount > 0 else { throw .zeroAmount }
            return amount
        case .registerValidator(let consent, let stake):
            guard consent.owner == account else { throw .badConsent }
            guard stake >= parameters.stakeMin else { throw .stakeTooLow }
            guard validator(consent.device) == nil else { throw .alreadyRegistered }
            return stake
        case .stake(let id, let amount):
            let stake = try changeableStake(of: id, by: account, amount, effective: effective)
            let (sum, overflow) = stake.addingReportingOverflow(amount)
            guard !overflow else { throw .insufficientBalance }
            guard sum >= parameters.stakeMin else { throw .stakeTooLow }
            return amount
        case .unstake(let id, let amount):
            let stake = try changeableStake(of: id, by: account, amount, effective: effective)
            guard amount <= stake else { throw .insufficientStake }
            guard amount == stake || stake - amount >= parameters.stakeMin else { throw .stakeTooLow }
            return 0
        }
    }

    /// The stake that a change by `amount` starts from: that of the latest version.
    private func changeableStake(
        of id: NodeID, by account: NodeID, _ amount: Amount, effective: Epoch
    ) throws(TransactionFault) -> Amount {
        guard amount > 0 else { throw .zeroAmount }
        guard let last = validator(id)?.versions.last else { throw .notRegistered }
        guard last.owner == account else { throw .notOwner }
        let hasRoom = validator(id)!.versions.count < Validator.versionsMax
        guard hasRoom || last.effective == effective else { throw .tooManyChanges }
        return last.stake
    }

    /// What a transaction pays for a new entry in the state, beside its own fee.
    private func entryFee(of kind: TransactionKind) -> Amount {
        switch kind {
        case .registerDevice(_, _, _, let location):
            parameters.registrationFee + (location == nil ? 0 : parameters.locationFee)
        case .locate: parameters.locationFee
        case .transfer(let receiver, _):
            account(receiver).isEmpty && !isRemoved(.accountFee) ? Ledger.accountFee(parameters) : 0
        case .updateDevice, .registerValidator, .stake, .unstake: 0
        }
    }

    // MARK: Effects

    /// What the rules have allowed, and the account has paid for.
    private mutating func perform(_ transaction: Transaction, effective: Epoch) {
        switch transaction.kind {
        case .registerDevice(let kind, let consent, let profile, let location):
            let version = DeviceVersion(
                effective: effective, owner: consent.owner, vrfKey: consent.vrfKey, profile: profile,
                location: location)
            changes.devices[consent.device] = Device(kind: kind, versions: [version])
        case .updateDevice(let id, let profile, let owner):
            change(id, effective: effective) { version in
                version.profile = profile
                version.owner = owner ?? version.owner
            }
        case .locate(let id, let location):
            change(id, effective: effective) { $0.location = location }
        case .transfer(let receiver, let amount):
            deposit(amount, to: receiver)
        case .registerValidator(let consent, let stake):
            let version = ValidatorVersion(
                effective: effective, owner: consent.owner, vrfKey: consent.vrfKey, stake: stake)
            changes.validators[consent.device] = Validator(versions: [version])
            totals.staked += stake
        case .stake(let id, let amount):
            changeStake(of: id, effective: effective) { $0 += amount }
            totals.staked += amount
        case .unstake(let id, let amount):
            changeStake(of: id, effective: effective) { $0 -= amount }
            totals.staked -= amount
            totals.unbonding += amount
            let last = Ledger.lastServed(
                before: effective, committeeEpochs: parameters.committeeEpochs)
            let due = last + Epoch(parameters.unbondingEpochs)
            let key = UnbondingKey(due: due, owner: transaction.account)
            changes.unbondings[key] = unbonding(key) + amount
        }
    }

    /// A second change in one epoch replaces the first's version; it starts from it and so keeps its facts.
    private mutating func change(
        _ id: NodeID, effective: Epoch, _ edit: (inout DeviceVersion) -> Void
    ) {
        var device = device(id)!
        var version = device.versions.last!
        if version.effective == effective { device.versions.removeLast() }
        version.effective = effective
        edit(&version)
        device.versions.append(version)
        changes.devices[id] = device
    }

    private mutating func changeStake(of id: NodeID, effective: Epoch, _ edit: (inout Amount) -> Void) {
        var validator = validator(id)!
        var version = validator.versions.last!
        if version.effective == effective { validator.versions.removeLast() }
        version.effective = effective
        edit(&version.stake)
        validator.versions.append(version)
        changes.validators[id] = validator
    }
}
