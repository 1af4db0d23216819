public import Chance
import Bytes
import Consensus
import Coverage
import Dissemination
public import Identity
import Ledger
import Membership
import Reconciliation
import Rules
public import Wire

/// One node: membership, dissemination, consensus, coverage and ledger, composed without I/O.
///
/// - Upon a payload: decode, drop what is malformed or a stranger's, deduplicate, hand signatures to workers; nothing
///   is stored or forwarded before it is verified. Who sent it is certain: a session proved it.
/// - Upon finality of block e: execute it, make it durable, open epoch e + 1 for every machine.
/// - Upon a header: fetch what stands behind it, check, execute, and tell consensus the judgement.
///
/// The driver carries out actions in their order, and makes `persist` durable before any later `send` leaves.
/// Not safe for use from several threads; one driver owns it.
public final class Node {
    /// Jobs at the workers at one time: above it, work that a stranger caused is dropped and counted.
    static let ticketsMax = 8_192
    /// Beyond them, those that the next block waits for: candidates of this epoch and the last ones, and one header.
    static let owedTicketsMax = 4 * Candidates.max
    /// Of one payload of whoever is no peer, as some are answered each by itself: a stranger has one thing to say at a time.
    static let strangersFramesMax = 4
    /// Final headers kept for peers that are a little behind.
    static let recentFinalsMax = 32

    /// Why a job was handed to the workers, and what to do with its answer.
    enum Purpose {
        /// Contact cards are in it.
        case membership(Membership.Event)
        /// `teller` is the peer that sent it; nil if no peer did.
        case bundle(
            Bundle, ShortID?, vrf: [Chain.VRFCheckKey], teller: NodeID?, replyTo: Destination?)
        case transaction(Transaction, ShortID?, teller: NodeID?, replyTo: Destination?)
        case consensus(Message, ShortID, from: NodeID)
        case finality(FinalHeader, from: NodeID)
        case candidate(Digest)
        case snapshotHeader(FinalHeader, Committee, from: NodeID)
        case snapshotBundle(Bundle, from: NodeID)

        /// Of a message that dissemination holds until it is judged.
        var short: ShortID? {
            switch self {
            case .bundle(_, let short, _, _, _), .transaction(_, let short, _, _): short
            case .consensus(_, let short, _): short
            case .membership, .finality, .candidate, .snapshotHeader, .snapshotBundle: nil
            }
        }
    }

    public let genesis: Genesis
    public let network: Digest
    public let id: NodeID
    /// Its own signed contact card.
    public internal(set) var card: NodeRecord
    let key: SigningKey
    let vrfKey: VRFKey
    var settings: NodeSettings
    /// What the nodes of one process share; nil for a node that is alone in its own.
    let sharedWork: SharedWork?
    var chance: Chance

    var chain: Chain
    var pool: EvidencePool
    /// The pool of the epoch before, for peers that still ask.
    var previousPool: EvidencePool?
    var candidates = Candidates()
    var transactions: TransactionPool
    var membership: Membership
    var dissemination: Dissemination
    var reconciler: Reconciler
    /// Whether the open epoch's evidence was compared with others' since its window closed.
    var gathering = Gathering()
    /// As they were when the reconciler was last told.
    var cards = SharedCards()
    var listSketches = ListSketches()
    var simplex: Simplex
    var coverage: CoverageMachine
    var leaders: [Int] = []
    /// Of the last final block; nil at genesis.
    var finalityVotes: FinalityVotes?
    /// False while a copy of this store may be voting: see `NodeSettings.votesFrom`.
    public internal(set) var isVoter: Bool
    /// The machines' deadlines, as they were when each last did something.
    var due = Due()

    struct Due {
        var membership = Instant.origin
        var dissemination = Instant.origin
        var reconciler = Instant.origin
        var simplex = Instant.origin
        var coverage = Instant.origin

        var earliest: Instant { min(min(min(membership, dissemination), min(simplex, coverage)), reconciler) }
    }

    var endpoints: [NodeID: Endpoint] = [:]
    /// Connected peers in the order of their keys.
    var peers: [NodeID] = []
    var tickets: [UInt64: Purpose] = [:]
    var nextTicket: UInt64 = 1
    var ticketShares = TicketShares()
    var recentFinals: [FinalHeader] = []
    var statuses = TransactionStatuses()
    /// What is asked of this node by peers.
    var answerDesk = AnswerDesk()
    var windowEnds: Instant = .never
    /// The accounts whose unstakings were here, and due in the open epoch's block, when its window began.
    var unstakersDue: [NodeID] = []
    var ownBundle: Bundle?
    /// Finalised headers fetched ahead of execution, ascending from the open epoch.
    var fetched: [FinalHeader] = []
    /// Who told them.
    var fetchedFrom: NodeID?
    /// Who was asked for such last, as it was said to be ahead.
    var finalityAsked: KnownFinal?
    /// The workers check a header of this epoch; one at a time.
    var checkedFinality: Epoch?
    var nextFinalityRequest: Instant = .origin
    /// The last certified header that the checkpoint contradicts.
    var refusedHeader: Digest?
    /// Below it, catching up goes on by itself.
    var knownFinal: KnownFinal?
    var hasSaidUnregistered = false
    /// What it does for edge nodes.
    var edges: EdgeDesk
    /// Recent states, for others and for itself.
    var snapshots = Snapshots()
    /// Whose word is asked for where certificates alone are not believed.
    var listed: Listed
    var freshness: Freshness
    /// While the last block here is too old: who says to have it too.
    var doubt: Vouching?
    var hasSaidStray = false
    var hasFinalised = false
    public private(set) var isHalted = false
    /// Milliseconds since 1970, set by the driver: written into headers for people, and read by no rule but `Freshness`.
    public var wallTime: UInt64 = 0
    /// Payloads that came in, dropped ones too.
    var payloads: UInt64 = 0
    public internal(set) var drops = [UInt64](repeating: 0, count: Drop.allCases.count)

