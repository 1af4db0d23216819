internal import Chance
internal import Geo
internal import Identity
internal import Wire

/// Executes the verdicts that a block carries: a pure function (protocol, sections 6, 8 and 9).
///
/// Upon a reveal of beacon epoch b in block b+1 or b+2 (the first counts), that beacon and its reports in
/// block b are judged. At block b+2 every tag of b that is still open is closed: declared ones as
/// `notRevealed`, the others as `unknownBeacon`.
///
/// - Holders of a conflict may hold different pairs, so nothing but its author is read from one. Reports in
///   it do not exist; a beacon revealed for such an epoch is `equivocated`.
/// - A suspension begins with the block of the offence and also voids what had not been judged by then.
/// - Two authors declare one tag: the reveal whose VRF derives it has it. If none does, the lower author has
///   the reports.
/// - A reveal that derives another tag than its author declared is `undeclared`; the tag that was declared
///   then closes as `notRevealed`.
/// - Reciprocity: events of the whole block are taken in first, then all its beacons are judged.
/// - Density is as of the block's start: hotspots located at b with an independent beacon in the window.
public enum Judge {
    public static let selectedMax = 14
    public static let exemptMax = 4

    /// The lists of evidence ascend by author.
    public static func judge(_ input: JudgeInput) -> JudgeOutcome {
        var run = JudgeRun(input)
        return run.finish()
    }
}

/// One beacon on its way to a verdict.
private struct Trial {
    var verdict: BeaconVerdict
    var party: Party?
    var seed: UInt64 = 0
    var payload: [UInt8] = []
    /// Places in the round's list of reports.
    var reports: Range<Int>
    var exempt: [Bool] = []
}

private struct HeardReport {
    let tag: Tag
    let author: Int32
    /// Into the round's reports.
    let index: Int32
}

private struct JudgeRun {
    let input: JudgeInput
    var activities: [NodeID: Activity] = [:]
    var touched: [NodeID] = []
    var trials: [Trial] = []

    init(_ input: JudgeInput) { self.input = input }

    func activity(_ id: NodeID) -> Activity { activities[id] ?? input.activity(id) }

    mutating func change(_ id: NodeID, _ body: (inout Activity) -> Void) {
        if activities[id] == nil {
            activities[id] = input.activity(id)
            touched.append(id)
        }
        body(&activities[id]!)
    }

    mutating func finish() -> JudgeOutcome {
        for case .conflict(let bundle, _) in input.evidence {
            let until = input.epoch + Epoch(input.parameters.suspensionEpochs)
            change(bundle.author) { $0.suspendedUntil = max($0.suspendedUntil, until) }
        }
        if input.epoch > 2 { round(of: input.epoch - 2, evidence: input.earlierEvidence, isLast: true) }
        if input.epoch > 1 { round(of: input.epoch - 1, evidence: input.previousEvidence, isLast: false) }
        for index in trials.indices { count(trials[index]) }
        var scales: [Epoch: Density] = [:]
        // Out of `self`, which `settle` reads: changed in place, the list would be copied for each of its trials.
        var settled = trials
        trials = []
        for index in settled.indices { settle(&settled[index], &scales) }
        let verdicts = settled.map(\.verdict).sorted { left, right in
            if left.epoch != right.epoch { return left.epoch < right.epoch }
            if left.tag != right.tag { return left.tag < right.tag }
            guard let first = left.beaconer, let second = right.beaconer else {
                return left.beaconer == nil && right.beaconer != nil
            }
            return first < second
        }
        let changed = touched.sorted().compactMap { id in
            activities[id].flatMap { $0 == input.activity(id) ? nil : (id: id, activity: $0) }
        }
        return JudgeOutcome(verdicts: verdicts, activities: changed)
    }

    // MARK: Which beacons and whose reports

