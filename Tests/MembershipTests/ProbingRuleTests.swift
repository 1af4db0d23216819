import Chance
import Identity
import Membership
import MembershipWorld
import Testing
import Wire

/// Whom one machine asks whether it is there, where, and whom it tells; events by hand.
@Suite struct ProbingRuleTests {
    private var machine = Membership(
        record: World.record(0), bootstrap: [], remembered: [], chance: Chance(seed: 1), now: .origin)

    private mutating func handle(_ event: Membership.Event, at now: Instant) -> [Membership.Action] {
        var actions: [Membership.Action] = []
        machine.handle(event, at: now, actions: &actions)
        return actions
    }

    private mutating func meet(_ indices: ClosedRange<Int>) {
        for index in indices {
            _ = handle(
                .dial(
                    World.record(index), isUrgent: false, from: World.id(index), World.endpoint(index)),
                at: .origin)
        }
    }

    /// Where the first peer is, by what it said last.
    private var place: Endpoint? { machine.accounts.first { $0.node == World.id(1) }?.endpoint }

    /// Lets time pass until `end`, with all of `living` heard whenever something is due.
    private mutating func run(
        to end: Instant, living: ClosedRange<Int>?,
        _ see: (inout Self, Membership.Action, Instant) -> Void
    ) {
        while machine.deadline < end {
            let now = machine.deadline
            for index in living.map(Array.init) ?? [] {
                _ = handle(.heard(from: World.id(index), World.endpoint(index)), at: now)
            }
            for action in handle(.woke, at: now) { see(&self, action, now) }
        }
    }

    @Test mutating func `what a peer says puts off its turn by half a second, and not by a round`() {
        meet(1...8)
        var asked = 0
        for step in 1...100 {
            let now = Instant.origin + .milliseconds(600) * step
            for index in 1...8 {
                _ = handle(.heard(from: World.id(index), World.endpoint(index)), at: now)
            }
            run(to: now + .milliseconds(600), living: nil) { test, action, now in
                guard case .send(let node, let endpoint, .ping(let nonce)) = action else { return }
                asked += 1
                _ = test.handle(.pong(nonce: nonce, from: node, endpoint), at: now)
            }
        }
        // A round of eight takes four seconds, so that somebody's turn falls into all but one or two of the hundred gaps of a
        // tenth of a second that the talk leaves, and each has room for one.
        #expect(asked >= 99, "\(asked)")
        #expect(machine.peers.count == 8)
    }

    @Test mutating func `who is silent is asked where it spoke last and where its card says it is`() {
        meet(1...1)
        let elsewhere = Endpoint.loopback(port: 9_999)
        let moved = Instant.origin + .seconds(1)
        _ = handle(.records([], asks: false, from: World.id(1), elsewhere), at: moved)
        #expect(place == elsewhere)
        var places: Set<Endpoint> = []
        run(to: moved + .seconds(20), living: nil) { test, action, now in
            guard case .send(World.id(1), let place, .ping(let nonce)) = action else { return }
            places.insert(place)
            guard place == World.endpoint(1) else { return }
            // It has moved back.
            _ = test.handle(.heard(from: World.id(1), place), at: now)
            _ = test.handle(.pong(nonce: nonce, from: World.id(1), place), at: now)
        }
        #expect(places == [elsewhere, World.endpoint(1)])
        #expect(machine.peers.count == 1 && place == World.endpoint(1))
    }

    @Test mutating func `those that were heard lately are asked to help`() {
        var helpers: Set<NodeID> = []
        // All four were heard at one time: where few are left to choose from, or others are in doubt as well, the first three are the
        // half that was heard last, so that it takes some lives until the fourth is asked.
        for seed in UInt64(1)...16 {
            machine = Membership(
                record: World.record(0), bootstrap: [], remembered: [], chance: Chance(seed: seed),
                now: .origin)
            meet(1...8)
            run(to: .origin + .seconds(40), living: 2...5) { _, action, _ in
                guard case .send(let helper, _, .indirectPing(_, let place, _)) = action, place != .nowhere
                else { return }
                helpers.insert(helper)
            }
            #expect(machine.peers.count == 4, "the others were silent")
        }
        #expect(helpers == Set((2...5).map { World.id($0) }))
    }

