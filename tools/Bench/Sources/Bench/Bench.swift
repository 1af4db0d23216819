internal import Baseline
internal import Foundation

/// Measures what the rooms must reach, on one core, against the same work in C.
@main struct Bench {
    static func main() throws {
        let arguments = Set(CommandLine.arguments.dropFirst())
        guard arguments.isSubset(of: ["--json", "--full", "--help"]), !arguments.contains("--help") else {
            print("usage: tools/bench [--json] [--full]")
            exit(arguments.contains("--help") ? 0 : 64)
        }
        let isJSON = arguments.contains("--json")
        // The last core: interrupts mostly meet the first.
        let core = CInt(ProcessInfo.processInfo.processorCount - 1)
        guard baseline_pin(core) else { fatalError("the system does not bind this process to a core") }

        var rows: [Row] = []
        func add(_ new: [Row]) {
            rows += new
            if !isJSON { for row in new { print(Markdown.line(row)) } }
        }
        if !isJSON { print(Markdown.head) }
        try Scratch.with { scratch in
            add(DecodeRows.measure())
            add(try VerifyRows.measure(in: scratch))
            add(try StoreRows.measure(in: scratch))
        }
        add(ProofRows.measure())
        add(BlockRows.measure(hotspots: 10_000, reports: 10))
        if arguments.contains("--full") { add(BlockRows.measure(hotspots: 100_000, reports: 10)) }
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
