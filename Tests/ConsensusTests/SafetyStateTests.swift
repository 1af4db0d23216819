import Bytes
import Chance
import Consensus
import TestKit
import Testing
import Wire

@Suite struct SafetyStateTests {
    /// What the machines of a rough world have written.
    private func states(_ seed: Seed) -> [SafetyState] {
        var chance = Chance(seed: seed.value &+ 31)
        var plan = World.Plan(epochs: 3)
        plan.lossPercent = 20 + chance.below(40)
        plan.crashes = true
        plan.healsAt = .seconds(3)
        plan.limit = .seconds(4)
        var world = World(plan, chance: seed.chance())
        world.run()
        return world.actors.compactMap(\.disk)
    }

    @Test(arguments: Seed.all.prefix(8)) func `what is written is read again, octet for octet`(_ seed: Seed)
        throws
    {
        for state in states(seed) {
            let octets = state.encoded()
            let again = try SafetyState(decoding: octets)
            #expect(again == state && again.encoded() == octets)
        }
    }

    @Test(arguments: Seed.all.prefix(8)) func `changed octets are refused or have one meaning`(_ seed: Seed) {
        var chance = seed.chance()
        for state in states(seed) {
            for _ in 0..<50 {
                var octets = state.encoded()
                octets.mutate(with: &chance)
                guard let other = try? SafetyState(decoding: octets) else { continue }
                #expect(other.encoded() == octets)
            }
        }
    }

    @Test func `what others alone have said takes no room`() throws {
        var solo = Solo(seats: 7)
        for view in View(3)...30 where solo.epoch.leader(of: view) != name(solo.me) {
            solo.give(.vote(solo.vote(.nullify(1, view), seat: solo.others[0])))
            solo.give(.proposal(solo.proposal(view, solo.made(in: view))))
        }
        solo.give(.woke, after: .seconds(60))
        #expect(solo.ballots == [.nullify(1, 1)])
        #expect(try #require(solo.disk).records.map(\.view) == [1])
        solo.give(.certificate(solo.certificate(.nullify(1, 2))))
        #expect(try #require(solo.disk).records.map(\.view) == [1, 2])
    }

    @Test func `records out of order, of view 0, or with another view's certificate are refused`() throws {
        var solo = Solo()
        solo.give(.woke, after: .seconds(1))
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        solo.give(.woke, after: .seconds(2))
        let octets = try #require(solo.disk).encoded()
        // epoch (8), view (4), two records, the first of view 1.
        #expect(octets[8] == 2 && octets[12] == 2 && octets[13] == 1)
        for view in [UInt8(0), 2, 3] {
            var changed = octets
            changed[13] = view
            #expect(throws: DecodeError.self) { try SafetyState(decoding: changed) }
        }
        #expect(throws: DecodeError.self) { try SafetyState(decoding: octets.dropLast()) }
        #expect(throws: DecodeError.self) { try SafetyState(decoding: octets + [0]) }
    }

    @Test func `own votes below the view and the notarization are left out, and all that is needed stays`()
        throws
    {
        var solo = Solo()
        solo.notarizeFirst()
        solo.give(.certificate(solo.certificate(.nullify(1, 1))))
        let state = try #require(solo.disk)
        #expect(state.view == 2)
        #expect(state.records.first?.notarized == solo.fresh.digest, "the view was not notarized")
        solo.give(.certificate(solo.certificate(.notarize(1, 2, solo.fresh.digest))))
        solo.give(.woke, after: .milliseconds(201))
        let later = try #require(solo.disk)
        #expect(later.view == 3 && later.records.first?.view == 2)
        #expect(later.records.first?.notarization != nil)
    }
}