    /// Judges all that block `input.epoch` has to say of beacons of `epoch`.
    mutating func round(of epoch: Epoch, evidence: [EvidenceEntry], isLast: Bool) {
        var round = Round(epoch: epoch, evidence: evidence, input: input)
        // Suspensions of this block have been taken in, and nothing below changes them.
        for place in evidence.indices {
            round.standings.append(standing(evidence[place].author, round.parties[place], round))
        }
        var earlier: [NodeID: Reveal] = [:]
        if isLast {
            for case .bundle(let bundle) in input.previousEvidence {
                if let reveal = bundle.reveals.first(where: { $0.epoch == epoch }) {
                    earlier[bundle.author] = reveal
                }
            }
        }
        var taken: Set<Tag> = []
        var revealed: Set<NodeID> = []
        var opened: [Trial] = []
        var rest: [Trial] = []
        for case .bundle(let bundle) in input.evidence {
            guard earlier[bundle.author] == nil,
                let reveal = bundle.reveals.first(where: { $0.epoch == epoch })
            else { continue }
            let (trial, derives) = open(reveal, of: bundle.author, in: round)
            if derives || round.declarers[trial.verdict.tag] == [bundle.author] {
                revealed.insert(bundle.author)
            }
            if derives { opened.append(trial) } else { rest.append(trial) }
        }
        // Who proves a tag has its reports, before anyone who only names it.
        for trial in opened + rest { add(trial, in: round, taken: &taken) }
        if isLast { close(round, revealed: &revealed, earlier: earlier, taken: &taken) }
    }

    mutating func add(_ trial: Trial, in round: Round, taken: inout Set<Tag>) {
        var trial = trial
        let isNew = taken.insert(trial.verdict.tag).inserted
        trial.reports = isNew ? round.reports(of: trial.verdict.tag) : 0..<0
        hear(&trial, in: round)
        trials.append(trial)
    }

    /// Block b+2: what was declared and never revealed, and what nobody ever said.
    mutating func close(
        _ round: Round, revealed: inout Set<NodeID>, earlier: [NodeID: Reveal], taken: inout Set<Tag>
    ) {
        // Those of the block before are verified again: what they decided is in no state.
        for (place, entry) in input.previousEvidence.enumerated() {
            guard case .bundle = input.previousEvidence[place], let reveal = earlier[entry.author] else {
                continue
            }
            let (trial, derives) = open(reveal, of: entry.author, in: round)
            taken.insert(trial.verdict.tag)
            if derives || round.declarers[trial.verdict.tag] == [entry.author] {
                revealed.insert(entry.author)
            }
        }
        for case .bundle(let bundle) in round.evidence {
            guard let tag = bundle.ownTag, !revealed.contains(bundle.author) else { continue }
            let party = round.party(bundle.author)
            if party != nil {
                let until = input.epoch + Epoch(input.parameters.reciprocityEpochs)
                change(bundle.author) {
                    $0.pausedUntil = max($0.pausedUntil, until)
                    $0.lastWitnessing = 0
                    $0.lastWitnessed = 0
                }
            }
            let reason = standing(bundle.author, party, round) ?? .notRevealed
            let verdict = BeaconVerdict(
                epoch: round.epoch, tag: tag, beaconer: bundle.author, reason: reason, reports: [])
            add(Trial(verdict: verdict, party: party, reports: 0..<0), in: round, taken: &taken)
        }
        var start = 0
        while start < round.heard.count {
            let tag = round.heard[start].tag
            let range = round.reports(of: tag)
            start = range.upperBound
            guard !taken.contains(tag) else { continue }
            let verdict = BeaconVerdict(
                epoch: round.epoch, tag: tag, beaconer: nil, reason: .unknownBeacon, reports: [])
            add(Trial(verdict: verdict, party: nil, reports: range), in: round, taken: &taken)
        }
    }

    /// The rules that a beacon and a report have in common.
    func standing(_ id: NodeID, _ party: Party?, _ round: Round) -> Reason? {
        guard let party else { return .unregistered }
        if party.location == nil { return .noLocation }
        return round.epoch < activity(id).suspendedUntil ? .suspended : nil
    }

    /// The beacon's own rules but reciprocity; `derives`: the proof is good and derives the declared tag.
    func open(_ reveal: Reveal, of author: NodeID, in round: Round) -> (Trial, derives: Bool) {
        let party = round.party(author)
        let declared = round.declared[author]
        var trial = Trial(
            verdict: BeaconVerdict(
                epoch: round.epoch, tag: declared ?? Tag(0), beaconer: author, reason: .valid,
                reveal: .init(frequency: reveal.frequency, dataRate: reveal.dataRate, power: reveal.power),
                reports: []),
            party: party, reports: 0..<0)
        let output = party.flatMap { party in
            round.alpha.flatMap { input.verifyVRF(party.version.vrfKey, reveal.proof, $0) }
        }
        let derived = output.flatMap { output in
            party.map {
                Beacon.derived(
                    output: output, epoch: round.epoch, region: $0.version.profile.region,
                    parameters: input.parameters)
            }
        }
        if let derived {
            trial.verdict.tag = derived.tag
            trial.payload = derived.payload
        }
        let derives = derived != nil && derived?.tag == declared
        trial.verdict.reason = { () -> Reason in
            if let reason = standing(author, party, round) { return reason }
            if party?.kind != .hotspot { return .unregistered }
            if round.conflicts.contains(author) { return .equivocated }
            guard declared != nil, derived == nil || derives else { return .undeclared }
            guard let output, let derived else { return .badProof }
            if output.prefix >= input.parameters.beaconThreshold { return .notEligible }
            return reveal.frequency == derived.frequency && reveal.dataRate == derived.dataRate
                && reveal.power <= derived.power ? .valid : .wrongParameters
        }()
        if let output, let next = input.randomness(round.epoch + 2) {
            trial.seed = Digest(of: next.octets + output.octets).prefix
        }
        return (trial, derives)
    }

