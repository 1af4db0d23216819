internal import Bytes
internal import Chance
internal import Coverage
internal import Identity
internal import Node
internal import Rules
internal import Wire

/// Whole nodes in virtual time on one thread: equal plans give equal runs, byte for byte.
///
/// The nodes, their order of sends and commits (`OutputQueue`), their signatures and proofs are the real ones; the
/// network, the air, disks, clocks and the hosts' fates are the plan's. Honest nodes are watched at every event.
public final class World {
    enum What {
        case event(NodeEvent, life: Int)
        /// A datagram finds whatever life the host had when it was sent.
        case datagram([UInt8], from: Endpoint, life: Int)
        case wake
        case committed(life: Int)
        case begin(Fault)
        case end(Fault)
        /// Operators let hosts vote again that lost their stores.
        case lift
        case tick
        case disturb(Fault)
        case spoof(Fault)
        /// Wallets send something.
        case clients
    }

    struct Appointment {
        let host: Int
        let what: What
    }

    let plan: Plan
    let population: Population
    let network: Digest
    /// The plan's hosts, then the second machines of twins.
    var hosts: [Host]
    var links: Network
    var air: Air
    var witness: Witness
    var spread = Spread()
    var now = Instant.origin
    var agenda = Agenda<Appointment>()
    var chance: Chance
    var injected: [String: UInt64] = [:]
    var finality: [Int] = []
    /// What wallets sent, and the epoch that was open then at the account's host.
    var unstakings: [(transaction: Transaction, epoch: Epoch)] = []
    /// Who was first ignored by whom.
    var ignored: [Ignoring] = []
    var edgeProgress: EdgeProgress
    var tracer: ((TraceEvent) -> Void)?
    let isLarge: Bool
    let hasIntroducer: Bool
    /// For those who are no hosts: what they draw leaves the hosts' chances alone.
    var strangersChance: Chance
    var spoofers: [Int: Spoofer] = [:]
    /// In the clear, whose key each is that is no host's: of the first who spoke with it.
    var inventors: [NodeID: Int] = [:]
    /// Sealed datagrams that a host took for new.
    var taken: Set<UInt64> = []
    /// Executions are shared in large worlds only: in small ones every node executes every block itself.
    let sharedWork: SharedWork?
    private var audit: UInt64 = 0xCBF2_9CE4_8422_2325
    private var events: UInt64 = 0
    private var deliveries: UInt64 = 0
    private var bytesToEdges: UInt64 = 0
    private var lastProgress = Instant.origin

    private static let sharingHostsMin = 50
    static let commitsBetweenChecks = 64
    /// In worlds of thousands fewer, as each walk is through thousands of bundles.
    var checkEvery: Int { isLarge ? max(Self.commitsBetweenChecks, plan.hosts / 4) : 1 }
    /// Above it, copies of bundles are not counted.
    private static let spreadHostsMax = 1_000
    /// Chains that are executed again at the end of a large world, where all have the same blocks.
    private static let auditsOfLarge = 3
    private static let tickPeriod: Duration = .milliseconds(100)

    /// - Parameter fates: What befell datagrams in an earlier run; those beyond are drawn.
    public convenience init(plan: Plan, fates: [RecordedFate] = []) {
        self.init(plan: plan, fates: fates, tracer: nil)
    }

