import Bytes
import Chance
import Consensus
import Identity
@testable import Ledger
import TestKit
import Testing
import Wire

@testable import Node

/// A seed costs a few hundred real signatures, so fewer than usual.
private let seeds = Array(Seed.all.prefix(4))

/// Four validators, and some of them hear of no unstaking but in others' blocks.
private final class Ears {
    let world: World
    var deaf: Set<Int> = []

    init(_ seed: Seed) throws {
        world = World(count: 4, chance: seed.chance())
        world.drops = { [unowned self] payload, _, receiver in
            deaf.contains(receiver) && Self.holdsUnstaking(payload)
        }
        for host in 0..<4 { try world.start(host) }
    }

    private static func holdsUnstaking(_ payload: [UInt8]) -> Bool {
        guard let read = try? Payload(decoding: payload.octetBytes) else { return false }
        return read.frames.contains { frame in
            guard case .message(let octets) = frame,
                case .transaction(let transaction) = try? Message(decoding: octets)
            else { return false }
            return transaction.kind.isUnstaking
        }
    }

    func host(_ node: NodeID) -> Int { (0..<4).first { world.key($0).nodeID == node }! }

    /// In the order in which they lead the open epoch.
    func leaders(at host: Int) -> [Int] {
        let node = world.nodes[host]!
        return node.leaders.map { self.host(node.committee.seats[$0].key) }
    }

    /// What was heard is forgotten, and not heard again.
    func deafen(_ host: Int) {
        deaf.insert(host)
        world.nodes[host]!.transactions = TransactionPool()
    }

    func block(_ epoch: Epoch, at host: Int) -> (block: Block, certificate: Certificate)? {
        world.disks[host].blocks[epoch]
    }

    /// Sends one while an epoch is open, to all but its first leader, and opens the next: each of the others has had it since
    /// before the window, and so have that epoch's first and last leader.
    func send() throws -> (unstaking: Transaction, next: Epoch) {
        var young = 0
        let isFit = world.run(for: .seconds(120)) {
            guard world.commonEpoch >= 2, world.nodes.allSatisfy({ $0!.openEpoch == world.commonEpoch + 1 })
            else { return false }
            young = leaders(at: 0)[0]
            let node = world.nodes[0]!
            let next = Simplex.leaders(of: node.committee, randomness: node.chain.randomness)
            return [next[0], next[3]].allSatisfy { host(node.committee.seats[$0].key) != young }
        }
        #expect(isFit)
        let epoch = world.commonEpoch + 1
        deaf = [young]
        let owner = world.key((young + 1) % 4)
        let unstaking = Transaction(
            account: owner.nodeID, nonce: 1, fee: 1_000, expiry: 40, kind: .unstake(owner.nodeID, 1_000)
        ).signed(by: owner, network: world.genesis.network)
        let payload = Payload(frames: [.message(Message.transaction(unstaking).encoded())]).encoded()
        let wallet = SigningKey(seed: Digest(of: [9]).octets.octetBytes).nodeID
        for host in 0..<4 where host != young {
            world.deliver(.payload(payload, from: wallet, .loopback(port: 9_000)), to: host, in: 1...5)
        }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch == epoch })
        // Nobody could have expected of this leader what came within the window.
        let first = try #require(self.block(epoch, at: 0)).block
        #expect(host(first.header.builder) == young && first.body.transactions.isEmpty)
        for host in 0..<4 where host != young {
            #expect(world.nodes[host]!.unstakersDue == [owner.nodeID])
        }
        deaf = []
        return (unstaking, epoch + 1)
    }

    func expectHealthy() throws {
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
        for host in 0..<4 where world.nodes[host] != nil { try world.verify(host) }
    }
}

@Suite struct `An unstaking that was here before the window` {
    @Test(arguments: seeds) func `is in the next block, though the first leader leaves it out`(seed: Seed)
        throws
    {
        let ears = try Ears(seed)
        let (unstaking, next) = try ears.send()
        let censor = ears.leaders(at: 0)[0]
        ears.deafen(censor)
        #expect(ears.world.run(for: .seconds(60)) { ears.world.commonEpoch == next })
        let final = try #require(ears.block(next, at: 0))
        #expect(ears.host(final.block.header.builder) != censor)
        #expect(final.certificate.ballot.view > 1)
        #expect(final.block.body.transactions == [unstaking])
        try ears.expectHealthy()
    }

    @Test(arguments: seeds) func `is in an honest leader's block at once`(seed: Seed) throws {
        let ears = try Ears(seed)
        let (unstaking, next) = try ears.send()
        #expect(ears.world.run(for: .seconds(60)) { ears.world.commonEpoch == next })
        let final = try #require(ears.block(next, at: 0))
        #expect(final.certificate.ballot.view == 1)
        #expect(final.block.body.transactions == [unstaking])
    }

    @Test(arguments: seeds) func `stops no epoch beyond the first views`(seed: Seed) throws {
        let ears = try Ears(seed)
        let (_, next) = try ears.send()
        let leaders = ears.leaders(at: 0)
        // The last to lead is the only one who has it, and one is away: without its vote nothing is decided.
        for host in leaders.prefix(3) { ears.deafen(host) }
        ears.world.crash(leaders[1])
        let judge = leaders[3]
        #expect(ears.world.nodes[judge]!.unstakersDue.count == 1)
        #expect(ears.world.run(for: .seconds(120)) { ears.world.commonEpoch == next })
        let final = try #require(ears.block(next, at: judge))
        #expect(final.certificate.ballot.view == 3)
        #expect(final.block.body.transactions.isEmpty)
        #expect(ears.world.run(for: .seconds(240)) { ears.world.commonEpoch >= next + 2 })
        try ears.expectHealthy()
    }
}
