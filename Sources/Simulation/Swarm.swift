internal import Chance

extension Plan {
    /// Each seed draws its own set of faults and intensities, so that rare combinations meet.
    ///
    /// After "Swarm Testing" (Groce et al., 2012): every kind of fault is there or not by itself. Byzantine hosts
    /// are fewer than a third; all faults end before `healsAt`.
    public static func swarm(seed: UInt64) -> Plan {
        var chance = Chance(seed: seed &+ 0x5357_4152)
        var plan = Plan()
        plan.name = "swarm"
        plan.seed = seed
        plan.validators = 4 + chance.below(4)
        plan.hotspots = chance.below(3)
        plan.sensors = chance.below(2)
        plan.observers = chance.below(2)
        plan.epochs = 5
        plan.epochMilliseconds = 1_000 + chance.below(1_000)
        plan.deltaMilliseconds = 100 + chance.below(200)
        guard !chance.happens(1, in: 10) else { return plan }
        plan.healsAt = 5_000 + chance.below(10_000)
        var rough = Links()
        rough.latencyMicrosecondsMax = 20_000 + chance.below(200_000)
        if chance.happens(1, in: 2) { rough.lossPermille = chance.below(600) }
        if chance.happens(1, in: 2) { rough.duplicatePermille = chance.below(300) }
        if chance.happens(1, in: 2) { rough.reorderPermille = chance.below(300) }
        if chance.happens(1, in: 2) { rough.corruptPermille = chance.below(100) }
        if chance.happens(1, in: 2) { rough.truncatePermille = chance.below(100) }
        plan.roughLinks = rough
        for kind in Fault.Kind.allCases where chance.happens(1, in: 2) {
            for _ in 0...chance.below(3) { plan.faults.append(fault(kind, plan, &chance)) }
        }
        if chance.happens(1, in: 2) {
            var hosts = Array(0..<plan.validators)
            chance.shuffle(&hosts)
            let behaviours = Byzantine.Behaviour.allCases
            for host in hosts.prefix(1 + chance.below((plan.validators - 1) / 3)) {
                plan.byzantine.append(Byzantine(host: host, behaviours[chance.below(behaviours.count)]))
            }
        }
        if chance.happens(1, in: 4) { plan.radio.lossPermille = chance.below(500) }
        if chance.happens(1, in: 4) { plan.radio.silent = [chance.below(plan.hosts)] }
        return plan
    }

    private static func fault(_ kind: Fault.Kind, _ plan: Plan, _ chance: inout Chance) -> Fault {
        let at = 500 + chance.below(plan.healsAt - 1_000)
        let until = at + 1 + chance.below(plan.healsAt - at)
        var hosts = Array(0..<plan.hosts)
        chance.shuffle(&hosts)
        let some = Array(hosts.prefix(1 + chance.below(max(1, plan.hosts / 2)))).sorted()
        let amount =
            switch kind {
            case .loss: chance.below(1_000)
            case .jump: chance.below(20_000)
            case .skew: chance.below(50_000)
            case .slowDisk: 10 + chance.below(500)
            case .partition, .cut, .clog, .crash, .pause: 0
            }
        let others = kind == .cut && chance.happens(1, in: 2) ? [hosts[plan.hosts - 1]] : []
        return Fault(kind, at: at, until: until, hosts: some, others: others, amount: amount)
    }
}
