import Bytes
import Chance
import Consensus
import Dissemination
public import Identity
import Ledger
public import Wire

/// What a node fetches in order to start from a recent state, and how far it is.
struct SnapshotSync {
    /// One thing to ask for.
    enum Item: Hashable, Sendable {
        /// As many final headers as one message holds, from this epoch on.
        case headers(Epoch)
        case committee(Digest)
        /// A part of the state after an epoch.
        case part(Epoch, StatePlace)
        /// What stands behind the header with this digest.
        case contents(Digest)
        /// The evidence behind an item of a block's list.
        case evidence(Digest)
    }

    /// A block whose evidence is fetched.
    struct Gathering {
        let final: FinalHeader
        let digest: Digest
        var contents: Contents?
        var pool: EvidencePool
        /// Items that are not here yet.
        var missing: Set<Digest> = []

        init(_ final: FinalHeader) {
            self.final = final
            digest = final.header.digest
            pool = EvidencePool(epoch: final.header.epoch)
        }

        /// The block, once everything of it is here.
        var block: Block? {
            guard let contents, missing.isEmpty else { return nil }
            let evidence = contents.items.compactMap { pool.entry(for: $0) }
            guard evidence.count == contents.items.count else { return nil }
            return Block(header: contents.header, body: contents.body, evidence: evidence)
        }
    }

    enum Stage {
        /// Headers, each verified by the committee that those before it name.
        case following
        /// Far behind and without a checkpoint: who of the bootstrap list vouches for the newest header.
        case vouching(Vouching)
        /// Parts of the state after the last header: the hashes of the places that are asked for.
        case fetching([StatePlace: Digest])
        /// What stands behind the last two headers.
        case gathering([Gathering])
    }

    /// Ranges of headers asked for ahead of what is verified.
    static let rangesMax = 8
    static let headersMax = rangesMax * Message.finalityMax

    var stage = Stage.following
    var fetch = Fetch<Item>()
    var light: LightChain
    /// The first epoch that was open here.
    let openEpoch: Epoch
    let began: Instant
    /// The newest epoch that a peer calls final.
    var claimed: Epoch
    /// The first epoch whose headers have not been asked for.
    var nextRange: Epoch
    /// Headers that came and wait for those before them; at most `headersMax`.
    var headers: [Epoch: (final: FinalHeader, from: NodeID)] = [:]
    /// Workers check a header.
    var isVerifying = false
    /// The committee that the next header waits for.
    var committeeWanted: Digest?
    /// The last two that are verified.
    var recent: [FinalHeader]
    /// Verified, and not durable yet.
    var unsaved: [FinalHeader] = []
    var newCommittees: [Committee] = []
    /// Everything that is here of the state.
    var state: StateTrie
    var unsavedRows: [(key: StateKey, value: [UInt8]?)] = []
    /// No sooner is a newer state chosen in place of one that is no longer served.
    var mayRetargetAt: Instant = .origin
    /// Peers that gave parts of a state, and those that say to serve the present target no more.
    var givers: Set<NodeID> = []
    var leavers: Set<NodeID> = []
    /// Who sent this node after newer headers, and the first that there must be for its word to be true.
    var sentOn: (by: NodeID, first: Epoch)?
    var parts = 0
    var byteCount = 0
    /// The last time that something became known.
    var progressAt: Instant
    /// The last header that the operator's checkpoint or the bootstrap list says to be the network's.
    var vouched: Epoch?
    /// Nothing but the list says that it is the network's chain: its last block has to be asked about as any old one.
    var isDoubted = false
    /// Who gave the last header that is verified; nil if that was in another life.
    var lastGiver: NodeID?
    /// Headers contradicted each other that nobody vouched for.
    var isOneByOne = false
    /// While a checkpoint lies ahead, or after that: the one peer that is asked, so that it is known whose chain it is; and
    /// those whose turn is over at this attempt.
    var guide: NodeID?
    var guidesBefore: Set<NodeID> = []
    /// Chains that did not lead there.
    var strays = 0

    init(
        light: LightChain, openEpoch: Epoch, claimed: Epoch, recent: [FinalHeader], state: StateTrie,
        at now: Instant
    ) {
        self.light = light
        self.openEpoch = openEpoch
        self.claimed = claimed
        self.recent = recent
        self.state = state
        nextRange = light.openEpoch
        began = now
        progressAt = now
    }

    /// From a chain's last block again: nothing that was followed is left, and who lied stays known.
    mutating func followAnew(_ light: LightChain, recent: [FinalHeader], at now: Instant) {
        self.light = light
        self.recent = recent
        stage = .following
        nextRange = light.openEpoch
        headers = [:]
        isVerifying = false
        committeeWanted = nil
        unsaved = []
        newCommittees = []
        lastGiver = nil
        vouched = nil
        progressAt = now
    }

