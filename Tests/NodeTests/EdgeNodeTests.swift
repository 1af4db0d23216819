import Bytes
import Chance
import Identity
import Ledger
import Testing
import Wire

@testable import Node

/// One edge node among validators that the test plays, truthful or not.
@Suite struct EdgeNodeTests {
    @Test func `a header with a quorum of votes opens the next epoch`() throws {
        var hand = try Hand()
        for epoch in Epoch(1)...5 {
            let asked = hand.untilAsked()
            #expect(asked.epoch == epoch)
            let header = hand.followed.next()
            hand.answer(truly: header, by: asked.of)
            #expect(hand.node.openEpoch == epoch + 1)
            hand.pass(.seconds(9))
            #expect(hand.node.openEpoch == epoch + 1)
        }
        #expect(hand.node.counts[EdgeNode.Counter.lies.rawValue] == 0)
    }

    @Test func `it asks seldom while nothing can have happened`() throws {
        var hand = try Hand()
        let asked = hand.untilAsked()
        hand.answer(truly: hand.followed.next(), by: asked.of)
        hand.pass(.seconds(1))
        hand.questions.removeAll()
        hand.pass(.seconds(8))
        let polls = hand.questions.count {
            if case .follow = $0.question { true } else { false }
        }
        #expect(polls == 0)
    }

    @Test func `while an epoch does not end it asks more and more seldom`() throws {
        var hand = try Hand()
        var times: [Instant] = []
        for _ in 0..<20 {
            let asked = hand.untilAsked()
            times.append(hand.now)
            hand.answer(.open(lastFinal: 0, age: 0), by: asked.of)
        }
        #expect(times[19] - times[18] >= .seconds(1))
        #expect(times[19] - times[0] < .seconds(60))
    }

    /// Whatever a validator forges: the epoch stays open, it is noted as a liar, and another one is asked.
    private func expectRefuted(_ lies: (inout Followed, Header) -> [Answer]) throws {
        var hand = try Hand()
        let asked = hand.untilAsked()
        let header = hand.followed.next()
        for answer in lies(&hand.followed, header) { hand.answer(answer, by: asked.of) }
        #expect(hand.node.openEpoch == 1)
        #expect(hand.node.counts[EdgeNode.Counter.lies.rawValue] == 1)
        let next = hand.untilAsked()
        #expect(next.of != asked.of)
        hand.answer(truly: header, by: next.of)
        #expect(hand.node.openEpoch == 2)
    }

    @Test func `votes that are no quorum make nothing final`() throws {
        try expectRefuted { followed, header in
            [.header(header, lastFinal: 1, age: 0), .votes(followed.page(of: header, voters: 2))]
        }
    }

    @Test func `one vote said twice is one vote`() throws {
        // On the wire voters ascend, so a page cannot repeat one; two pages could.
        var hand = try Hand(Followed(validators: 40))
        let asked = hand.untilAsked()
        let header = hand.followed.next()
        let certificate = hand.followed.certificate(of: header, voters: 15)
        let whole = certificate.page(0)!
        hand.answer(.header(header, lastFinal: 1, age: 0), by: asked.of)
        for page in UInt8(0)..<3 {
            hand.answer(
                .votes(VotesPage(ballot: whole.ballot, page: page, pages: 3, entries: whole.entries)),
                by: asked.of)
        }
        #expect(hand.node.openEpoch == 1)
    }

    @Test func `a forged vote is found out`() throws {
        try expectRefuted { followed, header in
            var certificate = followed.certificate(of: header)
            var signatures = certificate.signatures
            signatures[2] = signatures[1]
            certificate = Certificate(
                ballot: certificate.ballot, voters: certificate.voters, signatures: signatures)
            return [.header(header, lastFinal: 1, age: 0), .votes(certificate.page(0)!)]
        }
    }

