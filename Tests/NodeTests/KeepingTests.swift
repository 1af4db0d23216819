import Bytes
import Chance
import Coverage
import Identity
import Testing
import Wire

@testable import Node

/// What an edge node keeps and answers for others of its kind, and how much of it.
@Suite struct KeepingTests {
    private func key(_ number: Int) -> SigningKey { NeighbourTests.key(number) }

    private func bundle(
        of number: Int, _ hand: Hand, epoch: Epoch? = nil, reports count: Int = 0, value: Int64 = 0
    ) -> Bundle {
        let author = key(number).nodeID
        let epoch = epoch ?? hand.node.openEpoch
        let measurement = Measurement(
            rssi: -900, snr: 50, frequency: 868_100_000,
            dataRate: DataRate(spreadingFactor: 7, bandwidthKilohertz: 125)!)
        let reports = (0..<count).map { index in
            WitnessReport(
                tag: Tag(UInt64(index)), measurement: measurement,
                proof: .init(
                    payload: Array(repeating: 7, count: 52), reporter: author, epoch: epoch,
                    measurement: measurement))
        }
        return Bundle(
            author: author, epoch: epoch, ownTag: nil, reports: reports.sorted { $0.tag < $1.tag },
            readings: [Reading(sequence: 1, kind: 0, value: value)]
        ).signed(by: key(number), network: hand.followed.network)
    }

    /// In epoch 2, with nothing to do.
    private func ready(epochMilliseconds: UInt32 = 100_000) throws -> Hand {
        var hand = try Hand(Followed(validators: 4, epochMilliseconds: epochMilliseconds))
        hand.answer(truly: hand.followed.next(), by: hand.untilAsked().of)
        hand.pass(.seconds(2))
        hand.handedIn.removeAll()
        return hand
    }

    private func standings(_ hand: Hand, of bundle: Bundle) -> [BundleStanding] {
        hand.answers.compactMap {
            if case .bundle(bundle.id, let standing) = $0.answer { standing } else { nil }
        }
    }

    private func count(_ hand: Hand, _ counter: EdgeNode.Counter) -> UInt64 {
        hand.node.counts[counter.rawValue]
    }

    @Test func `a bundle is verified, then durable, then its author is told, then validators get it`() throws
    {
        let hand = try ready()
        let bundle = bundle(of: 1, hand)
        var actions: [NodeAction] = []
        let octets = Payload(frames: [.message(Message.handIn(bundle).encoded())]).encoded()
        hand.node.handle(
            .payload(octets, from: bundle.author, .loopback(port: 5_000)), at: hand.now, actions: &actions)
        guard case .verify(let ticket, let checks)? = actions.first, actions.count == 1 else {
            Issue.record("it is not verified first")
            return
        }
        actions.removeAll()
        hand.node.handle(
            .verified(ticket: ticket, Verification(of: checks)), at: hand.now, actions: &actions)
        let order = actions.compactMap { action -> String? in
            switch action {
            case .persist(.bundle(bundle, isOwn: false)): "durable"
            case .send(_, let destination): destination.node == bundle.author ? "told" : "given"
            default: nil
            }
        }
        #expect(order == ["durable", "told", "given"])
    }

    @Test func `validators get it one after another until one holds it`() throws {
        var hand = try ready()
        let bundle = bundle(of: 1, hand)
        hand.hear(.handIn(bundle), from: bundle.author)
        #expect(standings(hand, of: bundle) == [.held])
        hand.pass(.seconds(5))
        let given = hand.handedIn.filter { $0.bundle == bundle }.map(\.to)
        #expect(Set(given).count > 1)
        hand.answer(.bundle(bundle.id, .held), by: given.last!)
        hand.handedIn.removeAll()
        hand.pass(.seconds(20))
        #expect(hand.handedIn.allSatisfy { $0.bundle != bundle } && count(hand, .keptHeld) == 1)
    }

    @Test func `one validator that refuses is not believed, two are`() throws {
        var hand = try ready()
        let bundle = bundle(of: 1, hand)
        hand.hear(.handIn(bundle), from: bundle.author)
        for turn in 1...2 {
            #expect(hand.handedIn.count { $0.bundle == bundle } == turn)
            hand.answer(.bundle(bundle.id, .refused), by: hand.handedIn.last!.to)
        }
        #expect(Set(hand.handedIn.map(\.to)).count == 2 && count(hand, .keptLost) == 1)
        hand.pass(.seconds(20))
        #expect(hand.handedIn.count { $0.bundle == bundle } == 2)
    }

