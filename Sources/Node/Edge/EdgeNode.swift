public import Chance
import Bytes
import Coverage
import Dissemination
public import Identity
import Ledger
public import Wire

/// A hotspot or sensor that follows the chain as a light client: it beacons, witnesses and hands in its bundle, and
/// of others' only those of a few neighbours that reach no validator. What it sends and holds does not grow with the
/// network.
///
/// It is a client of validators, as a wallet is: each question opens or uses a session of its own, and validators
/// keep nothing for it but that.
///
/// - Following: one question to one uplink, seldom while nothing can have happened and quickly when a window has
///   ended; a header counts when the votes for it are verified here (`LightChain`). See `EdgeNode+Following.swift`.
/// - Upon finality of e: whether the own bundle is in block e is settled by a proof under its evidence root; then,
///   and not before, e + 1 opens for the radio, and the beacon of e may be revealed.
/// - The bundle, once durable, goes to three uplinks; see `EdgeNode+Outbox.swift`.
/// - When no validator answers, neighbours do what they can; see `EdgeNode+Neighbours.swift`, and for what it does for
///   them `EdgeNode+Keeping.swift`.
/// - Its own record in the registry and validators' cards are asked for now and then; see `EdgeNode+Errands.swift`.
///
/// The driver carries out actions as those of a `Node`. Not safe for use from several threads; one driver owns it.
public final class EdgeNode {
    /// Jobs at the workers at one time: an edge node asks one thing at a time, and each answer is one job or two.
    static let ticketsMax = 64

    /// Why a job was handed to the workers, and what to do with its answer.
    enum Purpose {
        case randomness(Digest)
        case votes(Digest, VotesPage)
        case cards([NodeRecord], from: NodeID)
        case kept(Bundle, from: Destination)
    }

    /// What went wrong, or right; tools print the name.
    enum Counter: Int, CaseIterable {
        case payloads, malformed, unasked, badSignature, backlog
        case polls, headers, skipped, committees, lies, silentUplinks
        case bundlesSigned, bundlesIncluded, bundlesMissed, refused
        /// Headers that a neighbour showed, and own bundles that one holds.
        case headersNear, handedOver
        /// For others: questions answered, bundles kept, given to a validator that holds them, given up.
        case served, kept, keptHeld, keptLost
        /// Of others: bundles that were not kept, what no edge node is asked for, and more than it has time for.
        case keptRefused, foreign, allowance
    }

    public let genesis: Genesis
    public let network: Digest
    public let id: NodeID
    /// Its own signed contact card: sessions show it to whom it speaks to.
    public let card: NodeRecord
    let key: SigningKey
    let settings: NodeSettings
    var chance: Chance

    var chain: LightChain
    var coverage: CoverageMachine
    var uplinks: Uplinks
    var neighbours: Neighbours
    /// What it does for others.
    var keeping: Keeping
    /// Its disk may hold what it kept for others.
    var mayHaveKept = false
    /// Questions about the chain that no validator answered, since one last did.
    var silence = 0
    var isNeighboursTurn = false
    /// The own device, as the registry had it after the block of `deviceEpoch`.
    var device: Device?
    var deviceEpoch: Epoch
    /// The first epoch after which the registry is asked again.
    var deviceDue: Epoch
    /// When the validators opened the open epoch, as far as is known.
    var openedAt: Instant
    /// Somebody has said when that was.
    var isAligned = false
    /// The one question about the chain that is out.
    var exchange: Exchange?
    /// A header is final, and where the own bundle stands in it is being asked.
    var settling: Settling?
    var nextPoll: Instant
    var pollDelay: Duration
    /// The highest epoch that a validator called final, and that validator: a hint, no more.
    var tip: (epoch: Epoch, at: NodeID)?
    var outbox: Outbox?
    var ownBundle: Bundle?
    /// What is asked besides, one after another.
    var errands: [Errand] = []
    var tickets: [UInt64: Purpose] = [:]
    var nextTicket: UInt64 = 1
    var hasSaidUnregistered = false
    var hasFinalised = false
    public internal(set) var isHalted = false
    public var wallTime: UInt64 = 0
    var counts = [UInt64](repeating: 0, count: Counter.allCases.count)

