internal import Identity
internal import Rules
internal import Wire

/// Executes the verdicts that a block carries: a pure function (protocol, sections 6, 8 and 9).
///
/// Upon a reveal of beacon epoch b in block b+1 or b+2 (the first counts), that beacon and its reports in
/// block b are judged. At block b+2 every tag of b that is still open is closed: declared ones as
/// `notRevealed`, the others as `unknownBeacon`. So each report is judged once.
///
/// - Holders of a conflict may hold different pairs, so nothing but its author is read from one. Reports in
///   it do not exist: no verdict shows them, the conflict and the suspension do. A beacon revealed for such
///   an epoch is `equivocated`, and so are others' reports of it. That stands before `suspended`, which
///   follows from it at once and would always hide it.
/// - A suspension begins with the block of the offence and also voids what had not been judged by then.
/// - Two authors declare one tag: the reveal whose VRF derives it has the reports. One that does not
///   leaves them to the others until block b+2, and then the lower author has them. No two derive one (the
///   author is part of what the VRF is evaluated on) but by a collision of tags, and then the first has them.
/// - A reveal that derives another tag than its author declared is `undeclared`; the tag that was declared
///   then closes as `notRevealed`.
/// - Who declared a beacon and then reveals one that is void by its own fault (`badProof`, `notEligible`,
///   `wrongParameters`) pays what silence costs (`notRevealed`): it loses its reciprocity credit and pauses
///   for `reciprocityEpochs`. Else nonsense would be a free way to void what the witnesses heard. Silence is nobody's
///   fault whom one of the two blocks left out because it was full.
/// - Reciprocity: events of the whole block are taken in first, then all its beacons are judged.
/// - Density is as of the block's start: hotspots located at b with an independent beacon in the window.
public enum Judge {
    public static let selectedMax = 14
    public static let exemptMax = 4

    /// The lists of evidence ascend by author.
    public static func judge(_ input: JudgeInput) -> JudgeOutcome {
        var roster = Roster(input)
        for (place, entry) in input.evidence.enumerated() {
            guard case .conflict = entry, !isRemoved(.conflictSuspends) else { continue }
            let until = input.epoch + Epoch(input.parameters.suspensionEpochs)
            roster.change(roster.member(place, of: .current)) {
                $0.suspendedUntil = max($0.suspendedUntil, until)
            }
        }
        var trials: [Trial] = []
        if input.epoch > 2 {
            var round = Round(epoch: input.epoch - 2, list: .earlier, input: input)
            round.run(&roster, &trials)
        }
        if input.epoch > 1 {
            var round = Round(epoch: input.epoch - 1, list: .previous, input: input)
            round.run(&roster, &trials)
        }
        Settlement.settle(&trials, &roster, input)
        let verdicts = trials.map(\.verdict).sorted { left, right in
            if left.epoch != right.epoch { return left.epoch < right.epoch }
            if left.tag != right.tag { return left.tag < right.tag }
            guard let first = left.beaconer, let second = right.beaconer else {
                return left.beaconer == nil && right.beaconer != nil
            }
            return first < second
        }
        return JudgeOutcome(verdicts: verdicts, activities: roster.changed)
    }
}

/// One beacon on its way to a verdict. A block may name a million tags that nobody knows, so that the facts about the beaconer
/// stay in the roster.
struct Trial {
    var verdict: BeaconVerdict
    /// The beaconer; nil for a tag that nobody declared or revealed.
    let member: Int?
    var seed: UInt64 = 0
    var payload: [UInt8] = []
    /// Beside the verdict's reports.
    var reporters: [Reporter] = []

    struct Reporter {
        let member: Int32
        let isExempt: Bool
    }
}

/// A full block's authors: who ranks after all of them had no place in it.
private struct Crowd {
    private let authors: Set<NodeID>
    private let randomness: Digest
    private let last: Digest

    /// Nil for a block that had room for everybody.
    init?(_ evidence: [EvidenceEntry], randomness: Digest?, _ parameters: Parameters) {
        guard let randomness, evidence.isFull(parameters),
            let last = evidence.map({ Randomness.rank(of: $0.author, randomness: randomness) }).max()
        else { return nil }
        (authors, self.randomness, self.last) = (Set(evidence.map(\.author)), randomness, last)
    }

