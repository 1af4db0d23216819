import Bytes
import Chance
import Geo
import Identity
import Membership
import Node
import TestKit
import Testing
import Wire

/// Where a node says that it is, and whom it names to who asks for those near a place.
@Suite struct `A node's region` {
    private static let far = Position(latitude: -330_000_000, longitude: 1_510_000_000)!

    /// Of `World`'s devices in genesis.
    private func place(_ host: Int) -> Position {
        Position(latitude: 470_000_000 + Int32(host) * 200_000, longitude: 80_000_000)!
    }

    /// Of the registry's cell. Near a border the place itself may lie in the region beside it.
    private func region(_ place: Position) -> Cell { Cell(containing: place, resolution: 12).region! }

    /// Of nobody in the network.
    private func id(_ key: Int) -> NodeID {
        SigningKey(seed: Digest(of: [UInt8(key)]).octets.octetBytes, isGuarded: false).nodeID
    }

    private func world(_ count: Int) throws -> World {
        let world = World(count: count, chance: Seed.all[0].chance())
        for host in 0..<count { try world.start(host) }
        return world
    }

    @Test func `is that of its place in the registry, and follows it`() throws {
        let world = try world(3)
        for host in 0..<3 { #expect(world.nodes[host]!.card.region == region(place(host))) }
        #expect(world.run(for: .seconds(30)) { world.commonEpoch >= 2 })
        let moved = Transaction(
            account: world.key(1).nodeID, nonce: 1, fee: 100_000, expiry: 40,
            kind: .locate(
                world.key(1).nodeID,
                Location(position: Self.far, cell: Cell(containing: Self.far, resolution: 12)))
        ).signed(by: world.key(1), network: world.genesis.network)
        world.handle(
            .payload(
                Payload(frames: [.message(Message.transaction(moved).encoded())]).encoded(),
                from: id(9), .loopback(port: 9_000)), at: 0)
        let epoch = world.disks[1].lastEpoch
        let hasMoved = world.run(for: .seconds(60)) { world.nodes[1]!.card.region == region(Self.far) }
        #expect(hasMoved && world.disks[1].lastEpoch >= epoch + 4, "what a block changes counts four later")
        let card = world.nodes[1]!.card
        #expect(card.sequence > 1 << NodeRecord.changeBits)
        let isTold = world.run(for: .seconds(10)) {
            [0, 2].allSatisfy { world.nodes[$0]!.contacts.contains { $0.record == card } }
        }
        #expect(isTold)
        // It is in the same place when it starts again.
        world.crash(1)
        try world.start(1)
        #expect(world.nodes[1]!.card.region == region(Self.far))
    }

    @Test func `a stranger is told the nearest four, and all strangers together ten times a second`() throws {
        let world = try world(6)
        let knowsAll = world.run(for: .seconds(30)) {
            world.nodes[0]!.contacts.count { $0.record != nil } == 5
        }
        #expect(knowsAll)
        let node = world.nodes[0]!
        func ask(_ key: Int, _ cell: Cell) -> [[NodeRecord]] {
            var actions: [NodeAction] = []
            let payload = Payload(frames: [.nearby(cell)]).encoded()
            node.handle(
                .payload(payload, from: id(key), .loopback(port: 9_000)), at: world.now, actions: &actions)
            var answers: [[NodeRecord]] = []
            for case .send(let octets, let to) in actions where to.node == id(key) {
                #expect(!to.opens, "a session is there, or there is no answer")
                for case .records(let cards, asks: false) in try! Payload(decoding: octets.octetBytes).frames
                {
                    answers.append(cards)
                }
            }
            return answers
        }
        // Places are some 2 km apart, and regions some 17 km.
        let nearest = ask(1, region(place(0)))
        #expect(nearest.count == 1 && nearest[0].count == 4)
        let distances = nearest[0].map { $0.region!.centre.distanceMetres(to: region(place(0)).centre) }
        #expect(distances == distances.sorted())
        let all = (0..<6).map { region(place($0)).centre.distanceMetres(to: region(place(0)).centre) }
            .sorted()
        #expect(distances == Array(all.prefix(4)), "its own card is among them")
        let dropped = node.drops[Drop.nearbyAllowance.rawValue]
        #expect(ask(2, region(place(0))).isEmpty)
        #expect(node.drops[Drop.nearbyAllowance.rawValue] == dropped + 1)
        world.now = world.now + .milliseconds(100)
        #expect(ask(2, region(Self.far)).count == 1, "far from all there are nearest ones too")
    }

    @Test func `a peer is told once a second, whatever strangers ask`() throws {
        let world = try world(3)
        #expect(world.run(for: .seconds(30)) { world.nodes[0]!.contacts.count { $0.link != nil } == 2 })
        let node = world.nodes[0]!
        func answers(_ host: Int) -> Int {
            // What is due anyway is no answer.
            var actions: [NodeAction] = []
            node.handle(.woke, at: world.now, actions: &actions)
            actions = []
            let payload = Payload(frames: [.nearby(region(place(0)))]).encoded()
            node.handle(
                .payload(payload, from: world.key(host).nodeID, world.endpoint(host)), at: world.now,
                actions: &actions)
            return actions.count {
                guard case .send(let octets, let to) = $0, to.node == world.key(host).nodeID,
                    let frames = try? Payload(decoding: octets.octetBytes).frames
                else { return false }
                return frames.contains {
                    // Never its own card to itself.
                    if case .records(let cards, asks: false) = $0 {
                        !cards.contains { $0.node == to.node }
                    } else {
                        false
                    }
                }
            }
        }
        #expect(answers(1) == 1 && answers(1) == 0 && answers(2) == 1)
        world.now = world.now + .seconds(1)
        #expect(answers(1) == 1)
    }
}
