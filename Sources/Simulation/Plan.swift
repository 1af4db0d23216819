/// Everything that one simulated run is made of. Equal plans give equal runs, byte for byte.
///
/// Times are milliseconds of virtual time since the run began; shares are per thousand. Hosts are numbered: first
/// the validators (which are hotspots too), then further hotspots, then sensors, then observers, then edge nodes.
public struct Plan: Codable, Equatable, Sendable {
    public var name = "plain"
    /// What a run of it shows, in one sentence.
    public var proves = ""
    public var seed: UInt64 = 1
    public var validators = 4
    public var hotspots = 0
    public var sensors = 0
    public var observers = 0
    /// Hotspots that are edge nodes: they follow validators and carry nobody else's bundles.
    public var edges = 0
    /// The run succeeds when every honest host that is up has this epoch final.
    public var epochs = 6
    /// And so many epochs beyond the one in which all were level again after `healsAt` are final: else a run in which much is
    /// decided early ends before anything shows that the network has healed.
    public var epochsAfterHealing = 0
    public var epochMilliseconds = 2_000
    public var deltaMilliseconds = 300
    /// Of a thousand hotspots, how many beacon in an epoch.
    public var beaconPermille = 400
    /// Accounts at genesis beside those of the hosts: nobody uses them, but each is part of the state.
    public var accounts = 0
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
    public var clients = Clients()
    public var expects = Expectations()
    /// How long a commit takes.
    public var diskMillisecondsMax = 3
    /// How many sends may wait for a disk before others are lost; twice as many outputs end the node. 0: as in the real driver.
    public var waitingMax = 0
    /// How long workers take to verify.
    public var workerMillisecondsMax = 2
    /// After `healsAt`, give up when no epoch becomes final for so long.
    public var patience = 120_000
    /// Everything travels in real, encrypted sessions; else in the clear, where the world vouches for who speaks.
    public var sealed = false
    /// No memory of what was verified before: slower, the same run.
    public var verifiesEveryTime = false
    /// No signature and no proof is computed or verified: for worlds of honest hosts that none starts again in. A run of
    /// its own, as R follows from other outputs.
    public var imitatesCrypto = false
    /// Consensus and coverage only: nodes find their peers, and from then on neither probe nor replace them. Who crashes
    /// or moves stays a peer of the others until it dials them again.
    public var quietMembership = false

    public init() {}

    public var hosts: Int { validators + hotspots + sensors + observers + edges }
    /// The hosts that are full nodes: the first ones.
    public var fullHosts: Int { hosts - edges }
    /// Some that arrive are not as they were sent.
    var changesDatagrams: Bool { links.changes || roughLinks?.changes ?? false }
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

    var changes: Bool { corruptPermille > 0 || truncatePermille > 0 }
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
        /// Like `clog`, but the hosts are clogged one after another, and freed in another order.
        case swizzle
        /// Every `amount` milliseconds it is drawn anew which of `hosts` are not heard by the others of them, or between
        /// which two of them nothing passes in one direction: some learn what others do not (after "Twins", Bano et
        /// al., 2020).
        case flap
        /// Votes to notarize, and certificates of them, reach only some of `hosts`, others in each view: these hold the
        /// notarization while the rest nullifies. With an `amount` of 1: some of `hosts` hear of no nullification of the
        /// odd views.
        case splitVotes
        /// `hosts` lose `amount` in a thousand, both ways.
        case loss
        /// `hosts` send no more than `amount` kilobits a second; what waits longer than a second is lost.
        case bandwidth
        /// A translator of addresses lets into `hosts` only what comes from where they sent to within `amount`
        /// milliseconds.
        case nat
        /// As `nat`, but what anybody sends is let in while any way out is open: mapping and filtering do not depend on
        /// who is at the other end (RFC 4787).
        case fullCone
        /// As `nat`, but each place that is sent to sees another port, and only its answers to that port are let in. A way
        /// that was closed opens again with a new port.
        case symmetric
        /// `hosts` are seen at another address; what is sent to the old one is lost.
        case readdress
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
        /// A power cut in the middle of a commit: its batch is whole on the disk or not there at all.
        case tornBatch
        /// A power cut; one bit of what is on the disk has changed when the host starts again: of the votes if `amount`
        /// is 1, else of anything.
        case bitFlip
        /// The next commit fails: the process ends, and starts again at the end, when there is room.
        case fullDisk
        /// The disk as it was at the beginning is put back at the end.
        case staleStore
        /// The disk is empty when the host starts again.
        case wipe
        // Software.
        /// Stops, and starts again at the end with a changed version number.
        case upgrade
        /// Whoever leads the first view of an epoch is cut off while the epoch is open.
        case leaderCut
        /// `amount` datagrams a second reach each of `hosts` that chance made, of the size and the first octet of an
        /// initiation.
        case garbage
        /// `amount` initiations a second reach each of `hosts` from addresses of nobody, with a cookie that was got by
        /// an honest exchange from one address.
        case spoof
        /// Computes another state than the others from the next epoch on, as a machine with a broken memory does; with another
        /// `amount` another one.
        case oddState

