import Bytes
import Foundation
import Identity
import Records
import Runtime
import Testing
import Wire

/// One node of the playground, alone, at ports of the test's own, for tools that speak to a running node.
final class LoneNode {
    let scratch: Scratch
    let port: UInt16
    let id: NodeID
    private let node: Command

    init(port: UInt16) async throws {
        scratch = try Scratch()
        self.port = port
        let folder = scratch.path + "/Peers/local"
        for path in ["/Peers", "/.local"] {
            try FileManager.default.createDirectory(
                atPath: scratch.path + path, withIntermediateDirectories: true)
        }
        try FileManager.default.copyItem(
            atPath: repository.appending(path: "Peers/local").path, toPath: folder)
        let config = folder + "/one.toml"
        let text = try String(contentsOfFile: config, encoding: .utf8).replacing(":20001", with: ":\(port)")
        try (text + "\nkey_log = \"keys.log\"\n").write(toFile: config, atomically: true, encoding: .utf8)
        let home = scratch.path + "/.local/one"
        let made = try await run("keys", "new", home + ".key", "--seed", "1", "--data", home, in: scratch)
        try #require(made.status == 0, "\(made.said)")
        id = try NodeKeys.load(home + ".key", for: nil).signing.nodeID
        let node = try Command("node", "--config", config, log: scratch.path + "/one.log")
        self.node = node
        try await until("the node to listen") { node.output.contains("listening") }
    }

    var genesis: String { scratch.path + "/Peers/local/genesis.toml" }
    var keyLog: String { scratch.path + "/Peers/local/keys.log" }
    var line: String { "earshot://\(id.text)@127.0.0.1:\(port)" }

    /// Stops it, and looks that nothing was wrong with it.
    func end() async throws {
        node.signal(SIGINT)
        #expect(try await node.status() == 0, "\(node.output)")
    }
}

extension TestnetTests {
    @Suite struct GreetingTests {
        private struct Answer: Decodable {
            let answers: Bool
            let version: Int?
            let sequence: Int?
            let observed: String?
            let clockDoubt: Double?
            let answered: Int
            let fault: String?
        }

        private struct List: Decodable {
            let answering: Int
            let nodes: [Answer]
        }

        @Test func `a running node answers, and one good entry among bad ones is told apart`() async throws {
            let node = try await LoneNode(port: Ports.greeting)
            let (status, said) = try await run(
                "peers", "ping", node.line, "--genesis", node.genesis, "--json", in: node.scratch)
            let answer = try JSONDecoder().decode(Answer.self, from: Data(said.utf8))
            #expect(status == 0 && answer.answers && answer.answered > 0, "\(said)")
            #expect(answer.version == 1 && answer.sequence != nil && answer.clockDoubt != nil)
            #expect(answer.observed?.hasPrefix("127.0.0.1:") ?? false)

            let seed = [UInt8](repeating: 5, count: 32)
            let stranger = NodeKeys(seed: seed.octetBytes).signing.nodeID
            let list = node.scratch.path + "/bad.peers"
            try """
            earshot://\(stranger.text)@127.0.0.1:\(node.port)
            earshot://\(node.id.text)@127.0.0.1:\(node.port + 50)
            \(node.line)
            earshot://\(node.id.text)@nowhere.invalid:\(node.port)
            """.write(toFile: list, atomically: true, encoding: .utf8)
            let all = try await run(
                "peers", "ping", list, "--all", "--genesis", node.genesis, "--json", in: node.scratch)
            let found = try JSONDecoder().decode(List.self, from: Data(all.said.utf8))
            #expect(all.status == 1 && found.answering == 1)
            #expect(found.nodes.map(\.answers) == [false, false, true, false])
            #expect(found.nodes[0].fault == "noAnswer" && found.nodes[1].fault == "refused")
            // The second of these is a resolver that asks servers which do not answer.
            #expect(["nameUnknown", "nameSlow"].contains(found.nodes[3].fault))
            try await node.end()
        }

        @Test func `a wrong network looks like no node at all`() async throws {
            let node = try await LoneNode(port: Ports.greeting + 1)
            let other = node.scratch.path + "/other.toml"
            let text = try String(contentsOfFile: node.genesis, encoding: .utf8)
            try text.replacing("name = \"", with: "name = \"not-").write(
                toFile: other, atomically: true, encoding: .utf8)
            let (status, said) = try await run(
                "peers", "ping", node.line, "--genesis", other, in: node.scratch)
            #expect(status == 1 && said.contains("no answer") && said.contains("wrong network"), "\(said)")
            try await node.end()
        }

        @Test func `a ping that is interrupted shows what came so far`() async throws {
            let node = try await LoneNode(port: Ports.greeting + 2)
            let ping = try Command(
                "peers", "ping", node.line, "--genesis", node.genesis, "--count", "10000",
                log: node.scratch.path + "/ping.log")
            // Its session is in the key log as soon as there is one; the rest does not hang on how long it was.
            try await until("the session") {
                FileManager.default.contents(atPath: node.keyLog)?.isEmpty == false
            }
            ping.signal(SIGINT)
            _ = try await ping.status()
            #expect(ping.output.contains("address"), "\(ping.output)")
            try await node.end()
        }

        @Test func `an independent implementation of Noise greets a running node`() async throws {
            let node = try await LoneNode(port: Ports.interop)
            let network = try GenesisFile.read(node.genesis).network.hex
            for options in [[], ["--under-load"]] {
                let log = node.scratch.path + "/greet\(options.count).log"
                // The first run fetches two Python packages; whoever has them waits for nothing.
                let child = try ChildProcess(
                    name: "greet", executable: repository.appending(path: "tools/interop/greet").path,
                    arguments: [node.line, "--network", network] + options, logFile: log)
                defer { child.kill() }
                let status = try await eventually("the greeting", within: .seconds(180)) { child.exitStatus }
                let said = try String(contentsOfFile: log, encoding: .utf8)
                #expect(status == 0 && said.contains("signed") && said.contains("pong"), "\(said)")
                #expect(said.contains("cookie") == !options.isEmpty, "\(said)")
            }
            try await node.end()
        }
    }
}
