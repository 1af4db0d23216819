internal import Foundation
internal import Glibc
internal import Synchronization

/// One process of a testnet. It holds the read end of a pipe as its standard input: when this process goes, however
/// it goes, the pipe closes and the child stops by itself, so that nothing is left behind.
public final class ChildProcess: Sendable {
    public let name: String
    public let logFile: String
    private let process: Mutex<Process>
    private let lifeline: Pipe

    /// The program that this process runs.
    public static let thisProgram = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().path

    /// Starts `executable` with these arguments; its output goes to `logFile`.
    public init(
        name: String, executable: String = ChildProcess.thisProgram, arguments: [String], logFile: String
    ) throws {
        self.name = name
        self.logFile = logFile
        if !FileManager.default.fileExists(atPath: logFile) {
            guard FileManager.default.createFile(atPath: logFile, contents: nil) else {
                throw RuntimeError("cannot write \(logFile)")
            }
        }
        let log = try FileHandle(forWritingTo: URL(fileURLWithPath: logFile))
        try log.seekToEnd()
        let child = Process()
        child.executableURL = URL(fileURLWithPath: executable)
        child.arguments = arguments
        child.standardOutput = log
        child.standardError = log
        let pipe = Pipe()
        child.standardInput = pipe
        lifeline = pipe
        do {
            try child.run()
        } catch {
            throw RuntimeError("cannot start \(name): \(error.localizedDescription)")
        }
        try? log.close()
        process = Mutex(child)
    }

    public var processID: Int32 { process.withLock { $0.processIdentifier } }
    public var isRunning: Bool { process.withLock { $0.isRunning } }
    public var exitStatus: Int32? { process.withLock { $0.isRunning ? nil : $0.terminationStatus } }

    /// How it ended, in words that follow its name; nil while it runs.
    public var ending: String? {
        process.withLock {
            if $0.isRunning { return nil }
            return $0.terminationReason == .uncaughtSignal
                ? "was killed by signal \($0.terminationStatus)" : "ended with status \($0.terminationStatus)"
        }
    }

    /// Asks for a clean stop.
    public func terminate() { process.withLock { if $0.isRunning { $0.terminate() } } }

    /// Stops its clock: it does nothing until `resume`, and does not notice.
    public func pause() { signal(SIGSTOP) }

    public func resume() { signal(SIGCONT) }

    private func signal(_ number: Int32) {
        process.withLock { if $0.isRunning { _ = Glibc.kill($0.processIdentifier, number) } }
    }

    /// Ends it at once, as a power cut would.
    public func kill() {
        signal(SIGKILL)
    }

    /// The last lines of its log, for an error message.
    public func logTail(_ count: Int = 5) -> String {
        guard let text = try? String(contentsOfFile: logFile, encoding: .utf8) else { return "" }
        return text.split(separator: "\n").suffix(count).map { "  \(name) | \($0)" }.joined(separator: "\n")
    }
}
