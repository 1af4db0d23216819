import Bytes
import Chance
import Identity
import Membership
import MembershipWorld
import TestKit
import Testing
import Wire
import WireSamples

/// One who holds many keys and few prefixes: dials without end, tells nothing but lies, answers every ping.
private final class Attacker {
    static let keys = 50
    static let prefixes = 5

    private(set) var records: [NodeRecord] = []
    private var byPlace: [Endpoint: NodeRecord] = [:]
    private var dead: [NodeRecord] = []
    private var chance: Chance

    init(chance: Chance) {
        self.chance = chance
        for number in 0..<Self.keys {
            let place = Endpoint(
                ipv4: 0xC000_0000 | UInt32(number % Self.prefixes) << 8 | UInt32(number + 1), port: 4_000)
            let record = NodeRecord(
                node: NodeID(testing: 3_000_000 + UInt64(number)), sequence: 1, roles: .hotspot,
                endpoints: [place], region: nil, version: 1)
            records.append(record)
            byPlace[place] = record
        }
        for number in 0..<200 {
            dead.append(
                NodeRecord(
                    node: NodeID(testing: 4_000_000 + UInt64(number)), sequence: 1, roles: .hotspot,
                    endpoints: [Endpoint(ipv4: 0xD000_0001 | UInt32(number) << 8, port: 4_000)],
                    region: nil, version: 1))
        }
    }

    var nodes: Set<NodeID> { Set(records.map(\.node)) }

    /// Others of its own, and dead ones to crowd out whoever lives.
    private func lies() -> [NodeRecord] {
        [records[chance.below(records.count)], records[chance.below(records.count)], dead[chance.below(200)]]
    }

    func answer(_ packet: World.Packet, in world: World) {
        guard let own = byPlace[packet.to] else { return }
        switch packet.frame {
        case .ping(let nonce), .probe(let nonce): say(.pong(nonce: nonce), as: own, to: packet.source, world)
        case .dial: say(.welcome([own] + lies()), as: own, to: packet.source, world)
        case .records(_, asks: true):
            say(.records([own] + lies(), asks: false), as: own, to: packet.source, world)
        case .indirectPing(_, let place, let nonce):
            let isOurs = byPlace[place] != nil
            say(.indirectPong(nonce: nonce, isAlive: isOurs), as: own, to: packet.source, world)
        default: break
        }
    }

    func attack(_ place: Endpoint, in world: World) {
        let own = records[chance.below(records.count)]
        say(.dial(own, isUrgent: true), as: own, to: place, world)
        say(.records([own] + lies(), asks: true), as: own, to: place, world)
    }

    private func say(_ frame: Frame, as record: NodeRecord, to place: Endpoint, _ world: World) {
        world.send(
            World.Packet(sender: record.node, source: record.endpoints[0], to: place, frame: frame))
    }
}

@Suite struct EclipseTests {
    /// The attacker's share of the victim's peers, at its highest after the first ten seconds.
    private func eclipse(_ chance: Chance, isBootstrap: Bool) -> Double {
        var chance = chance
        let attacker = Attacker(chance: chance.split())
        let world = World(chance: chance, isSpread: true)
        world.elsewhere = { [unowned world] in attacker.answer($0, in: world) }
        var entries = (0..<3).map { (World.id($0), world.place($0)) }
        if isBootstrap {
            entries = [entries[0]] + attacker.records.prefix(2).map { ($0.node, $0.endpoints[0]) }
        }
        let honest = 40
        for index in 0..<honest { world.add(entries.filter { $0.0 != World.id(index) }) }
        var share = 0.0
        // The victim begins when the others have met, with an attacker who waits for it.
        for step in 0..<200 {
            if step == 50 { world.add(entries) }
            world.run(for: .milliseconds(200))
            if step >= 50 { for _ in 0..<3 { attacker.attack(world.place(honest), in: world) } }
            attacker.attack(world.place(step % honest), in: world)
            guard step >= 100 else { continue }
            let peers = world.hosts[honest].machine.peers
            share = max(
                share, Double(peers.count { attacker.nodes.contains($0) }) / Double(max(1, peers.count)))
            if peers.isEmpty { share = 1 }
        }
        world.hosts[honest].machine.assertInvariants()
        return share
    }

    @Test func `fifty addresses in five prefixes never own a whole view`() {
        for isBootstrap in [false, true] {
            let shares = Seed.all.prefix(3).map { eclipse($0.chance(), isBootstrap: isBootstrap) }.sorted()
            print(
                isBootstrap ? "with two of three entry points," : "without entry points,",
                "an attacker has at most", shares.map { Int($0 * 100) }, "% of a view")
            #expect(shares.allSatisfy { $0 < 1 })
        }
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
        case .message, .chunk, .have, .want, .reconciliation: nil
        }
    }
}
