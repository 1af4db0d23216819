import Bytes
import Chance
import Identity
import TestKit
import Testing
import Wire

@testable import Ledger
@testable import Node

/// An edge node learns what the registry holds of its device, also where strangers' keys crowd its path.
@Suite struct DeviceProofTests {
    /// A validator whose last block is the test's, as far as questions about the registry go.
    private struct Validator {
        let node: Node

        init(_ followed: Followed) throws {
            var actions: [NodeAction] = []
            let settings = NodeSettings(
                roles: .validator, endpoints: [.loopback(port: 4_000)], bootstrap: [], region: nil,
                recordSequence: 1)
            node = try Node(
                genesis: followed.genesis, key: followed.members[0].key, vrfKey: followed.members[0].vrf,
                settings: settings, boot: BootRecords(), chance: Chance(seed: 2), now: .origin,
                actions: &actions)
        }

        func adopt(_ header: Header, _ trie: StateTrie, in followed: Followed) {
            node.chain.last = FinalHeader(header: header, certificate: followed.certificate(of: header))
            node.chain.ledger.trie = trie
        }

        func answers(to question: Question, of asker: NodeID, at now: Instant) throws -> [Answer] {
            var actions: [NodeAction] = []
            node.answer(question, to: Destination(asker, .loopback(port: 5_000)), at: now, &actions)
            var answers: [Answer] = []
            for case .send(let bytes, _) in actions {
                #expect(bytes.count <= Payload.byteCountMax)
                for case .message(let octets) in try Payload(decoding: bytes.octetBytes).frames {
                    if case .answer(let answer) = try Message(decoding: octets) { answers.append(answer) }
                }
            }
            return answers
        }
    }

    /// A state with others' keys beside a device's path, one at every depth down to this one.
    private static func crowded(_ node: EdgeNode, depth: Int, salt: UInt8 = 0) -> StateTrie {
        let path = StateTrie.path(of: .device(node.id))
        var writes = [StateTrie.Write(key: .device(node.id), value: node.device!.encoded())]
        for bit in 0..<depth {
            var octets = path.octets
            octets[bit / 8] ^= 128 >> UInt8(bit % 8)
            writes.append(StateTrie.Write(path: Digest(octets: octets)!, key: .totals, value: [salt]))
        }
        return StateTrie().updated(with: writes)
    }

    /// An edge node that has just asked a validator, whose last block has this state.
    private func asking(
        depth: Int
    ) throws -> (hand: Hand, validator: Validator, trie: StateTrie, first: NodeID) {
        var hand = try Hand()
        let validator = try Validator(hand.followed)
        let trie = Self.crowded(hand.node, depth: depth)
        hand.followed.stateRoot = trie.root
        let first = try #require(EdgeNodeTests().until(.device(hand.node.id), &hand))
        validator.adopt(hand.followed.last!, trie, in: hand.followed)
        return (hand, validator, trie, first)
    }

    /// Lets one validator answer whatever it is asked about the device, as it likes.
    private func answer(
        _ hand: inout Hand, _ validator: Validator, by node: NodeID, _ change: (Answer) -> [Answer] = { [$0] }
    ) throws {
        while let place = hand.questions.lastIndex(where: { $0.of == node && isAboutDevice($0.question) }) {
            let question = hand.questions[place].question
            hand.questions.removeSubrange(...place)
            for answer in try validator.answers(to: question, of: hand.node.id, at: hand.now) {
                for said in change(answer) { hand.answer(said, by: node) }
            }
        }
    }

    private func isAboutDevice(_ question: Question) -> Bool {
        switch question {
        case .device, .deviceProof: true
        default: false
        }
    }

    private func lies(_ hand: Hand) -> UInt64 { hand.node.counts[EdgeNode.Counter.lies.rawValue] }

