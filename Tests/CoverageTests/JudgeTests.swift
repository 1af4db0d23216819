import Bytes
import Chance
import Coverage
import Geo
import Identity
import TestKit
import Testing
import Wire

/// A beaconer, a witness that has been witnessed, and one beacon of epoch 2 revealed in block 3.
struct Scene {
    var parameters = Parameters()
    let network = Digest(of: [1])
    let owner = { (number: UInt8) in NodeID(octets: Digest(of: [number, 9]).octetBytesOfSelf)! }
    let keys = (1...4).map { VRFKey(seed: [UInt8](repeating: UInt8($0), count: 32).octetBytes) }
    let ids = (1...4).map { NodeID(octets: Digest(of: [UInt8($0)]).octetBytesOfSelf)! }.sorted()
    let places: [Position] = [
        Position(latitude: 515_000_000, longitude: 0)!, Position(latitude: 515_300_000, longitude: 0)!,
        Position(latitude: 515_000_000, longitude: 300_000)!, Position(latitude: 515_000_100, longitude: 0)!,
    ]
    var devices: [NodeID: Device] = [:]
    var activities: [NodeID: Activity] = [:]
    var measurement: Measurement
    var output: VRFOutput
    var proof: VRFProof
    let beacon: Transmission
    var reveal: Reveal
    var ownTag: Wire.Tag?
    var reporter = 1
    var reportProof: WitnessReport.Proof?
    var hasReveal = true

    init() {
        parameters.beaconThreshold = .max
        let alpha = Randomness.beaconAlpha(network: network, epoch: 2, randomness: Digest(of: [2]))
        (output, proof) = keys[0].evaluate(alpha.octetBytes)
        beacon = Beacon.transmission(output: output, epoch: 2, region: .eu868, parameters: parameters)!
        reveal = Reveal(
            epoch: 2, proof: proof, frequency: beacon.frequency, dataRate: beacon.dataRate,
            power: beacon.power)
        ownTag = beacon.tag
        measurement = Measurement(
            rssi: -1_000, snr: 20, frequency: beacon.frequency, dataRate: beacon.dataRate)
        for index in 0..<4 { register(index) }
        for id in ids {
            var activity = Activity()
            (activity.lastWitnessed, activity.lastWitnessing) = (1, 1)
            activities[id] = activity
        }
    }

    mutating func register(
        _ index: Int, kind: DeviceKind = .hotspot, owner number: UInt8? = nil, region: Region = .eu868,
        at position: Position?? = nil
    ) {
        let position = position ?? places[index]
        devices[ids[index]] = Device(
            kind: kind,
            versions: [
                DeviceVersion(
                    effective: 0, owner: owner(number ?? UInt8(index)), vrfKey: keys[index].publicKey,
                    profile: RadioProfile(region: region, gain: 20),
                    location: position.map {
                        Location(position: $0, cell: Cell(containing: $0, resolution: 12))
                    })
            ])
    }

    func run(epoch: Epoch = 3) -> JudgeOutcome {
        let id = ids[reporter]
        let report = WitnessReport(
            tag: beacon.tag, measurement: measurement,
            proof: reportProof
                ?? .init(payload: beacon.payload, reporter: id, epoch: 2, measurement: measurement))
        var bundles: [NodeID: Bundle] = [:]
        bundles[ids[0]] = Bundle(
            author: ids[0], epoch: 2, ownTag: ownTag, reports: reporter == 0 ? [report] : [])
        if reporter != 0 { bundles[id] = Bundle(author: id, epoch: 2, ownTag: nil, reports: [report]) }
        let heard = ids.compactMap { bundles[$0].map { EvidenceEntry.bundle($0) } }
        let told = [
            EvidenceEntry.bundle(
                Bundle(
                    author: ids[0], epoch: epoch, ownTag: nil, reports: [], reveals: hasReveal ? [reveal] : []
                ))
        ]
        return Judge.judge(
            JudgeInput(
                epoch: epoch, network: network, parameters: parameters,
                randomness: { Digest(of: [UInt8($0)]) }, evidence: told,
                previousEvidence: epoch == 3 ? heard : [], earlierEvidence: epoch == 4 ? heard : [],
                device: { devices[$0] }, activity: { activities[$0] ?? Activity() },
                hotspots: { ids.compactMap { id in devices[id].map { (id, $0) } } },
                verifyVRF: { $0.verify($1, alpha: $2.octetBytes) }))
    }

