import Bytes
import Chance
import Coverage
import Identity
import Testing
import Wire

@testable import Node

/// What an edge node does with its bundle.
@Suite struct OutboxTests {
    /// Opens epoch 2 and lets time pass until shortly after the bundle is made.
    private func ready(_ followed: Followed = Followed(validators: 7), beacons: Int = 0) throws -> Hand {
        var hand = try Hand(followed)
        let asked = hand.untilAsked()
        hand.answer(truly: hand.followed.next(), by: asked.of)
        hand.pass(.seconds(1))
        for index in 0..<beacons {
            let payload: [UInt8] =
                [0xE0, UInt8(hand.node.openEpoch), UInt8(index)] + Array(repeating: 7, count: 49)
            hand.handle(
                .radioHeard(
                    payload: payload,
                    Measurement(
                        rssi: -900, snr: 50, frequency: 868_100_000,
                        dataRate: DataRate(spreadingFactor: 7, bandwidthKilohertz: 125)!)))
        }
        hand.handedIn.removeAll()
        hand.chunks.removeAll()
        hand.run { $0.node.outbox != nil }
        return hand
    }

    private var spread: Duration { .milliseconds(310) }

    @Test func `the bundle goes to three validators, and once each when they say that they hold it`() throws {
        var hand = try ready()
        let opened = hand.node.openedAt
        #expect(hand.now >= opened + .milliseconds(7_500))
        hand.pass(spread)
        #expect(Set(hand.handedIn.map(\.to)).count == 3 && hand.handedIn.count == 3)
        #expect(Set(hand.handedIn.map(\.bundle.id)).count == 1)
        let id = hand.handedIn[0].bundle.id
        for sent in hand.handedIn { hand.answer(.bundle(id, .held), by: sent.to) }
        hand.questions.removeAll()
        hand.pass(.milliseconds(700))
        // At 80 % somebody else is asked for it, and has it.
        let checks = hand.questions.filter { $0.question == .bundle(id) }
        #expect(checks.count == 1 && !hand.handedIn.map(\.to).contains(checks[0].of))
        hand.answer(.bundle(id, .held), by: checks[0].of)
        hand.pass(.milliseconds(1_400))
        #expect(hand.handedIn.count == 3 && hand.node.outbox?.isSpread == true)
        #expect(hand.node.counts[EdgeNode.Counter.silentUplinks.rawValue] == 0)
    }

    @Test func `who does not answer gets it again, and somebody else gets it too`() throws {
        var hand = try ready()
        hand.pass(.seconds(3))
        #expect(hand.handedIn.count > 6)
        #expect(Set(hand.handedIn.map(\.to)).count > 3)
        #expect(Set(hand.handedIn.map(\.bundle)).count == 1)
    }

    @Test func `validators that were silent for epochs get it when they are back in time`() throws {
        var hand = try Hand()
        hand.node.neighbours.learn(
            (0..<3).map { Neighbour(node: NeighbourTests.key($0).nodeID, endpoint: .loopback(port: 6_000)) })
        let validators = hand.followed.members.map(\.key.nodeID)
        // So often that each is left alone for two minutes at least.
        for validator in validators {
            for _ in 0..<8 { hand.node.uplinks.failed(validator, at: hand.now) }
        }
        while hand.node.openEpoch < 3 {
            let asked = hand.untilAsked()
            guard hand.node.neighbours.isKnown(asked.of) else { continue }
            hand.answer(truly: hand.followed.next(), by: asked.of)
        }
        #expect(hand.node.uplinks.chosen.isEmpty && hand.node.uplinks.ready(at: hand.now).isEmpty)
        hand.run { $0.node.outbox != nil }
        let opened = hand.node.openedAt
        hand.pass(opened + .milliseconds(8_600) - hand.now)
        hand.handedIn.removeAll()
        hand.pass(opened + .seconds(10) - hand.now)
        let sent = try #require(hand.handedIn.first { validators.contains($0.to) })
        #expect(sent.bundle.epoch == 3)
        hand.answer(.bundle(sent.bundle.id, .held), by: sent.to)
        #expect(hand.node.outbox?.isConfirmed == true)
    }

    @Test func `who is named when the bundle is made already gets it at once`() throws {
        var hand = try Hand(listed: 0)
        hand.run { $0.node.outbox != nil }
        hand.pass(.seconds(1))
        #expect(hand.handedIn.isEmpty)
        let validator = hand.followed.members[0].key.nodeID
        hand.handle(.bootstrap([(validator, .loopback(port: 4_000))], all: []))
        #expect(hand.handedIn.map(\.to) == [validator])
    }

    /// Where every validator is, as the bootstrap list says.
    private func list(_ hand: Hand) -> NodeEvent {
        .bootstrap(
            hand.followed.members.enumerated().map { index, member in
                (member.key.nodeID, .loopback(port: UInt16(4_000 + index)))
            }, all: hand.followed.members.map(\.key.nodeID))
    }

