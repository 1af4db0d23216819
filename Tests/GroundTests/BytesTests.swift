import Bytes
import Chance
import TestKit
import Testing

/// A message with one of everything.
private struct Sample: Canonical, Equatable {
    static let wordsMax = 40
    static let octetsMax = 300

    var flag: Bool
    var small: Int16
    var large: UInt64
    var words: [UInt32]
    var perhaps: Int64?
    var octets: [UInt8]

    init(from chance: inout Chance) {
        flag = chance.happens(1, in: 2)
        small = Int16(truncatingIfNeeded: chance.bits())
        large = chance.bits()
        words = (0..<chance.below(Self.wordsMax + 1)).map { _ in UInt32(truncatingIfNeeded: chance.bits()) }
        perhaps = chance.happens(1, in: 2) ? Int64(bitPattern: chance.bits()) : nil
        octets = chance.octets(chance.below(Self.octetsMax + 1))
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        flag = try reader.bool()
        small = try reader.integer()
        large = try reader.integer()
        words = try reader.list(max: Self.wordsMax)
        perhaps = try reader.option()
        octets = try reader.octets(max: Self.octetsMax)
    }

    func encode(to writer: inout ByteWriter) {
        writer.bool(flag)
        writer.integer(small)
        writer.integer(large)
        writer.list(words)
        writer.option(perhaps)
        writer.octets(octets)
    }
}

private func uleb128(_ bytes: [UInt8]) throws(DecodeError) -> UInt32 {
    var reader = ByteReader(bytes.octetBytes)
    let value = try reader.uleb128()
    try reader.finish()
    return value
}

@Suite struct `A value has one encoding` {
    @Test(arguments: Seed.all) func `what we write, we read`(seed: Seed) throws {
        var chance = seed.chance()
        for _ in 0..<20 {
            let sample = Sample(from: &chance)
            #expect(try Sample(decoding: sample.encoded()) == sample)
        }
    }

    @Test(arguments: Seed.all) func `what we read, we would have written`(seed: Seed) {
        var chance = seed.chance()
        let good = Sample(from: &chance).encoded()
        for _ in 0..<500 {
            var bytes = good
            for _ in 0...chance.below(2) { bytes.mutate(with: &chance) }
            guard let sample = try? Sample(decoding: bytes) else { continue }
            #expect(sample.encoded() == bytes)
        }
    }

    @Test func `every shorter piece is truncated`() {
        var chance = Chance(seed: 7)
        let good = Sample(from: &chance).encoded()
        for count in 0..<good.count {
            #expect(throws: DecodeError.truncated) { try Sample(decoding: Array(good[..<count])) }
        }
    }

    @Test func `bytes left over are refused and counted`() {
        var chance = Chance(seed: 8)
        let good = Sample(from: &chance).encoded()
        #expect(throws: DecodeError.trailingBytes(3)) { try Sample(decoding: good + [0, 0, 0]) }
    }

    @Test func `integers are little-endian and fixed`() {
        #expect(UInt8(0xAB).encoded() == [0xAB])
        #expect(UInt16(0x1234).encoded() == [0x34, 0x12])
        #expect(Int16(-2).encoded() == [0xFE, 0xFF])
        #expect(UInt32(0x1234_5678).encoded() == [0x78, 0x56, 0x34, 0x12])
        #expect(UInt64(0x0102_0304_0506_0708).encoded() == [8, 7, 6, 5, 4, 3, 2, 1])
        #expect(Int64.min.encoded() == [0, 0, 0, 0, 0, 0, 0, 0x80])
    }

    @Test func `only 0 and 1 are truth values`() throws {
        for byte in UInt8.min...UInt8.max {
            var reader = ByteReader([byte].octetBytes)
            let value = try? reader.bool()
            #expect(value == (byte == 0 ? false : byte == 1 ? true : nil))
        }
    }
}