    @Test func `votes for another header make this one not final`() throws {
        try expectRefuted { followed, header in
            var changed = header
            changed.stateRoot = Digest(of: [9])
            return [.header(changed, lastFinal: 1, age: 0), .votes(followed.page(of: header))]
        }
    }

    @Test func `votes of a committee of one's own making count for nothing`() throws {
        try expectRefuted { followed, header in
            var changed = header
            changed.committee = Committee(seats: followed.laterMembers.map(\.seat)).digest
            let votes = followed.certificate(of: changed, by: followed.laterMembers)
            return [.header(changed, lastFinal: 1, age: 0), .votes(votes.page(0)!)]
        }
    }

    @Test func `notarizing is not finalizing`() throws {
        try expectRefuted { followed, header in
            let votes = followed.certificate(of: header, ballot: .notarize(1, 1, header.digest))
            return [.header(header, lastFinal: 1, age: 0), .votes(votes.page(0)!)]
        }
    }

    @Test func `an old header is not taken for a new one`() throws {
        var hand = try Hand()
        let asked = hand.untilAsked()
        let first = hand.followed.next()
        hand.answer(truly: first, by: asked.of)
        #expect(hand.node.openEpoch == 2)
        let next = hand.untilAsked()
        hand.answer(truly: first, by: next.of)
        #expect(hand.node.openEpoch == 2)
    }

    @Test func `nobody but whom it asked is listened to`() throws {
        var hand = try Hand()
        let asked = hand.untilAsked()
        let header = hand.followed.next()
        let others = hand.followed.members.map(\.key.nodeID).filter { $0 != asked.of }
        for other in others + [hand.followed.laterMembers[0].key.nodeID] {
            hand.answer(truly: header, by: other)
        }
        #expect(hand.node.openEpoch == 1)
    }

    @Test func `who lied is left alone, whatever it says unasked`() throws {
        var hand = try Hand()
        let asked = hand.untilAsked()
        let header = hand.followed.next()
        hand.answer(
            .header(header, lastFinal: 1, age: 0), .votes(hand.followed.page(of: header, voters: 2)),
            by: asked.of)
        for _ in 0..<5 {
            hand.answer(.open(lastFinal: 0, age: 0), .cards([]), .inclusion(1, nil), by: asked.of)
        }
        #expect(!hand.node.uplinks.ready(at: hand.now).contains(asked.of))
    }

    @Test func `votes may come before their header, and what is lost is asked for again`() throws {
        var hand = try Hand()
        let asked = hand.untilAsked()
        let header = hand.followed.next()
        hand.answer(
            .votes(hand.followed.page(of: header)), .header(header, lastFinal: 1, age: 0), by: asked.of)
        #expect(hand.node.openEpoch == 2)
        let again = hand.untilAsked()
        let second = hand.followed.next()
        hand.answer(.header(second, lastFinal: 2, age: 0), by: again.of)
        hand.questions.removeAll()
        hand.pass(.seconds(3))
        #expect(hand.questions.contains { $0.question == .votes(2, page: 0) && $0.of == again.of })
        hand.answer(.votes(hand.followed.page(of: second)), by: again.of)
        hand.pass(.seconds(9))
        #expect(hand.node.openEpoch == 3)
    }

    @Test func `a validator that says nothing gives way to another`() throws {
        var hand = try Hand()
        var asked: Set<NodeID> = []
        for _ in 0..<12 { asked.insert(hand.untilAsked().of) }
        #expect(asked.count == 4)
    }

    @Test func `many pages of votes add up`() throws {
        var hand = try Hand(Followed(validators: 40))
        let asked = hand.untilAsked()
        let header = hand.followed.next()
        let certificate = hand.followed.certificate(of: header, voters: 27)
        hand.answer(.header(header, lastFinal: 1, age: 0), .votes(certificate.page(0)!), by: asked.of)
        #expect(hand.questions.last?.question == .votes(1, page: 1))
        hand.answer(.votes(certificate.page(1)!), by: asked.of)
        #expect(hand.node.openEpoch == 2)
    }