    /// Those that were not given the bundle are left alone for minutes.
    private func silenceOthers(_ hand: Hand) {
        let given = hand.node.outbox!.pushes.map(\.node)
        for member in hand.followed.members where !given.contains(member.key.nodeID) {
            for _ in 0..<10 { hand.node.uplinks.failed(member.key.nodeID, at: hand.now) }
        }
    }

    @Test func `three get it that were not known when the bundle was made`() throws {
        var hand = try Hand(listed: 0)
        hand.run { $0.node.outbox != nil }
        hand.pass(.seconds(1))
        #expect(hand.handedIn.isEmpty)
        hand.handle(list(hand))
        #expect(hand.handedIn.count == 3 && Set(hand.handedIn.map(\.to)).count == 3)
    }

    @Test func `who was to get it while all were left alone gets it when they are not`() throws {
        var hand = try ready()
        silenceOthers(hand)
        hand.run { $0.node.outbox!.pushes.allSatisfy { $0.attempts > 3 } }
        #expect(Set(hand.handedIn.map(\.to)).count == 3)
        hand.handle(list(hand))
        #expect(Set(hand.handedIn.map(\.to)).count == 6)
    }

    @Test func `who could ask nobody for its bundle asks somebody later`() throws {
        var hand = try ready()
        let id = hand.node.outbox!.id
        silenceOthers(hand)
        hand.pass(spread)
        let given = hand.handedIn.map(\.to)
        for node in given { hand.answer(.bundle(id, .held), by: node) }
        hand.pass(.milliseconds(900))
        #expect(!hand.questions.contains { $0.question == .bundle(id) })
        hand.handle(list(hand))
        hand.pass(.milliseconds(700))
        let checks = hand.questions.filter { $0.question == .bundle(id) }
        #expect(checks.count == 1 && !given.contains(checks[0].of))
    }

    @Test func `one validator that says that it has the bundle ends no retries`() throws {
        var hand = try ready()
        hand.node.neighbours.learn(
            (0..<3).map { Neighbour(node: NeighbourTests.key($0).nodeID, endpoint: .loopback(port: 6_000)) })
        let id = hand.node.outbox!.id
        let given = hand.node.outbox!.pushes.map(\.node)
        hand.run { $0.questions.contains { $0.question == .bundle(id) && !given.contains($0.of) } }
        let liar = hand.questions.last { $0.question == .bundle(id) }!.of
        hand.answer(.bundle(id, .held), by: liar)
        hand.handedIn.removeAll()
        hand.questions.removeAll()
        hand.pass(.seconds(2))
        #expect(Set(given).isSubset(of: hand.handedIn.map(\.to)))
        #expect(hand.handedIn.contains { hand.node.neighbours.isKnown($0.to) })
        #expect(!hand.questions.contains { $0.question == .bundle(id) })
    }

    @Test func `validators that kept it to themselves are named, and two more get it`() throws {
        var hand = try ready(Followed(validators: 7, epochMilliseconds: 600_000))
        let id = hand.node.outbox!.id
        for count in 1...3 {
            hand.run { $0.handedIn.count == count }
            hand.answer(.bundle(id, .held), by: hand.handedIn[count - 1].to)
        }
        let first = hand.handedIn.map(\.to)
        hand.questions.removeAll()
        hand.run { $0.questions.contains { $0.question == .bundle(id) } }
        let checker = hand.questions.last!.of
        #expect(!first.contains(checker))
        hand.answer(.bundle(id, .unknown), by: checker)
        hand.pass(.seconds(1))
        // It may lie, and gets the bundle all the same.
        #expect(!hand.notices.contains { $0.hasPrefix("uplinkSilent") })
        #expect(first.allSatisfy { hand.node.uplinks.ready(at: hand.now).contains($0) })
        let more = Set(hand.handedIn.map(\.to)).subtracting(first)
        #expect(more.count == 2 && more.contains(checker))
        for node in more { hand.answer(.bundle(id, .held), by: node) }
        hand.questions.removeAll()
        hand.run { $0.questions.contains { $0.question == .bundle(id) } }
        let second = hand.questions.last!.of
        #expect(!first.contains(second) && !more.contains(second))
        hand.answer(.bundle(id, .unknown), by: second)
        // Of those that have it since the first word, one alone has said so.
        #expect(hand.notices.count { $0.hasPrefix("uplinkSilent") } == 3)
        #expect(!first.contains { hand.node.uplinks.ready(at: hand.now).contains($0) })
        hand.pass(.seconds(1))
        #expect(Set(hand.handedIn.map(\.to)).count == 7)
    }

    @Test func `who says alone that it has not the bundle makes nobody be left`() throws {
        var hand = try ready(Followed(validators: 7, epochMilliseconds: 600_000))
        let id = hand.node.outbox!.id
        for count in 1...3 {
            hand.run { $0.handedIn.count == count }
            hand.answer(.bundle(id, .held), by: hand.handedIn[count - 1].to)
        }
        let first = hand.handedIn.map(\.to)
        for standing in [BundleStanding.refused, .held] {
            hand.questions.removeAll()
            hand.run { $0.questions.contains { $0.question == .bundle(id) } }
            hand.answer(.bundle(id, standing), by: hand.questions.last!.of)
            for node in Set(hand.handedIn.map(\.to)).subtracting(first) {
                hand.answer(.bundle(id, .held), by: node)
            }
        }
        #expect(hand.node.outbox?.isSpread == true)
        #expect(!hand.notices.contains { $0.hasPrefix("uplinkSilent") })
        #expect(hand.node.counts[EdgeNode.Counter.silentUplinks.rawValue] == 0)
        #expect(first.allSatisfy { hand.node.uplinks.ready(at: hand.now).contains($0) })
    }