    public init(
        genesis: Genesis, key: SigningKey, vrfKey: VRFKey, settings: NodeSettings, boot: BootRecords,
        chance: Chance, now: Instant, sharedWork: SharedWork? = nil, actions: inout [NodeAction]
    ) throws {
        self.genesis = genesis
        network = genesis.network
        id = key.nodeID
        self.key = key
        self.vrfKey = vrfKey
        self.settings = settings
        listed = Listed(settings.bootstrap, all: settings.listed, own: key.nodeID)
        freshness = Freshness(genesis.parameters, since: settings.sinceFinal, at: now)
        self.sharedWork = sharedWork
        var chance = chance
        chain = try Chain(genesis: genesis, network: network, boot: boot, shared: sharedWork)
        isVoter = chain.openEpoch >= settings.votesFrom
        pool = chain.emptyPool
        // What a disk changed is nobody's word: others' bundles are fetched again, the own one cannot be made anew.
        candidates.restore(boot.candidates, epoch: chain.openEpoch)
        for bundle in boot.bundles
        where bundle.epoch == chain.openEpoch && Self.check(of: bundle, network: network).holds {
            if !pool.insert(bundle, at: now), candidates.name(bundle) { _ = pool.insertAsked(bundle) }
        }
        for dropped in pool.takeDropped() where candidates.name(dropped) { _ = pool.insertAsked(dropped) }
        ownBundle = boot.ownBundle.flatMap { [chain] in $0.epoch == chain.openEpoch ? $0 : nil }
        if isRemoved(.sameBundleAgain) { ownBundle = nil }
        if let ownBundle, ownBundle.author != key.nodeID || !Self.check(of: ownBundle, network: network).holds
        {
            throw BootFault.damaged("the own bundle of epoch \(ownBundle.epoch)")
        }
        transactions = TransactionPool()
        card = NodeRecord(
            node: key.nodeID, sequence: settings.recordSequence << NodeRecord.changeBits,
            epoch: chain.openEpoch - 1, roles: settings.roles, endpoints: settings.endpoints,
            region: Self.region(of: key.nodeID, in: chain, else: settings.region),
            version: settings.softwareVersion
        ).signed(by: key, network: network)
        membership = Membership(
            record: card, bootstrap: settings.bootstrap,
            remembered: boot.peers.filter { [network] in Self.check(of: $0, network: network).holds },
            epoch: .milliseconds(Int64(genesis.parameters.epochMilliseconds)),
            settings: settings.membership, chance: chance.split(), now: now)
        dissemination = Dissemination(
            chance: chance.split(), now: now, scores: settings.provesSenders ? settings.scores : nil)
        simplex = try Simplex(
            settings: Self.simplexSettings(settings, network: network, isVoter: isVoter), signer: key,
            chance: chance.split(), restored: BootFault.restore(boot.safety, "the votes"))
        coverage = try CoverageMachine(
            settings: CoverageMachine.Settings(network: network, parameters: genesis.parameters),
            node: key.nodeID, vrfKey: vrfKey, chance: chance.split(),
            restored: BootFault.restore(boot.coverage, "the radio's record"))
        // By chances of its own, so that all else is drawn as it would be without edge nodes.
        var desk = chance
        edges = EdgeDesk(chance: Chance(seed: desk.bits() ^ 0x6564_6765))
        reconciler = Reconciler(chance: Chance(seed: desk.bits() ^ 0x7265_636F))
        self.chance = chance
        due = Due(
            membership: membership.deadline, dissemination: dissemination.deadline,
            reconciler: reconciler.deadline, simplex: simplex.deadline, coverage: coverage.deadline)
        if let last = chain.last { recentFinals = [last] }
        noteState()
        snapshots.remembered = Self.remembered(boot, chain)
        if let known = snapshots.remembered?.light.openEpoch { noteAhead(known - 1) }
        if let last = chain.last?.header, settings.checkpoint == Checkpoint(last) {
            freshness.renew(at: now, wallTime: wallTime)
        }
        // Whoever has none yet is told of those that gossip did not bring.
        run(reconciliation: .opened(.transactions), at: now, &actions)
        open(at: now, ago: boot.openedAgo, &actions)
        if let ownBundle { publish(.bundle(ownBundle), at: now, &actions) }
        wake(at: now, &actions)
    }

