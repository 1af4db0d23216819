internal import Chance

extension Plan {
    /// Each seed draws its own set of faults and intensities, so that rare combinations meet.
    ///
    /// After "Swarm Testing" (Groce et al., 2012): every kind of fault is there or not by itself, and so is every
    /// habit of a Byzantine host. Byzantine hosts and those whose stores are lost or put back are fewer than a
    /// third of the validators together; all faults end before `healsAt`.
    public static func swarm(seed: UInt64) -> Plan {
        var chance = Chance(seed: seed &+ 0x5357_4152)
        var plan = Plan()
        plan.name = "swarm"
        plan.seed = seed
        // Four to sixteen hosts; small worlds more often, as they meet more in the same time.
        plan.validators = 4 + min(chance.below(7), chance.below(7))
        plan.hotspots = chance.below(4)
        plan.sensors = chance.below(3)
        plan.observers = chance.below(2)
        plan.epochs = 5
        plan.epochsAfterHealing = 3
        plan.epochMilliseconds = 1_000 + chance.below(1_000)
        plan.deltaMilliseconds = 100 + chance.below(200)
        // By chances of its own: the rest of a seed's plan is the same, sealed or not.
        var seals = Chance(seed: seed &+ 0x5345_414C)
        plan.sealed = seals.happens(1, in: 3)
        guard !chance.happens(1, in: 20) else { return plan }
        plan.healsAt = 5_000 + chance.below(10_000)
        var rough = Links()
        rough.latencyMicrosecondsMax = 20_000 + chance.below(200_000)
        if chance.happens(1, in: 2) { rough.lossPermille = chance.below(600) }
        if chance.happens(1, in: 2) { rough.duplicatePermille = chance.below(300) }
        if chance.happens(1, in: 2) { rough.reorderPermille = chance.below(300) }
        if chance.happens(1, in: 2) { rough.corruptPermille = 1 + chance.below(100) }
        if chance.happens(1, in: 2) { rough.truncatePermille = 1 + chance.below(100) }
        plan.roughLinks = rough
        // Validators that may be Byzantine or lose their stores.
        var validators = Array(0..<plan.validators)
        chance.shuffle(&validators)
        let bad = Array(validators.prefix((plan.validators - 1) / 3))
        let byzantine = chance.happens(4, in: 5) ? Array(bad.prefix(1 + chance.below(bad.count))) : []
        for host in byzantine {
            let habits = Byzantine.Behaviour.swarm.filter { _ in chance.happens(1, in: 3) }
            let used = habits.isEmpty ? [chance.pick(Byzantine.Behaviour.swarm)!] : habits
            plan.byzantine += used.map { Byzantine(host: host, $0) }
        }
        // By chances of their own too: unequal stakes, of which those that may be bad have the least; and what else they do.
        var later = Chance(seed: seed &+ 0x4C41_5445)
        if later.happens(1, in: 3) {
            plan.stakes = (0..<plan.validators).map { bad.contains($0) ? 3 : 3 + later.below(3) }
        }
        for host in byzantine where later.happens(1, in: 2) {
            plan.byzantine.append(Byzantine(host: host, later.pick(Byzantine.Behaviour.swarmLater)!))
        }
        var leaders = Chance(seed: seed &+ 0x4C45_4144)
        for host in byzantine where leaders.happens(1, in: 4) {
            plan.byzantine.append(Byzantine(host: host, leaders.pick(Byzantine.Behaviour.swarmLeaders)!))
        }
        var last = Chance(seed: seed &+ 0x4C41_5354)
        for host in byzantine where last.happens(1, in: 4) {
            plan.byzantine.append(Byzantine(host: host, last.pick(Byzantine.Behaviour.swarmLast)!))
        }
        var forgers = Chance(seed: seed &+ 0x464F_5247)
        for host in byzantine where forgers.happens(1, in: 4) {
            plan.byzantine.append(Byzantine(host: host, forgers.pick(Byzantine.Behaviour.swarmForgers)!))
        }
        let forgetful = Array(bad.dropFirst(byzantine.count)) + Array(plan.validators..<plan.hosts)
        for kind in Fault.Kind.swarm where chance.happens(2, in: 5) {
            for _ in 0...chance.below(3) {
                if let fault = fault(kind, plan, forgetful: forgetful, &chance) { plan.faults.append(fault) }
            }
        }
        // What strangers send is dropped unread where nothing is sealed.
        if plan.sealed {
            for kind in [Fault.Kind.garbage, .spoof] where later.happens(7, in: 10) {
                if let fault = fault(kind, plan, forgetful: forgetful, &later) { plan.faults.append(fault) }
            }
        }
        if chance.happens(1, in: 3) {
            plan.clients.transfersPerSecond = 1 + chance.below(10)
            plan.clients.targets = 1 + chance.below(plan.hosts)
            plan.clients.repeats = 1 + chance.below(3)
            plan.clients.conflictsPercent = chance.below(50)
        }
        plan.changeSeats(mayLose: bad.count)
        if chance.happens(1, in: 3) { plan.radio.lossPermille = 1 + chance.below(500) }
        if chance.happens(1, in: 3) { plan.radio.silent = [chance.below(plan.hosts)] }
        if chance.happens(1, in: 3) {
            plan.radio.farm = (0..<plan.hosts).filter { _ in chance.happens(1, in: 3) }
        }
        return plan
    }

    /// In a third of the worlds in which those that may be bad stay few enough: a new committee in every epoch, one that
    /// gives its seat up, and one that takes one. By chances of its own.
    private mutating func changeSeats(mayLose bad: Int) {
        var chance = Chance(seed: seed &+ 0x5345_4154)
        guard chance.happens(1, in: 3), stakes.isEmpty, bad * 3 < validators - 1 else { return }
        committeeEpochs = 1
        // A change takes effect four epochs after its block.
        epochs = 10
        clients.transfersPerSecond = max(clients.transfersPerSecond, 2)
        clients.targets = max(clients.targets, 2)
        clients.changesPercent = 50
        clients.leavers = 1
        clients.joiners = min(hotspots, 1)
    }

    private static func fault(
        _ kind: Fault.Kind, _ plan: Plan, forgetful: [Int], _ chance: inout Chance
    ) -> Fault? {
        let at = 500 + chance.below(plan.healsAt - 1_000)
        let until = at + 1 + chance.below(plan.healsAt - at)
        var hosts =
            [.bitFlip, .staleStore, .wipe, .oddState].contains(kind) ? forgetful : Array(0..<plan.hosts)
        guard !hosts.isEmpty else { return nil }
        chance.shuffle(&hosts)
        let isOfAll = kind == .flap || kind == .splitVotes
        let count = isOfAll ? hosts.count : 1 + chance.below(max(1, hosts.count / 2))
        let some = Array(hosts.prefix(count)).sorted()
        let amount =
            switch kind {
            case .loss: chance.below(1_000)
            case .jump: chance.below(20_000)
            case .skew: chance.below(50_000)
            case .slowDisk: 10 + chance.below(500)
            case .bandwidth: 8 + chance.below(500)
            case .nat: 1_000 + chance.below(30_000)
            case .swizzle: chance.below(16)
            case .garbage, .spoof: 100 + chance.below(400)
            case .flap: plan.deltaMilliseconds * (4 + chance.below(9))
            default: 0
            }
        let others = kind == .cut && chance.happens(1, in: 2) ? [hosts[hosts.count - 1]] : []
        return Fault(kind, at: at, until: until, hosts: some, others: others, amount: amount)
    }
}
