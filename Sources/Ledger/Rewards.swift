internal import Identity
public import Wire

/// Who is paid for what (protocol §9). Everything rounds down.
///
/// - Emission of epoch e: `emissionPerEpoch` halved once for every `halvingEpochs` before it, and never so
///   much that the supply would pass `Ledger.supplyMax`.
/// - Validators: `validatorPermille` of it. Nine tenths of that by weight to the seats whose votes the
///   parent's certificate carries; one tenth to the block's builder, in proportion to the weight above the
///   quorum that it carries, so that leaving a vote out costs the builder too.
/// - Presence, the rest: 20 % to the beacons, 80 % to the witnesses that this block judges, by their units.
/// - Paid is who owned the device or validator, effective at the epoch of the work.
public enum RewardRule {
    /// The builder's part of the validators' share, in thousandths.
    public static let builderPermille: Amount = 100
    /// The beacons' part of presence, in thousandths.
    public static let beaconPermille: Amount = 200

    /// What epoch `epoch` may mint at most.
    public static func emission(at epoch: Epoch, parameters: Parameters) -> Amount {
        precondition(epoch > 0, "nothing is emitted before the first block")
        return parameters.emissionPerEpoch >> ((epoch - 1) / Epoch(parameters.halvingEpochs))
    }

    /// ⌊amount · part / whole⌋, exact; `part` at most `whole`, `whole` above zero.
    static func proRata(_ amount: Amount, _ part: UInt64, of whole: UInt64) -> Amount {
        precondition(part <= whole && whole > 0)
        return whole.dividingFullWidth(amount.multipliedFullWidth(by: part)).quotient
    }
}

extension Draft {
    /// Pays for the verdicts and the votes of a block; books what it mints.
    mutating func payRewards(
        for input: BlockInput
    ) throws(ExecutionFault) -> (rewards: [Reward], minted: Amount) {
        let room = Ledger.supplyMax - totals.supply
        let emission = min(RewardRule.emission(at: input.epoch, parameters: parameters), room)
        let validators = emission * Amount(parameters.validatorPermille) / 1_000
        let presence = emission - validators
        let beacons = presence * RewardRule.beaconPermille / 1_000
        let witnesses = presence - beacons

        var beaconUnits: [Work: UInt64] = [:]
        var witnessUnits: [Work: UInt64] = [:]
        for verdict in input.verdicts {
            precondition(verdict.epoch < input.epoch, "a verdict from the future")
            if verdict.units > 0 {
                let work = Work(node: verdict.beaconer!, epoch: verdict.epoch)
                beaconUnits[work, default: 0] += UInt64(verdict.units)
            }
            for report in verdict.reports where report.units > 0 {
                let work = Work(node: report.reporter, epoch: verdict.epoch)
                witnessUnits[work, default: 0] += UInt64(report.units)
            }
        }

        var payments = Payments()
        payments.share(beacons, claims(beaconUnits), kind: .beacon)
        payments.share(witnesses, claims(witnessUnits), kind: .witness)
        try payParticipation(validators, for: input, into: &payments)

        for reward in payments.rewards { deposit(reward.amount, to: reward.account) }
        let paid = payments.rewards.reduce(0) { $0 + $1.amount }
        precondition(paid <= payments.minted && payments.minted <= emission, "paid more than is emitted")
        totals.treasury += payments.minted - paid
        totals.minted += payments.minted
        totals.supply += payments.minted
        return (payments.rewards, payments.minted)
    }

    /// Merged by node and account, ascending: a hash table's order ends here.
    private func claims(_ units: [Work: UInt64]) -> [Claim] {
        let claims = units.map { work, units in
            guard let version = device(work.node)?.version(at: work.epoch) else {
                preconditionFailure("a verdict pays a device that was not effective")
            }
            return Claim(node: work.node, account: version.owner, units: units)
        }
        return claims.sorted().reduce(into: []) { merged, claim in
            if let last = merged.last, last.node == claim.node, last.account == claim.account {
                merged[merged.count - 1].units += claim.units
            } else {
                merged.append(claim)
            }
        }
    }

