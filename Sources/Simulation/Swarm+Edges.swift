internal import Chance

extension Plan {
    /// A seed of the swarm with edge nodes besides, faults upon them, and dishonest validators that lie to them too. By
    /// chances of its own: the seeds of the swarm without edge nodes mean what they meant.
    public static func edgeSwarm(seed: UInt64) -> Plan {
        var plan = swarm(seed: seed)
        var chance = Chance(seed: seed &+ 0x4544_4745)
        plan.name = "edge swarm"
        plan.edges = 1 + chance.below(6)
        // Habits that the swarm got later draw nothing here, so that the seeds mean what they meant.
        let later = Byzantine.Behaviour.swarmLeaders + Byzantine.Behaviour.swarmLast
        let members = plan.byzantine.filter { !later.contains($0.behaviour) }
        for member in members where member.host < plan.validators && chance.happens(1, in: 2) {
            plan.byzantine.append(
                Byzantine(host: member.host, chance.happens(2, in: 3) ? .lyingUplink : .hoardingUplink))
        }
        guard plan.healsAt > 0 else { return plan }
        let kinds: [Fault.Kind] = [
            .crash, .pause, .partition, .loss, .jump, .skew, .nat, .readdress, .slowDisk, .tornBatch,
            .bitFlip,
            .fullDisk, .wipe, .staleStore, .upgrade, .bandwidth,
        ]
        let hosts = Array(plan.fullHosts..<plan.hosts)
        for kind in kinds where chance.happens(1, in: 4) {
            for _ in 0...chance.below(2) {
                let at = 500 + chance.below(plan.healsAt - 1_000)
                let until = at + 1 + chance.below(plan.healsAt - at)
                let amount =
                    switch kind {
                    case .loss: chance.below(1_000)
                    case .jump: chance.below(20_000)
                    case .skew: chance.below(50_000)
                    case .slowDisk: 10 + chance.below(500)
                    case .bandwidth: 8 + chance.below(500)
                    case .nat: 1_000 + chance.below(30_000)
                    default: 0
                    }
                let some = hosts.filter { _ in chance.happens(1, in: 2) }
                plan.faults.append(Fault(kind, at: at, until: until, hosts: some, amount: amount))
            }
        }
        return plan
    }
}
