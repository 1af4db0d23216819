import Bytes
import Foundation
import Identity
import Records
import Runtime
import Testing
import Wire

extension TestnetTests {
    @Suite struct LiarTests {
        private struct Known: Decodable {
            let node: String
            let connected: Bool
            let listed: Bool?
            let forgeries: Int?
            let attempts: Int?
        }

        @Test func `a node whose list names two liars joins through the one that is none, and says who lies`()
            async throws
        {
            let world = try World(portBase: Ports.liars) { $0.spares = 1 }
            try await world.goOn(world.names, by: 1)
            let spare = world.testnet.plan.spares[0]
            let folder = world.directory.folder(spare.name)
            let made = try await run(
                "keys", "new", folder + "/node.key", "--data", world.directory.data(spare.name),
                in: world.scratch)
            #expect(made.status == 0, "\(made.said)")

            let network = world.testnet.plan.genesis.network
            let good = world.testnet.plan.members[0]
            let card = NodeRecord(
                node: good.id, sequence: 1, roles: [], endpoints: [good.gossip], region: nil, version: 1)
            let places = (0..<2).map { Endpoint.loopback(port: Ports.liars + 90 + $0) }
            let forger = try Liar(.forges(target: card), seed: 120, at: places[0], network: network)
            let misleader = try Liar(.misleads, seed: 140, at: places[1], network: network)
            defer {
                forger.stop()
                misleader.stop()
            }
            let list = """
                earshot://\(forger.id.text)@\(places[0])
                earshot://\(misleader.id.text)@\(places[1])
                earshot://\(good.id.text)@\(good.gossip)

                """
            try list.write(toFile: folder + "/own.peers", atomically: true, encoding: .utf8)
            let config = world.directory.configFile(spare.name)
            let text = try String(contentsOfFile: config, encoding: .utf8)
            try text.replacing("../testnet.peers", with: "own.peers")
                .write(toFile: config, atomically: true, encoding: .utf8)
            let node = try Command("node", "--config", config, log: folder + "/list.log")
            try await until("both liars to be asked") { forger.asked > 0 && misleader.asked > 1 }
            let store = try NodeStore(at: world.directory.data(spare.name), readOnly: true)
            let since = world.newest(of: world.names)
            try await until("it to follow") { try store.lastEpoch() > since }
            try await until("it to say who forges cards") {
                node.output.split(separator: "\n").contains {
                    $0.contains("did not sign") && $0.contains("\(forger.id)")
                }
            }
            // Whoever is told is dialled, and the snapshot of each second tells of it.
            try await until("its account of them") {
                let known = try store.status()?.contacts ?? []
                return misleader.dead.allSatisfy { dead in
                    known.contains { $0.node == dead.node && $0.attempts > 0 && $0.link == nil }
                }
                    && known.contains {
                        $0.node == forger.id && $0.traits.contains(.listed) && $0.forgeries > 0
                    }
            }
            // Peers are written down some time after they were met.
            try await until("it to remember who tells the truth") {
                try store.peerRecords().contains {
                    $0.node == good.id && $0.endpoints.first == good.gossip
                }
            }
            let records = try store.peerRecords()
            for forged in forger.forged { #expect(!records.contains(forged)) }
            for forged in forger.forged where forged.node != good.id {
                #expect(try store.status()?.contacts.contains { $0.node == forged.node } == false)
            }

            let peers = try await run("inspect", folder, "peers", "--json", in: world.scratch)
            let all = try JSONDecoder().decode([Known].self, from: Data(peers.said.utf8))
            func known(_ id: NodeID) -> Known? { all.first { $0.node == id.text } }
            #expect(
                known(forger.id)?.forgeries ?? 0 > 0 && known(forger.id)?.connected == false, "\(peers.said)")
            #expect(known(misleader.id)?.forgeries == 0 && known(misleader.id)?.listed == true)
            #expect(known(good.id)?.connected == true && known(good.id)?.listed == true)
            let table = try await run("inspect", folder, "peers", in: world.scratch)
            #expect(table.said.contains("forged ×") && table.said.contains("silent ×"), "\(table.said)")
            let status = try await run("status", folder, in: world.scratch)
            #expect(status.said.contains("\(forger.id.text) at \(places[0]): FORGED CARDS"), "\(status.said)")
            #expect(status.said.contains("3 entries"), "\(status.said)")

            node.signal(SIGTERM)
            #expect(try await node.status() == 0, "\(node.output)")
        }
    }
}