    @Test func `a validator that says for ever that pieces are missing gives way`() throws {
        var hand = try ready()
        let bundle = bundle(of: 1, hand, reports: 60)
        for frame in EdgeNode.frames(of: bundle) { hand.hear(frame, from: bundle.author) }
        #expect(standings(hand, of: bundle) == [.held])
        var asked: [NodeID] = []
        for _ in 0..<200 where hand.node.keeping.current != nil {
            hand.questions.removeAll()
            hand.now = max(hand.now, hand.node.keeping.deadline)
            hand.handle(.woke)
            for case (.bundle(bundle.id), let validator) in hand.questions {
                asked.append(validator)
                hand.answer(.bundle(bundle.id, .partial(1)), by: validator)
            }
        }
        #expect(hand.node.keeping.current == nil && count(hand, .keptLost) == 1)
        #expect(Set(asked).count == 4 && asked.count <= 24)
    }

    @Test func `pieces that are missing at a validator are sent, and no others`() throws {
        var hand = try ready()
        let bundle = bundle(of: 1, hand, reports: 60)
        let frames = EdgeNode.frames(of: bundle)
        for frame in frames { hand.hear(frame, from: bundle.author) }
        let first = hand.chunks
        #expect(first.map { Frame.chunk($0.chunk) } == frames && frames.count > 1)
        hand.chunks.removeAll()
        hand.questions.removeAll()
        hand.run { $0.questions.contains { $0.question == .bundle(bundle.id) } }
        hand.answer(.bundle(bundle.id, .partial(1)), by: first[0].to)
        #expect(hand.chunks.map { Frame.chunk($0.chunk) } == Array(frames.dropFirst()))
    }

    // MARK: Bounds

    @Test func `a bundle comes from its author only, once, of the open epoch, and signed`() throws {
        var hand = try ready()
        hand.hear(.handIn(bundle(of: 1, hand)), from: key(2).nodeID)
        #expect(hand.answers.isEmpty && count(hand, .foreign) == 1)
        let early = bundle(of: 3, hand, epoch: 3)
        hand.hear(.handIn(early), from: early.author)
        let late = bundle(of: 3, hand, epoch: 1)
        hand.hear(.handIn(late), from: late.author)
        #expect(standings(hand, of: early) == [.unknown] && standings(hand, of: late) == [.refused])
        let good = bundle(of: 4, hand)
        let forged = Bundle(
            author: good.author, epoch: 2, ownTag: nil, reports: [], signature: good.signature)
        hand.hear(.handIn(forged), from: forged.author)
        #expect(standings(hand, of: forged).isEmpty && count(hand, .badSignature) == 1)
        hand.hear(.handIn(good), from: good.author)
        hand.hear(.handIn(good), from: good.author)
        #expect(standings(hand, of: good) == [.held, .held])
        let second = bundle(of: 4, hand, value: 5)
        hand.hear(.handIn(second), from: second.author)
        #expect(standings(hand, of: second) == [.refused])
        #expect(hand.node.keeping.bundles.map(\.bundle) == [good] && hand.boot.bundles == [good])
    }

    @Test func `eight are kept for neighbours, and four for those who may be anybody`() throws {
        var hand = try ready()
        hand.node.neighbours.learn(
            (0..<5).map { Neighbour(node: key($0).nodeID, endpoint: .loopback(port: 7_000)) })
        for number in 20..<40 { hand.hear(.handIn(bundle(of: number, hand)), from: key(number).nodeID) }
        #expect(hand.node.keeping.bundles.count == Keeping.strangersMax)
        for number in 0..<5 { hand.hear(.handIn(bundle(of: number, hand)), from: key(number).nodeID) }
        #expect(hand.node.keeping.bundles.count == EdgeNode.keptMax)
        #expect(count(hand, .keptRefused) == 17)
    }

    @Test func `jobs that are out take room, so that nobody waits for a crowd`() throws {
        let hand = try ready()
        var jobs = 0
        for number in 20..<40 {
            var actions: [NodeAction] = []
            let octets = Payload(
                frames: [.message(Message.handIn(bundle(of: number, hand)).encoded())]
            ).encoded()
            hand.node.handle(
                .payload(octets, from: key(number).nodeID, .loopback(port: 5_000)), at: hand.now,
                actions: &actions)
            hand.node.assertInvariants()
            jobs += actions.count { if case .verify = $0 { true } else { false } }
        }
        #expect(jobs == Keeping.strangersMax)
    }

    @Test func `strangers without number get as little as one, and neighbours still theirs`() throws {
        var hand = try ready()
        hand.node.neighbours.learn([Neighbour(node: key(0).nodeID, endpoint: .loopback(port: 7_000))])
        var chance = Chance(seed: 5)
        for _ in 0..<3_000 {
            let sender = NodeID(octets: chance.octets(32).octetBytes)
            hand.hear(.question(.follow(1)), from: sender)
        }
        #expect(hand.answers.count == 2 * 64)
        hand.answers.removeAll()
        hand.hear(.question(.follow(1)), from: key(0).nodeID)
        #expect(hand.answers.count == 2)
    }