    @Test func `a new committee is fetched, and a false one is not believed`() throws {
        var hand = try Hand()
        for _ in 0..<6 {
            let asked = hand.untilAsked()
            hand.answer(truly: hand.followed.next(), by: asked.of)
            hand.pass(.seconds(9))
        }
        let header = hand.followed.next()
        let committee = hand.followed.committee(ofPeriod: 2)
        let liar = hand.untilAsked()
        hand.answer(truly: header, by: liar.of)
        #expect(hand.questions.last?.question == .committee(committee.digest, page: 0))
        hand.answer(
            .committee(committee.digest, page: 0, hand.followed.genesis.committee.seats), by: liar.of)
        #expect(hand.node.openEpoch == 7)
        let asked = hand.untilAsked()
        hand.answer(truly: header, by: asked.of)
        hand.answer(.committee(committee.digest, page: 0, committee.seats), by: asked.of)
        #expect(hand.node.openEpoch == 8)
    }

    @Test func `who was away takes the last header of each period`() throws {
        var hand = try Hand()
        var headers: [Header] = []
        for _ in 0..<8 { headers.append(hand.followed.next()) }
        let first = hand.untilAsked()
        hand.answer(truly: headers[0], lastFinal: 8, by: first.of)
        hand.pass(.seconds(1))
        // Six are within reach of the committees of genesis.
        #expect(hand.questions.last?.question == .follow(6))
        hand.answer(truly: headers[5], lastFinal: 8, by: first.of)
        #expect(hand.questions.last?.question == .follow(8))
        hand.answer(truly: headers[7], lastFinal: 8, by: first.of)
        let committee = hand.followed.committee(ofPeriod: 2)
        hand.answer(.committee(committee.digest, page: 0, committee.seats), by: first.of)
        #expect(hand.node.openEpoch == 9)
    }

    @Test func `who promises a header of the future and has none costs one question`() throws {
        var hand = try Hand()
        let asked = hand.untilAsked()
        hand.answer(truly: hand.followed.next(), lastFinal: 1_000, by: asked.of)
        hand.pass(.seconds(1))
        #expect(hand.questions.last?.question == .follow(6))
        hand.answer(.open(lastFinal: 1, age: 0), by: asked.of)
        let next = hand.untilAsked()
        #expect(next.epoch == 2)
    }

    @Test func `who promises the future above a header that does not hold is left for another`() throws {
        var hand = try Hand()
        let liar = hand.untilAsked()
        let header = hand.followed.next()
        var forged = header
        forged.network = Digest(of: [7])
        hand.answer(.header(forged, lastFinal: .max, age: 0), by: liar.of)
        let next = hand.untilAsked()
        #expect(next.of != liar.of && next.epoch == 1)
        hand.answer(truly: header, by: next.of)
        #expect(hand.node.openEpoch == 2)
    }

    @Test func `who promises the future and shows no votes is left for another`() throws {
        var hand = try Hand()
        let liar = hand.untilAsked()
        let header = hand.followed.next()
        hand.answer(.header(header, lastFinal: .max, age: 0), by: liar.of)
        let next = hand.untilAsked()
        #expect(next.of != liar.of && next.epoch == 1)
        hand.answer(truly: header, by: next.of)
        #expect(hand.node.openEpoch == 2)
    }

    /// Among many it is not asked again before its pause has passed; alone it is, and the pauses show.
    @Test func `who lies again is left alone for longer, until it shows a header that holds`() throws {
        var hand = try Hand(Followed(validators: 1))
        let header = hand.followed.next()
        var forged = header
        forged.network = Digest(of: [7])
        var failures: [Int] = []
        for _ in 0..<4 {
            let liar = hand.untilAsked()
            hand.answer(.header(forged, lastFinal: 1, age: 0), by: liar.of)
            failures.append(hand.node.uplinks.contacts[0].pause.failures)
        }
        #expect(failures == [1, 2, 3, 4])
        let asked = hand.untilAsked()
        hand.answer(truly: header, by: asked.of)
        #expect(hand.node.openEpoch == 2 && hand.node.uplinks.contacts[0].pause.failures == 0)
    }

