internal import Bytes
internal import Chance
internal import Geo
internal import Identity
internal import Radio
internal import Wire

/// Who is in the world: keys, places and the genesis that knows them.
struct Population {
    let keys: [SigningKey]
    let vrfKeys: [VRFKey]
    let ids: [NodeID]
    let seeds: [[UInt8]]
    /// Which host has an id.
    let numbers: [NodeID: Int]
    let roles: [Roles]
    /// Where antennas are, on a grid of some 700 m: an honest pair is never `tooNear`.
    let places: [Place]
    let genesis: Genesis
    /// Hosts with a second machine; the machines stand after all hosts, in this order.
    let twinned: [Int]

    init(plan: Plan) {
        var chance = Chance(seed: plan.seed &+ 0x706F_7075)
        let seeds = (0..<plan.hosts).map { _ in chance.octets(32) }
        let keys = seeds.map {
            SigningKey(seed: $0.span.octetBytes, isGuarded: false, imitates: plan.imitatesCrypto)
        }
        let vrfKeys = seeds.map {
            VRFKey.derived(
                fromNodeSeed: $0.span.octetBytes, isGuarded: false, imitates: plan.imitatesCrypto)
        }
        let devices = plan.validators + plan.hotspots
        let edge = max(1, Int(Double(plan.hosts).squareRoot().rounded(.up)))
        let positions = keys.indices.map { index in
            Position(
                latitude: 469_480_000 + Int32(index / edge) * 65_000,
                longitude: 74_474_000 + Int32(index % edge) * 95_000)!
        }
        var parameters = Parameters()
        parameters.epochMilliseconds = UInt32(plan.epochMilliseconds)
        parameters.beaconThreshold = UInt64.max / 1000 * UInt64(plan.beaconPermille)
        parameters.committeeEpochs = UInt32(plan.committeeEpochs)
        parameters.reciprocityEpochs = 40
        let token: Amount = 100_000_000
        genesis = Genesis(
            name: "simulated", isTest: true, parameters: parameters,
            randomness0: Digest(of: chance.octets(32)), randomness1: Digest(of: chance.octets(32)),
            accounts: keys.map { GenesisAccount(account: $0.nodeID, balance: 10_000 * token) }
                + (0..<plan.accounts).map { number in
                    let name = Digest(of: Array("account \(number)".utf8))
                    return GenesisAccount(account: NodeID(octets: name.octets)!, balance: token)
                },
            devices: (Array(0..<(devices + plan.sensors)) + Array(plan.fullHosts..<plan.hosts)).map { index in
                let isSensor = index >= devices && index < plan.fullHosts
                return GenesisDevice(
                    device: keys[index].nodeID, kind: isSensor ? .sensor : .hotspot,
                    owner: keys[index].nodeID, vrfKey: vrfKeys[index].publicKey,
                    profile: RadioProfile(region: .eu868, gain: 20),
                    location: Location(
                        position: positions[index],
                        cell: Cell(containing: positions[index], resolution: Location.resolution)))
            },
            validators: (0..<plan.validators).map { index in
                let stake = plan.stakes.isEmpty ? 10 : plan.stakes[index]
                return GenesisValidator(
                    validator: keys[index].nodeID, owner: keys[index].nodeID,
                    vrfKey: vrfKeys[index].publicKey, stake: UInt64(stake) * 1_000 * token)
            })
        let roles: [Roles] = keys.indices.map { index in
            if index < plan.validators { return [.hotspot, .validator] }
            if index < devices { return .hotspot }
            if index >= plan.fullHosts { return .hotspot }
            return index < devices + plan.sensors ? .sensor : []
        }
        places = positions.indices.map { index in
            // A farm claims good places, and stands at one.
            let position = positions[plan.radio.farm.contains(index) ? plan.radio.farm[0] : index]
            return Place(
                latitude: Double(position.latitude) / 1e7, longitude: Double(position.longitude) / 1e7)
        }
        twinned = plan.byzantine.filter { $0.behaviour == .twins }.map(\.host)
        self.keys = keys + twinned.map { keys[$0] }
        self.vrfKeys = vrfKeys + twinned.map { vrfKeys[$0] }
        ids = self.keys.map(\.nodeID)
        self.seeds = seeds + twinned.map { seeds[$0] }
        numbers = Dictionary(uniqueKeysWithValues: keys.enumerated().map { ($1.nodeID, $0) })
        self.roles = roles + twinned.map { roles[$0] }
    }
}
