import Bytes
import Consensus
import Identity
import Ledger
public import Wire

extension Chain {
    /// Restores the chain from what the store kept, or starts it at genesis.
    init(genesis: Genesis, network: Digest, boot: BootRecords, shared: SharedWork? = nil) throws {
        if let certificate = boot.lastCertificate, !boot.recent.isEmpty {
            let writes = boot.state.map { StateTrie.Write(key: $0.0, value: $0.1) }
            guard Set(boot.state.map(\.0)).count == boot.state.count else {
                throw BootFault.damaged("the state")
            }
            self = try Chain(
                genesis: genesis, network: network, recent: boot.recent, certificate: certificate,
                state: StateTrie().updated(with: writes), shared: shared)
            return
        }
        self.genesis = genesis
        self.network = network
        executions = shared
        verifications = shared
        recent = []
        ledger = shared?.ledger(of: genesis, network) ?? Ledger(genesis: genesis)
        last = nil
        randomness = genesis.randomness1
        previousRandomness = genesis.randomness0
    }

    /// A chain that goes on after the last of some blocks, from the state after it.
    init(
        genesis: Genesis, network: Digest, recent: [Block], certificate: Certificate, state: StateTrie,
        shared: SharedWork? = nil
    ) throws {
        self.genesis = genesis
        self.network = network
        executions = shared
        verifications = shared
        self.recent = recent
        guard let block = recent.last,
            case .finalize(block.header.epoch, _, block.header.digest) = certificate.ballot
        else {
            throw BootFault.damaged("the certificate of block \(recent.last?.header.epoch ?? 0)")
        }
        // The next block is executed from the contents of these, not from their headers.
        for (place, block) in recent.enumerated() {
            let items = block.evidence.map { EvidenceItem(author: $0.author, item: $0.item) }
            let isNext = place == 0 || block.header.parent == recent[place - 1].header.digest
            guard isNext, Contents(header: block.header, body: block.body, items: items).matchesHeader else {
                throw BootFault.damaged("block \(block.header.epoch)")
            }
        }
        ledger = try Ledger(restoring: state, parameters: genesis.parameters, epoch: block.header.epoch)
        guard ledger.stateRoot == block.header.stateRoot else {
            throw BootFault.stateRoot(epoch: block.header.epoch)
        }
        guard let committee = ledger.knownCommittee(for: block.header.epoch) else {
            throw BootFault.stateRoot(epoch: block.header.epoch)
        }
        let alpha = Randomness.alpha(
            network: network, epoch: block.header.epoch, randomness: block.header.randomness)
        guard let seat = committee.index(of: block.header.builder),
            let output = committee.seats[seat].vrfKey.verify(
                block.header.randomnessProof, alpha: alpha.octetBytes)
        else { throw BootFault.randomness(epoch: block.header.epoch) }
        last = FinalHeader(header: block.header, certificate: certificate)
        previousRandomness = block.header.randomness
        randomness = Randomness.next(
            after: block.header.randomness, output: output, epoch: block.header.epoch)
    }
}

/// Why a store cannot be carried on from.
public enum BootFault: Error, CustomStringConvertible {
    case stateRoot(epoch: Epoch)
    case randomness(epoch: Epoch)
    case damaged(String)

    /// What the node sealed in its last life.
    static func restore<State: Canonical>(_ sealed: [UInt8]?, _ what: String) throws(BootFault) -> State? {
        guard let sealed else { return nil }
        guard let content = Seal.open(sealed), let state = try? State(decoding: content.octetBytes) else {
            throw .damaged(what)
        }
        return state
    }

    public var description: String {
        switch self {
        case .damaged(let what):
            "\(what) in the store changed since it was written: the store is damaged; "
                + "move it away and start the node again: it observes until you lift that"
        case .stateRoot(let epoch):
            "the stored state is not the one that block \(epoch) commits to: the store is damaged; "
                + "move it away and start the node again to fetch the state anew"
        case .randomness(let epoch):
            "block \(epoch) in the store carries a proof that does not hold: the store is damaged; "
                + "move it away and start the node again"
        }
    }
}
