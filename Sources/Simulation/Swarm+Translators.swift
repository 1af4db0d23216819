internal import Chance

extension Plan {
    /// A seed of the swarm with edge nodes, in real sessions, and translators of addresses before some hosts, of every kind
    /// and for as long as the run lasts: faults that heal, as the swarm has, are met by nodes that cannot reach each other.
    ///
    /// Of the honest validators one more than may be dishonest is reached by anybody: a network of which nobody is
    /// cannot come together.
    public static func translatorSwarm(seed: UInt64) -> Plan {
        var plan = edgeSwarm(seed: seed)
        var chance = Chance(seed: seed &+ 0x4E41_5453)
        plan.name = "translator swarm"
        plan.sealed = true
        // A translator's memory is short against an epoch, or none of it matters.
        plan.epochMilliseconds *= 4
        plan.patience = max(plan.patience, 60 * plan.epochMilliseconds)
        let dishonest = Set(plan.byzantine.map(\.host))
        var honest = (0..<plan.validators).filter { !dishonest.contains($0) }
        chance.shuffle(&honest)
        let reached = Set(honest.prefix((plan.validators - 1) / 3 + 1))
        let kinds: [Fault.Kind?] = [nil, .nat, .fullCone, .symmetric]
        var behind: [Fault.Kind: [Int]] = [:]
        for host in 0..<plan.hosts where !reached.contains(host) {
            if let kind = kinds[chance.below(kinds.count)] { behind[kind, default: []].append(host) }
        }
        for kind in kinds.compactMap(\.self) {
            guard let hosts = behind[kind] else { continue }
            let life = 20_000 + chance.below(100_000)
            plan.faults.append(Fault(kind, at: 0, until: forEver, hosts: hosts, amount: life))
        }
        return plan
    }

    /// The end of faults that outlast any run, in milliseconds: three years.
    static let forEver = 100_000_000_000
}
