import Consensus
import Identity
import TestKit
import Testing
import Wire

@testable import Node

/// Headers on their way to being executed: whom to ask for what stands behind them, and how many are kept.
@Suite struct CandidatesTests {
    private func candidate(by builder: Int, of chain: inout Followed) -> Candidate {
        let key = chain.members[builder].key.nodeID
        let header = chain.next(isDraft: true) { $0.builder = key }
        return Candidate(header: header, digest: header.digest)
    }

    /// A host with a dozen keys among a node's peers made it ask for a block's contents for a second and more.
    @Test func `the builder is asked first, then every seat, then strangers`() throws {
        var chain = Followed(validators: 4)
        var candidate = candidate(by: 2, of: &chain)
        let committee = chain.genesis.committee
        let strangers = (20..<32).map { Followed.Member($0).key.nodeID }
        let peers = (chain.members.map(\.key.nodeID) + strangers).sorted()
        #expect(candidate.source(among: peers, committee: committee) == candidate.header.builder)
        var asked: [NodeID] = []
        for attempt in 16..<32 {
            candidate.attempt = attempt
            asked.append(try #require(candidate.source(among: peers, committee: committee)))
        }
        #expect(Set(asked.prefix(4)) == Set(chain.members.map(\.key.nodeID)))
        #expect(Set(asked.suffix(12)) == Set(strangers))
    }

    @Test func `what they stand on is known by author and bundle, of those whose bundles are here`() {
        var chain = Followed(validators: 4)
        var candidates = Candidates()
        func bundle(_ author: UInt64, _ value: Int64) -> Bundle {
            Bundle(
                author: NodeID(testing: author), epoch: 1, ownTag: nil, reports: [],
                readings: [Reading(sequence: 1, kind: 0, value: value)])
        }
        let evidence = (UInt64(0)..<9).map { author -> EvidenceEntry in
            let pair = [bundle(author, 0), bundle(author, 1)].sorted { $0.id < $1.id }
            return author == 4 ? .conflict(pair[0], pair[1]) : .bundle(bundle(author, 0))
        }.sorted { $0.author < $1.author }
        var waiting = candidate(by: 1, of: &chain)
        let contents = Contents(
            header: waiting.header, body: Body(transactions: [], parentCertificate: nil),
            items: evidence.map { EvidenceItem(author: $0.author, item: $0.item) })
        waiting.stage = .needsBundles(contents)
        candidates[waiting.digest] = waiting
        #expect(!candidates.standOn(bundle(0, 0)))
        for stage in [Candidate.Stage.checking(contents, evidence), .laidAside(contents)] {
            waiting.stage = stage
            candidates[waiting.digest] = waiting
            for author in UInt64(0)..<9 {
                #expect(candidates.standOn(bundle(author, 0)))
                #expect(candidates.standOn(bundle(author, 1)) == (author == 4))
            }
            #expect(!candidates.standOn(bundle(9, 0)))
        }
    }

    @Test func `without the builder, without seats and without anybody there is a turn for whoever is left`()
    {
        var chain = Followed(validators: 4)
        let candidate = candidate(by: 2, of: &chain)
        let committee = chain.genesis.committee
        let seat = chain.members[0].key.nodeID
        let stranger = Followed.Member(20).key.nodeID
        #expect(candidate.source(among: [seat], committee: committee) == seat)
        #expect(candidate.source(among: [stranger], committee: committee) == stranger)
        #expect(candidate.source(among: [], committee: committee) == nil)
    }

    /// After 64 headers in one epoch a node could take in no further one.
    @Test func `after as many headers as are kept the oldest that is not final gives way`() {
        var chain = Followed(validators: 4)
        var candidates = Candidates()
        var digests: [Digest] = []
        for number in 0...Candidates.max {
            let header = chain.next(isDraft: true) { $0.wallTime = UInt64(number) }
            var candidate = Candidate(header: header, digest: header.digest)
            if number == 0 {
                candidate.certificate = chain.certificate(of: header)
            }
            candidates[candidate.digest] = candidate
            digests.append(candidate.digest)
        }
        candidates.assertInvariants()
        #expect(candidates[digests[0]] != nil && candidates[digests[1]] == nil)
        #expect(digests.dropFirst(2).allSatisfy { candidates[$0] != nil })
    }
}

/// Where view after view fails, each header's verdicts and changes took 15 to 20 MB until the epoch's end.
@Suite struct `Headers that were executed` {
    /// Of an epoch in which no vote to notarize arrives: headers fail one after another, and have been executed by everybody.
    private func world() throws -> World {
        let world = World(count: 4, chance: Seed.all[0].chance())
        for host in 0..<4 { try world.start(host) }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 3 })
        world.tamper = { _, message in
            guard case .vote(let vote) = message, vote.ballot.kind == .notarize else { return message }
            return .contentsRequest(.zero)
        }
        let count = Candidates.executedMax + 2
        #expect(
            world.run(for: .seconds(200)) {
                world.nodes.allSatisfy { executed($0!).count + laidAside($0!).count >= count }
            })
        return world
    }

    private func executed(_ node: Node) -> [Candidate] {
        node.candidates.list.filter { if case .executed = $0.stage { true } else { false } }
    }

    private func laidAside(_ node: Node) -> [Candidate] {
        node.candidates.list.filter { if case .laidAside = $0.stage { true } else { false } }
    }

    @Test func `keep no more than what stands behind them, but for the newest`() throws {
        let world = try world()
        for node in world.nodes {
            #expect(executed(node!).count == Candidates.executedMax)
            let laidAside = laidAside(node!)
            #expect(laidAside.count >= 2)
            for candidate in laidAside {
                guard case .laidAside(let contents) = candidate.stage else { continue }
                #expect(contents.matchesHeader && !contents.items.isEmpty)
            }
            let views = executed(node!).map(\.header.buildView)
            #expect(laidAside.allSatisfy { $0.header.buildView < views.min()! })
        }
        // Votes arrive again, and nothing has been lost.
        world.tamper = nil
        let epoch = world.commonEpoch
        #expect(world.run(for: .seconds(120)) { world.commonEpoch >= epoch + 2 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty, "\(world.alarms)")
        try world.verify(0)
    }

    @Test func `are executed once more when consensus asks about an old one`() throws {
        let world = try world()
        let node = world.nodes[0]!
        let old = try #require(laidAside(node).first)
        var actions: [NodeAction] = []
        node.evaluate(old.header, isSubjective: false, at: world.now, &actions)
        #expect(node.candidates[old.digest]!.isAwaited)
        world.carryOut(actions, of: 0)
        #expect(world.run(for: .seconds(1)) { node.candidates[old.digest]?.isAwaited == false })
        #expect(executed(node).contains { $0.digest == old.digest })
        #expect(executed(node).count == Candidates.executedMax)
    }

    @Test func `are executed once more when an old one is final`() throws {
        let world = try world()
        let node = world.nodes[0]!
        let old = try #require(laidAside(node).first)
        let ballot = Ballot.finalize(old.header.epoch, old.header.buildView, old.digest)
        let votes = (1..<4).map { host in
            (
                UInt16(node.chain.committee.index(of: world.key(host).nodeID)!),
                Vote(ballot, by: world.key(host), network: node.network).signature
            )
        }.sorted { $0.0 < $1.0 }
        let certificate = Certificate(ballot: ballot, voters: votes.map(\.0), signatures: votes.map(\.1))
        var actions: [NodeAction] = []
        node.finalised(
            FinalHeader(header: old.header, certificate: certificate), at: world.now, &actions)
        world.carryOut(actions, of: 0)
        #expect(world.run(for: .seconds(1)) { world.disks[0].lastEpoch == old.header.epoch })
        #expect(world.disks[0].blocks[old.header.epoch]?.block.header.digest == old.digest)
        #expect(world.alarms.isEmpty, "\(world.alarms)")
        try world.verify(0)
    }
}