    @Test func `votes come on as few pages as a committee fills`() throws {
        var hand = try Hand(Followed(validators: 40))
        let asked = hand.untilAsked()
        let header = hand.followed.next()
        let whole = hand.followed.certificate(of: header, voters: 27).page(0)!
        let drop = VotesPage(ballot: whole.ballot, page: 0, pages: 4, entries: Array(whole.entries.prefix(1)))
        hand.answer(.header(header, lastFinal: 1, age: 0), .votes(drop), by: asked.of)
        #expect(hand.node.counts[EdgeNode.Counter.lies.rawValue] == 1)
    }

    @Test func `two certified headers that contradict each other stop it`() throws {
        var hand = try Hand()
        let first = hand.untilAsked()
        hand.answer(truly: hand.followed.next(), by: first.of)
        let second = hand.untilAsked()
        let fork = hand.followed.next(isDraft: true) { $0.parent = Digest(of: [7]) }
        hand.answer(truly: fork, by: second.of)
        #expect(hand.node.isHalted && hand.node.openEpoch == 2)
        #expect(hand.notices.contains { $0.contains("contradict") })
        #expect(hand.node.deadline == .never)
    }

    // MARK: The registry

    /// A state with one device beside others.
    private func state(_ device: Device?, of id: NodeID) -> StateTrie {
        var writes = (0..<20).map { index in
            StateTrie.Write(key: .account(Followed.Member(60 + index).key.nodeID), value: [UInt8(index)])
        }
        if let device { writes.append(StateTrie.Write(key: .device(id), value: device.encoded())) }
        return StateTrie().updated(with: writes)
    }

    func until(_ wanted: Question, _ hand: inout Hand) -> NodeID? {
        for _ in 0..<400 {
            if let asked = hand.questions.last(where: { $0.question == wanted }) { return asked.of }
            for case (.follow, let node) in hand.questions {
                hand.questions.removeAll()
                hand.answer(truly: hand.followed.next(), by: node)
                break
            }
            guard hand.questions.last(where: { $0.question == wanted }) == nil else { continue }
            hand.now = max(hand.now, hand.node.deadline)
            hand.handle(.woke)
        }
        return nil
    }

    @Test func `the own record is believed with a proof under the last header only`() throws {
        var hand = try Hand()
        let id = hand.node.id
        let before = hand.node.device!
        var moved = before
        moved.versions.append(before.versions[0])
        moved.versions[1].effective = 3
        moved.versions[1].profile = RadioProfile(region: .eu868, gain: 60)
        let trie = state(moved, of: id)
        let path = StateTrie.path(of: .device(id))
        hand.followed.stateRoot = trie.root
        let asked = try #require(until(.device(id), &hand))
        let epoch = hand.node.lastFinal!.epoch
        // An old state's proof, a proof for a value that is another's, and none.
        let stale = state(before, of: id).proof(of: path).encoded()
        hand.answer(.device(epoch, before.encoded()), .deviceProof(epoch, stale), by: asked)
        #expect(hand.node.device == before && hand.node.counts[EdgeNode.Counter.lies.rawValue] == 1)
        hand.questions.removeAll()
        let second = try #require(until(.device(id), &hand))
        let proof = trie.proof(of: path).encoded()
        let last = hand.node.lastFinal!.epoch
        hand.answer(.device(last, nil), .deviceProof(last, proof), by: second)
        #expect(hand.node.device == before && hand.node.counts[EdgeNode.Counter.lies.rawValue] == 2)
        hand.questions.removeAll()
        let third = try #require(until(.device(id), &hand))
        let newest = hand.node.lastFinal!.epoch
        hand.answer(.deviceProof(newest, proof), .device(newest, moved.encoded()), by: third)
        #expect(hand.node.device == moved && hand.node.deviceEpoch == newest)
    }

