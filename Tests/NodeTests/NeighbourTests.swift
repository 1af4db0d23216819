import Bytes
import Chance
import Identity
import Testing
import Wire

@testable import Node

/// An edge node whose validators are silent, and what its neighbours do for it.
@Suite struct NeighbourTests {
    /// Keys of edge nodes that the test plays.
    static func key(_ number: Int) -> SigningKey {
        let seed = Digest(of: [UInt8(number), 55]).octets
        return SigningKey(seed: seed.octetBytes, isGuarded: false)
    }

    private static func neighbours(_ numbers: Range<Int>) -> [Neighbour] {
        numbers.map { Neighbour(node: key($0).nodeID, endpoint: .loopback(port: UInt16(6_000 + $0))) }
    }

    /// Follows to epoch 2, hands in its bundle, and is told who is near; then opens epoch 3.
    private func told(_ numbers: Range<Int> = 0..<5) throws -> Hand {
        var hand = try Hand(Followed(validators: 4, epochMilliseconds: 100_000))
        hand.answer(truly: hand.followed.next(), by: hand.untilAsked().of)
        hand.run { !$0.handedIn.isEmpty }
        let (bundle, validator) = hand.handedIn[0]
        hand.answer(.bundle(bundle.id, .held), by: validator)
        #expect(hand.questions.last?.question == .neighbours && hand.questions.last?.of == validator)
        hand.answer(.neighbours(Self.neighbours(numbers)), by: validator)
        hand.answer(truly: hand.followed.next(), by: hand.untilAsked().of)
        for _ in 0..<2 {
            guard let settling = hand.node.settling else { break }
            hand.answer(.inclusion(settling.header.epoch, nil), by: settling.asked.last!)
        }
        hand.pass(.seconds(4))
        #expect(hand.node.openEpoch == 3 && hand.node.settling == nil)
        hand.handedIn.removeAll()
        hand.questions.removeAll()
        return hand
    }

    private func counted(_ hand: Hand, _ counter: EdgeNode.Counter) -> UInt64 {
        hand.node.counts[counter.rawValue]
    }

    /// Bundles that went to edge nodes.
    private func handedOver(_ hand: Hand) -> [NodeID] {
        hand.handedIn.map(\.to).filter { hand.node.neighbours.isKnown($0) }
    }

    @Test func `who is near is asked of a validator that holds the bundle, and remembered`() throws {
        let hand = try told()
        #expect(hand.node.neighbours.list == Self.neighbours(0..<5))
        let again = try Hand(hand.followed, boot: hand.boot, at: hand.now)
        #expect(again.node.neighbours.list == Self.neighbours(0..<5))
    }

    @Test func `what was remembered before there were neighbours is still read`() throws {
        let hand = try told()
        let octets = try #require(hand.boot.following.flatMap(Seal.open))
        let record = try EdgeRecord(decoding: octets.octetBytes)
        #expect(record.neighbours.count == 5)
        var writer = ByteWriter(capacity: 512)
        writer.list(record.neighbours)
        let earlier = Array(octets.dropLast(writer.bytes.count))
        let old = try EdgeRecord(decoding: earlier.octetBytes)
        #expect(old.neighbours.isEmpty && old.last == record.last && old.deviceEpoch == record.deviceEpoch)
        let again = try Hand(
            hand.followed, boot: BootRecords(following: Seal.close(earlier)), at: hand.now)
        #expect(again.node.openEpoch == 3)
    }

    @Test func `nobody tells an edge node unasked who is near`() throws {
        var hand = try told()
        for validator in hand.followed.members.map(\.key.nodeID) {
            hand.answer(.neighbours(Self.neighbours(10..<15)), by: validator)
        }
        #expect(hand.node.neighbours.list == Self.neighbours(0..<5))
    }