    @Test(arguments: [30, 45, 100, 256], Seed.all)
    func `a crowded device is learnt, whatever is lost, comes twice or late`(depth: Int, seed: Seed) throws {
        var chance = seed.chance()
        var hand = try Hand()
        let validator = try Validator(hand.followed)
        let trie = Self.crowded(hand.node, depth: depth)
        hand.followed.stateRoot = trie.root
        var late: [(answer: Answer, by: NodeID)] = []
        for _ in 0..<5_000 where hand.node.deviceEpoch == 0 {
            var said = late
            late = []
            let questions = hand.questions
            hand.questions.removeAll()
            for (question, node) in questions {
                switch question {
                case .follow(let epoch) where hand.node.errands.isEmpty && epoch == hand.node.openEpoch:
                    let header = hand.followed.next()
                    validator.adopt(header, trie, in: hand.followed)
                    hand.answer(truly: header, by: node)
                case .follow(let epoch): hand.answer(.open(lastFinal: epoch - 1, age: 0), by: node)
                case .device, .deviceProof:
                    guard !chance.happens(1, in: 10) else { continue }
                    for answer in try validator.answers(to: question, of: hand.node.id, at: hand.now) {
                        let copies = chance.happens(1, in: 10) ? 0 : 1 + chance.below(2)
                        for _ in 0..<copies {
                            if chance.happens(1, in: 4) {
                                late.append((answer, node))
                            } else {
                                said.append((answer, node))
                            }
                        }
                    }
                default: break
                }
            }
            chance.shuffle(&said)
            for (answer, node) in said { hand.answer(answer, by: node) }
            guard hand.questions.isEmpty else { continue }
            hand.now = max(hand.now, hand.node.deadline)
            hand.handle(.woke)
        }
        #expect(hand.node.deviceEpoch > 0 && hand.node.deviceEpoch == hand.node.lastFinal?.epoch)
        #expect(lies(hand) == 0)
    }

    @Test func `a validator answers a page with a page, and none beyond the last`() throws {
        let (hand, validator, trie, _) = try asking(depth: 256)
        let id = hand.node.id
        let first = try validator.answers(to: .device(id), of: id, at: .origin)
        try #require(first.count == 2)
        guard case .device(_, let value) = first[0], case .deviceProof(_, let start) = first[1] else {
            throw DecodeError.unknown
        }
        var octets = start
        for page in 1..<Answer.proofPagesMax {
            let later = try validator.answers(to: .deviceProof(id, page: page), of: id, at: .origin)
            guard case .deviceProofPage(_, page, let more) = later.first else { throw DecodeError.unknown }
            #expect(later.count == 1)
            octets += more
        }
        let proof = try StateProof(decoding: octets)
        #expect(proof.siblings.count == StateTrie.depthMax)
        #expect(proof.verify(root: trie.root, key: .device(id), value: value))
        let (_, short, _, _) = try asking(depth: 20)
        #expect(try short.answers(to: .deviceProof(id, page: 1), of: id, at: .origin).isEmpty)
    }

    @Test func `who forges a page has lied, and another validator is asked at once`() throws {
        for forgedPage in UInt8(0)...2 {
            var (hand, validator, _, first) = try asking(depth: 80)
            try answer(&hand, validator, by: first) { answer in
                switch answer {
                case .deviceProof(let epoch, var octets) where forgedPage == 0:
                    octets[40] ^= 1
                    return [.deviceProof(epoch, octets)]
                case .deviceProofPage(let epoch, let page, var octets) where page == forgedPage:
                    octets[40] ^= 1
                    return [.deviceProofPage(epoch, page: page, octets)]
                default: return [answer]
                }
            }
            #expect(lies(hand) == 1 && hand.node.deviceEpoch == 0)
            let second = try #require(hand.questions.last)
            #expect(second.question == .device(hand.node.id) && second.of != first)
            try answer(&hand, validator, by: second.of)
            #expect(hand.node.deviceEpoch == hand.node.lastFinal?.epoch && lies(hand) == 1)
        }
    }

