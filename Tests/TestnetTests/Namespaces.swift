import Foundation
import Glibc
import Runtime

/// What stands between a node and the others.
enum Translator {
    case none
    /// As most homes have: one port for all, and only answers are let in.
    case answersOnly
    /// A port by chance for each place that is sent to.
    case symmetric
}

/// Network namespaces with real translators of addresses (`nft`): one for each host, one for each translator before it, and
/// one in the middle. All of a test are gone with it; those of a test that was killed go with the next.
///
/// In the middle is a bridge with the benchmarks' range 198.18.0.0/15, whose hosts have a /24 each.
final class Namespaces {
    private static let mark = "earshot-test-"
    private let scratch: String
    private var names: [String] = []

    /// Throws with what this machine does not allow.
    init(scratch: String) throws {
        self.scratch = scratch
        try Self.sweep(scratch: scratch)
        try add("middle")
        try ip("-n", name("middle"), "link", "add", "bridge", "type", "bridge")
        try ip("-n", name("middle"), "link", "set", "bridge", "up")
    }

    deinit { for name in names.reversed() { try? ip("netns", "del", name) } }

    /// Those of processes that are no more.
    private static func sweep(scratch: String) throws {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? []
        for name in all where name.hasPrefix(mark) {
            let owner = name.dropFirst(mark.count).prefix { $0.isNumber }
            guard let id = Int32(owner), Glibc.kill(id, 0) != 0 else { continue }
            try tool("ip", ["netns", "del", name], scratch: scratch)
        }
    }

    private func name(_ what: String) -> String { "\(Self.mark)\(getpid())-\(what)" }

    private func add(_ what: String) throws {
        try ip("netns", "add", name(what))
        names.append(name(what))
        try ip("-n", name(what), "link", "set", "lo", "up")
    }

    /// The address by which others see the host of this number.
    static func address(_ number: Int) -> String { "198.18.\(number).1" }

    /// A host, and what is before it.
    func addHost(_ number: Int, behind translator: Translator) throws {
        let host = "host\(number)"
        try add(host)
        let gate = translator == .none ? host : "gate\(number)"
        if translator != .none { try add(gate) }
        try ip(
            "-n", name("middle"), "link", "add", "to\(number)", "type", "veth", "peer", "name", "out",
            "netns",
            name(gate))
        try ip("-n", name("middle"), "link", "set", "to\(number)", "master", "bridge", "up")
        try ip("-n", name(gate), "address", "add", Self.address(number) + "/15", "dev", "out")
        try ip("-n", name(gate), "link", "set", "out", "up")
        guard translator != .none else { return }
        try ip(
            "-n", name(gate), "link", "add", "in", "type", "veth", "peer", "name", "out", "netns", name(host))
        try ip("-n", name(gate), "address", "add", "10.0.0.1/24", "dev", "in")
        try ip("-n", name(gate), "link", "set", "in", "up")
        try ip("-n", name(host), "address", "add", "10.0.0.2/24", "dev", "out")
        try ip("-n", name(host), "link", "set", "out", "up")
        try ip("-n", name(host), "route", "add", "default", "via", "10.0.0.1")
        let rules = "\(scratch)/\(gate).nft"
        // What comes uninvited is dropped, as in homes, and nothing of it remembered: else who calls too early would take
        // the port that the host is about to be seen at.
        try """
        table ip earshot {
            chain leaving {
                type nat hook postrouting priority 100
                oifname "out" masquerade \(translator == .symmetric ? "fully-random" : "")
            }
            chain uninvited {
                type filter hook input priority 0
                iifname "out" ct state new drop
            }
        }

        """.write(toFile: rules, atomically: true, encoding: .utf8)
        try inside(gate, "nft", "-f", rules)
        try inside(gate, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
    }

    /// From now on a host loses some of what it sends to itself by UDP.
    func lose(percent: Int, on number: Int) throws {
        let rules = "\(scratch)/lossy\(number).nft"
        try """
        table ip earshot {
            chain arriving {
                type filter hook input priority 0
                iifname "lo" meta l4proto udp numgen random mod 100 < \(percent) counter drop
            }
        }

        """.write(toFile: rules, atomically: true, encoding: .utf8)
        try inside("host\(number)", "nft", "-f", rules)
    }

    /// A program that runs `executable` on a host.
    func program(_ executable: String, on number: Int) throws -> String {
        let program = "\(scratch)/\(UUID().uuidString)"
        try """
        #!/bin/sh
        exec \(try Self.path(of: "ip")) netns exec \(name("host\(number)")) \(executable) "$@"

        """.write(toFile: program, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: program)
        return program
    }

    /// Starts a program in a host's namespace.
    func start(_ executable: String, _ arguments: [String], on number: Int, log: String) throws
        -> ChildProcess
    {
        try ChildProcess(
            name: "host\(number)", executable: Self.path(of: "ip"),
            arguments: ["netns", "exec", name("host\(number)"), executable] + arguments, logFile: log)
    }

    private func inside(_ what: String, _ command: String...) throws {
        try Self.tool("ip", ["netns", "exec", name(what)] + command, scratch: scratch)
    }

    private func ip(_ arguments: String...) throws { try Self.tool("ip", arguments, scratch: scratch) }

    private static func path(of tool: String) throws -> String {
        let folders = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        guard
            let folder = folders.first(where: {
                FileManager.default.isExecutableFile(atPath: "\($0)/\(tool)")
            })
        else { throw Overdue(description: "there is no \(tool) here") }
        return "\(folder)/\(tool)"
    }

    /// Runs a tool to its end, for ten seconds at most.
    private static func tool(_ name: String, _ arguments: [String], scratch: String) throws {
        let log = "\(scratch)/tool-\(UUID().uuidString).log"
        let child = try ChildProcess(
            name: name, executable: try path(of: name), arguments: arguments, logFile: log)
        let deadline = ContinuousClock.now + .seconds(10)
        while child.isRunning, ContinuousClock.now < deadline { usleep(1_000) }
        guard child.exitStatus == 0 else {
            let said = (try? String(contentsOfFile: log, encoding: .utf8)) ?? ""
            child.kill()
            throw Overdue(description: "\(name) \(arguments.joined(separator: " ")): \(said)")
        }
    }
}
