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
        guard let genesis = try store.genesis() else {
            throw RuntimeError("the store is empty: there is nothing to verify")
        }
        let last = try store.lastEpoch()
        guard last > 0 else {
            // Without a block there is no state beside it either: nothing here is damaged.
            let followed = try store.followedEpoch()
            throw RuntimeError(
                followed > 0
                    ? "this is the store of an edge node, which followed network \(genesis.name) to epoch "
                        + "\(followed) and keeps no blocks: there is nothing to execute again; verify a full node's"
                    : "no block of network \(genesis.name) is here yet: there is nothing to verify")
        }
        let base = try store.baseEpoch()
        var headerSignatures = 0
        var replay: Replay
        if base == 0 {
            replay = Replay(genesis: genesis)
        } else {
            headerSignatures = try verifyHeaders(of: genesis, through: base)
            replay = try Replay(genesis: genesis, from: try records(of: base))
        }
        for epoch in stride(from: base + 1, through: last, by: 1) {
            guard let record = try store.blockRecord(epoch), let block = try store.block(epoch) else {
                throw RuntimeError("block \(epoch) is missing")
            }
            let verdicts = try replay.check(block, certificate: record.final.certificate)
            let stored = try store.verdicts(ofBlock: epoch)
            guard stored == verdicts else {
                throw RuntimeError("block \(epoch): stored verdicts are not those of its execution")
            }
            if epoch.isMultiple(of: 1000) { complain("verified \(epoch) of \(last) blocks") }
        }
        try replay.compare(with: try store.stateEntries())
        let signatures = headerSignatures + replay.signaturesChecked
        let document = VerifyDocument(
            network: genesis.network.hex, firstEpoch: base + 1, lastEpoch: last, signatures: signatures,
            holds: true)
        if json { return try printJSON(document) }
        if base > 0 {
            print(
                """
                headers 1 to \(base) hold: every certificate; the state after block \(base) is the one it commits to
                the blocks before are not here, or were not executed here
                """)
        }
        print(
            """
            blocks \(base + 1) to \(last) of network \(genesis.name) hold: every certificate, signature, root and balance
            \(signatures) signatures checked
            """)
    }

    /// Returns how many signatures were checked.
    private func verifyHeaders(of genesis: Genesis, through last: Epoch) throws -> Int {
        var chain = HeaderChain(genesis: genesis)
        var signatures = 0
        for epoch in 1...last {
            guard let final = try store.final(epoch) else {
                throw RuntimeError("the header of epoch \(epoch) is missing")
            }
            signatures += try chain.check(final) { try? store.committee($0) }
            if epoch.isMultiple(of: 10_000) { complain("verified \(epoch) of \(last) headers") }
        }
        guard let record = try store.blockRecord(last), chain.last == record.final.header else {
            throw RuntimeError("block \(last) is not the one whose header is certified")
        }
        return signatures
    }

    /// What the chain goes on from after this epoch.
    private func records(of base: Epoch) throws -> BootRecords {
        guard let record = try store.blockRecord(base), let block = try store.block(base) else {
            throw RuntimeError("block \(base) is missing")
        }
        let before = base > 1 ? try store.block(base - 1) : nil
        guard base == 1 || before != nil else { throw RuntimeError("block \(base - 1) is missing") }
        return BootRecords(
            recent: [before, block].compactMap { $0 }, lastCertificate: record.final.certificate,
            state: try store.baseState())
    }
}
