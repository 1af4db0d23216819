import Foundation
import Glibc
import Runtime
import Testing
import Wire

extension TestnetTests {
    @Suite struct LaunchTests {
        private func testnet(_ path: String, _ arguments: [String] = [], log: String) throws -> ChildProcess {
            try ChildProcess(
                name: "testnet", executable: earshot,
                arguments: [
                    "testnet", "--dir", path, "--port-base", "\(Ports.launching)", "--nodes", "4",
                    "--sensors", "0",
                    "--epoch", "700ms", "--delta", "60ms",
                ] + arguments, logFile: log)
        }

        private func text(_ path: String) -> String {
            (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        }

        @Test func `a port in use is named with its use and the way out`() async throws {
            let scratch = try Scratch()
            let taken = try DatagramSocket(boundTo: .loopback(port: Ports.launching + 3))
            defer { taken.close() }
            let child = try testnet(scratch.path + "/net", log: scratch.path + "/log")
            #expect(try await eventually("its end") { child.exitStatus } == 1)
            let said = text(scratch.path + "/log")
            #expect(
                said.contains("port \(Ports.launching + 3) is in use, but node2 needs it for radio"),
                "\(said)")
            #expect(said.contains("--port-base"))
            #expect(processes(naming: scratch.path) == [])
        }

        @Test func `an earlier testnet is removed for one that can start, and for no other`() async throws {
            let scratch = try Scratch()
            var options = TestnetPlan.Options()
            options.nodes = 1
            options.sensors = 0
            let directory = TestnetDirectory(scratch.path + "/net")
            try directory.create(try TestnetPlan(options), replacing: false, airtimePermille: 1)
            let mark = scratch.path + "/net/mark"
            try Data().write(to: URL(fileURLWithPath: mark))
            let taken = try DatagramSocket(boundTo: .loopback(port: Ports.launching + 3))
            defer { taken.close() }
            let child = try testnet(scratch.path + "/net", ["--fresh"], log: scratch.path + "/log")
            #expect(try await eventually("its end") { child.exitStatus } == 1)
            #expect(text(scratch.path + "/log").contains("port \(Ports.launching + 3) is in use"))
            #expect(FileManager.default.fileExists(atPath: mark))
        }

        @Test func `epochs without a quorum are waited for until a deadline, and it is said what is missing`()
            async throws
        {
            let scratch = try Scratch()
            let child = try testnet(
                scratch.path + "/net",
                [
                    "--epochs", "1", "--deadline", "2s", "--without", "node2", "--without", "node3",
                    "--without", "node4",
                ], log: scratch.path + "/log")
            #expect(try await eventually("its end") { child.exitStatus } == 1)
            let said = text(scratch.path + "/log")
            #expect(
                said.contains("are not final at every node; node1") && said.contains("--deadline"), "\(said)")
            #expect(processes(naming: scratch.path) == [])
        }

