import Bytes
import Consensus
import Coverage
import Identity
import Ledger
import Rules
import Wire

/// What executing a block gives.
struct Executed {
    let verdicts: [BeaconVerdict]
    let verdictsRoot: Digest
    let outcome: BlockOutcome
    /// R(epoch + 1).
    let nextRandomness: Digest
}

/// Why a block is not one that this epoch can have: an objective reason, the same on every node.
enum BlockFault: Error, Equatable {
    case wrongPlace(String)
    case badRandomness
    case badEvidence
    case badTransactions
    case badCertificate
    case verdictsRoot(computed: Digest)
    case stateRoot(computed: Digest)
    case execution
}

/// The chain as far as it is final here: everything the next block is executed against.
struct Chain {
    let genesis: Genesis
    let network: Digest
    var ledger: Ledger
    /// The last final header; nil at genesis.
    var last: FinalHeader?
    /// R of the open epoch.
    var randomness: Digest
    /// R of the epoch before: the leader order.
    var previousRandomness: Digest
    /// Final blocks' evidence that verdicts still need: of the last two epochs, ascending.
    var recent: [Block]
    /// Executions that the nodes of one process share; nil for a node that is alone in its own.
    var executions: SharedWork?
    /// Verifications that they share.
    var verifications: SharedWork?
    /// Memo of VRF checks made by workers, of the open epoch.
    var vrfOutputs: [VRFCheckKey: VRFOutput?] = [:]
    /// Those of the epoch before: the next block's verdicts read its reveals once more.
    private(set) var earlierOutputs: [VRFCheckKey: VRFOutput?] = [:]

    struct VRFCheckKey: Hashable {
        let key: VRFPublicKey
        let proof: VRFProof
        let alpha: [UInt8]
    }

    var openEpoch: Epoch { (last?.header.epoch ?? 0) + 1 }

    /// The digest that the next header names as its parent: block 0 is the genesis.
    var parent: Digest { last?.header.digest ?? network }

    /// Periods ahead are fixed before they begin, so the open epoch always has one.
    var committee: Committee { ledger.committee(for: openEpoch) }

    /// The committee of the last final block; that of block 1 where there is none.
    var parentCommittee: Committee { ledger.committee(for: max(1, openEpoch - 1)) }

    var nextCommittee: Committee { ledger.nextFixedCommittee }

    /// An empty pool for the open epoch's evidence.
    var emptyPool: EvidencePool {
        EvidencePool(
            epoch: openEpoch, room: EvidenceRoom(genesis.parameters, randomness: randomness))
    }

    func verifyVRF(_ key: VRFPublicKey, _ proof: VRFProof, _ alpha: [UInt8]) -> VRFOutput? {
        let check = VRFCheckKey(key: key, proof: proof, alpha: alpha)
        if let known = vrfOutputs[check] { return known }
        if let known = earlierOutputs[check] { return known }
        if let verifications { return verifications.verify(.vrf(key, alpha: alpha, proof)).outputs[0] }
        return key.verify(proof, alpha: alpha.octetBytes)
    }

    /// Whether this author may speak in the open epoch.
    func isRegistered(_ author: NodeID) -> Bool {
        if ledger.device(author)?.version(at: openEpoch) != nil { return true }
        return committee.index(of: author) != nil
    }

    /// Whether its evidence has a place in the open epoch's block. Who is suspended is not heard: two bundles in an epoch cost
    /// nothing else, and would fill block after block with those who have nothing to lose.
    func mayAuthor(_ author: NodeID) -> Bool {
        isRegistered(author) && openEpoch >= ledger.activity(author).suspendedUntil
    }

    /// R(b) for the epochs that verdicts of the open epoch need.
    private func randomness(of epoch: Epoch, next: Digest) -> Digest? {
        if epoch == openEpoch + 1 { return next }
        if epoch == openEpoch { return randomness }
        if epoch == openEpoch - 1, openEpoch == 1 { return previousRandomness }
        return recent.first { $0.header.epoch == epoch }?.header.randomness
    }

    /// Executes a block of the open epoch. The roots in the header are not looked at: a builder has none yet.
    func execute(
        builder: NodeID, randomnessProof: VRFProof, body: Body, evidence: [EvidenceEntry]
    ) throws(BlockFault) -> Executed {
        let epoch = openEpoch
        guard let seat = committee.index(of: builder) else { throw .wrongPlace("the builder has no seat") }
        let alpha = Randomness.alpha(network: network, epoch: epoch, randomness: randomness)
        guard let output = verifyVRF(committee.seats[seat].vrfKey, randomnessProof, alpha) else {
            throw .badRandomness
        }
        let next = Randomness.next(after: randomness, output: output, epoch: epoch)
        let ledger = ledger
        let input = JudgeInput(
            epoch: epoch, network: network, parameters: genesis.parameters,
            randomness: { randomness(of: $0, next: next) },
            evidence: evidence,
            previousEvidence: recent.first { $0.header.epoch + 1 == epoch }?.evidence ?? [],
            earlierEvidence: recent.first { $0.header.epoch + 2 == epoch }?.evidence ?? [],
            device: { ledger.device($0) },
            activity: { ledger.activity($0) },
            hotspots: { ledger.hotspots },
            verifyVRF: { verifyVRF($0, $1, $2) })
        let judged = Judge.judge(input)
        let outcome: BlockOutcome
        do throws(ExecutionFault) {
            outcome = try ledger.execute(
                BlockInput(
                    epoch: epoch, randomness: randomness, builder: builder, transactions: body.transactions,
                    parentCertificate: body.parentCertificate,
                    parentCommittee: parentCommittee,
                    verdicts: judged.verdicts, activities: judged.activities))
        } catch {
            throw .execution
        }
        return Executed(
            verdicts: judged.verdicts, verdictsRoot: Merkle.root(judged.verdicts.map(\.digest)),
            outcome: outcome, nextRandomness: next)
    }

