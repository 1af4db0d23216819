internal import Baseline
internal import Foundation

/// Measures what the rooms must reach, on one core, against the same work in C.
@main struct Bench {
    private static let parts = ["decode", "verify", "store", "proof", "reconcile", "block"]

    static func main() throws {
        let arguments = Set(CommandLine.arguments.dropFirst())
        let parts = arguments.subtracting(["--json", "--full"])
        guard parts.isSubset(of: Self.parts) else {
            print("usage: tools/bench [--json] [--full] [\(Self.parts.joined(separator: "|")) ...]")
            exit(arguments.contains("--help") ? 0 : 64)
        }
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
            if wants("block") {
                add(BlockRows.measure(hotspots: 10_000, reports: 10))
                if arguments.contains("--full") { add(BlockRows.measure(hotspots: 100_000, reports: 10)) }
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
