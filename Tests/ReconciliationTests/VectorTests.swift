import Bytes
import Identity
@testable import Reconciliation
import TestKit
import Testing
import Wire

/// The design's: items are 32 octets, the number and then zeros, and their own short ids.
private enum Published {
    static let key = SipKey(octets: [UInt8](0..<16).octetBytes)

    static func symbol(_ number: UInt64) -> Symbol {
        var writer = ByteWriter()
        writer.integer(number)
        for _ in 0..<3 { writer.integer(UInt64(0)) }
        return Symbol(short: number, hash: key.hash(writer.written))
    }

    static func sketch(_ numbers: ClosedRange<UInt64>) -> Sketch {
        var sketch = Sketch()
        for number in numbers { sketch.insert(symbol(number)) }
        return sketch
    }
}

@Suite struct `Check values` {
    @Test func `hashes of the first items`() {
        #expect(Published.symbol(1).hash == 0x63ca_e890_5a01_1230)
        #expect(Published.symbol(2).hash == 0xd8d0_7a9f_8eee_a209)
    }

    @Test(
        arguments: [
            (1, [0, 1, 2, 3, 6, 11, 19, 44, 116, 122, 341, 972]),
            (123_456_789, [0, 1, 2, 6, 8, 13, 30, 39, 43, 58, 133, 208]),
            (0xdead_beef_cafe_babe, [0, 1, 2, 4, 7, 21, 40, 62, 117, 143, 258, 265]),
            (UInt64.max, [0, 3, 29, 59, 80, 101, 128, 145, 158, 520, 558, 597]),
        ] as [(UInt64, [Int])])
    func `indices of a hash`(hash: UInt64, expected: [Int]) {
        var indices = CellIndices(hash: hash)
        var all = [0]
        while all.count < 12, indices.advance(limit: 1_000) { all.append(indices.index) }
        #expect(all == expected)
    }

    @Test(arguments: [0, 1, .max, 1 << 63] as [UInt64], [1, 2, 512, 4_096])
    func `indices ascend strictly and end at the limit`(hash: UInt64, limit: Int) {
        var indices = CellIndices(hash: hash)
        var last = 0
        while indices.advance(limit: limit) {
            #expect(indices.index > last && indices.index < limit)
            last = indices.index
        }
    }

    @Test func `the first cells of one to ten`() {
        let cells = Published.sketch(1...10).cells
        let expected: [(UInt16, UInt64, UInt64)] = [
            (10, 0x7e07_3ede_e0fb_c320, 0x0b), (6, 0x84df_7f05_66c4_2219, 0x03),
            (5, 0x1c47_3826_61ed_00cb, 0x02), (7, 0xa602_6f6d_4b36_c845, 0x07),
            (4, 0xb0bd_a011_5fbc_d413, 0x0d), (1, 0xd228_8dc5_fb89_be94, 0x0a),
        ]
        for (cell, (count, check, sum)) in zip(cells, expected) {
            #expect(cell == SketchCell(sum: sum, check: UInt32(truncatingIfNeeded: check), count: count))
        }
    }

    @Test func `one to a thousand against six to a thousand and five takes fourteen cells`() throws {
        let theirs = Published.sketch(1...1_000).cells
        var decoder = Decoder(own: Published.sketch(6...1_005).cells) { Published.symbol($0) }
        var count = 0
        while !decoder.isComplete {
            try decoder.receive(first: count, [theirs[count]])
            count += 1
        }
        #expect(count == 14)
        #expect(decoder.onlyTheirs.sorted() == Array(1...5))
        #expect(decoder.onlyOurs.sorted() == Array(1_001...1_005))
    }

    /// Computed with Python's `hashlib.blake2b` and a SipHash-2-4 of its own, from this room's documentation.
    @Test func `keys and symbol of an item in a session`() {
        let keys = SketchKeys(secret: [UInt8](0..<32), nonce: 1)
        let symbol = keys.symbol(Digest(octets: [UInt8](0..<32).octetBytes))
        #expect(symbol.short.encoded().hex == "6296c3197f54b1d0")
        #expect(symbol.hash.encoded().hex == "4c00c827c705bfb8")
    }
}
