import Identity
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
        waiting.stage = .checking(contents, evidence)
        candidates[waiting.digest] = waiting
        for author in UInt64(0)..<9 {
            #expect(candidates.standOn(bundle(author, 0)))
            #expect(candidates.standOn(bundle(author, 1)) == (author == 4))
        }
        #expect(!candidates.standOn(bundle(9, 0)))
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
