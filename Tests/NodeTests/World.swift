import Bytes
import Chance
import Consensus
import Coverage
import Geo
import Identity
import Ledger
import Membership
import Node
import Wire

/// What one node's disk holds: exactly what it asked to persist.
struct Disk {
    var blocks: [Epoch: (block: Block, certificate: Certificate)] = [:]
    var verdicts: [Epoch: [BeaconVerdict]] = [:]
    var rewards: [Epoch: [Reward]] = [:]
    var state: [StateKey: [UInt8]] = [:]
    var safety: [UInt8]?
    var coverage: [UInt8]?
    var open: [Bundle] = []
    var own: Bundle?
    var candidates: [Contents] = []
    var peers: [NodeRecord] = []
    var bundles: [Digest: Bundle] = [:]
    var starts: UInt64 = 0
    var fetched: [StateKey: [UInt8]?] = [:]
    var finals: [Epoch: FinalHeader] = [:]
    var committees: [Digest: Committee] = [:]
    var snapshotRecord: [UInt8]?
    /// Its node saw a vote of its own key that it does not remember.
    var hasForgotten = false
    /// What the node started from, if it adopted a state.
    var base: BootRecords?

    var lastEpoch: Epoch { blocks.keys.max() ?? 0 }

    mutating func persist(_ persisted: Persisted) {
        switch persisted {
        case .safety(let bytes): safety = bytes
        case .coverage(let bytes): coverage = bytes
        case .bundle(let bundle, let isOwn):
            open.append(bundle)
            bundles[bundle.id] = bundle
            if isOwn { own = bundle }
        case .candidate(let contents, let dropped):
            candidates.removeAll { $0.header.digest == dropped }
            candidates.append(contents)
        case .peers(let records): peers = records
        case .outbox, .following, .droppedOpen: preconditionFailure("no host here is an edge node")
        case .final(let final):
            let epoch = final.final.header.epoch
            for bundle in final.bundles { bundles[bundle.id] = bundle }
            let evidence = final.items.map { item -> EvidenceEntry in
                if let bundle = bundles[item.item] { return .bundle(bundle) }
                let pair = final.bundles.filter { $0.author == item.author }.sorted { $0.id < $1.id }
                return .conflict(pair[0], pair[1])
            }
            blocks[epoch] = (
                Block(header: final.final.header, body: final.body, evidence: evidence),
                final.final.certificate
            )
            verdicts[epoch] = final.verdicts
            rewards[epoch] = final.rewards
            for (key, value) in final.changes { set(value, for: key) }
            open = []
            candidates = []
        case .followed(let headers):
            for final in headers.finals { finals[final.header.epoch] = final }
            for committee in headers.committees { committees[committee.digest] = committee }
            snapshotRecord = headers.record
        case .fetched(let rows): for (key, value) in rows { fetched[key] = .some(value) }
        case .forgot: hasForgotten = true
        case .unfollowed(let epoch):
            finals = finals.filter { $0.key < epoch }
            snapshotRecord = nil
        case .adopted(let adopted):
            for (block, certificate) in adopted.blocks {
                blocks[block.header.epoch] = (block, certificate)
                for bundle in block.evidence.flatMap(\.bundles) { bundles[bundle.id] = bundle }
            }
            for (key, value) in adopted.changes { set(value, for: key) }
            open = []
            candidates = []
            fetched = [:]
            snapshotRecord = nil
            base = boot
        }
    }

    /// As whoever means to sign another chain does.
    mutating func forgetVotes() {
        safety = nil
        coverage = nil
        own = nil
        open = []
        candidates = []
    }

    private mutating func set(_ value: [UInt8]?, for key: StateKey) {
        state[key] = value
        guard case .committee = key, let value, let committee = try? Committee(decoding: value) else {
            return
        }
        committees[committee.digest] = committee
    }

    var boot: BootRecords {
        let last = lastEpoch
        var boot = BootRecords(
            recent: [last - min(last, 1), last].filter { $0 > 0 }.reduce(into: []) { list, epoch in
                if list.last?.header.epoch != epoch { list.append(blocks[epoch]!.block) }
            },
            lastCertificate: blocks[last]?.certificate, state: state.map { ($0.key, $0.value) },
            safety: safety,
            coverage: coverage, bundles: open, ownBundle: own, candidates: candidates, peers: peers)
        boot.snapshotRows = fetched.map { ($0.key, $0.value) }
        boot.snapshotRecord = snapshotRecord
        boot.snapshotHeaders = finals.keys.sorted().suffix(2).map { finals[$0]! }
        return boot
    }

