internal import Bytes
internal import Chance
internal import Foundation
internal import Geo
internal import Identity
public import Logging
internal import Membership
internal import NIOCore
internal import NIOPosix
public import Node
internal import Radio
internal import Records
public import ServiceLifecycle
internal import Session
internal import Store
internal import UnixSignals
public import Wire

/// One running node, from its configuration to a clean stop.
public final class NodeService: Service {
    /// 10 s: above what a life's timestamps may have risen by since they were written.
    private static let stampMargin: UInt64 = 10_000_000_000

    private let config: NodeConfig
    private let logger: Logger
    private let soleCopyFrom: Epoch?
    private let checkpoint: Checkpoint?

    /// - Parameter checkpoint: A header that the operator knows to be the network's.
    /// - Parameter soleCopyFrom: the operator's word that no other store of the key is in use, and the first epoch in
    ///   which the node may therefore vote whatever its store remembers.
    public init(
        config: NodeConfig, soleCopyFrom: Epoch? = nil, checkpoint: Checkpoint? = nil, logger: Logger
    ) {
        self.config = config
        self.checkpoint = checkpoint
        self.soleCopyFrom = soleCopyFrom
        self.logger = logger
    }

    /// Runs until a graceful shutdown or a failure that the node cannot survive.
    public func run() async throws {
        // First of all: to whoever does not listen to it, it is the end.
        let hangups = await UnixSignalsSequence(trapping: .sighup)
        try OpenFiles.check()
        let genesis = try GenesisFile.read(config.genesisFile)
        let keys = try NodeKeys.load(config.keyFile, for: genesis)
        let store = try openStore(for: genesis)
        defer { withExtendedLifetime(store) {} }
        let life = try store.life()
        let (place, former) = Self.place(of: config.dataDirectory)
        let right = try store.votingRight(
            of: keys.signing.nodeID, machine: place, former: former, soleCopyFrom: soleCopyFrom)
        say(right)

        // The admin port has a thread of its own, so that it answers when the node does not.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: config.admin == nil ? 1 : 2)
        let writer = NIOThreadPool(numberOfThreads: 1)
        let workers = NIOThreadPool(numberOfThreads: max(1, System.coreCount - 1))
        writer.start()
        workers.start()
        do {
            try await serve(
                genesis: genesis, keys: keys, store: store, life: life,
                votesFrom: right == .granted ? try store.votesFrom() : .max,
                group: group, writer: writer, workers: workers, hangups: hangups)
        } catch {
            try? await Self.shutDown(group, writer, workers)
            throw error
        }
        try await Self.shutDown(group, writer, workers)
        logger.info("stopped")
    }

    private static func shutDown(
        _ group: MultiThreadedEventLoopGroup, _ writer: NIOThreadPool, _ workers: NIOThreadPool
    ) async throws {
        try await workers.shutdownGracefully()
        // The last commit ends before the pool does.
        try await writer.shutdownGracefully()
        try await group.shutdownGracefully()
    }

