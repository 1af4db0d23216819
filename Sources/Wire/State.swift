public import Bytes
public import Identity

/// One value of the ledger's authenticated state. The key's encoding is what the trie hashes.
public enum StateKey: Canonical, Hashable, Sendable {
    case totals
    case account(NodeID)
    case device(NodeID)
    case validator(NodeID)
    case activity(NodeID)
    /// The committee of a period, fixed two periods ahead.
    case committee(UInt64)
    /// Stake on its way back to an owner, due at an epoch.
    case unbonding(Epoch, NodeID)

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .totals
        case 1: self = .account(try NodeID(from: &reader))
        case 2: self = .device(try NodeID(from: &reader))
        case 3: self = .validator(try NodeID(from: &reader))
        case 4: self = .activity(try NodeID(from: &reader))
        case 5: self = .committee(try reader.integer())
        case 6: self = .unbonding(try reader.integer(), try NodeID(from: &reader))
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .totals: writer.uleb128(0)
        case .account(let id):
            writer.uleb128(1)
            id.encode(to: &writer)
        case .device(let id):
            writer.uleb128(2)
            id.encode(to: &writer)
        case .validator(let id):
            writer.uleb128(3)
            id.encode(to: &writer)
        case .activity(let id):
            writer.uleb128(4)
            id.encode(to: &writer)
        case .committee(let period):
            writer.uleb128(5)
            writer.integer(period)
        case .unbonding(let epoch, let owner):
            writer.uleb128(6)
            writer.integer(epoch)
            owner.encode(to: &writer)
        }
    }
}

/// What an account holds.
public struct Account: Canonical, Hashable, Sendable {
    public var balance: Amount = 0
    /// Of its last executed transaction.
    public var nonce: UInt64 = 0

    public init() {}

    public init(from reader: inout ByteReader) throws(DecodeError) {
        balance = try reader.integer()
        nonce = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(balance)
        writer.integer(nonce)
    }
}

/// Facts of a device from an epoch on.
public struct DeviceVersion: Canonical, Hashable, Sendable {
    public var effective: Epoch
    public var owner: NodeID
    public var vrfKey: VRFPublicKey
    public var profile: RadioProfile
    public var location: Location?

    public init(
        effective: Epoch, owner: NodeID, vrfKey: VRFPublicKey, profile: RadioProfile, location: Location?
    ) {
        self.effective = effective
        self.owner = owner
        self.vrfKey = vrfKey
        self.profile = profile
        self.location = location
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        effective = try reader.integer()
        owner = try NodeID(from: &reader)
        vrfKey = try VRFPublicKey(from: &reader)
        profile = try RadioProfile(from: &reader)
        location = try reader.option()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(effective)
        owner.encode(to: &writer)
        vrfKey.encode(to: &writer)
        profile.encode(to: &writer)
        writer.option(location)
    }
}

/// A registered hotspot or sensor, with the superseded facts that a verdict may still need.
public struct Device: Canonical, Hashable, Sendable {
    /// One change an epoch for as long as changes wait (4) and verdicts look back (2), and the one in force.
    public static let versionsMax = 8

    public let kind: DeviceKind
    /// Strictly ascending by `effective`, never empty.
    public var versions: [DeviceVersion]

    public init(kind: DeviceKind, versions: [DeviceVersion]) {
        self.kind = kind
        self.versions = versions
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        kind = try DeviceKind(from: &reader)
        versions = try reader.list(max: Self.versionsMax)
    }

    public func encode(to writer: inout ByteWriter) {
        kind.encode(to: &writer)
        writer.list(versions)
    }

    /// The facts in force at `epoch`; nil before the first.
    public func version(at epoch: Epoch) -> DeviceVersion? {
        versions.last { $0.effective <= epoch }
    }
}

/// Facts of a validator from an epoch on.
public struct ValidatorVersion: Canonical, Hashable, Sendable {
    public var effective: Epoch
    public var owner: NodeID
    public var vrfKey: VRFPublicKey
    /// Below `stakeMin` the validator has no seat.
    public var stake: Amount

    public init(effective: Epoch, owner: NodeID, vrfKey: VRFPublicKey, stake: Amount) {
        self.effective = effective
        self.owner = owner
        self.vrfKey = vrfKey
        self.stake = stake
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        effective = try reader.integer()
        owner = try NodeID(from: &reader)
        vrfKey = try VRFPublicKey(from: &reader)
        stake = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(effective)
        owner.encode(to: &writer)
        vrfKey.encode(to: &writer)
        writer.integer(stake)
    }
}

/// A registered validator.
public struct Validator: Canonical, Hashable, Sendable {
    public static let versionsMax = 8

    public var versions: [ValidatorVersion]

    public init(versions: [ValidatorVersion]) { self.versions = versions }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        versions = try reader.list(max: Self.versionsMax)
    }

    public func encode(to writer: inout ByteWriter) { writer.list(versions) }

    public func version(at epoch: Epoch) -> ValidatorVersion? {
        versions.last { $0.effective <= epoch }
    }
}

/// The books: `supply` is what exists; it equals all balances, stakes, unbonding stakes and the treasury.
public struct Totals: Canonical, Hashable, Sendable {
    public var supply: Amount = 0
    public var minted: Amount = 0
    public var burned: Amount = 0
    public var staked: Amount = 0
    public var unbonding: Amount = 0
    public var treasury: Amount = 0

    public init() {}

    public init(from reader: inout ByteReader) throws(DecodeError) {
        supply = try reader.integer()
        minted = try reader.integer()
        burned = try reader.integer()
        staked = try reader.integer()
        unbonding = try reader.integer()
        treasury = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(supply)
        writer.integer(minted)
        writer.integer(burned)
        writer.integer(staked)
        writer.integer(unbonding)
        writer.integer(treasury)
    }
}

/// One payment of a block, for people: who earned what for which work.
public struct Reward: Canonical, Hashable, Sendable {
    public enum Kind: UInt8, Canonical, Sendable {
        case beacon = 0
        case witness = 1
        case validator = 2

        public init(from reader: inout ByteReader) throws(DecodeError) {
            guard let kind = Kind(rawValue: try reader.integer()) else { throw .unknown }
            self = kind
        }

        public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
    }

    /// The device or validator that did the work.
    public let node: NodeID
    /// The account that is paid.
    public let account: NodeID
    public let kind: Kind
    public let amount: Amount

    public init(node: NodeID, account: NodeID, kind: Kind, amount: Amount) {
        self.node = node
        self.account = account
        self.kind = kind
        self.amount = amount
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        node = try NodeID(from: &reader)
        account = try NodeID(from: &reader)
        kind = try Kind(from: &reader)
        amount = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        node.encode(to: &writer)
        account.encode(to: &writer)
        kind.encode(to: &writer)
        writer.integer(amount)
    }
}
