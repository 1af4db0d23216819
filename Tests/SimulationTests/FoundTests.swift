import Foundation
import Rules
@testable import Simulation
import Testing

/// What the simulator found, each as the smallest plan that showed it.
@Suite struct FoundTests {
    /// The votes in a store that was put back broke an invariant of a node without a seat: it trapped at every start.
    @Test(arguments: [2_700, 4_600])
    func `a validator starts from a store put back while an epoch was open`(
        _ at: Int
    ) {
        var plan = Plan()
        plan.validators = 5
        plan.healsAt = at + 400
        plan.faults = [Fault(.staleStore, at: at, until: at + 400, hosts: [3])]
        #expect(World(plan: plan).run().violations.map(\.what) == [])
    }

    /// A node that caught up from an older store signed a second bundle for an epoch that its key had signed for.
    @Test func `a hotspot whose older store was put back signs no second bundle`() {
        var plan = Plan()
        plan.hotspots = 3
        plan.healsAt = 12_000
        plan.faults = [
            Fault(.staleStore, at: 2_500, until: 10_200, hosts: [4]),
            Fault(.wipe, at: 9_000, until: 10_300, hosts: [5]),
        ]
        #expect(World(plan: plan).run().violations.map(\.what) == [])
    }

    /// One flipped bit in a remembered vote, a block or a bundle went unnoticed.
    @Test(arguments: 0..<4) func `a bit that flips on the disk is found or does no harm`(_ seed: UInt64) {
        var plan = Plan()
        plan.seed = seed
        plan.validators = 5
        plan.epochs = 5
        plan.healsAt = 7_000
        plan.faults = [Fault(.bitFlip, at: 4_000 + Int(seed) * 170, until: 6_500, hosts: [2])]
        #expect(World(plan: plan).run().violations.map(\.what) == [])
    }

    /// A list of evidence whose authors were changed on the way matched its header, and whoever took it waited for
    /// ever for bundles that it held: one wrong bit stopped a node that was catching up for good.
    @Test(arguments: 0..<2) func `evidence lists that are spoilt on the way stop nobody`(_ seed: UInt64) {
        var plan = Plan()
        plan.seed = seed
        plan.validators = 5
        plan.hotspots = 2
        plan.epochs = 8
        plan.healsAt = 12_000
        plan.roughLinks = Links()
        plan.roughLinks?.corruptPermille = 150
        plan.faults = [
            Fault(.wipe, at: 3_000, until: 6_000, hosts: [1]),
            Fault(.crash, at: 1_000, until: 7_000, hosts: [5]),
        ]
        #expect(World(plan: plan).run().violations.map(\.what) == [])
    }

    /// All who held what stands behind a notarized header restarted before it was final: nobody could execute it.
    @Test(arguments: [2_620, 2_630, 2_640, 2_650])
    func `a power cut of all between notarization and finality stops nobody`(
        _ at: Int
    ) {
        var plan = Plan()
        plan.epochs = 2
        plan.healsAt = at + 200
        plan.patience = 20_000
        plan.faults = [Fault(.crash, at: at, until: at + 200, hosts: [0, 1, 2, 3])]
        #expect(World(plan: plan).run().violations.map(\.what) == [])
    }

    /// Seed 3485 of the swarm: what strangers may make a host do in a second was counted by the world's seconds, and a host
    /// whose clock jumps lives through more than one of its own in one of these.
    @Test func `a host whose clock jumps works no more for strangers than in so many seconds of its own`() {
        var plan = Plan()
        plan.sealed = true
        plan.epochs = 2
        plan.healsAt = 4_000
        plan.faults = [Fault(.spoof, at: 1_000, until: 4_000, hosts: [0], amount: 400)]
        plan.faults += [2_100, 2_400, 2_700].map {
            Fault(.jump, at: $0, until: $0 + 1, hosts: [0], amount: 5_000)
        }
        #expect(World(plan: plan).run().violations.map(\.what) == [])
    }

    /// Recorded while the bug was there: these meet it again also where a seed would not. Each is named for the rule
    /// without which it shows, and `tools/mutants recordings` shows that it does.
    struct Recording: CustomTestStringConvertible {
        let name: String
        let bug: String

        init(_ name: String, _ bug: String) {
            self.name = name
            self.bug = bug
        }

        var testDescription: String { "\(name): \(bug)" }
    }

    static let recordings: [Recording] = [
        Recording(
            "answersPings",
            "who slept took the others for peers yet; they did not hear it and waited before they dialled it"),
        Recording(
            "asksAtHome",
            "two that had moved, and moved back unheard by each other, were each other's peers at the old place for long"
        ),
        Recording(
            "authorsAreHints",
            "an evidence list with a changed author matched its header, and who took it waited for ever"),
        Recording(
            "contentsDurable",
            "all who held what stands behind a notarized header restarted, and nobody could execute it"),
        Recording(
            "copyRepeatsNoVotes",
            "the votes in a store that was put back trapped a node without a seat at every start"),
        Recording("copySignsNoBundle", "who had lost its store signed a second bundle for one epoch"),
        Recording(
            "heedsLaterEpochs",
            "who had been away opened each epoch when the others closed it, and learnt of its end by the votes of the next"
        ),
        Recording(
            "onlyQuestionsSleep",
            "who wanted a peer after minutes without took these for sleep, and put off what it asked the crashed"
        ),
        Recording("relaysOfUse", "a flood of votes for views far ahead was passed on by everybody"),
        Recording(
            "sealedRecords", "one flipped bit of a remembered vote went unnoticed, and was voted against"),
        Recording(
            "servesAsked",
            "one of four stopped an epoch: its block stood on a bundle that only half had, and who had it gave it to nobody"
        ),
        Recording(
            "sketchVersions",
            "cells of two sets had one version, as a second dial had come between them, and who answered was ignored"
        ),
    ]

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Traces"

    @Test func `whatever is recorded has a sentence on what the bug was`() throws {
        let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder)
        #expect(files.sorted() == Self.recordings.map { $0.name + ".fates" })
        #expect(Self.recordings.allSatisfy { Rule(rawValue: $0.name) != nil })
    }

    @Test(arguments: recordings) func `what a recording found is mended`(_ recording: Recording) throws {
        let file = try FateFile(
            reading: URL(fileURLWithPath: Self.folder + "/" + recording.name + ".fates"))
        #expect(!file.fates.isEmpty)
        #expect(World(plan: file.plan, fates: file.fates).run().violations.map(\.what) == [])
    }
}
