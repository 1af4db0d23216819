internal import Bytes
internal import Chance
internal import Geo
internal import Identity
internal import Wire

/// Who is in a fleet: its nodes' keys, the genesis that knows them, and the authors of what is spread.
struct FleetWorld {
    let seeds: [SecretSeed]
    let keys: [SigningKey]
    let vrfKeys: [VRFKey]
    let validators: Int
    let genesis: Genesis
    let network: Digest
    /// One for each message: who is registered may say one thing an epoch.
    let authors: [SigningKey]

    /// The first nodes are validators, all others observers.
    init(nodes: Int, validators: Int, authors: Int = 0, seed: UInt64) {
        var chance = Chance(seed: seed)
        let octets = (0..<nodes).map { _ in chance.octets(32) }
        seeds = octets.map { SecretSeed(octets: $0.octetBytes) }
        keys = octets.map { SigningKey(seed: $0.octetBytes) }
        vrfKeys = octets.map { VRFKey.derived(fromNodeSeed: $0.octetBytes) }
        self.validators = validators
        self.authors = (0..<authors).map { _ in SigningKey(seed: chance.octets(32).octetBytes) }
        genesis = World.genesis(
            authors: self.authors.map(\.nodeID), validators: keys.prefix(validators).map(\.nodeID))
        network = genesis.network
    }

    /// Bundles of the open epoch whose gossip message has as many octets as asked for, or up to 17 more.
    func bundle(of author: Int, octets: Int) -> Bundle {
        var chance = Chance(seed: UInt64(author) + 1)
        var reports: [WitnessReport] = []
        var readings: [Reading] = []
        func bundle() -> Bundle {
            Bundle(
                author: authors[author].nodeID, epoch: 1, ownTag: nil,
                reports: reports.sorted { $0.tag < $1.tag }, readings: readings
            ).signed(by: authors[author], network: network)
        }
        func missing() -> Int { octets - Message.bundle(bundle()).encoded().count }
        while missing() >= 33 { reports.append(Evidence.report(&chance)) }
        while missing() > 0 {
            readings.append(Reading(sequence: UInt64(readings.count), kind: 1, value: 1))
        }
        return bundle()
    }
}
