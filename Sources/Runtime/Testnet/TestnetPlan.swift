internal import Bytes
internal import Chance
internal import Consensus
internal import Foundation
public import Geo
public import Identity
public import Wire

/// Everything about a testnet that follows from its options: keys, places, ports, genesis. Equal options give equal
/// plans, on every machine.
public struct TestnetPlan: Sendable {
    public struct Options: Sendable {
        public var nodes = 8
        /// The first so many nodes; half of them, and at least `validatorsMin`, if not said.
        public var validators: Int?
        public var sensors = 2
        /// Hotspots besides that are edge nodes: they follow validators and carry nobody else's bundles.
        public var edges = 0
        /// Sites with a radio but without a node: for those that somebody starts by hand.
        public var spares = 1
        /// Further accounts in genesis, with as much as a node's, whose keys follow from the seed: play money.
        public var accounts = 0
        public var epochMilliseconds: UInt32 = 2_000
        /// Consensus Δ of every node.
        public var deltaMilliseconds = 300
        /// Of a thousand hotspots, how many beacon in an epoch.
        public var beaconPermille: UInt64 = 400
        public var seed: UInt64 = 42
        public var portBase: UInt16 = 21_000
        /// Sites of real antennas to stand at, in this order; too few are an error.
        public var sites: [Position]?
        public var scenario = TestnetScenario.standard

        public init() {}

        /// Nodes, sensors and edge nodes.
        public var memberCount: Int { nodes + sensors + edges }

        /// What is wrong with the numbers; nil if there can be such a testnet.
        public var fault: String? {
            let (nodesMax, accountsMax) = (TestnetPlan.nodesMax, TestnetPlan.accountsMax)
            precondition((1...1000).contains(beaconPermille))
            guard (1...nodesMax).contains(nodes), (0...nodesMax).contains(sensors),
                (0...nodesMax).contains(edges)
            else {
                return "a testnet has 1 to \(nodesMax) nodes, and 0 to \(nodesMax) sensors and edge nodes"
            }
            guard epochMilliseconds >= 500 else { return "an epoch lasts at least 500ms" }
            guard (0...nodesMax).contains(spares) else { return "a testnet has 0 to \(nodesMax) spare sites" }
            guard (10...60_000).contains(deltaMilliseconds) else {
                return "consensus needs a delta of 10ms to 60s"
            }
            guard (0...accountsMax).contains(accounts) else {
                return "a testnet has 0 to \(accountsMax) further accounts"
            }
            if let validators, !(1...nodes).contains(validators) {
                return "of \(nodes) nodes, 1 to \(nodes) may be validators"
            }
            guard Int(portBase) + 2 * (memberCount + spares) < 65_536 else {
                return "ports from \(portBase) on do not suffice for \(memberCount) nodes"
            }
            return nil
        }
    }

    public struct Member: Sendable {
        /// `node1` …, in the order of the list.
        public let name: String
        public let seed: [UInt8]
        public let id: NodeID
        public let vrfKey: VRFPublicKey
        public let roles: Roles
        public let isEdge: Bool
        public let kind: DeviceKind
        /// Where its antenna is.
        public let position: Position
        /// Where it says it is.
        public let location: Location
        public let owner: NodeID
        public let profile: RadioProfile
        public let gossip: Endpoint
        public let radio: Endpoint
        public let gateway: String
        public let quirks: TestnetScenario.Quirks
    }

    /// A place, two ports and a gateway for a node that is not there yet.
    public struct Spare: Sendable {
        public let name: String
        public let position: Position
        public let gossip: Endpoint
        public let radio: Endpoint
        public let gateway: String
    }

    public static let nodesMax = 100
    public static let accountsMax = 1_000_000
    /// Never fewer validators while there are as many nodes: with four, one may fail.
    public static let validatorsMin = 4

    public let options: Options
    public let members: [Member]
    public let spares: [Spare]
    public let genesis: Genesis

