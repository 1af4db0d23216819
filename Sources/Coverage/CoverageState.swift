public import Bytes
public import Wire

/// What a device must not forget: read again after a restart.
public struct CoverageState: Canonical, Hashable, Sendable {
    /// Readings that wait for a final bundle: beyond it the oldest are dropped.
    public static let readingsMax = 256

    /// A beacon this device sent, or is about to.
    public struct Own: Canonical, Hashable, Sendable {
        public var tag: Tag
        public var reveal: Reveal

        init(tag: Tag, reveal: Reveal) {
            self.tag = tag
            self.reveal = reveal
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            tag = try Tag(from: &reader)
            reveal = try Reveal(from: &reader)
        }

        public func encode(to writer: inout ByteWriter) {
            tag.encode(to: &writer)
            reveal.encode(to: &writer)
        }
    }

    /// What was heard of one epoch's beacons.
    public struct Heard: Canonical, Hashable, Sendable {
        /// In no order; at most `Bundle.reportsMax`.
        public var reports: [WitnessReport] = []
        /// How many there were.
        public var count: UInt32 = 0

        init() {}

        public init(from reader: inout ByteReader) throws(DecodeError) {
            reports = try reader.list(max: Bundle.reportsMax)
            count = try reader.integer()
            guard Int(count) >= reports.count else { throw .nonCanonical }
        }

        public func encode(to writer: inout ByteWriter) {
            writer.list(reports)
            writer.integer(count)
        }
    }

    public var epoch: Epoch = 0
    public var own: Own?
    public var heard = Heard()
    /// Of beacons that name the next epoch: their sender knew the last block before us.
    public var heardNext = Heard()
    /// Of beacons whose epoch is final, ascending by epoch.
    public var pending: [Reveal] = []
    public var readings: [Reading] = []
    /// The one bundle of `epoch`, unsigned, once it is made.
    public var bundle: Bundle?

    public init() {}

    public init(from reader: inout ByteReader) throws(DecodeError) {
        epoch = try reader.integer()
        own = try reader.option()
        heard = try Heard(from: &reader)
        heardNext = try Heard(from: &reader)
        pending = try reader.list(max: Bundle.revealsMax)
        readings = try reader.list(max: Self.readingsMax)
        bundle = try reader.option()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(epoch)
        writer.option(own)
        heard.encode(to: &writer)
        heardNext.encode(to: &writer)
        writer.list(pending)
        writer.list(readings)
        writer.option(bundle)
    }
}
