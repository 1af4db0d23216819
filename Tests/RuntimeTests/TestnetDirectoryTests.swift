import Foundation
import Glibc
import Testing
import Wire

@testable import Runtime

@Suite struct `A testnet's directory` {
    private func plan(portBase: UInt16 = 21_000) throws -> TestnetPlan {
        var options = TestnetPlan.Options()
        options.nodes = 1
        options.sensors = 0
        options.scenario = .honest
        options.portBase = portBase
        return try TestnetPlan(options)
    }

    private func withDirectory(_ body: (TestnetDirectory) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "net-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(TestnetDirectory(folder.path + "/net"))
    }

    private func isThere(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private func write(_ text: String, to path: String) throws {
        let url = URL(fileURLWithPath: path)
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url)
    }

    @Test func `is made elsewhere and named when it is whole, whatever an interrupted setup left`() throws {
        let plan = try plan()
        try withDirectory { directory in
            let unfinished = directory.path + ".new"
            try write("", to: unfinished + "/unfinished")
            try write("half of it", to: unfinished + "/genesis.toml")
            try write("a key", to: unfinished + "/node1/node.key")
            try directory.create(plan, replacing: false, airtimePermille: 1)
            #expect(!isThere(unfinished) && !isThere(directory.path + "/unfinished"))
            #expect(try GenesisFile.read(directory.genesisFile) == plan.genesis)
            #expect(isThere(directory.data("node1") + "/data.mdb"))
            // What is written for a person names the place where it is in the end.
            let spare = try String(contentsOfFile: directory.configFile("spare1"), encoding: .utf8)
            #expect(spare.contains(directory.data("spare1")) && !spare.contains(".new"))
        }
    }

    @Test func `removes nothing that is no testnet`() throws {
        let plan = try plan()
        try withDirectory { directory in
            // Nor one that somebody else made.
            let thesis = directory.path + ".new/genesis.toml"
            try write("mine", to: thesis)
            let said = complaint { try directory.create(plan, replacing: true, airtimePermille: 1) }
            #expect(said.contains("holds something else"), "\(said)")
            #expect(isThere(thesis) && !isThere(directory.path))
        }
    }

    @Test func `is one testnet's at a time`() throws {
        let plan = try plan()
        try withDirectory { directory in
            var lock: TestnetLock? = try directory.create(plan, replacing: false, airtimePermille: 1)
            let mark = directory.path + "/mark"
            try write("", to: mark)
            for attempt in [
                { _ = try directory.lock() },
                { try directory.create(plan, replacing: true, airtimePermille: 1) },
            ] {
                let said = complaint(attempt)
                #expect(said.contains("another testnet is at work"), "\(said)")
            }
            #expect(isThere(mark))
            withExtendedLifetime(lock) {}
            lock = nil
            try directory.create(plan, replacing: true, airtimePermille: 1)
            #expect(!isThere(mark) && isThere(directory.genesisFile))
        }
    }

    @Test func `is not removed under a node that somebody started by hand`() throws {
        let plan = try plan()
        try withDirectory { directory in
            try directory.create(plan, replacing: false, airtimePermille: 1)
            let file = unsafe open(directory.data("node1") + "/writer.lock", O_RDWR)
            #expect(flock(file, LOCK_EX | LOCK_NB) == 0)
            let said = complaint { try directory.create(plan, replacing: true, airtimePermille: 1) }
            #expect(said.contains("node1 is still at work"), "\(said)")
            #expect(isThere(directory.data("node1") + "/data.mdb"))
            close(file)
            try directory.create(plan, replacing: true, airtimePermille: 1)
        }
    }

    @Test func `is started at the ports in its files, and not where one is in use`() throws {
        let taken = try DatagramSocket(boundTo: .loopback(port: 0))
        defer { taken.close() }
        let port = try #require(taken.port)
        let made = try plan(portBase: port - 1)
        #expect(
            complaint { try made.checkPorts() }.contains("port \(port) is in use, but node1 needs it for"))
        let other = try plan(portBase: port > 32_768 ? port - 4_000 : port + 4_000)
        try withDirectory { directory in
            try directory.create(made, replacing: false, airtimePermille: 1)
            let testnet = Testnet(plan: other, directory: directory, executable: "/bin/true")
            let said = complaint { try testnet.start() }
            #expect(said.contains("port \(port) is in use, but node1 needs it for"), "\(said)")
        }
    }
}

@Suite struct `Patience with a testnet` {
    @Test func `says why when nothing becomes final, and again when it lasts`() {
        var patience = TestnetPatience(epochMilliseconds: 2_000, epochs: nil)
        #expect(patience.deadline == nil)
        let looks: [(at: Int, progress: UInt64, TestnetPatience.Verdict)] = [
            (9, 0, .wait), (10, 0, .sayWhy), (19, 0, .wait), (20, 0, .sayWhy), (25, 4, .wait),
            (34, 4, .wait), (35, 4, .sayWhy), (45, 8, .wait), (1_000_000, 8, .sayWhy),
        ]
        for (at, progress, verdict) in looks {
            #expect(patience.look(after: .seconds(at), progress: progress) == verdict, "after \(at) s")
        }
    }

    @Test func `is as long as the epochs, and ends`() {
        #expect(TestnetPatience(epochMilliseconds: 600_000, epochs: 1).pause == .seconds(2_400))
        var patience = TestnetPatience(epochMilliseconds: 2_000, epochs: 3)
        #expect(patience.look(after: .milliseconds(359_999), progress: 9) == .wait)
        #expect(patience.look(after: .seconds(360), progress: 10) == .giveUp)
        var short = TestnetPatience(epochMilliseconds: 2_000, epochs: 3, deadline: .seconds(5))
        #expect(short.look(after: .seconds(5), progress: 1) == .giveUp)
        #expect(TestnetPatience(epochMilliseconds: .max, epochs: .max).deadline! > .seconds(300))
    }
}
