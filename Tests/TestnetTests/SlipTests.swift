import Bytes
import Foundation
import Glibc
import Identity
import Records
import Runtime
import Testing
import Wire

extension TestnetTests {
    /// What a command makes of a user's slip: a sentence, a status that is none of success, and nothing half done.
    @Suite struct SlipTests {
        @Test func `a store that was cut short is damaged, and nobody is killed by it`() async throws {
            let scratch = try Scratch()
            let data = scratch.path + "/node/data"
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            let made = try await run("keys", "new", scratch.path + "/key", "--data", data, in: scratch)
            #expect(made.status == 0, "\(made.said)")
            let file = try FileHandle(forUpdating: URL(fileURLWithPath: data + "/data.mdb"))
            // The two pages that say where everything is.
            try file.truncate(atOffset: 2 * UInt64(sysconf(Int32(_SC_PAGESIZE))))
            try file.close()
            let looked = try await run("inspect", scratch.path + "/node", "status", in: scratch)
            #expect(looked.status == 1 && looked.said.contains("damaged"), "\(looked.said)")
            #expect(!looked.said.contains("crashed"), "\(looked.said)")
        }

        @Test func `a question that makes no sense is refused as such, and nobody traps`() async throws {
            let scratch = try Scratch()
            let made = try await run(
                "keys", "new", scratch.path + "/key", "--data", scratch.path + "/node/data", in: scratch)
            #expect(made.status == 0, "\(made.said)")
            for question in [
                ["epochs", "--last=-1"], ["beacons", "--last=0"], ["status", "node"], ["epochs", "5"],
            ] {
                let asked = try await run(["inspect", scratch.path + "/node"] + question, in: scratch)
                #expect(asked.status == 64 && asked.said.contains("takes"), "\(question): \(asked.said)")
            }
            let span = ["--from", "10", "--until", "5"]
            let walked = try await run(["simulate", "replay", scratch.path + "/trace"] + span, in: scratch)
            #expect(walked.status == 64 && walked.said.contains("after --until"), "\(walked.said)")
        }

        @Test func `a testnet's options are all read before an earlier one is removed`() async throws {
            let scratch = try Scratch()
            let home = scratch.path + "/net"
            for slip in [["--deadline", "soon"], ["--deadline", "0s"], ["--delta", "1h"], ["--resume"]] {
                let ran = try await run(
                    ["testnet", "--dir", home, "--epochs", "1", "--fresh"] + slip, in: scratch)
                #expect(ran.status == 64, "\(slip): \(ran.said)")
                #expect(!FileManager.default.fileExists(atPath: home), "\(slip)")
            }
        }

        @Test func `a folder with somebody's files is not taken for a store`() async throws {
            let scratch = try Scratch()
            var options = TestnetPlan.Options()
            (options.nodes, options.sensors, options.portBase) = (1, 0, Ports.usage)
            let directory = TestnetDirectory(scratch.path + "/net")
            try directory.create(try TestnetPlan(options), replacing: false, airtimePermille: 1)
            let home = scratch.path + "/home"
            try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
            try Data("mine".utf8).write(to: URL(fileURLWithPath: home + "/thesis.txt"))
            let config = directory.configFile("node1")
            let text = try String(contentsOfFile: config, encoding: .utf8)
            try text.replacing("data = \"data\"", with: "data = \"\(home)\"")
                .write(toFile: config, atomically: true, encoding: .utf8)
            // Else it would go on.
            let taken = try DatagramSocket(boundTo: .loopback(port: Ports.usage))
            defer { taken.close() }
            let key = scratch.path + "/key"
            for command in [["node", "--config", config], ["keys", "new", key, "--data", home]] {
                let ran = try await run(command, in: scratch)
                #expect(
                    ran.status == 1 && ran.said.contains("\(home) holds no store, but other files"),
                    "\(ran.said)")
                #expect(try FileManager.default.contentsOfDirectory(atPath: home) == ["thesis.txt"])
            }
            #expect(!FileManager.default.fileExists(atPath: key))
        }