    func reasons(epoch: Epoch = 3) -> [Reason] {
        run(epoch: epoch).verdicts.flatMap { [$0.reason] + $0.reports.map(\.reason) }
    }
}

extension Digest {
    var octetBytesOfSelf: [UInt8] { octets }
}

struct JudgeTests {
    @Test func `a revealed beacon and its report are valid and paid`() {
        let outcome = Scene().run()
        #expect(outcome.verdicts.count == 1)
        #expect(outcome.verdicts[0].reason == .valid)
        #expect(outcome.verdicts[0].scale == 10_000)
        #expect(outcome.verdicts[0].units == 2_500)
        #expect(outcome.verdicts[0].reports.map(\.units) == [10_000])
        #expect(outcome.activities.count == 2)
        #expect(Scene().reasons(epoch: 4) == [.valid, .valid])
    }

    @Test(arguments: Reason.allCases)
    func `each reason has its case`(reason: Reason) {
        var scene = Scene()
        let heard = scene.measurement
        func measured(rssi: Int16? = nil, snr: Int16? = nil, frequency: UInt32? = nil, rate: DataRate? = nil)
        {
            scene.measurement = Measurement(
                rssi: rssi ?? heard.rssi, snr: snr ?? heard.snr, frequency: frequency ?? heard.frequency,
                dataRate: rate ?? heard.dataRate)
        }
        var expected: [Reason] = [.valid, reason]
        var epoch: Epoch = 3
        switch reason {
        case .valid: break
        case .unregistered: scene.devices[scene.ids[1]] = nil
        case .noLocation: scene.register(1, at: .some(nil))
        case .suspended: scene.activities[scene.ids[1]]?.suspendedUntil = 3
        case .notRevealed:
            (scene.hasReveal, epoch, expected) = (false, 4, [reason, reason])
        case .undeclared: (scene.ownTag, expected) = (nil, [reason, reason])
        case .badProof: scene.reportProof = .init(octets: [UInt8](repeating: 0, count: 16))
        case .notEligible:
            (scene.parameters.beaconThreshold, expected) = (scene.output.prefix, [reason, reason])
        case .wrongParameters:
            scene.reveal = Reveal(
                epoch: 2, proof: scene.proof, frequency: scene.beacon.frequency,
                dataRate: scene.beacon.dataRate,
                power: scene.beacon.power + 1)
            expected = [reason, reason]
        case .notReciprocal: scene.activities[scene.ids[1]]?.lastWitnessed = 0
        case .selfWitness: scene.reporter = 0
        case .sameOwner: scene.register(1, owner: 0)
        case .unknownBeacon:
            (scene.ownTag, scene.hasReveal, epoch, expected) = (nil, false, 4, [reason, reason])
        case .wrongFrequency: measured(frequency: heard.frequency + 100_001)
        case .wrongDataRate: measured(rate: .sf8bw500)
        case .wrongRegion: scene.register(1, region: .us915)
        case .tooNear: scene.register(1, at: scene.places[3])
        case .tooFar: scene.register(1, at: Position(latitude: 525_000_000, longitude: 0))
        case .tooLoud: measured(rssi: 0)
        case .tooQuiet: measured(rssi: -1_431)
        case .implausibleSNR: measured(snr: 151)
        // Cannot arise from one report between two neighbours: see the other tests and `Judge`.
        case .duplicate, .undefinedDistance, .notSelected, .equivocated: return
        }
        #expect(scene.reasons(epoch: epoch) == expected)
    }

    @Test func `a frequency off by exactly the tolerance is valid`() {
        var scene = Scene()
        let heard = scene.measurement
        scene.measurement = Measurement(
            rssi: heard.rssi, snr: heard.snr, frequency: heard.frequency + 100_000, dataRate: heard.dataRate)
        #expect(scene.reasons() == [.valid, .valid])
    }
}