    /// The objective rules that need no execution; signatures have been checked.
    func checkPlace(of header: Header, leaders: [Int]) throws(BlockFault) {
        let committee = committee
        guard header.network == network, header.epoch == openEpoch else {
            throw .wrongPlace("network or epoch")
        }
        guard header.parent == parent else { throw .wrongPlace("parent") }
        guard header.buildView > 0, !leaders.isEmpty,
            committee.seats[leaders[Int(header.buildView - 1) % leaders.count]].key == header.builder
        else { throw .wrongPlace("builder") }
        guard header.randomness == randomness else { throw .badRandomness }
        guard header.committee == committee.digest, header.nextCommittee == nextCommittee.digest,
            header.parameters == genesis.parameters.digest
        else { throw .wrongPlace("committee or parameters") }
        // Before anybody looks for so many bundles.
        guard header.evidence.count <= genesis.parameters.bundlesMax else { throw .badEvidence }
    }

    /// Executes what a header claims and compares every root.
    func check(
        _ header: Header, leaders: [Int], body: Body, evidence: [EvidenceEntry]
    ) throws(BlockFault) -> Executed {
        try checkPlace(of: header, leaders: leaders)
        let parameters = genesis.parameters
        guard EvidenceSummary(items: evidence.map(\.item)) == header.evidence,
            // A header commits to items, not to their authors: that each author stands there once, and in order, shows here.
            isRemoved(.ascendingAuthors)
                || zip(evidence, evidence.dropFirst()).allSatisfy({ $0.author < $1.author }),
            evidence.byteCount <= Int(parameters.evidenceBytesMax),
            evidence.allSatisfy({ $0.epoch == header.epoch && mayAuthor($0.author) })
        else { throw .badEvidence }
        guard body.root == header.transactionsRoot, body.transactions.count <= Int(parameters.transactionsMax)
        else { throw .badTransactions }
        try checkParentCertificate(body.parentCertificate)
        if let known = executions?.executed(header, header.digest) { return known }
        let executed = try execute(
            builder: header.builder, randomnessProof: header.randomnessProof, body: body, evidence: evidence)
        guard executed.verdictsRoot == header.verdictsRoot else {
            throw .verdictsRoot(computed: executed.verdictsRoot)
        }
        guard executed.outcome.stateRoot == header.stateRoot else {
            throw .stateRoot(computed: executed.outcome.stateRoot)
        }
        executions?.store(executed, of: header, header.digest)
        return executed
    }

    private func checkParentCertificate(_ certificate: Certificate?) throws(BlockFault) {
        guard let last else {
            guard certificate == nil else { throw .badCertificate }
            return
        }
        guard let certificate, case .finalize(let epoch, _, let digest) = certificate.ballot,
            epoch == last.header.epoch, digest == last.header.digest,
            certificate.hasQuorum(in: parentCommittee)
        else { throw .badCertificate }
    }

    /// Takes a final block in. Returns it, and every state record that it changed; nodes of one process share both.
    mutating func apply(
        _ block: Block, certificate: Certificate, executed: Executed
    ) -> (block: Block, changes: [StateChange]) {
        precondition(block.header.epoch == openEpoch)
        previousRandomness = randomness
        randomness = executed.nextRandomness
        last = FinalHeader(header: block.header, certificate: certificate)
        swap(&earlierOutputs, &vrfOutputs)
        vrfOutputs.removeAll(keepingCapacity: true)
        let digest = block.header.digest
        let recentCount = min(2, recent.count + 1)
        // A restored chain may remember fewer blocks than the one that was stored.
        if let known = executions?.after(block.header, digest), known.recent.count == recentCount {
            ledger = known.ledger
            recent = known.recent
            return (recent[recentCount - 1], known.changes)
        }
        recent = recent.suffix(1) + [block]
        ledger.apply(executed.outcome)
        // Block 1 changes a state that no store holds yet, so it carries all of it.
        let changes: [StateChange] =
            block.header.epoch == 1
            ? ledger.entries.map { (key: $0.0, value: $0.1) }
            : executed.outcome.changes.map { (key: $0.0, value: $0.1) }
        executions?.store(
            SharedWork.After(ledger: ledger, recent: recent, changes: changes), of: block.header, digest)
        return (block, changes)
    }
}

/// A record of the ledger's state after a block; nil where there is none any more.
typealias StateChange = (key: StateKey, value: [UInt8]?)
