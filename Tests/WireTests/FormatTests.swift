import Bytes
import Chance
import Geo
import Identity
import TestKit
import Testing
import Wire
import WireSamples

/// What holds for every format alike.
@Suite struct FormatTests {
    @Test(arguments: Format.all, Seed.all)
    func `what is written is read`(format: Format, seed: Seed) throws {
        var chance = seed.chance()
        #expect(try format.survives(&chance))
    }

    @Test(arguments: Format.all, Seed.all)
    func `a tampered encoding is refused or is the only encoding of another value`(
        format: Format, seed: Seed
    ) {
        var chance = seed.chance()
        let honest = format.sample(&chance)
        for _ in 0..<64 {
            var bytes = honest
            for _ in 0...chance.below(3) { bytes.mutate(with: &chance) }
            do {
                #expect(try format.rewrite(bytes) == bytes)
            } catch {
                #expect(bytes != honest)
            }
        }
    }

    @Test(arguments: Format.all)
    func `an encoding that is cut short or goes on is refused`(format: Format) {
        var chance = Chance(seed: 1)
        var bytes = format.sample(&chance)
        while bytes.count > 2_000 { bytes = format.sample(&chance) }
        // A payload ends where its frames end: no cut between two is one, and whatever follows is another frame.
        guard format.name != "Payload" else { return }
        let ends = 0..<bytes.count
        for end in ends {
            #expect(throws: DecodeError.self) { try format.rewrite(Array(bytes[..<end])) }
        }
        #expect(throws: DecodeError.trailingBytes(1)) { try format.rewrite(bytes + [0]) }
    }

    @Test(arguments: Format.all)
    func `the format is the frozen one`(format: Format) {
        let hash = Golden.hash(of: format)
        #expect(Golden.hashes[format.name] == hash, "\"\(format.name)\": \"\(hash)\",")
    }

    @Test func `every frozen hash belongs to a format, and every format has a name of its own`() {
        let names = Format.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(Set(names) == Set(Golden.hashes.keys))
    }

    @Test(arguments: Seed.all)
    func `every message and transaction has a tag of its own that never changes`(seed: Seed) {
        var chance = seed.chance()
        for tag in Message.tags {
            #expect(Message.any(from: &chance, tag: tag).encoded().first == UInt8(tag))
        }
        for tag in 0..<TransactionKind.count {
            #expect(TransactionKind.any(from: &chance, tag: tag).encoded().first == UInt8(tag))
        }
    }

    @Test func `tags beyond the last are unknown`() {
        for tag in UInt8(0)..<128 where !Message.tags.contains(Int(tag)) {
            #expect(throws: DecodeError.unknown) { try Message(decoding: [tag]) }
        }
        #expect(throws: DecodeError.unknown) { try Frame(decoding: [15]) }
        #expect(throws: DecodeError.unknown) { try Frame(decoding: [39]) }
        #expect(throws: DecodeError.unknown) {
            try TransactionKind(decoding: [UInt8(TransactionKind.count)])
        }
        #expect(throws: DecodeError.unknown) { try StateKey(decoding: [7]) }
        #expect(throws: DecodeError.unknown) { try TransactionStatus(decoding: [4]) }
        #expect(throws: DecodeError.unknown) { try EvidenceEntry(decoding: [2]) }
        #expect(throws: DecodeError.unknown) { try Ballot(decoding: [3]) }
        #expect(throws: DecodeError.unknown) { try Roles(decoding: [16]) }
        #expect(throws: DecodeError.unknown) { try Region(decoding: [0]) }
    }

    /// Layouts written out by hand, so that the frozen hashes do not rest on the code they freeze alone.
    @Test func `octets stand where the format says`() throws {
        let word = "0807060504030201"
        let nullify = Ballot.nullify(0x0102_0304_0506_0708, 0x0A0B_0C0D)
        #expect(nullify.encoded().hex == "01" + word + "0d0c0b0a")

        let payload = Payload(frames: [.ping(nonce: 7), .probe(nonce: 1), .goodbye])
        #expect(payload.encoded().hex == "050700000000000000" + "0d0100000000000000" + "07")
        let bern = Cell("851f8347fffffff")!
        #expect(Frame.nearby(bern).encoded().hex == "0e" + "ffffff7f34f85108")

        let twos = Digest(hex: String(repeating: "22", count: 32))!
        let certificate = Certificate(
            ballot: .finalize(1, 2, twos), voters: [0, 9], signatures: [.zero, .zero])
        #expect(
            certificate.encoded().hex == "02" + "0100000000000000" + "02000000" + twos.hex + "020102"
                + String(repeating: "00", count: 128))

        #expect(
            Message.transactionStatus(twos, .final(3)).encoded().hex == "0d" + twos.hex + "020300000000000000"
        )
        #expect(Endpoint.loopback(port: 0x1234).encoded().hex == "00000000000000000000ffff7f0000013412")
    }
}
