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
}
