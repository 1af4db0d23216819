import Bytes
import Foundation
import Identity
import Runtime
import Testing
import Wire

extension TestnetTests {
    /// The exit status tells a slip in the command, 64 (`EX_USAGE`, sysexits.h), from a failure of what it asked for, 1.
    @Suite struct UsageTests {
        private let node = "earshot://nobody@127.0.0.1:1"

        /// A genesis file, a key and the key's id.
        private func network(
            in scratch: borrowing Scratch
        ) throws -> (genesis: String, key: String, id: String, vrf: String) {
            var options = TestnetPlan.Options()
            (options.nodes, options.sensors) = (1, 0)
            let plan = try TestnetPlan(options)
            let directory = TestnetDirectory(scratch.path + "/net")
            try directory.create(plan, replacing: false, airtimePermille: 1)
            let member = plan.members[0]
            return (
                directory.genesisFile, directory.folder("node1") + "/node.key", member.id.text,
                member.vrfKey.octets.hex
            )
        }

        @Test func `a slip in the options of a testnet or a node ends with 64`() async throws {
            let scratch = try Scratch()
            let home = scratch.path + "/none"
            let testnet = ["testnet", "--dir", home, "--epochs", "1", "--deadline", "1s"]
            let node = ["node", "--config", scratch.path + "/none.toml"]
            for command in [
                testnet + ["--nodes", "0"], testnet + ["--nodes", "101"], testnet + ["--sensors=-1"],
                testnet + ["--edges", "101"], testnet + ["--spares=-1"], testnet + ["--epoch", "100ms"],
                testnet + ["--epoch", "soon"], testnet + ["--delta", "1ms"], testnet + ["--accounts=-1"],
                testnet + ["--validators", "9"], testnet + ["--port-base", "65530"],
                testnet + ["--without", "node99"], testnet + ["--nodes", "many"], testnet + ["--odd"],
                node + ["--sole-copy"], node + ["--from-epoch", "3"], node + ["--checkpoint", "3"],
                node + ["--log-level", "foo"], ["node"],
            ] {
                let ran = try await run(command, in: scratch)
                #expect(ran.status == 64, "\(command): \(ran.said)")
                #expect(!FileManager.default.fileExists(atPath: home), "\(command)")
            }
            // Nothing is wrong with these commands.
            for command in [node, testnet + ["--resume"]] {
                let ran = try await run(command, in: scratch)
                #expect(ran.status == 1, "\(command): \(ran.said)")
            }
        }

        @Test func `a slip that is found late tells how its own command is used`() async throws {
            let scratch = try Scratch()
            let home = scratch.path + "/none"
            let ran = try await run(["testnet", "--dir", home, "--without", "node99"], in: scratch)
            #expect(ran.status == 64 && ran.said.contains("Usage: earshot testnet <options>"), "\(ran.said)")
            #expect(ran.said.contains("See 'earshot testnet --help'"), "\(ran.said)")
        }

        @Test func `an option that would have no effect is refused by its name`() async throws {
            let scratch = try Scratch()
            let line = "earshot://\(try network(in: scratch).id)@127.0.0.1:1"
            let ping = ["peers", "ping", line, "--all", "--genesis", "none"]
            let swarm = ["simulate", "--faults", "swarm"]
            let plan = ["simulate", "--plan", "none"]
            for (command, option) in [
                (ping, "--all"), (swarm + ["--nodes", "5"], "--nodes"),
                (plan + ["--epochs", "3"], "--epochs"),
                (plan + ["--edges", "3"], "--edges"), (plan + ["--faults", "loss=2"], "--faults"),
                (["simulate", "--scenario", "sunshine", "--validators", "3"], "--validators"),
            ] {
                let ran = try await run(command, in: scratch)
                #expect(ran.status == 64 && ran.said.contains("\(option) "), "\(command): \(ran.said)")
                #expect(ran.said.contains("go"), "\(command): \(ran.said)")
            }
        }

