internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Bundles as they come from the network: one author each, signed, with twenty reports.
struct Evidence {
    static let reports = 20

    let network = Digest(of: Array("bench".utf8))
    var bundles: [Bundle] = []
    /// Each bundle's message in a datagram of one peer.
    var datagrams: [[UInt8]] = []
    let peer: NodeID

    init(authors: Int) {
        var chance = Chance(seed: 1)
        peer = SigningKey(seed: chance.octets(32).octetBytes).nodeID
        for _ in 0..<authors {
            let key = SigningKey(seed: chance.octets(32).octetBytes)
            let reports = (0..<Self.reports).map { _ in Self.report(&chance) }.sorted { $0.tag < $1.tag }
            let bundle = Bundle(
                author: key.nodeID, epoch: 1, ownTag: Tag(chance.bits()), reports: reports
            ).signed(by: key, network: network)
            let frame = Frame.message(Message.bundle(bundle).encoded())
            bundles.append(bundle)
            datagrams.append(Datagram(network: network.prefix, sender: peer, frames: [frame]).encoded())
        }
    }

    private static func report(_ chance: inout Chance) -> WitnessReport {
        WitnessReport(
            tag: Tag(chance.bits()),
            measurement: Measurement(
                rssi: -900 - Int16(chance.below(300)), snr: 50, frequency: 868_100_000, dataRate: .sf9bw125),
            proof: WitnessReport.Proof(octets: chance.octets(16)))
    }
}