    @Test func `one answer changes no more than two of five`() {
        var neighbours = Neighbours(
            own: Self.key(99).nodeID, remembered: Self.neighbours(0..<5), chance: Chance(seed: 1))
        neighbours.learn(Self.neighbours(10..<15))
        neighbours.assertInvariants()
        let left = Set(neighbours.list).intersection(Self.neighbours(0..<5))
        #expect(left.count == 3 && neighbours.list.count == 5)
    }

    @Test func `who does not answer gives way first`() {
        var neighbours = Neighbours(
            own: Self.key(99).nodeID, remembered: Self.neighbours(0..<5), chance: Chance(seed: 1))
        let silent = [Self.key(1).nodeID, Self.key(3).nodeID]
        for node in silent { neighbours.failed(node, at: .origin) }
        for _ in 0..<50 { #expect(!silent.contains(neighbours.pick(at: .origin)!.node)) }
        neighbours.learn(Self.neighbours(10..<12))
        #expect(silent.allSatisfy { !neighbours.isKnown($0) } && neighbours.list.count == 5)
    }

    @Test func `a bundle that no validator holds goes to two neighbours at 85 %`() throws {
        var hand = try told()
        hand.run { !handedOver($0).isEmpty }
        #expect(
            hand.now >= hand.node.openedAt + .seconds(85) && hand.now <= hand.node.openedAt + .seconds(87))
        hand.pass(.seconds(1))
        let first = Set(handedOver(hand))
        #expect(first.count == 2)
        let id = hand.node.outbox!.id
        for node in first { hand.answer(.bundle(id, .held), by: node) }
        hand.handedIn.removeAll()
        hand.pass(.seconds(30))
        #expect(handedOver(hand).isEmpty && counted(hand, .handedOver) == 2)
        // Validators are still given it.
        #expect(!hand.handedIn.isEmpty)
    }

    @Test func `neighbours that refuse or are silent give way to others, five at most`() throws {
        var hand = try told()
        hand.run { handedOver($0).count == 2 }
        let id = hand.node.outbox!.id
        let refusing = handedOver(hand)[0]
        hand.answer(.bundle(id, .refused), by: refusing)
        hand.pass(.seconds(60))
        let all = handedOver(hand)
        #expect(Set(all).count == 5 && all.count { $0 == refusing } == 1)
        #expect(hand.node.outbox!.handovers.count == 5)
    }

    @Test func `a bundle that a validator holds stays with validators`() throws {
        var hand = try told()
        hand.run { !$0.handedIn.isEmpty }
        hand.answer(.bundle(hand.handedIn[0].bundle.id, .held), by: hand.handedIn[0].to)
        hand.pass(.seconds(60))
        #expect(handedOver(hand).isEmpty)
    }

    // MARK: Following

    /// Lets time pass until it asks a neighbour about the chain; validators say nothing.
    private func untilNeighbourAsked(_ hand: inout Hand) -> (epoch: Epoch, of: NodeID) {
        for _ in 0..<100 {
            let asked = hand.untilAsked()
            if hand.node.neighbours.isKnown(asked.of) { return asked }
        }
        preconditionFailure("it asks no neighbour")
    }

    @Test func `while validators are silent, neighbours show it headers, and it believes the votes`() throws {
        var hand = try told()
        for epoch in Epoch(3)...5 {
            let asked = untilNeighbourAsked(&hand)
            #expect(asked.epoch == epoch)
            hand.answer(truly: hand.followed.next(), by: asked.of)
            #expect(hand.node.openEpoch == epoch + 1 && hand.node.settling == nil)
        }
        #expect(counted(hand, .headersNear) == 3 && counted(hand, .lies) == 0)
    }

    @Test func `a validator that answers is enough again`() throws {
        var hand = try told()
        let asked = untilNeighbourAsked(&hand)
        hand.answer(.open(lastFinal: 2, age: .max), by: asked.of)
        var next = hand.untilAsked()
        while hand.node.neighbours.isKnown(next.of) { next = hand.untilAsked() }
        hand.answer(truly: hand.followed.next(), by: next.of)
        #expect(!hand.node.isCutOff)
        // Where its bundle stands in the block nobody says; then the next epoch is open.
        hand.pass(.seconds(10))
        #expect(hand.node.settling == nil && hand.node.outbox == nil)
        hand.handedIn.removeAll()
        hand.run { !$0.handedIn.isEmpty }
        hand.answer(.bundle(hand.handedIn[0].bundle.id, .held), by: hand.handedIn[0].to)
        let after = hand.untilAsked()
        #expect(!hand.node.neighbours.isKnown(after.of))
    }

