import Bytes
import Chance
import Identity
import TestKit
import Testing
import Wire

@testable import Node

/// Every registered device may say something in every epoch; a node holds what can be of use to a block, and no more.
@Suite struct `Evidence above what a block has` {
    /// Of forty authors, some of whom say two things, in any order.
    private func bundles(_ chance: inout Chance) -> [Bundle] {
        var bundles: [Bundle] = []
        for author in 0..<40 {
            for _ in 0..<(chance.happens(1, in: 8) ? 2 : 1) {
                let readings = (0..<chance.below(17)).map {
                    Reading(sequence: UInt64($0), kind: 0, value: Int64(truncatingIfNeeded: chance.bits()))
                }
                bundles.append(
                    Bundle(
                        author: NodeID(testing: UInt64(author)), epoch: 1,
                        ownTag: Tag(chance.bits()), reports: [],
                        readings: readings))
            }
        }
        chance.shuffle(&bundles)
        return bundles
    }

    private func parameters(_ chance: inout Chance) -> Parameters {
        var parameters = Parameters()
        parameters.bundlesMax = UInt32(1 + chance.below(12))
        switch chance.below(3) {
        case 0: parameters.evidenceBytesMax = UInt32(500 + chance.below(4_000))
        case 1: parameters.evidenceBytesMax = UInt32(2 * Bundle.byteCountMax + chance.below(10_000))
        default: break
        }
        return parameters
    }

