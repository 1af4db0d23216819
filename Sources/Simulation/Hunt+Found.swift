internal import Rules

/// Bugs that the simulator found, put back one at a time: each mended line is a rule that can be switched off.
extension Hunt {
    static func found(_ rule: Rule) -> Hunt {
        switch rule {
        case .copyRepeatsNoVotes:
            Hunt(rule, "a store with votes of the open epoch is put back") { plan in
                plan.validators = 5
                plan.healsAt = 6_000
                let at = 2_400 + Int(plan.seed) * 100
                plan.faults = [
                    // Without them nothing is decided.
                    Fault(.crash, at: 1_190, until: 6_000, hosts: [0, 1]),
                    Fault(.staleStore, at: at, until: at + 400, hosts: [2]),
                ]
            }
        case .authorsAreHints:
            Hunt(rule, "a liar about evidence, and a host that was away for epochs", seeds: 60) { plan in
                plan.epochs = 4
                plan.healsAt = 9_000
                plan.patience = 6_000
                plan.byzantine = [Byzantine(host: 0, .evidenceLiar)]
                plan.faults = [Fault(.partition, at: 200, until: 9_000, hosts: [1])]
            }
        case .relaysOfUse: Hunt(rule, "a flooder") { $0.byzantine = [Byzantine(host: 0, .flooder)] }
        case .answersPings:
            Hunt(rule, "a host that slept for half a minute") { plan in
                plan.epochs = 36
                plan.healsAt = 30_000 + Int(plan.seed) * 1_000
                // It takes the others for peers yet when it wakes; they dial it seldom.
                plan.patience = 4_000
                plan.faults = [Fault.Kind.partition, .pause].map {
                    Fault($0, at: 2_000, until: plan.healsAt, hosts: [0])
                }
            }
        case .asksAtHome:
            Hunt(rule, "hosts that moved, and moved back while they slept", moveBackUnheard)
        case .sessionsAskAtHome:
            Hunt(rule, "the same in a sealed world") { plan in
                moveBackUnheard(&plan)
                plan.sealed = true
            }
        case .onlyQuestionsSleep:
            Hunt(rule, "hosts crash while others are not heard, after minutes in which nobody was wanted") {
                plan in
                plan.hotspots = 16
                plan.epochMilliseconds = 60_000
                plan.healsAt = 260_000
                plan.patience = 120_000
                // Peers say goodbye to whom they hear no more: it then wants others while it asks after the crashed ones.
                plan.faults = [
                    Fault(.crash, at: 150_000, until: 260_000, hosts: Array(14..<20)),
                    Fault(.cut, at: 148_000, until: 160_000, hosts: Array(4..<8)),
                ]
            }
        case .heedsLaterEpochs:
            Hunt(rule, "a host that lost its disk, and whose vote nobody needs") { plan in
                plan.observers = 2
                plan.epochs = 2
                plan.epochsAfterHealing = 3
                plan.epochMilliseconds = 1_700
                plan.deltaMilliseconds = 400
                plan.healsAt = 6_000
                plan.patience = 10_000
                plan.faults = [Fault(.wipe, at: 1_000, until: 6_000, hosts: [4])]
            }
        case .sketchVersions:
            Hunt(
                rule,
                "halves that were apart for a window, and hosts that start again and again when they meet"
            ) {
                plan in
                plan.hotspots = 60
                plan.beaconPermille = 1_000
                plan.epochs = 3
                plan.epochMilliseconds = 3_000
                plan.deltaMilliseconds = 300
                plan.healsAt = 5_500
                // Dials of one life arrive after the first cells of a round.
                plan.roughLinks = Links()
                plan.roughLinks?.latencyMicrosecondsMax = 300_000
                // So much differs that one flight of cells does not do.
                let half = Array(stride(from: 0, to: 64, by: 2))
                plan.faults = [Fault(.partition, at: 2_000, until: 2_700, hosts: half)]
                for host in 4..<64 {
                    let first = 2_600 + (host * 37 + Int(plan.seed) * 11) % 400
                    for at in [first, first + 100, first + 200] {
                        plan.faults.append(Fault(.crash, at: at, until: at + 30, hosts: [host]))
                    }
                }
            }
        case .servesAsked:
            Hunt(
                rule,
                "a leader who names a bundle that only one half is given, and one of the other does not hear of it"
            ) {
                plan in
                plan.beaconPermille = 1_000
                plan.byzantine = [Byzantine(host: 0, .thirdBundle)]
                plan.deltaMilliseconds = 300
                plan.healsAt = 4_000
                plan.patience = 10_000
                plan.faults = [Fault(.partition, at: 1_150, until: 4_000, hosts: [2])]
            }
        default: Hunt(rule, "nothing wrong") { _ in }
        }
    }

    private static func moveBackUnheard(_ plan: inout Plan) {
        plan.healsAt = 3_700
        plan.patience = 3_500
        // One after the other, so that the others hear of it; and back all at one time, so that nobody does.
        plan.faults = (0..<plan.hosts).map {
            Fault(.readdress, at: 1_000 + 300 * $0, until: 3_500, hosts: [$0])
        }
        plan.faults.append(Fault(.pause, at: 3_300, until: 3_700, hosts: Array(0..<plan.hosts)))
    }
}
