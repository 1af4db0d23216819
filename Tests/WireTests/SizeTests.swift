import Bytes
import Chance
import Geo
import Identity
import TestKit
import Testing
import Wire
import WireSamples

/// The largest of everything, built in full: what a maximum promises must hold for it.
@Suite struct SizeTests {
    /// Draws values until one has the most octets that its format can have.
    private func fullest<Value: Sample>(_: Value.Type, byteCount: Int) -> Value {
        var chance = Chance(seed: 3)
        while true {
            let value = Value.any(from: &chance)
            let count = value.encoded().count
            #expect(count <= byteCount)
            if count == byteCount { return value }
        }
    }

    private var fullestRecord: NodeRecord { fullest(NodeRecord.self, byteCount: 197) }
    private var fullestTransaction: Transaction { fullest(Transaction.self, byteCount: 302) }

    private var fullestCertificate: Certificate {
        var chance = Chance(seed: 4)
        let voters = (0..<UInt16(Certificate.seatsMax)).map { $0 }
        return Certificate(
            ballot: .notarize(1, 2, .any(from: &chance)), voters: voters,
            signatures: voters.map { _ in .any(from: &chance) })
    }

    @Test func `the largest bundle keeps to its maximum`() throws {
        var chance = Chance(seed: 5)
        func all<Value: Sample, Key: Hashable & Comparable>(
            _: Value.Type, _ count: Int, by key: (Value) -> Key
        ) -> [Value] {
            var values: [Key: Value] = [:]
            while values.count < count {
                let value = Value.any(from: &chance)
                values[key(value)] = value
            }
            return values.values.sorted { key($0) < key($1) }
        }
        let bundle = Bundle(
            author: .any(from: &chance), epoch: .max, ownTag: .any(from: &chance),
            reports: all(WitnessReport.self, Bundle.reportsMax) { $0.tag }, isPartial: true,
            reveals: all(Reveal.self, Bundle.revealsMax) { $0.epoch },
            readings: all(Reading.self, Bundle.readingsMax) { $0.sequence })
        let bytes = bundle.encoded()
        #expect(bytes.count == 7_196)
        #expect(bytes.count <= Bundle.byteCountMax)
        #expect(try Bundle(decoding: bytes) == bundle)
    }

    @Test(arguments: Seed.all)
    func `every transaction keeps to its maximum`(seed: Seed) {
        var chance = seed.chance()
        #expect(fullestTransaction.encoded().count <= Transaction.byteCountMax)
        for tag in 0..<TransactionKind.count {
            let kind = TransactionKind.any(from: &chance, tag: tag)
            let transaction = Transaction.any(from: &chance, kind: kind)
            #expect(transaction.encoded().count <= Transaction.byteCountMax)
        }
    }

    @Test func `every frame alone fits a datagram`() throws {
        var chance = Chance(seed: 6)
        let ids = (0..<Frame.idsMax).map { _ in ShortID.any(from: &chance) }
        let octets = chance.octets(Frame.messageByteCountMax)
        let frames: [Frame] = [
            .records(Array(repeating: fullestRecord, count: Frame.recordsMax), asks: true),
            .message(octets),
            .chunk(
                Chunk(
                    message: .any(from: &chance), index: 0, count: UInt16(Chunk.countMax),
                    octets: chance.octets(Chunk.byteCountMax))),
            .have(ids), .want(ids), .ping(nonce: .max), .pong(nonce: .max), .goodbye,
            .dial(fullestRecord, isUrgent: true),
            .welcome(Array(repeating: fullestRecord, count: Frame.recordsMax)),
            .refusal(Array(repeating: fullestRecord, count: Frame.recordsMax)),
            .indirectPing(.any(from: &chance), .any(from: &chance), nonce: .max),
            .indirectPong(nonce: .max, isAlive: true), .probe(nonce: .max), .nearby(fullestRecord.region!),
            .reconciliation(
                .cells(
                    SketchCells(
                        round: .max, version: .max, first: 0,
                        cells: Array(repeating: .zero, count: SketchCells.countMax)))),
        ]
        #expect(frames.count == Frame.count)
        for frame in frames {
            let payload = Payload(frames: [frame])
            let bytes = payload.encoded()
            #expect(bytes.count <= Payload.byteCountMax)
            #expect(try Payload(decoding: bytes.octetBytes) == payload)
        }
    }

    @Test func `the largest messages can be cut into chunks`() {
        var chance = Chance(seed: 7)
        #expect(Chunk.countMax * Chunk.byteCountMax == Message.byteCountMax)
        #expect(Chunk.countMax <= Int(UInt16.max))
        // Contents: its lists are so long that they are multiplied out and not built.
        let body = Body(transactions: [], parentCertificate: fullestCertificate)
        let contents = Contents(header: .any(from: &chance), body: body, items: [])
        let transactions = Body.transactionsMax * fullestTransaction.encoded().count
        let items = Block.entriesMax * EvidenceItem.any(from: &chance).encoded().count
        let prefixes = 8
        #expect(
            Message.contents(contents).encoded().count + transactions + items + prefixes
                <= Message.byteCountMax)
        let proposal = Proposal(
            view: 1, parentView: 0, header: .any(from: &chance),
            justification: Array(repeating: fullestCertificate, count: Proposal.certificatesMax),
            vote: .any(from: &chance))
        #expect(Message.proposal(proposal).encoded().count <= Message.byteCountMax)
        let final = FinalHeader(header: .any(from: &chance), certificate: fullestCertificate)
        let finality = Message.finality(Array(repeating: final, count: Message.finalityMax))
        #expect(finality.encoded().count <= Message.byteCountMax)
    }

    @Test func `votes, transactions and headers without justification travel whole`() {
        var chance = Chance(seed: 8)
        let vote = Vote(
            ballot: .notarize(1, 1, .any(from: &chance)), voter: .any(from: &chance), signature: .zero)
        #expect(Message.vote(vote).encoded().count <= Frame.messageByteCountMax)
        #expect(Message.transaction(fullestTransaction).encoded().count <= Frame.messageByteCountMax)
        let proposal = Proposal(
            view: 1, parentView: 0, header: .any(from: &chance), justification: [], vote: vote)
        #expect(Message.proposal(proposal).encoded().count <= Frame.messageByteCountMax)
    }
}
