import Bytes
import Chance
import Identity
import TestKit
import Testing
import Wire
import WireSamples

/// One field with a length, its maximum, and the octets that lead up to it.
struct Field: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let max: Int
    let prefix: [UInt8]
    let read: @Sendable ([UInt8]) throws(DecodeError) -> Void

    init<Value: Canonical & SendableMetatype>(_: Value.Type, _ name: String, max: Int, after prefix: [UInt8])
    {
        testDescription = "\(Value.self).\(name)"
        self.max = max
        self.prefix = prefix
        read = { bytes throws(DecodeError) in _ = try Value(decoding: bytes) }
    }

    func claiming(_ count: Int) -> [UInt8] {
        var writer = ByteWriter()
        writer.raw(prefix)
        writer.uleb128(UInt32(count))
        return writer.bytes
    }

    static let all: [Field] = {
        var chance = Chance(seed: 2)
        let header = Header.any(from: &chance).encoded()
        let id = NodeID.any(from: &chance).encoded()
        let word = [UInt8](repeating: 0, count: 8)
        let half = [UInt8](repeating: 0, count: 4)
        var parameters = Parameters()
        parameters.density = []
        let settings = parameters.encoded().dropLast()
        let genesis: [UInt8] = [1, 0, 1, 0x61, 1] + parameters.encoded() + id + id
        let seats = Certificate.seatsMax / 8
        return [
            Field(Bundle.self, "reports", max: Bundle.reportsMax, after: id + word + [0]),
            Field(Bundle.self, "reveals", max: Bundle.revealsMax, after: id + word + [0, 0, 0]),
            Field(Bundle.self, "readings", max: Bundle.readingsMax, after: id + word + [0, 0, 0, 0]),
            Field(Certificate.self, "bitmap", max: seats, after: [1] + word + half),
            Field(Proposal.self, "justification", max: Proposal.certificatesMax, after: half + half + header),
            Field(Committee.self, "seats", max: Certificate.seatsMax, after: []),
            Field(Body.self, "transactions", max: Body.transactionsMax, after: []),
            Field(Block.self, "evidence", max: Block.entriesMax, after: header + [0, 0]),
            Field(
                BeaconVerdict.self, "reports", max: BeaconVerdict.reportsMax,
                after: word + word + [0, 0, 0] + half + half),
            Field(Device.self, "versions", max: Device.versionsMax, after: [0]),
            Field(Validator.self, "versions", max: Validator.versionsMax, after: []),
            Field(Parameters.self, "density", max: 16, after: Array(settings)),
            Field(Genesis.self, "name", max: Genesis.nameByteCountMax, after: [1, 0]),
            Field(Genesis.self, "accounts", max: Genesis.accountsMax, after: genesis),
            Field(Genesis.self, "devices", max: Genesis.devicesMax, after: genesis + [0]),
            Field(Genesis.self, "validators", max: Certificate.seatsMax, after: genesis + [0, 0]),
            Field(NodeRecord.self, "endpoints", max: NodeRecord.endpointsMax, after: id + word + word + [0]),
            Field(Summary.self, "views", max: Summary.viewsMax, after: word + half),
            Field(Summary.ViewState.self, "notarizes", max: seats, after: half),
            Field(Summary.ViewState.self, "nullifies", max: seats, after: half + [0]),
            Field(Summary.ViewState.self, "finalizes", max: seats, after: half + [0, 0]),
            Field(Contents.self, "items", max: Block.entriesMax, after: header + [0, 0]),
            Field(Message.self, "finality", max: Message.finalityMax, after: [7]),
            Field(Message.self, "bundlesRequest", max: Message.bundlesRequestMax, after: [10]),
            Field(MerkleProof.self, "siblings", max: MerkleProof.siblingsMax, after: half),
            Field(
                VotesPage.self, "entries", max: VotesPage.entriesMax, after: [1] + word + half + [0, 1]),
            Field(Answer.self, "device", max: Answer.deviceByteCountMax, after: [4] + word + [1]),
            Field(Answer.self, "proof", max: Answer.proofByteCountMax, after: [5] + word),
            Field(Answer.self, "seats", max: Answer.seatsOfPageMax, after: [6] + id + [0]),
            Field(Answer.self, "cards", max: Answer.cardsMax, after: [8]),
            Field(Answer.self, "neighbours", max: Answer.neighboursMax, after: [9]),
            Field(Answer.self, "proof page", max: Answer.proofByteCountMax, after: [10] + word + [1]),
            Field(Chunk.self, "octets", max: Chunk.byteCountMax, after: id + [0, 0, 1, 0]),
            Field(Frame.self, "records", max: Frame.recordsMax, after: [0]),
            Field(Frame.self, "message", max: Frame.messageByteCountMax, after: [1]),
            Field(Frame.self, "have", max: Frame.idsMax, after: [3]),
            Field(Frame.self, "want", max: Frame.idsMax, after: [4]),
            Field(Frame.self, "welcome", max: Frame.recordsMax, after: [9]),
            Field(Frame.self, "refusal", max: Frame.recordsMax, after: [10]),
        ]
    }()
}

