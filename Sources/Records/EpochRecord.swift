public import Bytes
public import Identity
public import Wire

/// A final block as the store keeps it: header, certificate, body and the list behind the evidence root.
public struct BlockRecord: Canonical, Sendable {
    public let final: FinalHeader
    public let body: Body
    public let items: [EvidenceItem]

    public init(final: FinalHeader, body: Body, items: [EvidenceItem]) {
        self.final = final
        self.body = body
        self.items = items
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        final = try FinalHeader(from: &reader)
        body = try Body(from: &reader)
        items = try reader.list(max: Block.entriesMax)
    }

    public func encode(to writer: inout ByteWriter) {
        final.encode(to: &writer)
        body.encode(to: &writer)
        writer.list(items)
    }
}

/// One line about an epoch, for people: counts, amounts, and how long agreement took.
public struct EpochSummary: Canonical, Hashable, Sendable {
    public var epoch: Epoch
    public var view: View
    public var builder: NodeID
    public var header: Digest
    public var stateRoot: Digest
    public var wallTime: UInt64
    /// From the end of this node's own window to finality; 0 if the block was fetched.
    public var millisecondsToFinal: UInt32
    public var bundles: UInt32
    public var conflicts: UInt32
    /// Tags declared in this epoch's evidence.
    public var beacons: UInt32
    public var transactions: UInt32
    /// Of the verdicts that this block executed.
    public var validReports: UInt32
    public var rejectedReports: UInt32
    public var minted: Amount
    public var burned: Amount
    public var totals: Totals

    public init(
        record: BlockRecord, bundles: [Bundle], verdicts: [BeaconVerdict], totals: Totals, minted: Amount,
        burned: Amount, millisecondsToFinal: UInt32
    ) {
        let header = record.final.header
        epoch = header.epoch
        view = record.final.certificate.ballot.view
        builder = header.builder
        self.header = header.digest
        stateRoot = header.stateRoot
        wallTime = header.wallTime
        self.millisecondsToFinal = millisecondsToFinal
        self.bundles = UInt32(record.items.count)
        conflicts = UInt32(bundles.count - record.items.count)
        beacons = UInt32(bundles.filter { $0.ownTag != nil }.count)
        transactions = UInt32(record.body.transactions.count)
        let reports = verdicts.flatMap(\.reports)
        validReports = UInt32(reports.filter { $0.reason == .valid }.count)
        rejectedReports = UInt32(reports.count) - validReports
        self.minted = minted
        self.burned = burned
        self.totals = totals
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        epoch = try reader.integer()
        view = try reader.integer()
        builder = try NodeID(from: &reader)
        header = try Digest(from: &reader)
        stateRoot = try Digest(from: &reader)
        wallTime = try reader.integer()
        millisecondsToFinal = try reader.integer()
        bundles = try reader.integer()
        conflicts = try reader.integer()
        beacons = try reader.integer()
        transactions = try reader.integer()
        validReports = try reader.integer()
        rejectedReports = try reader.integer()
        minted = try reader.integer()
        burned = try reader.integer()
        totals = try Totals(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(epoch)
        writer.integer(view)
        builder.encode(to: &writer)
        header.encode(to: &writer)
        stateRoot.encode(to: &writer)
        writer.integer(wallTime)
        writer.integer(millisecondsToFinal)
        writer.integer(bundles)
        writer.integer(conflicts)
        writer.integer(beacons)
        writer.integer(transactions)
        writer.integer(validReports)
        writer.integer(rejectedReports)
        writer.integer(minted)
        writer.integer(burned)
        totals.encode(to: &writer)
    }
}

/// What a running node last said of itself, so that a tool can show it without asking the node.
public struct LiveStatus: Canonical, Sendable {
    public static let peersMax = 256
    public static let countersMax = 256
    public static let textByteCountMax = 256

    public struct Peer: Canonical, Sendable {
        public let node: NodeID
        public let endpoint: Endpoint

        public init(node: NodeID, endpoint: Endpoint) {
            self.node = node
            self.endpoint = endpoint
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            node = try NodeID(from: &reader)
            endpoint = try Endpoint(from: &reader)
        }

        public func encode(to writer: inout ByteWriter) {
            node.encode(to: &writer)
            endpoint.encode(to: &writer)
        }
    }

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

    /// As many whole characters as there is room for: what is written must be readable.
    fileprivate static func clipped(_ text: String) -> [UInt8] {
        var octets: [UInt8] = []
        for character in text {
            guard octets.count + character.utf8.count <= textByteCountMax else { break }
            octets += character.utf8
        }
        return octets
    }

    fileprivate static func text(from reader: inout ByteReader) throws(DecodeError) -> String {
        let octets = try reader.octets(max: textByteCountMax)
        guard let text = String(validating: octets, as: UTF8.self) else { throw .nonCanonical }
        return text
    }

    public var node: NodeID
    public var processID: UInt32
    /// Milliseconds since 1970.
    public var startedAt: UInt64
    public var updatedAt: UInt64
    public var endpoint: Endpoint
    public var roles: Roles
    public var openEpoch: Epoch
    public var view: View
    /// What the node waits for, in words.
    public var waitsFor: String
    public var mayVote: Bool
    public var peers: [Peer]
    public var counters: [Counter]

    public init(
        node: NodeID, processID: UInt32, startedAt: UInt64, updatedAt: UInt64, endpoint: Endpoint,
        roles: Roles,
        openEpoch: Epoch, view: View, waitsFor: String, mayVote: Bool, peers: [Peer], counters: [Counter]
    ) {
        self.node = node
        self.processID = processID
        self.startedAt = startedAt
        self.updatedAt = updatedAt
        self.endpoint = endpoint
        self.roles = roles
        self.openEpoch = openEpoch
        self.view = view
        self.waitsFor = waitsFor
        self.mayVote = mayVote
        self.peers = peers
        self.counters = counters
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        node = try NodeID(from: &reader)
        processID = try reader.integer()
        startedAt = try reader.integer()
        updatedAt = try reader.integer()
        endpoint = try Endpoint(from: &reader)
        roles = try Roles(from: &reader)
        openEpoch = try reader.integer()
        view = try reader.integer()
        waitsFor = try Self.text(from: &reader)
        mayVote = try reader.bool()
        peers = try reader.list(max: Self.peersMax)
        counters = try reader.list(max: Self.countersMax)
    }

    public func encode(to writer: inout ByteWriter) {
        node.encode(to: &writer)
        writer.integer(processID)
        writer.integer(startedAt)
        writer.integer(updatedAt)
        endpoint.encode(to: &writer)
        roles.encode(to: &writer)
        writer.integer(openEpoch)
        writer.integer(view)
        writer.octets(Self.clipped(waitsFor))
        writer.bool(mayVote)
        writer.list(Array(peers.prefix(Self.peersMax)))
        writer.list(Array(counters.prefix(Self.countersMax)))
    }
}

/// Verdicts of one beacon with the block that executed them.
public struct VerdictRecord: Canonical, Sendable {
    public let block: Epoch
    public let verdict: BeaconVerdict

    public init(block: Epoch, verdict: BeaconVerdict) {
        self.block = block
        self.verdict = verdict
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        block = try reader.integer()
        verdict = try BeaconVerdict(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(block)
        verdict.encode(to: &writer)
    }
}
