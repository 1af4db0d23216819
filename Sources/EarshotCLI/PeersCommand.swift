import ArgumentParser
import Identity
import Runtime

/// Refuses a line that names no node. Whether a list is there is not looked at yet.
func checkNode(_ text: String) throws(ValidationError) {
    guard PeersCommand.Find.isLine(text) else { return }
    do throws(RuntimeError) { _ = try PeersFile.entry(text) } catch {
        throw ValidationError(error.description)
    }
}

struct PeersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers", abstract: "Work with bootstrap lists, and find nodes.",
        subcommands: [Check.self, PingCommand.self, Find.self])

    struct Check: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check a bootstrap list and say what is wrong with each bad line.")

        @Argument(help: "The list: one earshot://<node id>@host:port a line, # for comments.")
        var file: String

        @OptionGroup var output: OutputOptions

        struct Document: Encodable {
            let entries: [Entry]
            struct Entry: Encodable {
                let node: String
                let host: String
                let port: Int
            }
        }

        func run() throws {
            let entries = try PeersFile.read(file)
            guard !entries.isEmpty else {
                throw RuntimeError("\(file) names nobody: add a line earshot://<node id>@host:port")
            }
            if let notice = PeersFile.unusedNotice(entries: entries.count) { complain(notice) }
            if output.json {
                try printJSON(
                    Document(
                        entries: entries.map { .init(node: $0.node.text, host: $0.host, port: Int($0.port)) })
                )
            } else {
                var table = TextTable("NODE", "HOST", "PORT")
                for entry in entries { table.add(entry.node.text, entry.host, "\(entry.port)") }
                print(table.text)
            }
        }
    }
}
