internal import Bytes
internal import Foundation
internal import Geo
internal import Glibc
internal import Identity
internal import Radio
internal import Records
internal import Store
internal import Wire

/// A testnet on disk: `genesis.toml`, `testnet.peers`, `ether.json`, `options`, and a folder for each node with its key, its
/// configuration, its store and its log.
public struct TestnetDirectory: Sendable {
    public let path: String

    public init(_ path: String) {
        self.path = path
    }

    public var genesisFile: String { path + "/genesis.toml" }
    public var peersFile: String { path + "/testnet.peers" }
    public var etherFile: String { path + "/ether.json" }
    public var etherLog: String { path + "/ether.log" }
    /// The options that the genesis does not tell of.
    private var optionsFile: String { path + "/options" }
    public func folder(_ member: String) -> String { "\(path)/\(member)" }
    public func configFile(_ member: String) -> String { "\(path)/\(member)/node.toml" }
    public func data(_ member: String) -> String { "\(path)/\(member)/data" }
    public func log(_ member: String) -> String { "\(path)/\(member)/node.log" }

    /// Where a testnet is made: it is here only when it is whole.
    private var unfinished: TestnetDirectory { TestnetDirectory(path + ".new") }
    /// The first file there: what lies beside it is ours to remove.
    private var mark: String { path + "/unfinished" }

    /// Keeps other testnets out.
    public func lock() throws(RuntimeError) -> TestnetLock { try TestnetLock(on: path) }

    /// Throws if what is here was made with other options than `plan` is of: it stays as it was made.
    public func check(_ plan: TestnetPlan) throws(RuntimeError) {
        guard try GenesisFile.read(genesisFile) == plan.genesis else {
            throw RuntimeError(
                "the testnet in \(path) was started with other options; give the same ones to --resume it")
        }
        // Testnets of before have no such file.
        guard FileManager.default.fileExists(atPath: optionsFile) else { return }
        let made = try readText(optionsFile).split(separator: "\n").map(String.init)
        for (made, given) in zip(made, Self.options(of: plan)) where made != given {
            throw RuntimeError(
                "the testnet in \(path) was made with \(made), not with \(given); give the same options to --resume it, "
                    + "or start afresh with --fresh")
        }
    }

    private static func options(of plan: TestnetPlan) -> [String] {
        let odd = plan.members.flatMap { member in
            let quirks = member.quirks
            let offset = quirks.frequencyOffsetHz
            return [
                quirks.isSilent ? "\(member.name) is silent" : nil,
                quirks.isDeaf ? "\(member.name) is deaf" : nil,
                offset != 0 ? "\(member.name) is off by \(offset) Hz" : nil,
            ].compactMap { $0 }
        }
        return [
            "--port-base \(plan.options.portBase)", "--delta \(plan.options.deltaMilliseconds)ms",
            "--spares \(plan.options.spares)",
            "a --scenario in which \(odd.isEmpty ? "all radios are in order" : odd.joined(separator: ", "))",
        ]
    }

    /// Writes everything a plan says. Refuses a directory that holds anything; `replacing` removes an earlier testnet that
    /// nobody is at work in, and nothing else.
    @discardableResult
    public func create(_ plan: TestnetPlan, replacing: Bool, airtimePermille: Int) throws -> TestnetLock {
        do {
            return try make(plan, replacing: replacing, airtimePermille: airtimePermille)
        } catch let error as CocoaError {
            throw RuntimeError(
                "cannot make a testnet in \(path): \(error.sentence). Name another directory with --dir"
            )
        }
    }

    private func make(_ plan: TestnetPlan, replacing: Bool, airtimePermille: Int) throws -> TestnetLock {
        let files = FileManager.default
        var earlier: TestnetLock?
        if files.fileExists(atPath: path), try !files.contentsOfDirectory(atPath: path).isEmpty {
            let isTestnet = files.fileExists(atPath: genesisFile) && files.fileExists(atPath: peersFile)
            guard isTestnet else {
                throw RuntimeError(
                    "\(path) holds something that is no testnet; name another directory with --dir")
            }
            guard replacing else {
                throw RuntimeError(
                    "\(path) holds an earlier testnet; start afresh with --fresh (it is removed), "
                        + "go on with it with --resume, or name another directory with --dir")
            }
            earlier = try lock()
            try checkStores(
                in: files.contentsOfDirectory(atPath: path).sorted().filter {
                    files.fileExists(atPath: data($0) + "/data.mdb")
                })
        }
        let lock = try unfinished.begin()
        try unfinished.write(plan, for: self, airtimePermille: airtimePermille)
        if earlier != nil { try files.removeItem(atPath: path) }
        guard unsafe rename(unfinished.path, path) == 0 else {
            throw RuntimeError(
                "cannot rename \(unfinished.path) to \(path): \(unsafe String(cString: strerror(errno))); "
                    + "name another directory with --dir")
        }
        withExtendedLifetime(earlier) {}
        try files.removeItem(atPath: mark)
        return lock
    }

