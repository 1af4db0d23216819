import Bytes
import Chance
import Consensus
import Geo
import Identity
import Ledger
import Reconciliation
import TestKit
import Testing
import Wire

@testable import Node

/// Evidence lists that only a leader with intent makes: a header commits to items, and not to whose they are.
@Suite struct `A block whose evidence` {
    private func world() throws -> World {
        let world = World(count: 4, chance: Seed.all[0].chance())
        for host in 0..<4 { try world.start(host) }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 2 && world.nodes[0]!.pool.count >= 2 })
        return world
    }

    private func header(_ node: Node, _ items: [Digest], _ body: Body) -> Header {
        let chain = node.chain
        return Header(
            network: node.network, epoch: chain.openEpoch, parent: chain.parent,
            builder: chain.committee.seats[node.leaders[0]].key, buildView: 1,
            randomnessProof: chain.last!.header.randomnessProof, randomness: chain.randomness,
            evidence: EvidenceSummary(items: items), transactionsRoot: body.root, verdictsRoot: .zero,
            stateRoot: .zero, committee: chain.committee.digest, nextCommittee: chain.nextCommittee.digest,
            parameters: node.genesis.parameters.digest, wallTime: 0)
    }

    private func fault(_ node: Node, _ entries: [EvidenceEntry]) -> BlockFault? {
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        do throws(BlockFault) {
            _ = try node.chain.check(
                header(node, entries.map(\.item), body), leaders: node.leaders, body: body, evidence: entries)
            return nil
        } catch {
            return error
        }
    }

    @Test func `names an author twice, or out of order, is none`() throws {
        let node = try world().nodes[0]!
        let entries = node.pool.entries(
            randomness: node.chain.randomness, parameters: node.genesis.parameters)
        let (one, other) = (entries[0], entries[1])
        #expect(fault(node, [one, one]) == .badEvidence)
        #expect(fault(node, [other, one]) == .badEvidence)
        // In order it is looked at further, and the proof of randomness is another block's.
        #expect(fault(node, [one, other]) == .badRandomness)
    }

    @Test func `has a conflict is as large, whichever two bundles of its author are held`() throws {
        let node = try world().nodes[0]!
        let entries = node.pool.entries(
            randomness: node.chain.randomness, parameters: node.genesis.parameters)
        let bundles = entries.flatMap(\.bundles)
        let (one, other) = (bundles[0], bundles[1])
        let large = Bundle(
            author: one.author, epoch: one.epoch, ownTag: nil, reports: [],
            readings: (0..<16).map { Reading(sequence: $0, kind: 1, value: 1) })
        #expect(large.encoded().count > other.encoded().count)
        #expect(EvidenceEntry.conflict(one, other).byteCount == EvidenceEntry.conflict(one, large).byteCount)
        #expect(EvidenceEntry.conflict(one, other).byteCount >= one.encoded().count + large.encoded().count)
    }

    @Test func `reveals beacons is judged twice, and their proofs are verified once`() throws {
        let world = try world()
        func reveals() -> [Reveal] {
            world.nodes[0]!.chain.recent.last!.evidence.flatMap(\.bundles).flatMap(\.reveals)
        }
        #expect(world.run(for: .seconds(120)) { reveals().count > 1 })
        let chain = world.nodes[0]!.chain
        let own = world.key(0).nodeID
        // Its own it made itself.
        let others = chain.recent.last!.evidence.flatMap(\.bundles).filter { $0.author != own }
        for reveal in others.flatMap(\.reveals) {
            #expect(chain.earlierOutputs.keys.contains { $0.proof == reveal.proof })
        }
    }

    @Test func `is by who is suspended is none, and no node takes it in`() throws {
        let world = try world()
        let author = world.key(3)
        world.crash(3)
        func bundle(_ epoch: Epoch, _ value: Int64) -> Bundle {
            Bundle(
                author: author.nodeID, epoch: epoch, ownTag: nil, reports: [],
                readings: [Reading(sequence: 1, kind: 0, value: value)]
            ).signed(by: author, network: world.genesis.network)
        }
        func tell(_ bundle: Bundle) {
            let payload = Payload(frames: [.message(Message.bundle(bundle).encoded())]).encoded()
            // It may be no peer any more, and what it says is not heard then: others pass it on.
            for host in 0..<3 {
                let other = (host + 1) % 3
                world.handle(
                    .payload(payload, from: world.key(other).nodeID, world.endpoint(other)), at: host)
            }
        }
        func isOpen(_ epoch: Epoch) -> Bool {
            (0..<3).allSatisfy { world.nodes[$0]!.chain.openEpoch == epoch }
        }
        let epoch = world.disks[0].lastEpoch + 2
        #expect(world.run(for: .seconds(60)) { isOpen(epoch) })
        #expect(
            (0..<3).allSatisfy { world.nodes[$0]!.peers.contains(world.key(($0 + 1) % 3).nodeID) },
            "whoever passes it on is heard")
        for value in 0..<2 { tell(bundle(epoch, Int64(value))) }
        #expect(world.run(for: .seconds(60)) { isOpen(epoch + 1) })
        #expect(
            world.disks[0].blocks[epoch]!.block.evidence.contains { entry in
                if case .conflict = entry { entry.author == author.nodeID } else { false }
            })
        let node = world.nodes[0]!
        let own = bundle(epoch + 1, 3)
        #expect(node.chain.isRegistered(author.nodeID))
        #expect(fault(node, [.bundle(own)]) == .badEvidence)
        tell(own)
        #expect(world.run(for: .seconds(60)) { world.commonEpoch > epoch })
        #expect(!world.disks[0].blocks[epoch + 1]!.block.evidence.contains { $0.author == author.nodeID })
    }

    @Test func `holds a place that another machine has just admitted is not unfair`() throws {
        let node = try world().nodes[0]!
        let cell = Cell(
            containing: Position(latitude: 470_000_000, longitude: 80_000_000)!, resolution: 12)
        let beyond = try #require(
            (0..<1_000).lazy.map { Position(latitude: 470_000_000 + Int32($0) * 5, longitude: 80_000_000)! }
                .first { !$0.lies(in: cell) })
        let transaction = Transaction(
            account: node.id, nonce: 1, fee: 1_000, expiry: 9,
            kind: .locate(node.id, Location(position: beyond, cell: cell)))
        #expect(node.implausibleLocation(in: transaction) == .implausibleLocation)
        #expect(node.implausibleLocation(in: transaction, ofBlock: true) == nil)
    }

    @Test func `is longer than any is not looked for`() throws {
        let node = try world().nodes[0]!
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        let most = Int(node.genesis.parameters.bundlesMax)
        let items = (0...most).map { Digest(of: [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)]) }
        #expect(throws: BlockFault.badEvidence) {
            try node.chain.checkPlace(of: header(node, items, body), leaders: node.leaders)
        }
        #expect(throws: Never.self) {
            try node.chain.checkPlace(of: header(node, Array(items.dropLast()), body), leaders: node.leaders)
        }
    }

    /// From the wire to the judgement: nobody stops, and the header is not one of this epoch.
    @Test func `is listed under authors that it does not have stops nobody`() throws {
        let world = try world()
        let node = world.nodes[0]!
        let entries = node.pool.entries(
            randomness: node.chain.randomness, parameters: node.genesis.parameters)
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        let header = header(node, [entries[0].item, entries[0].item], body)
        let authors = world.genesis.validators.map(\.validator).sorted()
        let contents = Contents(
            header: header, body: body,
            items: [
                EvidenceItem(author: authors[0], item: entries[0].item),
                EvidenceItem(author: authors[1], item: entries[0].item),
            ])
        var actions: [NodeAction] = []
        node.evaluate(header, isSubjective: false, at: world.now, &actions)
        node.receive(contents, from: world.key(1).nodeID, at: world.now, &actions)
        for case .verify(let ticket, let checks) in actions {
            node.handle(.verified(ticket: ticket, Verification(of: checks)), at: world.now, actions: &actions)
        }
        guard case .invalid(.badEvidence) = try #require(node.candidates[header.digest]).stage else {
            Issue.record("\(node.candidates[header.digest]!.stage)")
            return
        }
    }

    @Test func `names what there is no room for is waited for, and is none only if it says what is not so`()
        throws
    {
        let world = try world()
        let node = world.nodes[0]!
        let author = world.key(1)
        func bundle(_ value: Int64) -> Bundle {
            Bundle(
                author: author.nodeID, epoch: node.chain.openEpoch, ownTag: nil, reports: [],
                readings: [Reading(sequence: 1, kind: 0, value: value)]
            ).signed(by: author, network: node.network)
        }
        for value in 0..<2 { _ = node.pool.insert(bundle(Int64(value)), at: world.now) }
        let others = (10..<30).map { bundle(Int64($0)) }
        #expect(others.count { node.pool.insertAsked($0) } == EvidencePool.askedOfAuthorMax)
        let wanted = bundle(99)
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        let header = header(node, [wanted.id], body)
        let contents = Contents(
            header: header, body: body, items: [EvidenceItem(author: author.nodeID, item: wanted.id)])
        var actions: [NodeAction] = []
        node.evaluate(header, isSubjective: false, at: world.now, &actions)
        node.receive(contents, from: world.key(1).nodeID, at: world.now, &actions)
        func hand(_ bundle: Bundle) {
            actions = []
            node.verify(bundle, nil, teller: nil, replyTo: nil, at: world.now, &actions)
            for case .verify(let ticket, let checks) in actions {
                node.handle(
                    .verified(ticket: ticket, Verification(of: checks)), at: world.now, actions: &actions)
            }
        }
        hand(wanted)
        guard case .needsBundles = try #require(node.candidates[header.digest]).stage else {
            Issue.record("\(node.candidates[header.digest]!.stage)")
            return
        }
        // Once the network has agreed on it, what it names has room, and others give way.
        node.finalised(
            FinalHeader(header: header, certificate: node.chain.last!.certificate), at: world.now, &actions)
        hand(wanted)
        #expect(node.pool.contains(wanted.id) && node.pool.askedCount == EvidencePool.askedOfAuthorMax)
        node.pool.assertInvariants()
    }

    @Test func `is long costs who asks about it what is walked through, and who asks for its body nothing`()
        throws
    {
        let world = try world()
        let node = world.nodes[0]!
        let peers = [world.key(1).nodeID, world.key(2).nodeID]
        var chance = Chance(seed: 1)
        let items = (0..<10_000).map { _ in
            EvidenceItem(
                author: NodeID(octets: chance.octets(32).octetBytes), item: Digest(of: chance.octets(8)))
        }.sorted { $0.author < $1.author }
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        let header = header(node, items.map(\.item), body)
        var candidate = Candidate(header: header, digest: header.digest)
        candidate.stage = .needsBundles(Contents(header: header, body: body, items: items))
        node.candidates[header.digest] = candidate
        var actions: [NodeAction] = []
        func ask(cells: Int) {
            node.serve(
                ListRequest(header: header.digest, wantsBody: false, first: 0, count: cells), to: peers[0],
                at: world.now, &actions)
        }
        func answers(_ peer: Int) -> Bool { node.answerDesk.answers(peers[peer], at: world.now) }
        for _ in 0..<100 { ask(cells: 0) }
        #expect(node.listSketches.count == 0 && answers(0), "no list is made for it")
        for _ in 0..<100 { ask(cells: 16) }
        #expect(node.listSketches.count == 1 && answers(0), "it is made once")
        let short = SketchKeys(header: header.digest).short(items[7].item)
        func askItems(_ times: Int) {
            for _ in 0..<times {
                node.serveItems([short], of: header.digest, to: peers[0], at: world.now, &actions)
            }
        }
        askItems(10)
        #expect(answers(0), "an honest asker never notices")
        askItems(100)
        #expect(!answers(0) && answers(1))
    }

    @Test func `was asked about is made once for all who ask`() {
        var sketches = ListSketches()
        var made = 0
        func items() -> [EvidenceItem] {
            made += 1
            return (0..<3).map {
                EvidenceItem(
                    author: NodeID(octets: Digest(of: [$0]).octets.octetBytes), item: Digest(of: [$0, 1]))
            }
        }
        let walked = (0..<5).map { _ in sketches.with(.zero, items: items()) { $0.items.count }.walked }
        #expect(made == 1 && walked == [3 * ListSketches.walksOfMaking, 0, 0, 0, 0])
    }

    @Test func `is all that fits into a block is final in the first view`() throws {
        let world = World(count: 4, chance: Seed.all[2].chance()) { $0.evidenceBytesMax = 600 }
        for host in 0..<4 { try world.start(host) }
        #expect(world.run(for: .seconds(90)) { world.commonEpoch >= 6 })
        var views: [View] = []
        for case .epochFinal(let epoch, let view, _) in world.notices[0] where epoch > 1 {
            views.append(view)
        }
        #expect(views.count >= 5 && views.allSatisfy { $0 == 1 }, "\(views)")
        let counts = (2...6).map { world.disks[0].blocks[$0]!.block.evidence.count }
        #expect(counts.contains { $0 < 4 }, "some did not fit: \(counts)")
    }

    @Test func `has more octets than a block may have is none`() throws {
        let node = try world().nodes[0]!
        let entries = node.pool.entries(
            randomness: node.chain.randomness, parameters: node.genesis.parameters)
        var parameters = node.genesis.parameters
        parameters.evidenceBytesMax = UInt32(entries.byteCount - 1)
        let fewer = node.pool.entries(randomness: node.chain.randomness, parameters: parameters)
        #expect(fewer.count < entries.count && fewer.byteCount < entries.byteCount)
    }

    @Test func `is asked for in vain is asked for of two at a time, as long as answers are short`() throws {
        let world = try world()
        let node = world.nodes[0]!
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        let header = header(node, [], body)
        node.candidates[header.digest] = Candidate(header: header, digest: header.digest)
        var now = world.now
        func asked() -> [NodeID] {
            var actions: [NodeAction] = []
            node.advance(header.digest, at: now, &actions)
            now = now + Candidates.patience
            return actions.flatMap { action -> [NodeID] in
                guard case .send(let payload, let to) = action,
                    let frames = try? Payload(decoding: payload.octetBytes).frames
                else { return [] }
                return frames.compactMap {
                    guard case .message(let octets) = $0 else { return nil }
                    switch try? Message(decoding: octets) {
                    case .listRequest, .contentsRequest: return to.node
                    default: return nil
                    }
                }
            }
        }
        let turns = (0..<6).map { _ in asked() }
        #expect(turns.map(\.count) == [1, 2, 2, 2, 1, 1], "then the whole list")
        #expect(turns.allSatisfy { Set($0).count == $0.count })
        #expect(Set(turns[1] + turns[2]) == Set((1...3).map { world.key($0).nodeID }))
    }

    /// What the own list has, and so many items that nobody has: such cells anybody can make.
    private func madeUp(_ count: Int, beside own: [EvidenceItem]) -> [EvidenceItem] {
        own
            + (0..<count).map {
                EvidenceItem(author: NodeID(testing: UInt64($0)), item: Digest(of: [UInt8($0), 7]))
            }
    }

    /// A header with one item more than the node's own list, about which it asks; and whom it has asked.
    private func asking(_ world: World) throws -> (
        header: Header, body: Body, own: [EvidenceItem], asked: NodeID
    ) {
        let node = world.nodes[0]!
        let own = node.pool.entries(
            randomness: node.chain.randomness, parameters: node.genesis.parameters
        ).map { EvidenceItem(author: $0.author, item: $0.item) }
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        let header = header(node, own.map(\.item) + [Digest(of: [9])], body)
        node.candidates[header.digest] = Candidate(header: header, digest: header.digest)
        var actions: [NodeAction] = []
        node.advance(header.digest, at: world.now, &actions)
        let asked = try #require(node.candidates[header.digest]?.asked)
        #expect(asked.count == 1)
        return (header, body, own, asked.first!)
    }

    private func say(
        _ list: [EvidenceItem], of header: Header, _ body: Body, from peer: NodeID, to node: Node,
        at now: Instant
    ) {
        var sketch = ListSketch(list.map(\.item), keys: SketchKeys(header: header.digest))
        while case .differing(let difference) = node.candidates[header.digest]?.list?.stage,
            let next = difference.next
        {
            let before = difference.frontier
            var actions: [NodeAction] = []
            node.receive(
                ListCells(
                    header: header.digest, body: body, first: next.lowerBound, cells: sketch.cells(next)),
                from: peer, at: now, &actions)
            guard case .differing(let after) = node.candidates[header.digest]?.list?.stage,
                after.frontier > before
            else { return }
        }
    }

    private func missing(_ header: Header, at node: Node) -> Int? {
        guard case .naming(_, let missing) = node.candidates[header.digest]?.list?.stage else { return nil }
        return missing.count
    }

    private func asksForAll(_ header: Header, at node: Node) -> Bool {
        if case .whole = node.candidates[header.digest]?.list?.stage { true } else { false }
    }

    @Test func `nobody was asked about is not told of by others`() throws {
        let world = try world()
        let node = world.nodes[0]!
        let (header, body, own, asked) = try asking(world)
        let others = (1...3).map { world.key($0).nodeID }.filter { $0 != asked }
        for other in others {
            say(madeUp(20, beside: own), of: header, body, from: other, to: node, at: world.now)
        }
        #expect(missing(header, at: node) == nil && !asksForAll(header, at: node))
        say(madeUp(20, beside: own), of: header, body, from: asked, to: node, at: world.now)
        #expect(missing(header, at: node) == 20)
        var actions: [NodeAction] = []
        for other in others {
            node.receive(
                [madeUp(20, beside: own).last!], of: header.digest, from: other, at: world.now, &actions)
        }
        #expect(missing(header, at: node) == 20)
    }

    /// One peer could keep a header from being looked at for as long as it liked, a final one too: it named items that nobody has, and then
    /// told of them one at a time.
    @Test func `is told of bit by bit is soon asked for whole`() throws {
        let world = try world()
        let node = world.nodes[0]!
        let (header, body, own, asked) = try asking(world)
        let list = madeUp(40, beside: own)
        say(list, of: header, body, from: asked, to: node, at: world.now)
        #expect(missing(header, at: node) == 40)
        var now = world.now
        var told = 0
        while !asksForAll(header, at: node), told < 40 {
            var actions: [NodeAction] = []
            node.receive([list[own.count + told]], of: header.digest, from: asked, at: now, &actions)
            told += 1
            now = now + Candidates.patience
        }
        #expect(asksForAll(header, at: node) && told < 20, "\(told)")
    }

    @Test func `has nothing of what was named is asked for whole at once`() throws {
        let world = try world()
        let node = world.nodes[0]!
        let (header, body, own, asked) = try asking(world)
        say(madeUp(20, beside: own), of: header, body, from: asked, to: node, at: world.now)
        #expect(missing(header, at: node) == 20)
        var actions: [NodeAction] = []
        node.advance(header.digest, at: world.now + Candidates.patience, &actions)
        node.receive([], of: header.digest, from: asked, at: world.now, &actions)
        #expect(asksForAll(header, at: node))
    }

    @Test func `is all here but for the body is asked about the body`() throws {
        let world = try world()
        let node = world.nodes[0]!
        let (header, _, own, asked) = try asking(world)
        // As if it were the own one without its last.
        let list = Array(own.dropLast())
        var sketch = ListSketch(list.map(\.item), keys: SketchKeys(header: header.digest))
        guard case .differing(let difference) = node.candidates[header.digest]?.list?.stage,
            let next = difference.next
        else { return #expect(Bool(false), "nothing differs") }
        var actions: [NodeAction] = []
        node.receive(
            ListCells(header: header.digest, body: nil, first: next.lowerBound, cells: sketch.cells(next)),
            from: asked, at: world.now, &actions)
        #expect(missing(header, at: node) == 0)
        guard case .listRequest(let request) = node.candidates[header.digest]?.question else {
            return #expect(Bool(false), "it asks for something else")
        }
        #expect(request.wantsBody && request.count == 0)
    }

    @Test func `is absent is asked for in its order, until it is all here`() {
        var chance = Chance(seed: 5)
        let author = SigningKey(seed: Digest(of: [1]).octets.octetBytes, isGuarded: false).nodeID
        let items = (0..<100).map { _ in
            EvidenceItem(author: author, item: Digest(of: chance.octets(8)))
        }
        var absent = AbsentItems(items)
        var asked = absent.first(3)
        #expect(asked == Array(items[..<3]))
        let removed = [0, 2, 2].map { absent.remove(items[$0].item) }
        #expect(removed == [true, true, false])
        asked = absent.first(3)
        #expect(asked == [items[1], items[3], items[4]])
        asked = absent.first(200)
        #expect(asked == [items[1]] + items[3...])
        for item in items { _ = absent.remove(item.item) }
        asked = absent.first(1)
        #expect(absent.isEmpty && asked.isEmpty && !absent.contains(items[5].item))
    }
}
