import Bytes
import Foundation
import Geo
import Identity
import Records
import Runtime
import Testing
import Wire

extension TestnetTests {
    @Suite struct JoinTests {
        @Test func `two nodes started by hand from the playground find each other and finalise`() async throws
        {
            let scratch = try Scratch()
            let folder = scratch.path + "/Peers/local"
            try FileManager.default.createDirectory(
                atPath: scratch.path + "/Peers", withIntermediateDirectories: true)
            try FileManager.default.copyItem(
                atPath: repository.appending(path: "Peers/local").path, toPath: folder)
            // Its ports may be taken by somebody who plays with it just now.
            for file in ["one.toml", "two.toml", "local.peers"] {
                let path = "\(folder)/\(file)"
                let text = try String(contentsOfFile: path, encoding: .utf8)
                    .replacing(":20001", with: ":\(Ports.playground)").replacing(
                        ":20002", with: ":\(Ports.playground + 1)")
                try text.write(toFile: path, atomically: true, encoding: .utf8)
            }
            var nodes: [Command] = []
            for (name, seed) in [("one", "1"), ("two", "2")] {
                let home = "\(scratch.path)/.local/\(name)"
                let made = try await run(
                    "keys", "new", home + ".key", "--seed", seed, "--data", home, in: scratch)
                #expect(made.status == 0, "\(made.said)")
                nodes.append(
                    try Command(
                        "node", "--config", "\(folder)/\(name).toml", log: "\(scratch.path)/\(name).log"))
            }
            let stores = try ["one", "two"].map {
                try NodeStore(at: "\(scratch.path)/.local/\($0)", readOnly: true)
            }
            try await until("both to finalise two epochs") {
                try stores.allSatisfy { try $0.lastEpoch() >= 2 }
            }
            #expect(try stores[0].summary(2)?.stateRoot == stores[1].summary(2)?.stateRoot)
            for node in nodes {
                node.signal(SIGINT)
                #expect(try await node.status() == 0, "\(node.output)")
            }
        }

        @Test func `a ninth hotspot registers, joins by the list, and is witnessed and paid`() async throws {
            let world = try World(portBase: Ports.joining) {
                $0.spares = 2
                // So that whether it beacons in time does not hang on luck.
                $0.beaconPermille = 900
            }
            try await world.goOn(world.names, by: 2)
            let directory = world.directory
            let (guest, stranger) = (world.testnet.plan.spares[0], world.testnet.plan.spares[1])
            var ids: [NodeID] = []
            for spare in [guest, stranger] {
                let folder = directory.folder(spare.name)
                let made = try await run(
                    "keys", "new", folder + "/node.key", "--data", directory.data(spare.name),
                    in: world.scratch)
                #expect(made.status == 0, "\(made.said)")
                ids.append(try NodeKeys.load(folder + "/node.key", for: nil).signing.nodeID)
            }
            let registered = try await run(
                "tx", "register", "hotspot", "--genesis", directory.genesisFile, "--node",
                world.uri(of: 3), "--key", directory.folder("node1") + "/node.key",
                "--device",
                directory.folder(guest.name) + "/node.key", "--latitude", "\(guest.position.degreesNorth)",
                "--longitude", "\(guest.position.degreesEast)", "--wait", in: world.scratch)
            #expect(
                registered.status == 0 && registered.said.contains("final in epoch"), "\(registered.said)")
            let since = world.newest(of: world.names)
            try world.testnet.start(guest.name)
            try world.testnet.start(stranger.name)

            let store = try #require(world.testnet.store(of: "node1"))
            try await until("ten epochs") { try store.lastEpoch() >= since + 10 }
            let beacons = try store.verdicts { $0.verdict.beaconer == ids[0] && $0.block <= since + 10 }
            #expect(
                beacons.contains { $0.verdict.reports.contains { $0.reason == .valid } },
                "witnessed: \(beacons)")
            let witnessing = try store.verdicts {
                $0.block <= since + 10
                    && $0.verdict.reports.contains { $0.reporter == ids[0] && $0.reason == .valid }
            }
            #expect(!witnessing.isEmpty)
            let paid = try (since...since + 10).flatMap { try store.rewards($0) }.filter { $0.node == ids[0] }
            #expect(paid.contains { $0.amount > 0 }, "paid: \(paid)")

