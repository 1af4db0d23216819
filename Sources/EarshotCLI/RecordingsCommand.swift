import ArgumentParser
import Foundation
import Rules
import Runtime
import Simulation

struct SimulateRecordings: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "recordings",
        abstract: "Show that each recording meets the bug that it was made of.",
        discussion: """
            Recordings are named for the rule that mended the bug, RULE.fates. Each runs twice: with its rule switched off, \
            where a checker must object or an invariant trap, and with all in force, where nothing may. Only a build \
            with the condition MUTATIONS can: `tools/mutants recordings` makes it and runs this.
            """)

    @Argument(help: "A folder of recordings.") var folder = "Tests/SimulationTests/Traces"
    @Option(help: .hidden) var worker: String?
    @Option(help: .hidden) var without: String?
    @OptionGroup var output: OutputOptions

    private struct Finding: Codable {
        let recording: String
        /// What objects when the rule is off; nil if nothing does.
        var without: String?
        /// The same with the rule in force: should be nil.
        var intact: String?
    }

    func run() throws {
        guard canRemoveRules else {
            complain("this build cannot do without any rule; tools/mutants recordings makes one that can")
            throw ExitCode.failure
        }
        if let worker { return try work(worker) }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter {
            $0.hasSuffix(".fates")
        }
        guard !names.isEmpty else { throw RuntimeError("\(folder) holds no recordings") }
        var findings: [Finding] = []
        for name in names.sorted() {
            let rule = String(name.prefix { $0 != "." })
            guard Rule(rawValue: rule) != nil else {
                throw RuntimeError(
                    "\(name) is named for no rule; known: `earshot simulate mutants --help`")
            }
            let path = folder + "/" + name
            findings.append(
                Finding(
                    recording: name, without: try Self.process(path, without: rule),
                    intact: try Self.process(path, without: nil)))
        }
        if output.json {
            try printJSON(findings)
        } else {
            var table = TextTable("recording", "without its rule", "with it")
            for finding in findings {
                table.add(
                    finding.recording, String((finding.without ?? "nothing").prefix(90)),
                    finding.intact ?? "nothing")
            }
            print(table.text)
        }
        let wrong = findings.filter { $0.without == nil || $0.intact != nil }
        for finding in wrong {
            let how = finding.intact != nil ? "objected to though its rule is in force" : "shows nothing"
            complain("\(finding.recording): \(how)")
        }
        if !wrong.isEmpty { throw ExitCode.failure }
    }

    private func work(_ path: String) throws {
        if let without {
            guard let rule = Rule(rawValue: without), remove(rule) else { throw ExitCode.failure }
        }
        let file = try FateFile(reading: URL(fileURLWithPath: path))
        guard let first = World(plan: file.plan, fates: file.fates).run().violations.first else { return }
        FileHandle.standardOutput.write(Data("\(first.checker): \(first.what)".utf8))
        throw ExitCode(2)
    }

    /// What objects; nil if nothing does. A process of its own, as the absence of a rule may trap.
    private static func process(_ path: String, without: String?) throws -> String? {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = ["simulate", "recordings", "--worker", path]
        if let without { process.arguments! += ["--without", without] }
        let said = Pipe()
        process.standardOutput = said
        process.standardError = FileHandle.nullDevice
        try process.run()
        let what = said.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        if process.terminationReason == .uncaughtSignal { return "an invariant traps" }
        if process.terminationStatus == 2 { return String(decoding: what, as: UTF8.self) }
        guard process.terminationStatus == 0 else {
            throw RuntimeError("\(path) could not be run, which proves nothing")
        }
        return nil
    }
}