        /// Those that a swarm draws from: the others came later, and its seeds mean what they meant.
        static let swarm = allCases.filter { $0 != .fullCone && $0 != .symmetric }
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

/// A host that does not keep to the protocol. What it says passes through all the behaviours that a plan gives it, in
/// their order.
public struct Byzantine: Codable, Equatable, Sendable {
    public enum Behaviour: String, Codable, CaseIterable, Sendable {
        case equivocator, doubleVoter, nullifyAndFinalizer, silentLeader, censoringLeader, flooder,
            evidenceLiar
        case falseVerdicts, replayer, eclipser, recordForger
        /// A second machine with the same key; half of the others reach the one, half the other.
        case twins
        /// Sends on by radio what it hears by radio.
        case radioRelay
        /// Sends beacons by radio that are not its own.
        case radioSpoofer
        /// Its blocks are as large as any message may be, and never come whole.
        case oversizedLeader
        /// Two blocks of one view that can both be executed, and changed ones in place of the notarized.
        case forker
        /// Like a forker, but its second block has another state than execution gives.
        case falseForker
        /// What others would say, with bad signatures, and strangers' bundles.
        case forger
        /// Answers edge nodes with what is not so.
        case lyingUplink
        /// Takes edge nodes' bundles and keeps them to itself; as an edge node, its neighbours'.
        case hoardingUplink
        /// Introduces its peers to nodes that do not exist, at places of others: who believes it makes a flood of calls.
        case introducer
        /// Answers whoever starts from a recent state with what is not so.
        case snapshotLiar
        /// For a second and a half, from the fourth second on, says to each peer a hundred times what a peer may say.
        case torrent
        /// An edge node that gives all others more bundles, pieces and questions than they can take.
        case floodingNeighbour
        /// Gives out its own bundle in chunks under the names of others' bundles, and carries none of these.
        case chunkForger
        /// Answers who asks about a set that it knows with cells that never peel to an end.
        case sketchForger
        /// Makes its bundle so that it stands in hardly any cell of a sketch, if the keys were known to all.
        case itemGrinder
        /// Two blocks of one view: the second names evidence twice, of strangers, of other epochs, or that nobody has.
        case listForger
        /// What others say, with octets changed so that it can still be read, and signed anew as its own.
        case mangler
        /// As leader it gives other contents than its header says, or such as no rule allows.
        case bodyForger
        /// Proposes when the others give its view up, to all or to a half.
        case lateLeader
        /// Leaves unstakings out of its blocks: its node does not hear of them.
        case unstakingCensor
        /// Its block names a third bundle of its own, which only one half is given, when all have two others.
        case thirdBundle
        /// Proposes what it makes up in views that others lead.
        case usurper
        /// Sends a unit each to ever new keys.
        case accountOpener
        /// Justifies what it proposes with certificates that nobody signed.
        case certificateForger

