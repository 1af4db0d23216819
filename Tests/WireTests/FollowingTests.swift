import Bytes
import Chance
import Identity
import TestKit
import Testing
import Wire
import WireSamples

@Suite struct FollowingTests {
    @Test(arguments: Seed.all)
    func `every item's place can be proven, and only its own`(seed: Seed) {
        var chance = seed.chance()
        for count in Array(1...17) + [31, 32, 33, 100] {
            let items = (0..<count).map { _ in Digest.any(from: &chance) }
            let tree = MerkleTree(items)
            let other = Digest.any(from: &chance)
            for (index, item) in items.enumerated() {
                let proof = tree.proof(of: index)
                #expect(proof.verify(root: tree.root, count: UInt32(count), item: item))
                #expect(!proof.verify(root: tree.root, count: UInt32(count), item: other))
                #expect(!proof.verify(root: other, count: UInt32(count), item: item))
                #expect(!proof.verify(root: tree.root, count: UInt32(index), item: item))
            }
        }
    }

    @Test(arguments: Seed.all)
    func `a changed proof proves nothing`(seed: Seed) {
        var chance = seed.chance()
        let items = (0..<(2 + chance.below(60))).map { _ in Digest.any(from: &chance) }
        let tree = MerkleTree(items)
        let index = chance.below(items.count)
        let proof = tree.proof(of: index)
        func holds(_ siblings: [Digest], _ index: UInt32) -> Bool {
            MerkleProof(index: index, siblings: siblings)
                .verify(root: tree.root, count: UInt32(items.count), item: items[Int(proof.index)])
        }
        #expect(holds(proof.siblings, proof.index))
        #expect(!holds(proof.siblings + [.any(from: &chance)], proof.index))
        #expect(!holds(proof.siblings.dropLast(), proof.index))
        for place in proof.siblings.indices {
            var siblings = proof.siblings
            siblings[place] = .any(from: &chance)
            #expect(!holds(siblings, proof.index))
        }
        for other in 0..<UInt32(items.count + 2) where other != proof.index {
            #expect(!holds(proof.siblings, other))
        }
    }

    @Test func `the longest proof is of the last of a full block's items`() {
        // A tree of 65,536 items has sixteen levels above its leaves.
        #expect(1 << MerkleProof.siblingsMax == Block.entriesMax)
    }

    @Test func `every answer travels whole`() {
        var chance = Chance(seed: 9)
        let signature = Signature.any(from: &chance)
        let seat = Seat(key: .any(from: &chance), vrfKey: .any(from: &chance), weight: .max)
        var record = NodeRecord.any(from: &chance)
        while record.encoded().count < 189 { record = .any(from: &chance) }
        let voters = (0..<UInt16(VotesPage.entriesMax)).map { $0 + 400 }
        let certificate = Certificate(
            ballot: .finalize(1, 2, .any(from: &chance)), voters: voters,
            signatures: voters.map { _ in signature })
        let siblings = (0..<MerkleProof.siblingsMax).map { _ in Digest.any(from: &chance) }
        let answers: [Answer] = [
            .open(lastFinal: .max, age: .max),
            .header(.any(from: &chance), lastFinal: .max, age: .max),
            .votes(certificate.page(0)!),
            .inclusion(.max, MerkleProof(index: .max, siblings: siblings)),
            .device(.max, chance.octets(Answer.deviceByteCountMax)),
            .deviceProof(.max, chance.octets(Answer.proofByteCountMax)),
            .committee(
                .any(from: &chance), page: .max, Array(repeating: seat, count: Answer.seatsOfPageMax)),
            .bundle(.any(from: &chance), .partial(.max)),
            .cards(Array(repeating: record, count: Answer.cardsMax)),
            .neighbours(
                Array(
                    repeating: Neighbour(node: .any(from: &chance), endpoint: .any(from: &chance)),
                    count: Answer.neighboursMax)),
            .deviceProofPage(
                .max, page: Answer.proofPagesMax - 1, chance.octets(Answer.proofByteCountMax)),
        ]
        #expect(answers.count == Answer.count)
        for answer in answers {
            #expect(Message.answer(answer).encoded().count <= Frame.messageByteCountMax)
        }
        // A header and its asker's place share a datagram.
        let together = Payload(frames: [
            .message(Message.answer(answers[1]).encoded()), .message(Message.answer(answers[3]).encoded()),
        ])
        #expect(together.encoded().count <= Payload.byteCountMax)
    }

    @Test func `a device with as many versions as there can be fits an answer`() {
        var chance = Chance(seed: 10)
        var longest = 0
        for _ in 0..<200 {
            var version = DeviceVersion.any(from: &chance)
            while version.location == nil { version = .any(from: &chance) }
            let versions = Array(repeating: version, count: Device.versionsMax)
            longest = max(longest, Device(kind: .hotspot, versions: versions).encoded().count)
        }
        #expect(longest <= Answer.deviceByteCountMax)
    }

    @Test func `a proof's pages together are the proof, and the last one is not full`() {
        var chance = Chance(seed: 11)
        let size = Answer.proofByteCountMax
        for count in [0, 1, size - 1, size, size + 1, 3 * size, Int(Answer.proofPagesMax) * size - 1] {
            let proof = chance.octets(count)
            let pages = (0...UInt8.max).map { Answer.page($0, ofProof: proof) }
            let last = pages.firstIndex { $0.map { $0.count < size } ?? true }!
            #expect(pages[...last].flatMap { $0 ?? [] } == proof)
            #expect(pages[(last + 1)...].allSatisfy { $0 == nil })
        }
    }

    @Test func `no page of a proof is the first one or beyond the last one`() {
        let id = [UInt8](repeating: 0, count: 32)
        for page in [0, Answer.proofPagesMax, .max] {
            #expect(throws: DecodeError.unknown) { try Question(decoding: [8] + id + [page]) }
            #expect(throws: DecodeError.unknown) {
                try Answer(decoding: [10] + [UInt8](repeating: 0, count: 8) + [page, 0])
            }
        }
    }

    @Test(arguments: Seed.all)
    func `pages together are the certificate`(seed: Seed) {
        var chance = seed.chance()
        for count in [1, 14, 15, 16, 134, Certificate.seatsMax] {
            let voters = (0..<UInt16(count)).map { $0 }
            let certificate = Certificate(
                ballot: .finalize(3, 1, .any(from: &chance)), voters: voters,
                signatures: voters.map { _ in .any(from: &chance) })
            let pages = (0...UInt8.max).compactMap { certificate.page($0) }
            #expect(pages.allSatisfy { Int($0.pages) == pages.count && $0.ballot == certificate.ballot })
            #expect(pages.flatMap(\.entries).map(\.voter) == certificate.voters)
            #expect(pages.flatMap(\.entries).map(\.signature) == certificate.signatures)
            let committee = Committee(
                seats: (0..<count).map { _ in
                    Seat(key: .any(from: &chance), vrfKey: .any(from: &chance), weight: 1)
                })
            #expect((0...UInt8.max).flatMap { committee.page($0) } == committee.seats)
        }
    }
}
