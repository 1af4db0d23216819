internal import Geo
internal import Identity
public import Records
internal import Wire

/// A node's snapshot as JSON: what `/status` answers, and what `earshot status --json` prints. Names and meanings are
/// kept; new fields may be added.
public struct StatusReport: Codable, Sendable {
    public struct Peer: Codable, Sendable {
        public var node: String
        public var view: String
        public var roles: [String]
        public var address: String?
        public var region: String?
        public var version: Int?
        public var isListed: Bool
        public var isOfCommittee: Bool
        public var isProven: Bool
        /// A peer that is kept for where it is. Absent where a node of an older version speaks.
        public var isNear: Bool?
        /// Times that it told contact cards with wrong signatures. Absent where a node of an older version speaks.
        public var forgeries: UInt32?
        /// 0 for whoever did nothing wrong, below it for others; what it is still good for. Absent where a node of an older
        /// version speaks.
        public var score: Int32?
        public var standing: String?
        public var attempts: UInt32
        public var link: Link?
    }

    /// Times in milliseconds since 1970.
    public struct Link: Codable, Sendable {
        public var direction: String
        public var since: UInt64
        public var heardAt: UInt64
        public var roundTripMicroseconds: UInt32?
        public var liveness: String
        public var datagramsReceived: UInt64
        public var octetsReceived: UInt64
        public var datagramsSent: UInt64
        public var octetsSent: UInt64
        /// Over whom its session leads; nil if over nobody.
        public var relay: String?
    }

    public struct Beacon: Codable, Sendable {
        public var epoch: UInt64
        public var tag: String
        public var sentAt: UInt64
    }

    public struct Judgement: Codable, Sendable {
        public var block: UInt64
        public var epoch: UInt64
        public var tag: String
        public var verdict: String
        public var units: UInt32
        public var validReports: UInt32
        public var reports: UInt32

        public init(_ judgement: LiveStatus.Judgement) {
            block = judgement.block
            epoch = judgement.epoch
            tag = judgement.tag.description
            verdict = "\(judgement.reason)"
            units = judgement.units
            validReports = judgement.validReports
            reports = judgement.reports
        }
    }

    public struct Witnessing: Codable, Sendable {
        public struct Count: Codable, Sendable {
            public var verdict: String
            public var count: UInt32
        }
        public var block: UInt64
        public var reports: [Count]

        public init(_ witnessing: LiveStatus.Witnessing) {
            block = witnessing.block
            reports = witnessing.counts.map { Count(verdict: "\($0.reason)", count: $0.count) }
        }
    }

    public struct Gauge: Codable, Sendable {
        public var value: UInt64
        public var limit: UInt64
    }

    public struct Fault: Codable, Sendable {
        /// `halted`, `stalled`, `silent`, `stopped` or `misplaced`.
        public var name: String
        public var text: String
    }

    public var network: String
    public var node: String
    public var version: String
    public var processID: UInt32
    public var startedAt: UInt64
    public var updatedAt: UInt64
    public var address: String
    public var admin: String?
    public var roles: [String]
    public var epochMilliseconds: UInt32
    public var lastFinalEpoch: UInt64
    public var openEpoch: UInt64
    public var view: UInt32
    public var millisecondsSinceFinal: UInt64
    public var waitsFor: String
    public var mayVote: Bool
    public var isHalted: Bool
    public var hasStopped: Bool
    public var isHealthy: Bool
    public var faults: [Fault]
    public var localHealth: UInt8
    /// `unknown`, `none`, `endpointIndependent` or `symmetric`: what stands between the node and the others.
    public var translation: String
    /// Where others see it.
    public var seenAt: String?
    public var contactCount: UInt32
    public var peers: [Peer]
    public var beacon: Beacon?
    public var judgement: Judgement?
    public var witnessing: Witnessing?
    public var counters: [String: UInt64]
    public var tables: [String: Gauge]

    /// - Parameters:
    ///   - wallTime: milliseconds since 1970, when the health is judged.
    ///   - isGone: its process is known to have ended.
    public init(_ status: LiveStatus, network: String, at wallTime: UInt64, isGone: Bool = false) {
        self.network = network
        node = status.node.text
        version = status.version
        processID = status.processID
        startedAt = status.startedAt
        updatedAt = status.updatedAt
        address = status.endpoint.description
        admin = status.admin?.description
        roles = status.roles.names
        epochMilliseconds = status.epochMilliseconds
        lastFinalEpoch = status.openEpoch - min(1, status.openEpoch)
        openEpoch = status.openEpoch
        view = status.view
        millisecondsSinceFinal = status.millisecondsSinceFinal
        waitsFor = status.waitsFor
        mayVote = status.mayVote
        isHalted = status.isHalted
        hasStopped = status.hasStopped
        let health = NodeHealth(of: status, at: wallTime, isGone: isGone)
        isHealthy = health.isHealthy
        faults = health.faults.map { Fault(name: $0.name, text: "\($0)") }
        localHealth = status.localHealth
        translation = "\(status.translation)"
        seenAt = status.seenAt?.description
        contactCount = status.contactCount
        peers = status.contacts.map(Peer.init)
        beacon = status.beacon.map {
            Beacon(epoch: $0.epoch, tag: $0.tag.description, sentAt: $0.sentAt)
        }
        judgement = status.judgement.map(Judgement.init)
        witnessing = status.witnessing.map(Witnessing.init)
        counters = Dictionary(status.counters.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        tables = Dictionary(
            status.gauges.map { ($0.name, Gauge(value: $0.value, limit: $0.limit)) },
            uniquingKeysWith: { $1 })
    }
}

extension StatusReport.Peer {
    public init(_ contact: LiveStatus.Contact) {
        node = contact.node.text
        view = contact.link == nil ? "passive" : "active"
        roles = contact.roles.names
        address = contact.endpoint?.description
        region = contact.region?.description
        version = contact.version > 0 ? Int(contact.version) : nil
        isListed = contact.traits.contains(.listed)
        isOfCommittee = contact.traits.contains(.committee)
        isProven = contact.traits.contains(.proven)
        isNear = contact.traits.contains(.near)
        forgeries = contact.forgeries
        score = contact.score
        standing = "\(contact.standing)"
        attempts = contact.attempts
        link = contact.link.map(StatusReport.Link.init)
    }
}

extension StatusReport.Link {
    init(_ link: LiveStatus.Link) {
        direction = link.isOutbound ? "outbound" : "inbound"
        since = link.since
        heardAt = link.heardAt
        roundTripMicroseconds = link.roundTripMicroseconds
        liveness = "\(link.liveness)"
        datagramsReceived = link.received.datagrams
        octetsReceived = link.received.octets
        datagramsSent = link.sent.datagrams
        octetsSent = link.sent.octets
        relay = link.relay?.text
    }
}