    @Test func `a validator that asks without end gets as little`() throws {
        var hand = try ready()
        let validator = hand.followed.members[0].key.nodeID
        for _ in 0..<500 { hand.hear(.question(.follow(1)), from: validator) }
        #expect(hand.answers.count == 2 * 32 && count(hand, .allowance) == 500 - 32)
        // What it answers is still heard.
        let asked = hand.untilAsked()
        hand.answer(truly: hand.followed.next(), by: asked.of)
        #expect(hand.node.openEpoch == 3)
    }

    @Test func `pieces without end fill eight places`() throws {
        var hand = try ready()
        for number in 0..<40 {
            let chunk = Chunk(
                message: .zero, index: 0, count: 2, octets: Array(repeating: 0, count: Chunk.byteCountMax))
            hand.hear(.chunk(chunk), from: key(number).nodeID)
        }
        #expect(hand.node.keeping.pieces.count == Keeping.sendersMax)
        let endless = Chunk(
            message: .zero, index: 0, count: 4_000, octets: Array(repeating: 0, count: Chunk.byteCountMax))
        hand.hear(.chunk(endless), from: key(50).nodeID)
        #expect(count(hand, .foreign) == 1)
    }

    @Test func `what is malformed or no edge node's business is counted and changes nothing`() throws {
        var hand = try ready()
        let sender = key(1).nodeID
        hand.handle(.payload([1, 2, 3], from: sender, .loopback(port: 5_000)))
        hand.hear(.message([18, 1]), from: sender)
        hand.hear(.message([16, 99]), from: sender)
        #expect(count(hand, .malformed) == 3)
        for question in [Question.cards, .neighbours, .inclusion(1), .device(sender)] {
            hand.hear(.question(question), from: sender)
        }
        hand.hear(.ping(nonce: 1), from: sender)
        #expect(count(hand, .foreign) == 5)
        hand.hear(.answer(.bundle(.zero, .held)), from: sender)
        #expect(hand.answers.isEmpty && hand.node.keeping.bundles.isEmpty)
    }

    @Test func `a node that reaches no validator itself keeps nothing`() throws {
        var hand = try ready()
        while !hand.node.isCutOff { _ = hand.untilAsked() }
        let bundle = bundle(of: 1, hand)
        hand.hear(.handIn(bundle), from: bundle.author)
        #expect(standings(hand, of: bundle) == [.refused])
    }

    // MARK: Lives and epochs

    @Test func `a restarted node hands on what it kept`() throws {
        var hand = try ready()
        let bundle = bundle(of: 1, hand)
        hand.hear(.handIn(bundle), from: bundle.author)
        var damaged = hand.boot
        damaged.bundles.append(
            Bundle(author: key(2).nodeID, epoch: 2, ownTag: nil, reports: [], signature: bundle.signature))
        let again = try Hand(hand.followed, boot: damaged, at: hand.now)
        #expect(again.node.keeping.bundles.map(\.bundle) == [bundle])
        #expect(again.handedIn.map(\.bundle) == [bundle])
    }

    @Test func `with its epoch ends what was kept, on the disk too`() throws {
        var hand = try ready()
        let bundle = bundle(of: 1, hand)
        hand.hear(.handIn(bundle), from: bundle.author)
        #expect(hand.boot.bundles == [bundle])
        let before = hand.boot
        let asked = hand.untilAsked()
        hand.answer(truly: hand.followed.next(), by: asked.of)
        #expect(hand.node.openEpoch == 3 && hand.boot.bundles.isEmpty)
        // A power cut before that was durable: found at the next start, and dropped then.
        var stale = hand.boot
        stale.bundles = before.bundles
        var again = try Hand(hand.followed, boot: stale, at: hand.now)
        #expect(again.node.keeping.bundles.isEmpty)
        let next = again.untilAsked()
        again.answer(truly: again.followed.next(), by: next.of)
        #expect(again.node.openEpoch == 4 && again.boot.bundles.isEmpty)
    }

    @Test func `headers are told with their votes, the last two, and what is older is only said to be`()
        throws
    {
        var hand = try ready(epochMilliseconds: 10_000)
        for _ in 0..<2 { hand.answer(truly: hand.followed.next(), by: hand.untilAsked().of) }
        while hand.node.openEpoch < 4 { hand.pass(.seconds(1)) }
        for epoch in Epoch(2)...3 {
            hand.answers.removeAll()
            hand.hear(.question(.follow(epoch)), from: key(1).nodeID)
            guard case .header(let header, 3, _)? = hand.answers.first?.answer,
                case .votes(let page)? = hand.answers.last?.answer
            else {
                Issue.record("no header of epoch \(epoch)")
                continue
            }
            #expect(header.epoch == epoch && page.ballot == .finalize(epoch, 1, header.digest))
        }
        for epoch in [Epoch(1), 4, .max] {
            hand.answers.removeAll()
            hand.hear(.question(.follow(epoch)), from: key(1).nodeID)
            guard case .open(lastFinal: 3, _)? = hand.answers.first?.answer else {
                Issue.record("something else of epoch \(epoch)")
                continue
            }
        }
    }
}
