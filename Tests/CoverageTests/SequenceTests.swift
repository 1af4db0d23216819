import Chance
import Coverage
import Geo
import Identity
import TestKit
import Testing
import Wire

/// What happens over several blocks: reveals, penalties, reciprocity, selection.
struct SequenceTests {
    @Test func `two hotspots that nobody else hears become reciprocal in three beacons`() {
        // The published sequence "two isolated": its first beacon fails, the others pass, as do ours.
        var world = World(2)
        world.exchange(0, heardBy: [1], 1)
        #expect(world.step(2).reasons == [[.notReciprocal, .notReciprocal]])
        world.exchange(1, heardBy: [0], 3)
        #expect(world.step(4).reasons == [[.valid, .valid]])
        world.exchange(0, heardBy: [1], 5)
        #expect(world.step(6).reasons == [[.valid, .valid]])
    }

    @Test
    func `a beaconer that never witnessed voids its reports, a witness that was never witnessed its own`() {
        var world = World(3)
        world.exchange(0, heardBy: [1, 2], 1)
        world.welcome(1..<3)
        let verdict = world.step(2).verdicts[0]
        #expect(verdict.reason == .notReciprocal)
        #expect(verdict.reports.map(\.reason) == [.notReciprocal, .notReciprocal])
        #expect(verdict.reports.map(\.side) == [.beaconer, .beaconer])

        world = World(3)
        world.exchange(0, heardBy: [1, 2], 1)
        world.welcome(0..<2)
        let other = world.step(2).verdicts[0]
        #expect(other.reason == .valid)
        #expect(other.reports.map(\.reason) == [.valid, .notReciprocal])
        #expect(other.reports.map(\.side) == [.reporter, .reporter])
        #expect(other.reports.map(\.units) == [10_000, 0])
    }

    @Test func `a reciprocal event counts for its window and not an epoch longer`() {
        for (last, reason) in [(Epoch(2), Reason.valid), (1, .notReciprocal)] {
            var world = World(2)
            world.parameters.reciprocityEpochs = 8
            world.welcome(0..<2, at: last)
            world.exchange(0, heardBy: [1], 10)
            #expect(world.step(11).reasons == [[reason, reason]])
        }
    }

    @Test(arguments: [Reason.badProof, .notEligible, .wrongParameters, .notRevealed, .undeclared])
    func `a declared beacon that is void by its sender's fault pauses it`(reason: Reason) {
        var world = World(3)
        world.parameters.reciprocityEpochs = 20
        world.welcome(0..<3)
        world.exchange(0, heardBy: [1], 2)
        switch reason {
        case .badProof: world.say(0, 3, reveals: [world.reveal(0, 2, proof: .zero)])
        case .notEligible: world.parameters.beaconThreshold = 1
        case .wrongParameters: world.say(0, 3, reveals: [world.reveal(0, 2, louder: 1)])
        case .undeclared: world.say(0, 2, tag: Tag(7))
        default: world.say(0, 3)
        }
        var reasons = world.step(3).reasons
        // Silence, and a tag that was declared but another revealed, are known at the last block for it.
        if [.notRevealed, .undeclared].contains(reason) {
            #expect(world.activities[world.ids[0]]?.pausedUntil == 0)
            reasons += world.step(4).reasons
        } else {
            #expect(world.step(4).verdicts.isEmpty)
        }
        #expect(reasons.contains([reason, reason]))
        let activity = world.activities[world.ids[0]]!
        #expect(activity.lastWitnessed == 0 && activity.lastWitnessing == 0)
        #expect(23...24 ~= activity.pausedUntil)
        // It has heard somebody since, and yet may not beacon for reward before the pause ends.
        world.parameters.beaconThreshold = .max
        for (epoch, reason) in [
            (activity.pausedUntil - 1, Reason.notReciprocal), (activity.pausedUntil, .valid),
        ] {
            var later = world
            later.entries = [:]
            later.welcome(0..<3, at: epoch - 1)
            later.activities[later.ids[0]]?.pausedUntil = activity.pausedUntil
            later.exchange(0, heardBy: [1], epoch)
            #expect(later.step(epoch + 1).reasons == [[reason, reason]])
        }
    }

