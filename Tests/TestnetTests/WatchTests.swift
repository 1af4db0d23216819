import Foundation
import Geo
import Glibc
import Identity
import Records
import Runtime
import TestKit
import Testing
import Wire

extension TestnetTests {
    /// Watching a node: its admin port, `earshot status` and `earshot inspect peers`.
    @Suite struct WatchTests {
        /// Four validators of which the first has an admin port and logs JSON.
        private func world() async throws -> World {
            let world = try World(portBase: Ports.watching) { $0.nodes = 4 }
            try await world.die("node1")
            let file = URL(fileURLWithPath: world.directory.configFile("node1"))
            var text = try String(contentsOf: file, encoding: .utf8)
            text += "admin = \"127.0.0.1:0\"\nlog_format = \"json\"\n"
            try Data(text.utf8).write(to: file)
            try FileManager.default.removeItem(atPath: world.directory.log("node1"))
            try world.testnet.start("node1")
            return world
        }

        /// Where node1 says its admin port is; it took a free one.
        private func admin(of world: World) async throws -> UInt16 {
            let child = try #require(world.testnet.children["node1"])
            return try await eventually("node1's admin port") {
                guard let status = try world.testnet.store(of: "node1")?.status(),
                    status.processID == UInt32(child.processID)
                else { return nil }
                return status.admin?.port
            }
        }

        private func samples(_ port: UInt16) throws -> [String: Double] {
            let answer = try RawClient.get("/metrics", port: port)
            #expect(answer.code == 200)
            return try Exposition(answer.body).samples
        }

        @Test func `a running node tells scrapers, probes and people how it is`() async throws {
            let world = try await world()
            let port = try await admin(of: world)
            try await world.goOn(world.names, by: 2)
            try await until("three peers and traffic both ways") {
                let samples = try samples(port)
                return samples["earshot_peers{direction=\"outbound\"}", default: 0]
                    + samples["earshot_peers{direction=\"inbound\"}", default: 0] == 3
                    && samples["earshot_traffic_received_bytes_total", default: 0] > 0
            }
            let before = try samples(port)
            try await world.goOn(world.names, by: 2)
            try await until("the next snapshot") {
                try samples(port)["earshot_last_final_epoch"]! >= before["earshot_last_final_epoch"]! + 2
            }
            let after = try samples(port)
            // Counters never fall, and of a node that works these grow.
            for (name, value) in before where name.contains("_total") {
                #expect(after[name]! >= value, "\(name)")
            }
            for name in ["traffic_received_datagrams", "traffic_sent_bytes", "dissemination_delivered"] {
                #expect(after["earshot_\(name)_total"]! > before["earshot_\(name)_total"]!, "\(name)")
            }
            #expect(
                after["earshot_healthy"] == 1 && after["earshot_votes"] == 1 && after["earshot_halted"] == 0)
            #expect(after["process_open_fds"]! > 0)

            let health = try RawClient.get("/health", port: port)
            #expect(health.code == 200 && health.body.contains("\"isHealthy\":true"), "\(health.body)")

            // By its configuration, its folder and its port the answer is of the same node.
            let id = try #require(world.testnet.plan.members.first).id.text
            for place in [
                world.directory.configFile("node1"), world.directory.folder("node1"),
                world.directory.data("node1"), "127.0.0.1:\(port)", "http://127.0.0.1:\(port)/",
            ] {
                let (status, said) = try await run("status", place, in: world.scratch)
                #expect(status == 0, "\(place): \(said)")
                #expect(said.contains(id) && said.contains("health        good"), "\(said)")
                #expect(said.contains("became final") && said.contains("peers         3,"), "\(said)")
            }
            let (_, json) = try await run(
                "status", world.directory.folder("node1"), "--json", in: world.scratch)
            let document = try JSONDecoder().decode(StatusDocument.self, from: Data(json.utf8))
            #expect(document.presence == "running" && document.status.isHealthy)
            #expect(document.status.node == id && document.status.peers.count { $0.link != nil } == 3)

