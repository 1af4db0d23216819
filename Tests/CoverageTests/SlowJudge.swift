import Bytes
import Chance
import Geo
import Identity
import Wire

@testable import Coverage

/// The rules of the judge, written again to be read: no index, no memory, every list walked each time.
struct SlowJudge {
    /// What a reveal comes to, or a declared tag that was not revealed.
    struct Candidate {
        let author: NodeID?
        let tag: Wire.Tag
        let reason: Reason
        var reveal: Reveal?
        var output: VRFOutput?
        var proves = false
        var isAstray = false
        var isAlone = false
    }

    let input: JudgeInput
    var activities: [NodeID: Activity] = [:]

    static func judge(_ input: JudgeInput) -> (verdicts: [BeaconVerdict], activities: [NodeID: Activity]) {
        var judge = SlowJudge(input: input)
        let verdicts = judge.run()
        return (verdicts, judge.activities.filter { $0.value != input.activity($0.key) })
    }

    func activity(_ id: NodeID) -> Activity { activities[id] ?? input.activity(id) }

    mutating func change(_ id: NodeID, _ body: (inout Activity) -> Void) {
        var activity = activity(id)
        body(&activity)
        activities[id] = activity
    }

    mutating func run() -> [BeaconVerdict] {
        let until = input.epoch + Epoch(input.parameters.suspensionEpochs)
        for case .conflict(let bundle, _) in input.evidence {
            change(bundle.author) { $0.suspendedUntil = max($0.suspendedUntil, until) }
        }
        var verdicts: [(BeaconVerdict, VRFOutput?)] = []
        if input.epoch > 2 { verdicts += round(input.epoch - 2, input.earlierEvidence) }
        if input.epoch > 1 { verdicts += round(input.epoch - 1, input.previousEvidence) }
        for (verdict, _) in verdicts where verdict.reason == .valid {
            let valid = verdict.reports.filter { $0.reason == .valid }
            for report in valid {
                change(report.reporter) { $0.lastWitnessing = max($0.lastWitnessing, verdict.epoch) }
            }
            if !valid.isEmpty {
                change(verdict.beaconer!) { $0.lastWitnessed = max($0.lastWitnessed, verdict.epoch) }
            }
            if valid.contains(where: { input.device($0.reporter)?.kind == .hotspot }) {
                change(verdict.beaconer!) { $0.lastIndependent = max($0.lastIndependent, verdict.epoch) }
            }
        }
        return verdicts.map { settle($0.0, $0.1) }.sorted {
            ($0.epoch, $0.tag.value, $0.beaconer?.hex ?? "") < (
                $1.epoch, $1.tag.value, $1.beaconer?.hex ?? ""
            )
        }
    }

    // MARK: Beacons

    func isCrowdedOut(_ author: NodeID, of block: [EvidenceEntry], _ epoch: Epoch) -> Bool {
        func rank(_ author: NodeID) -> String {
            Digest(of: input.randomness(epoch)!.octets + author.octets).hex
        }
        let octets = block.map { entry -> Int in
            if case .bundle(let bundle) = entry { return bundle.encoded().count }
            return 2 * 8_192
        }.reduce(0, +)
        let isFull =
            block.count >= Int(input.parameters.bundlesMax)
            || octets + 2 * 8_192 > Int(input.parameters.evidenceBytesMax)
        return isFull && !block.isEmpty && block.allSatisfy { rank($0.author) < rank(author) }
    }

    mutating func round(_ epoch: Epoch, _ evidence: [EvidenceEntry]) -> [(BeaconVerdict, VRFOutput?)] {
        let isLast = epoch + 2 == input.epoch
        func reveals(_ evidence: [EvidenceEntry]) -> [Candidate] {
            evidence.compactMap { entry in
                guard case .bundle(let bundle) = entry else { return nil }
                return bundle.reveals.first { $0.epoch == epoch }.map {
                    candidate(
                        $0, bundle.author, epoch,
                        evidence: epoch == input.epoch - 2
                            ? input.earlierEvidence : input.previousEvidence)
                }
            }
        }
        let earlier = isLast ? reveals(input.previousEvidence) : []
        let now = reveals(input.evidence).filter { one in !earlier.contains { $0.author == one.author } }
        let until = input.epoch + Epoch(input.parameters.reciprocityEpochs)
        func punish(_ id: NodeID) {
            change(id) {
                $0.pausedUntil = max($0.pausedUntil, until)
                ($0.lastWitnessed, $0.lastWitnessing) = (0, 0)
            }
        }
        for one in now where [.badProof, .notEligible, .wrongParameters].contains(one.reason) {
            punish(one.author!)
        }
        var all = now.filter(\.proves) + now.filter { !$0.proves }
        var owners = now.filter(\.proves) + now.filter { !$0.proves && ($0.isAlone || isLast) }
        if isLast {
            for case .bundle(let bundle) in evidence {
                guard let tag = bundle.ownTag,
                    !(earlier + now).contains(where: { $0.author == bundle.author && !$0.isAstray })
                else { continue }
                if input.device(bundle.author)?.version(at: epoch) != nil,
                    !isCrowdedOut(bundle.author, of: input.previousEvidence, input.epoch - 1),
                    !isCrowdedOut(bundle.author, of: input.evidence, input.epoch)
                {
                    punish(bundle.author)
                }
                let reason = standing(bundle.author, epoch) ?? .notRevealed
                let silent = Candidate(author: bundle.author, tag: tag, reason: reason)
                all.append(silent)
                owners.append(silent)
            }
            let judged = earlier.filter { $0.proves || $0.isAlone }.map(\.tag)
            owners.removeAll { judged.contains($0.tag) }
            let tags = evidence.flatMap { entry -> [Wire.Tag] in
                if case .bundle(let bundle) = entry { return bundle.reports.map(\.tag) }
                return []
            }
            for tag in Set(tags) where !judged.contains(tag) && !owners.contains(where: { $0.tag == tag }) {
                let unknown = Candidate(author: nil, tag: tag, reason: .unknownBeacon)
                all.append(unknown)
                owners.append(unknown)
            }
        }
        return all.map { one in
            let isOwner = owners.first { $0.tag == one.tag }.map { $0.author == one.author } ?? false
            return (verdict(one, epoch, isOwner ? evidence : []), one.output)
        }
    }