    @Test func `a beacon that was never declared costs no pause, nor does a lower power`() {
        for tag in [nil, World(3).beacon(0, 2).tag] {
            var world = World(3)
            world.welcome(0..<3)
            world.exchange(0, heardBy: [1], 2)
            world.say(0, 2, tag: tag)
            world.say(0, 3, reveals: [world.reveal(0, 2, louder: tag == nil ? 1 : -40)])
            let expected: Reason = tag == nil ? .undeclared : .valid
            #expect(world.step(3).reasons == [[expected, expected]])
            #expect(world.activities[world.ids[0]]?.pausedUntil == 0)
        }
    }

    @Test func `the first reveal stands and a second one changes nothing`() {
        var world = World(3)
        world.welcome(0..<3)
        world.exchange(0, heardBy: [1], 2)
        world.say(0, 4, reveals: [world.reveal(0, 2, proof: .zero)])
        #expect(world.step(3).reasons == [[.valid, .valid]])
        #expect(world.step(4).verdicts.isEmpty)
        world.say(0, 3, reveals: [world.reveal(0, 2, proof: .zero)])
        world.say(0, 4, reveals: [world.reveal(0, 2)])
        #expect(world.step(3).reasons == [[.badProof, .badProof]])
        #expect(world.step(4).verdicts.isEmpty)
    }

    @Test func `a reveal two blocks later is in time, three blocks later is not`() {
        var world = World(3)
        world.welcome(0..<3)
        world.exchange(0, heardBy: [1], 2, after: 2)
        #expect(world.step(3).verdicts.isEmpty)
        #expect(world.step(4).reasons == [[.valid, .valid]])
        world.entries = [:]
        world.exchange(0, heardBy: [1], 6, after: 3)
        #expect(world.step(7).verdicts.isEmpty)
        #expect(world.step(8).reasons == [[.notRevealed, .notRevealed]])
        #expect(world.step(9).verdicts.isEmpty)
    }

    @Test func `a conflict suspends its author and its reports do not exist`() {
        var world = World(3)
        world.parameters.suspensionEpochs = 5
        world.welcome(0..<3)
        world.exchange(0, heardBy: [1, 2], 2)
        world.contradict(1, 2, tag: nil, reports: [world.report(by: 1, of: 0, 2)])
        world.step(2)
        #expect(world.activities[world.ids[1]]?.suspendedUntil == 7)
        let verdict = world.step(3).verdicts[0]
        #expect(verdict.reports.map(\.reporter) == [world.ids[2]])
        #expect(verdict.reports.map(\.reason) == [.valid])
        for (epoch, reason) in [(Epoch(6), Reason.suspended), (7, .valid)] {
            world.entries = [:]
            world.exchange(0, heardBy: [1, 2], epoch)
            let reports = world.step(epoch + 1).verdicts[0].reports
            #expect(reports.first { $0.reporter == world.ids[1] }?.reason == reason)
            #expect(reports.first { $0.reporter == world.ids[2] }?.reason == .valid)
        }
    }

    @Test func `a beacon of an epoch with two bundles is equivocated, and so are others' reports of it`() {
        var world = World(3)
        world.welcome(0..<3)
        world.exchange(0, heardBy: [1], 2)
        world.contradict(0, 2, tag: world.beacon(0, 2).tag)
        world.step(2)
        let verdict = world.step(3).verdicts[0]
        #expect(verdict.reason == .equivocated)
        #expect(verdict.reports.map(\.reason) == [.equivocated])
        #expect(verdict.reports.map(\.side) == [.beaconer])
        // Another beacon of its suspension is just that.
        world.entries = [:]
        world.exchange(0, heardBy: [1], 4)
        #expect(world.step(5).reasons == [[.suspended, .suspended]])
    }

    @Test func `who copies another's tag gets a pause and not its reports`() {
        var world = World(3)
        world.welcome(0..<3)
        world.exchange(1, heardBy: [2], 2, after: 2)
        world.say(0, 2, tag: world.beacon(1, 2).tag)
        world.say(0, 3, reveals: [world.reveal(0, 2, proof: .zero)])
        #expect(world.step(3).reasons == [[.badProof]])
        #expect(world.activities[world.ids[0]]?.pausedUntil != 0)
        #expect(world.step(4).reasons == [[.valid, .valid]])
    }