    /// - Parameter tracer: Hears of everything that happens, in its order.
    public init(plan: Plan, fates: [RecordedFate] = [], tracer: ((TraceEvent) -> Void)?) {
        precondition(plan.hosts > 0 && plan.hosts < 1 << 15)
        self.plan = plan
        self.tracer = tracer
        population = Population(plan: plan)
        network = population.genesis.network
        witness = Witness(genesis: population.genesis, delta: .milliseconds(plan.deltaMilliseconds))
        edgeProgress = EdgeProgress(hosts: plan.fullHosts..<plan.hosts)
        isLarge = plan.hosts >= Self.sharingHostsMin
        spread.isOn = plan.hosts <= Self.spreadHostsMax
        sharedWork =
            plan.verifiesEveryTime ? nil : SharedWork(sharesExecution: isLarge, imitates: plan.imitatesCrypto)
        hasIntroducer = plan.byzantine.contains { $0.behaviour == .introducer }
        var chance = Chance(seed: plan.seed)
        links = Network(plan: plan, twinned: population.twinned, fates: fates, chance: chance.split())
        air = Air(plan: plan, places: population.places)
        hosts = population.keys.map { _ in
            Host(chance: chance.split(), limits: plan.outputLimits)
        }
        for host in Set(plan.byzantine.map(\.host)).sorted() {
            let behaviours = plan.byzantine.filter { $0.host == host }.map(\.behaviour)
            hosts[host].adversary = adversary(behaviours, chance: chance.split())
        }
        for twin in plan.hosts..<hosts.count { hosts[twin].adversary = Twin() }
        self.chance = chance
        strangersChance = Chance(seed: plan.seed &+ 0x7374_7261)
        for member in plan.byzantine { injected["byzantine.\(member.behaviour.rawValue)", default: 0] += 1 }
        for host in hosts.indices where !hosts[host].isHonest {
            add(.tick, to: host, at: now + Self.tickPeriod)
        }
        for fault in plan.faults {
            add(.begin(fault), to: 0, at: .origin + .milliseconds(fault.at))
            add(.end(fault), to: 0, at: .origin + .milliseconds(fault.until))
        }
        add(.lift, to: 0, at: .origin + .milliseconds(plan.healsAt + 1))
        for host in hosts.indices { start(host) }
        links.leader = hosts[0].node.flatMap { population.ids.firstIndex(of: $0.firstLeader) }
        if plan.clients.transfersPerSecond > 0 { add(.clients, to: 0, at: now + .seconds(1)) }
        if plan.radio.lossPermille > 0 { injected["radio.loss"] = 1 }
        if !plan.radio.silent.isEmpty { injected["radio.silent"] = 1 }
        if !plan.radio.farm.isEmpty { injected["radio.farm"] = 1 }
    }

    /// Runs to the plan's last epoch, or until something is wrong.
    public func run(progress: (Progress) -> Void = { _ in }) -> Outcome {
        let healsAt = Instant.origin + .milliseconds(plan.healsAt)
        var epoch = 0
        while witness.violations.isEmpty, epoch < plan.epochs || now < healsAt || !hasShownHealing(epoch),
            let next = agenda.next()
        {
            now = max(now, next.at)
            if max(lastProgress, healsAt) + .milliseconds(plan.patience) < now {
                witness.report(
                    "liveness", "no progress after epoch \(commonEpoch): \(standing)", at: now, host: nil)
            }
            if agenda.count > underWayMax * hosts.count {
                witness.report("storm", "\(agenda.count) events are under way", at: now, host: nil)
            }
            happen(next.element, due: next.at)
            guard hasFinal else { continue }
            hasFinal = false
            let common = commonEpoch
            if now < healsAt { unhealedEpoch = newestFinal }
            // All are level in an epoch that became final after the faults: so they have found each other again.
            if healedEpoch == nil, now >= healsAt, UInt64(common) == newestFinal, newestFinal > unhealedEpoch
            {
                healedEpoch = newestFinal
            }
            defer { epoch = common }
            if healedEpoch == nil, now >= healsAt, UInt64(common) > unhealedEpoch + Self.epochsToLevel {
                witness.report(
                    "liveness", "never level after epoch \(unhealedEpoch): \(standing)", at: now, host: nil)
            }
            if common > epoch {
                lastProgress = now
                progress(
                    Progress(
                        epoch: common, epochs: plan.epochs,
                        virtualMilliseconds: (now - .origin).milliseconds, events: events))
            }
        }
        if witness.violations.isEmpty, epoch < plan.epochs {
            witness.report("liveness", "nothing happens any more: \(standing)", at: now, host: nil)
        }
        if witness.violations.isEmpty { compareWithExpectations() }
        let honest = hosts.indices.filter { hosts[$0].isHonest }
        let full = honest.filter { !isEdge($0) }
        for host in honest where isEdge(host) { checkInclusions(of: host) }
        for host in isLarge ? Array(full.suffix(Self.auditsOfLarge)) : full {
            witness.checkRegistry(of: hosts[host].disk, at: now, host: host)
            witness.checkAccounts(of: hosts[host].disk, at: now, host: host)
            // It executes with the same code that the nodes do.
            withEveryRule { witness.audit(hosts[host].disk, host: host, at: now, shared: sharedWork) }
        }
        return outcome
    }