    /// An empty directory, locked; what a setup that was interrupted left in it is removed.
    private func begin() throws -> TestnetLock {
        let files = FileManager.default
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
        let lock = try lock()
        let left = try files.contentsOfDirectory(atPath: path)
        guard left.isEmpty || files.fileExists(atPath: mark) else {
            throw RuntimeError(
                "\(path), where a testnet would be made, holds something else; name another directory with --dir"
            )
        }
        try write("A testnet is being made here; if none is, remove all of it.\n", to: mark)
        for name in left where path + "/" + name != mark {
            try files.removeItem(atPath: path + "/" + name)
        }
        return lock
    }

    /// - Parameter home: Where all of it will be.
    private func write(_ plan: TestnetPlan, for home: TestnetDirectory, airtimePermille: Int) throws {
        try write(
            GenesisFile.text(
                of: plan.genesis,
                comment: "A local testnet from seed \(plan.options.seed). Its keys are public."),
            to: genesisFile)
        // Five: a node that comes late wants to hear from three others which block is the newest, and one may be down.
        let bootstrap = plan.members.prefix(5).map { "earshot://\($0.id.text)@\($0.gossip)" }
        try write("# Where new nodes begin.\n" + bootstrap.joined(separator: "\n") + "\n", to: peersFile)
        try write(Self.options(of: plan).map { $0 + "\n" }.joined(), to: optionsFile)
        let delta = plan.options.deltaMilliseconds
        for member in plan.members { try create(member, deltaMilliseconds: delta) }
        for spare in plan.spares {
            try create(spare, for: home, deltaMilliseconds: delta)
        }
        try Self.ether(of: plan, airtimePermille: airtimePermille).write(to: URL(fileURLWithPath: etherFile))
    }

    private func create(_ member: TestnetPlan.Member, deltaMilliseconds: Int) throws {
        try FileManager.default.createDirectory(
            atPath: folder(member.name), withIntermediateDirectories: true)
        try KeyFileStore.create(
            KeyFile(seed: SecretSeed(octets: member.seed.span.octetBytes), isTestOnly: true),
            path: folder(member.name) + "/node.key")
        var config = NodeConfig(
            keyFile: "node.key", dataDirectory: "data", genesisFile: "../genesis.toml",
            bootstrapFile: "../testnet.peers", roles: member.roles, listen: member.gossip, radio: member.radio
        )
        config.isEdge = member.isEdge
        config.gateway = member.gateway
        config.deltaMilliseconds = deltaMilliseconds
        try write(config.text, to: configFile(member.name))
        let store = try NodeStore(at: data(member.name), readOnly: false)
        try store.markVirgin(for: member.id)
    }

    /// A configuration without a key: whoever takes the site makes one.
    private func create(
        _ spare: TestnetPlan.Spare, for home: TestnetDirectory, deltaMilliseconds: Int
    ) throws {
        try FileManager.default.createDirectory(atPath: folder(spare.name), withIntermediateDirectories: true)
        var config = NodeConfig(
            keyFile: "node.key", dataDirectory: "data", genesisFile: "../genesis.toml",
            bootstrapFile: "../testnet.peers", roles: .hotspot, listen: spare.gossip, radio: spare.radio)
        config.gateway = spare.gateway
        config.deltaMilliseconds = deltaMilliseconds
        let place = "--latitude \(spare.position.degreesNorth) --longitude \(spare.position.degreesEast)"
        try write(
            """
            # A site with a radio and no node. To take it, make a key, register, and start:
            #   earshot keys new \(home.folder(spare.name))/node.key --data \(home.data(spare.name))
            #   earshot tx register hotspot --genesis \(home.genesisFile) --node \(home.peersFile) \\
            #     --key \(home.folder("node1"))/node.key --device \(home.folder(spare.name))/node.key \\
            #     \(place) --wait
            #   earshot node --config \(home.configFile(spare.name))

            """ + config.text, to: configFile(spare.name))
    }

    private func write(_ text: String, to file: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: file), options: .atomic)
    }

    /// The ether's view of the plan: where antennas really are, whatever the ledger says.
    private static func ether(of plan: TestnetPlan, airtimePermille: Int) throws -> Data {
        var config = EtherConfig(
            seed: plan.options.seed,
            nodes: plan.members.map { member in
                var node = EtherConfig.Node(
                    name: member.name, eui: member.gateway, latitude: Double(member.position.latitude) / 1e7,
                    longitude: Double(member.position.longitude) / 1e7, gainDeciDb: Int(member.profile.gain),
                    serverPort: Int(member.radio.port))
                node.frequencyOffsetHz = member.quirks.frequencyOffsetHz
                node.deaf = member.quirks.isDeaf
                if member.quirks.isSilent { node.antenna = .silent }
                return node
            }
                + plan.spares.map { spare in
                    EtherConfig.Node(
                        name: spare.name, eui: spare.gateway, latitude: spare.position.degreesNorth,
                        longitude: spare.position.degreesEast, gainDeciDb: 20,
                        serverPort: Int(spare.radio.port))
                })
        config.airtimePermille = airtimePermille
        config.keepaliveMilliseconds = 1_000
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        return try encoder.encode(config)
    }
}