            for line in world.log(of: "node1").split(separator: "\n") {
                let object = try JSONDecoder().decode(LogLine.self, from: Data(line.utf8))
                #expect(!object.message.isEmpty && !object.time.isEmpty, "\(line)")
                #expect(["info", "notice", "warning"].contains(object.level), "\(line)")
            }
        }

        @Test func `inspect peers shows who is connected, and what passed`() async throws {
            let world = try await world()
            try await world.goOn(world.names, by: 1)
            let folder = world.directory.folder("node1")
            let others = world.testnet.plan.members.dropFirst()
            let peers = try await eventually("three peers with traffic") {
                let status = try world.testnet.store(of: "node1")?.status()
                let links = (status?.contacts ?? []).compactMap(\.link)
                return links.count == 3 && links.allSatisfy { $0.received.octets > 0 && $0.sent.octets > 0 }
                    ? status : nil
            }
            #expect(Set(peers.contacts.map(\.node)) == Set(others.map(\.id)))

            let (code, json) = try await run("inspect", folder, "peers", "--json", in: world.scratch)
            #expect(code == 0, "\(json)")
            let list = try JSONDecoder().decode([ListedPeer].self, from: Data(json.utf8))
            #expect(Set(list.map(\.node)) == Set(others.map(\.id.text)))
            for peer in list {
                let member = try #require(others.first { $0.id.text == peer.node })
                #expect(peer.connected && peer.view == "active")
                #expect(peer.endpoints.first == "\(member.gossip)")
                #expect(peer.roles == member.roles.names)
                let datagrams = try #require(peer.datagramsReceived)
                // A datagram has at least a head.
                #expect(try #require(peer.octetsReceived) >= datagrams * 40 && datagrams > 0)
                // The sites are public, in the ledger.
                let first = world.testnet.plan.members[0].position
                #expect(peer.metres == first.distanceMetres(to: member.position))
            }
            let (_, sorted) = try await run(
                "inspect", folder, "peers", "--sort", "distance", "--json", in: world.scratch)
            let metres = try JSONDecoder().decode([ListedPeer].self, from: Data(sorted.utf8)).map {
                $0.metres ?? 0
            }
            #expect(metres == metres.sorted() && metres.count == 3)
            let (_, text) = try await run("inspect", folder, "peers", in: world.scratch)
            // On a busy machine a line above the table says that this node hears late.
            let rows = text.split(separator: "\n").map { $0.split(separator: " ") }
            #expect(
                rows.count { $0.contains("HEALTH") } == 1 && rows.count { $0.first == "active" } == 3,
                "\(text)")
        }

        @Test func `a node whose network stands still answers, and says so`() async throws {
            let world = try await world()
            let port = try await admin(of: world)
            try await world.goOn(world.names, by: 1)
            // Two of four: no quorum is left.
            let frozen = try ["node3", "node4"].map { try #require(world.testnet.children[$0]) }
            for child in frozen { child.pause() }
            try await until("the probe to fail") { try RawClient.get("/health", port: port).code == 503 }
            let health = try RawClient.get("/health", port: port)
            #expect(
                health.body.contains("\"stalled\"") && health.body.contains("waits for"), "\(health.body)")
            #expect(try samples(port)["earshot_healthy"] == 0)
            for place in [world.directory.folder("node1"), "127.0.0.1:\(port)"] {
                let (code, said) = try await run("status", place, in: world.scratch)
                #expect(code == 4, "\(said)")
                #expect(said.contains("no epoch has become final for"), "\(said)")
            }
            for child in frozen { child.resume() }
            try await until("the probe to pass again") {
                try RawClient.get("/health", port: port).code == 200
            }
        }

        @Test func `of a node that is not running there are last words, and the way it ended`() async throws {
            let world = try await world()
            try await world.goOn(world.names, by: 1)
            let folder = world.directory.folder("node2")
            let second = try #require(world.testnet.children["node2"])
            second.terminate()
            try await until("its end") { !second.isRunning }
            let (stopped, saidStopped) = try await run("status", folder, in: world.scratch)
            #expect(stopped == 3 && saidStopped.contains("NOT RUNNING: it was stopped"), "\(saidStopped)")

            // Beyond the silence of any running node it is looked for its process.
            try await world.die("node3")
            #expect(try await said(of: "node3", in: world).contains("is gone"))
            let fourth = try #require(world.testnet.children["node4"])
            fourth.pause()
            #expect(try await said(of: "node4", in: world).contains("is there but has said nothing"))
            fourth.resume()

            let (nothing, why) = try await run("status", world.scratch.path, in: world.scratch)
            #expect(nothing == 1 && why.contains("there is no store"), "\(why)")
        }

        /// What `status` says of a node once it takes it no more for one that is well; its exit status agrees.
        private func said(of name: String, in world: World) async throws -> String {
            let clock = ContinuousClock()
            let deadline = clock.now + .seconds(60)
            while clock.now < deadline {
                let (code, said) = try await run("status", world.directory.folder(name), in: world.scratch)
                guard code != 0, !said.contains("running as process") else { continue }
                #expect(code == (said.contains("NOT RUNNING") ? 3 : 4), "\(said)")
                return said
            }
            throw Overdue(description: "\(name) was taken for a running node for too long")
        }

        @Test(arguments: [SIGINT, SIGTERM, SIGQUIT]) func `status --watch goes on until it is told to end`(
            number: Int32
        )
            async throws
        {
            let world = try World(portBase: Ports.watching) { $0.nodes = 4 }
            try await world.goOn(world.names, by: 1)
            let log = world.scratch.path + "/watch.log"
            let command = try Command(
                "status", world.directory.folder("node1"), "--watch", "--json", log: log)
            try await until("three frames") { command.output.split(separator: "\n").count >= 3 }
            command.signal(number)
            #expect(try await command.status() == 0)
            for line in command.output.split(separator: "\n") {
                let document = try JSONDecoder().decode(StatusDocument.self, from: Data(line.utf8))
                #expect(document.presence == "running")
            }
        }

        @Test func `port 0 takes one that is free, which the log and the status name`() async throws {
            let scratch = try Scratch()
            var options = TestnetPlan.Options()
            (options.nodes, options.sensors) = (1, 0)
            let directory = TestnetDirectory(scratch.path + "/net")
            let plan = try TestnetPlan(options)
            try directory.create(plan, replacing: false, airtimePermille: 1)
            let config = directory.configFile("node1")
            var text = try String(contentsOfFile: config, encoding: .utf8)
            for place in [plan.members[0].gossip, plan.members[0].radio] {
                text = text.replacing("\"\(place)\"", with: "\"127.0.0.1:0\"")
            }
            try text.write(toFile: config, atomically: true, encoding: .utf8)
            let node = try Command("node", "--config", config, "--stop-on-eof", log: scratch.path + "/log")
            let store = try await eventually("the store") {
                try? NodeStore(at: directory.data("node1"), readOnly: true)
            }
            let live = try await eventually("its first words") { try store.status() }
            #expect(live.endpoint.isLoopback && live.endpoint.port > 0, "\(live.endpoint)")
            #expect(node.output.contains("gossip=\(live.endpoint) "), "\(node.output)")
            #expect(node.output.contains("radio=127.0.0.1:"), "\(node.output)")
            #expect(!node.output.contains("127.0.0.1:0 "), "\(node.output)")
        }
    }
}

private struct StatusDocument: Decodable {
    let presence: String
    let ageMilliseconds: UInt64
    let status: StatusReport
}

private struct LogLine: Decodable {
    let time: String
    let level: String
    let message: String
}

private struct ListedPeer: Decodable {
    let node: String
    let roles: [String]
    let endpoints: [String]
    let connected: Bool
    let view: String
    let metres: Int?
    let octetsReceived: UInt64?
    let datagramsReceived: UInt64?
}
