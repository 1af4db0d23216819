public import Bytes
public import Identity

/// Why a beacon or a report counts or does not. Tags are frozen; names are what tools print.
public enum Reason: UInt8, Canonical, Sendable, CaseIterable {
    case valid = 0
    case unregistered = 1
    case noLocation = 2
    case suspended = 3
    case equivocated = 4
    case notRevealed = 5
    case undeclared = 6
    case badProof = 7
    case notEligible = 8
    case wrongParameters = 9
    case notReciprocal = 10
    case duplicate = 11
    case selfWitness = 12
    case sameOwner = 13
    case unknownBeacon = 14
    case wrongFrequency = 15
    case wrongDataRate = 16
    case wrongRegion = 17
    case tooNear = 18
    case undefinedDistance = 19
    case tooFar = 20
    case tooLoud = 21
    case tooQuiet = 22
    case implausibleSNR = 23
    case notSelected = 24

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let reason = Reason(rawValue: try reader.integer()) else { throw .unknown }
        self = reason
    }

    public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
}

/// Whose fault a report's reason is.
public enum Side: UInt8, Canonical, Sendable {
    case reporter = 0
    case beaconer = 1

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let side = Side(rawValue: try reader.integer()) else { throw .unknown }
        self = side
    }

    public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
}

/// The verdict on one witness report, with what was measured.
public struct ReportVerdict: Canonical, Hashable, Sendable {
    public var reporter: NodeID
    public var reason: Reason
    public var side: Side
    public var measurement: Measurement
    /// Great-circle metres between the asserted positions; nil where one is unknown.
    public var distance: UInt32?
    /// The loudest plausible signal in 0.01 dBm; nil where it was not computed.
    public var rssiMax: Int32?
    /// Reward units in 1/10,000, already scaled by the beaconer's hex scale; above zero only if valid.
    public var units: UInt32

    public init(
        reporter: NodeID, reason: Reason, side: Side, measurement: Measurement, distance: UInt32? = nil,
        rssiMax: Int32? = nil, units: UInt32 = 0
    ) {
        self.reporter = reporter
        self.reason = reason
        self.side = side
        self.measurement = measurement
        self.distance = distance
        self.rssiMax = rssiMax
        self.units = units
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        reporter = try NodeID(from: &reader)
        reason = try Reason(from: &reader)
        side = try Side(from: &reader)
        measurement = try Measurement(from: &reader)
        distance = try reader.option()
        rssiMax = try reader.option()
        units = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        reporter.encode(to: &writer)
        reason.encode(to: &writer)
        side.encode(to: &writer)
        measurement.encode(to: &writer)
        writer.option(distance)
        writer.option(rssiMax)
        writer.integer(units)
    }
}

/// The verdict on one beacon and on every report of it.
public struct BeaconVerdict: Canonical, Hashable, Sendable {
    /// Reports of one beacon that a block can carry: one from each of its bundles' authors.
    public static let reportsMax = 1 << 16

    /// The epoch the beacon was sent in.
    public var epoch: Epoch
    public var tag: Tag
    /// Nil if nobody declared or revealed the tag.
    public var beaconer: NodeID?
    public var reason: Reason
    /// Radiated power in 0.1 dBm, frequency and data rate as revealed; nil without a reveal.
    public var reveal: RevealedParameters?
    /// The beaconer's hex scale in 1/10,000.
    public var scale: UInt32
    /// The beaconer's reward units in 1/10,000, already scaled.
    public var units: UInt32
    /// Ascending by reporter.
    public var reports: [ReportVerdict]

    public struct RevealedParameters: Canonical, Hashable, Sendable {
        public let frequency: UInt32
        public let dataRate: DataRate
        public let power: Int16

        public init(frequency: UInt32, dataRate: DataRate, power: Int16) {
            self.frequency = frequency
            self.dataRate = dataRate
            self.power = power
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            frequency = try reader.integer()
            dataRate = try DataRate(from: &reader)
            power = try reader.integer()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(frequency)
            dataRate.encode(to: &writer)
            writer.integer(power)
        }
    }

    public init(
        epoch: Epoch, tag: Tag, beaconer: NodeID?, reason: Reason, reveal: RevealedParameters? = nil,
        scale: UInt32 = 0, units: UInt32 = 0, reports: [ReportVerdict]
    ) {
        self.epoch = epoch
        self.tag = tag
        self.beaconer = beaconer
        self.reason = reason
        self.reveal = reveal
        self.scale = scale
        self.units = units
        self.reports = reports
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        epoch = try reader.integer()
        tag = try Tag(from: &reader)
        beaconer = try reader.option()
        reason = try Reason(from: &reader)
        reveal = try reader.option()
        scale = try reader.integer()
        units = try reader.integer()
        reports = try reader.list(max: Self.reportsMax)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(epoch)
        tag.encode(to: &writer)
        writer.option(beaconer)
        reason.encode(to: &writer)
        writer.option(reveal)
        writer.integer(scale)
        writer.integer(units)
        writer.list(reports)
    }

    public var digest: Digest { Digest(of: encoded()) }
}

/// What an author's coverage events changed about it: read by the rules of reciprocity, density and suspension.
public struct Activity: Canonical, Hashable, Sendable {
    /// The last epoch whose beacon of this node had a witness that passed every other rule. 0: never.
    public var lastWitnessed: Epoch = 0
    /// The last epoch in which this node's report passed every other rule. 0: never.
    public var lastWitnessing: Epoch = 0
    /// The last epoch whose beacon was witnessed by a non-exempt reporter of another owner. 0: never.
    public var lastIndependent: Epoch = 0
    /// Suspended before this epoch. 0: not.
    public var suspendedUntil: Epoch = 0
    /// May not beacon for reward before this epoch, for having kept a declared beacon secret. 0: may.
    public var pausedUntil: Epoch = 0

    public init() {}

    public init(from reader: inout ByteReader) throws(DecodeError) {
        lastWitnessed = try reader.integer()
        lastWitnessing = try reader.integer()
        lastIndependent = try reader.integer()
        suspendedUntil = try reader.integer()
        pausedUntil = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(lastWitnessed)
        writer.integer(lastWitnessing)
        writer.integer(lastIndependent)
        writer.integer(suspendedUntil)
        writer.integer(pausedUntil)
    }
}
