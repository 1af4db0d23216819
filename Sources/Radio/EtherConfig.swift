internal import Foundation

/// Everything that the ether is: who stands where, what lies between them, and who cheats.
///
/// JSON; every field but `seed` and `nodes` has a default. Two runs with one configuration have the same
/// shadowing and lose the same packets.
public struct EtherConfig: Equatable, Codable, Sendable {
    public enum Antenna: String, Codable, Sendable {
        case normal
        /// Not connected: transmissions are acknowledged and reach nobody, and nothing is heard.
        case silent
    }

    public struct Node: Equatable, Codable, Sendable {
        public var name: String
        /// Sixteen hexadecimal digits.
        public var eui: String
        /// Where the antenna truly is, whatever the node asserts.
        public var latitude: Double
        public var longitude: Double
        public var elevation: Double?
        /// 0.1 dBi.
        public var gainDeciDb: Int
        /// The node's radio port on the loopback address.
        public var serverPort: Int
        public var antenna: Antenna
        /// Transmits, but hears nothing.
        public var deaf: Bool
        /// How far its transmissions are off the channel.
        public var frequencyOffsetHz: Int

        public init(
            name: String, eui: String, latitude: Double, longitude: Double, elevation: Double? = nil,
            gainDeciDb: Int = 12, serverPort: Int, antenna: Antenna = .normal, deaf: Bool = false,
            frequencyOffsetHz: Int = 0
        ) {
            self.name = name
            self.eui = eui
            self.latitude = latitude
            self.longitude = longitude
            self.elevation = elevation
            self.gainDeciDb = gainDeciDb
            self.serverPort = serverPort
            self.antenna = antenna
            self.deaf = deaf
            self.frequencyOffsetHz = frequencyOffsetHz
        }

        public init(from decoder: any Decoder) throws {
            let fields = try decoder.container(keyedBy: CodingKeys.self)
            name = try fields.decode(String.self, forKey: .name)
            eui = try fields.decode(String.self, forKey: .eui)
            latitude = try fields.decode(Double.self, forKey: .latitude)
            longitude = try fields.decode(Double.self, forKey: .longitude)
            elevation = try fields.decodeIfPresent(Double.self, forKey: .elevation)
            gainDeciDb = try fields.decodeIfPresent(Int.self, forKey: .gainDeciDb) ?? 12
            serverPort = try fields.decode(Int.self, forKey: .serverPort)
            antenna = try fields.decodeIfPresent(Antenna.self, forKey: .antenna) ?? .normal
            deaf = try fields.decodeIfPresent(Bool.self, forKey: .deaf) ?? false
            frequencyOffsetHz = try fields.decodeIfPresent(Int.self, forKey: .frequencyOffsetHz) ?? 0
        }

        var place: Place { Place(latitude: latitude, longitude: longitude, elevation: elevation) }
    }

    /// Two cheaters with a wire between them: what is heard at `from` is sent again at `to`.
    public struct Wormhole: Equatable, Codable, Sendable {
        public var from: Place
        public var to: Place
        public var powerDBm: Int
        public var delayMilliseconds: Int

        public init(from: Place, to: Place, powerDBm: Int = 14, delayMilliseconds: Int = 50) {
            self.from = from
            self.to = to
            self.powerDBm = powerDBm
            self.delayMilliseconds = delayMilliseconds
        }
    }

    /// Forwarders in one process; each has a socket.
    public static let nodesMax = 4096
    public static let wormholesMax = 64

    public var seed: UInt64
    public var nodes: [Node]
    public var wormholes: [Wormhole] = []
    /// See `Propagation.Settings`.
    public var exponentHundredths = 280
    public var shadowingDeciDb = 60
    public var fadingDeciDb = 15
    public var noiseFigureDeciDb = 60
    public var lossPermille = 0
    public var collisions = true
    /// See `Forwarder.Settings`.
    public var airtimePermille = 1000
    public var keepaliveMilliseconds = 10_000
    public var statusMilliseconds = 30_000
    public var powerMinDBm = 0
    public var powerMaxDBm = 27
    public var frequencyMinHz: UInt32 = 863_000_000
    public var frequencyMaxHz: UInt32 = 928_000_000