    private func payParticipation(
        _ pool: Amount, for input: BlockInput, into payments: inout Payments
    ) throws(ExecutionFault) {
        let period = Ledger.period(of: input.epoch, committeeEpochs: parameters.committeeEpochs)
        guard committee(period)!.index(of: input.builder) != nil else { throw .notInCommittee }
        guard input.epoch > 1 else {
            // Genesis has no certificate, so nobody has voted yet.
            guard input.parentCertificate == nil else { throw .badCertificate }
            return
        }
        let committee = input.parentCommittee
        guard let certificate = input.parentCertificate, certificate.ballot.kind == .finalize,
            certificate.ballot.epoch == input.epoch - 1,
            certificate.voters.allSatisfy({ Int($0) < committee.seats.count }),
            zip(certificate.voters, certificate.voters.dropFirst()).allSatisfy({ $0 < $1 })
        else { throw .badCertificate }
        let seats = certificate.voters.map { committee.seats[Int($0)] }
        let whole = committee.weight
        let voted = seats.reduce(0) { $0 + $1.weight }
        guard voted >= committee.quorum else { throw .badCertificate }

        let builderPool = pool * RewardRule.builderPermille / 1_000
        let votePool = pool - builderPool
        payments.minted += RewardRule.proRata(votePool, voted, of: whole)
        for seat in seats {
            let amount = RewardRule.proRata(votePool, seat.weight, of: whole)
            payments.pay(amount, seat.key, owner(of: seat.key, at: input.epoch - 1), .validator)
        }
        let above = whole - committee.quorum
        // With no seat to spare, a quorum is everyone.
        let bonus =
            above == 0 ? builderPool : RewardRule.proRata(builderPool, voted - committee.quorum, of: above)
        payments.minted += bonus
        payments.pay(bonus, input.builder, owner(of: input.builder, at: input.epoch), .validator)
        payments.settleValidators()
    }

    private func owner(of id: NodeID, at epoch: Epoch) -> NodeID {
        guard let version = validator(id)?.version(at: epoch) else {
            preconditionFailure("a seat without an effective validator")
        }
        return version.owner
    }
}

/// What one device did in one epoch: its owner then is paid.
private struct Work: Hashable {
    let node: NodeID
    let epoch: Epoch
}

private struct Claim: Comparable {
    let node: NodeID
    let account: NodeID
    var units: UInt64

    static func < (left: Claim, right: Claim) -> Bool {
        left.node == right.node ? left.account < right.account : left.node < right.node
    }
}

private struct Payments {
    var rewards: [Reward] = []
    /// Everything earned; what it exceeds the rewards by is dust.
    var minted: Amount = 0

    /// Divides a pool in proportion to units. Without a unit it is not earned.
    mutating func share(_ pool: Amount, _ claims: [Claim], kind: Reward.Kind) {
        let whole = claims.reduce(0) { $0 + $1.units }
        guard whole > 0 else { return }
        minted += pool
        for claim in claims {
            pay(RewardRule.proRata(pool, claim.units, of: whole), claim.node, claim.account, kind)
        }
    }

    mutating func pay(_ amount: Amount, _ node: NodeID, _ account: NodeID, _ kind: Reward.Kind) {
        guard amount > 0 else { return }
        rewards.append(Reward(node: node, account: account, kind: kind, amount: amount))
    }

    /// Sorts the validators' rewards and joins the builder's two.
    mutating func settleValidators() {
        let first = rewards.firstIndex { $0.kind == .validator } ?? rewards.count
        let sorted = rewards[first...].sorted { left, right in
            left.node == right.node ? left.account < right.account : left.node < right.node
        }
        rewards.removeSubrange(first...)
        for reward in sorted {
            if let last = rewards.last, last.kind == .validator, last.node == reward.node,
                last.account == reward.account
            {
                rewards.removeLast()
                pay(last.amount + reward.amount, reward.node, reward.account, .validator)
            } else {
                rewards.append(reward)
            }
        }
    }
}