    // MARK: Reports

    /// All rules of the reports but reciprocity and selection.
    func hear(_ trial: inout Trial, in round: Round) {
        let beacon = trial.verdict
        trial.verdict.reports.reserveCapacity(trial.reports.count)
        var previous: Int32 = -1
        for heard in round.heard[trial.reports] {
            let place = Int(heard.author)
            let report = round.reports[Int(heard.index)]
            var verdict = ReportVerdict(
                reporter: round.authors[place], reason: .valid, side: .reporter,
                measurement: report.measurement)
            if heard.author == previous {
                verdict.reason = .duplicate
            } else if beacon.reason != .valid, beacon.beaconer != nil {
                (verdict.reason, verdict.side) = (beacon.reason, .beaconer)
            } else {
                verdict.reason = judge(report, &verdict, place, trial, round)
            }
            previous = heard.author
            trial.verdict.reports.append(verdict)
            trial.exempt.append(round.parties[place]?.kind == .sensor)
        }
    }

    func judge(
        _ report: WitnessReport, _ verdict: inout ReportVerdict, _ place: Int, _ trial: Trial, _ round: Round
    ) -> Reason {
        if let reason = round.standings[place] { return reason }
        guard let party = round.parties[place], let beaconer = trial.party, let reveal = trial.verdict.reveal
        else { return .unknownBeacon }
        if party.id == beaconer.id { return .selfWitness }
        if party.version.owner == beaconer.version.owner { return .sameOwner }
        let proof = WitnessReport.Proof(
            payload: trial.payload, reporter: party.id, epoch: round.epoch, measurement: report.measurement)
        if proof != report.proof { return .badProof }
        return ReportRules.judge(&verdict, reveal: reveal, beaconer: beaconer, reporter: party)
    }

    // MARK: Reciprocity, selection, units

    /// Takes the events of a beacon in that passes every rule but reciprocity.
    mutating func count(_ trial: Trial) {
        guard trial.verdict.reason == .valid, let beaconer = trial.party else { return }
        let epoch = trial.verdict.epoch
        var (isWitnessed, isIndependent) = (false, false)
        for (index, report) in trial.verdict.reports.enumerated() where report.reason == .valid {
            isWitnessed = true
            isIndependent = isIndependent || !trial.exempt[index]
            change(report.reporter) { $0.lastWitnessing = max($0.lastWitnessing, epoch) }
        }
        guard isWitnessed else { return }
        change(beaconer.id) {
            $0.lastWitnessed = max($0.lastWitnessed, epoch)
            if isIndependent { $0.lastIndependent = max($0.lastIndependent, epoch) }
        }
    }

    func isRecent(_ event: Epoch, at epoch: Epoch) -> Bool {
        event > 0 && epoch <= event + Epoch(input.parameters.reciprocityEpochs)
    }