    /// - Parameter network: `genesis.network`, which takes long to reckon where a genesis is large.
    public init(
        genesis: Genesis, network: Digest, key: SigningKey, vrfKey: VRFKey, settings: NodeSettings,
        boot: BootRecords, chance: Chance, now: Instant, actions: inout [NodeAction]
    ) throws {
        self.genesis = genesis
        self.network = network
        id = key.nodeID
        self.key = key
        self.settings = settings
        var chance = chance
        var remembered: [Neighbour] = []
        if let record: EdgeRecord = try BootFault.restore(boot.following, "what the node followed to") {
            chain = try LightChain(genesis: genesis, network: network, record: record)
            device = record.device
            deviceEpoch = record.deviceEpoch
            remembered = record.neighbours
        } else {
            chain = LightChain(genesis: genesis, network: network)
            device = Self.device(key.nodeID, in: genesis)
            deviceEpoch = 0
        }
        // Not all edge nodes in the same epoch.
        deviceDue = device == nil ? 0 : deviceEpoch + 1 + Epoch(chance.below(Int(Self.deviceEpochs)))
        coverage = try CoverageMachine(
            settings: CoverageMachine.Settings(network: network, parameters: genesis.parameters),
            node: key.nodeID, vrfKey: vrfKey, chance: chance.split(),
            restored: BootFault.restore(boot.coverage, "the radio's record"))
        uplinks = Uplinks(
            own: key.nodeID, bootstrap: settings.bootstrap,
            remembered: boot.peers.filter { Node.check(of: $0, network: network).holds },
            chance: chance.split())
        // By chances of its own, so that all else is drawn as it would be without neighbours.
        var near = Chance(seed: Self.seed(of: chance) ^ 0x6E65_6172)
        neighbours = Neighbours(own: key.nodeID, remembered: remembered, chance: near.split())
        keeping = Keeping(chance: near.split())
        card = NodeRecord(
            node: key.nodeID, sequence: settings.recordSequence << NodeRecord.changeBits,
            epoch: chain.openEpoch - 1, roles: settings.roles, endpoints: settings.endpoints,
            region: settings.region,
            version: settings.softwareVersion
        ).signed(by: key, network: network)
        ownBundle = boot.ownBundle.flatMap { [chain] in $0.epoch == chain.openEpoch ? $0 : nil }
        if let ownBundle, ownBundle.author != key.nodeID || !Node.check(of: ownBundle, network: network).holds
        {
            throw BootFault.damaged("the own bundle of epoch \(ownBundle.epoch)")
        }
        self.chance = chance
        openedAt = now
        nextPoll = now
        pollDelay = .zero
        open(since: now, at: now, &actions)
        // Whatever this node remembers, the network may be further on.
        nextPoll = now + self.chance.duration(in: .zero...Self.pollDelayMin(genesis.parameters))
        restore(boot.bundles, at: now)
        wake(at: now, &actions)
    }

    private static func seed(of chance: Chance) -> UInt64 {
        var chance = chance
        return chance.bits()
    }

    private static func device(_ id: NodeID, in genesis: Genesis) -> Device? {
        var low = 0
        var high = genesis.devices.count
        while low < high {
            let middle = (low + high) / 2
            if genesis.devices[middle].device < id { low = middle + 1 } else { high = middle }
        }
        guard low < genesis.devices.count, genesis.devices[low].device == id else { return nil }
        let entry = genesis.devices[low]
        return Device(
            kind: entry.kind,
            versions: [
                DeviceVersion(
                    effective: 0, owner: entry.owner, vrfKey: entry.vrfKey, profile: entry.profile,
                    location: entry.location)
            ])
    }

    /// The length of an epoch's window.
    var window: Duration { .milliseconds(Int64(genesis.parameters.epochMilliseconds)) }

    /// How long an answer may take, a handshake before it included.
    var patience: Duration { max(.milliseconds(500), min(window / 4, .seconds(2))) }