    @Test func `pages of two blocks do not add up, and are nobody's lie`() throws {
        var (hand, validator, _, first) = try asking(depth: 80)
        try answer(&hand, validator, by: first) { answer in
            guard case .deviceProofPage(let epoch, let page, let octets) = answer else { return [answer] }
            return [.deviceProofPage(epoch + 1, page: page, octets)]
        }
        #expect(lies(hand) == 0 && hand.node.deviceEpoch == 0)
        let second = try #require(hand.questions.last)
        #expect(second.question == .device(hand.node.id) && second.of != first)
        try answer(&hand, validator, by: second.of)
        #expect(hand.node.deviceEpoch == hand.node.lastFinal?.epoch)
    }

    @Test func `pages of two states under one epoch prove nothing`() throws {
        var (hand, validator, trie, first) = try asking(depth: 80)
        let other = Self.crowded(hand.node, depth: 80, salt: 1)
        let header = hand.followed.last!
        let followed = hand.followed
        try answer(&hand, validator, by: first) { answer in
            if case .deviceProof = answer { validator.adopt(header, other, in: followed) }
            return [answer]
        }
        #expect(lies(hand) == 1 && hand.node.deviceEpoch == 0)
        validator.adopt(header, trie, in: followed)
        try answer(&hand, validator, by: try #require(hand.questions.last).of)
        #expect(hand.node.deviceEpoch == hand.node.lastFinal?.epoch)
    }

    @Test func `a page before its time is not taken, and the missing one is asked for again there`() throws {
        var (hand, validator, _, first) = try asking(depth: 100)
        let id = hand.node.id
        let epoch = hand.followed.last!.epoch
        for answer in try validator.answers(to: .device(id), of: id, at: hand.now) {
            hand.answer(answer, by: first)
        }
        #expect(hand.questions.last?.question == .deviceProof(id, page: 1))
        hand.questions.removeAll()
        for answer in try validator.answers(to: .deviceProof(id, page: 2), of: id, at: hand.now) {
            hand.answer(answer, by: first)
        }
        hand.answer(.deviceProofPage(epoch, page: 8, []), by: first)
        #expect(!hand.questions.contains { isAboutDevice($0.question) })
        hand.pass(.milliseconds(2_100))
        let again = try #require(hand.questions.last { isAboutDevice($0.question) })
        #expect(again.question == .deviceProof(id, page: 1) && again.of == first)
        #expect(hand.node.uplinks.ready(at: hand.now).contains(first))
        try answer(&hand, validator, by: first)
        #expect(hand.node.deviceEpoch == epoch && lies(hand) == 0)
    }

    @Test func `who begins a proof and says no more gives way after a while`() throws {
        var (hand, validator, _, first) = try asking(depth: 100)
        let id = hand.node.id
        for answer in try validator.answers(to: .device(id), of: id, at: hand.now) {
            hand.answer(answer, by: first)
        }
        hand.run { $0.questions.contains { $0.question == .device(id) && $0.of != first } }
        let repeated = hand.questions.count { $0.question == .deviceProof(id, page: 1) && $0.of == first }
        #expect(repeated == 1 + Errand.repeatsMax)
        try answer(&hand, validator, by: hand.questions.last { $0.question == .device(id) }!.of)
        #expect(hand.node.deviceEpoch == hand.node.lastFinal?.epoch)
    }

    @Test func `a proof without end is a lie, and not read beyond its longest`() throws {
        var (hand, validator, _, first) = try asking(depth: 256)
        let full = [UInt8](repeating: 7, count: Answer.proofByteCountMax)
        var pages = 0
        try answer(&hand, validator, by: first) { answer in
            switch answer {
            case .deviceProof(let epoch, _):
                pages += 1
                return [.deviceProof(epoch, full)]
            case .deviceProofPage(let epoch, let page, _):
                pages += 1
                return [.deviceProofPage(epoch, page: page, full)]
            default: return [answer]
            }
        }
        #expect(pages == Int(Answer.proofPagesMax) && lies(hand) == 1)
        let second = try #require(hand.questions.last)
        #expect(second.question == .device(hand.node.id) && second.of != first)
    }
}
