internal import Bytes
internal import Chance
internal import Coverage
internal import Geo
internal import Identity
internal import Ledger
internal import Wire

/// Three epochs of evidence in a network in which every eighth hotspot beacons and its neighbours hear it.
struct BlockWorld {
    /// The block that is measured: it judges the beacons of the epoch before and closes those before that.
    static let epoch: Epoch = 3
    static let beaconEvery = 8

    let genesis: Genesis
    let network: Digest
    let ledger: Ledger
    /// By epoch, from 1 to `epoch`; each ascending by author.
    private(set) var evidence: [Epoch: [EvidenceEntry]] = [:]
    /// The reveals that the measured block checks, and those that it checks again, with what they prove.
    private(set) var outputs: [ProofCheck: VRFOutput] = [:]

    struct ProofCheck: Hashable {
        let key: VRFPublicKey
        let proof: VRFProof
        let alpha: [UInt8]
    }

    private struct Hotspot {
        let seed: [UInt8]
        let id: NodeID
        let column: Int
        let row: Int
    }

    /// `reports` a bundle on average.
    init(hotspots count: Int, reports: Int) {
        var chance = Chance(seed: 3)
        let width = Int(Double(count).squareRoot().rounded(.up))
        var hotspots: [Hotspot] = []
        var devices: [GenesisDevice] = []
        for index in 0..<count {
            let seed = chance.octets(32)
            let id = SigningKey(seed: seed.octetBytes).nodeID
            let (column, row) = (index % width, index / width)
            hotspots.append(Hotspot(seed: seed, id: id, column: column, row: row))
            devices.append(
                GenesisDevice(
                    device: id, kind: .hotspot, owner: World.key(UInt64(index % (count / 10 + 1) + 1)),
                    vrfKey: VRFKey.derived(fromNodeSeed: seed.octetBytes).publicKey,
                    profile: RadioProfile(region: .eu868, gain: 12),
                    location: World.location(column: column, row: row)))
        }
        genesis = World.genesis(devices: devices)
        network = genesis.network
        ledger = Self.ledger(genesis, active: hotspots.map(\.id))
        var pending: [Int: Reveal] = [:]
        for epoch in 1...Self.epoch {
            var writer = EpochWriter(
                world: self, epoch: epoch, reports: reports * Self.beaconEvery, width: width)
            for place in stride(from: Int(epoch) % Self.beaconEvery, to: count, by: Self.beaconEvery) {
                writer.beacon(place, hotspots)
            }
            evidence[epoch] = writer.entries(hotspots, reveals: pending)
            pending = writer.reveals
            outputs.merge(writer.outputs) { first, _ in first }
        }
    }

    /// After two blocks without evidence, the first of which makes everyone known to everyone.
    private static func ledger(_ genesis: Genesis, active: [NodeID]) -> Ledger {
        var ledger = Ledger(genesis: genesis)
        var activity = Activity()
        activity.lastWitnessed = 1
        activity.lastWitnessing = 1
        activity.lastIndependent = 1
        for epoch in 1..<Self.epoch {
            let input = input(
                ledger, epoch, verdicts: [], activities: epoch == 1 ? active.map { ($0, activity) } : [])
            do { ledger.apply(try ledger.execute(input)) } catch { fatalError("\(error)") }
        }
        return ledger
    }

    static func input(
        _ ledger: Ledger, _ epoch: Epoch, verdicts: [BeaconVerdict], activities: [(NodeID, Activity)]
    ) -> BlockInput {
        BlockInput(
            epoch: epoch, randomness: World.randomness(epoch), builder: World.validator, transactions: [],
            parentCertificate: epoch == 1
                ? nil : Certificate(ballot: .finalize(epoch - 1, 1, .zero), voters: [0], signatures: [.zero]),
            parentCommittee: ledger.committee(for: epoch - 1), verdicts: verdicts, activities: activities)
    }

    /// What one epoch's hotspots say.
    private struct EpochWriter {
        let network: Digest
        let parameters: Parameters
        let epoch: Epoch
        let reports: Int
        let width: Int
        var heard: [Int: [WitnessReport]] = [:]
        var tags: [Int: Tag] = [:]
        var reveals: [Int: Reveal] = [:]
        var outputs: [ProofCheck: VRFOutput] = [:]

        init(world: BlockWorld, epoch: Epoch, reports: Int, width: Int) {
            network = world.network
            parameters = world.genesis.parameters
            (self.epoch, self.reports, self.width) = (epoch, reports, width)
        }

        mutating func beacon(_ place: Int, _ hotspots: [Hotspot]) {
            let alpha = Randomness.beaconAlpha(
                network: network, epoch: epoch, randomness: World.randomness(epoch),
                device: hotspots[place].id)
            let seed = hotspots[place].seed
            let key = VRFKey.derived(fromNodeSeed: seed.octetBytes)
            let (output, proof) = key.evaluate(alpha.octetBytes)
            let sent = Beacon.transmission(
                output: output, epoch: epoch, region: .eu868, parameters: parameters)!
            outputs[ProofCheck(key: key.publicKey, proof: proof, alpha: alpha)] = output
            tags[place] = sent.tag
            reveals[place] = Reveal(
                epoch: epoch, proof: proof, frequency: sent.frequency, dataRate: sent.dataRate,
                power: sent.power)
            let measurement = Measurement(
                rssi: -1_150, snr: -50, frequency: sent.frequency, dataRate: sent.dataRate)
            // The square around the beacon, moved inwards at the edges; no beacon hears itself.
            let side = Int(Double(reports + 1).squareRoot().rounded(.up))
            let height = hotspots.count / width
            let left = min(max(hotspots[place].column - side / 2, 0), width - side)
            let top = min(max(hotspots[place].row - side / 2, 0), height - side)
            var remaining = reports
            for offset in 0..<(side * side) where remaining > 0 {
                let witness = (top + offset / side) * width + left + offset % side
                guard witness != place else { continue }
                remaining -= 1
                heard[witness, default: []].append(
                    WitnessReport(
                        tag: sent.tag, measurement: measurement,
                        proof: .init(
                            payload: sent.payload, reporter: hotspots[witness].id, epoch: epoch,
                            measurement: measurement)))
            }
        }

        /// Only the measured block's bundles are signed: nothing looks at the others' signatures.
        func entries(_ hotspots: [Hotspot], reveals: [Int: Reveal]) -> [EvidenceEntry] {
            let bundles = hotspots.indices.map { place in
                let bundle = Bundle(
                    author: hotspots[place].id, epoch: epoch, ownTag: tags[place],
                    reports: heard[place, default: []].sorted { $0.tag < $1.tag },
                    reveals: reveals[place].map { [$0] } ?? [])
                guard epoch == BlockWorld.epoch else { return bundle }
                let seed = hotspots[place].seed
                return bundle.signed(by: SigningKey(seed: seed.octetBytes), network: network)
            }
            return bundles.sorted { $0.author < $1.author }.map { .bundle($0) }
        }
    }
}
