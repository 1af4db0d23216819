internal import Bytes
internal import Chance
internal import Coverage
internal import HeapModule
internal import Identity
internal import Node
internal import Wire

/// Whole nodes in virtual time on one thread: equal plans give equal runs, byte for byte.
///
/// The nodes, their order of sends and commits (`OutputQueue`), their signatures and proofs are the real ones; the
/// network, the air, disks, clocks and the hosts' fates are the plan's. Honest nodes are watched at every event.
public final class World {
    enum What {
        case event(NodeEvent, life: Int)
        case wake
        case committed(life: Int)
        case begin(Fault)
        case end(Fault)
        case tick
    }

    struct Entry: Comparable {
        let at: Instant
        let serial: UInt64
        let host: Int
        let what: What

        static func < (left: Entry, right: Entry) -> Bool {
            (left.at, left.serial) < (right.at, right.serial)
        }

        static func == (left: Entry, right: Entry) -> Bool { left.serial == right.serial }
    }

    let plan: Plan
    let population: Population
    let network: Digest
    var hosts: [Host]
    var links: Network
    var air: Air
    var witness = Witness()
    var verified: [Check: Verification] = [:]
    var now = Instant.origin
    private var agenda = Heap<Entry>()
    private var serial: UInt64 = 0
    private var chance: Chance
    private var audit: UInt64 = 0xCBF2_9CE4_8422_2325
    private var events: UInt64 = 0
    private var deliveries: UInt64 = 0
    private var injected: [String: UInt64] = [:]
    private var finality: [Int] = []
    private var lastProgress = Instant.origin
    /// Only of large worlds: in small ones every node executes every block itself.
    private let sharedWork: SharedWork?
    private static let sharingHostsMin = 50

    /// What was verified is remembered up to here.
    private static let verifiedMax = 1 << 16
    private static let tickPeriod: Duration = .milliseconds(100)

    public init(plan: Plan) {
        precondition(plan.hosts > 0 && plan.hosts < 1 << 16)
        self.plan = plan
        population = Population(plan: plan)
        network = population.genesis.network
        let isLarge = plan.hosts >= Self.sharingHostsMin && !plan.verifiesEveryTime
        sharedWork = isLarge ? SharedWork() : nil
        chance = Chance(seed: plan.seed)
        links = Network(plan: plan, chance: chance.split())
        air = Air(plan: plan, places: population.places)
        hosts = (0..<plan.hosts).map { _ in Host() }
        for member in plan.byzantine {
            hosts[member.host].adversary = adversary(member.behaviour, chance: chance.split())
            injected["byzantine.\(member.behaviour.rawValue)", default: 0] += 1
            add(.tick, to: member.host, at: now + Self.tickPeriod)
        }
        for fault in plan.faults {
            add(.begin(fault), to: 0, at: .origin + .milliseconds(fault.at))
            add(.end(fault), to: 0, at: .origin + .milliseconds(fault.until))
        }
        for host in hosts.indices { start(host) }
    }

    /// Runs to the plan's last epoch, or until something is wrong.
    public func run(progress: (Progress) -> Void = { _ in }) -> Outcome {
        let healsAt = Instant.origin + .milliseconds(plan.healsAt)
        var epoch = 0
        while witness.violations.isEmpty, !isDone, let next = agenda.popMin() {
            now = next.at
            if max(lastProgress, healsAt) + .milliseconds(plan.patience) < now {
                let common = commonEpoch
                witness.report("liveness", "no progress after epoch \(common)", at: now, host: nil)
            }
            happen(next)
            if commonEpoch > epoch {
                epoch = commonEpoch
                lastProgress = now
                progress(
                    Progress(
                        epoch: epoch, epochs: plan.epochs,
                        virtualMilliseconds: (now - .origin).milliseconds, events: events))
            }
        }
        for host in hosts.indices where hosts[host].adversary == nil {
            witness.audit(hosts[host].disk, genesis: population.genesis, host: host, at: now)
        }
        return outcome
    }

