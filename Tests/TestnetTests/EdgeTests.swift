import Foundation
import Records
import Runtime
import Testing
import Wire

extension TestnetTests {
    @Suite final class EdgeTests {
        private let world: World
        private var edges: [String] { world.testnet.plan.members.filter(\.isEdge).map(\.name) }
        private var full: [String] { world.testnet.plan.members.filter { !$0.isEdge }.map(\.name) }

        init() throws {
            world = try World(portBase: Ports.edges) {
                $0.nodes = 4
                $0.edges = 3
                $0.epochMilliseconds = 1_500
            }
        }

        /// Epochs whose blocks hold a bundle of this member.
        private func epochs(of name: String) throws -> [Epoch] {
            let id = world.testnet.plan.members.first { $0.name == name }!.id
            let store = try #require(world.testnet.store(of: full[0]))
            return try (1...max(1, world.last(of: full[0]))).filter { epoch in
                try store.blockRecord(epoch)?.items.contains { $0.author == id } ?? false
            }
        }

        /// The bundle that an edge node has signed of the epoch that is open to it.
        private func open(of store: NodeStore) throws -> Wire.Bundle? {
            try store.ownBundle().flatMap { try $0.epoch > store.followedEpoch() ? $0 : nil }
        }

        private func included(_ name: String, after epoch: Epoch) async throws {
            try await until("a bundle of \(name) in a block after \(epoch)") {
                try epochs(of: name).contains { $0 > epoch }
            }
        }

        @Test func `edge nodes follow, their bundles are in blocks, and a killed one comes back`()
            async throws
        {
            try await world.goOn(world.names, by: 3)
            for name in edges { try await included(name, after: 1) }
            // The one that is killed has signed its bundle of the open epoch: it must say the same again.
            let victim = edges[1]
            let store = try #require(world.testnet.store(of: victim))
            let child = try #require(world.testnet.children[victim])
            let bundle = try await eventually("a bundle of the open epoch at \(victim)") {
                guard try open(of: store) != nil else { return nil as Wire.Bundle? }
                // Whatever it does between the look and the signal would spoil it: look again at rest.
                child.pause()
                if let bundle = try open(of: store) { return bundle }
                child.resume()
                return nil
            }
            try await world.die(victim)
            try world.testnet.start(victim)
            try await world.goOn(world.names, by: 2)
            try await included(victim, after: bundle.epoch)
            let blocks = try #require(world.testnet.store(of: full[0]))
            let ids = try blocks.blockRecord(bundle.epoch)?.items
            let own = ids?.first { $0.author == bundle.author }
            // In the block or late for it; never another one, and never a conflict.
            #expect(own == nil || own?.item == bundle.id)
            for name in edges {
                #expect(try world.testnet.store(of: name)?.lastEpoch() == 0, "an edge node stores no blocks")
                try await until("\(name) to say that it followed") {
                    try world.counters(of: name)["edge.headers", default: 0] > 0
                }
                #expect(try world.counters(of: name)["edge.lies", default: 0] == 0)
                for question in [["validators"], ["account", "00"]] {
                    let (status, said) = try await run(
                        ["inspect", world.directory.folder(name)] + question, in: world.scratch)
                    #expect(status == 1 && said.contains("ask a full node's"), "\(question): \(said)")
                }
            }
            let last = world.testnet.commonEpoch(of: full)
            world.testnet.stop()
            #expect(world.testnet.faults(through: last, of: full) == [])
            for name in world.names {
                let log = world.log(of: name)
                #expect(!log.contains("alarm:") && !log.contains("critical"), "\(log)")
            }
        }
    }
}