@Suite struct `A length` {
    @Test func `has the published encodings`() throws {
        // The examples of the BCS specification, section "ULEB128-Encoded Integers", and the two ends.
        let known: [(UInt32, [UInt8])] = [
            (0, [0x00]), (1, [0x01]), (127, [0x7F]), (128, [0x80, 0x01]), (16_384, [0x80, 0x80, 0x01]),
            (2_097_152, [0x80, 0x80, 0x80, 0x01]), (268_435_456, [0x80, 0x80, 0x80, 0x80, 0x01]),
            (9_487, [0x8F, 0x4A]), (.max, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
        ]
        for (value, bytes) in known {
            var writer = ByteWriter()
            writer.uleb128(value)
            #expect(writer.bytes == bytes)
            #expect(try uleb128(bytes) == value)
        }
    }

    @Test(
        arguments: [
            [0x80, 0x00], [0xFF, 0x00], [0x81, 0x80, 0x00], [0x80, 0x80, 0x80, 0x80, 0x00],
        ] as [[UInt8]])
    func `in a longer form is refused`(bytes: [UInt8]) {
        #expect(throws: DecodeError.nonCanonical) { try uleb128(bytes) }
    }

    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF, 0x10], [0x80, 0x80, 0x80, 0x80, 0x10], [0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            [0x80, 0x80, 0x80, 0x80, 0x81, 0x00], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],
        ] as [[UInt8]])
    func `of more than 32 bits is refused`(bytes: [UInt8]) {
        #expect(throws: DecodeError.tooLong) { try uleb128(bytes) }
    }

    @Test(arguments: Seed.all) func `of any size comes back`(seed: Seed) throws {
        var chance = seed.chance()
        for _ in 0..<500 {
            let value = UInt32(truncatingIfNeeded: chance.bits()) >> UInt32(chance.below(32))
            var writer = ByteWriter()
            writer.uleb128(value)
            #expect(try uleb128(writer.bytes) == value)
        }
    }

    /// Nothing follows the length: had the reader looked for the octets first, it would say `truncated`.
    @Test func `above the field's maximum is refused before anything else`() {
        var writer = ByteWriter()
        writer.uleb128(.max)
        let bytes = writer.bytes
        #expect(throws: DecodeError.tooLong) {
            var reader = ByteReader(bytes.octetBytes)
            _ = try reader.octets(max: 300)
        }
        #expect(throws: DecodeError.tooLong) {
            var reader = ByteReader(bytes.octetBytes)
            _ = try reader.list(UInt64.self, max: 300)
        }
        #expect(throws: DecodeError.tooLong) {
            var reader = ByteReader(bytes.octetBytes)
            _ = try reader.count(max: Int(UInt32.max) - 1)
        }
    }

    /// Within its maximum, but with nothing behind it; had the reader allocated, this would take 32 GiB.
    @Test func `that the bytes cannot fill costs no memory`() {
        var writer = ByteWriter()
        writer.uleb128(.max)
        let bytes = writer.bytes
        #expect(throws: DecodeError.truncated) {
            var reader = ByteReader(bytes.octetBytes)
            _ = try reader.list(UInt64.self, max: Int(UInt32.max))
        }
        #expect(throws: DecodeError.truncated) {
            var reader = ByteReader(bytes.octetBytes)
            _ = try reader.octets(max: Int(UInt32.max))
        }
    }
}

@Suite struct `A reader` {
    @Test func `gives back the very bytes that a signature covers`() throws {
        let bytes: [UInt8] = [9, 1, 2, 3, 4, 5]
        var reader = ByteReader(bytes.octetBytes)
        _ = try reader.integer(UInt8.self)
        let start = reader.position
        _ = try reader.integer(UInt32.self)
        let covered = [UInt8](copying: reader.read(from: start, to: reader.position))
        #expect(covered == [1, 2, 3, 4])
        let remaining = reader.remaining
        #expect(remaining == 1)
    }

    @Test func `stays where it is when bytes are missing`() throws {
        let bytes: [UInt8] = [1, 2, 3]
        var reader = ByteReader(bytes.octetBytes)
        let word = try? reader.integer(UInt32.self)
        let position = reader.position
        #expect(word == nil && position == 0)
        let short = try reader.integer(UInt16.self)
        #expect(short == 0x0201)
    }
}

@Suite struct `Hexadecimal` {
    @Test(arguments: Seed.all) func `comes back in either case`(seed: Seed) {
        var chance = seed.chance()
        let octets = chance.octets(chance.below(80))
        #expect([UInt8](hex: octets.hex) == octets)
        #expect([UInt8](hex: octets.hex.uppercased()) == octets)
    }

    @Test(arguments: ["0", "abc", "0g", " 00", "0x00", "00 ", "é0", "/0", ":0", "@0", "G0", "`0"])
    func `of anything else is refused`(text: String) {
        #expect([UInt8](hex: text) == nil)
    }
}