    func leavesOut(_ author: NodeID) -> Bool {
        !authors.contains(author) && last < Randomness.rank(of: author, randomness: randomness)
    }
}

/// All that one block has to say of the beacons of one epoch.
struct Round {
    /// A reveal, judged by the rules of beacons but reciprocity.
    private struct Opened {
        var trial: Trial
        /// The proof is good and derives the tag that the author declared.
        let derives: Bool
        /// It derives another tag than was declared: what was declared is still open.
        let isAstray: Bool
        /// Nobody but its author has declared its tag.
        let isUnrivalled: Bool
    }

    private let epoch: Epoch
    private let list: Roster.List
    private let input: JudgeInput
    private let evidence: [EvidenceEntry]
    private let randomness: Digest?
    /// By member: what its bundle of this epoch declared.
    private var declared: [Int: Tag] = [:]
    private var declarers: [Tag: [Int]] = [:]
    private var conflicts: Set<Int> = []
    /// Where a tag's reports go: a place in the trials of this round, or `settled`.
    private var slots: [Tag: Int32] = [:]
    private var opened: [Trial] = []

    private static let settled: Int32 = -1
    private static let ignored: Int32 = -2

    init(epoch: Epoch, list: Roster.List, input: JudgeInput) {
        self.epoch = epoch
        self.list = list
        self.input = input
        evidence = list == .earlier ? input.earlierEvidence : input.previousEvidence
        randomness = input.randomness(epoch)
    }

    private var isLast: Bool { list == .earlier }

    /// Which beacons there are, then whose reports they have.
    mutating func run(_ roster: inout Roster, _ trials: inout [Trial]) {
        index(roster)
        var answered: Set<Int> = []
        var isEarlier: Set<Int> = []
        if isLast {
            // The block before is judged again in part: what it decided is in no state.
            for (member, reveal) in reveals(in: input.previousEvidence, of: .previous, roster) {
                let beacon = open(reveal, of: member, &roster)
                isEarlier.insert(member)
                if !beacon.isAstray { answered.insert(member) }
                if beacon.derives || beacon.isUnrivalled { slots[beacon.trial.verdict.tag] = Self.settled }
            }
        }
        var rest: [Opened] = []
        for (member, reveal) in reveals(in: input.evidence, of: .current, roster)
        where !isEarlier.contains(member) {
            let beacon = open(reveal, of: member, &roster)
            if !beacon.isAstray { answered.insert(member) }
            switch beacon.trial.verdict.reason {
            case .badProof, .notEligible, .wrongParameters: punish(member, &roster)
            default: break
            }
            if beacon.derives { add(beacon.trial, takesReports: true) } else { rest.append(beacon) }
        }
        // Who proves a tag has its reports, before anyone who only names it.
        for beacon in rest { add(beacon.trial, takesReports: beacon.isUnrivalled || isLast) }
        if isLast { close(answered, &roster) }
        hear(&roster)
        trials += opened
    }

    /// What the bundles of the beacons' own epoch say of them.
    private mutating func index(_ roster: Roster) {
        for (place, entry) in evidence.enumerated() {
            let member = roster.member(place, of: list)
            switch entry {
            case .conflict: conflicts.insert(member)
            case .bundle(let bundle):
                guard let tag = bundle.ownTag else { continue }
                declared[member] = tag
                declarers[tag, default: []].append(member)
            }
        }
    }

    /// Ascending by author.
    private func reveals(
        in evidence: [EvidenceEntry], of list: Roster.List, _ roster: Roster
    ) -> [(member: Int, reveal: Reveal)] {
        var found: [(member: Int, reveal: Reveal)] = []
        for (place, entry) in evidence.enumerated() {
            guard case .bundle(let bundle) = entry,
                let reveal = bundle.reveals.first(where: { $0.epoch == epoch })
            else { continue }
            found.append((roster.member(place, of: list), reveal))
        }
        return found
    }

    private mutating func add(_ trial: Trial, takesReports: Bool) {
        if takesReports, slots[trial.verdict.tag] == nil {
            slots[trial.verdict.tag] = Int32(opened.count)
        }
        opened.append(trial)
    }

