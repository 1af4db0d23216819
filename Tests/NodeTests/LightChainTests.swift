import Bytes
import Chance
import Identity
import Testing
import Wire

@testable import Node

@Suite struct LightChainTests {
    private func chain(_ followed: Followed) -> LightChain {
        LightChain(genesis: followed.genesis, network: followed.network)
    }

    /// Takes a header that is final for certain.
    private func advance(_ chain: inout LightChain, to header: Header, _ followed: Followed) throws {
        let committee = try chain.examine(header)
        chain.advance(to: header, committee, output: followed.output(of: header))
    }

    @Test func `headers in a row open epoch after epoch with the randomness of their builders`() throws {
        var followed = Followed()
        var chain = chain(followed)
        for epoch in Epoch(1)...6 {
            let header = followed.next()
            #expect(!chain.contradicts(header))
            try advance(&chain, to: header, followed)
            #expect(chain.openEpoch == epoch + 1 && chain.randomness == followed.randomness)
        }
    }

    @Test func `an old header is none`() throws {
        var followed = Followed()
        var chain = chain(followed)
        let first = followed.next()
        try advance(&chain, to: first, followed)
        #expect(throws: LightChain.Fault.notNewer) { try chain.examine(first) }
    }

    @Test func `a header of another network, with other parameters or by nobody is refused`() {
        var followed = Followed()
        let chain = chain(followed)
        let network = followed.next(isDraft: true) { $0.network = .zero }
        #expect(throws: LightChain.Fault.otherNetwork) { try chain.examine(network) }
        let parameters = followed.next(isDraft: true) { $0.parameters = .zero }
        #expect(throws: LightChain.Fault.otherNetwork) { try chain.examine(parameters) }
        let stranger = followed.device.key.nodeID
        let builder = followed.next(isDraft: true) { $0.builder = stranger }
        #expect(throws: LightChain.Fault.builder) { try chain.examine(builder) }
    }

    @Test func `a committee that nobody named decides nothing`() {
        var followed = Followed()
        let chain = chain(followed)
        let other = Committee(seats: followed.laterMembers.map(\.seat))
        let header = followed.next(isDraft: true) { $0.committee = other.digest }
        #expect(throws: LightChain.Fault.otherCommittee) { try chain.examine(header) }
    }

    @Test func `a new committee is taken from whoever hands it over, if a final header names it`() throws {
        var followed = Followed()
        var chain = chain(followed)
        for _ in 0..<6 { try advance(&chain, to: followed.next(), followed) }
        let next = followed.committee(ofPeriod: 2)
        let header = followed.next()
        #expect(throws: LightChain.Fault.needs(next.digest)) { try chain.examine(header) }
        let wrong = Committee(seats: next.seats.dropLast())
        let isWrongTaken = chain.learn(wrong)
        let heavier = Committee(
            seats: next.seats.map { Seat(key: $0.key, vrfKey: $0.vrfKey, weight: $0.weight + 1) })
        let isHeavierTaken = chain.learn(heavier)
        let isTaken = chain.learn(next)
        #expect(!isWrongTaken && !isHeavierTaken && isTaken)
        try advance(&chain, to: header, followed)
        #expect(chain.committee == next && chain.next == next)
    }

    @Test func `who was away takes one header of each period, and none beyond what committees vouch for`()
        throws
    {
        var followed = Followed()
        var chain = chain(followed)
        var headers: [Header] = []
        for _ in 0..<20 { headers.append(followed.next()) }
        #expect(chain.reach == 6)
        #expect(throws: LightChain.Fault.tooFar) { try chain.examine(headers[6]) }
        try advance(&chain, to: headers[5], followed)
        #expect(chain.openEpoch == 7 && chain.reach == 9)
        _ = chain.learn(followed.committee(ofPeriod: 2))
        try advance(&chain, to: headers[8], followed)
        try advance(&chain, to: headers[11], followed)
        #expect(chain.openEpoch == 13 && chain.reach == 15)
    }

    @Test func `votes count for one header, to finalize it, and by who has a seat`() throws {
        var followed = Followed()
        let chain = chain(followed)
        let header = followed.next()
        let committee = try chain.examine(header)
        func checks(_ certificate: Certificate) -> [Check]? {
            chain.checks(of: certificate.page(0)!, for: header, in: committee)
        }
        #expect(checks(followed.certificate(of: header))?.count == 4)
        #expect(checks(followed.certificate(of: header, ballot: .notarize(1, 1, header.digest))) == nil)
        #expect(checks(followed.certificate(of: header, ballot: .finalize(1, 0, header.digest))) == nil)
        #expect(checks(followed.certificate(of: header, ballot: .finalize(2, 1, header.digest))) == nil)
        #expect(checks(followed.certificate(of: header, ballot: .finalize(1, 1, .zero))) == nil)
        let signature = followed.certificate(of: header).signatures[0]
        let seatless = Certificate(
            ballot: .finalize(1, 1, header.digest), voters: [4], signatures: [signature])
        #expect(checks(seatless) == nil)
        // A vote in another's name is one check that fails.
        let moved = Certificate(
            ballot: .finalize(1, 1, header.digest), voters: [1], signatures: [signature])
        #expect(!Verification(of: checks(moved)!).holds)
        #expect(!chain.isQuorum([0, 1], of: committee) && chain.isQuorum([0, 1, 3], of: committee))
    }

    @Test func `a final header that does not follow is seen as what it is`() throws {
        var followed = Followed()
        var chain = chain(followed)
        try advance(&chain, to: followed.next(), followed)
        #expect(chain.contradicts(followed.next(isDraft: true) { $0.parent = .zero }))
        #expect(chain.contradicts(followed.next(isDraft: true) { $0.randomness = .zero }))
        #expect(!chain.contradicts(followed.next(isDraft: true)))
    }

    @Test func `what is remembered is the same chain, and damage is seen`() throws {
        var followed = Followed()
        var chain = chain(followed)
        for _ in 0..<4 { try advance(&chain, to: followed.next(), followed) }
        let record = EdgeRecord(
            last: chain.last, committee: chain.committee, next: chain.next, device: nil, deviceEpoch: 0)
        let read = try EdgeRecord(decoding: record.encoded())
        #expect(read == record)
        let restored = try LightChain(genesis: followed.genesis, network: followed.network, record: read)
        #expect(restored.openEpoch == 5 && restored.randomness == chain.randomness)
        let swapped = EdgeRecord(
            last: chain.last, committee: followed.committee(ofPeriod: 2), next: nil, device: nil,
            deviceEpoch: 0)
        #expect(throws: BootFault.self) {
            try LightChain(genesis: followed.genesis, network: followed.network, record: swapped)
        }
    }
}
