import Identity
import Node
import Records
import Runtime
import Store
import Wire

extension Inspector {
    /// Trusts nothing but the genesis: executes every block again that is here, from genesis, or from the earliest
    /// state that can be told, which the certified headers from genesis on must commit to.
    func verify() throws {
        // All in one transaction: a node that runs goes on meanwhile, and forgets; its state would not be that of the blocks
        // that were read, and its store be called damaged. Until it ends, what the node writes takes new pages.
        let outcome = try store.read { transaction throws(StoreError) -> Result<VerifyDocument, any Error> in
            do { return .success(try verified(transaction)) } catch { return .failure(error) }
        }
        let document = try outcome.get()
        if json { return try printJSON(document) }
        print(document.text)
    }

    private func verified(_ transaction: borrowing ReadTransaction) throws -> VerifyDocument {
        guard let genesis = try store.genesis(transaction) else {
            throw RuntimeError("the store is empty: there is nothing to verify")
        }
        let last = try store.lastEpoch(transaction)
        guard last > 0 else {
            // Without a block there is no state beside it either: nothing here is damaged.
            let followed = try store.followedEpoch(transaction)
            throw RuntimeError(
                followed > 0
                    ? "this is the store of an edge node, which followed network \(genesis.name) to epoch "
                        + "\(followed) and keeps no blocks: there is nothing to execute again; verify a full node's"
                    : "no block of network \(genesis.name) is here yet: there is nothing to verify")
        }
        let base = try store.baseEpoch(transaction)
        var headerSignatures = 0
        var replay: Replay
        if base == 0 {
            replay = Replay(genesis: genesis)
        } else {
            headerSignatures = try verifyHeaders(of: genesis, through: base, transaction)
            replay = try Replay(genesis: genesis, from: try records(of: base, transaction))
        }
        for epoch in stride(from: base + 1, through: last, by: 1) {
            guard let record = try store.blockRecord(epoch, transaction),
                let block = try store.block(epoch, transaction)
            else { throw RuntimeError("block \(epoch) is missing") }
            let verdicts = try replay.check(block, certificate: record.final.certificate)
            let stored = try store.verdicts(ofBlock: epoch, transaction)
            guard stored == verdicts else {
                throw RuntimeError("block \(epoch): stored verdicts are not those of its execution")
            }
            if epoch.isMultiple(of: 1000) { complain("verified \(epoch) of \(last) blocks") }
        }
        try replay.compare(with: try store.stateEntries(transaction))
        let live = try store.status(transaction)
        return VerifyDocument(
            network: genesis.network.hex, name: genesis.name, firstEpoch: base + 1, lastEpoch: last,
            signatures: headerSignatures + replay.signaturesChecked, holds: true,
            haltedIn: live.flatMap { $0.isHalted ? $0.openEpoch : nil })
    }

    /// Returns how many signatures were checked.
    private func verifyHeaders(
        of genesis: Genesis, through last: Epoch, _ transaction: borrowing ReadTransaction
    ) throws -> Int {
        var chain = HeaderChain(genesis: genesis)
        var signatures = 0
        for epoch in 1...last {
            guard let final = try store.final(epoch, transaction) else {
                throw RuntimeError("the header of epoch \(epoch) is missing")
            }
            signatures += try chain.check(final) { try? store.committee($0, transaction) }
            if epoch.isMultiple(of: 10_000) { complain("verified \(epoch) of \(last) headers") }
        }
        guard let record = try store.blockRecord(last, transaction), chain.last == record.final.header else {
            throw RuntimeError("block \(last) is not the one whose header is certified")
        }
        return signatures
    }

    /// What the chain goes on from after this epoch.
    private func records(
        of base: Epoch, _ transaction: borrowing ReadTransaction
    ) throws -> BootRecords {
        guard let record = try store.blockRecord(base, transaction),
            let block = try store.block(base, transaction)
        else { throw RuntimeError("block \(base) is missing") }
        let before = base > 1 ? try store.block(base - 1, transaction) : nil
        guard base == 1 || before != nil else { throw RuntimeError("block \(base - 1) is missing") }
        return BootRecords(
            recent: [before, block].compactMap { $0 }, lastCertificate: record.final.certificate,
            state: try store.baseState(transaction))
    }
}

extension VerifyDocument {
    var text: String {
        var lines: [String] = []
        if firstEpoch > 1 {
            lines.append(
                "headers 1 to \(firstEpoch - 1) hold: every certificate; the state after block \(firstEpoch - 1) is the one "
                    + "it commits to")
            lines.append("the blocks before are not here, or were not executed here")
        }
        lines.append(
            "blocks \(firstEpoch) to \(lastEpoch) of network \(name) hold: every certificate, signature, root and balance"
        )
        lines.append("\(signatures) signatures checked")
        if let haltedIn {
            lines.append(
                "the node halted in epoch \(haltedIn), and no record that it stored before differs: its execution of that "
                    + "block does, by its memory, its machine or the version of its program")
        }
        return lines.joined(separator: "\n")
    }
}