    private func serve(
        genesis: Genesis, keys: NodeKeys, store: NodeStore, life: StoredLife, votesFrom: Epoch,
        group: MultiThreadedEventLoopGroup, writer: NIOThreadPool, workers: NIOThreadPool,
        hangups: UnixSignalsSequence
    ) async throws {
        let eventLoop = group.next()
        let box = NIOLoopBoundBox.makeEmptyBox(valueType: Driver.self, eventLoop: eventLoop)
        let gossip = try await NodeSocket.bind(
            config.listen, for: "gossip", byteCountMax: 2_048, on: eventLoop
        ) {
            bytes, address in
            box.value?.receive(bytes, from: address)
        }
        var radioSocket: NodeSocket?
        if let radio = config.radio {
            radioSocket = try await NodeSocket.bind(
                radio, for: "radio", byteCountMax: GatewayFrame.byteCountMax + 1, on: eventLoop
            ) { bytes, address in
                box.value?.receiveRadio(bytes, from: address)
            }
        }
        let radio = radioSocket
        var bound = config
        bound.listen = gossip.endpoint
        let config = bound
        let board = StatusBoard()
        let admin = try await startAdmin(board, network: genesis.name, on: group)
        let (failures, failure) = AsyncStream.makeStream(of: RuntimeError.self)
        let settings = try settings(config, genesis: genesis, store: store, votesFrom: votesFrom)
        let seed = UInt64.random(in: .min ... .max)
        let gateway = config.gateway.flatMap { GatewayEUI(hex: $0) }
        let logger = logger
        let keyLogFile = config.keyLogFile
        let openedAgo = openedAgo(life, in: store, genesis)
        let watch = NodeWatch(
            id: keys.signing.nodeID, endpoint: config.listen, admin: admin?.endpoint, roles: config.roles,
            epochMilliseconds: genesis.parameters.epochMilliseconds, board: board, openedAgo: openedAgo,
            at: Driver.now, wallTime: Driver.wallTime)
        let isEdge = config.isEdge
        // What was written last is a second old or a little more when a node is killed.
        let (stampsAbove, _) = try store.lastStamp().addingReportingOverflow(Self.stampMargin)
        try await eventLoop.submit {
            var chance = Chance(seed: seed)
            let port = radio.map { socket in
                RadioPort(gateway: gateway, chance: chance.split()) { socket.send($1, to: $0) }
            }
            var actions: [NodeAction] = []
            var boot = BootRecords(
                recent: life.recent, lastCertificate: life.lastCertificate, state: life.state,
                safety: life.safety, coverage: life.coverage, bundles: life.bundles,
                ownBundle: life.ownBundle, candidates: life.candidates, peers: life.peers,
                following: life.following)
            boot.openedAgo = openedAgo
            boot.snapshotRows = life.snapshotRows
            boot.snapshotRecord = life.snapshotRecord
            boot.snapshotHeaders = life.snapshotHeaders
            let node: any NodeMachine
            if isEdge {
                node = try EdgeNode(
                    genesis: genesis, network: genesis.network, key: keys.signing, vrfKey: keys.vrf,
                    settings: settings, boot: boot, chance: chance.split(), now: Driver.now,
                    actions: &actions)
            } else {
                node = try Node(
                    genesis: genesis, key: keys.signing, vrfKey: keys.vrf, settings: settings, boot: boot,
                    chance: chance.split(), now: Driver.now, actions: &actions)
            }
            let keyLog = try keyLogFile.map(KeyLog.init(path:))
            if let keyLogFile {
                logger.warning(
                    "the keys of all sessions are written to \(keyLogFile): who reads it reads everything")
            }
            var sealing = Session.Settings()
            sealing.logsKeys = keyLog != nil
            let carrier = Carrier(
                key: keys.exchange, record: node.card, network: genesis.network, settings: sealing,
                secrets: SecretSource { Entropy.octets($0) },
                wallNanoseconds: Driver.wallMicroseconds * 1_000,
                stampsAbove: stampsAbove, now: Driver.now)
            box.value = Driver(
                node: node, carrier: carrier, first: actions, watch: watch, store: store,
                eventLoop: eventLoop, writer: writer, workers: workers, gossip: gossip, radio: port,
                keyLog: keyLog, logger: logger, onFailure: { failure.yield($0) })
        }.get()
        logger.info(
            "listening",
            metadata: [
                "node": "\(keys.signing.nodeID.text)", "gossip": "\(config.listen)",
                "network": "\(genesis.name)",
            ].merging(radio.map { ["radio": "\($0.endpoint)"] } ?? [:]) { $1 }
                .merging(admin.map { ["admin": "http://\($0.endpoint)"] } ?? [:]) { $1 })

        for (socket, name) in [(gossip, "gossip")] + (radio.map { [($0, "radio")] } ?? []) {
            socket.channel.closeFuture.whenComplete { _ in
                failure.yield(RuntimeError("the system closed the socket for \(name)"))
            }
        }
        let resolvers = NIOThreadPool(numberOfThreads: BootstrapWatch.lookupsMax)
        resolvers.start()
        // Nobody waits for a resolver that does not answer.
        defer { resolvers.shutdownGracefully { _ in } }
        let families = AddressFamilies(boundTo: config.listen)
        let list = BootstrapWatch(file: config.bootstrapFile, resolvers: resolvers, logger: logger) {
            try PeersFile.resolve($0, for: families)
        }
        let watching = Task {
            await list.run(upon: hangups) { entries, all in
                eventLoop.execute { box.value?.handle(.bootstrap(entries, all: all)) }
            }
        }
        let fault = await Self.firstFailure(failures)
        watching.cancel()
        let isWritten = try? await eventLoop.flatSubmit {
            box.value?.stop() ?? eventLoop.makeSucceededFuture(true)
        }.get()
        try? await eventLoop.submit { box.value = nil }.get()
        if isWritten != true {
            // Told to end here, they are not waited for later.
            writer.shutdownGracefully { _ in }
            workers.shutdownGracefully { _ in }
        }
        try? await gossip.channel.close()
        try? await radio?.channel.close()
        await admin?.stop()
        if let fault { throw fault }
    }