    /// What an operator can help with; nil where time alone does.
    func waitsFor(needed: Int) -> String? {
        if case .vouching(let vouching) = stage {
            return needed == 0
                ? "a start with --checkpoint: the last block here is older than stakes are bound, and nobody is listed"
                : "\(needed) nodes of the bootstrap list to know block \(vouching.epoch), as the last one here is older than "
                    + "stakes are bound: \(vouching.agreeing.count) do, \(vouching.denying.count) have another"
        }
        guard guide != nil, !isOneByOne else { return nil }
        return "a chain with the operator's checkpoint: \(strays) peers gave another"
    }

    /// What the state must come to.
    var target: Header? { light.last }

    /// Whether the target is one that most do not serve any more: what one of several peers says interrupts nobody.
    func isLeft(byPeers count: Int) -> Bool {
        leavers.count >= min(2, count) && leavers.count * 2 > givers.union(leavers).count
    }

    /// Whether a bundle belongs to what is fetched.
    func wants(_ bundle: Bundle) -> Bool {
        guard case .gathering(let list) = stage else { return false }
        return list.contains { gathering in
            guard gathering.pool.epoch == bundle.epoch else { return false }
            return gathering.missing.contains(bundle.id)
                || gathering.missing.contains(
                    EvidenceEntry.conflictItem(author: bundle.author, epoch: bundle.epoch))
        }
    }
}

/// What a node has of recent states: for others who start from one, and of the one that it starts from itself.
struct Snapshots {
    /// States served: those after the last blocks. Whoever fetches one has as many epochs' time for it, and takes over
    /// what it has into the next.
    static let servedMax = 8
    /// So many epochs behind, a state is fetched; below, blocks are fetched and executed.
    static let lagMin: Epoch = 16

    /// `lagMin`, and less where blocks are not kept so long: nobody is too near for a state and too far for the next block.
    static func lag(in genesis: Genesis) -> Epoch {
        genesis.keptEpochs == 0 ? lagMin : min(lagMin, Epoch(genesis.keptEpochs) - 1)
    }

    /// Nothing new for so long: blocks are executed one after another instead.
    static let patience: Duration = .seconds(60)
    /// After one that failed.
    static let pause: Duration = .seconds(120)

    /// Ascending by epoch.
    private(set) var served: [(epoch: Epoch, state: StateTrie)] = []
    var sync: SnapshotSync?
    var notBefore: Instant = .origin
    /// Those that led a start from a state astray or nowhere, at this attempt or one before; who did so last is the last. Each is
    /// asked first again only where there is nobody else.
    private(set) var badGuides: [NodeID] = []
    /// More than a node has peers.
    static let badGuidesMax = 64
    /// From the last life: rows of a state that was being fetched, and the headers up to it.
    var remembered: (state: StateTrie, light: LightChain, recent: [FinalHeader])?

    var deadline: Instant {
        guard let sync else { return .never }
        if case .vouching(let vouching) = sync.stage { return vouching.askAgainAt }
        return min(sync.fetch.deadline, sync.progressAt + Self.patience)
    }

    /// The state after a block.
    mutating func serve(_ state: StateTrie, after epoch: Epoch) {
        served.append((epoch, state))
        if served.count > Self.servedMax { served.removeFirst() }
    }

    mutating func removeServed() { served = [] }

    mutating func note(badGuide guide: NodeID) {
        badGuides.removeAll { $0 == guide }
        badGuides.append(guide)
        if badGuides.count > Self.badGuidesMax { badGuides.removeFirst() }
    }

    /// A state was adopted: whoever was no guide to it may be one to the next.
    mutating func forgetGuides() { badGuides = [] }
}

/// What a node that adopts a state keeps of it, in one commit.
public struct AdoptedState: Sendable {
    /// The last two final blocks, ascending; one where there is only one.
    public let blocks: [(block: Block, certificate: Certificate)]
    /// What makes the state after the last of them of the state that the store holds.
    public let changes: [(key: StateKey, value: [UInt8]?)]
    /// Whether the last of them is known to be younger than stakes are bound.
    public let isFresh: Bool
}

/// Verified headers, durable so that they are served and need not be fetched again.
public struct FollowedHeaders: Sendable {
    /// Ascending.
    public let finals: [FinalHeader]
    /// Committees that they made known.
    public let committees: [Committee]
    /// What the node goes on from (`EdgeRecord`), encoded and sealed (`Seal`).
    public let record: [UInt8]
}

/// What an operator hears of it.
public enum SnapshotNotice: Sendable {
    case began(from: Epoch, to: Epoch)
    /// All headers up to the last that is known are verified; how many parts are there already is not known.
    case fetching(Epoch)
    case adopted(Epoch, parts: Int, byteCount: Int, milliseconds: Int64)
    case lied(NodeID, String)
    /// No checkpoint was given and the last known block is older than stakes are bound: so many nodes of the bootstrap
    /// list agree.
    case trustsBootstrap(Int)
    /// The last block here is older than stakes are bound: nothing is committed until so many others of the bootstrap list
    /// say to be at it too.
    case doubts(Checkpoint, needed: Int)
    /// So many are.
    case vouched(Epoch, by: Int)
    /// It cannot go on so: what it does instead, or waits for.
    case failed(String)
}