    @Test func `a device that is not registered says so, with a proof that it is not`() throws {
        var hand = try Hand()
        let id = hand.node.id
        let trie = state(nil, of: id)
        hand.followed.stateRoot = trie.root
        let asked = try #require(until(.device(id), &hand))
        let epoch = hand.node.lastFinal!.epoch
        let proof = trie.proof(of: StateTrie.path(of: .device(id))).encoded()
        hand.answer(.device(epoch, nil), .deviceProof(epoch, proof), by: asked)
        #expect(hand.node.device == nil && hand.notices.contains("unregistered"))
    }

    @Test func `what was learnt too long ago makes no beacon, and is learnt anew for one`() throws {
        var hand = try Hand(Followed(beacons: true))
        let id = hand.node.id
        let trie = state(hand.node.device, of: id)
        hand.followed.stateRoot = trie.root
        // Nobody says anything about the registry.
        while hand.node.openEpoch < 6 {
            let asked = hand.untilAsked()
            let header = hand.followed.next()
            hand.answer(truly: header, by: asked.of)
            while let settling = hand.node.settling {
                hand.answer(.inclusion(header.epoch, nil), by: settling.asked.last!)
            }
            hand.pass(.seconds(8))
        }
        // A change in block 1 takes effect at 5.
        #expect(hand.beacons == [2, 3, 4])
        #expect(hand.node.ownBundle?.epoch == 6)
        hand.questions.removeAll()
        let asked = try #require(until(.device(id), &hand))
        let epoch = hand.node.lastFinal!.epoch
        let proof = trie.proof(of: StateTrie.path(of: .device(id))).encoded()
        hand.answer(
            .device(epoch, hand.node.device!.encoded()), .deviceProof(epoch, proof), by: asked)
        hand.pass(.seconds(7))
        #expect(hand.beacons == [2, 3, 4, epoch + 1])
    }

    @Test func `cards are believed with their signatures, and of validators only`() throws {
        var hand = try Hand(Followed(validators: 6), listed: 3)
        let asked = try #require(until(.cards, &hand))
        let members = hand.followed.members
        func card(_ member: Followed.Member, port: UInt16, sequence: UInt64 = 9) -> NodeRecord {
            NodeRecord(
                node: member.key.nodeID, sequence: sequence, roles: .validator,
                endpoints: [.loopback(port: port)], region: nil, version: 1
            ).signed(by: member.key, network: hand.followed.network)
        }
        let good = card(members[4], port: 7_001)
        let stranger = card(hand.followed.laterMembers[0], port: 7_002)
        hand.answer(.cards([good, stranger]), by: asked)
        #expect(hand.node.uplinks.destination(of: members[4].key.nodeID)?.endpoint == .loopback(port: 7_001))
        #expect(!hand.node.uplinks.isKnown(hand.followed.laterMembers[0].key.nodeID))
        #expect(hand.boot.peers == [good])
        var uplinks = hand.node.uplinks
        let isNews = uplinks.learn(card(members[4], port: 7_003, sequence: 8))
        #expect(!isNews)
    }

    @Test func `a restarted node goes on where it was, and refuses what a disk changed`() throws {
        var hand = try Hand()
        for _ in 0..<3 {
            let asked = hand.untilAsked()
            hand.answer(truly: hand.followed.next(), by: asked.of)
            hand.pass(.seconds(9))
        }
        let again = try Hand(hand.followed, boot: hand.boot, at: hand.now)
        #expect(again.node.openEpoch == 4 && again.node.lastFinal == hand.node.lastFinal)
        var chance = Chance(seed: 5)
        for _ in 0..<20 {
            var damaged = hand.boot
            damaged.following![chance.below(damaged.following!.count)] ^= 1 << UInt8(chance.below(8))
            #expect(throws: BootFault.self) { try Hand(hand.followed, boot: damaged, at: hand.now) }
        }
    }
}