    static func simplexSettings(_ settings: NodeSettings, network: Digest, isVoter: Bool) -> Simplex.Settings
    {
        Simplex.Settings(
            network: network, delta: settings.delta, mayVote: isVoter || isRemoved(.copyObserves),
            resigns: settings.resigns)
    }

    public func handle(_ event: NodeEvent, at now: Instant, actions: inout [NodeAction]) {
        freshness.note(wallTime: wallTime)
        switch event {
        case .payload(let bytes, let sender, let place):
            receive(bytes, from: sender, place, at: now, &actions)
        case .radioHeard(let payload, let measurement):
            run(coverage: .heard(payload: payload, measurement), at: now, &actions)
        case .radioTransmitted(let power): run(coverage: .transmitted(power: power), at: now, &actions)
        case .verified(let ticket, let verification): verified(ticket, verification, at: now, &actions)
        case .lost(let peer): run(membership: .goodbye(from: peer), at: now, &actions)
        case .observed(let seen, let node, let place):
            run(membership: .observed(seen: seen, by: node, place), at: now, &actions)
        case .bootstrap(let list, let all):
            listed = Listed(list, all: all, own: id)
            run(membership: .bootstrap(list.map { Membership.Listed($0, $1) }), at: now, &actions)
        case .served(let messages, let peer):
            if answerDesk.endRead(for: peer) {
                for message in messages { answer(message, to: peer, at: now, &actions) }
            } else {
                served(messages, toEdge: peer, at: now, &actions)
            }
        case .woke: break
        }
        wake(at: now, &actions)
    }

    /// When to send `woke`, at the latest.
    public var deadline: Instant {
        // Asked for at every event: to copy what is not there costs more than the look at it.
        var deadline = min(due.earliest, gathering.deadline)
        if !candidates.list.isEmpty { deadline = min(deadline, candidates.deadline) }
        if snapshots.sync != nil { deadline = min(deadline, snapshots.deadline) }
        if let doubt { deadline = min(deadline, doubt.askAgainAt) }
        return deadline
    }

    private func wake(at now: Instant, _ actions: inout [NodeAction]) {
        if due.membership <= now { run(membership: .woke, at: now, &actions) }
        if due.dissemination <= now { run(dissemination: .woke, at: now, &actions) }
        if gathering.deadline <= now { gather(at: now, &actions) }
        if due.reconciler <= now { run(reconciliation: .woke, at: now, &actions) }
        if due.simplex <= now { run(simplex: .woke, at: now, &actions) }
        if due.coverage <= now { run(coverage: .woke, at: now, &actions) }
        retryCandidates(at: now, &actions)
        if snapshots.sync != nil { continueSnapshot(at: now, &actions) }
        continueDoubt(at: now, &actions)
    }

    func count(_ drop: Drop) { drops[drop.rawValue] += 1 }

    /// Stops voting and serving for good: what this node computes is not what the network agreed on.
    func halt() {
        isHalted = true
        // They are asked no more, so they must not ask to be woken for ever.
        due.simplex = .never
        due.reconciler = .never
        doubt = nil
        gathering.finish()
    }

    // MARK: Sending

    func send(_ frames: [Frame], to destination: Destination, _ actions: inout [NodeAction]) {
        var packer = FramePacker()
        for frame in frames { packer.add(frame) }
        for payload in packer.payloads() { actions.append(.send(payload, to: destination)) }
    }

    func publish(_ message: Message, at now: Instant, _ actions: inout [NodeAction]) {
        run(dissemination: .publish(message.encoded(), message.gossipClass), at: now, &actions)
    }

    func sendDirect(_ message: Message, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard peer != id, endpoints[peer] != nil else { return }
        run(dissemination: .sendDirect(message.encoded(), to: peer), at: now, &actions)
    }

    // MARK: Verification

    /// - Parameter isOwed: The next block waits for it: there is always room, as nothing asks for it again.
    func verify(
        _ purpose: Purpose, _ checks: [Check], share: TicketShares.Share? = nil, isOwed: Bool = false,
        at now: Instant, _ actions: inout [NodeAction]
    ) {
        let share = share ?? purpose.share
        guard isOwed || tickets.count < Self.ticketsMax && ticketShares.hasRoom(share) else {
            count(.verificationBacklog)
            // It is not being looked at: the next copy may be, as soon as there is room.
            if let short = purpose.short { run(dissemination: .refused(short), at: now, &actions) }
            return
        }
        let ticket = nextTicket
        nextTicket += 1
        tickets[ticket] = purpose
        ticketShares.begin(ticket, share)
        actions.append(.verify(ticket: ticket, checks))
    }
}

extension Frame {
    /// Said to strangers, so that it may need a session first.
    var opensSession: Bool {
        switch self {
        case .dial, .probe: true
        default: false
        }
    }

    var isDial: Bool {
        if case .dial = self { true } else { false }
    }
}

extension Message {
    /// How a gossip message spreads.
    var gossipClass: Dissemination.Class {
        switch self {
        case .bundle: .evidence
        case .transaction: .transaction
        default: .consensus
        }
    }
}