    @Test func `a large bundle goes in pieces, and only those again that are missing`() throws {
        var hand = try ready(beacons: 60)
        hand.pass(spread)
        #expect(hand.handedIn.isEmpty)
        let to = hand.chunks[0].to
        let mine = hand.chunks.filter { $0.to == to }
        #expect(mine.count == Int(mine[0].chunk.count) && mine.count > 1)
        let octets = mine.flatMap(\.chunk.octets)
        guard case .handIn(let bundle) = try Message(decoding: octets) else { throw DecodeError.unknown }
        #expect(bundle.reports.count == 60)
        hand.chunks.removeAll()
        hand.questions.removeAll()
        hand.run { $0.questions.contains { $0.question == .bundle(bundle.id) && $0.of == to } }
        hand.answer(.bundle(bundle.id, .partial(1)), by: to)
        hand.handle(.woke)
        #expect(hand.chunks.filter { $0.to == to }.map(\.chunk.index) == Array(1..<UInt16(mine.count)))
    }

    @Test func `a restarted node hands in the same bytes`() throws {
        var hand = try ready(beacons: 3)
        let bundle = try #require(hand.boot.ownBundle)
        var again = try Hand(hand.followed, boot: hand.boot, at: hand.now + .milliseconds(20), seed: 9)
        again.pass(spread)
        hand.pass(spread)
        #expect(!again.handedIn.isEmpty)
        #expect((again.handedIn + hand.handedIn).allSatisfy { $0.bundle == bundle })
        #expect(again.boot.ownBundle == bundle)
    }

    // MARK: Where it is in the block

    /// Closes the epoch with a block of these items; returns whom the node asked.
    private func close(_ hand: inout Hand, items: [Digest]) -> (header: Header, asked: NodeID) {
        hand.followed.items = items
        let asked = hand.untilAsked()
        let header = hand.followed.next()
        hand.answer(truly: header, by: asked.of)
        return (header, asked.of)
    }

    @Test func `its place in the block is proven before the next epoch opens`() throws {
        var hand = try ready()
        let id = hand.node.ownBundle!.id
        let items = [Digest(of: [1]), id, Digest(of: [2])]
        let (header, asked) = close(&hand, items: items)
        #expect(hand.node.openEpoch == 3 && hand.node.settling != nil)
        hand.answer(.inclusion(header.epoch, MerkleTree(items).proof(of: 1)), by: asked)
        #expect(hand.node.settling == nil && hand.node.coverage.state.epoch == 3)
        #expect(hand.node.counts[EdgeNode.Counter.bundlesIncluded.rawValue] == 1)
    }

    @Test func `a false proof is a lie, and another validator's is believed`() throws {
        var hand = try ready()
        let id = hand.node.ownBundle!.id
        let items = [Digest(of: [1]), id, Digest(of: [2])]
        let (header, asked) = close(&hand, items: items)
        hand.questions.removeAll()
        hand.answer(.inclusion(header.epoch, MerkleTree(items).proof(of: 0)), by: asked)
        #expect(hand.node.counts[EdgeNode.Counter.lies.rawValue] == 1)
        let other = try #require(hand.questions.last)
        #expect(other.question == .inclusion(header.epoch) && other.of != asked)
        hand.answer(.inclusion(header.epoch, MerkleTree(items).proof(of: 1)), by: other.of)
        #expect(hand.node.counts[EdgeNode.Counter.bundlesIncluded.rawValue] == 1)
    }

    @Test func `what no validator can place was not included`() throws {
        var hand = try ready()
        let (header, asked) = close(&hand, items: [Digest(of: [1])])
        hand.answer(.inclusion(header.epoch, nil), by: asked)
        for _ in 0..<2 {
            guard let other = hand.questions.last, other.question == .inclusion(header.epoch) else { break }
            hand.answer(.inclusion(header.epoch, nil), by: other.of)
        }
        #expect(hand.node.settling == nil && hand.node.openEpoch == 3)
        #expect(hand.node.counts[EdgeNode.Counter.bundlesMissed.rawValue] == 1)
    }

    @Test func `a conflict in its own name is an alarm`() throws {
        var hand = try ready()
        let conflict = EvidenceEntry.conflictItem(author: hand.node.id, epoch: 2)
        let (header, asked) = close(&hand, items: [conflict])
        hand.answer(.inclusion(header.epoch, MerkleTree([conflict]).proof(of: 0)), by: asked)
        #expect(hand.notices.contains { $0.contains("another machine") })
        #expect(hand.node.settling == nil)
    }
}
