internal import Rules

/// What an edge node must check of what validators tell it.
extension Hunt {
    static func edge(_ rule: Rule) -> Hunt {
        switch rule {
        case .edgeCommittees:
            Hunt(rule, "a lying uplink, committees that change") { plan in
                liars(&plan)
                plan.epochs = 14
                plan.clients.transfersPerSecond = 5
                plan.clients.targets = 3
                plan.clients.changesPercent = 100
            }
        case .edgeInclusion:
            Hunt(rule, "a lying uplink, bundles that come too late") { plan in
                liars(&plan)
                plan.healsAt = 12_000
                let edges = Array(plan.fullHosts..<plan.hosts)
                // Each is cut off when it hands in its bundle, and hears again when the block is final.
                plan.faults = (0..<5).map { epoch in
                    let begins = 600 + epoch * 2_300
                    return Fault(.cut, at: begins, until: begins + 1_600, hosts: edges)
                }
            }
        case .edgeAsksOthers:
            Hunt(rule, "three validators that keep bundles to themselves") { plan in
                plan.validators = 10
                plan.edges = 30
                plan.epochMilliseconds = 6_000
                plan.byzantine = [0, 3, 7].map { Byzantine(host: $0, .hoardingUplink) }
                plan.expects.everyBundle = true
            }
        default: Hunt(rule, "a lying uplink") { liars(&$0) }
        }
    }

    private static func liars(_ plan: inout Plan) {
        plan.edges = 6
        plan.epochMilliseconds = 2_000
        plan.byzantine = [Byzantine(host: 1, .lyingUplink)]
    }
}
