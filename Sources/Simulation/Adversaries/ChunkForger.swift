internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Gives its peers a bundle of its own, cut to pieces that bear the digest of another's bundle: who takes the pieces for
/// what they say has seen the other's, and wants it no more. Nor does it carry what others signed.
struct ChunkForger: Adversary {
    /// So many make a bundle that is cut.
    private static let reports = 40

    private var chance: Chance
    private var incoming = Wiretap()
    private var outgoing = Wiretap()
    private var own: Bundle?
    private var told = Recent<Digest>(max: 64)

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        scene.send(
            outgoing.read(datagram, at: endpoint).filter {
                if case .bundle(let bundle) = $0.message { bundle.author == scene.id } else { true }
            })
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for case .bundle(let bundle) in incoming.read(datagram, at: endpoint).compactMap(\.message) {
            let digest = Message.bundle(bundle).id
            guard bundle.epoch == scene.openEpoch, bundle.author != scene.id, !told.list.contains(digest)
            else { continue }
            told.add(digest)
            let octets = Message.bundle(bundleOfOpenEpoch(scene)).encoded()
            for (peer, place) in scene.peers where peer != bundle.author {
                scene.send(chunksOf: octets, as: digest, to: place)
            }
        }
        return true
    }

    /// The same one as long as the epoch is open.
    private mutating func bundleOfOpenEpoch(_ scene: Scene) -> Bundle {
        if let own, own.epoch == scene.openEpoch { return own }
        let measurement = Measurement(
            rssi: -900, snr: 50, frequency: 868_100_000,
            dataRate: DataRate(spreadingFactor: 9, bandwidthKilohertz: 125)!)
        let reports = (0..<Self.reports).map {
            WitnessReport(
                tag: Tag(UInt64($0)), measurement: measurement,
                proof: WitnessReport.Proof(octets: chance.octets(WitnessReport.Proof.byteCount)))
        }
        let bundle = Bundle(author: scene.id, epoch: scene.openEpoch, ownTag: nil, reports: reports)
            .signed(by: scene.key, network: scene.network)
        own = bundle
        return bundle
    }
}