        /// Those that a swarm draws from: the others came later, and its seeds mean what they meant.
        static let swarm = allCases.filter {
            !swarmLater.contains($0) && !swarmLeaders.contains($0) && !swarmLast.contains($0)
                && !swarmForgers.contains($0) && !ofOtherWorlds.contains($0)
        }

        /// Those that it adds by chances of their own, one to every other dishonest host: whoever has many is soon heard
        /// no more. So few of each that a sweep does not count them.
        static let swarmLater: [Behaviour] = [
            .chunkForger, .sketchForger, .itemGrinder, .listForger, .snapshotLiar, .mangler,
        ]

        /// Leaders that it adds later still, by chances of their own again, one to every fourth dishonest host.
        static let swarmLeaders: [Behaviour] = [.bodyForger, .lateLeader, .thirdBundle]

        /// And what it adds last, in the same way.
        static let swarmLast: [Behaviour] = [.usurper, .accountOpener]

        /// And later than the last.
        static let swarmForgers: [Behaviour] = [.certificateForger]

        /// Those that need edge nodes, translators of addresses or wallets that unstake, and one that costs as much as all
        /// the rest of a run.
        private static let ofOtherWorlds: [Behaviour] = [
            .lyingUplink, .hoardingUplink, .introducer, .floodingNeighbour, .torrent, .unstakingCensor,
        ]
    }

    public var host: Int
    public var behaviour: Behaviour

    public init(host: Int, _ behaviour: Behaviour) {
        self.host = host
        self.behaviour = behaviour
    }
}

/// Wallets that send transactions to nodes.
public struct Clients: Codable, Equatable, Sendable {
    /// New transfers in a second, each from the account of a random honest host.
    public var transfersPerSecond = 0
    /// Hosts that each transfer goes to, and how often it is sent to each.
    public var targets = 1
    public var repeats = 1
    /// Of a hundred transfers, how many have a rival with the same nonce, sent to other hosts.
    public var conflictsPercent = 0
    /// Of a hundred transfers, how many change a stake or a device's facts instead.
    public var changesPercent = 0
    /// Among these changes: so many of the first hotspots become validators, and so many of the last validators give up
    /// their stakes.
    public var joiners = 0
    public var leavers = 0

    public init() {}
}

/// What a run must show beyond that nothing is wrong. All zero: nothing.
public struct Expectations: Codable, Equatable, Sendable {
    /// Some epoch was decided in this view or a later one.
    public var viewAtLeast = 0
    public var splitsAtLeast = 0
    /// These were counted among the faults.
    public var injected: [String] = []
    /// These were counted by the sessions of hosts that are up at the end.
    public var counted: [String] = []
    /// So many transfers are in final blocks.
    public var transfersAtLeast = 0
    /// So many different committees decided something.
    public var committeesAtLeast = 0
    /// Hosts that must have stopped themselves, as what they compute is not what the others agreed on.
    public var halted: [Int] = []
    /// Every bundle that an honest host signed is in the block of its epoch.
    public var everyBundle = false
    /// So many epochs after the one that was open when a wallet sent an unstaking, it is in a block, or another of its
    /// account with its nonce. 0: whenever.
    public var unstakingEpochsMax = 0
    /// Hosts that every honest host must have ignored at some time for their faults. Whom the plan does not name so is
    /// ignored only if it is dishonest.
    public var ignored: [Int] = []

    public init() {}
}

/// The air.
public struct RadioPlan: Codable, Equatable, Sendable {
    /// Path-loss exponent in hundredths.
    public var exponentHundredths = 280
    public var lossPermille = 0
    /// Hosts whose antenna is not connected.
    public var silent: [Int] = []
    /// Hosts whose antennas stand within some ten metres of the first of them.
    public var farm: [Int] = []

    public init() {}
}
