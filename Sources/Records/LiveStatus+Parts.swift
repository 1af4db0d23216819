public import Bytes
public import Geo
public import Identity
public import Wire

extension LiveStatus {
    /// One node that this node knows.
    public struct Contact: Canonical, Sendable {
        public struct Traits: OptionSet, Sendable {
            public let rawValue: UInt8
            public init(rawValue: UInt8) { self.rawValue = rawValue }

            /// On the bootstrap list.
            public static let listed = Traits(rawValue: 1)
            public static let committee = Traits(rawValue: 2)
            /// One of the best peers of the life before.
            public static let anchor = Traits(rawValue: 4)
            /// It was a peer or answered a dial at some time.
            public static let proven = Traits(rawValue: 8)
            /// A peer that is kept for where it is.
            public static let near = Traits(rawValue: 16)
            static let all: Traits = [.listed, .committee, .anchor, .proven, .near]
        }

        public var node: NodeID
        public var endpoint: Endpoint?
        /// Empty until its card is known.
        public var roles: Roles = []
        /// An H3 cell of resolution 5.
        public var region: Cell?
        /// Of its protocol software; 0 until its card is known.
        public var version: UInt16 = 0
        public var traits: Traits = []
        /// Dials without answer.
        public var attempts: UInt32 = 0
        /// Times that it told a card with a wrong signature.
        public var forgeries: UInt32 = 0
        /// What its own faults make of it: 0 for whoever did nothing wrong, below it for others.
        public var score: Int32 = 0
        public var standing = Standing.good
        /// Nil in the passive view.
        public var link: Link?

        public init(node: NodeID, endpoint: Endpoint?, link: Link? = nil) {
            self.node = node
            self.endpoint = endpoint
            self.link = link
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            node = try NodeID(from: &reader)
            endpoint = try reader.option()
            roles = try Roles(from: &reader)
            region = try reader.option()
            version = try reader.integer()
            traits = Traits(rawValue: try reader.integer())
            guard Traits.all.contains(traits) else { throw .unknown }
            attempts = try reader.integer()
            forgeries = try reader.integer()
            score = try reader.integer()
            standing = try Standing(from: &reader)
            link = try reader.option()
        }

        public func encode(to writer: inout ByteWriter) {
            node.encode(to: &writer)
            writer.option(endpoint)
            roles.encode(to: &writer)
            writer.option(region)
            writer.integer(version)
            writer.integer(traits.rawValue)
            writer.integer(attempts)
            writer.integer(forgeries)
            writer.integer(score)
            standing.encode(to: &writer)
            writer.option(link)
        }
    }

    /// How far probing has come with a peer.
    public enum Liveness: UInt8, Canonical, Sendable, CaseIterable {
        case alive = 0
        case asked = 1
        case askedByOthers = 2
        case suspected = 3

        public init(from reader: inout ByteReader) throws(DecodeError) {
            guard let liveness = Liveness(rawValue: try reader.integer()) else { throw .unknown }
            self = liveness
        }

        public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
    }

    /// What a peer is still good for, by its score.
    public enum Standing: UInt8, Canonical, Sendable, CaseIterable {
        case good = 0
        case noGossip = 1
        case noPublish = 2
        case ignored = 3

        public init(from reader: inout ByteReader) throws(DecodeError) {
            guard let standing = Standing(rawValue: try reader.integer()) else { throw .unknown }
            self = standing
        }

        public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
    }

    /// Whether a translator of addresses stands before the node (RFC 4787, section 4.1).
    public enum Translation: UInt8, Canonical, Sendable, CaseIterable {
        case unknown = 0
        case none = 1
        case endpointIndependent = 2
        case symmetric = 3

        public init(from reader: inout ByteReader) throws(DecodeError) {
            guard let translation = Translation(rawValue: try reader.integer()) else { throw .unknown }
            self = translation
        }

        public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
    }

    /// What passed between this node and a peer since they connected.
    public struct Flow: Canonical, Hashable, Sendable {
        public var datagrams: UInt64 = 0
        public var octets: UInt64 = 0

        public init() {}

        public init(from reader: inout ByteReader) throws(DecodeError) {
            datagrams = try reader.integer()
            octets = try reader.integer()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(datagrams)
            writer.integer(octets)
        }

        public mutating func add(_ byteCount: Int) {
            datagrams &+= 1
            octets &+= UInt64(byteCount)
        }
    }

    /// Of a connected peer.
    public struct Link: Canonical, Sendable {
        /// This node chose it.
        public var isOutbound: Bool
        /// Milliseconds since 1970.
        public var since: UInt64
        public var heardAt: UInt64
        /// Smoothed; nil before the first measured answer.
        public var roundTripMicroseconds: UInt32?
        public var liveness: Liveness
        public var received = Flow()
        public var sent = Flow()
        /// Over whom its session leads; nil if over nobody.
        public var relay: NodeID?

