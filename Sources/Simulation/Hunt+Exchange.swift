internal import Rules

/// What a node must check of pieces and cells, and what nobody may know of these.
extension Hunt {
    static func exchanged(_ rule: Rule) -> Hunt {
        switch rule {
        case .chunkDigests:
            Hunt(rule, "a forger of chunks, a host that only it hears") { plan in
                plan.validators = 7
                plan.byzantine = [Byzantine(host: 0, .chunkForger)]
                // What nodes of this process decoded for each other goes by digests: a forged one would tell all the truth.
                plan.verifiesEveryTime = true
                plan.healsAt = 1_000
                plan.faults = [
                    Fault(.cut, at: 700, until: 960, hosts: [6], others: [1, 2, 3, 4, 5])
                ]
                plan.expects.everyBundle = true
            }
        case .sketchLimits:
            Hunt(rule, "a forger of sketches") { plan in
                plan.byzantine = [Byzantine(host: 0, .sketchForger)]
                plan.expects.ignored = [0]
            }
        default:
            Hunt(rule, "halves whose bundles are lost to the other, a grinder in each") { plan in
                plan.hotspots = 8
                plan.epochs = 2
                // A few more questions than a sketch needs are more than there is time for.
                plan.links.latencyMicrosecondsMin = 20_000
                plan.links.latencyMicrosecondsMax = 25_000
                plan.byzantine = [4, 7].map { Byzantine(host: $0, .itemGrinder) }
                plan.healsAt = 1_000
                plan.faults = [Fault(.partition, at: 700, until: 960, hosts: [3, 7, 8, 9, 10, 11])]
                plan.expects.everyBundle = true
            }
        }
    }
}
