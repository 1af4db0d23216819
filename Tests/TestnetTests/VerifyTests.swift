import Chance
import Foundation
import Identity
import Records
import Runtime
import Testing
import Wire
import WireSamples

@testable import EarshotCLI

extension TestnetTests {
    /// `earshot inspect DIR verify` of stores that hold no blocks.
    @Suite struct VerifyTests {
        private func verify(_ writes: [RecordWrite]) async throws -> (status: Int32, said: String) {
            let scratch = try Scratch()
            let genesis = try GenesisFile.read(repository.path + "/Peers/local/genesis.toml")
            // The writer must be gone before another process looks.
            try fill(scratch.path + "/data") { store in
                try store.setGenesis(genesis)
                try store.write(writes)
            }
            return try await run("inspect", scratch.path, "verify", in: scratch)
        }

        private func fill(_ directory: String, _ body: (NodeStore) throws -> Void) throws {
            try body(NodeStore(at: directory, readOnly: false))
        }

        @Test func `a store without a block is not called damaged`() async throws {
            let (status, said) = try await verify([])
            #expect(status == 1)
            #expect(said.contains("is here yet: there is nothing to verify"), "\(said)")
        }

        @Test func `an edge node's store is named as one, with how far it followed`() async throws {
            let (status, said) = try await verify([.following([1], 7)])
            #expect(status == 1)
            #expect(
                said.contains("an edge node") && said.contains("to epoch 7 and keeps no blocks"), "\(said)")
        }
    }
}

/// What `earshot inspect` says where a store has forgotten, or its node halted.
@Suite struct InspectTests {
    /// Six blocks, of which the last two are kept.
    private func forgetful(_ directory: String) throws {
        var chance = Chance(seed: 3)
        let store = try NodeStore(at: directory, readOnly: false)
        try store.setKeptEpochs(2)
        for epoch in Epoch(1)...6 {
            let header = Header.any(from: &chance, epoch: epoch)
            let certificate = Certificate.any(from: &chance, ballot: .finalize(epoch, 1, header.digest))
            let record = BlockRecord(
                final: FinalHeader(header: header, certificate: certificate), body: .any(from: &chance),
                items: [])
            let verdicts = [BeaconVerdict.any(from: &chance, epoch: epoch)]
            let summary = EpochSummary(
                record: record, bundles: [], verdicts: verdicts, totals: .any(from: &chance), minted: 0,
                burned: 0,
                millisecondsToFinal: 1)
            try store.write([
                .final(record, bundles: [], changes: [], verdicts: verdicts, rewards: [], summary)
            ])
        }
    }

    @Test func `whoever asks for beacons and witnesses that are forgotten is told so`() async throws {
        let scratch = try Scratch()
        try forgetful(scratch.path + "/data")
        let nobody = NodeID(testing: 9).text
        for question in [["beacons"], ["beacon", "0000000000000000"], ["witness", nobody]] {
            let (status, said) = try await run(["inspect", scratch.path] + question, in: scratch)
            #expect(status == (question[0] == "beacon" ? 1 : 0))
            #expect(said.contains("what blocks before 5 say of beacons is not here"), "\(question): \(said)")
            #expect(said.contains("blocks are here of epochs 5 to 6"))
        }
    }

    @Test func `a store that holds though its node halted is not what differs`() {
        func text(_ haltedIn: UInt64?) -> String {
            VerifyDocument(
                network: "00", name: "n", firstEpoch: 1, lastEpoch: 8, signatures: 5, holds: true,
                haltedIn: haltedIn
            ).text
        }
        #expect(text(nil).contains("of network n hold") && !text(nil).contains("halted"))
        #expect(text(9).contains("halted in epoch 9") && text(9).contains("its execution of that block does"))
    }
}
