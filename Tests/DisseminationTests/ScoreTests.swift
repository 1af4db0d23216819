import Bytes
import Chance
@testable import Dissemination
import Identity
import TestKit
import Testing
import Wire

@Suite struct ScoreTests {
    private let peer = NodeID(testing: 1)

    private static func seconds(_ seconds: Int) -> Instant { .origin + .seconds(seconds) }

    @Test func `a bad signature makes a peer ignored, and in a hundred seconds nothing is left of it`() {
        var scores = Scores()
        scores.charge(peer, .badSignature, at: .origin)
        let standings = [0, 20, 21, 50, 51, 90, 91].map { scores.standing(of: peer, at: Self.seconds($0)) }
        #expect(
            standings == [.ignored, .ignored, .noPublish, .noPublish, .noGossip, .noGossip, .good])
        #expect(scores.heardAgain(peer, at: .origin) == Self.seconds(21))
        #expect(scores.score(of: peer, at: Self.seconds(100)) == 0)
        #expect(scores.standing(of: NodeID(testing: 2), at: .origin) == .good)
    }

    @Test func `nobody is ignored for longer than two minutes after its last fault`() {
        var scores = Scores()
        for _ in 0..<1_000 { scores.charge(peer, .excess, times: .max, at: .origin) }
        for _ in 0..<1_000 { scores.charge(peer, .hostileSketch, at: .origin) }
        #expect(scores.score(of: peer, at: .origin) == scores.settings.most)
        #expect(scores.standing(of: peer, at: Self.seconds(121)) < .ignored)
        #expect(scores.heardAgain(peer, at: .origin) <= Self.seconds(121))
    }

    @Test func `broken promises count by their square, once in a second, and never make a peer ignored`() {
        var scores = Scores()
        for _ in 0..<50 { scores.charge(peer, .brokenPromise, at: .origin) }
        #expect(scores.score(of: peer, at: .origin) == -10)
        scores.charge(peer, .brokenPromise, at: Self.seconds(1))
        #expect(scores.score(of: peer, at: Self.seconds(1)) == -40)
        for second in 2..<10 { scores.charge(peer, .brokenPromise, at: Self.seconds(second)) }
        #expect(scores.standing(of: peer, at: Self.seconds(9)) == .noPublish)
        #expect(scores.score(of: peer, at: Self.seconds(300)) == 0)
    }

    @Test(arguments: Seed.all.prefix(4))
    func `however many peers do wrong, the table is bounded, and who did most is not forgotten`(seed: Seed) {
        var chance = seed.chance()
        var scores = Scores()
        scores.charge(peer, .badSignature, times: 2, at: .origin)
        for number in 0..<2_000 {
            scores.charge(
                NodeID(testing: UInt64(number + 2)), .excess, times: 1 + chance.below(20), at: .origin)
            scores.assertInvariants()
        }
        #expect(scores.count == Scores.countMax)
        #expect(scores.standing(of: peer, at: .origin) == .ignored)
    }

    @Test func `settings that contradict themselves say why`() {
        #expect(Scores.Settings().complaint == nil)
        func complaint(_ change: (inout Scores.Settings) -> Void) -> String {
            var settings = Scores.Settings()
            change(&settings)
            return settings.complaint ?? ""
        }
        #expect(complaint { $0.malformed = 50 }.contains("below zero"))
        #expect(complaint { $0.excess = 0 }.contains("below zero"))
        #expect(complaint { $0.noPublish = -5 }.contains("descend"))
        #expect(complaint { $0.ignored = -50 }.contains("descend"))
        #expect(complaint { $0.noGossip = 0 }.contains("descend"))
        #expect(complaint { $0.most = -79 }.contains("reach 'ignored'"))
        #expect(complaint { $0.promisesMost = -80 }.contains("loss looks the same"))
        #expect(complaint { $0.brokenPromise = -71 }.contains("within"))
        #expect(complaint { $0.pointPeriod = .zero }.contains("time"))
    }

    @Test func `settings that contradict themselves are refused at the start`() async {
        await #expect(processExitsWith: .failure) {
            var settings = Scores.Settings()
            settings.noGossip = 10
            _ = Dissemination(chance: Chance(seed: 1), now: .origin, scores: settings)
        }
    }

    // MARK: What a score does

    @Test func `who is not believed is announced nothing and asked for nothing`() {
        let web = Web(3, chance: Chance(seed: 1))
        let liar = Web.id(1)
        // -10 is one broken promise.
        web.handle(.fault(.excess, by: liar), at: 0)
        #expect(web.machines[0].standing(of: liar, at: web.now) == .good)
        for _ in 0..<9 { web.handle(.fault(.excess, by: liar), at: 0) }
        #expect(web.machines[0].standing(of: liar, at: web.now) == .noGossip)
        web.handle(.frame(.have([Web.short(Web.message(0, 7))]), from: liar), at: 0)
        web.run(for: .milliseconds(500))
        #expect(web.machines[0][.wanted] == 0 && web.machines[0][.droppedUntrusted] == 1)
        // It is still given evidence, and by others too.
        web.handle(.publish(Web.message(0, 1), .evidence), at: 0)
        web.run(for: .milliseconds(500))
        #expect(web.delivered[1].count == 1)
    }

    @Test
    func `who is not published to neither gets evidence nor has its own taken, but votes pass both ways`() {
        let web = Web(2, chance: Chance(seed: 1))
        web.handle(.fault(.malformed, by: Web.id(1)), at: 0)
        web.handle(.publish(Web.message(0, 1), .evidence), at: 0)
        web.handle(.publish(Web.message(0, 2), .evidence), at: 1)
        web.handle(.publish(Web.message(2, 3), .consensus), at: 0)
        web.handle(.publish(Web.message(2, 4), .consensus), at: 1)
        web.run(for: .seconds(3))
        #expect(web.delivered == [[Web.message(2, 4)], [Web.message(2, 3)]])
        // What the host asks for is taken from it even so.
        web.handle(.sendDirect(Web.message(9, 5), to: Web.id(1)), at: 0)
        web.handle(.sendDirect(Web.message(0, 6), to: Web.id(0)), at: 1)
        web.run(for: .milliseconds(100))
        #expect(web.delivered[0].last == Web.message(0, 6))
        // In time all is as it was.
        web.run(for: .seconds(60))
        web.handle(.publish(Web.message(0, 7), .evidence), at: 0)
        web.run(for: .milliseconds(100))
        #expect(web.delivered[1].last == Web.message(0, 7))
    }

    @Test func `coming again washes nothing off, and who is ignored is said once`() {
        let web = Web(2, chance: Chance(seed: 1))
        for _ in 0..<3 { web.handle(.fault(.badSignature, by: Web.id(1)), at: 0) }
        #expect(web.ignored == [[Web.id(1)], []])
        web.handle(.disconnected(Web.id(1)), at: 0)
        web.run(for: .seconds(5))
        // A stranger can be charged with nothing: its keys cost nothing.
        web.handle(.fault(.badSignature, by: Web.id(7)), at: 0)
        #expect(web.machines[0].scores.count == 1)
        web.handle(.connected(Web.id(1)), at: 0)
        #expect(web.machines[0].standing(of: Web.id(1), at: web.now) == .ignored)
    }

    @Test func `a chunk that is none, and a whole that is not what its chunks say, are the sender's faults`()
    {
        let web = Web(2, chance: Chance(seed: 1))
        let chunk = Chunk(message: Digest(of: [1]), index: 0, count: 1, octets: [1, 2, 3])
        web.handle(.frame(.chunk(chunk), from: Web.id(1)), at: 0)
        #expect(web.machines[0][.droppedWrongDigest] + web.machines[0][.droppedMalformed] == 1)
        #expect(web.machines[0].scores.score(of: Web.id(1), at: web.now) == -50)
    }

    // MARK: Promises

    @Test func `announcements that are never fulfilled cost a liar its belief, within seconds`() {
        let web = Web(3, chance: Chance(seed: 1))
        var number = 0
        var second = 0
        while web.machines[0].standing(of: Web.id(1), at: web.now) == .good, second < 30 {
            second += 1
            for _ in 0..<20 {
                number += 1
                web.handle(.frame(.have([Web.short(Web.message(0, number))]), from: Web.id(1)), at: 0)
            }
            web.run(for: .seconds(1))
        }
        #expect(second <= 4)
        #expect(web.machines[0][.faultsBrokenPromise] > 0)
        #expect(web.ignored == [[], [], []])
    }

    @Test(arguments: Seed.all.prefix(8), [20, 40, 60])
    func `loss breaks no promise`(seed: Seed, lossPercent: Int) {
        var chance = seed.chance()
        let web = Web(8, chance: chance.split(), lossPercent: lossPercent)
        for number in 0..<150 {
            let octets = Web.message(0, number, byteCount: 100 + chance.below(1_500))
            web.handle(.publish(octets, .evidence), at: chance.below(8))
            web.run(for: .milliseconds(100))
        }
        web.run(for: .seconds(4))
        #expect(web.machines.contains { $0[.wanted] > 0 })
        #expect(web.machines.allSatisfy { $0[.faultsBrokenPromise] == 0 })
    }

    /// What goes to one peer is announced to nobody: of an answer whose first piece is lost nobody sees that it is one.
    @Test(arguments: [false, true])
    func `whoever sends a part has promised nothing, unless it announces the whole`(announces: Bool) {
        let web = Web(3, chance: Chance(seed: 1))
        for second in 0..<20 {
            let octets = Web.message(0, second, byteCount: 2_000)
            let last = Chunk(
                message: Digest(of: octets), index: 1, count: 2, octets: Array(octets[1_024...]))
            web.handle(.frame(.chunk(last), from: Web.id(1)), at: 0)
            if announces { web.handle(.frame(.have([Web.short(octets)]), from: Web.id(1)), at: 0) }
            web.run(for: .seconds(1))
        }
        #expect(web.machines[0][.wanted] > 20, "it is asked all the same")
        #expect((web.machines[0][.faultsBrokenPromise] > 0) == announces)
    }

    @Test func `nobody is blamed who was silent ever since`() {
        let web = Web(2, chance: Chance(seed: 1))
        let ids = (0..<60).map { Web.short(Web.message(0, $0)) }
        web.handle(.frame(.have(ids), from: Web.id(1)), at: 0)
        // Its answers and all else are lost.
        web.machines[1] = Dissemination(chance: Chance(seed: 2), now: web.now)
        web.run(for: .seconds(5))
        #expect(web.machines[0][.wanted] >= 60 * 16)
        #expect(web.machines[0][.faultsBrokenPromise] == 0)
    }

    // MARK: Allowance

    @Test func `what a peer may say at once and in a second is bounded, in each lane apart`() {
        for lane in Dissemination.Lane.allCases {
            var allowance = Allowance()
            var said = 0
            while allowance.takes(1_000, lane, at: .origin) { said += 1_000 }
            #expect(said <= lane.burst && said > lane.burst - 1_000)
            for other in Dissemination.Lane.allCases where other != lane {
                let isHeard = allowance.takes(1_000, other, at: .origin)
                #expect(isHeard)
            }
            var later = 0
            while allowance.takes(1_000, lane, at: Self.seconds(1)) { later += 1_000 }
            #expect(abs(later - lane.octetsPerSecond) <= 1_000)
        }
    }

    @Test func `who says goodbye and dials again may say no more than who stays`() {
        var machine = Dissemination(chance: Chance(seed: 1), now: .origin)
        var actions: [Dissemination.Action] = []
        func dial(_ node: NodeID, at now: Instant) {
            machine.handle(.disconnected(node), at: now, actions: &actions)
            machine.handle(.connected(node), at: now, actions: &actions)
        }
        /// Octets that are taken in the ten seconds from a time on, with a new session in each tenth of one.
        func said(in lane: Dissemination.Lane, from start: Instant) -> Int {
            (0..<100).reduce(into: 0) { said, tenth in
                let now = start + .milliseconds(100) * tenth
                dial(peer, at: now)
                // Who owes nothing takes nobody's place.
                for other in 0..<80 {
                    dial(Web.id(100 + other), at: now)
                    machine.handle(.disconnected(Web.id(100 + other)), at: now, actions: &actions)
                }
                while machine.admits(16_000, lane, from: peer, at: now, actions: &actions) != nil {
                    said += 16_000
                }
            }
        }
        for (place, lane) in Dissemination.Lane.allCases.enumerated() {
            let octets = said(in: lane, from: Self.seconds(place * 20))
            #expect(octets <= lane.burst + 10 * lane.octetsPerSecond)
            #expect(octets > lane.burst)
        }
        // As many as come and go are not all remembered.
        let now = Self.seconds(100)
        for other in 0..<200 {
            dial(Web.id(other), at: now)
            _ = machine.admits(16_000, .talk, from: Web.id(other), at: now, actions: &actions)
            machine.handle(.disconnected(Web.id(other)), at: now, actions: &actions)
        }
        machine.assertInvariants()
    }

    @Test func `what was valid and new is given back`() {
        var allowance = Allowance()
        for _ in 0..<(10 * Dissemination.Lane.talk.burst / 1_000) {
            let isHeard = allowance.takes(1_000, .talk, at: .origin)
            #expect(isHeard)
            allowance.giveBack(1_000, .talk)
        }
    }

    @Test
    func `a hundred times the allowance makes a peer ignored within a second, and votes are heard even then`()
    {
        var machine = Dissemination(chance: Chance(seed: 1), now: .origin)
        var actions: [Dissemination.Action] = []
        machine.handle(.connected(peer), at: .origin, actions: &actions)
        var now = Instant.origin
        while now < Self.seconds(1), !actions.contains(.ignored(peer)) {
            now = now + .milliseconds(1)
            for _ in 0..<(100 * Dissemination.Lane.talk.octetsPerSecond / 1_000 / 1_000) {
                _ = machine.admits(1_000, .talk, from: peer, at: now, actions: &actions)
            }
        }
        #expect(actions == [.ignored(peer)])
        #expect(now < .origin + .milliseconds(200))
        let hears = Dissemination.Lane.allCases.map {
            machine.admits(1_000, $0, from: peer, at: now, actions: &actions) != nil
        }
        #expect(hears == [true, false, true])
    }

    @Test(arguments: [2, 3, 5, 8])
    func `peers that announce together what nobody has are charged, however many share the questions`(
        liars: Int
    ) {
        let web = Web(9, chance: Chance(seed: 1))
        for second in 0..<20 {
            let ids = (0..<20).map { Web.short(Web.message(0, second * 20 + $0)) }
            for liar in 1...liars { web.handle(.frame(.have(ids), from: Web.id(liar)), at: 0) }
            web.run(for: .seconds(1))
        }
        for liar in 1...liars { #expect(web.machines[0].standing(of: Web.id(liar), at: web.now) != .good) }
        #expect(web.ignored.allSatisfy { $0.isEmpty })
    }
}