    @Test(arguments: [Epoch(3), 4], [true, false])
    func `silence is no fault of whom a full block left out`(block: Epoch, isLast: Bool) {
        var world = World(6)
        world.parameters.bundlesMax = 2
        world.welcome(0..<6)
        // The beaconer is the one of the six that ranks last in the block, or first.
        let ranked = world.ids.indices.sorted {
            Randomness.rank(of: world.ids[$0], randomness: World.randomness(block))
                < Randomness.rank(of: world.ids[$1], randomness: World.randomness(block))
        }
        let beaconer = isLast ? ranked[5] : ranked[0]
        world.say(beaconer, 2, tag: world.beacon(beaconer, 2).tag)
        for member in ranked[1..<3] { world.say(member, block) }
        world.step(3)
        let verdicts = world.step(4).verdicts.filter { $0.epoch == 2 }
        #expect(verdicts.map(\.reason) == [.notRevealed])
        #expect((world.activities[world.ids[beaconer]]!.pausedUntil == 0) == isLast)
    }

    @Test(arguments: [(owner: 0, thief: 1), (owner: 1, thief: 0)])
    func `who registers another's VRF key takes nothing from it`(owner: Int, thief: Int) {
        for blocks in [(Epoch(3), Epoch(3)), (3, 4), (4, 3), (4, 4)] {
            var world = World(3)
            world.welcome(0..<3)
            world.place(thief, key: world.keys[owner])
            world.exchange(owner, heardBy: [2], 2)
            world.say(thief, 2, tag: world.beacon(owner, 2).tag)
            world.say(owner, 3)
            world.say(owner, blocks.0, reveals: [world.reveal(owner, 2)])
            world.say(thief, blocks.1, reveals: [world.reveal(owner, 2)])
            let verdicts = world.step(3).verdicts + world.step(4).verdicts
            let own = verdicts.filter { $0.beaconer == world.ids[owner] }
            #expect(own.map(\.reason) == [.valid])
            #expect(own.flatMap(\.reports).map(\.reason) == [.valid])
            #expect(own.map(\.units) == [2_500])
            #expect(verdicts.filter { $0.beaconer == world.ids[thief] }.map(\.reason) == [.badProof])
            #expect(world.activities[world.ids[thief]]!.pausedUntil > 0)
        }
    }

    @Test func `two devices of one secret send two beacons`() {
        var world = World(3)
        world.welcome(0..<3)
        world.keys[1] = world.keys[0]
        world.place(1)
        #expect(world.beacon(0, 2).tag != world.beacon(1, 2).tag)
        for member in 0..<2 { world.exchange(member, heardBy: [2], 2) }
        world.say(2, 2, reports: [world.report(by: 2, of: 0, 2), world.report(by: 2, of: 1, 2)])
        #expect(world.step(3).reasons == [[.valid, .valid], [.valid, .valid]])
    }

    @Test(arguments: Seed.all)
    func `at most fourteen reports count, four of them sensors', and the draw decides`(seed: Seed) {
        var chance = seed.chance()
        let (sensors, hotspots) = (chance.below(8), chance.below(20))
        var world = World(1 + sensors + hotspots)
        world.welcome(0..<world.ids.count)
        for member in world.ids.indices {
            // Close enough for all to hear, too far apart to be one place.
            world.place(
                member, kind: (1..<(1 + sensors)).contains(member) ? .sensor : .hotspot,
                at: Position(latitude: 515_000_000 + Int32(member) * 50_000, longitude: 0))
        }
        world.exchange(0, heardBy: Array(1..<world.ids.count), 2)
        let reports = world.step(3).verdicts[0].reports
        let selected = reports.filter { $0.reason == .valid }
        let exempt = selected.filter { world.devices[$0.reporter]?.kind == .sensor }
        #expect(exempt.count <= 4)
        #expect(selected.count == min(14, hotspots + min(4, sensors)))
        #expect(reports.allSatisfy { [.valid, .notSelected].contains($0.reason) })
        #expect(selected.allSatisfy { $0.units > 0 })
        #expect(reports.filter { $0.reason != .valid }.allSatisfy { $0.units == 0 })
    }

