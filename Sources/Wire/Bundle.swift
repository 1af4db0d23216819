public import Bytes
public import Identity
internal import Synchronization

/// One node's statement that it heard one beacon.
public struct WitnessReport: Canonical, Hashable, Sendable {
    public let tag: Tag
    public let measurement: Measurement
    /// Sixteen octets that only a holder of the payload can compute, bound to this reporter, epoch and
    /// measurement: `BLAKE2b-128(key: payload, reporter ‖ epoch ‖ measurement)`.
    public let proof: Proof

    public struct Proof: Canonical, Hashable, Sendable {
        public static let byteCount = 16
        private let low: UInt64
        private let high: UInt64

        /// Takes exactly 16 octets.
        public init(octets: [UInt8]) {
            precondition(octets.count == Self.byteCount)
            func word(_ start: Int) -> UInt64 {
                (0..<8).reduce(0) { $0 | UInt64(octets[start + $1]) << UInt64(8 * $1) }
            }
            low = word(0)
            high = word(8)
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            low = try reader.integer()
            high = try reader.integer()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(low)
            writer.integer(high)
        }
    }

    public init(tag: Tag, measurement: Measurement, proof: Proof) {
        self.tag = tag
        self.measurement = measurement
        self.proof = proof
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        tag = try Tag(from: &reader)
        measurement = try Measurement(from: &reader)
        proof = try Proof(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        tag.encode(to: &writer)
        measurement.encode(to: &writer)
        proof.encode(to: &writer)
    }
}

/// A beaconer's proof of what it sent, released only after the epoch of the beacon is final.
public struct Reveal: Canonical, Hashable, Sendable {
    /// The epoch in which the beacon was sent.
    public let epoch: Epoch
    public let proof: VRFProof
    public let frequency: UInt32
    public let dataRate: DataRate
    /// Radiated power used (EIRP), in 0.1 dBm: at most what was derived.
    public let power: Int16

    public init(epoch: Epoch, proof: VRFProof, frequency: UInt32, dataRate: DataRate, power: Int16) {
        self.epoch = epoch
        self.proof = proof
        self.frequency = frequency
        self.dataRate = dataRate
        self.power = power
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        epoch = try reader.integer()
        proof = try VRFProof(from: &reader)
        frequency = try reader.integer()
        dataRate = try DataRate(from: &reader)
        power = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(epoch)
        proof.encode(to: &writer)
        writer.integer(frequency)
        dataRate.encode(to: &writer)
        writer.integer(power)
    }
}

/// One value that a sensor measured. Repetition is harmless: `sequence` only rises.
public struct Reading: Canonical, Hashable, Sendable {
    public let sequence: UInt64
    /// What is measured: a number of the sensor's own catalogue.
    public let kind: UInt16
    public let value: Int64

    public init(sequence: UInt64, kind: UInt16, value: Int64) {
        self.sequence = sequence
        self.kind = kind
        self.value = value
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        sequence = try reader.integer()
        kind = try reader.integer()
        value = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(sequence)
        writer.integer(kind)
        writer.integer(value)
    }
}

/// Everything one node has to say in one epoch, signed once.
public struct Bundle: Canonical, Hashable, Sendable {
    /// The whole encoding, signature included.
    public static let byteCountMax = 8192
    /// 33 octets each: as many as leave room for reveals and readings.
    public static let reportsMax = 200
    /// A beacon's reveal is due in one of two bundles, so two can be pending.
    public static let revealsMax = 2
    public static let readingsMax = 16

    private struct Fields: Hashable, Sendable {
        let author: NodeID
        let epoch: Epoch
        let ownTag: Tag?
        let reports: [WitnessReport]
        let isPartial: Bool
        let reveals: [Reveal]
        let readings: [Reading]
        let signature: Signature
    }

    private final class Storage: Sendable {
        let fields: Fields
        /// Its digest, once somebody has asked: pool, store and header all do.
        let id = Mutex<Digest?>(nil)
        init(_ fields: Fields) { self.fields = fields }
    }

    /// One for all copies: a bundle lies in pools, batches, blocks and queues at one time, and never changes.
    private let storage: Storage

    public var author: NodeID { storage.fields.author }
    public var epoch: Epoch { storage.fields.epoch }
    /// The tag of the author's own beacon of this epoch, if it sent one.
    public var ownTag: Tag? { storage.fields.ownTag }
    /// Strictly ascending by tag: only the first copy of a tag counts.
    public var reports: [WitnessReport] { storage.fields.reports }
    /// True if the author heard more than it could report.
    public var isPartial: Bool { storage.fields.isPartial }
    /// Strictly ascending by epoch.
    public var reveals: [Reveal] { storage.fields.reveals }
    /// Strictly ascending by sequence.
    public var readings: [Reading] { storage.fields.readings }
    public var signature: Signature { storage.fields.signature }

    public static func == (left: Bundle, right: Bundle) -> Bool {
        left.storage === right.storage || left.storage.fields == right.storage.fields
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(storage.fields) }

    public init(
        author: NodeID, epoch: Epoch, ownTag: Tag?, reports: [WitnessReport], isPartial: Bool = false,
        reveals: [Reveal] = [], readings: [Reading] = [], signature: Signature = .zero
    ) {
        precondition(reports.count <= Self.reportsMax && reveals.count <= Self.revealsMax)
        precondition(readings.count <= Self.readingsMax)
        storage = Storage(
            Fields(
                author: author, epoch: epoch, ownTag: ownTag, reports: reports, isPartial: isPartial,
                reveals: reveals, readings: readings, signature: signature))
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        let fields = Fields(
            author: try NodeID(from: &reader), epoch: try reader.integer(), ownTag: try reader.option(),
            reports: try reader.list(max: Self.reportsMax), isPartial: try reader.bool(),
            reveals: try reader.list(max: Self.revealsMax), readings: try reader.list(max: Self.readingsMax),
            signature: try Signature(from: &reader))
        guard Self.ascends(fields.reports, by: { $0.tag < $1.tag }),
            Self.ascends(fields.reveals, by: { $0.epoch < $1.epoch }),
            Self.ascends(fields.readings, by: { $0.sequence < $1.sequence })
        else { throw .nonCanonical }
        storage = Storage(fields)
    }

    public func encode(to writer: inout ByteWriter) {
        encodeUnsigned(to: &writer)
        signature.encode(to: &writer)
    }

    private func encodeUnsigned(to writer: inout ByteWriter) {
        author.encode(to: &writer)
        writer.integer(epoch)
        writer.option(ownTag)
        writer.list(reports)
        writer.bool(isPartial)
        writer.list(reveals)
        writer.list(readings)
    }

    private static func ascends<Element>(_ list: [Element], by less: (Element, Element) -> Bool) -> Bool {
        for index in list.indices.dropFirst() where !less(list[index - 1], list[index]) { return false }
        return true
    }

    /// What the author signs.
    public var signedBytes: [UInt8] {
        var writer = ByteWriter(capacity: 1024)
        encodeUnsigned(to: &writer)
        return writer.bytes
    }

    public func signed(by key: SigningKey, network: Digest) -> Bundle {
        precondition(key.nodeID == author)
        return Bundle(
            author: author, epoch: epoch, ownTag: ownTag, reports: reports, isPartial: isPartial,
            reveals: reveals, readings: readings,
            signature: key.sign(signedBytes.octetBytes, domain: .bundle, network: network))
    }

    /// The digest of the whole encoding: the bundle's name.
    public var id: Digest {
        storage.id.withLock { known in
            if let known { return known }
            let id = Digest(of: encoded())
            known = id
            return id
        }
    }
}
