internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Bundles as they come from the network: one author each, signed, with twenty reports.
struct Evidence {
    static let reports = 20
    /// Nodes of the network: the one that is measured, the one that sends to it, and those it forwards to.
    static let nodes = 6

    let genesis: Genesis
    var network: Digest { genesis.network }
    /// Of the nodes.
    let seeds: [[UInt8]]
    var bundles: [Bundle] = []
    /// Each bundle's message in a datagram of the second node.
    var payloads: [[UInt8]] = []

    init(authors: Int) {
        var chance = Chance(seed: 1)
        seeds = (0..<Self.nodes).map { _ in chance.octets(32) }
        let nodes = seeds.map { SigningKey(seed: $0.octetBytes).nodeID }
        let authorSeeds = (0..<authors).map { _ in chance.octets(32) }
        genesis = World.genesis(
            authors: authorSeeds.map { SigningKey(seed: $0.octetBytes).nodeID }, validators: nodes)
        let network = genesis.network
        for seed in authorSeeds {
            let key = SigningKey(seed: seed.octetBytes)
            let reports = (0..<Self.reports).map { _ in Self.report(&chance) }.sorted { $0.tag < $1.tag }
            let bundle = Bundle(
                author: key.nodeID, epoch: 1, ownTag: Tag(chance.bits()), reports: reports
            ).signed(by: key, network: network)
            let frame = Frame.message(Message.bundle(bundle).encoded())
            bundles.append(bundle)
            payloads.append(Payload(frames: [frame]).encoded())
        }
    }

    static func report(_ chance: inout Chance) -> WitnessReport {
        WitnessReport(
            tag: Tag(chance.bits()),
            measurement: Measurement(
                rssi: -900 - Int16(chance.below(300)), snr: 50, frequency: 868_100_000, dataRate: .sf9bw125),
            proof: WitnessReport.Proof(octets: chance.octets(16)))
    }
}