    /// Silence, and nonsense that comes to the same, must not be a free way to hurt witnesses.
    private func punish(_ member: Int, _ roster: inout Roster) {
        let until = input.epoch + Epoch(input.parameters.reciprocityEpochs)
        roster.change(member) {
            $0.pausedUntil = max($0.pausedUntil, until)
            $0.lastWitnessing = 0
            $0.lastWitnessed = 0
        }
    }

    /// Block b+2: what was declared and never revealed.
    private mutating func close(_ answered: Set<Int>, _ roster: inout Roster) {
        var crowds: [Crowd]?
        for place in evidence.indices {
            let member = roster.member(place, of: list)
            guard let tag = declared[member], !answered.contains(member) else { continue }
            let party = roster.party(member, at: epoch)
            if party != nil {
                let full = crowds ?? fullBlocks()
                crowds = full
                if !full.contains(where: { $0.leavesOut(roster.ids[member]) }) { punish(member, &roster) }
            }
            let reason = roster.standing(member, party, at: epoch) ?? .notRevealed
            let verdict = BeaconVerdict(
                epoch: epoch, tag: tag, beaconer: roster.ids[member], reason: reason, reports: [])
            add(Trial(verdict: verdict, member: member), takesReports: true)
        }
    }

    /// Those of the two blocks for this epoch's reveals that had no room for everybody.
    private func fullBlocks() -> [Crowd] {
        [(input.previousEvidence, epoch + 1), (input.evidence, epoch + 2)].compactMap {
            Crowd($0.0, randomness: input.randomness($0.1), input.parameters)
        }
    }

    private func open(_ reveal: Reveal, of member: Int, _ roster: inout Roster) -> Opened {
        let party = roster.party(member, at: epoch)
        let declared = declared[member]
        var trial = Trial(
            verdict: BeaconVerdict(
                epoch: epoch, tag: declared ?? Tag(0), beaconer: roster.ids[member], reason: .valid,
                reveal: .init(frequency: reveal.frequency, dataRate: reveal.dataRate, power: reveal.power),
                reports: []),
            member: member)
        var output: VRFOutput?
        var derived: Transmission?
        let alpha = randomness.map {
            Randomness.beaconAlpha(
                network: input.network, epoch: epoch, randomness: $0, device: roster.ids[member])
        }
        if let party, let alpha, let proven = input.verifyVRF(party.version.vrfKey, reveal.proof, alpha) {
            let beacon = Beacon.derived(
                output: proven, epoch: epoch, region: party.version.profile.region,
                parameters: input.parameters)
            trial.verdict.tag = beacon.tag
            trial.payload = beacon.payload
            (output, derived) = (proven, beacon)
        }
        let derives = derived != nil && trial.verdict.tag == declared
        trial.verdict.reason = { () -> Reason in
            if conflicts.contains(member), party?.location != nil { return .equivocated }
            if let reason = roster.standing(member, party, at: epoch) { return reason }
            if party?.kind != .hotspot { return .unregistered }
            guard declared != nil, derived == nil || derives else { return .undeclared }
            guard let output, let derived else { return .badProof }
            if output.prefix >= input.parameters.beaconThreshold { return .notEligible }
            return reveal.frequency == derived.frequency && reveal.dataRate == derived.dataRate
                && reveal.power <= derived.power ? .valid : .wrongParameters
        }()
        if let output, let next = input.randomness(epoch + 2) {
            trial.seed = Digest(of: next.octets + output.octets).prefix
        }
        let isNamed = declared != nil || derived != nil
        let rivals = declarers[trial.verdict.tag] ?? []
        return Opened(
            trial: trial, derives: derives, isAstray: derived != nil && !derives,
            isUnrivalled: isNamed && rivals.allSatisfy { $0 == member })
    }

    // MARK: Reports

    /// What a report says, without its tag, and who says it.
    private struct Heard {
        let member: Int32
        let measurement: Measurement
        let proof: WitnessReport.Proof
    }

