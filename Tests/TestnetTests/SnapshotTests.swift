import Bytes
import Foundation
import Records
import Runtime
import Testing
import Wire

extension TestnetTests {
    /// A node that comes late to a real network, over sockets that lose one datagram in twenty.
    ///
    /// The size is small for every run. That of a real one, with optimised programs (`swift build -c release`):
    /// `PROGRAMS=.build/release EPOCHS=200 ACCOUNTS=100000 tools/test --filter TestnetTests.SnapshotTests`. What it took is
    /// printed.
    @Suite struct SnapshotTests {
        private static func size(_ name: String, _ usual: Int) -> Int {
            ProcessInfo.processInfo.environment[name].flatMap { Int($0) } ?? usual
        }

        /// A machine without namespaces says so, as `TranslatorTests` does; the simulator's `join-by-snapshot` runs on any.
        @Test func `a node that comes late starts from a recent state, also when it is killed on the way`()
            async throws
        {
            let scratch = try Scratch()
            let namespaces: Namespaces
            let program: String
            do {
                namespaces = try Namespaces(scratch: scratch.path)
                try namespaces.addHost(1, behind: .none)
                program = try namespaces.program(earshot, on: 1)
            } catch {
                withKnownIssue("no network namespaces that lose datagrams on this machine") {
                    Issue.record("\(error)")
                }
                return
            }
            let epochs = Epoch(Self.size("EPOCHS", 24))
            let accounts = Self.size("ACCOUNTS", 2_000)
            let world = try World(portBase: Ports.snapshots, executable: program) { options in
                options.nodes = 4
                options.validators = 4
                options.spares = 1
                options.accounts = 16
            }
            try await world.goOn(world.names, by: 1)
            // Accounts of which genesis says nothing.
            let payer = try ChildProcess(
                name: "payer",
                executable: namespaces.program(probe("PayerProbe"), on: 1),
                arguments: [world.directory.genesisFile, "\(world.testnet.plan.options.seed)", "\(accounts)"]
                    + world.names.indices.map(world.uri), logFile: scratch.path + "/payer.log")
            defer { payer.kill() }
            let paid = try await eventually("payments", within: .seconds(60 + Int64(accounts) / 50)) {
                payer.exitStatus
            }
            let account = try String(contentsOfFile: scratch.path + "/payer.log", encoding: .utf8)
            try #require(paid == 0, "\(account)")
            try await until("\(epochs) epochs", within: .seconds(60 + 4 * Int64(epochs))) {
                world.newest(of: world.names) >= epochs
            }
            try namespaces.lose(percent: 5, on: 1)
            let spare = world.testnet.plan.spares[0]
            let (folder, data) = (
                world.directory.folder(spare.name), world.directory.data(spare.name)
            )
            let made = try await run(
                "keys", "new", folder + "/node.key", "--data", data, in: world.scratch)
            #expect(made.status == 0, "\(made.said)")
            let config = world.directory.configFile(spare.name)
            let clock = ContinuousClock()
            let start = clock.now

            let first = try Command(
                "node", "--config", config, executable: program, log: folder + "/first.log")
            let store = try await eventually("its store") { try? NodeStore(at: data, readOnly: true) }
            try await until("some of the state to be there", within: .seconds(120)) {
                try store.fetchedCount() > 0
            }
            first.signal(SIGKILL)
            _ = try await first.status()
            // It may have executed a first block or two before it heard how far the others are.
            let executed = try store.lastEpoch()
            #expect(executed + 16 < epochs)
            let (rows, headers) = (try store.fetchedCount(), try store.final(1))
            #expect(headers != nil && rows > 0)

            let second = try Command(
                "node", "--config", config, executable: program, log: folder + "/second.log")
            try await until("it to have a state", within: .seconds(300)) { try store.baseEpoch() > 0 }
            let took = clock.now - start
            let adopted = try store.baseEpoch()
            #expect(adopted + 16 >= epochs)
            let since = world.newest(of: world.names)
            try await until("it to follow", within: .seconds(60)) { try store.lastEpoch() >= since + 2 }
            // It executed nothing of what lies between, and has the headers of all of it.
            #expect(try store.blockRecord(executed + 3) == nil && store.blockRecord(adopted - 3) == nil)
            for epoch in 1...adopted { #expect(try store.final(epoch) != nil) }
            let common = since + 1
            let other = try #require(world.testnet.store(of: world.names[0]))
            #expect(try store.summary(common)?.stateRoot == other.summary(common)?.stateRoot)

            second.signal(SIGTERM)
            #expect(try await second.status() == 0, "\(second.output)")
            let verified = try await run("inspect", folder, "verify", in: world.scratch)
            #expect(verified.status == 0, "\(verified.said)")
            let raw = try store.stateEntries().reduce(0) { $0 + $1.0.encoded().count + $1.1.count }
            let line = second.output.split(separator: "\n").first { $0.contains("started from the state") }
            print(
                """
                late node: \(accounts) accounts, epoch \(adopted); a state of \(raw) octets; \(rows) rows when killed; \
                \(took) from its start to its state; \(line ?? "no line of its log")
                """)
        }
    }
}