    func standing(_ id: NodeID, _ epoch: Epoch) -> Reason? {
        guard let version = input.device(id)?.version(at: epoch) else { return .unregistered }
        if version.location == nil { return .noLocation }
        return epoch < activity(id).suspendedUntil ? .suspended : nil
    }

    func candidate(
        _ reveal: Reveal, _ author: NodeID, _ epoch: Epoch, evidence: [EvidenceEntry]
    ) -> Candidate {
        var (declared, isConflict): (Wire.Tag?, Bool) = (nil, false)
        var rivals: [(NodeID, Wire.Tag)] = []
        for entry in evidence {
            switch entry {
            case .conflict: isConflict = isConflict || entry.author == author
            case .bundle(let bundle):
                if entry.author == author { declared = bundle.ownTag }
                if entry.author != author, let tag = bundle.ownTag { rivals.append((entry.author, tag)) }
            }
        }
        let device = input.device(author)
        let version = device?.version(at: epoch)
        let alpha = Randomness.beaconAlpha(
            network: input.network, epoch: epoch, randomness: input.randomness(epoch)!, device: author)
        let output = version.flatMap { input.verifyVRF($0.vrfKey, reveal.proof, alpha) }
        let derived = output.map {
            Beacon.derived(
                output: $0, epoch: epoch, region: version!.profile.region, parameters: input.parameters)
        }
        let tag = derived?.tag ?? declared ?? Wire.Tag(0)
        var reason = Reason.valid
        if isConflict, version?.location != nil {
            reason = .equivocated
        } else if let bad = standing(author, epoch) {
            reason = bad
        } else if device?.kind != .hotspot {
            reason = .unregistered
        } else if declared == nil || derived != nil && derived!.tag != declared {
            reason = .undeclared
        } else if derived == nil {
            reason = .badProof
        } else if output!.prefix >= input.parameters.beaconThreshold {
            reason = .notEligible
        } else if reveal.frequency != derived!.frequency || reveal.dataRate != derived!.dataRate
            || reveal.power > derived!.power
        {
            reason = .wrongParameters
        }
        return Candidate(
            author: author, tag: tag, reason: reason, reveal: reveal, output: output,
            proves: derived != nil && derived!.tag == declared,
            isAstray: derived != nil && derived!.tag != declared,
            isAlone: (declared != nil || derived != nil) && !rivals.contains { $0.1 == tag })
    }

    // MARK: Reports

    func verdict(_ one: Candidate, _ epoch: Epoch, _ evidence: [EvidenceEntry]) -> BeaconVerdict {
        var verdict = BeaconVerdict(
            epoch: epoch, tag: one.tag, beaconer: one.author, reason: one.reason,
            reveal: one.reveal.map { .init(frequency: $0.frequency, dataRate: $0.dataRate, power: $0.power) },
            reports: [])
        for case .bundle(let bundle) in evidence {
            for (index, report) in bundle.reports.filter({ $0.tag == one.tag }).enumerated() {
                var result = ReportVerdict(
                    reporter: bundle.author, reason: .valid, side: .reporter,
                    measurement: report.measurement)
                if index > 0 {
                    result.reason = .duplicate
                } else if one.author != nil, one.reason != .valid {
                    (result.reason, result.side) = (one.reason, .beaconer)
                } else {
                    result.reason = reason(report, bundle.author, one, epoch, &result)
                }
                verdict.reports.append(result)
            }
        }
        return verdict
    }