        @Test func `a slip in a transaction ends with 64`() async throws {
            let scratch = try Scratch()
            let (genesis, key, id, _) = try network(in: scratch)
            let online = ["--genesis", genesis, "--key", key]
            let offline = online + ["--offline", "--nonce", "1", "--expiry", "10"]
            let transaction = String(repeating: "0", count: 64)
            for command in [
                ["transfer", id, "1"] + online, ["transfer", id, "1", "--offline"] + online,
                ["transfer", "ear1nobody", "1"] + offline, ["transfer", id, "much"] + offline,
                ["transfer", id, "1", "--fee", "none"] + offline, ["stake", id, "1.123456789"] + offline,
                ["unstake", id, "-"] + offline, ["register", "king"] + offline,
                ["register", "hotspot", "--latitude", "91", "--longitude", "7"] + offline,
                ["register", "hotspot", "--latitude", "47"] + offline,
                ["register", "hotspot", "--gain", "90"] + offline,
                ["register", "hotspot", "--region", "MARS"] + offline, ["register", "validator"] + offline,
                ["update", "ear1nobody", "--gain", "2", "--region", "EU868"] + offline,
                ["update", id, "--gain", "2"] + offline, ["transfer", id, "1", "--node", node] + online,
                ["status", "abc", "--genesis", genesis, "--node", "none"],
                ["status", transaction, "--genesis", genesis, "--node", node],
                ["send", "zz", "--genesis", genesis, "--node", "none"],
                ["send", transaction, "--genesis", genesis, "--node", "none"],
            ] {
                let ran = try await run(["tx"] + command, in: scratch)
                #expect(ran.status == 64, "\(command): \(ran.said)")
            }
            let signed = try await run(["tx", "transfer", id, "1"] + offline, in: scratch)
            #expect(signed.status == 0, "\(signed.said)")
            for command in [
                ["transfer", id, "1", "--node", scratch.path + "/none"] + online,
                ["status", transaction, "--genesis", genesis, "--node", scratch.path + "/none"],
            ] {
                let ran = try await run(["tx"] + command, in: scratch)
                #expect(ran.status == 1, "\(command): \(ran.said)")
            }
        }

        @Test func `a slip in any other command ends with 64`() async throws {
            let scratch = try Scratch()
            let (genesis, _, id, vrf) = try network(in: scratch)
            let (store, none) = (scratch.path + "/net/node1", scratch.path + "/none")
            let found = ["genesis", "new", "--name", "a", "--validator"]
            for command in [
                ["inspect", store, "beacon"], ["inspect", store, "beacon", "xyz"],
                ["inspect", store, "epoch"],
                ["inspect", store, "epoch", "first"], ["inspect", store, "rewards", "-"],
                ["inspect", store, "account"], ["inspect", store, "account", ""],
                ["inspect", store, "stars"],
                ["peers", "ping", node, "--genesis", genesis], ["peers", "find", "--near", "1,2"],
                ["peers", "find", node, "--genesis", genesis, "--near", "1,2"],
                found + ["nobody"], found + ["\(id):ff"], found + ["\(id):\(vrf)", "--stake", "much"],
                found + ["x:y", "--stake", "1"],
                found + ["\(id):\(vrf)", "--epoch-seconds", "0"], ["keys", "new"], ["keys", "sell"],
                ["simulate", "--scenario", "sunshine"], ["simulate", "--faults", "rain"],
                ["simulate", "--faults", "crash:99@1-2"], ["simulate", "--crypto", "none", "--sealed"],
                ["simulate", "--crypto", "none", "--faults", "crash:1@1000-2000"],
                ["simulate", "--verify-every-time", "--crypto", "none"], ["simulate", "--nodes", "0"],
                ["simulate", "sweep", "--seeds", "many"], ["status"], ["ether"], ["nonsense"],
            ] {
                let ran = try await run(command, in: scratch)
                #expect(ran.status == 64, "\(command): \(ran.said)")
            }
            for command in [
                ["inspect", none, "status"], ["status", none], ["genesis", "check", none],
                ["keys", "show", none], ["peers", "check", none],
                ["peers", "ping", none, "--genesis", genesis],
                ["simulate", "--plan", none], ["simulate", "replay", none], ["ether", none],
                ["inspect", store, "account", "ffffffff"], ["inspect", store, "epoch", "9"],
            ] {
                let ran = try await run(command, in: scratch)
                #expect(ran.status == 1, "\(command): \(ran.said)")
            }
        }

        @Test func `a transaction that the node does not know is no success`() async throws {
            let world = try World(portBase: Ports.usage) { $0.nodes = 4 }
            try await world.goOn(world.names, by: 1)
            let transaction = String(repeating: "0", count: 64)
            let asked = ["tx", "status", transaction, "--genesis", world.directory.genesisFile]
            let ran = try await run(asked + ["--node", world.uri(of: 0)], in: world.scratch)
            #expect(ran.status == 1 && ran.said.contains("unknown"), "\(ran.said)")
            let helped = try await run("tx", "status", "--help", in: world.scratch)
            #expect(helped.status == 0 && helped.said.contains("with 1"), "\(helped.said)")
        }
    }
}
