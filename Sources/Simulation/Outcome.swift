/// What a run gives.
public struct Outcome: Codable, Sendable {
    /// Empty: all held.
    public var violations: [Violation] = []
    /// Hash of all events: equal plans give equal hashes.
    @Hexadecimal public var audit: UInt64 = 0
    public var epochsFinal = 0
    /// Of them those after the network had healed, which may take few views only.
    public var epochsHealed = 0
    public var virtualMilliseconds: Int64 = 0
    public var events: UInt64 = 0
    public var deliveries: UInt64 = 0
    /// The view in which each epoch was decided.
    public var views: [Int] = []
    /// From the window's end, each node and epoch.
    public var finalityMilliseconds: [Int] = []
    public var deltaMilliseconds = 0
    public var bytesSent: UInt64 = 0
    public var hosts = 0
    /// Of them edge nodes, what they sent, and what reached them, in octets.
    public var edges = 0
    public var bytesByEdges: UInt64 = 0
    public var bytesToEdges: UInt64 = 0
    /// Counters of all edge nodes that are up at the end, added.
    public var edgeCounters: [String: UInt64] = [:]
    /// Counters of the sessions of all hosts that are up at the end, added.
    public var sessionCounters: [String: UInt64] = [:]
    /// Faults by name; Byzantine hosts as `byzantine.flooder`.
    public var injected: [String: UInt64] = [:]
    /// Different ones that decided something.
    public var committees = 0
    /// Reports by verdict reason.
    public var verdicts: [String: UInt64] = [:]
    /// Views of which one honest host first held the notarization and another first the nullification.
    public var splitViews = 0
    /// Certificates on their way from honest hosts, each looked at once: quorum and every signature.
    public var certificatesChecked = 0
    public var spread = SpreadSummary()
    /// Bundles that honest hosts signed, and those of them in final blocks.
    public var bundlesSigned = 0
    public var bundlesIncluded = 0
    /// Transactions in final blocks.
    public var transfers = 0
    /// Datagrams that did not arrive.
    public var lost: UInt64 = 0
    /// Who was first ignored by whom, in the order of time.
    public var ignored: [Ignoring] = []

    public init() {}
}

/// One honest host has begun to ignore another for its faults.
public struct Ignoring: Codable, Equatable, Sendable {
    public let host: Int
    public let by: Int
    public let atMilliseconds: Int64
}

/// How evidence travelled. All zero in large worlds, where it is not counted.
public struct SpreadSummary: Codable, Equatable, Sendable {
    /// Datagrams with a bundle for each host that got it, in thousandths: 1,000 is the least.
    public var copiesPermille = 0
    /// Hosts on the way, in thousandths.
    public var hopsPermille = 0
    public var hopsMax = 0
    /// From a bundle's coming to the first host that did not make it until it came to another: half of them within the first,
    /// 99 of 100 within the second.
    public var medianMilliseconds = 0
    public var lateMilliseconds = 0
}

/// Something that must never be and was.
public struct Violation: Codable, Equatable, Sendable {
    public let checker: String
    public let what: String
    /// Nanoseconds since the run began.
    public let at: Int64
    public let host: Int?

    public init(checker: String, what: String, at: Int64, host: Int?) {
        self.checker = checker
        self.what = what
        self.at = at
        self.host = host
    }
}

/// How far a run is.
public struct Progress: Sendable {
    public let epoch: Int
    public let epochs: Int
    public let virtualMilliseconds: Int64
    public let events: UInt64

    public init(epoch: Int, epochs: Int, virtualMilliseconds: Int64, events: UInt64) {
        self.epoch = epoch
        self.epochs = epochs
        self.virtualMilliseconds = virtualMilliseconds
        self.events = events
    }
}