    public init(_ options: Options) throws {
        if let fault = options.fault { throw RuntimeError(fault) }
        let count = options.memberCount
        if let sites = options.sites, sites.count < count {
            throw RuntimeError(
                "the file names \(sites.count) sites, but \(count) nodes and sensors need one each")
        }
        self.options = options
        var chance = Chance(seed: options.seed)
        let places = Self.places(count, spares: options.spares, options, &chance)
        let validators = options.validators ?? min(options.nodes, max(Self.validatorsMin, options.nodes / 2))
        let seeds = (0..<count).map { Self.keySeed(options.seed, index: $0) }
        let keys = seeds.map { NodeKeys(seed: $0.span.octetBytes) }
        var members: [Member] = []
        for index in 0..<count {
            let quirks = options.scenario.quirks(of: index + 1)
            let isEdge = index >= options.nodes + options.sensors
            let isSensor = index >= options.nodes && !isEdge
            let claimed = places[index].moved(
                eastMetres: quirks.claimsEastMetres, northMetres: quirks.claimsNorthMetres)
            let cell = Cell(containing: claimed, resolution: Location.resolution)
            let owner = quirks.sameOwnerAs.map { keys[min($0, count) - 1] } ?? keys[index]
            members.append(
                Member(
                    name: isEdge
                        ? "edge\(index - options.nodes - options.sensors + 1)"
                        : isSensor ? "sensor\(index - options.nodes + 1)" : "node\(index + 1)",
                    seed: seeds[index],
                    id: keys[index].signing.nodeID, vrfKey: keys[index].vrf.publicKey,
                    roles: isSensor ? .sensor : index < validators ? [.hotspot, .validator] : .hotspot,
                    isEdge: isEdge, kind: isSensor ? .sensor : .hotspot, position: places[index],
                    location: Location(position: claimed, cell: cell), owner: owner.signing.nodeID,
                    profile: RadioProfile(region: quirks.region, gain: 20),
                    gossip: .loopback(port: options.portBase + UInt16(2 * index)),
                    radio: .loopback(port: options.portBase + UInt16(2 * index) + 1),
                    gateway: Self.gateway(index), quirks: quirks))
        }
        self.members = members
        spares = (0..<options.spares).map { index in
            Spare(
                name: "spare\(index + 1)", position: places[count + index],
                gossip: .loopback(port: options.portBase + UInt16(2 * (count + index))),
                radio: .loopback(port: options.portBase + UInt16(2 * (count + index)) + 1),
                gateway: Self.gateway(count + index))
        }
        genesis = Self.genesis(options, members, &chance)
    }

    /// The name of the node that leads view 1 of epoch 1.
    public var firstLeader: String {
        let committee = genesis.committee
        let leaders = Simplex.leaders(of: committee, randomness: genesis.randomness0)
        guard let first = leaders.first else { return members[0].name }
        return members.first { $0.id == committee.seats[first].key }?.name ?? members[0].name
    }

    private static func gateway(_ index: Int) -> String {
        let text = String(0xAA55_5A00_0000_0000 + UInt64(index + 1), radix: 16)
        return text
    }

    /// A node's key seed; public, and therefore marked as a test's.
    public static func keySeed(_ seed: UInt64, index: Int) -> [UInt8] {
        blake2b(
            Array("earshot testnet \(seed) node \(index + 1)".utf8).span.octetBytes, key: nil, byteCount: 32)
    }

    /// As `keySeed`, of a further account.
    public static func accountSeed(_ seed: UInt64, index: Int) -> [UInt8] {
        blake2b(
            Array("earshot testnet \(seed) account \(index + 1)".utf8).span.octetBytes, key: nil,
            byteCount: 32)
    }