    @Test func `a neighbour that forges a header is a liar like any other`() throws {
        var hand = try told()
        let asked = untilNeighbourAsked(&hand)
        let header = hand.followed.next()
        hand.answer(
            .header(header, lastFinal: 3, age: 0), .votes(hand.followed.page(of: header, voters: 2)),
            by: asked.of)
        #expect(hand.node.openEpoch == 3 && counted(hand, .lies) == 1)
        #expect(hand.node.neighbours.contacts.contains { $0.pause.failures == 1 && $0.node == asked.of })
    }

    @Test func `a neighbour that is further on shows its last header, and one that only says so is left`()
        throws
    {
        var hand = try told()
        let headers = (0..<3).map { _ in hand.followed.next() }
        let asked = untilNeighbourAsked(&hand)
        hand.questions.removeAll()
        hand.answer(.open(lastFinal: 4, age: .max), by: asked.of)
        #expect(hand.questions.count == 1)
        #expect(hand.questions[0].question == .follow(4) && hand.questions[0].of == asked.of)
        hand.answer(truly: headers[1], by: asked.of)
        #expect(hand.node.openEpoch == 5 && counted(hand, .skipped) == 1)

        var other = try told()
        let liar = untilNeighbourAsked(&other)
        other.questions.removeAll()
        for _ in 0..<10 { other.answer(.open(lastFinal: 1_000, age: 0), by: liar.of) }
        #expect(other.questions.count == 1)
        #expect(other.node.neighbours.contacts.contains { $0.pause.failures > 0 && $0.node == liar.of })
    }

    /// What one edge node answers another's questions.
    private func pass(_ asker: inout Hand, _ server: inout Hand, as sender: NodeID) {
        for _ in 0..<20 {
            let questions = asker.questions.filter { $0.of == sender }
            asker.questions.removeAll()
            guard !questions.isEmpty else { return }
            server.answers.removeAll()
            for question in questions { server.hear(.question(question.question), from: Self.key(77).nodeID) }
            for answer in server.answers { asker.answer(answer.answer, by: sender) }
        }
    }

    @Test func `what one has verified another verifies again, a new committee too`() throws {
        let followed = Followed(validators: 40, epochMilliseconds: 10_000)
        var server = try Hand(followed)
        var asker = try Hand(followed, seed: 2)
        let sender = Self.key(1).nodeID
        asker.node.neighbours.learn(Self.neighbours(1..<2))
        for epoch in Epoch(1)...8 {
            let asked = server.untilAsked()
            let header = server.followed.next()
            let certificate = server.followed.certificate(of: header)
            server.answer(.header(header, lastFinal: epoch, age: 0), by: asked.of)
            let committee = server.followed.committee(for: epoch)
            for page in UInt8(0)..<10 {
                guard case .committee(let digest, page)? = server.questions.last?.question else { break }
                server.answer(.committee(digest, page: page, committee.page(page)), by: asked.of)
            }
            for page in UInt8(0)..<2 { server.answer(.votes(certificate.page(page)!), by: asked.of) }
            #expect(server.node.openEpoch == epoch + 1)
            for _ in 0..<200 where asker.node.openEpoch == epoch {
                asker.questions.removeAll()
                asker.now = max(asker.now, asker.node.deadline)
                asker.handle(.woke)
                pass(&asker, &server, as: sender)
                server.now = server.now + .milliseconds(200)
            }
            #expect(asker.node.openEpoch == epoch + 1)
        }
        #expect(counted(asker, .headersNear) == 8)
    }
}