        @Test func `a directory that holds something is left alone`() async throws {
            let scratch = try Scratch()
            let foreign = scratch.path + "/foreign"
            try FileManager.default.createDirectory(atPath: foreign, withIntermediateDirectories: true)
            try Data("mine".utf8).write(to: URL(fileURLWithPath: foreign + "/thesis.txt"))
            for arguments in [[], ["--fresh"]] {
                let log = scratch.path + "/foreign\(arguments.count).log"
                let child = try testnet(foreign, arguments, log: log)
                #expect(try await eventually("its end") { child.exitStatus } == 1)
                #expect(text(log).contains("holds something that is no testnet"), "\(text(log))")
                #expect(text(foreign + "/thesis.txt") == "mine")
            }
            let first = try testnet(
                scratch.path + "/net", ["--epochs", "1"], log: scratch.path + "/first.log")
            #expect(
                try await eventually("its end") { first.exitStatus } == 0,
                "\(text(scratch.path + "/first.log"))")
            #expect(
                text(scratch.path + "/first.log").contains("from a bundle's first node to another: median "))
            let again = try testnet(scratch.path + "/net", log: scratch.path + "/again.log")
            #expect(try await eventually("its end") { again.exitStatus } == 1)
            let said = text(scratch.path + "/again.log")
            #expect(
                said.contains("--fresh") && said.contains("--resume") && said.contains("--dir"), "\(said)")
            let resumed = try testnet(
                scratch.path + "/net", ["--resume", "--epochs", "1"], log: scratch.path + "/resumed.log")
            #expect(
                try await eventually("its end") { resumed.exitStatus } == 0,
                "\(text(scratch.path + "/resumed.log"))")
        }

        @Test func `a child that dies ends the testnet with its last words, and leaves nobody behind`()
            async throws
        {
            let scratch = try Scratch()
            let child = try testnet(scratch.path + "/net", log: scratch.path + "/log")
            try await until("the first final epoch") { text(scratch.path + "/log").contains("ready:") }
            let victim = try #require(processes(naming: scratch.path + "/net/node3/").first)
            kill(victim, SIGKILL)
            #expect(try await eventually("its end") { child.exitStatus } == 1)
            let said = text(scratch.path + "/log")
            #expect(said.contains("node3 was killed by signal 9; its last words"), "\(said)")
            try await until("an end of all") { processes(naming: scratch.path).isEmpty }
            #expect(zombies() == [])
        }

        @Test(arguments: [SIGINT, SIGTERM, SIGQUIT]) func `a signal stops everything cleanly`(number: Int32)
            async throws
        {
            let scratch = try Scratch()
            let child = try testnet(scratch.path + "/net", log: scratch.path + "/log")
            try await until("the first final epoch") { text(scratch.path + "/log").contains("ready:") }
            kill(child.processID, number)
            #expect(try await eventually("its end", within: .seconds(15)) { child.exitStatus } == 0)
            #expect(text(scratch.path + "/log").contains("\nstopping\n"), "\(text(scratch.path + "/log"))")
            #expect(processes(naming: scratch.path) == [])
            for name in ["node1", "node2", "node3", "node4"] {
                let log = text("\(scratch.path)/net/\(name)/node.log")
                #expect(log.contains("stopped"), "\(log)")
                #expect(!log.contains("error"), "\(log)")
            }
        }

        @Test func `a signal before the epochs that were asked for is no success`() async throws {
            let scratch = try Scratch()
            let child = try testnet(
                scratch.path + "/net", ["--epochs", "500"], log: scratch.path + "/log")
            try await until("the first final epoch") { text(scratch.path + "/log").contains("ready:") }
            kill(child.processID, SIGINT)
            #expect(try await eventually("its end", within: .seconds(15)) { child.exitStatus } == 1)
            let said = text(scratch.path + "/log")
            #expect(said.contains("of 500: what the nodes hold was not compared"), "\(said)")
        }

        @Test func `children do not outlive a parent that was killed`() async throws {
            let scratch = try Scratch()
            let child = try testnet(scratch.path + "/net", log: scratch.path + "/log")
            try await until("the first final epoch") { text(scratch.path + "/log").contains("ready:") }
            child.kill()
            try await until("an end of all", within: .seconds(15)) { processes(naming: scratch.path).isEmpty }
        }

        @Test func `a second node on the same store is refused and the first goes on`() async throws {
            let world = try World(portBase: Ports.lifetimes) { $0.nodes = 4 }
            try await world.goOn(world.names, by: 1)
            let first = try #require(world.testnet.children["node1"])
            let (status, said) = try await run(
                "node", "--config", world.directory.configFile("node1"), in: world.scratch)
            #expect(status == 1)
            #expect(said.contains("process \(first.processID) has the store open; stop it"), "\(said)")
            try await world.goOn(world.names, by: 1)

            // And it leaves within seconds when it is asked to.
            first.terminate()
            #expect(try await eventually("its end", within: .seconds(10)) { first.exitStatus } == 0)
            #expect(zombies() == [])
        }
    }
}