    func answer(_ request: StoreRequest) -> [Message] {
        switch request {
        case .finality(let from, let count):
            let found = (from..<(from + Epoch(count))).compactMap { epoch in
                blocks[epoch].map { FinalHeader(header: $0.block.header, certificate: $0.certificate) }
                    ?? finals[epoch]
            }
            return found.isEmpty ? [] : [.finality(found)]
        case .committee(let digest):
            return committees[digest].map { [.snapshotAnswer(.committee($0))] } ?? []
        case .contents(let digest):
            guard let found = blocks.values.first(where: { $0.block.header.digest == digest }) else {
                return []
            }
            let items = found.block.evidence.map { EvidenceItem(author: $0.author, item: $0.item) }
            return [.contents(Contents(header: found.block.header, body: found.block.body, items: items))]
        case .bundles(let ids):
            // A store has those of blocks only.
            let entries = blocks.values.flatMap(\.block.evidence)
            return ids.flatMap { id in
                (entries.first { $0.item == id }?.bundles ?? []).map { .bundle($0) }
            }
        case .transactionStatus: return []
        }
    }
}

/// A few nodes, a network between them and a radio above them, in one thread and in made-up time.
final class World {
    struct Delivery {
        let at: Instant
        let serial: UInt64
        let host: Int
        let life: UInt64
        let event: NodeEvent
    }

    let genesis: Genesis
    let seeds: [[UInt8]]
    var sharedWork: SharedWork?
    var chance: Chance
    var now = Instant.origin
    var nodes: [Node?]
    var disks: [Disk]
    var notices: [[Notice]]
    /// Lost datagrams in a hundred.
    var lossPercent = 0
    /// Whether a payload is lost for what it says.
    var drops: (_ payload: [UInt8], _ sender: Int, _ receiver: Int) -> Bool = { _, _, _ in false }
    /// Datagrams between different sides of a partition are lost.
    var side: [Int]
    /// What a host's messages become on their way, whole ones and those in pieces; nil: nobody lies.
    var tamper: ((_ host: Int, _ message: Message) -> Message)?
    /// Pieces that wait for the rest of their message, where somebody lies.
    private var pieces: [Way: [UInt16: [UInt8]]] = [:]

    private struct Way: Hashable {
        let sender: Int
        let receiver: Int
        let message: Digest
    }

    /// Octets sent to each host.
    var bytesTo: [Int: Int] = [:]
    private var queue: [Delivery] = []
    private var serial: UInt64 = 0

    static let epochMilliseconds: UInt32 = 2_000
    /// How long contact cards are good for.
    var cardLifetime: Duration = .seconds(3_600)
    /// What a host's operator knows, from its next start on.
    var checkpoints: [Int: Checkpoint] = [:]
    /// The hosts on a host's bootstrap list, and those of them whose names nobody has looked up; else host 0 is.
    var lists: [Int: [Int]] = [:]
    var unplaced: [Int: Set<Int>] = [:]
    /// How long a host was away, if its next start is to know.
    var away: [Int: Duration] = [:]

    init(
        count: Int, chance: Chance, beaconPermille: UInt64 = 500, keptEpochs: UInt32 = 0,
        configure: (inout Parameters) -> Void = { _ in }
    ) {
        var chance = chance
        seeds = (0..<count).map { _ in chance.octets(32) }
        let keys = seeds.map { SigningKey(seed: $0.span.octetBytes) }
        let vrfs = seeds.map { VRFKey.derived(fromNodeSeed: $0.span.octetBytes) }
        var parameters = Parameters()
        parameters.epochMilliseconds = Self.epochMilliseconds
        parameters.beaconThreshold = UInt64.max / 1000 * beaconPermille
        parameters.committeeEpochs = 3
        parameters.reciprocityEpochs = 20
        configure(&parameters)
        genesis = Genesis(
            name: "world", isTest: true, parameters: parameters, randomness0: Digest(of: chance.octets(8)),
            randomness1: Digest(of: chance.octets(8)),
            accounts: keys.map { GenesisAccount(account: $0.nodeID, balance: 1_000_000_000_000) },
            devices: keys.indices.map { index in
                let place = Position(latitude: 470_000_000 + Int32(index) * 200_000, longitude: 80_000_000)!
                return GenesisDevice(
                    device: keys[index].nodeID, kind: .hotspot, owner: keys[index].nodeID,
                    vrfKey: vrfs[index].publicKey, profile: RadioProfile(region: .eu868, gain: 20),
                    location: Location(position: place, cell: Cell(containing: place, resolution: 12)))
            },
            validators: keys.indices.map {
                GenesisValidator(
                    validator: keys[$0].nodeID, owner: keys[$0].nodeID, vrfKey: vrfs[$0].publicKey,
                    stake: 1_000_000_000_000)
            }, keptEpochs: keptEpochs)
        self.chance = chance
        nodes = Array(repeating: nil, count: count)
        disks = Array(repeating: Disk(), count: count)
        notices = Array(repeating: [], count: count)
        side = Array(repeating: 0, count: count)
    }