    public init(seed: UInt64, nodes: [Node]) {
        self.seed = seed
        self.nodes = nodes
    }

    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            seed: try fields.decode(UInt64.self, forKey: .seed),
            nodes: try fields.decode([Node].self, forKey: .nodes))
        func read<Value: Decodable>(_ value: inout Value, _ key: CodingKeys) throws {
            value = try fields.decodeIfPresent(Value.self, forKey: key) ?? value
        }
        try read(&wormholes, .wormholes)
        try read(&exponentHundredths, .exponentHundredths)
        try read(&shadowingDeciDb, .shadowingDeciDb)
        try read(&fadingDeciDb, .fadingDeciDb)
        try read(&noiseFigureDeciDb, .noiseFigureDeciDb)
        try read(&lossPermille, .lossPermille)
        try read(&collisions, .collisions)
        try read(&airtimePermille, .airtimePermille)
        try read(&keepaliveMilliseconds, .keepaliveMilliseconds)
        try read(&statusMilliseconds, .statusMilliseconds)
        try read(&powerMinDBm, .powerMinDBm)
        try read(&powerMaxDBm, .powerMaxDBm)
        try read(&frequencyMinHz, .frequencyMinHz)
        try read(&frequencyMaxHz, .frequencyMaxHz)
    }

    /// Reads and validates a configuration file.
    public init(json: [UInt8]) throws(EtherConfigError) {
        do {
            self = try JSONDecoder().decode(EtherConfig.self, from: Data(json))
        } catch { throw .unreadable(String(describing: error)) }
        try validate()
    }
}

/// What is wrong with an ether's configuration, by the field's name.
public enum EtherConfigError: Error, Equatable, Sendable {
    case unreadable(String)
    /// More than `EtherConfig.nodesMax` or `EtherConfig.wormholesMax`.
    case tooMany(String)
    /// A value outside its range; a node's field is preceded by the node's name.
    case outOfRange(String)
    /// Two nodes with one name or EUI.
    case duplicate(String)
}

extension EtherConfigError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let why): "this is not the JSON of an ether, as `earshot testnet` writes it: \(why)"
        case .tooMany(let field): "the ether has too many \(field)"
        case .outOfRange(let field): "the ether's \(field) is out of its range"
        case .duplicate(let name): "the ether has \(name) twice"
        }
    }
}

extension EtherConfig {
    /// Throws the first fault found.
    public func validate() throws(EtherConfigError) {
        guard nodes.count <= Self.nodesMax else { throw .tooMany("nodes") }
        guard wormholes.count <= Self.wormholesMax else { throw .tooMany("wormholes") }
        let ranges: [(field: String, value: Int, range: ClosedRange<Int>)] = [
            ("exponentHundredths", exponentHundredths, 200...600),
            ("shadowingDeciDb", shadowingDeciDb, 0...200),
            ("fadingDeciDb", fadingDeciDb, 0...200), ("noiseFigureDeciDb", noiseFigureDeciDb, 0...200),
            ("lossPermille", lossPermille, 0...1000), ("airtimePermille", airtimePermille, 1...1000),
            ("keepaliveMilliseconds", keepaliveMilliseconds, 10...3_600_000),
            ("statusMilliseconds", statusMilliseconds, 10...3_600_000),
            ("powerMinDBm", powerMinDBm, -20...powerMaxDBmLimit),
            ("powerMaxDBm", powerMaxDBm, -20...powerMaxDBmLimit),
            ("frequencyMinHz", Int(frequencyMinHz), 137_000_000...1_020_000_000),
            ("frequencyMaxHz", Int(frequencyMaxHz), 137_000_000...1_020_000_000),
        ]
        for check in ranges where !check.range.contains(check.value) { throw .outOfRange(check.field) }
        guard powerMinDBm <= powerMaxDBm else { throw .outOfRange("powerMaxDBm") }
        guard frequencyMinHz <= frequencyMaxHz else { throw .outOfRange("frequencyMaxHz") }
        var names: Set<String> = []
        for node in nodes {
            guard let eui = GatewayEUI(hex: node.eui) else { throw .outOfRange("\(node.name).eui") }
            guard node.place.isOnEarth else { throw .outOfRange("\(node.name).latitude") }
            guard (1...65_535).contains(node.serverPort) else { throw .outOfRange("\(node.name).serverPort") }
            guard (-200...300).contains(node.gainDeciDb) else { throw .outOfRange("\(node.name).gainDeciDb") }
            guard (-1_000_000...1_000_000).contains(node.frequencyOffsetHz) else {
                throw .outOfRange("\(node.name).frequencyOffsetHz")
            }
            guard names.insert("name \(node.name)").inserted else { throw .duplicate(node.name) }
            guard names.insert("eui \(eui)").inserted else { throw .duplicate(node.eui) }
        }
        for hole in wormholes {
            guard hole.from.isOnEarth, hole.to.isOnEarth else { throw .outOfRange("wormholes.place") }
            guard (-20...50).contains(hole.powerDBm) else { throw .outOfRange("wormholes.powerDBm") }
            guard (0...60_000).contains(hole.delayMilliseconds) else {
                throw .outOfRange("wormholes.delayMilliseconds")
            }
        }
    }

    private var powerMaxDBmLimit: Int { 50 }

    var propagation: Propagation {
        Propagation(
            Propagation.Settings(
                seed: seed, exponentHundredths: exponentHundredths, shadowingDeciDb: shadowingDeciDb,
                fadingDeciDb: fadingDeciDb, noiseFigureDeciDb: noiseFigureDeciDb, lossPermille: lossPermille))
    }
}
