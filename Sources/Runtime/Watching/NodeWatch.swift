internal import Chance
internal import Coverage
internal import Dissemination
internal import Glibc
internal import Identity
internal import Membership
internal import Node
internal import Records
internal import Wire

/// What the driver notices of its node beside driving it, and makes a snapshot of once a second.
///
/// Upon each snapshot: it goes to the store, for tools, and to the board, for the admin port. Neither asks the node,
/// so both answer whatever the node, its disk or its network do.
struct NodeWatch {
    let id: NodeID
    let endpoint: Endpoint
    let admin: Endpoint?
    let roles: Roles
    let epochMilliseconds: UInt32
    let board: StatusBoard
    private let start: Instant
    /// Milliseconds since 1970, by the clock as it shows now: it may have been set since.
    private var startedAt: UInt64
    /// When an epoch last became final, as far as is known, or when the node started.
    private var finalAt: Instant
    private var beacon: LiveStatus.OwnBeacon?
    private var judgement: LiveStatus.Judgement?
    private var witnessing: LiveStatus.Witnessing?
    private var arrivals: [LiveStatus.Arrival] = []
    var traffic = Traffic()

    /// - Parameter openedAgo: How long the open epoch has been open.
    init(
        id: NodeID, endpoint: Endpoint, admin: Endpoint?, roles: Roles, epochMilliseconds: UInt32,
        board: StatusBoard, openedAgo: Duration, at now: Instant, wallTime: UInt64
    ) {
        self.id = id
        self.endpoint = endpoint
        self.admin = admin
        self.roles = roles
        self.epochMilliseconds = epochMilliseconds
        self.board = board
        start = now
        startedAt = wallTime
        // So that the next life, too, knows since when.
        finalAt = now + (.zero - openedAgo)
    }

    mutating func note(_ notice: Notice, at now: Instant) {
        switch notice {
        case .epochFinal: finalAt = now
        case .peerConnected(_, let endpoint): traffic.begin(endpoint)
        case .ready, .peerDisconnected, .located, .catchingUp, .diverged, .alarm, .unregistered,
            .forger, .ignored, .transactionRefused, .uplinkLied, .uplinkSilent, .snapshot:
            break
        }
    }

    /// - Parameter wallMicroseconds: since 1970; asked for when it matters.
    mutating func note(_ persisted: Persisted, wallMicroseconds: @autoclosure () -> UInt64) {
        switch persisted {
        case .bundle(let bundle, _), .outbox(let bundle):
            if arrivals.count == LiveStatus.arrivalsMax { arrivals.removeFirst() }
            arrivals.append(.init(bundle: bundle.id.prefix, at: wallMicroseconds()))
        case .final(let block): note(block)
        case .safety, .coverage, .candidate, .peers, .droppedOpen, .following, .followed, .fetched,
            .unfollowed, .forgot, .adopted:
            break
        }
    }

    private mutating func note(_ block: FinalBlock) {
        let number = block.block.header.epoch
        if let verdict = block.verdicts.last(where: { $0.beaconer == id }) {
            judgement = LiveStatus.Judgement(verdict, block: number)
        }
        if let counts = LiveStatus.Witnessing(of: id, in: block.verdicts, block: number) {
            witnessing = counts
        }
    }

    mutating func note(_ transmission: Transmission, epoch: Epoch, wallTime: UInt64) {
        beacon = LiveStatus.OwnBeacon(
            epoch: epoch, tag: Tag(payload: transmission.payload), sentAt: wallTime)
    }

    /// The snapshot of this moment; the board has it too.
    mutating func status(
        of node: any NodeMachine, over carrier: Carrier, driverCounters: [(String, UInt64)], at now: Instant,
        wallTime: UInt64
    ) -> LiveStatus {
        follow(wallTime, at: now)
        let view = node.view
        var status = LiveStatus(
            node: id, endpoint: endpoint, roles: roles, startedAt: startedAt, updatedAt: wallTime)
        status.version = ProgramVersion.text
        status.processID = UInt32(getpid())
        status.admin = admin
        status.epochMilliseconds = epochMilliseconds
        status.openEpoch = view.openEpoch
        status.view = view.view
        status.millisecondsSinceFinal = UInt64(max(0, (now - finalAt).milliseconds))
        status.waitsFor = view.waitsFor
        status.mayVote = node.isVoter && !node.isHalted
        status.isHalted = node.isHalted
        status.localHealth = UInt8(node.localHealth)
        status.translation = LiveStatus.Translation(carrier.translation)
        status.seenAt = carrier.seenAt
        status.beacon = beacon
        status.judgement = judgement
        status.witnessing = witnessing
        status.arrivals = arrivals
        let known = node.contacts
        let peers = known.filter { $0.link != nil }
        traffic.follow(Set(peers.compactMap(\.endpoint)))
        // Of the passive view those first that the operator named or should hear of, then those that once answered: they are
        // worth more than hearsay.
        let passive = known.filter { $0.link == nil }
        let isNamed: (ContactAccount) -> Bool = {
            $0.isListed || $0.forgeries > 0 || node.score(of: $0.node, at: now) < 0
        }
        let named = passive.filter(isNamed)
        let others = passive.filter { !isNamed($0) }
        let ordered =
            peers + named + others.filter { $0.isProven } + others.filter { !$0.isProven }
        status.contactCount = UInt32(known.count)
        status.contacts = ordered.prefix(LiveStatus.contactsMax).map {
            var contact = contact($0, at: now, wallTime: wallTime)
            contact.link?.relay = carrier.relay(of: $0.node)
            contact.score = Int32(clamping: node.score(of: $0.node, at: now))
            contact.standing = LiveStatus.Standing(node.standing(of: $0.node, at: now))
            return contact
        }
        status.counters =
            (node.counters + traffic.counters + driverCounters).map {
                LiveStatus.Counter(name: $0.0, value: $0.1)
            }
        status.gauges = node.gauges.map {
            LiveStatus.Gauge(name: $0.name, value: UInt64($0.value), limit: UInt64($0.limit))
        }
        board.post(status)
        return status
    }

