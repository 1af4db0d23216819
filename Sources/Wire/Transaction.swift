public import Bytes
public import Geo
public import Identity

/// Where a device says it is: coordinates and the H3 cell of resolution 12 that holds them, asserted together,
/// because agreed rules never convert between the two.
public struct Location: Canonical, Hashable, Sendable {
    public static let resolution = 12

    public let position: Position
    public let cell: Cell

    public init(position: Position, cell: Cell) {
        self.position = position
        self.cell = cell
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        position = try Position(from: &reader)
        cell = try Cell(from: &reader)
        guard cell.resolution == Self.resolution else { throw .unknown }
    }

    public func encode(to writer: inout ByteWriter) {
        position.encode(to: &writer)
        cell.encode(to: &writer)
    }
}

/// What kind of device an account registers. Tags are frozen.
public enum DeviceKind: UInt8, Canonical, Sendable, CaseIterable {
    /// Transmits beacons and witnesses others'.
    case hotspot = 0
    /// Receives only.
    case sensor = 1

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let kind = DeviceKind(rawValue: try reader.integer()) else { throw .unknown }
        self = kind
    }

    public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
}

/// The radio facts of a device that an owner may change.
public struct RadioProfile: Canonical, Hashable, Sendable {
    /// Gains that an antenna on a roof can have. Whoever claimed any more could be heard as loud as it likes.
    public static let gains: ClosedRange<Int16> = -200...300

    public let region: Region
    /// Antenna gain in 0.1 dBi.
    public let gain: Int16

    /// - Parameter gain: One of `gains`.
    public init(region: Region, gain: Int16) {
        precondition(Self.gains.contains(gain))
        self.region = region
        self.gain = gain
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        region = try Region(from: &reader)
        gain = try reader.integer()
        guard Self.gains.contains(gain) else { throw .unknown }
    }

    public func encode(to writer: inout ByteWriter) {
        region.encode(to: &writer)
        writer.integer(gain)
    }
}

/// What a device signs so that nobody registers it against its will: the account that may own it, and its VRF key.
public struct Consent: Canonical, Hashable, Sendable {
    public let device: NodeID
    public let owner: NodeID
    public let vrfKey: VRFPublicKey
    public let signature: Signature

    public init(device: SigningKey, owner: NodeID, vrfKey: VRFPublicKey, network: Digest) {
        self.device = device.nodeID
        self.owner = owner
        self.vrfKey = vrfKey
        signature = device.sign(
            Self.signedBytes(device.nodeID, owner, vrfKey).octetBytes, domain: .consent, network: network)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        device = try NodeID(from: &reader)
        owner = try NodeID(from: &reader)
        vrfKey = try VRFPublicKey(from: &reader)
        signature = try Signature(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.raw(signedBytes)
        signature.encode(to: &writer)
    }

    public var signedBytes: [UInt8] { Self.signedBytes(device, owner, vrfKey) }

    private static func signedBytes(_ device: NodeID, _ owner: NodeID, _ vrfKey: VRFPublicKey) -> [UInt8] {
        var writer = ByteWriter(capacity: 96)
        device.encode(to: &writer)
        owner.encode(to: &writer)
        vrfKey.encode(to: &writer)
        return writer.bytes
    }
}

/// What a transaction does. Tags are frozen; later services add theirs behind the last.
public enum TransactionKind: Canonical, Hashable, Sendable {
    case registerDevice(DeviceKind, Consent, RadioProfile, Location?)
    /// New radio facts, and a new owner if one is named.
    case updateDevice(NodeID, RadioProfile, owner: NodeID?)
    case locate(NodeID, Location)
    case transfer(to: NodeID, Amount)
    case registerValidator(Consent, stake: Amount)
    case stake(NodeID, Amount)
    case unstake(NodeID, Amount)

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0:
            self = .registerDevice(
                try DeviceKind(from: &reader), try Consent(from: &reader), try RadioProfile(from: &reader),
                try reader.option())
        case 1:
            self = .updateDevice(
                try NodeID(from: &reader), try RadioProfile(from: &reader), owner: try reader.option())
        case 2: self = .locate(try NodeID(from: &reader), try Location(from: &reader))
        case 3: self = .transfer(to: try NodeID(from: &reader), try reader.integer())
        case 4: self = .registerValidator(try Consent(from: &reader), stake: try reader.integer())
        case 5: self = .stake(try NodeID(from: &reader), try reader.integer())
        case 6: self = .unstake(try NodeID(from: &reader), try reader.integer())
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .registerDevice(let kind, let consent, let profile, let location):
            writer.uleb128(0)
            kind.encode(to: &writer)
            consent.encode(to: &writer)
            profile.encode(to: &writer)
            writer.option(location)
        case .updateDevice(let device, let profile, let owner):
            writer.uleb128(1)
            device.encode(to: &writer)
            profile.encode(to: &writer)
            writer.option(owner)
        case .locate(let device, let location):
            writer.uleb128(2)
            device.encode(to: &writer)
            location.encode(to: &writer)
        case .transfer(let receiver, let amount):
            writer.uleb128(3)
            receiver.encode(to: &writer)
            writer.integer(amount)
        case .registerValidator(let consent, let stake):
            writer.uleb128(4)
            consent.encode(to: &writer)
            writer.integer(stake)
        case .stake(let validator, let amount):
            writer.uleb128(5)
            validator.encode(to: &writer)
            writer.integer(amount)
        case .unstake(let validator, let amount):
            writer.uleb128(6)
            validator.encode(to: &writer)
            writer.integer(amount)
        }
    }
}

/// An account's signed order.
public struct Transaction: Canonical, Hashable, Sendable {
    /// Above the largest kind (a registration) with room for services to come.
    public static let byteCountMax = 1024

    /// The account that pays and whose nonce counts; also the key that signs.
    public let account: NodeID
    /// Exactly one above the account's last.
    public let nonce: UInt64
    public let fee: Amount
    /// The last epoch whose block may hold it.
    public let expiry: Epoch
    public let kind: TransactionKind
    public let signature: Signature

    public init(
        account: NodeID, nonce: UInt64, fee: Amount, expiry: Epoch, kind: TransactionKind,
        signature: Signature = .zero
    ) {
        self.account = account
        self.nonce = nonce
        self.fee = fee
        self.expiry = expiry
        self.kind = kind
        self.signature = signature
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        account = try NodeID(from: &reader)
        nonce = try reader.integer()
        fee = try reader.integer()
        expiry = try reader.integer()
        kind = try TransactionKind(from: &reader)
        signature = try Signature(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.raw(signedBytes)
        signature.encode(to: &writer)
    }

    public var signedBytes: [UInt8] {
        var writer = ByteWriter(capacity: 256)
        account.encode(to: &writer)
        writer.integer(nonce)
        writer.integer(fee)
        writer.integer(expiry)
        kind.encode(to: &writer)
        return writer.bytes
    }

    public func signed(by key: SigningKey, network: Digest) -> Transaction {
        precondition(key.nodeID == account)
        return Transaction(
            account: account, nonce: nonce, fee: fee, expiry: expiry, kind: kind,
            signature: key.sign(signedBytes.octetBytes, domain: .transaction, network: network))
    }

    public var id: Digest { Digest(of: encoded()) }

    /// The consent inside, which needs a check of its own.
    public var consent: Consent? {
        switch kind {
        case .registerDevice(_, let consent, _, _), .registerValidator(let consent, _): consent
        default: nil
        }
    }
}
