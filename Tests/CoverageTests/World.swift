import Bytes
import Chance
import Coverage
import Geo
import Identity
import Wire

/// A few devices whose every bundle a test writes, and the blocks that judge them.
struct World {
    var parameters = Parameters()
    let network = Digest(of: [1])
    let ids: [NodeID]
    var keys: [VRFKey]
    var devices: [NodeID: Device] = [:]
    var activities: [NodeID: Activity] = [:]
    /// Where it is other than usual.
    var randomness: [Epoch: Digest] = [:]
    var entries: [Epoch: [NodeID: EvidenceEntry]] = [:]

    /// Hotspots in a row, 3.3 km apart, each with an owner of its own.
    init(_ count: Int) {
        parameters.beaconThreshold = .max
        ids = (0..<count).map { NodeID(octets: Digest(of: [UInt8($0)]).octets)! }.sorted()
        keys = (0..<count).map { VRFKey(seed: [UInt8](repeating: UInt8($0 + 1), count: 32).octetBytes) }
        for member in 0..<count { place(member) }
    }

    static func randomness(_ epoch: Epoch) -> Digest { Digest(of: [UInt8(epoch), 5]) }

    /// Registers a device, or registers it anew.
    mutating func place(
        _ member: Int, kind: DeviceKind = .hotspot, owner: Int? = nil, key: VRFKey? = nil,
        at position: Position?? = nil
    ) {
        let usual = Position(latitude: 515_000_000 + Int32(member) * 300_000, longitude: 0)!
        let location = (position ?? .some(usual)).map {
            Location(position: $0, cell: Cell(containing: $0, resolution: 12))
        }
        let version = DeviceVersion(
            effective: 0, owner: NodeID(octets: Digest(of: [UInt8(owner ?? member), 9]).octets)!,
            vrfKey: (key ?? keys[member]).publicKey, profile: RadioProfile(region: .eu868, gain: 20),
            location: location)
        devices[ids[member]] = Device(kind: kind, versions: [version])
    }

    /// As if it had always witnessed and been witnessed.
    mutating func welcome(_ members: Range<Int>, at epoch: Epoch = 1) {
        for member in members {
            var activity = Activity()
            (activity.lastWitnessed, activity.lastWitnessing) = (epoch, epoch)
            activities[ids[member]] = activity
        }
    }

    func output(_ member: Int, _ epoch: Epoch) -> (VRFOutput, VRFProof) {
        let alpha = Randomness.beaconAlpha(
            network: network, epoch: epoch, randomness: Self.randomness(epoch), device: ids[member])
        return keys[member].evaluate(alpha.octetBytes)
    }

    func beacon(_ member: Int, _ epoch: Epoch) -> Transmission {
        var generous = parameters
        generous.beaconThreshold = .max
        return Beacon.transmission(
            output: output(member, epoch).0, epoch: epoch, region: .eu868, parameters: generous)!
    }

    func reveal(_ member: Int, _ epoch: Epoch, louder: Int16 = 0, proof: VRFProof? = nil) -> Reveal {
        let beacon = beacon(member, epoch)
        return Reveal(
            epoch: epoch, proof: proof ?? output(member, epoch).1, frequency: beacon.frequency,
            dataRate: beacon.dataRate, power: beacon.power + louder)
    }

    func measurement(_ beacon: Transmission, rssi: Int16 = -1_100) -> Measurement {
        Measurement(rssi: rssi, snr: 0, frequency: beacon.frequency, dataRate: beacon.dataRate)
    }

    func report(by member: Int, of other: Int, _ epoch: Epoch, rssi: Int16 = -1_100) -> WitnessReport {
        let beacon = beacon(other, epoch)
        let measurement = measurement(beacon, rssi: rssi)
        let proof = WitnessReport.Proof(
            payload: beacon.payload, reporter: ids[member], epoch: epoch, measurement: measurement)
        return WitnessReport(tag: beacon.tag, measurement: measurement, proof: proof)
    }

    func bundle(
        _ member: Int, _ epoch: Epoch, tag: Wire.Tag? = nil, reports: [WitnessReport] = [],
        reveals: [Reveal] = []
    ) -> Bundle {
        Bundle(
            author: ids[member], epoch: epoch, ownTag: tag, reports: reports.sorted { $0.tag < $1.tag },
            reveals: reveals)
    }

    mutating func say(
        _ member: Int, _ epoch: Epoch, tag: Wire.Tag? = nil, reports: [WitnessReport] = [],
        reveals: [Reveal] = []
    ) {
        entries[epoch, default: [:]][ids[member]] = .bundle(
            bundle(member, epoch, tag: tag, reports: reports, reveals: reveals))
    }

    mutating func contradict(_ member: Int, _ epoch: Epoch, tag: Wire.Tag?, reports: [WitnessReport] = []) {
        entries[epoch, default: [:]][ids[member]] = .conflict(
            bundle(member, epoch, tag: tag, reports: reports), bundle(member, epoch))
    }

    /// `other` hears a beacon of `member`, which declares it now and reveals it `after` blocks later.
    mutating func exchange(_ member: Int, heardBy others: [Int], _ epoch: Epoch, after: Epoch = 1) {
        say(member, epoch, tag: beacon(member, epoch).tag)
        for other in others { say(other, epoch, reports: [report(by: other, of: member, epoch)]) }
        say(member, epoch + after, reveals: [reveal(member, epoch)])
    }

    func evidence(_ epoch: Epoch) -> [EvidenceEntry] {
        ids.compactMap { entries[epoch]?[$0] }
    }

    func input(_ epoch: Epoch, hotspots: [NodeID]? = nil) -> JudgeInput {
        JudgeInput(
            epoch: epoch, network: network, parameters: parameters,
            randomness: { randomness[$0] ?? Self.randomness($0) },

            evidence: evidence(epoch), previousEvidence: epoch > 1 ? evidence(epoch - 1) : [],
            earlierEvidence: epoch > 2 ? evidence(epoch - 2) : [], device: { devices[$0] },
            activity: { activities[$0] ?? Activity() },
            hotspots: {
                (hotspots ?? ids).compactMap { id in
                    devices[id].flatMap { $0.kind == .hotspot ? (id, $0) : nil }
                }
            },
            verifyVRF: { $0.verify($1, alpha: $2.octetBytes) })
    }

    /// Executes a block and takes in what it changed.
    @discardableResult
    mutating func step(_ epoch: Epoch) -> JudgeOutcome {
        let outcome = Judge.judge(input(epoch))
        for (id, activity) in outcome.activities { activities[id] = activity }
        return outcome
    }
}

extension JudgeOutcome {
    /// Of each beacon: its reason, then its reports'.
    var reasons: [[Reason]] { verdicts.map { [$0.reason] + $0.reports.map(\.reason) } }
}