    /// Events that lie ahead, of each host: whatever makes more answers another without end, and would only end with the memory.
    var underWayMax = 20_000
    /// A block became final somewhere since the last look, or a host was lost or found that the others count on.
    var hasFinal = true
    var newestFinal: UInt64 = 0
    /// The newest epoch while there were faults.
    private var unhealedEpoch: UInt64 = 0
    /// The newest epoch when all had caught up, after all faults had ended.
    var healedEpoch: UInt64?

    /// Epochs in which the others must have been found again.
    private static let epochsToLevel: UInt64 = 20

    private func hasShownHealing(_ epoch: Int) -> Bool {
        guard plan.epochsAfterHealing > 0 else { return true }
        return healedEpoch.map { epoch >= Int($0) + plan.epochsAfterHealing } ?? false
    }

    /// Views that an epoch may take once everything is well: each dishonest leader costs one, and so may whoever is
    /// late.
    var viewsMax: Int { (plan.validators - 1) / 3 + 2 }

    var commonEpoch: Int {
        let full =
            hosts.indices.lazy.filter { !self.isEdge($0) && self.hosts[$0].isSound }
            .map { Int(self.hosts[$0].disk.lastEpoch) }.min() ?? 0
        return plan.edges > 0 ? min(full, edgeProgress.least) : full
    }

    /// How far every host is, for whoever looks into a stall.
    private var standing: String {
        hosts.enumerated().map { index, host in
            guard let view = host.machine?.view else { return "\(index) down" }
            let voter = host.node?.isVoter == true ? "" : " observes"
            let honest = host.isHonest ? "" : " dishonest"
            return "\(index) epoch \(view.openEpoch) \(view.peers.count) peers\(voter)\(honest)"
        }.joined(separator: ", ")
    }

    var outcome: Outcome {
        var outcome = Outcome()
        outcome.violations = witness.violations
        outcome.audit = audit
        outcome.epochsFinal = commonEpoch
        outcome.epochsHealed = healedEpoch.map { max(0, commonEpoch - Int($0) - 1) } ?? 0
        outcome.virtualMilliseconds = (now - .origin).milliseconds
        outcome.events = events
        outcome.deliveries = deliveries
        outcome.views = witness.views
        outcome.splitViews = witness.splitViews
        outcome.committees = witness.committeeCount
        outcome.certificatesChecked = witness.certificatesChecked
        outcome.finalityMilliseconds = finality
        outcome.deltaMilliseconds = plan.deltaMilliseconds
        outcome.bytesSent = links.bytesSent
        outcome.hosts = plan.hosts
        outcome.edges = plan.edges
        outcome.bytesByEdges = links.bytesSentBy[plan.fullHosts..<plan.hosts].reduce(0, +)
        outcome.bytesToEdges = bytesToEdges
        for host in hosts {
            for (name, value) in host.edge?.counters ?? [] where value > 0 {
                outcome.edgeCounters[name, default: 0] += value
            }
        }
        outcome.sessionCounters = sessionCounters
        outcome.injected = injected.merging(links.injected) { $0 + $1 }
        outcome.verdicts = hosts.first(where: \.isHonest)?.disk.verdicts ?? [:]
        outcome.lost = links.lost
        outcome.ignored = ignored
        outcome.spread = spread.summary
        outcome.transfers = transfers
        outcome.bundlesSigned = witness.bundlesSigned
        outcome.bundlesIncluded = witness.bundlesIncluded(in: hosts.first(where: \.isHonest)?.disk)
        return outcome
    }

    var sessionCounters: [String: UInt64] {
        var sums: [String: UInt64] = [:]
        for host in hosts {
            for (name, value) in host.carrier?.counters ?? [] where value > 0 {
                sums[name, default: 0] += value
            }
        }
        return sums
    }

    // MARK: Time

    func add(_ what: What, to host: Int, at instant: Instant) {
        agenda.add(Appointment(host: host, what: what), at: max(now, instant))
    }

