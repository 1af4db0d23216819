/// Makes a failing plan smaller: fewer faults, hosts and epochs, shorter, as long as the same checker still objects.
public struct Shrinker {
    /// Runs made so far, and the most that may be made.
    public private(set) var runs = 0
    public let runsMax: Int
    /// The smallest plan found, and what its run gave.
    public private(set) var plan: Plan
    public private(set) var outcome: Outcome
    private let violation: Violation
    private let run: (Plan) -> Outcome

    /// - Parameters:
    ///   - outcome: What a run of `plan` gave: at least one violation, whose first is looked for again.
    ///   - run: Runs a plan.
    public init(
        _ plan: Plan, outcome: Outcome, runsMax: Int = 200,
        run: @escaping (Plan) -> Outcome = { World(plan: $0).run() }
    ) {
        precondition(!outcome.violations.isEmpty, "a plan that holds has nothing to shrink")
        self.plan = plan
        self.outcome = outcome
        self.runsMax = runsMax
        violation = outcome.violations[0]
        self.run = run
    }

    /// Tries every step again until none helps or the runs are used up.
    public mutating func shrink(progress: (Shrinker) -> Void = { _ in }) {
        var hasShrunk = true
        while hasShrunk, runs < runsMax {
            hasShrunk = false
            var place = 0
            while runs < runsMax {
                let steps = Self.steps(from: plan)
                guard place < steps.count else { break }
                if accepts(steps[place]) {
                    // The list is another one now; what stood before this place was tried.
                    hasShrunk = true
                    progress(self)
                } else {
                    place += 1
                }
            }
        }
    }

    private mutating func accepts(_ smaller: Plan) -> Bool {
        runs += 1
        let outcome = run(smaller)
        guard let first = outcome.violations.first, first.checker == violation.checker else { return false }
        // A plan without its faults misses other things that it expects.
        guard first.checker != "expectation" || first.what == violation.what else { return false }
        plan = smaller
        self.outcome = outcome
        return true
    }

    /// Plans that are one step smaller, the largest steps first.
    static func steps(from plan: Plan) -> [Plan] {
        var steps: [Plan] = []
        func step(_ change: (inout Plan) -> Void) {
            var smaller = plan
            change(&smaller)
            if smaller != plan { steps.append(smaller) }
        }
        step { $0.faults = [] }
        step { $0.byzantine = [] }
        step { $0.roughLinks = nil }
        for place in plan.faults.indices { step { $0.faults.remove(at: place) } }
        for place in plan.byzantine.indices { step { $0.byzantine.remove(at: place) } }
        step { $0.radio = RadioPlan() }
        step { $0.stakes = [] }
        step { $0.epochsAfterHealing = 0 }
        step { $0.clients = Clients() }
        step { $0.dropLastHost() }
        step { $0.epochs = max(1, $0.epochs / 2) }
        step { $0.epochs = max(1, $0.epochs - 1) }
        step { plan in
            plan.healsAt = plan.faults.map(\.until).filter { $0 < Plan.forEver }.max() ?? 0
        }
        for field in Links.intensities { step { $0.roughLinks?[keyPath: field] = 0 } }
        for place in plan.faults.indices where plan.faults[place].hosts.count > 1 {
            for host in plan.faults[place].hosts {
                step { $0.faults[place].hosts.removeAll { $0 == host } }
            }
        }
        for place in plan.faults.indices where plan.faults[place].until - plan.faults[place].at > 1 {
            let half = (plan.faults[place].until - plan.faults[place].at) / 2
            step { $0.faults[place].until -= half }
            step { $0.faults[place].at += half }
        }
        return steps
    }
}

extension Links {
    fileprivate static var intensities: [WritableKeyPath<Links, Int>] {
        [\.lossPermille, \.duplicatePermille, \.reorderPermille, \.corruptPermille, \.truncatePermille]
    }
}

extension Plan {
    /// One host fewer, from the end, and nothing said of it any more.
    fileprivate mutating func dropLastHost() {
        if observers > 0 {
            observers -= 1
        } else if sensors > 0 {
            sensors -= 1
        } else if hotspots > 0 {
            hotspots -= 1
        } else if validators > 1 {
            validators -= 1
        }
        let hosts = hosts
        byzantine.removeAll { $0.host >= hosts }
        radio.silent.removeAll { $0 >= hosts }
        radio.farm.removeAll { $0 >= hosts }
        stakes = Array(stakes.prefix(validators))
        expects.halted.removeAll { $0 >= hosts }
        expects.ignored.removeAll { $0 >= hosts }
        for place in faults.indices {
            faults[place].hosts.removeAll { $0 >= hosts }
            faults[place].others.removeAll { $0 >= hosts }
        }
        faults.removeAll { $0.hosts.isEmpty }
    }
}
