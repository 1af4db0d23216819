internal import Foundation
internal import Glibc

/// What the kernel says of a process (proc_pid_stat(5)).
struct ProcessFigures {
    let cpuSeconds: Double
    let residentBytes: Double
    let virtualBytes: Double
    /// Seconds since 1970.
    let startedAt: Double
    /// Nil where another user's process keeps them to itself.
    let openFiles: Int?

    /// Nil if there is no such process, or no /proc to read.
    init?(of process: String = "self") {
        guard let stat = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            // The name stands in parentheses and may hold anything, parentheses too.
            let end = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ").map { Double($0) ?? 0 }
        guard fields.count > 21, let booted = Self.bootTime else { return nil }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        cpuSeconds = (fields[11] + fields[12]) / ticks
        startedAt = booted + fields[19] / ticks
        virtualBytes = fields[20]
        residentBytes = fields[21] * Double(sysconf(Int32(_SC_PAGESIZE)))
        openFiles = try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
    }

    /// Seconds since 1970.
    private static let bootTime: Double? = {
        let text = (try? String(contentsOfFile: "/proc/stat", encoding: .utf8)) ?? ""
        let line = text.split(separator: "\n").first { $0.hasPrefix("btime ") }
        return line.flatMap { Double($0.dropFirst("btime ".count)) }
    }()
}

/// Whether the process of a node is still there.
public enum NodeProcess {
    /// A process of this number that had started by then (in milliseconds since 1970): numbers are used again.
    public static func lives(_ id: UInt32, sinceBefore wallTime: UInt64) -> Bool {
        guard let process = ProcessFigures(of: "\(id)") else { return false }
        // The kernel's own clock and the wall's differ by less than this.
        return process.startedAt <= Double(wallTime) / 1_000 + 2
    }
}
