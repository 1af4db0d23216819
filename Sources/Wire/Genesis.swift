public import Bytes
public import Identity

/// One row of the density table (HIP-17, HIP-104).
public struct DensityRow: Canonical, Hashable, Sendable {
    public let resolution: UInt8
    public let neighbours: UInt32
    public let target: UInt32
    public let max: UInt32

    public init(resolution: UInt8, neighbours: UInt32, target: UInt32, max: UInt32) {
        self.resolution = resolution
        self.neighbours = neighbours
        self.target = target
        self.max = max
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        resolution = try reader.integer()
        neighbours = try reader.integer()
        target = try reader.integer()
        max = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(resolution)
        writer.integer(neighbours)
        writer.integer(target)
        writer.integer(max)
    }

    /// Resolutions 4 to 10, in the order of the resolution.
    public static let standard: [DensityRow] = [
        DensityRow(resolution: 4, neighbours: 2, target: 500, max: 1000),
        DensityRow(resolution: 5, neighbours: 4, target: 100, max: 200),
        DensityRow(resolution: 6, neighbours: 4, target: 25, max: 50),
        DensityRow(resolution: 7, neighbours: 4, target: 5, max: 10),
        DensityRow(resolution: 8, neighbours: 2, target: 1, max: 1),
        DensityRow(resolution: 9, neighbours: 2, target: 1, max: 1),
        DensityRow(resolution: 10, neighbours: 2, target: 1, max: 1),
    ]
}

/// What must be equal on every node of a network.
public struct Parameters: Canonical, Hashable, Sendable {
    /// Length of an epoch's window on a node's own monotonic clock.
    public var epochMilliseconds: UInt32 = 600_000
    public var epochsPerDay: UInt32 = 144
    /// A hotspot beacons in an epoch if the first 64 bits of its VRF output are below this.
    public var beaconThreshold: UInt64 = .max / 8
    /// How many epochs a committee lasts.
    public var committeeEpochs: UInt32 = 144
    /// Window in which a beaconer must have witnessed and a witness have been witnessed.
    public var reciprocityEpochs: UInt32 = 288
    public var suspensionEpochs: UInt32 = 1_440
    /// How long after its epoch an offence can be punished; at most `unbondingEpochs`.
    public var penaltyEpochs: UInt32 = 2_016
    public var unbondingEpochs: UInt32 = 2_016
    public var bundlesMax: UInt32 = 10_000
    public var evidenceBytesMax: UInt32 = 32 << 20
    public var transactionsMax: UInt32 = 1_000
    /// The least fee of a transaction.
    public var feeMin: Amount = 1_000
    /// What it costs to register a hotspot or a sensor, above the transaction's fee: identities that cost nothing could be invented by
    /// the thousand, to dilute neighbours and to take their witnesses' places.
    public var registrationFee: Amount = 50 * 100_000_000
    /// What it costs to assert a place, at the registration or later, above the transaction's fee.
    public var locationFee: Amount = 10 * 100_000_000
    /// The least stake of a seat.
    public var stakeMin: Amount = 1_000 * 100_000_000
    public var emissionPerEpoch: Amount = 100 * 100_000_000
    /// After so many epochs the emission halves.
    public var halvingEpochs: UInt32 = 105_120
    /// Validators' share of the emission, in thousandths; the rest is for demand and presence.
    public var validatorPermille: UInt16 = 60
    public var density: [DensityRow] = DensityRow.standard

    public init() {}

    public init(from reader: inout ByteReader) throws(DecodeError) {
        epochMilliseconds = try reader.integer()
        epochsPerDay = try reader.integer()
        beaconThreshold = try reader.integer()
        committeeEpochs = try reader.integer()
        reciprocityEpochs = try reader.integer()
        suspensionEpochs = try reader.integer()
        penaltyEpochs = try reader.integer()
        unbondingEpochs = try reader.integer()
        bundlesMax = try reader.integer()
        evidenceBytesMax = try reader.integer()
        transactionsMax = try reader.integer()
        feeMin = try reader.integer()
        registrationFee = try reader.integer()
        locationFee = try reader.integer()
        stakeMin = try reader.integer()
        emissionPerEpoch = try reader.integer()
        halvingEpochs = try reader.integer()
        validatorPermille = try reader.integer()
        density = try reader.list(max: 16)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(epochMilliseconds)
        writer.integer(epochsPerDay)
        writer.integer(beaconThreshold)
        writer.integer(committeeEpochs)
        writer.integer(reciprocityEpochs)
        writer.integer(suspensionEpochs)
        writer.integer(penaltyEpochs)
        writer.integer(unbondingEpochs)
        writer.integer(bundlesMax)
        writer.integer(evidenceBytesMax)
        writer.integer(transactionsMax)
        writer.integer(feeMin)
        writer.integer(registrationFee)
        writer.integer(locationFee)
        writer.integer(stakeMin)
        writer.integer(emissionPerEpoch)
        writer.integer(halvingEpochs)
        writer.integer(validatorPermille)
        writer.list(density)
    }

