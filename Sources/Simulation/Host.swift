internal import Chance
internal import Coverage
internal import Identity
internal import Node
internal import Wire

/// One machine: a node if it is up, a disk, a clock, and whoever stands between it and the network.
final class Host {
    enum Arrival {
        case event(NodeEvent)
        case datagram([UInt8], from: Endpoint)
    }

    var node: Node?
    /// In place of `node`, where the host is an edge node.
    var edge: EdgeNode?
    /// Its sessions, in a sealed world.
    var carrier: Carrier?
    /// Sessions of those for whom its adversary speaks too.
    var aliases: [Carrier] = []
    var disk = Disk()
    /// What the disk was when a fault that brings it back began.
    var backup: Disk?
    var outputs: OutputQueue<Persisted>
    /// What is to be sent by radio, and at which of its commits: as in the real driver, nothing is said there either before
    /// it is durable. A node transmits once an epoch at most.
    var transmissions: [(transmission: Transmission, commits: Int)] = []
    /// Of whom it held which card when it last wrote them down.
    var held: [NodeID: UInt64] = [:]
    /// How many calls of strangers it had worked on when the present second began.
    var workSince: (second: Int64, begun: UInt64) = (0, 0)
    /// Its calls of those who are no hosts, in this second.
    var callsSince: (second: Int64, count: Int) = (0, 0)
    /// What commits now.
    var committing: [Persisted] = []
    var life = 0
    var commits = 0
    var isPaused = false
    /// It ended because its disk did not keep up; it starts again when that is over.
    var isStalled = false
    /// When it crashed last.
    var downSince = Instant.origin
    /// What came while it was paused.
    var missed: [Arrival] = []
    var clock = Clock()
    var adversary: (any Adversary)? {
        didSet { isHonest = adversary == nil }
    }
    /// Kept, as it is asked at every event and `adversary` is copied by whoever looks at it.
    private(set) var isHonest = true
    /// What its adversary knows at all times.
    var backdrop: Backdrop?
    var wakesAt: Instant = .never
    /// How long its disk and its workers take. Each host has its own, so that one that does a thing more leaves the
    /// others' chances alone.
    var chance: Chance
    /// The first epoch in which it may vote: not 0 after its store was lost or put back.
    var votesFrom: Epoch = 0

    /// Its memory is broken: it must notice and stop, and nobody waits for it.
    var isOdd = false
    var isHalted = false
    var softwareVersion: UInt16 = 1

    /// A socket's buffer.
    static let missedMax = 1_024

    init(chance: Chance, limits: OutputLimits) {
        self.chance = chance
        outputs = OutputQueue(limits: limits)
    }

    var machine: (any NodeMachine)? { node ?? edge }
    var isUp: Bool { node != nil || edge != nil }
    /// Honest and sound: the others can count on it.
    var isSound: Bool { isHonest && !isOdd }

    func soon(after now: Instant, _ millisecondsMax: Int) -> Instant {
        now + chance.duration(in: .zero ... .milliseconds(millisecondsMax))
    }

    /// A power cut: what is not on the disk is gone.
    func cut() {
        node = nil
        edge = nil
        carrier = nil
        aliases = []
        workSince = (0, 0)
        held = [:]
        life += 1
        outputs = OutputQueue(limits: outputs.limits)
        transmissions = []
        committing = []
        missed = []
    }
}

/// A monotonic clock that may run fast and jump ahead, never back.
struct Clock {
    private var world = Instant.origin
    private var own = Instant.origin
    private var partsPerMillion: Int64 = 0

    func reading(at now: Instant) -> Instant {
        let passed = (now - world).nanoseconds
        return own + .nanoseconds(passed + passed / 1_000_000 * partsPerMillion)
    }

    /// When this clock will show `reading`, or a little later.
    func world(at reading: Instant) -> Instant {
        guard reading < .never else { return .never }
        let passed = (reading - own).nanoseconds
        return world + .nanoseconds(passed - passed / (1_000_000 + partsPerMillion) * partsPerMillion + 1_000)
    }

    mutating func set(aheadBy jump: Duration = .zero, partsPerMillion: Int64? = nil, at now: Instant) {
        own = reading(at: now) + jump
        world = now
        if let partsPerMillion { self.partsPerMillion = partsPerMillion }
    }
}

extension Plan {
    var outputLimits: OutputLimits {
        waitingMax > 0 ? OutputLimits(sendsMax: waitingMax, outputsMax: 2 * waitingMax) : .node
    }
}
