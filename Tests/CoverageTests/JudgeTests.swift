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
    let ids = (1...20).map { NodeID(octets: Digest(of: [UInt8($0)]).octetBytesOfSelf)! }.sorted()
    /// The beaconer first; the others are 670 m away from it and from each other, and more.
    let places = (0..<20).map { Position(latitude: 515_000_000 + 60_000 * $0, longitude: 0)! }
    var devices: [NodeID: Device] = [:]
    var activities: [NodeID: Activity] = [:]
    var measurement: Measurement
    var output: VRFOutput
    var proof: VRFProof
    let beacon: Transmission
    var reveal: Reveal
    var ownTag: Wire.Tag?
    /// Who reports; `reporter` first.
    var reporter = 1
    var witnesses = 1
    /// How often the report stands in the bundle.
    var copies = 1
    /// The beaconer signed two bundles.
    var isConflict = false
    var reportProof: WitnessReport.Proof?
    var hasReveal = true

    init() {
        parameters.beaconThreshold = .max
        let alpha = Randomness.beaconAlpha(
            network: network, epoch: 2, randomness: Digest(of: [2]), device: ids[0])
        (output, proof) = keys[0].evaluate(alpha.octetBytes)
        beacon = Beacon.transmission(output: output, epoch: 2, region: .eu868, parameters: parameters)!
        reveal = Reveal(
            epoch: 2, proof: proof, frequency: beacon.frequency, dataRate: beacon.dataRate,
            power: beacon.power)
        ownTag = beacon.tag
        measurement = Measurement(
            rssi: -1_000, snr: 20, frequency: beacon.frequency, dataRate: beacon.dataRate)
        for index in ids.indices { register(index) }
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
                    effective: 0, owner: owner(number ?? UInt8(index)), vrfKey: keys[min(index, 3)].publicKey,
                    profile: RadioProfile(region: region, gain: 20),
                    location: position.map {
                        Location(position: $0, cell: Cell(containing: $0, resolution: 12))
                    })
            ])
    }

    func report(by id: NodeID) -> WitnessReport {
        WitnessReport(
            tag: beacon.tag, measurement: measurement,
            proof: reportProof
                ?? .init(payload: beacon.payload, reporter: id, epoch: 2, measurement: measurement))
    }

    func run(epoch: Epoch = 3) -> JudgeOutcome {
        let reporters = ids[reporter..<(reporter + witnesses)]
        var heard: [EvidenceEntry] = []
        for id in ids where id == ids[0] || reporters.contains(id) {
            let reports = reporters.contains(id) ? Array(repeating: report(by: id), count: copies) : []
            let bundle = Bundle(author: id, epoch: 2, ownTag: id == ids[0] ? ownTag : nil, reports: reports)
            let other = Bundle(author: id, epoch: 2, ownTag: nil, reports: [], isPartial: true)
            heard.append(isConflict && id == ids[0] ? .conflict(bundle, other) : .bundle(bundle))
        }
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
    func `each reason has its case, and beside it a valid one`(reason: Reason) throws {
        let (broken, sound) = try Self.cases(of: reason)
        for one in [broken, sound] { #expect(one.scene.reasons(epoch: one.epoch) == one.expected) }
        #expect(broken.expected.contains(reason))
        #expect(Set(sound.expected) == [.valid])
    }

    struct Case {
        var scene = Scene()
        var epoch: Epoch = 3
        var expected: [Reason] = [.valid, .valid]

        mutating func measure(
            rssi: Int16? = nil, snr: Int16? = nil, frequency: UInt32? = nil, rate: DataRate? = nil
        ) {
            let heard = scene.measurement
            scene.measurement = Measurement(
                rssi: rssi ?? heard.rssi, snr: snr ?? heard.snr, frequency: frequency ?? heard.frequency,
                dataRate: rate ?? heard.dataRate)
        }

        mutating func reveal(power: Int16, proof: VRFProof? = nil) {
            scene.reveal = Reveal(
                epoch: 2, proof: proof ?? scene.proof, frequency: scene.beacon.frequency,
                dataRate: scene.beacon.dataRate, power: power)
        }
    }

    /// The two sides of each rule, as close to its edge as can be.
    static func cases(of reason: Reason) throws -> (broken: Case, sound: Case) {
        var (one, two) = (Case(), Case())
        one.expected = [.valid, reason]
        let base = Scene()
        switch reason {
        case .unregistered:
            one.scene.devices[base.ids[1]]?.versions[0].effective = 3
            two.scene.devices[base.ids[1]]?.versions[0].effective = 2
        case .noLocation: one.scene.register(1, at: .some(nil))
        case .suspended:
            one.scene.activities[base.ids[1]]?.suspendedUntil = 3
            two.scene.activities[base.ids[1]]?.suspendedUntil = 2
        case .equivocated: (one.scene.isConflict, one.expected) = (true, [reason, reason])
        case .notReciprocal:
            one.scene.activities[base.ids[1]]?.lastWitnessed = 0
            two.scene.parameters.reciprocityEpochs = 1
        case .duplicate: (one.scene.copies, one.expected) = (2, [.valid, .valid, reason])
        case .selfWitness: one.scene.reporter = 0
        case .sameOwner: one.scene.register(1, owner: 0)
        case .wrongRegion: one.scene.register(1, region: .us915)
        case .notSelected:
            (one.scene.witnesses, two.scene.witnesses) = (15, 14)
            one.expected = one.scene.reasons()
            two.expected = Array(repeating: .valid, count: 15)
            #expect(one.expected.filter { $0 == reason }.count == 1)
        case .valid, .notRevealed, .undeclared, .badProof, .notEligible, .wrongParameters, .unknownBeacon:
            return beaconCases(of: reason)
        default: return try airCases(of: reason)
        }
        return (one, two)
    }

    private static func beaconCases(of reason: Reason) -> (broken: Case, sound: Case) {
        var (one, two) = (Case(), Case())
        one.expected = [reason, reason]
        switch reason {
        case .notRevealed:
            (one.scene.hasReveal, one.epoch, two.epoch) = (false, 4, 4)
        case .undeclared: one.scene.ownTag = nil
        case .badProof: one.reveal(power: 0, proof: .zero)
        case .notEligible:
            one.scene.parameters.beaconThreshold = one.scene.output.prefix
            two.scene.parameters.beaconThreshold = two.scene.output.prefix + 1
        case .wrongParameters:
            one.reveal(power: one.scene.beacon.power + 1)
            two.reveal(power: two.scene.beacon.power - 60)
        case .unknownBeacon:
            (one.scene.ownTag, one.scene.hasReveal, one.epoch, two.epoch) = (nil, false, 4, 4)
        default: break
        }
        return (one, two)
    }

    private static func airCases(of reason: Reason) throws -> (broken: Case, sound: Case) {
        var (one, two) = (Case(), Case())
        one.expected = [.valid, reason]
        let heard = one.scene.measurement
        let home = one.scene.places[0]
        func north(_ units: Int32) -> Position { Position(latitude: home.latitude + units, longitude: 0)! }
        switch reason {
        case .wrongFrequency:
            one.measure(frequency: heard.frequency - 100_001)
            two.measure(frequency: heard.frequency - 100_000)
        case .wrongDataRate: one.measure(rate: .sf8bw500)
        case .tooNear:
            func cell(_ place: Position) -> Cell { Cell(containing: place, resolution: 12).parent(at: 11)! }
            let first = try #require(
                (1..<1_000).first { cell(home).gridDistance(to: cell(north($0 * 100)))! >= 8 })
            one.scene.register(1, at: north((first - 1) * 100))
            two.scene.register(1, at: north(first * 100))
            one.measure(rssi: -1_200)
            two.measure(rssi: -1_200)
        case .tooFar:
            let first = try #require(
                (8_990_000..<9_000_000).first { home.distanceMetres(to: north($0)) > 100_000 })
            one.scene.register(1, at: north(first))
            two.scene.register(1, at: north(first - 1))
            one.measure(rssi: -1_200)
            two.measure(rssi: -1_200)
        case .undefinedDistance:
            // Within some 2 km of a pentagon: across it some distances are undefined, others are not.
            let ring = Grid.pentagon.gridDisk(radius: 12)
            let start = try #require(ring.last)
            let hidden = try #require(ring.first { start.gridDistance(to: $0) == nil })
            let open = try #require(ring.first { (start.gridDistance(to: $0) ?? 0) >= 8 })
            for (cell, isOne) in [(hidden, true), (open, false)] {
                var scene = Scene()
                scene.register(0, at: start.centre)
                scene.register(1, at: cell.centre)
                if isOne { one.scene = scene } else { two.scene = scene }
            }
        case .tooLoud:
            let loudest = try #require(one.scene.run().verdicts[0].reports[0].rssiMax)
            two.measure(rssi: Int16(loudest / 10 - (loudest < 0 && loudest % 10 != 0 ? 1 : 0)))
            one.measure(rssi: two.scene.measurement.rssi + 1)
        case .tooQuiet:
            // Half a decibel below the floor of the data rate.
            let floor = Int16(-1_230 - 75 - 25 * (heard.dataRate.spreadingFactor - 7))
            one.measure(rssi: floor - 6)
            two.measure(rssi: floor - 5)
        case .implausibleSNR:
            one.measure(snr: 151)
            two.measure(snr: 150)
        default: Issue.record("\(reason) has no case")
        }
        return (one, two)
    }

    @Test func `a frequency off by exactly the tolerance is valid`() {
        var scene = Scene()
        let heard = scene.measurement
        scene.measurement = Measurement(
            rssi: heard.rssi, snr: heard.snr, frequency: heard.frequency + 100_000, dataRate: heard.dataRate)
        #expect(scene.reasons() == [.valid, .valid])
    }
}