    func settle(_ trial: inout Trial, _ densities: inout [Epoch: Density]) {
        guard trial.verdict.reason == .valid, let beaconer = trial.party, let location = beaconer.location
        else { return }
        let epoch = trial.verdict.epoch
        let own = activity(beaconer.id)
        guard epoch >= own.pausedUntil, isRecent(own.lastWitnessing, at: epoch) else {
            trial.verdict.reason = .notReciprocal
            for index in trial.verdict.reports.indices where trial.verdict.reports[index].reason == .valid {
                trial.verdict.reports[index].reason = .notReciprocal
                trial.verdict.reports[index].side = .beaconer
            }
            return
        }
        var valid: [Int] = []
        for index in trial.verdict.reports.indices where trial.verdict.reports[index].reason == .valid {
            let reporter = trial.verdict.reports[index].reporter
            if trial.exempt[index] || isRecent(activity(reporter).lastWitnessed, at: epoch) {
                valid.append(index)
            } else {
                trial.verdict.reports[index].reason = .notReciprocal
            }
        }
        var chance = Chance(seed: trial.seed)
        chance.shuffle(&valid)
        var selected: [Int] = []
        var exempt = 0
        for index in valid {
            let isExempt = trial.exempt[index]
            if selected.count < Judge.selectedMax, !isExempt || exempt < Judge.exemptMax {
                selected.append(index)
                exempt += isExempt ? 1 : 0
            } else {
                trial.verdict.reports[index].reason = .notSelected
            }
        }
        if densities[epoch] == nil { densities[epoch] = Density(epoch, input) }
        let scale = densities[epoch]!.scale(of: beaconer.id, in: location.cell)
        trial.verdict.scale = scale
        trial.verdict.units = RewardUnits.scaled(RewardUnits.beaconer(reports: selected.count), by: scale)
        let units = RewardUnits.scaled(RewardUnits.witness(reports: selected.count), by: scale)
        for index in selected { trial.verdict.reports[index].units = units }
    }
}

/// The evidence of a beacon epoch, indexed once.
private struct Round {
    let epoch: Epoch
    let evidence: [EvidenceEntry]
    let alpha: [UInt8]?
    /// Beside `evidence`.
    let parties: [Party?]
    let places: [NodeID: Int]
    let device: (NodeID) -> Device?
    let authors: [NodeID]
    /// Beside `evidence`: why an author's reports and beacons do not count, if they do not.
    var standings: [Reason?] = []
    /// Every report, in the order of the evidence.
    var reports: [WitnessReport] = []
    /// The same by tag, author and place in the bundle.
    var heard: [HeardReport] = []
    var declared: [NodeID: Tag] = [:]
    var declarers: [Tag: [NodeID]] = [:]
    var conflicts: Set<NodeID> = []

    init(epoch: Epoch, evidence: [EvidenceEntry], input: JudgeInput) {
        self.epoch = epoch
        self.evidence = evidence
        device = input.device
        alpha = input.randomness(epoch).map {
            Randomness.beaconAlpha(network: input.network, epoch: epoch, randomness: $0)
        }
        authors = evidence.map(\.author)
        parties = evidence.map { Party(id: $0.author, device: input.device($0.author), epoch: epoch) }
        var places: [NodeID: Int] = [:]
        for (place, entry) in evidence.enumerated() {
            places[entry.author] = place
            guard case .bundle(let bundle) = entry else {
                conflicts.insert(entry.author)
                continue
            }
            if let tag = bundle.ownTag {
                declared[bundle.author] = tag
                declarers[tag, default: []].append(bundle.author)
            }
            for report in bundle.reports {
                heard.append(HeardReport(tag: report.tag, author: Int32(place), index: Int32(reports.count)))
                reports.append(report)
            }
        }
        self.places = places
        heard.sort { ($0.tag.value, $0.author, $0.index) < ($1.tag.value, $1.author, $1.index) }
    }

    func party(_ id: NodeID) -> Party? {
        if let place = places[id] { return parties[place] }
        return Party(id: id, device: device(id), epoch: epoch)
    }

    func reports(of tag: Tag) -> Range<Int> {
        func first(where holds: (Tag) -> Bool) -> Int {
            var (low, high) = (0, heard.count)
            while low < high {
                let middle = (low + high) / 2
                if holds(heard[middle].tag) { high = middle } else { low = middle + 1 }
            }
            return low
        }
        return first { $0 >= tag }..<first { $0 > tag }
    }
}

/// Density as verdicts of one beacon epoch see it.
private struct Density {
    let counted: Set<NodeID>
    let hexes: HexDensity

    init(_ epoch: Epoch, _ input: JudgeInput) {
        let window = Epoch(input.parameters.reciprocityEpochs)
        var counted: Set<NodeID> = []
        var cells: [Cell] = []
        for hotspot in input.hotspots() {
            let last = input.activity(hotspot.id).lastIndependent
            guard last > 0, input.epoch <= last + window,
                let cell = hotspot.device.version(at: epoch)?.location?.cell
            else { continue }
            counted.insert(hotspot.id)
            cells.append(cell)
        }
        self.counted = counted
        hexes = HexDensity(hotspots: cells, table: input.parameters.density)
    }

    func scale(of id: NodeID, in cell: Cell) -> UInt32 {
        hexes.scale(of: cell, isCounted: counted.contains(id))
    }
}