        public init(
            isOutbound: Bool, since: UInt64, heardAt: UInt64, roundTripMicroseconds: UInt32?,
            liveness: Liveness
        ) {
            self.isOutbound = isOutbound
            self.since = since
            self.heardAt = heardAt
            self.roundTripMicroseconds = roundTripMicroseconds
            self.liveness = liveness
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            isOutbound = try reader.bool()
            since = try reader.integer()
            heardAt = try reader.integer()
            roundTripMicroseconds = try reader.bool() ? try reader.integer() : nil
            liveness = try Liveness(from: &reader)
            received = try Flow(from: &reader)
            sent = try Flow(from: &reader)
            relay = try reader.option()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.bool(isOutbound)
            writer.integer(since)
            writer.integer(heardAt)
            writer.bool(roundTripMicroseconds != nil)
            if let roundTripMicroseconds { writer.integer(roundTripMicroseconds) }
            liveness.encode(to: &writer)
            received.encode(to: &writer)
            sent.encode(to: &writer)
            writer.option(relay)
        }
    }

    /// The last beacon that this node handed to its radio.
    public struct OwnBeacon: Canonical, Sendable {
        public let epoch: Epoch
        public let tag: Tag
        /// Milliseconds since 1970.
        public let sentAt: UInt64

        public init(epoch: Epoch, tag: Tag, sentAt: UInt64) {
            self.epoch = epoch
            self.tag = tag
            self.sentAt = sentAt
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            epoch = try reader.integer()
            tag = try Tag(from: &reader)
            sentAt = try reader.integer()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(epoch)
            tag.encode(to: &writer)
            writer.integer(sentAt)
        }
    }

    /// The last verdict on a beacon of this node.
    public struct Judgement: Canonical, Sendable {
        public let block: Epoch
        public let epoch: Epoch
        public let tag: Tag
        public let reason: Reason
        /// 1/10,000.
        public let units: UInt32
        public let validReports: UInt32
        public let reports: UInt32

        public init(_ verdict: BeaconVerdict, block: Epoch) {
            self.block = block
            epoch = verdict.epoch
            tag = verdict.tag
            reason = verdict.reason
            units = verdict.units
            validReports = UInt32(verdict.reports.count { $0.reason == .valid })
            reports = UInt32(verdict.reports.count)
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            block = try reader.integer()
            epoch = try reader.integer()
            tag = try Tag(from: &reader)
            reason = try Reason(from: &reader)
            units = try reader.integer()
            validReports = try reader.integer()
            reports = try reader.integer()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(block)
            writer.integer(epoch)
            tag.encode(to: &writer)
            reason.encode(to: &writer)
            writer.integer(units)
            writer.integer(validReports)
            writer.integer(reports)
        }
    }

    /// How the last block that judged reports of this node judged them.
    public struct Witnessing: Canonical, Sendable {
        public struct Count: Canonical, Sendable {
            public let reason: Reason
            public let count: UInt32

            public init(from reader: inout ByteReader) throws(DecodeError) {
                reason = try Reason(from: &reader)
                count = try reader.integer()
            }

            init(reason: Reason, count: UInt32) {
                self.reason = reason
                self.count = count
            }

            public func encode(to writer: inout ByteWriter) {
                reason.encode(to: &writer)
                writer.integer(count)
            }
        }

        public let block: Epoch
        /// In the order of the reasons.
        public let counts: [Count]

        /// Nil if no report of `node` is among those judged.
        public init?(of node: NodeID, in verdicts: [BeaconVerdict], block: Epoch) {
            var counts = [UInt32](repeating: 0, count: Reason.allCases.count)
            for verdict in verdicts {
                for report in verdict.reports where report.reporter == node {
                    counts[Int(report.reason.rawValue)] += 1
                }
            }
            guard counts.contains(where: { $0 > 0 }) else { return nil }
            self.block = block
            self.counts = Reason.allCases.compactMap {
                let count = counts[Int($0.rawValue)]
                return count > 0 ? Count(reason: $0, count: count) : nil
            }
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            block = try reader.integer()
            counts = try reader.list(max: Reason.allCases.count)
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(block)
            writer.list(counts)
        }
    }
    /// When a bundle was here, verified.
    public struct Arrival: Canonical, Hashable, Sendable {
        /// The first eight octets of the bundle's id.
        public let bundle: UInt64
        /// Microseconds since 1970, by this node's clock.
        public let at: UInt64

        public init(bundle: UInt64, at: UInt64) {
            self.bundle = bundle
            self.at = at
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            bundle = try reader.integer()
            at = try reader.integer()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(bundle)
            writer.integer(at)
        }
    }
}