        @Test func `an answer that cannot be written is no success, and be it the help`() async throws {
            let scratch = try Scratch()
            for command in [
                "--help", "--version", "help", "inspect --help", "keys new --help", "simulate scenarios",
            ] {
                let log = "\(scratch.path)/full-\(command).log"
                let child = try ChildProcess(
                    name: "earshot", executable: "/bin/sh",
                    arguments: ["-c", "exec \"$0\" \(command) > /dev/full", earshot], logFile: log)
                try await until("its end") { !child.isRunning }
                let said = try String(contentsOfFile: log, encoding: .utf8)
                #expect(
                    child.exitStatus == 1 && said.contains("could not be written"), "\(command): \(said)")
            }
            let helped = try await run("--help", in: scratch)
            #expect(helped.status == 0 && helped.said.contains("USAGE"), "\(helped.said)")
        }

        @Test func `a word that a configuration does not know is named with its file and key`() async throws {
            let scratch = try Scratch()
            let config = scratch.path + "/node.toml"
            for (line, known) in [
                ("log_level = \"foo\"", "log_level is foo; there are trace, debug, info"),
                ("log_format = \"xml\"", "log_format is xml; there are text and json"),
                ("roles = [\"king\"]", "roles names king; there are hotspot"),
                ("roles = []", "roles names none; there are hotspot"),
                ("announce = [\"224.0.0.1:4100\"]", "announce must be addresses that others can reach"),
                ("delta_milliseconds = \"300\"", "delta_milliseconds must be a whole number, without quotes"),
                ("delta_milliseconds = 0.3", "delta_milliseconds must be a whole number\n"),
                ("edge = \"no\"", "edge must be true or false, without quotes"),
            ] {
                try "key = \"k\"\ndata = \"d\"\ngenesis = \"g\"\nlisten = \"127.0.0.1:4100\"\n\(line)\n"
                    .write(toFile: config, atomically: true, encoding: .utf8)
                let ran = try await run("node", "--config", config, in: scratch)
                #expect(ran.status == 1 && ran.said.contains("\(config): \(known)"), "\(ran.said)")
            }
        }

        @Test(arguments: ["224.0.0.1", "239.255.255.255", "255.255.255.255", "[ff02::1]"])
        func `an address of many machines is none to listen at`(address: String) async throws {
            let scratch = try Scratch()
            let config = scratch.path + "/node.toml"
            try "key = \"k\"\ndata = \"d\"\ngenesis = \"g\"\nlisten = \"\(address):4100\"\n"
                .write(toFile: config, atomically: true, encoding: .utf8)
            let ran = try await run("node", "--config", config, in: scratch)
            #expect(ran.status == 1 && ran.said.contains("address of many machines"), "\(ran.said)")
        }

        @Test func `a key of very many parts is refused, before the parser is out of its stack`() async throws
        {
            let scratch = try Scratch()
            let config = scratch.path + "/node.toml"
            let many = [String](repeating: "a", count: 200_000).joined(separator: ".")
            for line in ["\(many) = 1", "[\(many)]", "[[ \(many) ]]"] {
                try "key = \"k\"\n\(line)\n".write(toFile: config, atomically: true, encoding: .utf8)
                let ran = try await run("node", "--config", config, in: scratch)
                #expect(
                    ran.status == 1 && ran.said.contains("\(config), line 2: a key"),
                    "\(ran.said.prefix(500))")
            }
            let plan = scratch.path + "/plan.toml"
            for line in ["\(many) = 1", "[\(many)]", "links = { \(many) = 1 }"] {
                try "epochs = 1\n\(line)\n".write(toFile: plan, atomically: true, encoding: .utf8)
                let ran = try await run("simulate", "--plan", plan, in: scratch)
                #expect(
                    ran.status == 1 && ran.said.contains("line 2: a key has more than 64 parts"),
                    "\(ran.said.prefix(500))")
            }
        }

        @Test func `a plan's value of another kind is told which it must be`() async throws {
            let scratch = try Scratch()
            let plan = scratch.path + "/plan.toml"
            for (line, wanted) in [
                (
                    "epochs = \"6\"",
                    "'epochs' has a value that it cannot have: it must be a number, without quotes"
                ),
                (
                    "sealed = \"yes\"",
                    "'sealed' has a value that it cannot have: it must be true or false, without quotes"
                ),
            ] {
                try line.write(toFile: plan, atomically: true, encoding: .utf8)
                let ran = try await run("simulate", "--plan", plan, in: scratch)
                #expect(ran.status == 1 && ran.said.contains(wanted), "\(ran.said)")
            }
        }

        @Test func `a node that may have few files open says so, and what to do`() async throws {
            let scratch = try Scratch()
            let config = scratch.path + "/node.toml"
            try "key = \"k\"\ndata = \"d\"\ngenesis = \"g\"\nlisten = \"127.0.0.1:4100\"\n"
                .write(toFile: config, atomically: true, encoding: .utf8)
            let log = scratch.path + "/log"
            let child = try ChildProcess(
                name: "earshot", executable: "/bin/bash",
                arguments: ["-c", "ulimit -n 16; exec \"$0\" \"$@\"", earshot, "node", "--config", config],
                logFile: log)
            try await until("its end") { !child.isRunning }
            let said = try String(contentsOfFile: log, encoding: .utf8)
            #expect(
                child.exitStatus == 1 && said.contains("16 files open") && said.contains("ulimit"), "\(said)")
        }

        @Test func `a testnet is not gone on with by other options than it was made with`() async throws {
            let scratch = try Scratch()
            var options = TestnetPlan.Options()
            (options.nodes, options.sensors, options.portBase) = (2, 0, Ports.usage)
            let home = scratch.path + "/net"
            try TestnetDirectory(home).create(
                try TestnetPlan(options), replacing: false, airtimePermille: 1)
            let silent = scratch.path + "/silent.toml"
            try "name = \"silent\"\n[[node]]\nnumber = 2\nsilent = true\n"
                .write(toFile: silent, atomically: true, encoding: .utf8)
            for (slip, made) in [
                (["--port-base", "\(Ports.usage + 40)"], "--port-base \(Ports.usage)"),
                (["--delta", "100ms"], "--delta 300ms"), (["--spares", "0"], "--spares 1"),
                (["--scenario", silent], "node2"), (["--epoch", "700ms"], "other options"),
            ] {
                let ran = try await run(
                    [
                        "testnet", "--dir", home, "--resume", "--nodes", "2", "--sensors", "0",
                        "--epochs", "1", "--deadline", "1s", "--port-base", "\(Ports.usage)",
                    ] + slip, in: scratch)
                #expect(ran.status == 1 && ran.said.contains(made), "\(slip): \(ran.said)")
                #expect(!ran.said.contains("starting"), "\(slip)")
            }
        }

        @Test
        func `what the system refuses is said in a sentence, and a file that is no text is not looked for`()
            async throws
        {
            let scratch = try Scratch()
            let nowhere = try await run("keys", "new", "/proc/none/key", in: scratch)
            #expect(nowhere.status == 1 && nowhere.said == "Error: /proc/none: No such file or directory\n")
            let file = scratch.path + "/file"
            try Data([0x6E, 0xFF, 0xFE]).write(to: URL(fileURLWithPath: file))
            for command in [["genesis", "check"], ["peers", "check"], ["node", "--config"]] {
                let ran = try await run(command + [file], in: scratch)
                #expect(ran.status == 1 && ran.said.contains("not UTF-8"), "\(command): \(ran.said)")
            }
        }

        @Test func `reading a store of another makes no file in it`() async throws {
            let scratch = try Scratch()
            let data = scratch.path + "/node/data"
            try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
            let made = try await run("keys", "new", scratch.path + "/key", "--data", data, in: scratch)
            #expect(made.status == 0, "\(made.said)")
            for name in try FileManager.default.contentsOfDirectory(atPath: data) where name != "data.mdb" {
                try FileManager.default.removeItem(atPath: data + "/" + name)
            }
            _ = try await run("inspect", scratch.path + "/node", "status", in: scratch)
            #expect(try FileManager.default.contentsOfDirectory(atPath: data) == ["data.mdb"])
        }

        @Test func `a forwarder's EUI with a slip is refused, as everybody would be let in without it`()
            async throws
        {
            let scratch = try Scratch()
            let config = scratch.path + "/node.toml"
            for gateway in ["aa:55:5a:00:00:00:00:01", "aa555a000000001", "zz", ""] {
                try """
                key = "k"
                data = "d"
                genesis = "g"
                roles = ["hotspot"]
                listen = "127.0.0.1:4100"
                radio = "127.0.0.1:1700"
                gateway = "\(gateway)"
                """.write(toFile: config, atomically: true, encoding: .utf8)
                let ran = try await run("node", "--config", config, in: scratch)
                #expect(ran.status == 1 && ran.said.contains("gateway must be"), "\(gateway): \(ran.said)")
            }
        }

        @Test func `a refused store leaves no key behind`() async throws {
            let scratch = try Scratch()
            try "not a store".write(toFile: scratch.path + "/file", atomically: true, encoding: .utf8)
            let key = scratch.path + "/key"
            let refused = try await run("keys", "new", key, "--data", scratch.path + "/file", in: scratch)
            #expect(refused.status == 1 && !FileManager.default.fileExists(atPath: key), "\(refused.said)")
            let made = try await run("keys", "new", key, "--data", scratch.path + "/data", in: scratch)
            #expect(made.status == 0, "\(made.said)")
        }

        @Test func `a store is made for one key, and a key that was not made leaves no mark`() async throws {
            let scratch = try Scratch()
            let (key, data) = (scratch.path + "/key", scratch.path + "/data")
            // No folder can be made where a file is.
            try Data().write(to: URL(fileURLWithPath: scratch.path + "/file"))
            let failed = try await run("keys", "new", scratch.path + "/file/key", "--data", data, in: scratch)
            #expect(failed.status == 1, "\(failed.said)")
            let made = try await run("keys", "new", key, "--data", data, in: scratch)
            #expect(made.status == 0, "\(made.said)")
            let mark = try NodeStore(at: data, readOnly: true).virginMark()
            #expect(try mark == NodeKeys.load(key, for: nil).signing.nodeID)
            let other = try await run("keys", "new", key + "2", "--data", data, in: scratch)
            #expect(other.status == 1 && other.said.contains("was made for key"), "\(other.said)")
            #expect(!FileManager.default.fileExists(atPath: key + "2"))
            let again = try await run("keys", "new", key, "--data", data, in: scratch)
            #expect(again.status == 1 && again.said.contains("exists already"), "\(again.said)")
            #expect(try NodeStore(at: data, readOnly: true).virginMark() == mark)
        }

        @Test func `where the store could not be marked there is no key`() async throws {
            let scratch = try Scratch()
            let (key, data) = (scratch.path + "/key", scratch.path + "/data")
            _ = try NodeStore(at: data, readOnly: false)
            // A file of 4 KiB it may write, and no further page of the store's.
            let child = try ChildProcess(
                name: "earshot", executable: "/bin/bash",
                arguments: [
                    "-c", "ulimit -f 4; exec \"$0\" \"$@\"", earshot, "keys", "new", key, "--data", data,
                ],
                logFile: scratch.path + "/log")
            try await until("its end") { !child.isRunning }
            // Killed by SIGXFSZ, or told of it where that is ignored.
            #expect(child.exitStatus != 0)
            #expect(!FileManager.default.fileExists(atPath: key))
        }

        @Test func `a network may be called anything, and its file reads back`() async throws {
            let scratch = try Scratch()
            let key = try await run("keys", "new", scratch.path + "/key", "--json", in: scratch)
            #expect(key.status == 0, "\(key.said)")
            let keys = NodeKeys(seed: SecretSeed(octets: Digest(of: [7]).octets.octetBytes))
            let validator = "\(keys.signing.nodeID.text):\(keys.vrf.publicKey.octets.hex)"
            let name = "a \"quoted\" \\ name\n[parameters]"
            let printed = try await run(
                "genesis", "new", "--name", name, "--validator", validator, in: scratch)
            #expect(printed.status == 0, "\(printed.said)")
            let file = scratch.path + "/genesis.toml"
            try printed.said.write(toFile: file, atomically: true, encoding: .utf8)
            #expect(try GenesisFile.read(file).name == name)
        }

        @Test func `an update that does not state all radio facts is not signed`() async throws {
            let scratch = try Scratch()
            let world = try World(portBase: Ports.lists) { $0.nodes = 4 }
            defer { withExtendedLifetime(world) {} }
            let member = world.testnet.plan.members[0]
            let signing = [
                "--genesis", world.directory.genesisFile, "--key",
                world.directory.folder(member.name) + "/node.key", "--node", world.directory.peersFile,
                "--offline", "--nonce", "1", "--expiry", "10",
            ]
            func update(_ options: String...) async throws -> (status: Int32, said: String) {
                try await run(["tx", "update", member.id.text] + options + signing, in: scratch)
            }
            for options in [["--owner", member.id.text], ["--gain", "6"], ["--region", "US915"]] {
                let ran = try await run(["tx", "update", member.id.text] + options + signing, in: scratch)
                #expect(ran.status == 64 && ran.said.contains("stated as a whole"), "\(ran.said)")
            }
            let whole = try await update("--gain", "6", "--region", "US915", "--owner", member.id.text)
            #expect(whole.status == 0, "\(whole.said)")
            let southern = try await update("--latitude", "-33.87", "--longitude", "-151.21")
            #expect(southern.status == 0, "\(southern.said)")
            let deaf = try await update("--gain", "-3", "--region", "EU868")
            #expect(deaf.status == 0, "\(deaf.said)")
            let both = try await update("--latitude", "47", "--longitude", "8", "--gain", "6")
            #expect(both.status == 64 && both.said.contains("a transaction of its own"), "\(both.said)")
        }
    }
}
