import Bytes
import Consensus
import Identity
import Ledger
public import Wire

/// Why a chain of stored blocks is not what it says it is.
public enum ReplayFault: Error, Sendable, CustomStringConvertible {
    case certificate(Epoch, String)
    case signature(Epoch, String)
    case block(Epoch, String)
    case state(Epoch, String)

    public var description: String {
        switch self {
        case .certificate(let epoch, let what): "block \(epoch): the certificate does not hold: \(what)"
        case .signature(let epoch, let what): "block \(epoch): a signature does not hold: \(what)"
        case .block(let epoch, let what): "block \(epoch): \(what)"
        case .state(let epoch, let what): "state after block \(epoch): \(what)"
        }
    }
}

/// Executes a chain again from its genesis and trusts nothing on the way: every certificate, signature, proof, root
/// and balance is checked.
public struct Replay {
    private var chain: Chain
    public private(set) var signaturesChecked = 0
    private let shared: SharedWork?

    /// - Parameter shared: Remembers which signatures and proofs held; its executions are not asked for.
    public init(genesis: Genesis, shared: SharedWork? = nil) {
        self.shared = shared
        // Without records there is nothing that could be damaged.
        chain = try! Chain(genesis: genesis, network: genesis.network, boot: BootRecords())
        chain.verifications = shared
    }

    /// From a state that was adopted: it must be the one that its header commits to. That the header is the network's, who
    /// asks must show (`HeaderChain`).
    public init(genesis: Genesis, from base: BootRecords, shared: SharedWork? = nil) throws(ReplayFault) {
        self.shared = shared
        let epoch = base.recent.last?.header.epoch ?? 0
        do {
            chain = try Chain(genesis: genesis, network: genesis.network, boot: base)
        } catch {
            throw .state(epoch, "not the one that the header commits to: \(error)")
        }
        guard chain.last != nil else { throw .block(epoch, "the block is missing") }
        chain.verifications = shared
    }

    public var lastEpoch: Epoch { chain.openEpoch - 1 }

    /// Checks and executes the next block. Returns the verdicts, to compare with stored ones.
    public mutating func check(_ block: Block, certificate: Certificate) throws(ReplayFault)
        -> [BeaconVerdict]
    {
        let epoch = chain.openEpoch
        guard block.header.epoch == epoch else {
            throw .block(epoch, "block \(block.header.epoch) stands in its place")
        }
        guard case .finalize(epoch, _, block.header.digest) = certificate.ballot else {
            throw .certificate(epoch, "it is about another header")
        }
        try check(certificate, in: chain.committee, at: epoch)
        if let parent = block.body.parentCertificate, chain.last != nil {
            try check(parent, in: chain.parentCommittee, at: epoch)
        }
        for bundle in block.evidence.flatMap(\.bundles) {
            try check(
                Node.check(of: bundle, network: chain.network), "bundle of \(bundle.author)", epoch)
        }
        for transaction in block.body.transactions {
            for check in Node.checks(of: transaction, network: chain.network) {
                try self.check(check, "transaction \(transaction.id)", epoch)
            }
        }
        let leaders = Simplex.leaders(of: chain.committee, randomness: chain.previousRandomness)
        do throws(BlockFault) {
            let executed = try chain.check(
                block.header, leaders: leaders, body: block.body, evidence: block.evidence)
            _ = chain.apply(block, certificate: certificate, executed: executed)
            return executed.verdicts
        } catch {
            throw .block(epoch, "it does not follow from the blocks before it: \(error)")
        }
    }

    private mutating func check(
        _ certificate: Certificate, in committee: Committee, at epoch: Epoch
    ) throws(ReplayFault) {
        guard certificate.hasQuorum(in: committee) else {
            throw .certificate(epoch, "its voters are no quorum")
        }
        guard let checks = certificate.checks(in: committee, network: chain.network) else {
            throw .certificate(epoch, "a voter has no seat")
        }
        for check in checks {
            try self.check(
                .signature(check.key, preimage: check.preimage, check.signature), "vote of \(check.key)",
                epoch)
        }
    }

    private mutating func check(_ check: Check, _ what: String, _ epoch: Epoch) throws(ReplayFault) {
        signaturesChecked += 1
        let verification = shared?.verify(check) ?? Verification(of: [check])
        guard verification.holdsEntirely else { throw .signature(epoch, what) }
    }

    /// The first record, in the order of the encoded keys, that is not the same in both.
    private static func firstDifference(
        _ computed: [(StateKey, [UInt8])], _ stored: [(StateKey, [UInt8])]
    ) -> String? {
        func ordered(_ list: [(StateKey, [UInt8])]) -> [(octets: [UInt8], key: StateKey, value: [UInt8])] {
            list.map { ($0.0.encoded(), $0.0, $0.1) }.sorted { $0.0.lexicographicallyPrecedes($1.0) }
        }
        func shown(_ value: [UInt8]) -> String {
            value.prefix(64).map(\.self).hex + (value.count > 64 ? "… (\(value.count) octets)" : "")
        }
        let (ours, theirs) = (ordered(computed), ordered(stored))
        for index in 0..<max(ours.count, theirs.count) {
            guard index < ours.count else {
                return "record \(index) should not be there: \(theirs[index].key)"
            }
            guard index < theirs.count else { return "record \(index) is missing: \(ours[index].key)" }
            let (our, their) = (ours[index], theirs[index])
            if our.octets == their.octets {
                if our.value == their.value { continue }
                return
                    "record \(index) differs: \(our.key) is \(shown(their.value)) and not \(shown(our.value))"
            }
            return our.octets.lexicographicallyPrecedes(their.octets)
                ? "record \(index) is missing: \(our.key)"
                : "record \(index) should not be there: \(their.key)"
        }
        return nil
    }

    /// Compares the state that execution gave with a stored one, entry by entry, and adds up the books.
    public func compare(with stored: [(StateKey, [UInt8])]) throws(ReplayFault) {
        let epoch = lastEpoch
        let computed = chain.ledger.entries
        if let what = Self.firstDifference(computed, stored) { throw .state(epoch, what) }
        let totals = chain.ledger.totals
        var balances: Amount = 0
        for case (.account, let value) in computed {
            guard let account = try? Account(decoding: value) else {
                throw .state(epoch, "an account does not decode")
            }
            balances += account.balance
        }
        guard balances + totals.staked + totals.unbonding + totals.treasury == totals.supply else {
            throw .state(
                epoch,
                "the books do not balance: accounts \(balances), staked \(totals.staked), unbonding "
                    + "\(totals.unbonding), treasury \(totals.treasury), supply \(totals.supply)")
        }
    }
}