    private func note(_ value: UInt64) { audit = (audit ^ value) &* 0x0000_0100_0000_01B3 }

    private func happen(_ appointment: Appointment, due: Instant) {
        let index = appointment.host
        let host = hosts[index]
        switch appointment.what {
        case .event(let event, let life):
            guard life == host.life else { return }
            arrive(.event(event), at: index)
        case .datagram(let bytes, let source, let life):
            guard life == host.life else { return }
            arrive(.datagram(bytes, from: source), at: index)
        case .wake:
            guard host.wakesAt == due, !host.isPaused else { return }
            host.wakesAt = .never
            wakeCarriers(of: index)
            handle(.woke, at: index)
        case .committed(let life):
            guard life == host.life else { return }
            committed(index)
        case .begin(let fault): begin(fault)
        case .end(let fault): end(fault)
        case .lift: lift()
        case .disturb(let fault): disturb(index, by: fault)
        case .spoof(let fault): spoof(fault)
        case .clients:
            submit()
            add(.clients, to: 0, at: now + .seconds(1) / plan.clients.transfersPerSecond)
        case .tick:
            add(.tick, to: index, at: now + Self.tickPeriod)
            guard host.isUp, !host.isHonest else { return }
            var scene = scene(of: index)
            host.adversary!.tick(scene: &scene)
            leave(scene, from: index)
        }
    }

    func arrive(_ arrival: Host.Arrival, at index: Int) {
        let host = hosts[index]
        if host.isPaused {
            if host.missed.count < Host.missedMax { host.missed.append(arrival) }
            return
        }
        switch arrival {
        case .datagram(let bytes, let source):
            deliveries += 1
            if isEdge(index) { bytesToEdges += UInt64(bytes.count) }
            note(Self.mixture(bytes))
            receive(bytes, from: source, at: index)
        case .event(let event):
            if case .radioHeard(let payload, let measurement) = event, !host.isHonest {
                var scene = scene(of: index)
                host.adversary!.hear(payload, measurement, scene: &scene)
                leave(scene, from: index)
            }
            handle(event, at: index)
        }
    }

    /// Every octet counts, eight at a time.
    static func mixture(_ bytes: [UInt8]) -> UInt64 {
        let span = bytes.octetBytes
        var mixed = UInt64(bytes.count)
        var place = 0
        while place + 8 <= span.byteCount {
            let word = unsafe span.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)
            mixed = (mixed ^ UInt64(littleEndian: word)) &* 0x9E37_79B9_7F4A_7C15
            mixed ^= mixed >> 29
            place += 8
        }
        for byte in bytes[place...] { mixed = mixed &* 31 &+ UInt64(byte) }
        return mixed
    }

    func handle(_ event: NodeEvent, at index: Int) {
        let host = hosts[index]
        guard host.isUp else { return }
        events += 1
        note(UInt64(bitPattern: now.nanoseconds) &+ UInt64(index) << 48)
        var actions: [NodeAction] = []
        let reading = host.clock.reading(at: now)
        if let node = host.node {
            node.handle(event, at: reading, actions: &actions)
        } else {
            host.edge!.handle(event, at: reading, actions: &actions)
        }
        carryOut(actions, of: index)
    }

    // MARK: Verifying

    func verify(_ checks: [Check]) -> Verification {
        guard let sharedWork else { return Verification(of: checks) }
        var holds = true
        var outputs: [VRFOutput?] = []
        for check in checks {
            let found = sharedWork.verify(check)
            holds = holds && found.holds
            outputs += found.outputs
        }
        return Verification(holds: holds, outputs: outputs)
    }

    func scene(of index: Int) -> Scene {
        let host = hosts[index]
        let backdrop =
            host.backdrop
            ?? Backdrop(
                host: index, key: population.keys[index], vrfKey: population.vrfKeys[index],
                genesis: population.genesis, network: network,
                endpoints: (0..<plan.hosts).map { Network.endpoint(of: $0) }, ids: population.ids,
                delta: .milliseconds(plan.deltaMilliseconds))
        host.backdrop = backdrop
        return Scene(
            backdrop, now: now, peers: host.node?.places ?? [], openEpoch: host.machine?.openEpoch ?? 1,
            chance: chance.split())
    }
}