    public var digest: Digest { Digest(of: encoded()) }

    /// So that sums of fees never overflow.
    private static let feesMax: Amount = 1 << 50

    /// The first setting that cannot work, in words; nil if all can.
    public var flaw: String? {
        if epochMilliseconds < 200 { return "epochMilliseconds is below 200" }
        if epochsPerDay == 0 { return "epochsPerDay is 0" }
        if committeeEpochs == 0 { return "committeeEpochs is 0" }
        if halvingEpochs == 0 { return "halvingEpochs is 0" }
        if bundlesMax == 0 { return "bundlesMax is 0" }
        if Int(bundlesMax) > Block.entriesMax { return "bundlesMax is above \(Block.entriesMax)" }
        if Int(transactionsMax) > Body.transactionsMax {
            return "transactionsMax is above \(Body.transactionsMax)"
        }
        if registrationFee > Self.feesMax { return "registrationFee is above 2^50" }
        if locationFee > Self.feesMax { return "locationFee is above 2^50" }
        if stakeMin == 0 { return "stakeMin is 0" }
        if penaltyEpochs > unbondingEpochs { return "penaltyEpochs is above unbondingEpochs" }
        if validatorPermille > 1000 { return "validatorPermille is above 1000" }
        if emissionPerEpoch > 1 << 50 { return "emissionPerEpoch is above 2^50" }
        let resolutions = density.map(\.resolution)
        if resolutions != resolutions.sorted() || Set(resolutions).count != resolutions.count {
            return "density resolutions do not ascend"
        }
        if density.contains(where: { $0.resolution > 10 || $0.target == 0 || $0.target > $0.max }) {
            return "a density row has a resolution above 10, a target of 0 or above its max"
        }
        return nil
    }
}

/// A device that is registered and effective from the first epoch.
public struct GenesisDevice: Canonical, Hashable, Sendable {
    public let device: NodeID
    public let kind: DeviceKind
    public let owner: NodeID
    public let vrfKey: VRFPublicKey
    public let profile: RadioProfile
    public let location: Location?

    public init(
        device: NodeID, kind: DeviceKind, owner: NodeID, vrfKey: VRFPublicKey, profile: RadioProfile,
        location: Location?
    ) {
        self.device = device
        self.kind = kind
        self.owner = owner
        self.vrfKey = vrfKey
        self.profile = profile
        self.location = location
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        device = try NodeID(from: &reader)
        kind = try DeviceKind(from: &reader)
        owner = try NodeID(from: &reader)
        vrfKey = try VRFPublicKey(from: &reader)
        profile = try RadioProfile(from: &reader)
        location = try reader.option()
    }

    public func encode(to writer: inout ByteWriter) {
        device.encode(to: &writer)
        kind.encode(to: &writer)
        owner.encode(to: &writer)
        vrfKey.encode(to: &writer)
        profile.encode(to: &writer)
        writer.option(location)
    }
}

/// A validator of the first committees; its stake is part of the initial supply.
public struct GenesisValidator: Canonical, Hashable, Sendable {
    public let validator: NodeID
    public let owner: NodeID
    public let vrfKey: VRFPublicKey
    public let stake: Amount

    public init(validator: NodeID, owner: NodeID, vrfKey: VRFPublicKey, stake: Amount) {
        self.validator = validator
        self.owner = owner
        self.vrfKey = vrfKey
        self.stake = stake
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        validator = try NodeID(from: &reader)
        owner = try NodeID(from: &reader)
        vrfKey = try VRFPublicKey(from: &reader)
        stake = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        validator.encode(to: &writer)
        owner.encode(to: &writer)
        vrfKey.encode(to: &writer)
        writer.integer(stake)
    }
}

/// An account's initial balance.
public struct GenesisAccount: Canonical, Hashable, Sendable {
    public let account: NodeID
    public let balance: Amount

    public init(account: NodeID, balance: Amount) {
        self.account = account
        self.balance = balance
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        account = try NodeID(from: &reader)
        balance = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        account.encode(to: &writer)
        writer.integer(balance)
    }
}

/// Block 0: everything a network starts from. Its digest is the network's identity.
public struct Genesis: Canonical, Hashable, Sendable {
    /// Of a genesis whose nodes keep everything.
    public static let currentVersion: UInt16 = 1
    /// Of one that says how much they keep.
    public static let pruningVersion: UInt16 = 2
    public static let nameByteCountMax = 64
    public static let devicesMax = 1 << 20
    public static let accountsMax = 1 << 20