    public func handle(_ event: NodeEvent, at now: Instant, actions: inout [NodeAction]) {
        switch event {
        case .payload(let bytes, let sender, let place):
            receive(bytes, from: sender, place, at: now, &actions)
        case .radioHeard(let payload, let measurement):
            run(coverage: .heard(payload: payload, measurement), at: now, &actions)
        case .radioTransmitted(let power): run(coverage: .transmitted(power: power), at: now, &actions)
        case .verified(let ticket, let verification): verified(ticket, verification, at: now, &actions)
        case .bootstrap(let list, _): uplinks.relist(list, own: id)
        // Nobody calls an edge node: where it is does not matter.
        case .observed, .lost, .served, .woke: break
        }
        wake(at: now, &actions)
    }

    /// When to send `woke`, at the latest.
    public var deadline: Instant {
        guard !isHalted else { return .never }
        let following = exchange?.deadline ?? settling?.deadline ?? nextPoll
        return min(
            min(min(coverage.deadline, following), keeping.deadline),
            min(outbox?.deadline ?? .never, errands.first?.deadline ?? .never))
    }

    private func wake(at now: Instant, _ actions: inout [NodeAction]) {
        guard !isHalted else { return }
        if coverage.deadline <= now { run(coverage: .woke, at: now, &actions) }
        follow(at: now, &actions)
        runErrands(at: now, &actions)
        runOutbox(at: now, &actions)
        runKeeping(at: now, &actions)
    }

    func count(_ counter: Counter) { counts[counter.rawValue] += 1 }

    // MARK: In and out

    /// Answers only from whom this node asks; what others ask, or hand over, in a bounded measure.
    private func receive(
        _ bytes: [UInt8], from sender: NodeID, _ place: Endpoint, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        count(.payloads)
        guard !isHalted else { return count(.unasked) }
        let isNeighbour = neighbours.isKnown(sender)
        let isUplink = uplinks.isKnown(sender)
        guard isUplink || keeping.takes(sender, isNeighbour: isNeighbour, at: now) else {
            return count(.allowance)
        }
        guard let payload = try? Payload(decoding: bytes.octetBytes) else { return count(.malformed) }
        for frame in payload.frames {
            guard case .message(let octets) = frame, Message.isForAnybody(tag: octets.first) else {
                // Of a validator only answers are as many as this node wants.
                guard !isUplink || keeping.takes(sender, isNeighbour: false, at: now) else {
                    count(.allowance)
                    continue
                }
                serve(frame, from: Destination(sender, place), at: now, &actions)
                continue
            }
            guard case .answer(let answer)? = try? Message(decoding: octets) else {
                count(.malformed)
                continue
            }
            guard isNeighbour || isUplink else {
                count(.unasked)
                continue
            }
            if awaits(answer, from: sender) {
                answered(sender, at: place, isProof: !answer.isOfHeader)
            }
            receive(answer, from: sender, at: now, &actions)
        }
    }

    /// Whether it asked for this. What nobody asked for brings no liar back before its time.
    private func awaits(_ answer: Answer, from sender: NodeID) -> Bool {
        switch answer {
        case .open, .header, .votes, .committee: exchange?.uplink == sender
        case .inclusion: exchange?.uplink == sender || settling?.asked.last == sender
        case .device, .deviceProof, .deviceProofPage, .cards: errands.first?.asked?.node == sender
        case .bundle(let id, let standing):
            outbox?.id == id && (standing == .held || outbox?.check?.node == sender)
                || keeping.bundles.contains { $0.id == id && !$0.isDone && $0.tried.last == sender }
        case .neighbours: neighbours.asked == sender
        }
    }

    private func receive(
        _ answer: Answer, from sender: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        switch answer {
        case .open, .header, .votes, .committee: advance(by: answer, from: sender, at: now, &actions)
        case .inclusion(let epoch, let proof):
            receive(inclusion: proof, of: epoch, from: sender, at: now, &actions)
        case .device, .deviceProof, .deviceProofPage, .cards:
            receive(errand: answer, from: sender, at: now, &actions)
        case .bundle(let id, let standing):
            receive(standing, of: id, from: sender, at: now, &actions)
        case .neighbours(let list):
            guard neighbours.asked == sender else { return count(.unasked) }
            // Remembered with the next header.
            neighbours.learn(list)
        }
    }