    private var commonEpoch: Int {
        hosts.lazy.filter { $0.adversary == nil }.map { Int($0.disk.lastEpoch) }.min() ?? 0
    }

    private var isDone: Bool {
        now >= .origin + .milliseconds(plan.healsAt) && commonEpoch >= plan.epochs
    }

    private var outcome: Outcome {
        var outcome = Outcome()
        outcome.violations = witness.violations
        outcome.audit = audit
        outcome.epochsFinal = commonEpoch
        outcome.virtualMilliseconds = (now - .origin).milliseconds
        outcome.events = events
        outcome.deliveries = deliveries
        outcome.views = witness.views
        outcome.finalityMilliseconds = finality
        outcome.deltaMilliseconds = plan.deltaMilliseconds
        outcome.bytesSent = links.bytesSent
        outcome.hosts = plan.hosts
        outcome.injected = injected.merging(links.injected) { $0 + $1 }
        outcome.verdicts = hosts.first { $0.adversary == nil }?.disk.verdicts ?? [:]
        outcome.lost = links.lost
        return outcome
    }

    // MARK: Time

    func add(_ what: What, to host: Int, at instant: Instant) {
        serial += 1
        agenda.insert(Entry(at: max(now, instant), serial: serial, host: host, what: what))
    }

    private func note(_ value: UInt64) { audit = (audit ^ value) &* 0x0000_0100_0000_01B3 }

    private func happen(_ entry: Entry) {
        let host = entry.host
        switch entry.what {
        case .event(let event, let life):
            guard life == hosts[host].life else { return }
            arrive(event, at: host)
        case .wake:
            guard hosts[host].wakesAt == entry.at, !hosts[host].isPaused else { return }
            hosts[host].wakesAt = .never
            handle(.woke, at: host)
        case .committed(let life):
            guard life == hosts[host].life else { return }
            committed(host)
        case .begin(let fault): begin(fault)
        case .end(let fault): end(fault)
        case .tick:
            add(.tick, to: host, at: now + Self.tickPeriod)
            guard hosts[host].node != nil, var actor = hosts[host].adversary else { return }
            var scene = scene(of: host)
            actor.tick(scene: &scene)
            hosts[host].adversary = actor
            leave(scene, from: host)
        }
    }

    private func arrive(_ event: NodeEvent, at host: Int) {
        if hosts[host].isPaused {
            if hosts[host].missed.count < Host.missedMax { hosts[host].missed.append(event) }
            return
        }
        if case .datagram(let bytes, let source) = event {
            deliveries += 1
            note(bytes.reduce(UInt64(bytes.count)) { $0 &* 31 &+ UInt64($1) })
            if var actor = hosts[host].adversary, let datagram = try? Datagram(decoding: bytes.octetBytes) {
                var scene = scene(of: host)
                let passes = actor.receive(datagram, from: source, scene: &scene)
                hosts[host].adversary = actor
                leave(scene, from: host)
                guard passes else { return }
            }
        }
        handle(event, at: host)
    }

    func handle(_ event: NodeEvent, at host: Int) {
        guard let node = hosts[host].node else { return }
        events += 1
        note(UInt64(bitPattern: now.nanoseconds) &+ UInt64(host) << 48)
        var actions: [NodeAction] = []
        node.handle(event, at: hosts[host].clock.reading(at: now), actions: &actions)
        carryOut(actions, of: host)
    }

    // MARK: Lives

