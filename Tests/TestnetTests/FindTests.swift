import Bytes
import Foundation
import Geo
import Identity
import Records
import Runtime
import Testing
import Wire

extension TestnetTests {
    /// `earshot peers find`, over the network.
    @Suite struct FindTests {
        private struct Found: Decodable {
            let node: String
            let roles: [String]
            let endpoints: [String]
            let view: String
            let metres: Int
        }

        @Test func `one node that is asked leads to all, the nearest first`() async throws {
            let world = try World(portBase: Ports.finding) { $0.nodes = 5 }
            try await world.goOn(world.names, by: 1)
            let members = world.testnet.plan.members
            let genesis = world.scratch.path + "/net/genesis.toml"
            let line = "earshot://\(members[0].id.text)@\(members[0].gossip)"
            let place = members[3].position
            // As each comes to know all the others, and their cards name regions, it takes a moment.
            try await until("node1 to know the regions of all") {
                let contacts = try world.testnet.store(of: "node1")?.status()?.contacts ?? []
                return contacts.count { $0.region != nil && $0.link != nil } == members.count - 1
            }
            let (code, said) = try await run(
                "peers", "find", line, "--genesis", genesis, "--near", "\(place)", "--json",
                in: world.scratch)
            #expect(code == 0, "\(said)")
            let found = try JSONDecoder().decode([Found].self, from: Data(said.utf8))
            #expect(Set(found.map(\.node)) == Set(members.map(\.id.text)), "who is asked is among them")
            for peer in found {
                let member = try #require(members.first { $0.id.text == peer.node })
                let region = try #require(Cell(containing: member.position, resolution: 12).region)
                #expect(peer.metres == place.distanceMetres(to: region.centre))
                #expect(peer.roles == member.roles.names && peer.endpoints == ["\(member.gossip)"])
                #expect(peer.view == "told")
            }
            #expect(found.map(\.metres) == found.map(\.metres).sorted())

            // A list of which one entry answers nobody, and no further question.
            let list = world.scratch.path + "/some.peers"
            let stranger = NodeKeys(seed: [UInt8](repeating: 5, count: 32).octetBytes).signing.nodeID
            try "earshot://\(stranger.text)@127.0.0.1:9\n\(line)\n".write(
                toFile: list, atomically: true, encoding: .utf8)
            let (status, text) = try await run(
                "peers", "find", "--peers", list, "--genesis", genesis, "--near", "\(place)", "--hops", "0",
                "--limit", "2", in: world.scratch)
            #expect(status == 0 && text.contains("KM") && text.contains(stranger.text), "\(text)")
            #expect(members.count { text.contains($0.id.text) } == 2, "\(text)")
        }

        @Test func `without a genesis file nobody can be asked`() async throws {
            let scratch = try Scratch()
            let id = NodeKeys(seed: [UInt8](repeating: 5, count: 32).octetBytes).signing.nodeID
            let (status, said) = try await run(
                "peers", "find", "earshot://\(id.text)@127.0.0.1:9", "--near", "1,2", in: scratch)
            #expect(status != 0 && said.contains("--genesis"), "\(said)")
        }
    }
}
