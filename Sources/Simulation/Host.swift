internal import Chance
internal import Node
internal import Wire

/// One machine: a node if it is up, a disk, a clock, and whoever stands between it and the network.
struct Host {
    var node: Node?
    var disk = Disk()
    var outputs = OutputQueue<Persisted>()
    /// What commits now: lost in a power cut.
    var committing: [Persisted] = []
    var life = 0
    var isPaused = false
    /// What came while it was paused.
    var missed: [NodeEvent] = []
    var clock = Clock()
    var adversary: (any Adversary)?
    var wakesAt: Instant = .never

    /// A socket's buffer.
    static let missedMax = 1_024
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