    func start(_ host: Int) {
        hosts[host].life += 1
        hosts[host].outputs = OutputQueue()
        hosts[host].committing = []
        let first = host == 0 ? 1 : 0
        var settings = NodeSettings(
            roles: population.roles[host], endpoint: Network.endpoint(of: host),
            bootstrap: first < plan.hosts ? [(population.ids[first], Network.endpoint(of: first))] : [],
            region: nil, recordSequence: UInt64(hosts[host].life))
        settings.delta = .milliseconds(plan.deltaMilliseconds)
        var actions: [NodeAction] = []
        do {
            hosts[host].node = try Node(
                genesis: population.genesis, key: population.keys[host], vrfKey: population.vrfKeys[host],
                settings: settings, boot: hosts[host].disk.boot, chance: chance.split(),
                now: hosts[host].clock.reading(at: now), sharedWork: sharedWork, actions: &actions)
        } catch {
            return witness.report("boot", "\(error)", at: now, host: host)
        }
        carryOut(actions, of: host)
    }

    private func crash(_ host: Int) {
        hosts[host].node = nil
        hosts[host].life += 1
        hosts[host].outputs = OutputQueue()
        hosts[host].committing = []
        hosts[host].missed = []
    }

    private func begin(_ fault: Fault) {
        injected[fault.kind.rawValue, default: 0] += 1
        links.begin(fault)
        for host in fault.hosts where hosts.indices.contains(host) {
            switch fault.kind {
            case .crash: crash(host)
            case .pause: hosts[host].isPaused = true
            case .jump:
                hosts[host].clock.set(aheadBy: .milliseconds(fault.amount), at: now)
                rearm(host)
            case .skew:
                hosts[host].clock.set(partsPerMillion: Int64(fault.amount), at: now)
                rearm(host)
            case .partition, .cut, .clog, .loss, .slowDisk: break
            }
        }
    }

    private func end(_ fault: Fault) {
        links.end(fault)
        for host in fault.hosts where hosts.indices.contains(host) {
            switch fault.kind {
            case .crash: if hosts[host].node == nil { start(host) }
            case .pause:
                hosts[host].isPaused = false
                let missed = hosts[host].missed
                hosts[host].missed = []
                for event in missed { arrive(event, at: host) }
                handle(.woke, at: host)
            case .skew:
                hosts[host].clock.set(partsPerMillion: 0, at: now)
                rearm(host)
            case .partition, .cut, .clog, .loss, .slowDisk, .jump: break
            }
        }
    }

    // MARK: Out

    private func carryOut(_ actions: [NodeAction], of host: Int) {
        let life = hosts[host].life
        for action in actions {
            switch action {
            case .send(let bytes, let endpoint): hosts[host].outputs.send(bytes, to: endpoint)
            case .persist(let persisted): hosts[host].outputs.persist(persisted)
            case .verify(let ticket, let checks):
                let answer = NodeEvent.verified(ticket: ticket, verify(checks))
                add(.event(answer, life: life), to: host, at: soon(plan.workerMillisecondsMax))
            case .transmit(let transmission): transmit(transmission, by: host)
            case .serve(let request, let peer):
                let answer = NodeEvent.served(hosts[host].disk.answer(request), to: peer)
                add(.event(answer, life: life), to: host, at: soon(plan.diskMillisecondsMax))
            case .notice(let notice): hear(notice, of: host)
            }
        }
        pump(host)
        rearm(host)
    }

    private func soon(_ millisecondsMax: Int) -> Instant {
        now + chance.duration(in: .zero ... .milliseconds(millisecondsMax))
    }

    private func pump(_ host: Int) {
        var leaving: [(bytes: [UInt8], to: Endpoint)] = []
        let batch = hosts[host].outputs.pump { leaving.append(($0, $1)) }
        for (bytes, endpoint) in leaving { leave(bytes, to: endpoint, from: host) }
        guard let batch else { return }
        hosts[host].committing = batch
        let slow = plan.faults.filter {
            $0.kind == .slowDisk && $0.hosts.contains(host)
                && (.origin + .milliseconds($0.at) ... .origin + .milliseconds($0.until)).contains(now)
        }.map(\.amount).max()
        add(.committed(life: hosts[host].life), to: host, at: soon(slow ?? plan.diskMillisecondsMax))
    }

