import Foundation
import Glibc
import UnixSignals

/// Shows something anew each second until SIGINT, SIGTERM, SIGQUIT or SIGHUP.
///
/// On a terminal it has the screen to itself, and gives it back as it was, with the last frame under it. Elsewhere
/// each frame follows the one before, so that it can be piped.
struct StatusScreen {
    let isJSON: Bool
    private let isTerminal = isatty(STDOUT_FILENO) == 1

    init(isJSON: Bool) { self.isJSON = isJSON }

    /// The other screen, without a cursor, lines cut where the screen ends; and all that undone.
    private static let enter = "\u{1B}[?1049h\u{1B}[?25l\u{1B}[?7l"
    private static let leave = "\u{1B}[?7h\u{1B}[?25h\u{1B}[?1049l"

    private var hasScreen: Bool { isTerminal && !isJSON }

    func run(_ frame: @escaping @Sendable () async throws -> String) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm, .sigquit, .sighup)
        // Before the screen changes: what cannot be shown at all is an error like any other.
        let first = try await frame()
        if hasScreen { try write(Self.enter) }
        let last: String
        do {
            last = try await show(first, frame, until: signals)
        } catch {
            if hasScreen { try? write(Self.leave) }
            throw error
        }
        if hasScreen { try write(Self.leave + last + "\n") }
    }

    /// The last frame that was shown.
    private func show(
        _ first: String, _ frame: @escaping @Sendable () async throws -> String,
        until signals: UnixSignalsSequence
    ) async throws -> String {
        try await withThrowingTaskGroup(of: String?.self) { group in
            group.addTask {
                for await _ in signals { break }
                return nil
            }
            group.addTask {
                var shown = first
                while !Task.isCancelled {
                    try draw(shown)
                    do { try await Task.sleep(for: .seconds(1)) } catch { break }
                    // A node that cannot be reached now may be there in a second.
                    do { shown = try await frame() } catch { shown = notice(of: error) }
                }
                return shown
            }
            var last = first
            while let ended = try await group.next() {
                if let ended { last = ended }
                group.cancelAll()
            }
            return last
        }
    }

    private func notice(of error: any Error) -> String {
        isJSON ? "{\"error\":\(quoted("\(error)"))}" : "\(error)"
    }

    private func quoted(_ text: String) -> String {
        String(decoding: (try? JSONEncoder().encode(text)) ?? Data("null".utf8), as: UTF8.self)
    }

    private func draw(_ frame: String) throws {
        if hasScreen {
            let lines = frame.split(separator: "\n", omittingEmptySubsequences: false)
            try write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J")
        } else {
            try write(frame + (isJSON ? "\n" : "\n\n"))
        }
    }

    private func write(_ text: String) throws {
        try FileHandle.standardOutput.write(contentsOf: Data(text.utf8))
    }
}