    @Test func `nobody knows the draw before the block after the reveal's`() {
        var world = World(31)
        world.welcome(0..<31)
        for member in world.ids.indices {
            world.place(member, at: Position(latitude: 515_000_000 + Int32(member) * 50_000, longitude: 0))
        }
        world.exchange(0, heardBy: Array(1..<31), 2)
        func selected(_ world: World) -> [NodeID] {
            Judge.judge(world.input(3)).verdicts[0].reports.filter { $0.reason == .valid }.map(\.reporter)
        }
        let usual = selected(world)
        for (epoch, isSame) in [(Epoch(1), true), (3, true), (4, false), (5, true)] {
            var other = world
            other.randomness[epoch] = Digest(of: [99])
            #expect((selected(other) == usual) == isSame)
        }
    }

    @Test func `a published beacon heard by ten has ten selected`() throws {
        let vector = try #require(UnitTests.vectors("selection").first)
        let count = try #require((vector["input"] as? [String: Int])?["witness_count"])
        var scene = Scene()
        scene.witnesses = count
        let reports = scene.run().verdicts[0].reports
        let expected = try #require(vector["expected"] as? [String: Int])
        #expect(reports.filter { $0.reason == .valid }.count == expected["selected"])
        #expect(reports.filter { $0.reason == .notSelected }.count == expected["unselected"])
    }

    @Test func `sensors alone never make a beacon independently witnessed`() {
        for kind in DeviceKind.allCases {
            var world = World(2)
            world.welcome(0..<2)
            world.place(1, kind: kind)
            world.exchange(0, heardBy: [1], 2)
            #expect(world.step(3).reasons == [[.valid, .valid]])
            #expect(world.activities[world.ids[0]]?.lastIndependent == (kind == .sensor ? 0 : 2))
            #expect(world.activities[world.ids[0]]?.lastWitnessed == 2)
        }
    }

    @Test func `a proof fits no other reporter, epoch or measurement`() {
        let payload = [Beacon.marker] + [UInt8](repeating: 3, count: 51)
        let ids = World(2).ids
        let heard = Measurement(rssi: -1_000, snr: 10, frequency: 868_100_000, dataRate: .sf7bw125)
        func proof(
            _ payload: [UInt8], _ id: NodeID, _ epoch: Epoch, rssi: Int16 = -1_000, snr: Int16 = 10,
            frequency: UInt32 = 868_100_000, rate: DataRate = .sf7bw125
        ) -> WitnessReport.Proof {
            .init(
                payload: payload, reporter: id, epoch: epoch,
                measurement: Measurement(rssi: rssi, snr: snr, frequency: frequency, dataRate: rate))
        }
        var other = payload
        other[51] ^= 1
        let all = [
            .init(payload: payload, reporter: ids[0], epoch: 2, measurement: heard),
            proof(other, ids[0], 2), proof(payload, ids[1], 2), proof(payload, ids[0], 3),
            proof(payload, ids[0], 2, rssi: -999), proof(payload, ids[0], 2, snr: 11),
            proof(payload, ids[0], 2, frequency: 868_100_001), proof(payload, ids[0], 2, rate: .sf8bw125),
        ]
        #expect(Set(all).count == all.count)
        #expect(proof(payload, ids[0], 2) == all[0])
        // And so a report that is copied into another's bundle, or changed in one's own, is `badProof`.
        var world = World(3)
        world.welcome(0..<3)
        world.exchange(0, heardBy: [1], 2)
        let mine = world.report(by: 1, of: 0, 2)
        world.say(2, 2, reports: [mine])
        #expect(world.step(3).reasons == [[.valid, .valid, .badProof]])
        let louder = Measurement(
            rssi: mine.measurement.rssi + 1, snr: mine.measurement.snr, frequency: mine.measurement.frequency,
            dataRate: mine.measurement.dataRate)
        world.say(1, 2, reports: [WitnessReport(tag: mine.tag, measurement: louder, proof: mine.proof)])
        #expect(Set(world.step(3).reasons[0].dropFirst()) == [.badProof])
    }
}
