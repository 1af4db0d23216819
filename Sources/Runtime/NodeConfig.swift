internal import Foundation
public import Logging
internal import Membership
internal import Radio
public import Wire

/// One node's own settings, from its TOML file. Paths in the file are relative to the file.
public struct NodeConfig: Sendable {
    public var keyFile: String
    public var dataDirectory: String
    public var genesisFile: String
    public var bootstrapFile: String?
    public var roles: Roles
    /// Follows validators as a light client instead of carrying everything: for hotspots and sensors only.
    public var isEdge = false
    /// Where gossip is heard; 0.0.0.0 and [::] are all addresses of the machine.
    public var listen: Endpoint
    /// Where others are told to find the node; nil: `listen`, and where others agree to see it.
    public var announce: [Endpoint]?
    /// Where the packet forwarder finds the node; nil for a node without a radio.
    public var radio: Endpoint?
    /// The one gateway to listen to, sixteen hexadecimal digits; nil admits the first few.
    public var gateway: String?
    /// Consensus Δ in milliseconds.
    public var deltaMilliseconds: Int = 300
    public var logLevel = Logger.Level.info
    /// A file for the keys of every session, for a dissector; nil, as it should be, for none.
    public var keyLogFile: String?
    public var logFormat: LogFormat = .text
    /// Where `/metrics`, `/health` and `/status` are, loopback only; nil for nowhere.
    public var admin: Endpoint?

    public init(
        keyFile: String, dataDirectory: String, genesisFile: String, bootstrapFile: String?, roles: Roles,
        listen: Endpoint, radio: Endpoint?
    ) {
        self.keyFile = keyFile
        self.dataDirectory = dataDirectory
        self.genesisFile = genesisFile
        self.bootstrapFile = bootstrapFile
        self.roles = roles
        self.listen = listen
        self.radio = radio
    }

    /// Reads a node's configuration file.
    public static func read(_ path: String) throws(RuntimeError) -> NodeConfig {
        var reader = try TableReader(file: path)
        let folder = URL(fileURLWithPath: path).deletingLastPathComponent()
        func resolve(_ text: String) -> String {
            text.hasPrefix("/") ? text : folder.appending(path: text).standardizedFileURL.path
        }
        var roles: Roles = []
        for name in try reader.strings("roles") ?? ["observer"] {
            switch name {
            case "hotspot": roles.insert(.hotspot)
            case "sensor": roles.insert(.sensor)
            case "validator": roles.insert(.validator)
            case "observer": roles.insert(.observer)
            default:
                throw reader.fault(
                    "roles", "names \(name); there are hotspot, sensor, validator and observer")
            }
        }
        guard !roles.isEmpty else {
            throw reader.fault(
                "roles",
                "names none; there are hotspot, sensor, validator and observer, which a node is if nothing is said"
            )
        }
        func endpoint(_ key: String, _ text: String) throws(RuntimeError) -> Endpoint {
            guard let endpoint = Endpoint(text: text) else {
                throw reader.fault(key, "must be address:port, for instance 127.0.0.1:4100")
            }
            return endpoint
        }
        let listen = try reader.needString("listen")
        let radio = try reader.string("radio")
        var config = NodeConfig(
            keyFile: resolve(try reader.needString("key")),
            dataDirectory: resolve(try reader.needString("data")),
            genesisFile: resolve(try reader.needString("genesis")),
            bootstrapFile: try reader.string("bootstrap").map(resolve), roles: roles,
            listen: try endpoint("listen", listen), radio: nil)
        guard !config.listen.isOfMany else {
            throw reader.fault(
                "listen",
                "is \(listen), an address of many machines at once: name one of this machine's, or 0.0.0.0 or [::] for all of them"
            )
        }
        if let places = try reader.strings("announce") {
            guard (1...NodeRecord.endpointsMax).contains(places.count) else {
                throw reader.fault("announce", "takes 1 to \(NodeRecord.endpointsMax) addresses")
            }
            var announced: [Endpoint] = []
            for place in places { announced.append(try endpoint("announce", place)) }
            guard announced.allSatisfy({ !$0.isUnspecified && !$0.isOfMany && $0.port > 0 }) else {
                throw reader.fault("announce", "must be addresses that others can reach, each with its port")
            }
            config.announce = announced
        }
        if let radio { config.radio = try endpoint("radio", radio) }
        guard config.radio?.isLoopback ?? true else {
            throw reader.fault(
                "radio",
                "is \(radio ?? ""), but packet forwarders speak without any proof of who they are: use 127.0.0.1 or "
                    + "[::1], and a tunnel to a forwarder elsewhere")
        }
        config.isEdge = try reader.bool("edge") ?? false
        let isDevice = roles.isSubset(of: [.hotspot, .sensor])
        guard !config.isEdge || isDevice else {
            throw reader.fault(
                "edge", "is for roles hotspot and sensor: validators and observers carry everything")
        }
        guard !config.isEdge || config.bootstrapFile != nil else {
            throw reader.fault(
                "edge", "needs a bootstrap list: an edge node begins with the validators in it")
        }
        config.keyLogFile = try reader.string("key_log").map(resolve)
        config.gateway = try reader.string("gateway")
        // Whoever is not this one is not answered: a slip must not mean everybody.
        guard config.gateway.map({ GatewayEUI(hex: $0) != nil }) ?? true else {
            throw reader.fault(
                "gateway", "must be the forwarder's EUI, 16 hexadecimal digits: aa555a0000000001")
        }
        config.deltaMilliseconds = try reader.integer("delta_milliseconds") ?? config.deltaMilliseconds
        guard (10...60_000).contains(config.deltaMilliseconds) else {
            throw reader.fault("delta_milliseconds", "must be 10 to 60000")
        }
        config.logLevel = try reader.word("log_level") ?? config.logLevel
        try config.readWatching(&reader)
        try reader.finish()
        return config
    }

    /// The text of a file that reads back as this configuration; paths are written as they are.
    public var text: String {
        var text = """
            key = \(tomlString(keyFile))
            data = \(tomlString(dataDirectory))
            genesis = \(tomlString(genesisFile))
            roles = [\(roles.names.map { "\"\($0)\"" }.joined(separator: ", "))]
            listen = "\(listen)"
            delta_milliseconds = \(deltaMilliseconds)
            log_level = "\(logLevel)"

            """
        if isEdge { text += "edge = true\n" }
        if let bootstrapFile { text += "bootstrap = \(tomlString(bootstrapFile))\n" }
        if let announce {
            text += "announce = [\(announce.map { "\"\($0)\"" }.joined(separator: ", "))]\n"
        }
        if let radio { text += "radio = \"\(radio)\"\n" }
        if let gateway { text += "gateway = \"\(gateway)\"\n" }
        if let keyLogFile { text += "key_log = \(tomlString(keyLogFile))\n" }
        return text + watchingText
    }
}