    /// Gives every report to its beacon: counted, then placed, in the order of the authors.
    private mutating func hear(_ roster: inout Roster) {
        var destinations: [Int32] = []
        destinations.reserveCapacity(
            evidence.reduce(0) { if case .bundle(let bundle) = $1 { $0 + bundle.reports.count } else { $0 } })
        var counts = [Int](repeating: 0, count: opened.count)
        for case .bundle(let bundle) in evidence {
            for report in bundle.reports {
                let slot = slots[report.tag] ?? strange(report.tag, &counts)
                destinations.append(slot)
                if slot >= 0 { counts[Int(slot)] += 1 }
            }
        }
        var ends: [Int] = []
        var total = 0
        for count in counts {
            ends.append(total)
            total += count
        }
        let none = Heard(
            member: 0, measurement: Measurement(rssi: 0, snr: 0, frequency: 0, dataRate: .sf7bw125),
            proof: .init(octets: [UInt8](repeating: 0, count: WitnessReport.Proof.byteCount)))
        var heard = [Heard](repeating: none, count: total)
        var number = 0
        for (place, entry) in evidence.enumerated() {
            guard case .bundle(let bundle) = entry else { continue }
            let member = Int32(roster.member(place, of: list))
            for report in bundle.reports {
                let slot = Int(destinations[number])
                number += 1
                guard slot >= 0 else { continue }
                heard[ends[slot]] = Heard(
                    member: member, measurement: report.measurement, proof: report.proof)
                ends[slot] += 1
            }
        }
        for slot in opened.indices {
            judge(heard[(ends[slot] - counts[slot])..<ends[slot]], of: slot, &roster)
        }
    }

    /// A tag that nobody proved, declared or revealed: open until block b+2.
    private mutating func strange(_ tag: Tag, _ counts: inout [Int]) -> Int32 {
        guard isLast else { return Self.ignored }
        let slot = Int32(opened.count)
        slots[tag] = slot
        counts.append(0)
        let verdict = BeaconVerdict(
            epoch: epoch, tag: tag, beaconer: nil, reason: .unknownBeacon, reports: [])
        opened.append(Trial(verdict: verdict, member: nil))
        return slot
    }

    /// All rules of the reports of one beacon but reciprocity and selection.
    private mutating func judge(_ heard: ArraySlice<Heard>, of slot: Int, _ roster: inout Roster) {
        guard !heard.isEmpty else { return }
        let trial = opened[slot]
        var beaconer: Party?
        if let member = trial.member { beaconer = roster.party(member, at: epoch) }
        var reports: [ReportVerdict] = []
        var reporters: [Trial.Reporter] = []
        reports.reserveCapacity(heard.count)
        reporters.reserveCapacity(heard.count)
        var previous: Int32 = -1
        for report in heard {
            let member = Int(report.member)
            let party = roster.party(member, at: epoch)
            var verdict = ReportVerdict(
                reporter: roster.ids[member], reason: .valid, side: .reporter,
                measurement: report.measurement)
            if report.member == previous {
                verdict.reason = .duplicate
            } else if trial.verdict.reason != .valid, trial.member != nil {
                (verdict.reason, verdict.side) = (trial.verdict.reason, .beaconer)
            } else {
                verdict.reason =
                    roster.standing(member, party, at: epoch)
                    ?? judge(&verdict, report.proof, by: party, of: beaconer, trial)
            }
            previous = report.member
            reports.append(verdict)
            reporters.append(Trial.Reporter(member: report.member, isExempt: party?.kind == .sensor))
        }
        opened[slot].verdict.reports = reports
        opened[slot].reporters = reporters
    }

    private func judge(
        _ verdict: inout ReportVerdict, _ proof: WitnessReport.Proof, by party: Party?, of beaconer: Party?,
        _ trial: Trial
    ) -> Reason {
        guard let party, let beaconer, let reveal = trial.verdict.reveal else {
            return .unknownBeacon
        }
        if party.id == beaconer.id { return .selfWitness }
        if party.version.owner == beaconer.version.owner { return .sameOwner }
        let expected = WitnessReport.Proof(
            payload: trial.payload, reporter: party.id, epoch: epoch, measurement: verdict.measurement)
        if proof != expected { return .badProof }
        return ReportRules.judge(&verdict, reveal: reveal, beaconer: beaconer, reporter: party)
    }
}
