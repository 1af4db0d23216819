import Foundation
import Records
import Runtime
import Testing

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