    private func committed(_ host: Int) {
        let batch = hosts[host].committing
        hosts[host].committing = []
        hosts[host].disk.commit(batch)
        // Every bound and every invariant of the host's machines; ends the process where one is broken.
        hosts[host].node?.assertInvariants()
        for case .final(let final) in batch where hosts[host].adversary == nil {
            witness.final(final.final, at: now, host: host)
            if final.millisecondsToFinal > 0 { finality.append(Int(final.millisecondsToFinal)) }
        }
        hosts[host].outputs.committed()
        pump(host)
    }

    /// A datagram of the host's own node, past whoever stands between it and the network.
    private func leave(_ bytes: [UInt8], to endpoint: Endpoint, from host: Int) {
        guard var actor = hosts[host].adversary else {
            if let datagram = try? Datagram(decoding: bytes.octetBytes) {
                witness.heard(
                    datagram, by: population.ids[host], host: host, disk: hosts[host].disk, at: now)
            }
            return transport(bytes, to: endpoint, from: host)
        }
        guard let datagram = try? Datagram(decoding: bytes.octetBytes) else { return }
        var scene = scene(of: host)
        actor.send(datagram, to: endpoint, scene: &scene)
        hosts[host].adversary = actor
        leave(scene, from: host)
    }

    private func leave(_ scene: Scene, from host: Int) {
        for (bytes, endpoint) in scene.outbox { transport(bytes, to: endpoint, from: host) }
    }

    private func transport(_ bytes: [UInt8], to endpoint: Endpoint, from host: Int) {
        var arrivals: [Arrival] = []
        links.send(bytes, from: host, to: endpoint, at: now, &arrivals)
        for arrival in arrivals {
            // A datagram finds whatever life the host then has.
            guard hosts.indices.contains(arrival.host) else { continue }
            add(
                .event(.datagram(arrival.bytes, from: arrival.source), life: hosts[arrival.host].life),
                to: arrival.host, at: arrival.at)
        }
    }

    private func transmit(_ transmission: Transmission, by host: Int) {
        let life = hosts[host].life
        add(.event(.radioTransmitted(power: transmission.power), life: life), to: host, at: soon(2))
        for (receiver, measurement) in air.receptions(of: transmission, from: host) {
            add(
                .event(
                    .radioHeard(payload: transmission.payload, measurement), life: hosts[receiver].life),
                to: receiver, at: now + .milliseconds(100))
        }
    }

    private func hear(_ notice: Notice, of host: Int) {
        guard hosts[host].adversary == nil, case .diverged(let epoch, _, _) = notice else { return }
        witness.report("stateRoots", "computes another state in epoch \(epoch)", at: now, host: host)
    }

    private func rearm(_ host: Int) {
        guard let deadline = hosts[host].node?.deadline, deadline < .never else { return }
        let at = max(now, hosts[host].clock.world(at: deadline))
        guard at < hosts[host].wakesAt || hosts[host].wakesAt <= now else { return }
        hosts[host].wakesAt = at
        add(.wake, to: host, at: at)
    }

    private func verify(_ checks: [Check]) -> Verification {
        guard !plan.verifiesEveryTime else { return Verification(of: checks) }
        var holds = true
        var outputs: [VRFOutput?] = []
        for check in checks {
            let found = verified[check] ?? Verification(of: [check])
            if verified.count > Self.verifiedMax { verified.removeAll(keepingCapacity: true) }
            verified[check] = found
            holds = holds && found.holds
            outputs += found.outputs
        }
        return Verification(holds: holds, outputs: outputs)
    }

    private func scene(of host: Int) -> Scene {
        let view = hosts[host].node?.view
        return Scene(
            now: now, host: host, key: population.keys[host], vrfKey: population.vrfKeys[host],
            genesis: population.genesis, network: network,
            endpoints: hosts.indices.map { Network.endpoint(of: $0) }, ids: population.ids,
            peers: view?.peers ?? [], openEpoch: view?.openEpoch ?? 1, chance: chance.split())
    }
}