    /// The same nodes, from what is on the disks of another world; from here on the two know nothing of each other.
    init(forkOf other: World, chance: Chance) {
        genesis = other.genesis
        seeds = other.seeds
        lists = other.lists
        now = other.now
        disks = other.disks
        self.chance = chance
        nodes = other.nodes.map { _ in nil }
        notices = other.notices.map { _ in [] }
        side = other.side
    }

    func start(_ host: Int) throws {
        disks[host].starts += 1
        let list = lists[host] ?? (host == 0 ? [] : [0])
        let placed = list.filter { unplaced[host]?.contains($0) != true }
        let bootstrap = placed.map { (key($0).nodeID, endpoint($0)) }
        var settings = NodeSettings(
            roles: [.hotspot, .validator], endpoints: [endpoint(host)], bootstrap: bootstrap, region: nil,
            recordSequence: disks[host].starts)
        settings.membership.lifetime = cardLifetime
        settings.checkpoint = checkpoints[host]
        settings.sinceFinal = away[host] ?? .zero
        settings.listed = list.map { key($0).nodeID }
        var actions: [NodeAction] = []
        nodes[host] = try Node(
            genesis: genesis, key: key(host),
            vrfKey: vrfKey(host), settings: settings,
            boot: disks[host].boot, chance: chance.split(), now: now,
            sharedWork: sharedWork, actions: &actions)
        carryOut(actions, of: host)
    }

    func key(_ host: Int) -> SigningKey {
        let seed = seeds[host]
        return SigningKey(seed: seed.span.octetBytes)
    }

    func vrfKey(_ host: Int) -> VRFKey {
        let seed = seeds[host]
        return VRFKey.derived(fromNodeSeed: seed.span.octetBytes)
    }

    /// As a power cut would: only the disk is left.
    func crash(_ host: Int) { nodes[host] = nil }

    func endpoint(_ host: Int) -> Endpoint { .loopback(port: UInt16(4_000 + host)) }

    /// Runs until `isDone`, or gives up after so much made-up time.
    @discardableResult
    func run(for limit: Duration, until isDone: () -> Bool = { false }) -> Bool {
        let end = now + limit
        while now < end {
            if isDone() { return true }
            step(before: end)
        }
        return isDone()
    }

    private func step(before end: Instant) {
        var nextWake = Instant.never
        var waker = 0
        for (host, node) in nodes.enumerated() {
            if let deadline = node?.deadline, deadline < nextWake { (nextWake, waker) = (deadline, host) }
        }
        let nextDelivery = queue.indices.min { left, right in
            (queue[left].at, queue[left].serial) < (queue[right].at, queue[right].serial)
        }
        if let nextDelivery, queue[nextDelivery].at <= nextWake {
            let delivery = queue.remove(at: nextDelivery)
            now = max(now, delivery.at)
            guard delivery.at <= end, delivery.life == disks[delivery.host].starts else { return }
            handle(delivery.event, at: delivery.host)
        } else if nextWake < end {
            now = max(now, nextWake)
            handle(.woke, at: waker)
        } else {
            now = end
        }
    }

    func handle(_ event: NodeEvent, at host: Int) {
        guard let node = nodes[host] else { return }
        var actions: [NodeAction] = []
        node.handle(event, at: now, actions: &actions)
        node.assertInvariants()
        carryOut(actions, of: host)
    }

    func carryOut(_ actions: [NodeAction], of host: Int) {
        for action in actions {
            switch action {
            case .send(let payload, let destination):
                let receiver = Int(destination.endpoint.port) - 4_000
                guard nodes.indices.contains(receiver), side[host] == side[receiver] else { continue }
                bytesTo[receiver, default: 0] += payload.count
                guard !chance.happens(lossPercent, in: 100), !drops(payload, host, receiver) else { continue }
                for payload in tampered(payload, by: host, to: receiver) {
                    deliver(
                        .payload(payload, from: key(host).nodeID, self.endpoint(host)), to: receiver,
                        in: 1...20)
                }
            case .card, .hold, .release: break
            case .persist(let persisted): disks[host].persist(persisted)
            case .verify(let ticket, let checks):
                deliver(.verified(ticket: ticket, Verification(of: checks)), to: host, in: 0...2)
            case .transmit(let transmission):
                deliver(.radioTransmitted(power: transmission.power), to: host, in: 1...2)
                for other in nodes.indices where other != host {
                    let measured = Measurement(
                        rssi: -1_000 - Int16(chance.below(50)), snr: 50, frequency: transmission.frequency,
                        dataRate: transmission.dataRate)
                    deliver(.radioHeard(payload: transmission.payload, measured), to: other, in: 5...50)
                }
            case .serve(let request, let peer):
                deliver(.served(disks[host].answer(request), to: peer), to: host, in: 1...5)
            case .notice(let notice): notices[host].append(notice)
            }
        }
    }