    /// How long the open epoch has been open, by the store. An edge node asks its uplinks.
    private func openedAgo(_ life: StoredLife, in store: NodeStore, _ genesis: Genesis) -> Duration {
        // Last words that cannot be read stop no node.
        guard !config.isEdge, let last = try? store.status() else { return .zero }
        return last.age(
            of: (life.recent.last?.header.epoch ?? 0) + 1, at: Driver.wallTime,
            epochMilliseconds: genesis.parameters.epochMilliseconds)
    }

    private func startAdmin(
        _ board: StatusBoard, network: String, on group: MultiThreadedEventLoopGroup
    ) async throws -> AdminServer? {
        guard let endpoint = config.admin else { return nil }
        return try await AdminServer.start(at: endpoint, board: board, network: network, on: group.next())
    }

    /// Nil when a graceful shutdown came first.
    private static func firstFailure(_ failures: AsyncStream<RuntimeError>) async -> RuntimeError? {
        await withTaskCancellationOrGracefulShutdownHandler {
            for await failure in failures.cancelOnGracefulShutdown() { return failure }
            return nil
        } onCancelOrGracefulShutdown: {
        }
    }

    private func openStore(for genesis: Genesis) throws -> NodeStore {
        let store = try NodeStore(at: config.dataDirectory, readOnly: false)
        if let stored = try store.genesis() {
            guard stored == genesis else {
                throw RuntimeError(
                    "\(config.dataDirectory) belongs to network \(stored.name) (\(stored.network.short)), but "
                        + "\(config.genesisFile) is network \(genesis.name) (\(genesis.network.short)); "
                        + "name another data directory")
            }
        } else {
            try store.setGenesis(genesis)
        }
        try store.setKeptEpochs(genesis.keptEpochs)
        return store
    }

    private func settings(
        _ config: NodeConfig, genesis: Genesis, store: NodeStore, votesFrom: Epoch
    ) throws -> NodeSettings {
        // Names follow: to look them up takes time.
        let bootstrap = try config.bootstrapFile.map(PeersFile.read) ?? []
        var settings = NodeSettings(
            roles: config.roles,
            endpoints: config.announce ?? (config.listen.isUnspecified ? [] : [config.listen]),
            bootstrap: bootstrap.compactMap { entry in entry.endpoint.map { (entry.node, $0) } }, region: nil,
            recordSequence: try store.nextRecordSequence(atLeast: Driver.wallMicroseconds / 1_000_000))
        settings.learnsEndpoint = config.announce == nil && !config.listen.isLoopback
        settings.delta = .milliseconds(config.deltaMilliseconds)
        settings.votesFrom = votesFrom
        settings.listed = bootstrap.map(\.node)
        if let checkpoint { try store.compare(checkpoint: checkpoint.epoch, checkpoint.header) }
        settings.checkpoint = checkpoint
        settings.sinceFinal = try store.sinceFinal(at: Driver.wallTime)
        return settings
    }

    private func say(_ right: VotingRight) {
        switch right {
        case .granted: break
        case .unknownHistory:
            logger.warning(
                """
                this store does not know what its key has signed: the node observes only. If no other store of this \
                key is in use, start it once with --sole-copy --from-epoch and an epoch that has not begun
                """)
        case .copied(let recorded):
            logger.warning(
                """
                this store was written elsewhere (\(recorded)): the node observes only, because the original may be \
                running. If it is not, start once with --sole-copy --from-epoch and an epoch that has not begun
                """)
        case .forgot:
            logger.warning(
                """
                the key has signed what this store does not remember (it was put back from an earlier copy, or another \
                machine signed): the node observes only. If no other store of this key is in use, start it once with --sole-copy --from-epoch and \
                an epoch that has not begun
                """)
        }
    }

    /// Names this machine and the store's file on it, and what the same was called before: a copied store has another name.
    private static func place(of directory: String) -> (String, former: [String]) {
        let machine = ((try? String(contentsOfFile: "/etc/machine-id", encoding: .utf8)) ?? "unknown")
            .trimmingCharacters(in: .whitespacesAndNewlines)
        let place = DataPlace(of: directory)
        return ("\(machine):\(place?.name ?? "0:0")", (place?.formerNames ?? []).map { "\(machine):\($0)" })
    }
}
