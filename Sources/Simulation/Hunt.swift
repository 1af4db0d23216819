package import Rules

/// How the simulator looks for a rule that is switched off: the plan of each try, and after how many it gives up.
///
/// The plans bring about what the rule is there for. Removing a rule that none of them, and none of the checkers,
/// notices would mean that it is untested or not needed.
package struct Hunt: Sendable {
    package let rule: Rule
    /// What a plan of it has, in a few words.
    package let circumstance: String
    package let seedsMax: UInt64
    private let draw: @Sendable (inout Plan) -> Void

    init(
        _ rule: Rule, _ circumstance: String, seeds: UInt64 = 20,
        _ draw: @escaping @Sendable (inout Plan) -> Void
    ) {
        self.rule = rule
        self.circumstance = circumstance
        seedsMax = seeds
        self.draw = draw
    }

    package func plan(seed: UInt64) -> Plan {
        var plan = Plan()
        plan.name = "without \(rule.rawValue)"
        plan.epochMilliseconds = 1_000
        plan.deltaMilliseconds = 100
        plan.epochs = 4
        plan.seed = seed
        draw(&plan)
        return plan
    }

    /// One for every rule, in their order.
    package static let all: [Hunt] = Rule.allCases.map { hunt(for: $0) }

    private static func hunt(for rule: Rule) -> Hunt {
        switch rule {
        case .proposeJustified, .notarizeJustified, .notarizeOnce, .notarizeExecuted, .inclusion,
            .unstakingInclusion, .finalizeOwnNotarized, .finalizeNotNullified, .quorum, .timersAfterRestart,
            .summaries, .gathering, .hastyViews:
            consensus(rule)
        case .durableBeforeSent, .contentsDurable, .copyObserves, .copySignsNoBundle, .sameBundleAgain,
            .sealedRecords,
            .revealAfterFinality:
            said(rule)
        case .voteSignatures, .finalitySignatures, .bundleSignatures, .transactionSignatures,
            .registeredAuthors, .cardSignatures, .validateBeforeForward, .justificationSignatures,
            .leadersVote, .faultsCount:
            believed(rule)
        case .replayWindow, .cookieBinding, .mac1, .recordSequence, .prefixLimits, .introductionLimits,
            .nearPlaces:
            admitted(rule)
        case .registryDelay, .conflictSuspends, .transactionOrder, .ascendingAuthors, .balancedBooks,
            .accountFee, .divergenceHalts:
            executed(rule)
        case .edgeQuorum, .edgeVoteSignatures, .edgeVotesOfHeader, .edgeCommittees, .edgeInclusion,
            .edgeRegistry, .edgeCards, .edgeAsksOthers:
            edge(rule)
        case .chunkDigests, .sketchLimits, .keyedShortIDs: exchanged(rule)
        case .copyRepeatsNoVotes, .authorsAreHints, .relaysOfUse, .answersPings, .asksAtHome,
            .sessionsAskAtHome, .onlyQuestionsSleep, .heedsLaterEpochs, .sketchVersions, .servesAsked:
            found(rule)
        }
    }

    /// Long delays and much loss, so that validators see different certificates.
    private static func split(_ plan: inout Plan) {
        plan.healsAt = 30_000
        plan.epochs = 8
        plan.roughLinks = Links()
        plan.roughLinks?.latencyMicrosecondsMax = 250_000
        plan.roughLinks?.lossPermille = 350
    }

    private static func consensus(_ rule: Rule) -> Hunt {
        switch rule {
        case .notarizeJustified:
            Hunt(rule, "certificate splits, a forker", seeds: 100) { plan in
                split(&plan)
                plan.byzantine = [Byzantine(host: 0, .forker)]
            }
        case .notarizeOnce:
            Hunt(rule, "a forker", seeds: 60) { plan in
                plan.byzantine = [Byzantine(host: 0, .forker)]
                // Time enough to fetch the second block before the view is left.
                plan.deltaMilliseconds = 400
                plan.epochs = 6
            }
        case .notarizeExecuted:
            Hunt(rule, "a forker whose second block is false") { plan in
                plan.byzantine = [Byzantine(host: 0, .falseForker)]
                plan.deltaMilliseconds = 400
                plan.epochs = 6
            }
        case .inclusion:
            Hunt(rule, "a censoring leader") { plan in
                plan.byzantine = [Byzantine(host: 0, .censoringLeader)]
                plan.expects.everyBundle = true
            }
        case .unstakingInclusion:
            Hunt(rule, "one with much stake, who hears of no unstaking", seeds: 60) { plan in
                plan.byzantine = [Byzantine(host: 0, .unstakingCensor)]
                plan.stakes = [4, 3, 3, 3]
                plan.clients.transfersPerSecond = 2
                plan.clients.changesPercent = 100
                plan.clients.leavers = 3
                plan.expects.unstakingEpochsMax = 2
            }
        case .timersAfterRestart:
            Hunt(rule, "all restart while they vote") { plan in
                plan.healsAt = 4_000
                // View 1 begins at 1,200 ms; later a block could be notarized whose contents nobody has after a restart.
                let at = 1_203 + Int(plan.seed) % 5
                plan.faults = [Fault(.crash, at: at, until: at + 200, hosts: [0, 1, 2, 3])]
            }
        case .quorum: Hunt(rule, "nothing wrong") { _ in }
        case .summaries:
            Hunt(rule, "halves that do not hear each other's votes") { plan in
                plan.healsAt = 4_000
                plan.faults = [Fault(.partition, at: 1_100, until: 4_000, hosts: [0, 1])]
            }
        case .gathering:
            Hunt(rule, "a bundle is lost before the window's end") { plan in
                plan.healsAt = 1_000
                plan.faults = [Fault(.partition, at: 700, until: 960, hosts: [3])]
                plan.expects.everyBundle = true
            }
        case .hastyViews:
            Hunt(rule, "machines with broken memories, of which no two compute the same") { plan in
                plan.links.latencyMicrosecondsMax = 5_000
                plan.healsAt = 10_000
                plan.faults = (1..<4).map {
                    Fault(.oddState, at: 300, until: 1_000, hosts: [$0], amount: $0)
                }
                plan.faults.append(Fault(.crash, at: 9_000, until: 9_500, hosts: [1, 2, 3]))
            }
        case .proposeJustified:
            Hunt(rule, "some hear of no nullification of the odd views", seeds: 60) { plan in
                plan.epochs = 6
                plan.healsAt = 30_000
                let all = Array(0..<4)
                plan.faults = [
                    Fault(.splitVotes, at: 500, until: 30_000, hosts: all),
                    Fault(.splitVotes, at: 500, until: 30_000, hosts: all, amount: 1),
                ]
            }
        default: Hunt(rule, "certificate splits", seeds: 60) { split(&$0) }
        }
    }

    private static func said(_ rule: Rule) -> Hunt {
        switch rule {
        case .contentsDurable:
            Hunt(rule, "all restart between notarization and finality") { plan in
                plan.healsAt = 1_500
                let at = 1_200 + Int(plan.seed) * 6
                plan.faults = [Fault(.crash, at: at, until: 1_500, hosts: [0, 1, 2, 3])]
            }
        case .copyObserves:
            Hunt(rule, "a store is put back that lacks a vote, and no one reminds of it", seeds: 60) { plan in
                split(&plan)
                plan.roughLinks?.lossPermille = 0
                plan.healsAt = 8_000
                let end = 1_500 + Int(plan.seed) * 37 % 600
                plan.faults = [
                    Fault(.staleStore, at: 1_230, until: end + 50, hosts: [3]),
                    Fault(.partition, at: end, until: 7_500, hosts: [3]),
                ]
            }
        case .copySignsNoBundle:
            Hunt(rule, "a hotspot's store is lost while nothing can be decided") { plan in
                plan.beaconPermille = 1_000
                plan.hotspots = 1
                plan.healsAt = 5_000
                plan.faults = [
                    Fault(.crash, at: 700, until: 4_500, hosts: [2, 3]),
                    Fault(.wipe, at: 850, until: 900, hosts: [4]),
                ]
            }
        case .sameBundleAgain:
            Hunt(rule, "all restart after their bundles, a radio spoofer") { plan in
                plan.beaconPermille = 1_000
                plan.hotspots = 1
                plan.byzantine = [Byzantine(host: 4, .radioSpoofer)]
                plan.healsAt = 4_000
                plan.faults = [Fault(.crash, at: 900, until: 950, hosts: [0, 1, 2, 3])]
            }
        case .sealedRecords:
            Hunt(rule, "bits of remembered votes flip while an epoch is open", seeds: 200) { plan in
                plan.healsAt = 5_000
                let at = 2_000 + Int(plan.seed) * 7
                plan.faults = [
                    // Without them nothing is decided, and votes are of use.
                    Fault(.crash, at: 1_190, until: 5_000, hosts: [0, 1]),
                    Fault(.bitFlip, at: at, until: at + 50, hosts: [2], amount: 1),
                ]
            }
        case .revealAfterFinality:
            Hunt(rule, "every hotspot beacons") { $0.beaconPermille = 1_000 }
        default: Hunt(rule, "nothing wrong") { _ in }
        }
    }

    private static func believed(_ rule: Rule) -> Hunt {
        if rule == .cardSignatures {
            return Hunt(rule, "a forger of cards") { $0.byzantine = [Byzantine(host: 0, .recordForger)] }
        }
        if rule == .justificationSignatures {
            return Hunt(rule, "certificate splits, a forger of certificates") { plan in
                split(&plan)
                plan.byzantine = [Byzantine(host: 0, .certificateForger)]
            }
        }
        if rule == .leadersVote {
            return Hunt(rule, "a usurper") { $0.byzantine = [Byzantine(host: 0, .usurper)] }
        }
        return Hunt(rule, rule == .finalitySignatures ? "a forger, hosts that were away" : "a forger") {
            plan in
            plan.byzantine = [Byzantine(host: 0, .forger)]
            if rule == .faultsCount { plan.expects.ignored = [0] }
            guard rule == .finalitySignatures else { return }
            plan.epochs = 8
            plan.healsAt = 6_000
            plan.faults = [Fault(.crash, at: 1_500, until: 4_500, hosts: [2])]
        }
    }

    private static func admitted(_ rule: Rule) -> Hunt {
        switch rule {
        case .cookieBinding:
            Hunt(rule, "a spoofer in a sealed world") { plan in
                plan.sealed = true
                plan.healsAt = 5_000
                plan.faults = [Fault(.spoof, at: 500, until: 5_000, hosts: [1], amount: 500)]
            }
        case .mac1:
            Hunt(rule, "garbage in a sealed world") { plan in
                plan.sealed = true
                plan.healsAt = 2_000
                plan.faults = [Fault(.garbage, at: 500, until: 1_500, hosts: [1], amount: 100)]
            }
        case .recordSequence:
            Hunt(rule, "hosts start again, one after the other", seeds: 60) { plan in
                plan.validators = 7
                plan.epochs = 6
                plan.healsAt = 8_000
                plan.faults = (0..<12).map { turn in
                    Fault(.crash, at: 1_000 + 500 * turn, until: 1_400 + 500 * turn, hosts: [turn % 6])
                }
            }
        case .introductionLimits:
            Hunt(rule, "an introducer in a sealed world") { plan in
                plan.sealed = true
                plan.byzantine = [Byzantine(host: 0, .introducer)]
            }
        case .nearPlaces:
            Hunt(rule, "sixteen hosts, each with a place") { plan in
                plan.hotspots = 12
                plan.epochs = 12
            }
        case .prefixLimits:
            Hunt(rule, "an eclipser") { $0.byzantine = [Byzantine(host: 0, .eclipser)] }
        default:
            Hunt(rule, "a network that says things twice, in a sealed world") { plan in
                plan.sealed = true
                plan.links.duplicatePermille = 200
            }
        }
    }

    private static func executed(_ rule: Rule) -> Hunt {
        switch rule {
        case .registryDelay:
            Hunt(rule, "wallets change stakes and devices") { plan in
                plan.hotspots = 2
                plan.epochs = 8
                plan.clients.transfersPerSecond = 5
                plan.clients.targets = 2
                plan.clients.changesPercent = 50
            }
        case .conflictSuspends:
            Hunt(rule, "an equivocator") { $0.byzantine = [Byzantine(host: 0, .equivocator)] }
        case .accountFee:
            Hunt(rule, "an opener of accounts") { $0.byzantine = [Byzantine(host: 0, .accountOpener)] }
        case .ascendingAuthors:
            Hunt(rule, "a forger of lists") { $0.byzantine = [Byzantine(host: 0, .listForger)] }
        case .divergenceHalts:
            Hunt(rule, "a host with a broken memory") { plan in
                plan.epochs = 8
                plan.healsAt = 8_000
                plan.hotspots = 1
                plan.faults = [Fault(.oddState, at: 3_000, until: 8_000, hosts: [2])]
                plan.expects.halted = [2]
            }
        default:
            Hunt(rule, "impatient wallets") { plan in
                plan.clients.transfersPerSecond = 20
                plan.clients.targets = 4
                plan.clients.repeats = 3
                plan.clients.conflictsPercent = 30
            }
        }
    }
}
