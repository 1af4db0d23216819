import Chance
import Identity
import Node
import TestKit
import Testing
import Wire

/// A seed costs a few thousand real signatures, so few.
private let seeds = Array(Seed.all.prefix(3))

@Suite struct `A node that is far behind` {
    /// Four validators, of whom the last comes when the others have so many epochs.
    private func world(_ seed: Seed, epochs: Epoch = 20, keptEpochs: UInt32 = 0) throws -> World {
        let world = World(count: 4, chance: seed.chance(), keptEpochs: keptEpochs) {
            if keptEpochs > 0 { $0.penaltyEpochs = 3 }
        }
        for host in 0..<3 { try world.start(host) }
        #expect(world.run(for: .seconds(200)) { world.commonEpoch >= epochs })
        return world
    }

    private func adopted(_ world: World, _ host: Int) -> Epoch? {
        for case .snapshot(.adopted(let epoch, _, _, _)) in world.notices[host] { return epoch }
        return nil
    }

    private func liars(_ world: World, _ host: Int) -> [NodeID] {
        world.notices[host].compactMap { notice in
            if case .snapshot(.lied(let peer, _)) = notice { peer } else { nil }
        }
    }

    private func expectJoined(_ world: World) throws {
        let goal = (world.disks[0].lastEpoch) + 3
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= goal })
        #expect(world.forks.isEmpty)
        #expect(world.alarms.isEmpty)
        let said = world.notices[3].compactMap { notice in
            if case .snapshot(let notice) = notice { "\(notice)" } else { nil }
        }
        let epoch = try #require(adopted(world, 3), "\(said)")
        #expect(epoch >= 16)
        // It has executed nothing of what came before, and can show the headers of all of it.
        #expect(world.disks[3].blocks[epoch - 2] == nil)
        #expect(Set(world.disks[3].finals.keys).isSuperset(of: 1...epoch))
        for host in world.nodes.indices { try world.verify(host) }
        for host in 1..<4 where world.nodes[host]!.openEpoch == world.nodes[0]!.openEpoch {
            #expect(world.nodes[host]!.stateRoot == world.nodes[0]!.stateRoot)
        }
    }

    @Test(arguments: seeds) func `starts from a recent state and goes on with the others`(seed: Seed) throws {
        let world = try world(seed)
        world.lossPercent = 5
        try world.start(3)
        try expectJoined(world)
        // It votes as the others do.
        #expect(world.nodes[3]!.isVoter)
    }

    @Test(arguments: seeds) func `executes block after block when it is not that far`(seed: Seed) throws {
        let world = try world(seed, epochs: 9)
        try world.start(3)
        let goal = world.disks[0].lastEpoch + 2
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= goal })
        #expect(adopted(world, 3) == nil)
        #expect(world.disks[3].blocks[1] != nil)
        try world.verify(3)
    }

    @Test(arguments: seeds) func `does not wait for blocks that nobody keeps so long`(seed: Seed) throws {
        let world = try world(seed, epochs: 9, keptEpochs: 5)
        for host in 0..<3 {
            let first = world.disks[host].lastEpoch - 4
            world.disks[host].blocks = world.disks[host].blocks.filter { $0.key >= first }
        }
        try world.start(3)
        #expect(world.run(for: .seconds(60)) { adopted(world, 3) != nil })
        // By then it is not so far behind yet that a state would be fetched where all is kept.
        #expect(world.disks[0].lastEpoch < 16)
        let goal = world.disks[0].lastEpoch + 3
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= goal })
        #expect(world.forks.isEmpty)
        try world.verify(3)
    }

    @Test(arguments: seeds) func `goes on after a crash with what it had`(seed: Seed) throws {
        let world = try world(seed, epochs: 34)
        world.lossPercent = 5
        try world.start(3)
        #expect(world.run(for: .seconds(60)) { world.disks[3].snapshotRecord != nil })
        world.crash(3)
        #expect(adopted(world, 3) == nil)
        let headers = world.disks[3].finals.count
        #expect(headers >= 16)
        try world.start(3)
        try expectJoined(world)
        // It asked for none of the headers that it had.
        #expect(
            world.notices[3].contains { notice in
                if case .snapshot(.began) = notice { true } else { false }
            })
    }

    @Test(arguments: seeds) func `who was there and went starts from its own state`(seed: Seed) throws {
        let world = World(count: 4, chance: seed.chance())
        for host in 0..<4 { try world.start(host) }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 4 })
        world.crash(3)
        #expect(world.run(for: .seconds(200)) { world.commonEpoch >= 24 })
        try world.start(3)
        let goal = world.disks[0].lastEpoch + 3
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= goal })
        #expect(try #require(adopted(world, 3)) >= 20)
        #expect(world.disks[3].blocks[2] != nil && world.disks[3].blocks[10] == nil)
        #expect(world.alarms.isEmpty && world.forks.isEmpty)
        try world.verify(3)
    }

    @Test func `who was cut off again and again compares what it holds as ever`() throws {
        let world = World(count: 4, chance: seeds[0].chance())
        for host in 0..<4 { try world.start(host) }
        for _ in 0..<2 {
            #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 2 })
            let away = world.disks[0].lastEpoch + 20
            world.side = [0, 0, 0, 1]
            #expect(world.run(for: .seconds(200)) { world.disks[0].lastEpoch >= away })
            world.side = [0, 0, 0, 0]
            let goal = away + 3
            #expect(world.run(for: .seconds(90)) { world.disks[3].lastEpoch >= goal })
        }
        #expect(try #require(adopted(world, 3)) >= 16)
        // No set of an epoch that is over is left.
        func kinds(_ host: Int) -> Int? {
            world.nodes[host]!.gauges.first { $0.name == "reconciliation.kinds" }?.value
        }
        #expect(kinds(3) == kinds(0))
    }

    @Test(arguments: seeds) func `drops who sends a wrong part, and nothing else`(seed: Seed) throws {
        let world = try world(seed)
        world.tamper = { host, message in
            guard host == 1, case .snapshotAnswer(.part(let epoch, let place, let part)) = message,
                case .inner = part.nodes[0]
            else { return message }
            var nodes = part.nodes
            for index in nodes.indices {
                if case .leaf(let key, let value) = nodes[index] { nodes[index] = .leaf(key, value + [0]) }
                if case .stub = nodes[index] { nodes[index] = .empty }
            }
            return .snapshotAnswer(.part(epoch, place, StatePart(nodes: nodes)))
        }
        try world.start(3)
        try expectJoined(world)
        #expect(Set(liars(world, 3)).isSubset(of: [world.key(1).nodeID]))
    }

    /// What stands beside a header that nobody voted for.
    enum HeaderLie: CaseIterable {
        /// The certificate of the true one.
        case certificateOfAnother
        /// A certificate of its own, with the votes for the true one.
        case votesForAnother
    }

    @Test(arguments: seeds, HeaderLie.allCases)
    func `believes no header that nobody voted for`(seed: Seed, lie: HeaderLie) throws {
        let world = try world(seed)
        // Each follows from the one before, so that nothing but the votes is wrong. All but the first host lie alike.
        var forged: [Epoch: Digest] = [:]
        world.tamper = { host, message in
            guard host > 0, case .finality(let headers) = message, headers.count > 1 else { return message }
            return .finality(
                headers.map { final in
                    var header = final.header
                    header.stateRoot = Digest(of: [1])
                    if let parent = forged[header.epoch - 1] { header.parent = parent }
                    forged[header.epoch] = header.digest
                    var certificate = final.certificate
                    if lie == .votesForAnother {
                        certificate = Certificate(
                            ballot: .finalize(header.epoch, certificate.ballot.view, header.digest),
                            voters: certificate.voters, signatures: certificate.signatures)
                    }
                    return FinalHeader(header: header, certificate: certificate)
                })
        }
        try world.start(3)
        try expectJoined(world)
        // It was told so, and saw who did.
        let found = Set(liars(world, 3))
        #expect(!found.isEmpty && found.isSubset(of: [world.key(1).nodeID, world.key(2).nodeID]))
    }

    @Test(arguments: seeds) func `is not sent after states that nobody has for ever`(seed: Seed) throws {
        let world = try world(seed)
        world.tamper = { host, message in
            guard host == 1, case .snapshotAnswer(.part(let epoch, _, _)) = message else { return message }
            return .snapshotAnswer(.states(first: epoch + 1, last: epoch + 1_000))
        }
        try world.start(3)
        try expectJoined(world)
        #expect(Set(liars(world, 3)).isSubset(of: [world.key(1).nodeID]))
    }

    @Test(arguments: seeds) func `fetches nothing for a claim that nobody can show`(seed: Seed) throws {
        let world = World(count: 4, chance: seed.chance())
        world.tamper = { host, message in
            guard host == 1, case .summary(let summary) = message else { return message }
            return .summary(
                Summary(
                    epoch: summary.epoch, view: summary.view, views: summary.views,
                    lastFinal: summary.lastFinal + 1_000))
        }
        for host in 0..<4 { try world.start(host) }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 8 })
        for host in world.nodes.indices { #expect(adopted(world, host) == nil) }
        #expect(world.alarms.isEmpty && world.forks.isEmpty)
        for host in world.nodes.indices { try world.verify(host) }
    }
}