    @Test(arguments: Seed.all) func `is not held, and every block is as if it were`(seed: Seed) {
        var chance = seed.chance()
        let parameters = parameters(&chance)
        let randomness = Digest(of: chance.octets(8))
        let bundles = bundles(&chance)
        let room = EvidenceRoom(parameters, randomness: randomness)
        var pool = EvidencePool(epoch: 1, room: room)
        var boundless = EvidencePool(epoch: 1)
        // As another machine hears of them.
        var told: Set<Digest> = []
        for bundle in bundles {
            let isNew = boundless.insert(bundle, at: .origin)
            let hadRoom = pool.hasRoom(for: bundle.author)
            let isHeld = pool.insert(bundle, at: .origin)
            #expect(isNew && (hadRoom || !isHeld))
            if isHeld { told.insert(bundle.id) }
            told.subtract(pool.takeDropped().map(\.id))
            #expect(isHeld == pool.contains(bundle.id) && pool.count <= 2 * Int(parameters.bundlesMax))
            #expect(
                pool.entries(randomness: randomness, parameters: parameters)
                    == boundless.entries(randomness: randomness, parameters: parameters))
            pool.assertInvariants()
        }
        #expect(told == Set(pool.bundles.map(\.id)))
        #expect(pool.count < boundless.count)
        var reversed = EvidencePool(epoch: 1, room: room)
        for bundle in bundles.reversed() { _ = reversed.insert(bundle, at: .origin) }
        #expect(reversed.bundles.map(\.id) == pool.bundles.map(\.id), "whatever the order in which it came")
    }

    @Test func `is taken where a header names it, as much of it as a block has`() {
        var chance = Seed.all[0].chance()
        var parameters = Parameters()
        parameters.bundlesMax = 5_000
        let randomness = Digest(of: chance.octets(8))
        var pool = EvidencePool(epoch: 1, room: EvidenceRoom(parameters, randomness: randomness))
        let bundles = (0..<16_000).map {
            Bundle(author: NodeID(testing: UInt64($0)), epoch: 1, ownTag: nil, reports: [])
        }
        for bundle in bundles { _ = pool.insert(bundle, at: .origin) }
        #expect(pool.count == 10_000)
        let left = bundles.filter { !pool.contains($0.id) }
        let named = Set(left.prefix(5_000).map(\.id))
        // Others that headers named before fill what room there is.
        let others = left.suffix(1_000).count { pool.insertAsked($0) }
        let owed = left.prefix(5_000).count { pool.insertAsked($0, owed: named) }
        #expect(others == 1_000 && owed == 5_000)
        for bundle in left.prefix(5_000) {
            let item = EvidenceItem(author: bundle.author, item: bundle.id)
            #expect(pool.entry(for: item) == .bundle(bundle) && pool.bundles(for: bundle.id) == [bundle])
        }
        pool.assertInvariants()
    }

    @Test func `is taken where a header names that its author said two things`() throws {
        var chance = Seed.all[0].chance()
        var parameters = Parameters()
        parameters.bundlesMax = 1
        let randomness = Digest(of: chance.octets(8))
        var pool = EvidencePool(epoch: 1, room: EvidenceRoom(parameters, randomness: randomness))
        func bundle(_ author: Int, _ value: UInt64) -> Bundle {
            Bundle(
                author: NodeID(testing: UInt64(author)), epoch: 1, ownTag: Tag(value), reports: [])
        }
        // Held at first, both of each; then others come who rank before.
        for value in UInt64(0)..<2 {
            for author in 0..<8 { _ = pool.insert(bundle(author, value), at: .origin) }
        }
        pool.assertInvariants()
        let author = try #require((0..<8).first { pool.isOutranked(NodeID(testing: UInt64($0))) })
        let pair = [bundle(author, 0), bundle(author, 1)].sorted { $0.id < $1.id }
        let entry = EvidenceEntry.conflict(pair[0], pair[1])
        let item = EvidenceItem(author: entry.author, item: entry.item)
        #expect(pool.entry(for: item) == nil && pool.bundles(for: item.item).isEmpty)
        // As the header's items say it, not as bundles.
        for bundle in pair {
            let isTaken = pool.insertAsked(bundle, owed: [entry.item])
            #expect(isTaken && !pool.hasRoom(for: bundle.author))
            pool.assertInvariants()
        }
        #expect(pool.entry(for: item) == entry && pool.bundles(for: item.item) == pair)
        #expect(pool.items(of: pair[0]) == [pair[0].id, entry.item])
        #expect(pool.count == 2)
    }

    /// A block has one entry, so that a node holds what two of the four say.
    private func world() throws -> World {
        let world = World(count: 4, chance: Seed.all[0].chance()) { $0.bundlesMax = 1 }
        for host in 0..<4 { try world.start(host) }
        return world
    }

    @Test func `stops nobody, and each block has who ranks first`() throws {
        let world = try world()
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 6 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
        var views: [View] = []
        for case .epochFinal(let epoch, let view, _) in world.notices[0] where epoch > 1 {
            views.append(view)
        }
        #expect(views.allSatisfy { $0 == 1 }, "\(views)")
        for epoch in Epoch(3)...6 {
            let block = world.disks[0].blocks[epoch]!.block
            let first = (0..<4).map { world.key($0).nodeID }.min {
                Randomness.rank(of: $0, randomness: block.header.randomness)
                    < Randomness.rank(of: $1, randomness: block.header.randomness)
            }
            #expect(block.evidence.map(\.author) == [first], "epoch \(epoch)")
        }
        for host in 0..<4 { try world.verify(host) }
    }

    /// Else whoever lacks it could never notarize what the others did, and nothing would be final any more.
    @Test func `is given to who asks for it, whatever it was taken in for`() throws {
        let world = World(count: 4, chance: Seed.all[0].chance())
        for host in 0..<4 { try world.start(host) }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 2 && world.nodes[0]!.peers.count == 3 })
        let node = world.nodes[0]!
        let author = world.key(3)
        let said = (0..<3).map { value in
            Bundle(
                author: author.nodeID, epoch: node.openEpoch, ownTag: nil, reports: [],
                readings: [Reading(sequence: 1, kind: 0, value: Int64(value))]
            ).signed(by: author, network: world.genesis.network)
        }
        for bundle in said.prefix(2) { _ = node.pool.insert(bundle, at: world.now) }
        #expect(!node.pool.hasRoom(for: author.nodeID) && node.pool.insertAsked(said[2]))
        var actions: [NodeAction] = []
        let asker = world.key(1).nodeID
        let question = Message.bundlesRequest([said[2].id])
        node.handle(
            .payload(
                Payload(frames: [.message(question.encoded())]).encoded(), from: asker, world.endpoint(1)),
            at: world.now, actions: &actions)
        let isGiven = actions.contains { action in
            guard case .send(let payload, let to) = action, to.node == asker,
                let frames = try? Payload(decoding: payload.octetBytes).frames
            else { return false }
            return frames.contains(.message(Message.bundle(said[2]).encoded()))
        }
        #expect(isGiven)
    }

    @Test func `is in its author's outbox, and is fetched from there where a proposal names it`() throws {
        let world = try world()
        func isLeftOut(_ host: Int, at other: Int) -> Bool {
            guard let bundle = world.nodes[host]!.ownBundle else { return false }
            let node = world.nodes[other]!
            return bundle.epoch == node.openEpoch && node.pool.isOutranked(bundle.author)
                && !node.pool.contains(bundle.id)
        }
        var author = 0
        #expect(
            world.run(for: .seconds(60)) {
                guard world.commonEpoch >= 2 else { return false }
                author = (0..<4).first { isLeftOut($0, at: $0) && isLeftOut($0, at: ($0 + 1) % 4) } ?? 0
                return isLeftOut(author, at: author) && isLeftOut(author, at: (author + 1) % 4)
            })
        let host = (author + 1) % 4
        let node = world.nodes[host]!
        let bundle = try #require(world.nodes[author]!.ownBundle)
        #expect(world.disks[author].own == bundle)
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        let chain = node.chain
        let header = Header(
            network: node.network, epoch: chain.openEpoch, parent: chain.parent,
            builder: chain.committee.seats[node.leaders[0]].key, buildView: 1,
            randomnessProof: chain.last!.header.randomnessProof, randomness: chain.randomness,
            evidence: EvidenceSummary(items: [bundle.id]), transactionsRoot: body.root, verdictsRoot: .zero,
            stateRoot: .zero, committee: chain.committee.digest, nextCommittee: chain.nextCommittee.digest,
            parameters: node.genesis.parameters.digest, wallTime: 0)
        var actions: [NodeAction] = []
        node.evaluate(header, isSubjective: false, at: world.now, &actions)
        node.receive(
            Contents(
                header: header, body: body, items: [EvidenceItem(author: bundle.author, item: bundle.id)]),
            from: header.builder, at: world.now, &actions)
        #expect(node.candidates[header.digest]?.isWaiting == true)
        world.carryOut(actions, of: host)
        #expect(
            world.run(for: .seconds(1)) { node.candidates[header.digest]?.isWaiting != true },
            "it is fetched and looked at")
        #expect(node.candidates[header.digest] != nil && node.pool.contains(bundle.id))
        #expect(node.pool.count == 2)
    }

    /// Others may ask for it, as this node says that it has what stands behind the header.
    @Test(arguments: [true, false])
    func `stays where a header stands on it that has all its bundles here`(stands: Bool) throws {
        let world = try world()
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 2 })
        let node = world.nodes[0]!
        func bundle(_ author: UInt64) -> Bundle {
            Bundle(author: NodeID(testing: author), epoch: node.openEpoch, ownTag: nil, reports: [])
        }
        var actions: [NodeAction] = []
        let first = try #require(
            (0..<1_000).map { bundle($0) }.first { node.hold($0, at: world.now, &actions) })
        if stands {
            let item = EvidenceItem(author: first.author, item: first.id)
            let chain = node.chain
            let header = Header(
                network: node.network, epoch: chain.openEpoch, parent: chain.parent,
                builder: node.firstLeader,
                buildView: 1, randomnessProof: chain.last!.header.randomnessProof,
                randomness: chain.randomness,
                evidence: EvidenceSummary(items: [first.id]), transactionsRoot: .zero, verdictsRoot: .zero,
                stateRoot: .zero, committee: chain.committee.digest,
                nextCommittee: chain.nextCommittee.digest,
                parameters: node.genesis.parameters.digest, wallTime: 0)
            var candidate = Candidate(header: header, digest: header.digest)
            let contents = Contents(
                header: header, body: Body(transactions: [], parentCertificate: nil), items: [item])
            candidate.stage = .checking(contents, [.bundle(first)])
            node.candidates[header.digest] = candidate
        }
        for author in UInt64(1_000)..<2_000 { _ = node.hold(bundle(author), at: world.now, &actions) }
        #expect(!node.pool.bundles.contains { $0.id == first.id }, "others rank before it")
        #expect(node.pool.bundles(for: first.id) == (stands ? [first] : []))
    }
}
