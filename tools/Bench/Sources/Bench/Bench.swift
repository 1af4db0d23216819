internal import Baseline
internal import Foundation

/// Measures what the rooms must reach, on one core, against the same work in C.
@main struct Bench {
    private static let parts = [
        "decode", "verify", "store", "proof", "reconcile", "thousand", "pool", "block",
    ]

    private static var usage: String {
        """
        usage: tools/bench [--json] [--full] [PART ...]
          on one core, without a network: \(parts.joined(separator: " "))
          real nodes at sockets of the loopback, minutes: network, or of it: \(NetworkRows.parts.joined(separator: " "))
          --full: the block of 1,000,000 reports; 10,000,000 garbage datagrams, 200 validators, longer watches
        Without a part: all of the first line.
        """
    }

    static func main() throws {
        let arguments = Set(CommandLine.arguments.dropFirst())
        var parts = arguments.subtracting(["--json", "--full"])
        guard parts.isSubset(of: Self.parts + NetworkRows.parts + ["network"]) else {
            print(usage)
            exit(arguments.contains("--help") ? 0 : 64)
        }
        if parts.remove("network") != nil { parts.formUnion(NetworkRows.parts) }
        let isFull = arguments.contains("--full")
        let isJSON = arguments.contains("--json")
        // The last core: interrupts mostly meet the first.
        let core = CInt(ProcessInfo.processInfo.processorCount - 1)
        guard baseline_pin(core) else { fatalError("the system does not bind this process to a core") }

        // A row is seen when it is measured, also through a pipe.
        baseline_show_lines()
        var rows: [Row] = []
        func add(_ new: [Row]) {
            rows += new
            if !isJSON { for row in new { print(Markdown.line(row)) } }
        }
        if !isJSON { print(Markdown.head) }
        func wants(_ part: String) -> Bool { parts.isEmpty || parts.contains(part) }
        try Scratch.with { scratch in
            if wants("decode") { add(DecodeRows.measure()) }
            if wants("verify") { add(try VerifyRows.measure(in: scratch)) }
            if wants("store") { add(try StoreRows.measure(in: scratch)) }
            if wants("proof") { add(ProofRows.measure()) }
            if wants("reconcile") { add(ReconcileRows.measure()) }
            if wants("thousand") { add(ThousandRows.measure()) }
            if wants("pool") { add(PoolRows.measure()) }
            if wants("block") {
                add(BlockRows.measure(hotspots: 10_000, reports: 10))
                if isFull { add(BlockRows.measure(hotspots: 100_000, reports: 10)) }
            }
            for part in NetworkRows.parts where parts.contains(part) {
                // A part of two threads leaves this one where it was last.
                _ = baseline_pin(core)
                try NetworkRows.measure(part, isFull: isFull, add)
            }
        }
        if isJSON { print(try Markdown.json(rows)) }
    }
}

/// A directory for databases, gone afterwards.
enum Scratch {
    static func with(_ body: (String) throws -> Void) throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: url) }
        try body(url.path)
    }
}
