import Bytes
import Chance
import Identity
import Membership
import MembershipWorld
import TestKit
import Testing
import Wire
import WireSamples

@Suite struct EclipseTests {
    /// Among fewer honest nodes than the attacker has, two of its own on the victim's list, which is worse than what
    /// `EclipseProbe` shows for many seeds.
    @Test(arguments: Attacker.Tactic.allCases)
    func `fifty addresses in five prefixes never own a whole view`(tactic: Attacker.Tactic) {
        let trial = EclipseTrial(
            chance: Seed.all[0].chance(), tactic: tactic, list: .infiltrated, honest: 40)
        #expect(trial.shares.count == 3 && trial.shares.allSatisfy { $0.active < 1 }, "\(trial)")
        // Nodes that exist nowhere are not known from others before they are dialled.
        guard tactic != .deadCards else { return }
        #expect(trial.shares.allSatisfy { $0.passive < 0.6 }, "\(trial)")
    }

    @Test func `one good entry among nine bad is enough`() {
        for seed in Seed.all.prefix(4) {
            let world = World(chance: seed.chance(), isSpread: true)
            for index in 0..<20 { world.add(index > 0 ? [(World.id(0), world.place(0))] : []) }
            world.run(for: .seconds(10))
            // Dead places, places of others, and itself.
            var list = (100..<107).map { (World.id($0), world.place($0)) }
            list += [(World.id(5_000), world.place(3)), (World.id(20), world.place(20))]
            world.add(list + [(World.id(4), world.place(4))])
            #expect(world.run(atMost: .seconds(30)) { $0.hosts[20].peers.count >= 6 })
            #expect(world.isOneMesh)
        }
    }

    @Test(arguments: Seed.all.prefix(16))
    func `frames of any kind, whole or mutated, break no rule`(seed: Seed) {
        var chance = seed.chance()
        let remembered = (1...40).map { World.record($0) }
        var machine = Membership(
            record: World.record(0), bootstrap: [(World.id(50), World.endpoint(50))],
            remembered: remembered, chance: chance.split(), now: .origin)
        var now = Instant.origin
        var nonces: [UInt64] = [0]
        for _ in 0..<3_000 {
            now = now + chance.duration(in: .zero...(.milliseconds(300)))
            let index = chance.below(60)
            let (sender, place) = (World.id(index), World.endpoint(index))
            var octets = frame(index, nonces, &chance).encoded()
            if chance.happens(1, in: 4) { octets.mutate(with: &chance) }
            var actions: [Membership.Action] = []
            if let frame = try? Frame(decoding: octets), let event = event(frame, sender, place) {
                machine.handle(event, at: now, actions: &actions)
            }
            if machine.deadline <= now { machine.handle(.woke, at: now, actions: &actions) }
            for case .send(_, _, .ping(let nonce)) in actions { nonces.append(nonce) }
            if nonces.count > 20 { nonces.removeFirst() }
            machine.assertInvariants()
        }
    }

    private func frame(_ index: Int, _ nonces: [UInt64], _ chance: inout Chance) -> Frame {
        let cards = [
            World.record(index, sequence: UInt64(1 + chance.below(3))), World.record(chance.below(90)),
        ]
        let nonce = nonces[chance.below(nonces.count)]
        return switch chance.below(10) {
        case 0, 1: .dial(cards[0], isUrgent: chance.happens(1, in: 2))
        case 2, 3: .welcome(cards)
        case 4: .refusal(cards)
        case 5: .records(cards, asks: chance.happens(1, in: 2))
        case 6: .indirectPing(cards[1].node, cards[1].endpoints[0], nonce: nonce)
        case 7: .indirectPong(nonce: nonce, isAlive: chance.happens(1, in: 2))
        case 8: .pong(nonce: nonce)
        default: Frame.any(from: &chance)
        }
    }

    private func event(_ frame: Frame, _ sender: NodeID, _ place: Endpoint) -> Membership.Event? {
        switch frame {
        case .records(let records, let asks): .records(records, asks: asks, from: sender, place)
        case .dial(let record, let isUrgent): .dial(record, isUrgent: isUrgent, from: sender, place)
        case .welcome(let records): .welcome(records, from: sender, place)
        case .refusal(let records): .refusal(records, from: sender, place)
        case .ping(let nonce): .ping(nonce: nonce, from: sender, place)
        case .pong(let nonce): .pong(nonce: nonce, from: sender, place)
        case .probe(let nonce): .probe(nonce: nonce, from: sender, place)
        case .indirectPing(let target, let at, let nonce):
            .indirectPing(target, at, nonce: nonce, from: sender, place)
        case .indirectPong(let nonce, let isAlive):
            .indirectPong(nonce: nonce, isAlive: isAlive, from: sender, place)
        case .goodbye: .goodbye(from: sender)
        case .nearby(let cell): .nearby(cell, from: sender, place)
        case .message, .chunk, .have, .want, .reconciliation: nil
        }
    }
}
