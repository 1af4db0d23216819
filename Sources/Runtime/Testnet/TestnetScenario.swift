public import Wire

/// What is odd about some nodes of a testnet, so that verdicts have something to say. Plain data, from TOML.
public struct TestnetScenario: Sendable {
    /// One node's oddities; the default is an honest node.
    public struct Quirks: Sendable {
        /// Asserted so far from where it is.
        public var claimsEastMetres = 0
        public var claimsNorthMetres = 0
        /// Stands so many metres east of this node (counted from 1).
        public var near: Int?
        public var nearMetres = 150
        public var sameOwnerAs: Int?
        public var frequencyOffsetHz = 0
        public var region = Region.eu868
        public var isSilent = false
        public var isDeaf = false
        public var isUnregistered = false

        public init() {}
    }

    public var name: String
    /// By the node's number, from 1; hotspots first, then sensors.
    public var quirks: [Int: Quirks]

    public func quirks(of number: Int) -> Quirks { quirks[number] ?? Quirks() }

    public init(name: String, quirks: [Int: Quirks]) {
        self.name = name
        self.quirks = quirks
    }

    /// Nobody is odd.
    public static let honest = TestnetScenario(name: "honest", quirks: [:])

    /// The first four hotspots are honest; the rest shows one reason for a rejection each.
    public static let standard: TestnetScenario = {
        var near = Quirks()
        near.near = 4
        var kin = Quirks()
        kin.sameOwnerAs = 3
        var far = Quirks()
        far.claimsNorthMetres = 150_000
        var detuned = Quirks()
        detuned.frequencyOffsetHz = 150_000
        var foreign = Quirks()
        foreign.region = .us915
        return TestnetScenario(name: "standard", quirks: [5: near, 6: kin, 7: far, 8: detuned, 10: foreign])
    }()

    /// Reads a scenario file: `name`, and a `[[node]]` table for each odd node.
    /// - Parameter memberCount: How many nodes there are, with sensors and edge nodes.
    public static func read(_ path: String, memberCount: Int) throws(RuntimeError) -> TestnetScenario {
        var reader = try TableReader(file: path)
        var scenario = TestnetScenario(name: try reader.needString("name"), quirks: [:])
        for var table in try reader.tables("node") {
            guard let number: Int = try table.integer("number"), number > 0 else {
                throw table.fault("number", "must be the node's number, from 1")
            }
            func require(_ number: Int?, in range: Range<Int>, _ key: String) throws(RuntimeError) {
                guard let number, !range.contains(number) else { return }
                throw table.fault(
                    key,
                    number > memberCount
                        ? "is \(number), but there are \(memberCount) nodes"
                        : "must be the number of an earlier node")
            }
            try require(number, in: 1..<memberCount + 1, "number")
            guard scenario.quirks[number] == nil else {
                throw table.fault("number", "names node \(number) a second time")
            }
            var quirks = Quirks()
            quirks.claimsEastMetres = try table.integer("claims_east_metres") ?? 0
            quirks.claimsNorthMetres = try table.integer("claims_north_metres") ?? 0
            quirks.near = try table.integer("near")
            quirks.nearMetres = try table.integer("near_metres") ?? quirks.nearMetres
            quirks.sameOwnerAs = try table.integer("same_owner_as")
            try require(quirks.near, in: 1..<number, "near")
            try require(quirks.sameOwnerAs, in: 1..<memberCount + 1, "same_owner_as")
            quirks.frequencyOffsetHz = try table.integer("frequency_offset_hz") ?? 0
            quirks.isSilent = try table.bool("silent") ?? false
            quirks.isDeaf = try table.bool("deaf") ?? false
            quirks.isUnregistered = try table.bool("unregistered") ?? false
            if let name = try table.string("region") {
                guard let region = Region(name: name) else {
                    throw table.fault(
                        "region", "must be one of \(Region.allCases.map(\.name).joined(separator: ", "))")
                }
                quirks.region = region
            }
            scenario.quirks[number] = quirks
            try table.finish()
        }
        try reader.finish()
        return scenario
    }
}