    func ask(_ question: Question, _ destination: Destination, _ actions: inout [NodeAction]) {
        say([.message(Message.question(question).encoded())], to: destination, &actions)
    }

    func say(_ frames: [Frame], to destination: Destination, _ actions: inout [NodeAction]) {
        var packer = FramePacker()
        for frame in frames { packer.add(frame) }
        for payload in packer.payloads() { actions.append(.send(payload, to: destination)) }
    }

    /// Somebody said what is not so: it is left alone for a while, and somebody else is asked.
    func lied(_ node: NodeID, _ what: String, at now: Instant, _ actions: inout [NodeAction]) {
        count(.lies)
        failed(node, at: now)
        actions.append(.notice(.uplinkLied(node, what)))
    }

    func verify(_ purpose: Purpose, _ checks: [Check], _ actions: inout [NodeAction]) {
        guard tickets.count < Self.ticketsMax else { return count(.backlog) }
        tickets[nextTicket] = purpose
        actions.append(.verify(ticket: nextTicket, checks))
        nextTicket += 1
    }

    private func verified(
        _ ticket: UInt64, _ verification: Verification, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let purpose = tickets.removeValue(forKey: ticket) else { return }
        keeping.tickets[ticket] = nil
        switch purpose {
        case .randomness(let digest):
            reckoned(verification.outputs.first ?? nil, of: digest, at: now, &actions)
        case .votes(let digest, let page):
            counted(page, holds: verification.holds, of: digest, at: now, &actions)
        case .cards(let records, let sender):
            guard verification.holds else { return count(.badSignature) }
            learn(records, from: sender, &actions)
        case .kept(let bundle, let author):
            kept(bundle, from: author, holds: verification.holds, at: now, &actions)
        }
    }

    // MARK: The radio

    func run(coverage event: CoverageMachine.Event, at now: Instant, _ actions: inout [NodeAction]) {
        var steps: [CoverageMachine.Action] = []
        coverage.handle(event, at: now, actions: &steps)
        for step in steps {
            switch step {
            case .transmit(let transmission): actions.append(.transmit(transmission))
            case .persist(let state): actions.append(.persist(.coverage(Seal.close(state.encoded()))))
            case .makeBundle(let unsigned): handIn(unsigned, &actions)
            }
        }
    }

    /// Makes durable what the chain was followed to.
    func remember(_ actions: inout [NodeAction]) {
        let record = EdgeRecord(
            last: chain.last, committee: chain.committee, next: chain.next, device: device,
            deviceEpoch: deviceEpoch, neighbours: neighbours.list)
        actions.append(.persist(.following(Seal.close(record.encoded()), last: chain.last)))
    }

    /// The epoch after the last final one opens, for the validators at `since`.
    func open(since: Instant, at now: Instant, _ actions: inout [NodeAction]) {
        let epoch = chain.openEpoch
        uplinks.open(committee: chain.openCommittee.seats.map(\.key), at: now)
        neighbours.open()
        outbox = nil
        if ownBundle?.epoch != epoch { ownBundle = nil }
        begin(since: since, at: now, &actions)
        if outbox == nil, let ownBundle { startOutbox(ownBundle, at: now) }
        plan(errandsOf: epoch, at: now)
    }

    /// The open epoch's times follow from when it opened, as far as is known now.
    func begin(since: Instant, at now: Instant, _ actions: inout [NodeAction]) {
        let epoch = chain.openEpoch
        openedAt = since
        // While it only observes it signs no bundle, so that it could declare no beacon.
        let own = epoch >= settings.votesFrom ? facts : nil
        run(coverage: .opened(epoch: epoch, randomness: chain.randomness, device: own), at: since, &actions)
        pollDelay = Self.pollDelayMin(genesis.parameters)
        nextPoll = max(now, since + window) + chance.duration(in: (pollDelay / 4)...pollDelay)
    }
}