    @Test mutating func `whoever is always asked first asks once itself, to know how long an answer takes`() {
        meet(1...8)
        for step in 1...4 {
            let now = Instant.origin + .seconds(3) * step
            for index in 1...8 {
                _ = handle(.ping(nonce: 1, from: World.id(index), World.endpoint(index)), at: now)
            }
            run(to: now + .seconds(3), living: nil) { test, action, now in
                guard case .send(let node, let endpoint, .ping(let nonce)) = action else { return }
                _ = test.handle(.heard(from: node, endpoint), at: now)
                _ = test.handle(.pong(nonce: nonce, from: node, endpoint), at: now + .milliseconds(20))
            }
        }
        #expect(machine.peers.count == 8)
        #expect(machine.accounts.compactMap(\.link).allSatisfy { $0.roundTrip != nil })
    }

    @Test mutating func `what waits for something else to be wanted is not taken for lateness of one's own`()
        throws
    {
        machine = Membership(
            record: World.record(0), bootstrap: (1...8).map { (World.id($0), World.endpoint($0)) },
            remembered: [], chance: Chance(seed: 1), now: .origin)
        for action in handle(.woke, at: .origin) {
            guard case .send(let node, let endpoint, .dial) = action else { continue }
            let index = try #require((1...8).first { World.id($0) == node })
            _ = handle(.welcome([World.record(index)], from: node, endpoint), at: .origin)
        }
        _ = handle(
            .records((9...20).map { World.record($0) }, asks: false, from: World.id(2), World.endpoint(2)),
            at: .origin)
        #expect(machine.peers.count == 8)
        // A minute in which nobody is wanted; then one falls silent, and while it is suspected another one goes.
        let fallen = Instant.origin + .seconds(60)
        run(to: fallen, living: 1...8) { _, _, _ in }
        var goneAt: Instant?
        var hasLeft = false
        run(to: fallen + .seconds(60), living: 3...8) { test, action, now in
            if action == .disconnected(World.id(1)) { goneAt = goneAt ?? now }
            guard
                test.machine.accounts.contains(where: {
                    $0.node == World.id(1) && $0.link?.liveness == .suspected
                }),
                !hasLeft
            else { return }
            hasLeft = true
            _ = test.handle(.goodbye(from: World.id(2)), at: now)
        }
        #expect(hasLeft)
        // Its turn within five seconds, a second and a half until the suspicion, and three of it.
        #expect(try #require(goneAt) < fallen + .seconds(10))
    }

    /// Milliseconds from the first question to the first telling, where so many helpers heard nothing either.
    private mutating func told(denials: Int) -> Int64? {
        meet(1...5)
        var askedAt: Instant?
        var helpers = 0
        var toldAt: Instant?
        run(to: .origin + .seconds(20), living: 2...5) { test, action, now in
            switch action {
            case .send(World.id(1), _, .ping): askedAt = askedAt ?? now
            case .send(_, _, .indirectPing(World.id(1), .nowhere, _)): toldAt = toldAt ?? now
            case .send(let helper, let endpoint, .indirectPing(World.id(1), _, let nonce)):
                helpers += 1
                guard helpers <= denials else { return }
                _ = test.handle(
                    .indirectPong(nonce: nonce, isAlive: false, from: helper, endpoint), at: now)
            default: break
            }
        }
        guard let askedAt, let toldAt else { return nil }
        return (toldAt - askedAt).milliseconds
    }

    @Test(arguments: [0, 2, 3]) mutating func `a doubt is told when all helpers share it, or when it lasts`(
        denials: Int
    ) throws {
        let milliseconds = try #require(told(denials: denials))
        // Half a second for the first answer, as nothing was measured yet, and one for the helpers'.
        if denials == 3 { #expect(milliseconds == 1_500) } else { #expect(milliseconds > 1_500) }
    }
}
