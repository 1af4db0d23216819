import Bytes
import Identity
import Ledger
import Reconciliation
public import Wire

/// Results that all nodes of one process share: for simulations of many nodes.
///
/// Whether a signature or proof holds is a pure function of its octets: what was found once is remembered by key,
/// message and signature. Executing a block is a pure function of the chain before it and of what its header commits
/// to, so whoever did it first did it for all, where the world is large enough to want that; and a thousand nodes that
/// took over the same block hold one copy of its state. Only what passed every check is stored, and each node still
/// makes the checks that cost little. Not safe for use from several threads: only nodes that one thread drives may share one.
public final class SharedWork {
    /// Epochs kept: a node further behind works for itself.
    public static let epochsMax: Epoch = 4
    /// Bundles kept of one epoch; what comes above it each node decodes for itself.
    public static let bundlesMax = 1 << 16
    /// Encodings kept of one epoch: two votes and a bundle of each of ten thousand nodes.
    public static let octetsMax = 1 << 15
    /// Verifications remembered: those of some epochs of ten thousand nodes.
    public static let verificationsMax = 1 << 17

    /// Pairs of nodes remembered: those of a committee of two hundred, and as many others.
    public static let pairsMax = 1 << 16

    private struct Pair: Hashable {
        let low, high: NodeID

        init(_ one: NodeID, _ other: NodeID) { (low, high) = one < other ? (one, other) : (other, one) }
    }

    private struct Place: Hashable {
        let parent: Digest
        let header: Digest
    }

    /// What a node holds once a block is final.
    struct After {
        let ledger: Ledger
        let recent: [Block]
        let changes: [StateChange]
    }

    private struct Shelf {
        var executed: [Place: Executed] = [:]
        var after: [Place: After] = [:]
        var bundles: [Digest: Bundle] = [:]
        var octets: [Digest: [UInt8]] = [:]
        var evidence: [Digest: EdgeDesk.Evidence] = [:]
    }

    /// By the epoch that was open.
    private var shelves: [Epoch: Shelf] = [:]
    private var newest: Epoch = 0
    private var first: (network: Digest, ledger: Ledger)?
    private var verifications: [Check: Verification] = [:]
    private var pairs: [Pair: SketchKeys] = [:]
    private let sharesExecution: Bool
    private let imitates: Bool

    /// How often a node was spared its work.
    public private(set) var hits = 0

    /// - Parameters:
    ///   - sharesExecution: False: each node executes every block itself, so that one that computes something else is
    ///     found.
    ///   - imitates: Nobody forges and all keys imitate: every signature and proof is taken to hold.
    public init(sharesExecution: Bool, imitates: Bool = false) {
        self.sharesExecution = sharesExecution
        self.imitates = imitates
    }

    /// What a worker would find, by memory where it was found before.
    public func verify(_ check: Check) -> Verification {
        guard !imitates else {
            guard case .vrf(let key, let alpha, _) = check else {
                return Verification(holds: true, outputs: [])
            }
            return Verification(holds: true, outputs: [key.imitatedOutput(alpha.octetBytes)])
        }
        if let known = verifications[check] { return known }
        let found = Verification(of: [check])
        if verifications.count >= Self.verificationsMax { verifications.removeAll(keepingCapacity: true) }
        verifications[check] = found
        return found
    }

    /// By which two nodes name the items of their sets; both compute the same.
    func sketchKeys(_ one: NodeID, _ other: NodeID) -> SketchKeys? { pairs[Pair(one, other)] }

    func store(_ keys: SketchKeys, _ one: NodeID, _ other: NodeID) {
        if pairs.count >= Self.pairsMax { pairs.removeAll(keepingCapacity: true) }
        pairs[Pair(one, other)] = keys
    }

    /// Epochs of which something is held.
    public var epochCount: Int { shelves.count }

    /// Results held now.
    public var count: Int {
        shelves.values.reduce(0) {
            $0 + $1.executed.count + $1.after.count + $1.bundles.count + $1.octets.count
        }
    }

    func executed(_ header: Header, _ digest: Digest) -> Executed? {
        hit(shelves[header.epoch]?.executed[Place(parent: header.parent, header: digest)])
    }

    func store(_ executed: Executed, of header: Header, _ digest: Digest) {
        guard makeRoom(for: header.epoch) else { return }
        shelves[header.epoch]!.executed[Place(parent: header.parent, header: digest)] = executed
    }

    func after(_ header: Header, _ digest: Digest) -> After? {
        hit(shelves[header.epoch]?.after[Place(parent: header.parent, header: digest)])
    }

    func store(_ after: After, of header: Header, _ digest: Digest) {
        guard makeRoom(for: header.epoch) else { return }
        shelves[header.epoch]!.after[Place(parent: header.parent, header: digest)] = after
    }

    /// The state at genesis, made once.
    func ledger(of genesis: Genesis, _ network: Digest) -> Ledger? {
        guard sharesExecution else { return nil }
        if let first, first.network == network { return hit(first.ledger) }
        let ledger = Ledger(genesis: genesis)
        first = (network, ledger)
        return ledger
    }

    /// The bundle of the open epoch whose encoding, as a message, has this digest.
    func bundle(_ message: Digest, of epoch: Epoch) -> Bundle? { hit(shelves[epoch]?.bundles[message]) }

    func store(_ bundle: Bundle, _ message: Digest) {
        guard makeRoom(for: bundle.epoch), shelves[bundle.epoch]!.bundles.count < Self.bundlesMax
        else { return }
        shelves[bundle.epoch]!.bundles[message] = bundle
    }

    /// The encoding of a gossip message in the storage that all nodes share: each would keep a copy of its own of all that
    /// it has heard in the last minute. Nil for whoever is the first, whose copy it becomes.
    func octets(_ octets: [UInt8], _ message: Digest, of epoch: Epoch) -> [UInt8]? {
        guard makeRoom(for: epoch) else { return nil }
        if let known = shelves[epoch]!.octets[message] { return known }
        if shelves[epoch]!.octets.count < Self.octetsMax { shelves[epoch]!.octets[message] = octets }
        return nil
    }

    /// The evidence of a final block, ready for proofs.
    func evidence(of block: Block) -> EdgeDesk.Evidence? {
        guard makeRoom(for: block.header.epoch) else { return nil }
        let root = block.header.evidence.root
        if let known = hit(shelves[block.header.epoch]!.evidence[root]) { return known }
        let made = EdgeDesk.Evidence(block)
        shelves[block.header.epoch]!.evidence[root] = made
        return made
    }

    private func hit<Result>(_ result: Result?) -> Result? {
        if result != nil { hits += 1 }
        return result
    }

    /// Whether results of this epoch are kept; forgets those too old.
    private func makeRoom(for epoch: Epoch) -> Bool {
        guard sharesExecution, epoch + Self.epochsMax > newest else { return false }
        if epoch > newest {
            newest = epoch
            shelves = shelves.filter { $0.key + Self.epochsMax > epoch }
        }
        if shelves[epoch] == nil { shelves[epoch] = Shelf() }
        return true
    }
}
