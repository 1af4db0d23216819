/// Everything that one simulated run is made of. Equal plans give equal runs, byte for byte.
///
/// Times are milliseconds of virtual time since the run began; shares are per thousand. Hosts are numbered: first
/// the validators (which are hotspots too), then further hotspots, then sensors, then observers.
public struct Plan: Codable, Equatable, Sendable {
    public var name = "plain"
    /// What a run of it shows, in one sentence.
    public var proves = ""
    public var seed: UInt64 = 1
    public var validators = 4
    public var hotspots = 0
    public var sensors = 0
    public var observers = 0
    /// The run succeeds when every honest host that is up has this epoch final.
    public var epochs = 6
    public var epochMilliseconds = 2_000
    public var deltaMilliseconds = 300
    /// Of a thousand hotspots, how many beacon in an epoch.
    public var beaconPermille = 400
    /// Stake of each validator in thousands of tokens; empty: ten each.
    public var stakes: [Int] = []
    public var committeeEpochs = 3
    /// Links when nothing is wrong.
    public var links = Links()
    /// Links until `healsAt`; nil: the same.
    public var roughLinks: Links?
    /// From here on links are good, and every fault with an end has ended.
    public var healsAt = 0
    public var faults: [Fault] = []
    public var byzantine: [Byzantine] = []
    public var radio = RadioPlan()
    /// How long a commit takes.
    public var diskMillisecondsMax = 3
    /// How long workers take to verify.
    public var workerMillisecondsMax = 2
    /// After `healsAt`, give up when no epoch becomes final for so long.
    public var patience = 120_000
    /// No memory of what was verified before: slower, the same run.
    public var verifiesEveryTime = false

    public init() {}

    public var hosts: Int { validators + hotspots + sensors + observers }
}

/// What one datagram meets on its way.
public struct Links: Codable, Equatable, Sendable {
    public var latencyMicrosecondsMin = 1_000
    public var latencyMicrosecondsMax = 20_000
    public var lossPermille = 0
    public var duplicatePermille = 0
    /// Delayed by up to ten times the latency, so that later ones overtake it.
    public var reorderPermille = 0
    /// One to three octets changed.
    public var corruptPermille = 0
    public var truncatePermille = 0
    /// Larger datagrams are lost.
    public var mtu = 1_500

    public init() {}
}

/// Something that goes wrong at a time.
public struct Fault: Codable, Equatable, Sendable {
    public enum Kind: String, Codable, CaseIterable, Sendable {
        // The network.
        /// `hosts` and all the others do not hear each other.
        case partition
        /// What `hosts` send does not reach `others` (empty: anyone).
        case cut
        /// What `hosts` send or are sent waits until the end.
        case clog
        /// `hosts` lose `amount` in a thousand, both ways.
        case loss
        // Processes.
        /// A power cut: only what was durable is left. Starts again at the end.
        case crash
        /// Takes no event and says nothing; then everything at once.
        case pause
        // Clocks.
        /// Forward by `amount` milliseconds.
        case jump
        /// Faster by `amount` parts per million.
        case skew
        // Disks.
        /// A commit takes `amount` milliseconds.
        case slowDisk
    }

    public var kind: Kind
    public var at: Int
    public var until: Int
    public var hosts: [Int]
    public var others: [Int]
    public var amount: Int

    public init(_ kind: Kind, at: Int, until: Int, hosts: [Int], others: [Int] = [], amount: Int = 0) {
        self.kind = kind
        self.at = at
        self.until = until
        self.hosts = hosts
        self.others = others
        self.amount = amount
    }
}

/// A host that does not keep to the protocol.
public struct Byzantine: Codable, Equatable, Sendable {
    public enum Behaviour: String, Codable, CaseIterable, Sendable {
        case equivocator, doubleVoter, nullifyAndFinalizer, silentLeader, censoringLeader, flooder,
            evidenceLiar
        case falseVerdicts, replayer, eclipser, recordForger
    }

    public var host: Int
    public var behaviour: Behaviour

    public init(host: Int, _ behaviour: Behaviour) {
        self.host = host
        self.behaviour = behaviour
    }
}

/// The air.
public struct RadioPlan: Codable, Equatable, Sendable {
    /// Path-loss exponent in hundredths.
    public var exponentHundredths = 280
    public var lossPermille = 0
    /// Hosts whose antenna is not connected.
    public var silent: [Int] = []

    public init() {}
}