    /// How long the node runs the monotonic clock says; when it started is so long ago, whatever the other showed then.
    private mutating func follow(_ wallTime: UInt64, at now: Instant) {
        let upTime = UInt64(max(0, (now - start).milliseconds))
        let started = wallTime - min(upTime, wallTime)
        let distance = started > startedAt ? started - startedAt : startedAt - started
        // Less is drift, and would make of one start as many as there are snapshots.
        if distance > UInt64(ClockWatch.tolerance.milliseconds) { startedAt = started }
    }

    /// This snapshot, as that of a node that stops; the board has it too.
    func lastWords(_ snapshot: LiveStatus) -> LiveStatus {
        var status = snapshot
        status.hasStopped = true
        board.post(status)
        return status
    }

    private func contact(
        _ account: ContactAccount, at now: Instant, wallTime: UInt64
    ) -> LiveStatus.Contact {
        func wall(_ instant: Instant) -> UInt64 {
            let age = UInt64(max(0, (now - instant).milliseconds))
            return wallTime > age ? wallTime - age : 0
        }
        var contact = LiveStatus.Contact(node: account.node, endpoint: account.endpoint)
        contact.roles = account.record?.roles ?? []
        contact.region = account.record?.region
        contact.version = account.record?.version ?? 0
        if account.isListed { contact.traits.insert(.listed) }
        if account.isOfCommittee { contact.traits.insert(.committee) }
        if account.isAnchor { contact.traits.insert(.anchor) }
        if account.isProven { contact.traits.insert(.proven) }
        contact.attempts = UInt32(clamping: account.attempts)
        contact.forgeries = UInt32(clamping: account.forgeries)
        guard let link = account.link else { return contact }
        if link.isNear { contact.traits.insert(.near) }
        var live = LiveStatus.Link(
            isOutbound: link.isOutbound, since: wall(link.since), heardAt: wall(link.heardAt),
            roundTripMicroseconds: link.roundTrip.map { UInt32(clamping: $0.microseconds) },
            liveness: LiveStatus.Liveness(link.liveness))
        if let endpoint = account.endpoint {
            live.received = traffic[endpoint]?.received ?? .init()
            live.sent = traffic[endpoint]?.sent ?? .init()
        }
        contact.link = live
        return contact
    }
}

extension LiveStatus {
    /// How long an epoch has been open, by what the node said before it stopped; nothing where that is not known.
    ///
    /// Nor where it should be over: the others are further on, or wait for something, or the clock was set, and who acts as if
    /// the epoch had just opened does nothing too soon. A clock that was set back adds nothing.
    func age(of epoch: Epoch, at wallTime: UInt64, epochMilliseconds: UInt32) -> Duration {
        let window = UInt64(epochMilliseconds)
        let silence = wallTime - min(wallTime, updatedAt)
        guard silence < window else { return .zero }
        let age: UInt64
        if epoch == openEpoch {
            age = silence + min(millisecondsSinceFinal, window)
        } else if epoch == openEpoch &+ 1 {
            // It opened after these words, and before the next would have come: rather too short than too long.
            age = silence - min(silence, Self.periodMilliseconds)
        } else {
            age = 0
        }
        return age < window ? .milliseconds(Int64(age)) : .zero
    }

    /// How often a node says this of itself.
    static let periodMilliseconds: UInt64 = 1_000
}

extension LiveStatus.Liveness {
    init(_ liveness: ContactAccount.Liveness) {
        switch liveness {
        case .alive: self = .alive
        case .asked: self = .asked
        case .askedByOthers: self = .askedByOthers
        case .suspected: self = .suspected
        }
    }
}

extension LiveStatus.Standing {
    init(_ standing: Scores.Standing) {
        switch standing {
        case .good: self = .good
        case .noGossip: self = .noGossip
        case .noPublish: self = .noPublish
        case .ignored: self = .ignored
        }
    }
}

extension LiveStatus.Translation {
    init(_ translation: Translation) {
        switch translation {
        case .unknown: self = .unknown
        case .none: self = .none
        case .endpointIndependent: self = .endpointIndependent
        case .symmetric: self = .symmetric
        }
    }
}

extension Duration {
    var microseconds: Int64 { nanoseconds / 1_000 }
}
