import ArgumentParser
import Foundation
import Glibc
import Logging
import NIOCore
import NIOPosix
import Node
import Radio
import Runtime
import ServiceLifecycle
import UnixSignals

/// Runs until SIGINT, SIGTERM, SIGQUIT or, if asked, the end of standard input.
func runUntilStopped(
    _ service: any Service, stopOnEOF: Bool, logger: Logger, log: LogWriter
) async throws {
    // A log whose reader has gone is no reason to end.
    signal(SIGPIPE, SIG_IGN)
    var services: [any Service] = [service]
    if stopOnEOF { services.append(EndOfInput()) }
    let group = ServiceGroup(
        configuration: ServiceGroupConfiguration(
            services: services.map {
                .init(
                    service: $0, successTerminationBehavior: .gracefullyShutdownGroup,
                    failureTerminationBehavior: .gracefullyShutdownGroup)
            },
            gracefulShutdownSignals: [.sigint, .sigterm, .sigquit], logger: logger))
    do {
        try await group.run()
    } catch {
        // Nobody reads why: to say it would wait for a reader.
        guard log.drain() else { Glibc.exit(1) }
        throw error
    }
    _ = log.drain()
}

/// Ends when standard input does: the parent that held its other end is gone.
struct EndOfInput: Service {
    func run() async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
        let thread = Thread {
            while let data = try? FileHandle.standardInput.read(upToCount: 64), !data.isEmpty {}
            continuation.finish()
        }
        thread.start()
        for await _ in stream.cancelOnGracefulShutdown() {}
    }
}

private func logLevel(_ name: String) throws -> Logger.Level {
    guard let level = Logger.Level(rawValue: name) else {
        let names = Logger.Level.allCases.map(\.rawValue)
        throw ValidationError("there are \(names.joined(separator: ", "))")
    }
    return level
}

struct NodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "node", abstract: "Run one node.",
        discussion: """
            The configuration is a TOML file:

              key = "node.key"            # from `earshot keys new`
              data = "data"               # the node's store
              genesis = "genesis.toml"
              bootstrap = "local.peers"   # earshot://<node id>@host:port, one a line
              roles = ["validator", "hotspot"]
              listen = "127.0.0.1:21000"  # gossip
              radio = "127.0.0.1:21001"   # where the packet forwarder sends to
              admin = "127.0.0.1:9101"    # /metrics, /health and /status; this machine only
              log_format = "json"         # one object a line; else text

            Watch it with `earshot status FILE --watch`, FILE being its configuration. Stop it with Ctrl-C or SIGTERM.
            """)

    @Option(help: ArgumentHelp("The node's configuration file.", valueName: "file"))
    var config: String

    @Flag(help: "Take it on your word that no other store of this key is in use, and vote.")
    var soleCopy = false

    @Option(help: "With --sole-copy: the first epoch to vote in; one that no other copy can have been in.")
    var fromEpoch: UInt64?

    @Option(
        help: ArgumentHelp(
            "A header that you know to be the network's, from a source you trust.",
            discussion:
                "Needed by who was away for longer than stakes are bound, unless three nodes of the bootstrap "
                + "list, or all of a shorter one, agree.", valueName: "epoch:digest"))
    var checkpoint: String?

    @Option(
        help: "Log level: trace, debug, info, notice, warning, error, critical.",
        transform: EarshotCLI.logLevel)
    var logLevel: Logger.Level?

    @Flag(help: .hidden)
    var stopOnEof = false

    private var knownHeader: Checkpoint? { checkpoint.flatMap { Checkpoint($0) } }

    func validate() throws {
        guard soleCopy == (fromEpoch != nil) else {
            throw ValidationError(
                "--sole-copy and --from-epoch go together: name the first epoch that no other copy can have voted in, "
                    + "for instance two above the last final one (`earshot inspect DIR status` of any node)")
        }
        guard checkpoint == nil || knownHeader != nil else {
            throw ValidationError(
                "--checkpoint is EPOCH:DIGEST, the digest of the epoch's header in 64 hexadecimal digits: "
                    + "`earshot inspect DIR epoch N` prints it")
        }
    }

    func run() async throws {
        // What it asks for is done at the start anyhow; the service listens to it first of all.
        signal(SIGHUP, SIG_IGN)
        let config = try NodeConfig.read(config)
        let log = LogWriter(label: "earshot", format: config.logFormat)
        let logger = log.logger(level: logLevel ?? config.logLevel)
        let service = NodeService(
            config: config, soleCopyFrom: fromEpoch, checkpoint: knownHeader, logger: logger)
        try await runUntilStopped(service, stopOnEOF: stopOnEof, logger: logger, log: log)
    }
}

struct EtherCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ether",
        abstract: "Run the radio medium of a testnet: one emulated packet forwarder a node.")

    @Argument(help: "The ether's JSON file, as `earshot testnet` writes it.")
    var file: String

    @Flag(help: .hidden)
    var stopOnEof = false

    func run() async throws {
        let log = LogWriter(label: "ether", format: .text)
        let logger = log.logger(level: .info)
        guard let data = FileManager.default.contents(atPath: file) else {
            throw RuntimeError("cannot read \(file): is it there, is it a file, and may this user read it?")
        }
        try await runUntilStopped(
            EtherService(config: try EtherConfig(json: Array(data)), logger: logger), stopOnEOF: stopOnEof,
            logger: logger, log: log)
    }
}

struct EtherService: Service {
    let config: EtherConfig
    let logger: Logger

    func run() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let ether = try Ether(config: config, group: group)
        try await ether.start()
        logger.info("the ether is up", metadata: ["forwarders": "\(config.nodes.count)"])
        try? await gracefulShutdown()
        if let stats = await ether.stats() {
            logger.info(
                "the ether ends",
                metadata: [
                    "transmissions": "\(stats.transmissions)", "receptions": "\(stats.receptions)",
                    "tooWeak": "\(stats.tooWeak)", "collided": "\(stats.collided)",
                ])
        }
        await ether.stop()
        try await group.shutdownGracefully()
    }
}