            // It holds what everybody holds.
            try await world.goOn(world.names + [guest.name, stranger.name], by: 1)
            let last = world.testnet.commonEpoch(of: world.names + [guest.name])
            #expect(world.testnet.faults(through: last, of: world.names + [guest.name]) == [])
            try await tellsWhy(stranger.name, ids[1], world)
        }

        @Test
        func
            `a node finds the one good entry among nine bad, by name, and another when the list is read again`()
            async throws
        {
            let world = try World(portBase: Ports.lists) { $0.spares = 1 }
            try await world.goOn(world.names, by: 1)
            let spare = world.testnet.plan.spares[0]
            let folder = world.directory.folder(spare.name)
            let made = try await run(
                "keys", "new", folder + "/node.key", "--data", world.directory.data(spare.name),
                in: world.scratch)
            #expect(made.status == 0, "\(made.said)")
            let members = world.testnet.plan.members
            // Nobody is there, or somebody else is, or the name leads nowhere.
            let bad = (0..<9).map { number in
                let host =
                    number < 2
                    // The second is of a family that this node's socket has not, and the third the system refuses too.
                    ? ["[::1]:9", "255.255.255.255:9"][number]
                    : number < 3 ? "127.0.0.1:9" : number < 6 ? "\(members[1].gossip)" : "nobody.invalid:4100"
                let seed = [UInt8](repeating: UInt8(number + 100), count: 32)
                return "earshot://\(NodeKeys(seed: seed.span.octetBytes).signing.nodeID.text)@\(host)\n"
            }.joined()
            let list = folder + "/own.peers"
            try bad.write(toFile: list, atomically: true, encoding: .utf8)
            let config = world.directory.configFile(spare.name)
            let text = try String(contentsOfFile: config, encoding: .utf8)
            try text.replacing("../testnet.peers", with: "own.peers")
                .write(toFile: config, atomically: true, encoding: .utf8)
            let node = try Command("node", "--config", config, log: folder + "/list.log")
            try await until("it to miss the name") { node.output.contains("name=nobody.invalid") }
            #expect(!node.output.contains("peer connected"))
            try (bad + "earshot://\(members[0].id.text)@localhost:\(members[0].gossip.port)\n")
                .write(toFile: list, atomically: true, encoding: .utf8)
            node.signal(SIGHUP)
            let store = try NodeStore(at: world.directory.data(spare.name), readOnly: true)
            let since = world.newest(of: world.names)
            try await until("it to follow") { try store.lastEpoch() > since }
            #expect(node.output.contains("read the bootstrap list again"))
            try "a line that is none\n".write(toFile: list, atomically: true, encoding: .utf8)
            node.signal(SIGHUP)
            try await until("it to keep the list that it has") { node.output.contains("stays as it was") }
            node.signal(SIGTERM)
            #expect(try await node.status() == 0)
        }

        /// The one that did not register hears it from its own log and from whoever looks for it.
        private func tellsWhy(_ name: String, _ id: NodeID, _ world: World) async throws {
            try await until("\(name) to say that it is not registered") {
                world.log(of: name).contains("is not registered")
            }
            for topic in ["account", "witness"] {
                let (status, said) = try await run(
                    "inspect", world.directory.folder("node1"), topic, id.text, in: world.scratch)
                #expect(
                    status == 0 && said.contains("not registered") && said.contains("tx register"), "\(said)")
            }
            let store = try #require(world.testnet.store(of: "node1"))
            #expect(try store.verdicts { $0.verdict.reports.contains { $0.reporter == id } }.isEmpty)
        }
    }
}
