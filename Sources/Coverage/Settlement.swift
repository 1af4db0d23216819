internal import Chance
internal import Geo
internal import Identity
internal import Wire

/// The rules that look at more than one beacon: reciprocity, selection, density; then the units.
enum Settlement {
    static func settle(_ trials: inout [Trial], _ roster: inout Roster, _ input: JudgeInput) {
        for trial in trials { count(trial, &roster) }
        let hotspots = trials.contains { $0.verdict.reason == .valid } ? input.hotspots() : []
        var density: Density?
        for index in trials.indices {
            let epoch = trials[index].verdict.epoch
            guard let member = trials[index].member, select(&trials[index], roster, input),
                let beaconer = roster.party(member, at: epoch), let cell = beaconer.location?.cell
            else { continue }
            // Trials ascend by epoch: two densities at most, one at a time.
            let current = density?.epoch == epoch ? density! : Density(epoch, hotspots, input)
            density = current
            pay(&trials[index].verdict, scale: current.scale(of: beaconer.id, in: cell))
        }
    }

    /// Takes the events of a beacon in that passes every rule but reciprocity.
    private static func count(_ trial: Trial, _ roster: inout Roster) {
        guard trial.verdict.reason == .valid, let beaconer = trial.member else { return }
        let epoch = trial.verdict.epoch
        var (isWitnessed, isIndependent) = (false, false)
        for index in trial.reporters.indices where trial.verdict.reports[index].reason == .valid {
            isWitnessed = true
            isIndependent = isIndependent || !trial.reporters[index].isExempt
            roster.change(Int(trial.reporters[index].member)) {
                $0.lastWitnessing = max($0.lastWitnessing, epoch)
            }
        }
        guard isWitnessed else { return }
        roster.change(beaconer) {
            $0.lastWitnessed = max($0.lastWitnessed, epoch)
            if isIndependent { $0.lastIndependent = max($0.lastIndependent, epoch) }
        }
    }

    /// Reciprocity, then which reports count; false if the beacon does not.
    private static func select(_ trial: inout Trial, _ roster: Roster, _ input: JudgeInput) -> Bool {
        guard trial.verdict.reason == .valid, let beaconer = trial.member else { return false }
        let epoch = trial.verdict.epoch
        let window = Epoch(input.parameters.reciprocityEpochs)
        func isRecent(_ event: Epoch) -> Bool { event > 0 && epoch <= event + window }
        let own = roster.activities[beaconer]
        guard epoch >= own.pausedUntil, isRecent(own.lastWitnessing) else {
            trial.verdict.reason = .notReciprocal
            for index in trial.verdict.reports.indices where trial.verdict.reports[index].reason == .valid {
                trial.verdict.reports[index].reason = .notReciprocal
                trial.verdict.reports[index].side = .beaconer
            }
            return false
        }
        var valid: [Int] = []
        for (index, reporter) in trial.reporters.enumerated()
        where trial.verdict.reports[index].reason == .valid {
            if reporter.isExempt || isRecent(roster.activities[Int(reporter.member)].lastWitnessed) {
                valid.append(index)
            } else {
                trial.verdict.reports[index].reason = .notReciprocal
            }
        }
        var chance = Chance(seed: trial.seed)
        chance.shuffle(&valid)
        var (selected, exempt) = (0, 0)
        for index in valid {
            let isExempt = trial.reporters[index].isExempt
            if selected < Judge.selectedMax, !isExempt || exempt < Judge.exemptMax {
                selected += 1
                exempt += isExempt ? 1 : 0
            } else {
                trial.verdict.reports[index].reason = .notSelected
            }
        }
        return true
    }

    /// The reports that are valid by now are those selected.
    private static func pay(_ verdict: inout BeaconVerdict, scale: UInt32) {
        let selected = verdict.reports.indices.filter { verdict.reports[$0].reason == .valid }
        verdict.scale = scale
        verdict.units = RewardUnits.scaled(RewardUnits.beaconer(reports: selected.count), by: scale)
        let units = RewardUnits.scaled(RewardUnits.witness(reports: selected.count), by: scale)
        for index in selected { verdict.reports[index].units = units }
    }
}

/// Density as verdicts of one beacon epoch see it.
private struct Density {
    let epoch: Epoch
    let counted: Set<NodeID>
    let hexes: HexDensity

    init(_ epoch: Epoch, _ hotspots: [JudgeInput.Hotspot], _ input: JudgeInput) {
        self.epoch = epoch
        let window = Epoch(input.parameters.reciprocityEpochs)
        var counted: Set<NodeID> = []
        var cells: [Cell] = []
        for hotspot in hotspots {
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
