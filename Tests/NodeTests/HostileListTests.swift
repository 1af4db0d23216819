import Bytes
import Chance
import Consensus
import Identity
import Ledger
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
