import Bytes
import Chance
import Identity
import Node
import TestKit
import Testing
import Wire

private let seeds = Array(Seed.all.prefix(6))

@Suite struct `Nodes that compare what they hold` {
    private func world(_ seed: Seed) throws -> World {
        let world = World(count: 4, chance: seed.chance())
        for host in 0..<4 { try world.start(host) }
        return world
    }

    private static func frames(_ payload: [UInt8]) -> [Frame] {
        (try? Payload(decoding: payload.span.octetBytes))?.frames ?? []
    }

    private static func message(_ frame: Frame) -> Message? {
        guard case .message(let octets) = frame else { return nil }
        return try? Message(decoding: octets)
    }

    private func counter(_ name: String, _ world: World) -> UInt64 {
        world.nodes.compactMap { $0 }.reduce(0) { sum, node in
            sum + node.counters.filter { $0.0 == name }.reduce(0) { $0 + $1.1 }
        }
    }

    /// One that waits for its account's first, and so is in no block that others could hear of it by.
    @Test(arguments: seeds.prefix(3))
    func `have a transaction that one of them never heard of, though it has no other`(
        seed: Seed
    ) throws {
        let world = try world(seed)
        #expect(world.run(for: .seconds(30)) { world.commonEpoch >= 2 })
        var isDeaf = true
        world.drops = { payload, _, receiver in
            guard isDeaf, receiver == 3 else { return false }
            return Self.frames(payload).contains { frame in
                if case .have = frame { return true }
                if case .transaction? = Self.message(frame) { return true } else { return false }
            }
        }
        let payer = world.key(1)
        let transaction = Transaction(
            account: payer.nodeID, nonce: 2, fee: 1_000, expiry: 900,
            kind: .transfer(to: world.key(2).nodeID, 1)
        ).signed(by: payer, network: world.genesis.network)
        let payload = Payload(frames: [.message(Message.transaction(transaction).encoded())]).encoded()
        world.handle(.payload(payload, from: payer.nodeID, world.endpoint(1)), at: 0)
        world.run(for: .seconds(2))
        isDeaf = false
        func waiting(_ host: Int) -> Int? {
            world.nodes[host]?.gauges.first { $0.name == "transactions" }?.value
        }
        #expect(waiting(0) == 1 && waiting(3) == 0)
        #expect(world.run(for: .seconds(20)) { waiting(3) == 1 })
    }

    /// Bundles spread by nothing but what a peer asked for after comparing.
    @Test(arguments: seeds) func `have all evidence though gossip carries none`(seed: Seed) throws {
        let world = try world(seed)
        var asked: Set<[Int]> = []
        world.drops = { payload, sender, receiver in
            for frame in Self.frames(payload) {
                switch frame {
                case .have, .chunk: return true
                case .reconciliation(.want(.evidence, _)): asked.insert([sender, receiver])
                default: break
                }
                if case .bundle? = Self.message(frame), !asked.contains([receiver, sender]) { return true }
            }
            return false
        }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 6 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
        for epoch in Epoch(3)...6 {
            #expect(world.disks[0].blocks[epoch]!.block.evidence.count == 4, "epoch \(epoch)")
        }
        #expect(counter("reconciliation.decoded", world) > 0)
    }

    /// The list behind a header is never sent whole where most of it is known.
    @Test(arguments: seeds) func `ask of a proposal what differs`(seed: Seed) throws {
        let world = try world(seed)
        var requests = 0
        var wholes = 0
        world.drops = { payload, _, _ in
            for frame in Self.frames(payload) {
                switch Self.message(frame) {
                case .listRequest: requests += 1
                case .contentsRequest: wholes += 1
                default: break
                }
            }
            return false
        }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 8 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
        #expect(requests >= 3 * 8 && wholes == 0, "\(requests) questions, \(wholes) for whole lists")
    }

    /// A liar about lists costs questions, never the block.
    @Test(arguments: seeds) func `agree though answers about lists are lost`(seed: Seed) throws {
        let world = try world(seed)
        world.drops = { payload, _, _ in
            Self.frames(payload).contains { frame in
                switch Self.message(frame) {
                case .listCells, .items: true
                default: false
                }
            }
        }
        #expect(world.run(for: .seconds(90)) { world.commonEpoch >= 4 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
    }

    /// Reconciliation makes blocks fair; where it is silent, blocks are made all the same.
    @Test(arguments: seeds) func `go on though nobody answers comparisons`(seed: Seed) throws {
        let world = try world(seed)
        world.drops = { payload, _, _ in
            Self.frames(payload).contains { if case .reconciliation = $0 { true } else { false } }
        }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 6 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
    }
}
