public import Bytes
public import Geo
public import Identity

/// An IP address and UDP port. IPv4 is held as IPv4-mapped IPv6.
public struct Endpoint: Canonical, Hashable, Sendable, CustomStringConvertible {
    public let high: UInt64
    public let low: UInt64
    public let port: UInt16

    private static let mapped: UInt64 = 0x0000_FFFF_0000_0000

    public init(high: UInt64, low: UInt64, port: UInt16) {
        self.high = high
        self.low = low
        self.port = port
    }

    public init(ipv4: UInt32, port: UInt16) {
        self.init(high: 0, low: Self.mapped | UInt64(ipv4), port: port)
    }

    public static func loopback(port: UInt16) -> Endpoint { Endpoint(ipv4: 0x7F00_0001, port: port) }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        high = try reader.integer(UInt64.self).byteSwapped
        low = try reader.integer(UInt64.self).byteSwapped
        port = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(high.byteSwapped)
        writer.integer(low.byteSwapped)
        writer.integer(port)
    }

    /// The IPv4 address, if it is one.
    public var ipv4: UInt32? {
        high == 0 && low >> 32 == 0xFFFF ? UInt32(truncatingIfNeeded: low) : nil
    }

    /// No address of its own: all of a machine's, where something is bound to it.
    public var isUnspecified: Bool { ipv4 == 0 || high == 0 && low == 0 }

    public var isLoopback: Bool {
        if let ipv4 { return ipv4 >> 24 == 127 }
        return high == 0 && low == 1
    }

    /// `a.b.c.d:port`, or `[groups]:port` with all eight groups.
    public var description: String {
        if self == .nowhere { return "nowhere" }
        if isRelayed { return "relayed:\(low)" }
        if let ipv4 {
            let parts = [24, 16, 8, 0].map { String(ipv4 >> UInt32($0) & 255) }
            return parts.joined(separator: ".") + ":\(port)"
        }
        let groups =
            [48, 32, 16, 0].map { String(high >> UInt64($0) & 0xFFFF, radix: 16) }
            + [48, 32, 16, 0].map { String(low >> UInt64($0) & 0xFFFF, radix: 16) }
        return "[" + groups.joined(separator: ":") + "]:\(port)"
    }
}

/// What a node is in the network; it may be several things.
public struct Roles: OptionSet, Canonical, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let hotspot = Roles(rawValue: 1)
    public static let sensor = Roles(rawValue: 2)
    public static let validator = Roles(rawValue: 4)
    public static let observer = Roles(rawValue: 8)

    public init(from reader: inout ByteReader) throws(DecodeError) {
        rawValue = try reader.integer()
        guard rawValue < 16 else { throw .unknown }
    }

    public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }

    public var names: [String] {
        var names: [String] = []
        if contains(.hotspot) { names.append("hotspot") }
        if contains(.sensor) { names.append("sensor") }
        if contains(.validator) { names.append("validator") }
        if contains(.observer) { names.append("observer") }
        return names
    }
}

/// A node's signed contact card. A higher `sequence` supersedes a lower one.
public struct NodeRecord: Canonical, Hashable, Sendable {
    public static let endpointsMax = 4

    public let node: NodeID
    /// Counts the node's starts, and in the lowest sixteen bits what changed since the last of them.
    public let sequence: UInt64
    /// The last final epoch that its owner knew of as it signed: a card that names one too long ago has expired.
    public let epoch: Epoch
    public let roles: Roles
    public let endpoints: [Endpoint]
    /// An H3 cell of resolution 5: a region, never a roof.
    public let region: Cell?
    public let version: UInt16
    public let signature: Signature

    public init(
        node: NodeID, sequence: UInt64, epoch: Epoch = 0, roles: Roles, endpoints: [Endpoint], region: Cell?,
        version: UInt16, signature: Signature = .zero
    ) {
        precondition(endpoints.count <= Self.endpointsMax)
        self.node = node
        self.sequence = sequence
        self.epoch = epoch
        self.roles = roles
        self.endpoints = endpoints
        self.region = region
        self.version = version
        self.signature = signature
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        node = try NodeID(from: &reader)
        sequence = try reader.integer()
        epoch = try reader.integer()
        roles = try Roles(from: &reader)
        endpoints = try reader.list(max: Self.endpointsMax)
        region = try reader.option()
        guard region.map({ $0.resolution == 5 }) ?? true else { throw .unknown }
        version = try reader.integer()
        signature = try Signature(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.raw(signedBytes)
        signature.encode(to: &writer)
    }

    /// Of the node's process: a later one remembers nothing of what was said to an earlier one.
    public var life: UInt64 { sequence >> Self.changeBits }

    public static let changeBits: UInt64 = 16

    public var signedBytes: [UInt8] {
        var writer = ByteWriter(capacity: 128)
        node.encode(to: &writer)
        writer.integer(sequence)
        writer.integer(epoch)
        roles.encode(to: &writer)
        writer.list(endpoints)
        writer.option(region)
        writer.integer(version)
        return writer.bytes
    }

    public func signed(by key: SigningKey, network: Digest) -> NodeRecord {
        precondition(key.nodeID == node)
        return NodeRecord(
            node: node, sequence: sequence, epoch: epoch, roles: roles, endpoints: endpoints,
            region: region, version: version,
            signature: key.sign(signedBytes.octetBytes, domain: .record, network: network))
    }
}
