public import Bytes
public import Identity
public import Store
public import Wire

/// What a running node last said of itself, so that a tool can show it without asking the node.
public struct LiveStatus: Canonical, Sendable {
    /// The first four octets, raised with every change of the fields: what another version of the program left
    /// behind is told from damage by it, and reads as nothing said yet.
    static let format: UInt32 = 0x454C_0005
    /// Peers and the best of the passive view: a snapshot is written each second, so it stays within some pages.
    public static let contactsMax = 128
    public static let countersMax = 256
    public static let gaugesMax = 64
    public static let arrivalsMax = 256
    public static let textByteCountMax = 256

    /// A count that only grows while the process lives.
    public struct Counter: Canonical, Sendable {
        public let name: String
        public let value: UInt64

        public init(name: String, value: UInt64) {
            self.name = name
            self.value = value
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            name = try LiveStatus.text(from: &reader)
            value = try reader.integer()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.octets(LiveStatus.clipped(name))
            writer.integer(value)
        }
    }

    /// How full one table or queue is.
    public struct Gauge: Canonical, Sendable {
        public let name: String
        public let value: UInt64
        public let limit: UInt64

        public init(name: String, value: UInt64, limit: UInt64) {
            self.name = name
            self.value = value
            self.limit = limit
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            name = try LiveStatus.text(from: &reader)
            value = try reader.integer()
            limit = try reader.integer()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.octets(LiveStatus.clipped(name))
            writer.integer(value)
            writer.integer(limit)
        }
    }

    /// As many whole characters as there is room for: what is written must be readable.
    static func clipped(_ text: String) -> [UInt8] {
        var octets: [UInt8] = []
        for character in text {
            guard octets.count + character.utf8.count <= textByteCountMax else { break }
            octets += character.utf8
        }
        return octets
    }

    static func text(from reader: inout ByteReader) throws(DecodeError) -> String {
        let octets = try reader.octets(max: textByteCountMax)
        guard let text = String(validating: octets, as: UTF8.self) else { throw .nonCanonical }
        return text
    }

    public var node: NodeID
    /// Of the program, in words.
    public var version: String
    public var processID: UInt32
    /// Milliseconds since 1970.
    public var startedAt: UInt64
    public var updatedAt: UInt64
    public var endpoint: Endpoint
    /// Where `/metrics`, `/health` and `/status` are; nil if nowhere.
    public var admin: Endpoint?
    public var roles: Roles
    public var epochMilliseconds: UInt32
    public var openEpoch: Epoch
    public var view: View
    /// Since an epoch became final here, or since the start; by a clock that nobody sets.
    public var millisecondsSinceFinal: UInt64
    /// What the node waits for, in words.
    public var waitsFor: String
    public var mayVote: Bool
    /// What it computes is not what the network agreed on.
    public var isHalted: Bool
    /// These are its last words before a clean stop.
    public var hasStopped: Bool
    /// How late this node itself hears, 1 (best) to 8.
    public var localHealth: UInt8
    /// What stands between the node and the others, and where they see it; nil until one has said so.
    public var translation: Translation
    public var seenAt: Endpoint?
    /// Peers first; each part in the order of their keys.
    public var contacts: [Contact]
    /// Known nodes, those beyond `contactsMax` too.
    public var contactCount: UInt32
    public var beacon: OwnBeacon?
    public var judgement: Judgement?
    public var witnessing: Witnessing?
    /// The last bundles that the node took, its own too, the oldest first.
    public var arrivals: [Arrival]
    public var counters: [Counter]
    public var gauges: [Gauge]

    public init(node: NodeID, endpoint: Endpoint, roles: Roles, startedAt: UInt64, updatedAt: UInt64) {
        self.node = node
        version = ""
        processID = 0
        self.startedAt = startedAt
        self.updatedAt = updatedAt
        self.endpoint = endpoint
        self.roles = roles
        epochMilliseconds = 0
        openEpoch = 0
        view = 0
        millisecondsSinceFinal = 0
        waitsFor = ""
        mayVote = false
        isHalted = false
        hasStopped = false
        localHealth = 1
        translation = .unknown
        contacts = []
        contactCount = 0
        arrivals = []
        counters = []
        gauges = []
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard try reader.integer(UInt32.self) == Self.format else { throw .unknown }
        node = try NodeID(from: &reader)
        version = try Self.text(from: &reader)
        processID = try reader.integer()
        startedAt = try reader.integer()
        updatedAt = try reader.integer()
        endpoint = try Endpoint(from: &reader)
        admin = try reader.option()
        roles = try Roles(from: &reader)
        epochMilliseconds = try reader.integer()
        openEpoch = try reader.integer()
        view = try reader.integer()
        millisecondsSinceFinal = try reader.integer()
        waitsFor = try Self.text(from: &reader)
        mayVote = try reader.bool()
        isHalted = try reader.bool()
        hasStopped = try reader.bool()
        localHealth = try reader.integer()
        translation = try Translation(from: &reader)
        seenAt = try reader.option()
        contacts = try reader.list(max: Self.contactsMax)
        contactCount = try reader.integer()
        beacon = try reader.option()
        judgement = try reader.option()
        witnessing = try reader.option()
        arrivals = try reader.list(max: Self.arrivalsMax)
        counters = try reader.list(max: Self.countersMax)
        gauges = try reader.list(max: Self.gaugesMax)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(Self.format)
        node.encode(to: &writer)
        writer.octets(Self.clipped(version))
        writer.integer(processID)
        writer.integer(startedAt)
        writer.integer(updatedAt)
        endpoint.encode(to: &writer)
        writer.option(admin)
        roles.encode(to: &writer)
        writer.integer(epochMilliseconds)
        writer.integer(openEpoch)
        writer.integer(view)
        writer.integer(millisecondsSinceFinal)
        writer.octets(Self.clipped(waitsFor))
        writer.bool(mayVote)
        writer.bool(isHalted)
        writer.bool(hasStopped)
        writer.integer(localHealth)
        translation.encode(to: &writer)
        writer.option(seenAt)
        writer.list(Array(contacts.prefix(Self.contactsMax)))
        writer.integer(contactCount)
        writer.option(beacon)
        writer.option(judgement)
        writer.option(witnessing)
        writer.list(Array(arrivals.suffix(Self.arrivalsMax)))
        writer.list(Array(counters.prefix(Self.countersMax)))
        writer.list(Array(gauges.prefix(Self.gaugesMax)))
    }

    /// Connected peers, in the order of their keys.
    public var peers: [Contact] { contacts.filter { $0.link != nil } }
}

extension NodeStore {
    /// What the node last said of itself; nil if it never ran, or last ran as another version of this program.
    public func status() throws(StoreError) -> LiveStatus? {
        try store.read { transaction throws(StoreError) in try status(transaction) }
    }

    public func status(_ transaction: borrowing ReadTransaction) throws(StoreError) -> LiveStatus? {
        guard let bytes = try single(.status, transaction) else { return nil }
        var format = ByteWriter()
        format.integer(LiveStatus.format)
        guard bytes.starts(with: format.bytes) else { return nil }
        return try Self.decode(bytes.octetBytes)
    }
}
