import ArgumentParser
import Foundation
import Runtime

/// Arguments to calls; no logic of its own.
@main struct Earshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "earshot",
        abstract: "A peer-to-peer node for coverage networks that communities build.",
        discussion: """
            Start with `earshot testnet`: it launches a local network of real nodes and shows each finalised epoch. \
            Then look into a node with `earshot inspect`.

            The exit status is 64 for a command that makes no sense as it stands, 1 for one that failed, and 0 otherwise, if \
            its help says nothing else.
            """,
        version: ProgramVersion.text,
        subcommands: [
            TestnetCommand.self, NodeCommand.self, StatusCommand.self, InspectCommand.self, KeysCommand.self,
            GenesisCommand.self,
            TransactionCommand.self, PeersCommand.self, EtherCommand.self, SimulateCommand.self,
        ])

    /// Errors are sentences for people: no stack traces, exit code 1; 64 (EX_USAGE, sysexits.h) for what the parser and
    /// `ValidationError` refuse.
    static func main() async {
        StandardStreams.occupy()
        DamageSignal.listen()
        var asked: any ParsableCommand.Type = Self.self
        do {
            var command = try parseAsRoot()
            asked = type(of: command)
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            if let lost = lostOutput { throw lost }
        } catch let error as CocoaError {
            exit(withError: RuntimeError(error.sentence))
        } catch let error as ValidationError {
            // Found once files were read: the parser, which would say how the command is used, is done by then.
            complain("Error: \(error.message)\n" + usage(of: asked))
            exit(withError: ExitCode.validationFailure)
        } catch {
            // Help and the like are printed here, so that it is known whether they were.
            let isAnswer = exitCode(for: error).isSuccess
            let answer = isAnswer ? fullMessage(for: error) : ""
            if !answer.isEmpty { print(answer) }
            if isAnswer || error is ExitCode, let lost = lostOutput { exit(withError: lost) }
            exit(withError: isAnswer ? ExitCode.success : error)
        }
    }

    /// A result that a full disk swallowed is none.
    private static var lostOutput: RuntimeError? {
        StandardOutput.fault.map { RuntimeError("the output could not be written: \($0)") }
    }

    /// What the parser itself says below a slip.
    private static func usage(of command: any ParsableCommand.Type) -> String {
        let usage = usageString(for: command).replacing(#/^USAGE: /#, with: "")
        let name = usage.prefix { !"<[-(".contains($0) }.split(separator: " ").joined(separator: " ")
        return "Usage: \(usage)\n  See '\(name) --help' for more information."
    }
}

/// Output for people or for programs.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON with a stable schema instead of text.")
    var json = false
}

/// Prints a value as one JSON document with sorted keys.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// Prints one JSON document on one line, for streams.
func printJSONLine(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

/// Units of 10⁻⁸ as a decimal number of tokens.
func tokens(_ amount: UInt64) -> String {
    let fraction = String(amount % 100_000_000)
    return "\(amount / 100_000_000)." + String(repeating: "0", count: 8 - fraction.count) + fraction
}

/// Reads `12.5` tokens as units; nil if it is no amount or has more than eight decimals.
func units(_ text: String) -> UInt64? {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    // `UInt64` would take a sign.
    guard parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }) else { return nil }
    guard let whole = UInt64(parts[0]), whole < 1 << 36 else { return nil }
    var fraction: UInt64 = 0
    if parts.count == 2 {
        guard (1...8).contains(parts[1].count), let digits = UInt64(parts[1]) else { return nil }
        fraction = digits * (0..<(8 - parts[1].count)).reduce(1) { power, _ in power * 10 }
    }
    return whole * 100_000_000 + fraction
}

/// Columns wide enough for their cells, numbers to the right.
struct TextTable {
    private var rows: [[String]]

    init(_ heads: String...) {
        rows = [heads]
    }

    mutating func add(_ cells: String...) { rows.append(cells) }

    var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, cell in
                let fill = String(repeating: " ", count: widths[column] - cell.count)
                let isNumber = cell.first.map { $0.isNumber || $0 == "-" } ?? false
                return isNumber || (cell == rows[0][column] && isNumeric(column)) ? fill + cell : cell + fill
            }.joined(separator: "  ")
        }.map { String($0.reversed().drop { $0 == " " }.reversed()) }.joined(separator: "\n")
    }

    private func isNumeric(_ column: Int) -> Bool {
        rows.count > 1
            && rows.dropFirst().allSatisfy { $0[column].first.map { $0.isNumber || $0 == "-" } ?? false }
    }
}

/// Prints to standard error, where progress and problems go.
func complain(_ text: String) {
    FileHandle.standardError.write(Data((text + "\n").utf8))
}
