internal import Bytes
public import Chance
internal import Identity
public import Wire

extension DeviceKind: Sample {
    public static func any(from chance: inout Chance) -> DeviceKind { chance.one(of: Array(allCases)) }
}

extension RadioProfile: Sample {
    public static func any(from chance: inout Chance) -> RadioProfile {
        RadioProfile(region: .any(from: &chance), gain: Int16(chance.below(501)) - 200)
    }
}

extension Consent: Sample {
    public static func any(from chance: inout Chance) -> Consent {
        Consent(
            device: .any(from: &chance), owner: .any(from: &chance), vrfKey: .any(from: &chance),
            network: .any(from: &chance))
    }
}

extension TransactionKind: Sample {
    /// Of kinds there are.
    public static let count = 7

    public static func any(from chance: inout Chance) -> TransactionKind {
        any(from: &chance, tag: chance.below(count))
    }

    public static func any(from chance: inout Chance, tag: Int) -> TransactionKind {
        switch tag {
        case 0:
            .registerDevice(
                .any(from: &chance), .any(from: &chance), .any(from: &chance), chance.maybe(Location.self))
        case 1: .updateDevice(.any(from: &chance), .any(from: &chance), owner: chance.maybe())
        case 2: .locate(.any(from: &chance), .any(from: &chance))
        case 3: .transfer(to: .any(from: &chance), chance.word())
        case 4: .registerValidator(.any(from: &chance), stake: chance.word())
        case 5: .stake(.any(from: &chance), chance.word())
        default: .unstake(.any(from: &chance), chance.word())
        }
    }
}

extension Transaction: Sample {
    public static func any(from chance: inout Chance) -> Transaction {
        any(from: &chance, kind: .any(from: &chance))
    }

    public static func any(from chance: inout Chance, kind: TransactionKind) -> Transaction {
        Transaction(
            account: .any(from: &chance), nonce: chance.word(), fee: chance.word(), expiry: chance.word(),
            kind: kind, signature: .any(from: &chance))
    }
}

extension DensityRow: Sample {
    public static func any(from chance: inout Chance) -> DensityRow {
        DensityRow(
            resolution: chance.word(), neighbours: chance.word(), target: chance.word(), max: chance.word())
    }
}

extension Parameters: Sample {
    /// Any that pass `flaw`, since a genesis holds no others.
    public static func any(from chance: inout Chance) -> Parameters {
        var parameters = Parameters()
        parameters.epochMilliseconds = 200 + UInt32(chance.below(1 << 20))
        parameters.epochsPerDay = 1 + UInt32(chance.below(1_000))
        parameters.beaconThreshold = chance.word()
        parameters.committeeEpochs = 1 + UInt32(chance.below(1_000))
        parameters.reciprocityEpochs = chance.word()
        parameters.suspensionEpochs = chance.word()
        parameters.unbondingEpochs = chance.word()
        parameters.penaltyEpochs = min(parameters.unbondingEpochs, chance.word())
        parameters.bundlesMax = 1 + UInt32(chance.below(10_000))
        parameters.evidenceBytesMax = chance.word()
        parameters.transactionsMax = UInt32(chance.below(Body.transactionsMax + 1))
        parameters.feeMin = chance.word()
        parameters.registrationFee = chance.word() >> 14
        parameters.locationFee = chance.word() >> 14
        parameters.stakeMin = 1 + UInt64(chance.below(1_000))
        parameters.emissionPerEpoch = UInt64(chance.below(1 << 50))
        parameters.halvingEpochs = 1 + UInt32(chance.below(1_000))
        parameters.validatorPermille = UInt16(chance.below(1_001))
        if chance.bool() { parameters.density.removeLast(chance.below(parameters.density.count + 1)) }
        return parameters
    }
}

extension GenesisAccount: Sample {
    public static func any(from chance: inout Chance) -> GenesisAccount {
        GenesisAccount(account: .any(from: &chance), balance: UInt64(chance.below(1 << 50)))
    }
}

extension GenesisDevice: Sample {
    public static func any(from chance: inout Chance) -> GenesisDevice {
        GenesisDevice(
            device: .any(from: &chance), kind: .any(from: &chance), owner: .any(from: &chance),
            vrfKey: .any(from: &chance), profile: .any(from: &chance), location: chance.maybe())
    }
}

extension GenesisValidator: Sample {
    public static func any(from chance: inout Chance) -> GenesisValidator {
        GenesisValidator(
            validator: .any(from: &chance), owner: .any(from: &chance), vrfKey: .any(from: &chance),
            stake: UInt64(1_000 + chance.below(1 << 40)))
    }
}

extension Genesis: Sample {
    public static func any(from chance: inout Chance) -> Genesis {
        let names = ["a", "earshot-local", "Überall 🌍", String(repeating: "n", count: nameByteCountMax)]
        return Genesis(
            name: chance.one(of: names), isTest: chance.bool(), parameters: .any(from: &chance),
            randomness0: .any(from: &chance), randomness1: .any(from: &chance),
            accounts: chance.list(max: 4), devices: chance.list(max: 4),
            validators: [.any(from: &chance)] + chance.list(max: 4))
    }
}

extension StateKey: Sample {
    public static func any(from chance: inout Chance) -> StateKey {
        switch chance.below(7) {
        case 0: .totals
        case 1: .account(.any(from: &chance))
        case 2: .device(.any(from: &chance))
        case 3: .validator(.any(from: &chance))
        case 4: .activity(.any(from: &chance))
        case 5: .committee(chance.word())
        default: .unbonding(chance.word(), .any(from: &chance))
        }
    }
}

extension Account: Sample {
    public static func any(from chance: inout Chance) -> Account {
        var account = Account()
        account.balance = chance.word()
        account.nonce = chance.word()
        return account
    }
}

extension DeviceVersion: Sample {
    public static func any(from chance: inout Chance) -> DeviceVersion {
        DeviceVersion(
            effective: chance.word(), owner: .any(from: &chance), vrfKey: .any(from: &chance),
            profile: .any(from: &chance), location: chance.maybe())
    }
}

extension Device: Sample {
    public static func any(from chance: inout Chance) -> Device {
        Device(
            kind: .any(from: &chance), versions: chance.ascending(max: versionsMax) { $0.effective })
    }
}

extension ValidatorVersion: Sample {
    public static func any(from chance: inout Chance) -> ValidatorVersion {
        ValidatorVersion(
            effective: chance.word(), owner: .any(from: &chance), vrfKey: .any(from: &chance),
            stake: chance.word())
    }
}

extension Validator: Sample {
    public static func any(from chance: inout Chance) -> Validator {
        Validator(versions: chance.ascending(max: versionsMax) { $0.effective })
    }
}

extension Totals: Sample {
    public static func any(from chance: inout Chance) -> Totals {
        var totals = Totals()
        totals.supply = chance.word()
        totals.minted = chance.word()
        totals.burned = chance.word()
        totals.staked = chance.word()
        totals.unbonding = chance.word()
        totals.treasury = chance.word()
        return totals
    }
}

extension Reward.Kind: Sample {
    public static func any(from chance: inout Chance) -> Reward.Kind {
        chance.one(of: [.beacon, .witness, .validator])
    }
}

extension Reward: Sample {
    public static func any(from chance: inout Chance) -> Reward {
        Reward(
            node: .any(from: &chance), account: .any(from: &chance), kind: .any(from: &chance),
            amount: chance.word())
    }
}