@Suite struct LimitTests {
    @Test(arguments: Field.all)
    func `a length above the maximum is refused before what it counts is read`(field: Field) {
        for count in [Int(UInt32.max), Int(Int32.max), field.max + 1] {
            #expect(throws: DecodeError.tooLong) { try field.read(field.claiming(count)) }
        }
    }

    @Test(arguments: Field.all)
    func `the maximum itself is taken, and then misses its octets`(field: Field) {
        #expect(throws: DecodeError.truncated) { try field.read(field.claiming(field.max)) }
    }

    @Test(arguments: Field.all)
    func `a length has no second form`(field: Field) {
        #expect(throws: DecodeError.nonCanonical) { try field.read(field.prefix + [0x81, 0x00]) }
    }

    @Test func `a payload holds no more octets and frames than it may`() throws {
        let ping = Frame.ping(nonce: 0)
        func payload(_ frames: [Frame]) -> [UInt8] { Payload(frames: frames).encoded() }
        let full = payload(Array(repeating: ping, count: Payload.framesMax))
        #expect(try Payload(decoding: full.octetBytes).frames.count == Payload.framesMax)
        let more = payload(Array(repeating: ping, count: Payload.framesMax + 1))
        #expect(throws: DecodeError.tooLong) { try Payload(decoding: more.octetBytes) }

        let room = Payload.byteCountMax - payload([.message([])]).count
        // The length prefix of a message this long takes a second octet.
        let brim = payload([.goodbye, .message(Array(repeating: 0, count: Frame.messageByteCountMax))])
        #expect(room - 2 >= Frame.messageByteCountMax)
        #expect(try Payload(decoding: brim.octetBytes).frames.count == 2)
        let long = [UInt8](repeating: 0, count: Payload.byteCountMax + 1)
        #expect(throws: DecodeError.tooLong) { try Payload(decoding: long.octetBytes) }
    }
}

@Suite struct GainTests {
    @Test(arguments: [Int16(-201), -200, 300, 301, .max])
    func `a gain that no antenna has is none`(gain: Int16) {
        var writer = ByteWriter()
        Region.eu868.encode(to: &writer)
        writer.integer(gain)
        let profile = try? RadioProfile(decoding: writer.bytes.octetBytes)
        #expect(profile?.gain == (RadioProfile.gains.contains(gain) ? gain : nil))
        #expect((-200...300).contains(gain) == (profile != nil))
    }
}

/// A node must not take what the other side tells any wallet for a sign that it is a peer.
@Suite struct AudienceTests {
    @Test(arguments: Message.tags)
    func `only the answers to wallets and edge nodes are for anybody`(tag: Int) {
        var chance = Chance(seed: UInt64(tag))
        let message = Message.any(from: &chance, tag: tag)
        let isForAnybody =
            switch message {
            case .transactionStatus, .account, .answer: true
            default: false
            }
        #expect(Message.isForAnybody(tag: message.encoded().first) == isForAnybody)
    }
}