    /// Sites within a few kilometres of each other and at least 600 m apart, so that an honest pair is never `tooNear`.
    private static func places(
        _ count: Int, spares: Int, _ options: Options, _ chance: inout Chance
    ) -> [Position] {
        let centre = Position(latitude: 469_480_000, longitude: 74_474_000)!
        var places: [Position] = []
        var radius = 2_500 + 250 * count
        // Spare sites are drawn last, from a stream of their own: their number changes nothing else.
        var spareChance = chance.split()
        while places.count < count + spares {
            let index = places.count
            if index >= count {
                let place = centre.moved(
                    eastMetres: spareChance.below(2 * radius) - radius,
                    northMetres: spareChance.below(2 * radius) - radius)
                if places.allSatisfy({ $0.distanceMetres(to: place) > 600 }) {
                    places.append(place)
                } else {
                    radius += 10
                }
                continue
            }
            if let sites = options.sites {
                places.append(sites[index])
                continue
            }
            let quirks = options.scenario.quirks(of: index + 1)
            if let near = quirks.near, near <= places.count {
                places.append(places[near - 1].moved(eastMetres: quirks.nearMetres, northMetres: 0))
                continue
            }
            let place = centre.moved(
                eastMetres: chance.below(2 * radius) - radius, northMetres: chance.below(2 * radius) - radius)
            if places.allSatisfy({ $0.distanceMetres(to: place) > 600 }) {
                places.append(place)
            } else {
                radius += 10
            }
        }
        return places
    }

    private static func genesis(_ options: Options, _ members: [Member], _ chance: inout Chance) -> Genesis {
        var parameters = Parameters()
        parameters.epochMilliseconds = options.epochMilliseconds
        parameters.epochsPerDay = 144
        // By default two fifths: under half of the hotspots beacon in an epoch, and verdicts come soon enough to watch.
        parameters.beaconThreshold = UInt64.max / 1000 * options.beaconPermille
        parameters.committeeEpochs = 10
        parameters.reciprocityEpochs = 40
        parameters.suspensionEpochs = 100
        parameters.penaltyEpochs = 50
        parameters.unbondingEpochs = 50
        let token: Amount = 100_000_000
        let owners = Set(members.map(\.owner)).union(members.map(\.id)).sorted()
        return Genesis(
            name: "testnet-\(options.seed)", isTest: true, parameters: parameters,
            randomness0: Digest(of: chance.octets(32)), randomness1: Digest(of: chance.octets(32)),
            accounts: owners.map { GenesisAccount(account: $0, balance: 10_000 * token) }
                + (0..<options.accounts).map { index in
                    let key = SigningKey(seed: accountSeed(options.seed, index: index).span.octetBytes)
                    return GenesisAccount(account: key.nodeID, balance: 10_000 * token)
                },
            devices: members.filter { !$0.quirks.isUnregistered }.map {
                GenesisDevice(
                    device: $0.id, kind: $0.kind, owner: $0.owner, vrfKey: $0.vrfKey, profile: $0.profile,
                    location: $0.location)
            },
            validators: members.filter { $0.roles.contains(.validator) }.map {
                GenesisValidator(validator: $0.id, owner: $0.owner, vrfKey: $0.vrfKey, stake: 10_000 * token)
            })
    }
}

extension Position {
    /// A place so many metres away, on a plane that touches the Earth here: for plans, never for agreed rules.
    public func moved(eastMetres: Int, northMetres: Int) -> Position {
        let perDegree = 111_194.93
        let north = Double(latitude) / 1e7 + Double(northMetres) / perDegree
        let shrink = max(0.01, cos(Double(latitude) / 1e7 * .pi / 180))
        // However often around the Earth.
        let east = (Double(longitude) / 1e7 + Double(eastMetres) / (perDegree * shrink))
            .remainder(dividingBy: 360)
        let bounded = min(89.9, max(-89.9, north))
        return Position(
            latitude: Int32((bounded * 1e7).rounded()), longitude: Int32((east * 1e7).rounded()))!
    }
}
