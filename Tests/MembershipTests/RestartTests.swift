import Chance
import Identity
import Membership
import MembershipWorld
import Testing
import Wire

/// Peers that are started anew, and dial again while they are still taken for peers.
@Suite struct RestartTests {
    private var machine = Membership(
        record: World.record(0), bootstrap: [], remembered: [], chance: Chance(seed: 1), now: .origin)

    /// In one of two prefixes.
    private func place(_ number: UInt32, _ prefix: UInt32) -> Endpoint {
        Endpoint(ipv4: (prefix == 0 ? 0xC633_6400 : 0xCB00_7100) + number, port: 4_000)
    }

    private mutating func dial(_ index: Int, at place: Endpoint, life: UInt64 = 0) {
        var actions: [Membership.Action] = []
        let card = World.record(
            index, sequence: life << NodeRecord.changeBits | 1, endpoint: World.spreadEndpoint(index))
        machine.handle(
            .dial(card, isUrgent: false, from: World.id(index), place), at: .origin, actions: &actions)
        machine.assertInvariants()
    }

    /// Seed 5220 of the swarm: three that came from three prefixes came back over relays, which are of one.
    @Test
    mutating func `a peer that comes back from a crowded prefix keeps its share of the one it came from`() {
        dial(1, at: place(1, 0))
        dial(2, at: place(2, 0))
        dial(3, at: place(3, 1))
        dial(3, at: place(4, 0), life: 1)
        #expect(machine.peers.count == 3)
        #expect(machine.accounts.first { $0.node == World.id(3) }?.endpoint == place(4, 0))
        dial(4, at: place(5, 1))
        dial(5, at: place(6, 1))
        #expect(machine.peers.contains(World.id(4)) && !machine.peers.contains(World.id(5)))
        dial(6, at: place(7, 0))
        #expect(machine.peers.count == 4)
    }

    /// Each time all that others keep of it begins anew, its allowances too; a goodbye and a dial cost it nothing.
    @Test(arguments: [false, true])
    mutating func `who comes and goes, or starts anew, all the time is let in now and then`(isStarted: Bool) {
        let place = place(1, 0)
        var turns = 0
        func connects(_ actions: [Membership.Action]) -> Int {
            actions.count {
                if case .connected(World.id(1), _) = $0 { true } else { false }
            }
        }
        var now = Instant.origin
        for number: UInt64 in 0..<1_000 {
            now = now + .milliseconds(10)
            var actions: [Membership.Action] = []
            if !isStarted { machine.handle(.goodbye(from: World.id(1)), at: now, actions: &actions) }
            let life = isStarted ? number : 0
            let card = World.record(
                1, sequence: life << NodeRecord.changeBits | 1, endpoint: World.spreadEndpoint(1))
            machine.handle(
                .dial(card, isUrgent: false, from: World.id(1), place), at: now, actions: &actions)
            machine.assertInvariants()
            turns += connects(actions)
        }
        // Five at once, and one in two seconds.
        #expect((9...10).contains(turns), "\(turns)")
        now = now + .seconds(20)
        var actions: [Membership.Action] = []
        machine.handle(.goodbye(from: World.id(1)), at: now, actions: &actions)
        let card = World.record(
            1, sequence: 2_000 << NodeRecord.changeBits | 1, endpoint: World.spreadEndpoint(1))
        machine.handle(.dial(card, isUrgent: false, from: World.id(1), place), at: now, actions: &actions)
        #expect(connects(actions) == 1)
    }
}