    /// What comes of a payload: a message in pieces leaves when the last of them does, as only a whole one can be told from
    /// its lie.
    private func tampered(_ payload: [UInt8], by host: Int, to receiver: Int) -> [[UInt8]] {
        guard let tamper, let read = try? Payload(decoding: payload.octetBytes) else { return [payload] }
        func told(_ octets: [UInt8]) -> [Frame] {
            Self.frames((try? Message(decoding: octets)).map { tamper(host, $0).encoded() } ?? octets)
        }
        var frames: [Frame] = []
        var more: [Frame] = []
        for frame in read.frames {
            switch frame {
            case .message(let octets):
                let told = told(octets)
                if told.count == 1 { frames += told } else { more += told }
            case .chunk(let chunk):
                let way = Way(sender: host, receiver: receiver, message: chunk.message)
                if let octets = whole(chunk, way) { more += told(octets) }
            default: frames.append(frame)
            }
        }
        if frames == read.frames { return [payload] }
        return ((frames.isEmpty ? [] : [frames]) + more.map { [$0] }).map { Payload(frames: $0).encoded() }
    }

    /// The message, with its last piece.
    private func whole(_ chunk: Chunk, _ way: Way) -> [UInt8]? {
        pieces[way, default: [:]][chunk.index] = chunk.octets
        guard let known = pieces[way], known.count == Int(chunk.count) else { return nil }
        pieces[way] = nil
        return (0..<chunk.count).flatMap { known[$0]! }
    }

    private static func frames(_ octets: [UInt8]) -> [Frame] {
        guard octets.count > Frame.messageByteCountMax else { return [.message(octets)] }
        let starts = Array(stride(from: 0, to: octets.count, by: Chunk.byteCountMax))
        return starts.enumerated().map { index, start in
            let end = min(start + Chunk.byteCountMax, octets.count)
            return .chunk(
                Chunk(
                    message: Digest(of: octets), index: UInt16(index), count: UInt16(starts.count),
                    octets: Array(octets[start..<end])))
        }
    }

    func deliver(_ event: NodeEvent, to host: Int, in milliseconds: ClosedRange<Int>) {
        serial += 1
        let delay = milliseconds.lowerBound + chance.below(milliseconds.count)
        queue.append(
            Delivery(
                at: now + .milliseconds(delay), serial: serial, host: host, life: disks[host].starts,
                event: event))
    }

    // MARK: What must hold

    /// The highest epoch final at every running node.
    var commonEpoch: Epoch {
        nodes.indices.filter { nodes[$0] != nil }.map { disks[$0].lastEpoch }.min() ?? 0
    }

    /// Epochs in which two disks hold different headers.
    var forks: [Epoch] {
        (1...max(1, disks.map(\.lastEpoch).max() ?? 1)).filter { epoch in
            Set(disks.compactMap { $0.blocks[epoch]?.block.header.digest }).count > 1
        }
    }

    var alarms: [String] {
        notices.flatMap { $0 }.compactMap { notice in
            switch notice {
            case .alarm(let what): what
            case .diverged(let epoch, _, _): "diverged at \(epoch)"
            default: nil
            }
        }
    }

    /// Executes a disk's chain again from genesis, trusting nothing.
    func verify(_ host: Int) throws {
        let base = disks[host].base
        var replay = try base.map { try Replay(genesis: genesis, from: $0) } ?? Replay(genesis: genesis)
        if let base {
            // Nothing but the headers says that this is the network's state.
            var headers = HeaderChain(genesis: genesis)
            for epoch in 1...replay.lastEpoch {
                let known = disks[host].blocks[epoch].map {
                    FinalHeader(header: $0.block.header, certificate: $0.certificate)
                }
                _ = try headers.check(disks[host].finals[epoch] ?? known!) { disks[host].committees[$0] }
            }
            guard headers.last == base.recent.last?.header else { throw BootFault.damaged("the base") }
        }
        for epoch in stride(from: replay.lastEpoch + 1, through: disks[host].lastEpoch, by: 1) {
            let (block, certificate) = disks[host].blocks[epoch]!
            _ = try replay.check(block, certificate: certificate)
        }
        try replay.compare(with: disks[host].state.map { ($0.key, $0.value) })
    }
}
