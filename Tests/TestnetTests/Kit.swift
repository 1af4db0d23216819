import Foundation
import Glibc
import Identity
import Records
import Runtime
import Testing
import Wire

/// The whole program in real processes: one suite after the other, because the machine is one.
@Suite(.serialized) struct TestnetTests {}

/// What a condition was waited for in vain.
struct Overdue: Error, CustomStringConvertible {
    let description: String
}

/// Polls until `poll` gives something; the deadline is for a test that fails, no test's outcome hangs on its length.
func eventually<Value>(
    _ what: String, within patience: Duration = .seconds(60), every pause: Duration = .milliseconds(5),
    _ poll: () throws -> Value?
) async throws -> Value {
    let clock = ContinuousClock()
    let deadline = clock.now + patience
    while clock.now < deadline {
        if let value = try poll() { return value }
        try await Task.sleep(for: pause)
    }
    throw Overdue(description: "waited \(patience) in vain for \(what)")
}

/// As `eventually`, for a condition.
func until(
    _ what: String, within patience: Duration = .seconds(60), every pause: Duration = .milliseconds(5),
    _ condition: () throws -> Bool
) async throws {
    _ = try await eventually(what, within: patience, every: pause) { try condition() ? true : nil } as Bool
}

/// A directory of the test's own, gone when the test is.
struct Scratch: ~Copyable {
    let path: String

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "testnet-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// The repository's top folder.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

/// The built `earshot`, which lies beside the test runner.
let earshot = probe("earshot")

/// A program of the tests' own, there too; both elsewhere if `PROGRAMS` names a folder, such as that of a release build.
func probe(_ name: String) -> String {
    let folder =
        ProcessInfo.processInfo.environment["PROGRAMS"].map { URL(fileURLWithPath: $0) }
        ?? URL(fileURLWithPath: ChildProcess.thisProgram).deletingLastPathComponent()
    return folder.appending(path: name).path
}

/// Ports of each test's own, so that none meets the leftovers of another.
enum Ports {
    static let crashes: UInt16 = 30_000
    static let joining: UInt16 = 30_100
    static let playground: UInt16 = 30_200
    static let flood: UInt16 = 30_300
    static let launching: UInt16 = 30_400
    static let lifetimes: UInt16 = 30_500
    static let lists: UInt16 = 30_600
    static let watching: UInt16 = 30_700
    static let edges: UInt16 = 30_800
    static let greeting: UInt16 = 31_000
    static let interop: UInt16 = 31_100
    static let translators: UInt16 = 31_200
    static let liars: UInt16 = 31_300
    static let snapshots: UInt16 = 31_400
    static let finding: UInt16 = 31_500
    static let signals: UInt16 = 31_600
    static let usage: UInt16 = 31_700
}

/// `earshot` with some arguments, and what it says.
final class Command {
    private let child: ChildProcess

    init(_ arguments: String..., executable: String = earshot, log: String) throws {
        child = try ChildProcess(name: "earshot", executable: executable, arguments: arguments, logFile: log)
    }

    deinit { child.kill() }

    var processID: Int32 { child.processID }
    var output: String { (try? String(contentsOfFile: child.logFile, encoding: .utf8)) ?? "" }
    var isRunning: Bool { child.isRunning }

    func signal(_ number: Int32) { _ = Glibc.kill(child.processID, number) }

    /// Its exit status, once it has ended.
    func status() async throws -> Int32 {
        try await eventually("the end of \(child.logFile)") { child.exitStatus }
    }
}

/// Runs `earshot` to its end; returns its exit status and all that it said.
func run(_ arguments: String..., in folder: borrowing Scratch) async throws -> (status: Int32, said: String) {
    try await run(arguments, in: folder)
}

func run(_ arguments: [String], in folder: borrowing Scratch) async throws -> (status: Int32, said: String) {
    let log = "\(folder.path)/command-\(UUID().uuidString).log"
    let child = try ChildProcess(name: "earshot", executable: earshot, arguments: arguments, logFile: log)
    let status = try await eventually("the end of earshot \(arguments.joined(separator: " "))") {
        child.exitStatus
    }
    return (status, (try? String(contentsOfFile: log, encoding: .utf8)) ?? "")
}

/// Processes that name `path` in their arguments, and zombies among this process's own children.
func processes(naming path: String) -> [Int32] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.compactMap { Int32($0) }.filter { id in
        guard id != getpid(), let line = try? String(contentsOfFile: "/proc/\(id)/cmdline", encoding: .utf8)
        else {
            return false
        }
        return line.contains(path)
    }
}

/// Ended children of this process that nobody has waited for.
func zombies() -> [Int32] {
    let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return all.compactMap { Int32($0) }.filter { id in
        guard let stat = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return false }
        let fields = stat[end...].dropFirst(2).split(separator: " ")
        return fields.count > 1 && fields[0] == "Z" && fields[1] == "\(getpid())"
    }
}

/// A testnet of short epochs, started and watched by the test itself.
final class World {
    let scratch: Scratch
    let testnet: Testnet
    let names: [String]

    init(
        portBase: UInt16, executable: String = earshot,
        _ change: (inout TestnetPlan.Options) -> Void = { _ in }
    ) throws {
        scratch = try Scratch()
        var options = TestnetPlan.Options()
        options.sensors = 0
        options.spares = 0
        options.epochMilliseconds = 700
        options.deltaMilliseconds = 60
        options.scenario = .honest
        options.portBase = portBase
        change(&options)
        let plan = try TestnetPlan(options)
        let directory = TestnetDirectory(scratch.path + "/net")
        try directory.create(plan, replacing: false, airtimePermille: 1)
        testnet = Testnet(plan: plan, directory: directory, executable: executable)
        names = plan.members.map(\.name)
        try testnet.start()
    }

    deinit { testnet.stop() }

    var directory: TestnetDirectory { testnet.directory }

    func others(than absent: Set<String>) -> [String] { names.filter { !absent.contains($0) } }

    func last(of name: String) -> Epoch { testnet.lastEpoch(of: name) }

    /// The newest epoch that any of these nodes holds.
    func newest(of list: [String]) -> Epoch { list.map(last).max() ?? 0 }

    func log(of name: String) -> String {
        (try? String(contentsOfFile: directory.log(name), encoding: .utf8)) ?? ""
    }

    /// All of `list` finalise `count` epochs more than any of them had.
    func goOn(_ list: [String], by count: Epoch, within patience: Duration = .seconds(60)) async throws {
        let goal = newest(of: list) + count
        try await until("\(list.joined(separator: ", ")) to finalise epoch \(goal)", within: patience) {
            testnet.commonEpoch(of: list) >= goal
        }
    }

    func die(_ name: String) async throws {
        let child = try #require(testnet.children[name])
        child.kill()
        try await until("the death of \(name)") { !child.isRunning }
    }

    /// How wallets name a member.
    func uri(of member: Int) -> String {
        let member = testnet.plan.members[member]
        return "earshot://\(member.id.text)@\(member.gossip)"
    }

    /// The counters that a node last stored, by name.
    func counters(of name: String) throws -> [String: UInt64] {
        let list = try testnet.store(of: name)?.status()?.counters ?? []
        return Dictionary(list.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    }
}
