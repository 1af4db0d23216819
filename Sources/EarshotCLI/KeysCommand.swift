import ArgumentParser
import Bytes
import Foundation
import Identity
import Records
import Runtime

struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Make and show a node's keys.", subcommands: [New.self, Show.self])

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a new key file, readable by its owner alone.",
            discussion: """
                With --data, an empty store for the key is made beside it: a node votes only with a store that knows \
                everything its key has signed, and this one knows that it has signed nothing.
                """)

        @Argument(help: "The key file to make; an existing file is never overwritten.")
        var file: String

        @Option(help: ArgumentHelp("Make an empty store for this key.", valueName: "directory"))
        var data: String?

        @Option(help: "Make the key from a public number: FOR TESTS ONLY, refused on real networks.")
        var seed: UInt64?

        @Flag(help: "Seal the key with the passphrase in EARSHOT_PASSPHRASE.")
        var sealed = false

        @OptionGroup var output: OutputOptions

        func run() throws {
            let octets = seed.map { TestnetPlan.keySeed($0, index: 0) } ?? Entropy.octets(32)
            let secret = SecretSeed(octets: octets.span.octetBytes)
            let keyFile: KeyFile
            if sealed {
                guard let passphrase = ProcessInfo.processInfo.environment["EARSHOT_PASSPHRASE"],
                    !passphrase.isEmpty
                else {
                    throw RuntimeError("put the passphrase into the environment variable EARSHOT_PASSPHRASE")
                }
                let text = Array(passphrase.utf8)
                keyFile = try KeyFile(
                    sealing: secret, passphrase: text.span.octetBytes,
                    salt: Entropy.octets(KeyFile.saltByteCount),
                    isTestOnly: seed != nil)
            } else {
                keyFile = KeyFile(seed: secret, isTestOnly: seed != nil)
            }
            guard !FileManager.default.fileExists(atPath: file) else {
                throw KeyFileStoreError.exists(path: file)
            }
            let keys = NodeKeys(seed: secret)
            // The store first: where it is refused there must be no key yet, or the corrected command would be refused for that;
            // and a key that is there is known to its store, wherever this is interrupted.
            let store = try data.map { try Self.markedStore(at: $0, for: keys.signing.nodeID) }
            do {
                let folder = URL(fileURLWithPath: file).deletingLastPathComponent()
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                try KeyFileStore.create(keyFile, path: file)
            } catch {
                // The corrected command makes another key.
                if !FileManager.default.fileExists(atPath: file) { try? store?.unmarkVirgin() }
                throw error
            }
            if seed != nil {
                complain(
                    "WARNING: \(file) follows from a public number. Anybody can sign with it. For tests only."
                )
            }
            try Show.show(keys, isTestOnly: seed != nil, output)
        }

        /// An empty store that is marked for the key and for no other.
        private static func markedStore(at data: String, for key: NodeID) throws -> NodeStore {
            // A store makes its own folder, for its owner alone, and none above that.
            try FileManager.default.createDirectory(
                at: URL(fileURLWithPath: data).deletingLastPathComponent(), withIntermediateDirectories: true)
            let store = try NodeStore(at: data, readOnly: false)
            guard try store.genesis() == nil else {
                throw RuntimeError("\(data) already belongs to a network; name an empty directory")
            }
            if let other = try store.virginMark(), other != key {
                throw RuntimeError(
                    "\(data) was made for key \(other.text); name an empty directory, or remove this one if there is "
                        + "no such key")
            }
            try store.markVirgin(for: key)
            return store
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show the public side of a key file.")

        @Argument(help: "The key file.")
        var file: String

        @OptionGroup var output: OutputOptions

        func run() throws {
            let isTestOnly = try KeyFileStore.load(path: file).isTestOnly
            try Self.show(try NodeKeys.load(file, for: nil), isTestOnly: isTestOnly, output)
        }

        struct Document: Encodable {
            let node: String
            let hex: String
            let vrf: String
            let testOnly: Bool
        }

        static func show(_ keys: NodeKeys, isTestOnly: Bool, _ output: OutputOptions) throws {
            let id = keys.signing.nodeID
            if output.json {
                try printJSON(
                    Document(node: id.text, hex: id.hex, vrf: keys.vrf.publicKey.hex, testOnly: isTestOnly))
            } else {
                print("node   \(id.text)\nvrf    \(keys.vrf.publicKey.hex)")
                if isTestOnly { print("kind   for tests only: made from a public seed") }
            }
        }
    }
}