    func reason(
        _ report: WitnessReport, _ reporter: NodeID, _ one: Candidate, _ epoch: Epoch,
        _ result: inout ReportVerdict
    ) -> Reason {
        if let bad = standing(reporter, epoch) { return bad }
        guard let author = one.author, let reveal = one.reveal, let output = one.output else {
            return .unknownBeacon
        }
        let from = input.device(author)!.version(at: epoch)!
        let to = input.device(reporter)!.version(at: epoch)!
        if author == reporter { return .selfWitness }
        if from.owner == to.owner { return .sameOwner }
        let payload = Beacon.derived(
            output: output, epoch: epoch, region: from.profile.region, parameters: input.parameters
        ).payload
        let heard = report.measurement
        if report.proof
            != WitnessReport.Proof(payload: payload, reporter: reporter, epoch: epoch, measurement: heard)
        {
            return .badProof
        }
        let metres = from.location!.position.distanceMetres(to: to.location!.position)
        let loudest =
            Int32(ChannelPlan.of(from.profile.region).powerMax) * 10 + Int32(to.profile.gain) * 10
            - Decibels.freeSpacePathLoss(metres: metres, frequencyHz: reveal.frequency)
        (result.distance, result.rssiMax) = (UInt32(metres), loudest)
        if abs(Int64(heard.frequency) - Int64(reveal.frequency)) > 100_000 { return .wrongFrequency }
        if heard.dataRate != reveal.dataRate { return .wrongDataRate }
        if from.profile.region != to.profile.region { return .wrongRegion }
        let cells = (from.location!.cell.parent(at: 11)!, to.location!.cell.parent(at: 11)!)
        guard let steps = cells.0.gridDistance(to: cells.1) else { return .undefinedDistance }
        if steps < 8 { return .tooNear }
        if metres > 100_000 { return .tooFar }
        if Int32(heard.rssi) * 10 > loudest { return .tooLoud }
        let spreading = heard.dataRate.spreadingFactor
        let snr = -75 - 25 * (spreading - 7)
        let noise = heard.dataRate.bandwidthKilohertz == 500 ? -1_170 : -1_230
        if Int(heard.rssi) < noise + snr - 5 { return .tooQuiet }
        return max(-250, snr - 30)...150 ~= Int(heard.snr) ? .valid : .implausibleSNR
    }

    // MARK: Reciprocity, selection, units

    func settle(_ verdict: BeaconVerdict, _ output: VRFOutput?) -> BeaconVerdict {
        var verdict = verdict
        guard verdict.reason == .valid, let beaconer = verdict.beaconer else { return verdict }
        let window = Epoch(input.parameters.reciprocityEpochs)
        func isRecent(_ event: Epoch) -> Bool { event > 0 && verdict.epoch <= event + window }
        let valid = verdict.reports.indices.filter { verdict.reports[$0].reason == .valid }
        let own = activity(beaconer)
        if verdict.epoch < own.pausedUntil || !isRecent(own.lastWitnessing) {
            verdict.reason = .notReciprocal
            for index in valid {
                (verdict.reports[index].reason, verdict.reports[index].side) = (.notReciprocal, .beaconer)
            }
            return verdict
        }
        func isSensor(_ index: Int) -> Bool { input.device(verdict.reports[index].reporter)?.kind == .sensor }
        var drawn: [Int] = []
        for index in valid {
            if isSensor(index) || isRecent(activity(verdict.reports[index].reporter).lastWitnessed) {
                drawn.append(index)
            } else {
                verdict.reports[index].reason = .notReciprocal
            }
        }
        let seed = Digest(of: input.randomness(verdict.epoch + 2)!.octets + output!.octets).prefix
        var chance = Chance(seed: seed)
        chance.shuffle(&drawn)
        var selected: [Int] = []
        for index in drawn {
            if selected.count < 14, !isSensor(index) || selected.filter(isSensor).count < 4 {
                selected.append(index)
            } else {
                verdict.reports[index].reason = .notSelected
            }
        }
        let counted = input.hotspots().filter { hotspot in
            let last = input.activity(hotspot.id).lastIndependent
            return last > 0 && input.epoch <= last + window
                && hotspot.device.version(at: verdict.epoch)?.location != nil
        }
        let hexes = HexDensity(
            hotspots: counted.map { $0.device.version(at: verdict.epoch)!.location!.cell },
            table: input.parameters.density)
        verdict.scale = hexes.scale(
            of: input.device(beaconer)!.version(at: verdict.epoch)!.location!.cell,
            isCounted: counted.contains { $0.id == beaconer })
        verdict.units = RewardUnits.scaled(
            RewardUnits.beaconer(reports: selected.count), by: verdict.scale)
        for index in selected {
            verdict.reports[index].units = RewardUnits.scaled(
                RewardUnits.witness(reports: selected.count), by: verdict.scale)
        }
        return verdict
    }
}