    public let name: String
    /// True: keys made from public seeds are accepted. False: they are refused.
    public let isTest: Bool
    public let parameters: Parameters
    /// R(0): the leader order of epoch 1.
    public let randomness0: Digest
    /// R(1): the beacons of epoch 1.
    public let randomness1: Digest
    /// Strictly ascending by key, as are the others.
    public let accounts: [GenesisAccount]
    public let devices: [GenesisDevice]
    public let validators: [GenesisValidator]
    /// Of how many epochs a node keeps evidence, transactions and verdicts; 0: of all. Headers and certificates are kept
    /// for ever.
    public let keptEpochs: UInt32

    /// The least that the next block, its verdicts and penalties need.
    public static func keptEpochsMin(_ parameters: Parameters) -> UInt32 { max(3, parameters.penaltyEpochs) }

    /// The lists may come in any order.
    public init(
        name: String, isTest: Bool, parameters: Parameters, randomness0: Digest, randomness1: Digest,
        accounts: [GenesisAccount], devices: [GenesisDevice], validators: [GenesisValidator],
        keptEpochs: UInt32 = 0
    ) {
        self.keptEpochs = keptEpochs
        self.name = name
        self.isTest = isTest
        self.parameters = parameters
        self.randomness0 = randomness0
        self.randomness1 = randomness1
        self.accounts = accounts.sorted { $0.account < $1.account }
        self.devices = devices.sorted { $0.device < $1.device }
        self.validators = validators.sorted { $0.validator < $1.validator }
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        let version: UInt16 = try reader.integer()
        guard version == Self.currentVersion || version == Self.pruningVersion else { throw .unknown }
        let name = try reader.octets(max: Self.nameByteCountMax)
        guard let text = String(validating: name, as: UTF8.self) else { throw .nonCanonical }
        self.name = text
        isTest = try reader.bool()
        parameters = try Parameters(from: &reader)
        randomness0 = try Digest(from: &reader)
        randomness1 = try Digest(from: &reader)
        accounts = try reader.list(max: Self.accountsMax)
        devices = try reader.list(max: Self.devicesMax)
        validators = try reader.list(max: Certificate.seatsMax)
        keptEpochs = version == Self.pruningVersion ? try reader.integer() : 0
        // Who keeps everything says so by the version.
        guard version == Self.currentVersion || keptEpochs > 0 else { throw .nonCanonical }
        guard flaw == nil else { throw .nonCanonical }
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(keptEpochs == 0 ? Self.currentVersion : Self.pruningVersion)
        writer.octets(Array(name.utf8))
        writer.bool(isTest)
        parameters.encode(to: &writer)
        randomness0.encode(to: &writer)
        randomness1.encode(to: &writer)
        writer.list(accounts)
        writer.list(devices)
        writer.list(validators)
        if keptEpochs > 0 { writer.integer(keptEpochs) }
    }

    public var network: Digest { Digest(of: encoded()) }

    /// The committee of the first two periods.
    public var committee: Committee {
        Committee(seats: validators.map { Seat(key: $0.validator, vrfKey: $0.vrfKey, weight: $0.stake) })
    }

    /// The first thing that cannot be, in words; nil if a network can start from this.
    public var flaw: String? {
        if let flaw = parameters.flaw { return flaw }
        if keptEpochs > 0, keptEpochs < Self.keptEpochsMin(parameters) {
            return "keptEpochs is below penaltyEpochs, or below 3"
        }
        if name.isEmpty || name.utf8.count > Self.nameByteCountMax { return "the name is empty or too long" }
        if validators.isEmpty { return "there is no validator" }
        if Set(accounts.map(\.account)).count != accounts.count { return "an account stands twice" }
        if Set(devices.map(\.device)).count != devices.count { return "a device stands twice" }
        if Set(validators.map(\.validator)).count != validators.count { return "a validator stands twice" }
        if accounts.map(\.account) != accounts.map(\.account).sorted()
            || devices.map(\.device) != devices.map(\.device).sorted()
            || validators.map(\.validator) != validators.map(\.validator).sorted()
        {
            return "a list is not in the order of its keys"
        }
        if validators.contains(where: { $0.stake < parameters.stakeMin }) {
            return "a validator's stake is below stakeMin"
        }
        var supply: UInt64 = 0
        for amount in accounts.map(\.balance) + validators.map(\.stake) {
            let (sum, overflow) = supply.addingReportingOverflow(amount)
            if overflow || sum >= 1 << 62 { return "the initial supply is 2^62 units or more" }
            supply = sum
        }
        return nil
    }
}
