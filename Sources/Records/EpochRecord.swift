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
