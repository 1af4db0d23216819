import Bytes
import Chance
import Identity
import TestKit
import Testing

@Suite struct `Text in Bech32m` {
    /// BIP-350, "The following strings are valid Bech32m".
    @Test(arguments: [
        "A1LQFN3A", "a1lqfn3a",
        "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
        "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
        "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
        "split1checkupstagehandshakeupstreamerranterredcaperredlc445v", "?1v759aa",
    ])
    func `reads and writes every published text`(text: String) throws {
        let (prefix, values) = try Bech32m.decode(text)
        #expect(Bech32m.encode(prefix: prefix, values: values) == text.lowercased())
    }

    /// BIP-350, "The following string are not valid Bech32m", with the reasons given there.
    @Test(
        arguments: [
            (" 1xj0phk", .character(at: 0)), ("\u{7F}1g6xzxy", .character(at: 0)),
            ("\u{80}1vctc34", .character(at: 0)),
            (
                "an84characterslonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11d6pts4",
                .tooLong
            ),
            ("qyrz8wqd2c9m", .noSeparator), ("1qyrz8wqd2c9m", .emptyPrefix), ("y1b0jsk6g", .character(at: 2)),
            ("lt1igcx5c0", .character(at: 3)), ("in1muywd", .shortChecksum), ("mm1crxm3i", .character(at: 8)),
            ("au1s5cgom", .character(at: 7)), ("M1VUXWEZ", .checksum), ("16plkw9", .emptyPrefix),
            ("1p2gdwpf", .emptyPrefix),
        ] as [(String, Bech32mError)])
    func `says what is wrong with every published counterexample`(text: String, error: Bech32mError) {
        #expect(throws: error) { try Bech32m.decode(text) }
        #expect(!error.description.isEmpty)
    }

    /// BIP-173's valid texts have another constant.
    @Test(arguments: ["A12UEL5L", "a12uel5l", "?1ezyfcl", "abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw"])
    func `is not Bech32`(text: String) {
        #expect(throws: Bech32mError.checksum) { try Bech32m.decode(text) }
    }

    @Test(arguments: Seed.all) func `carries octets in fives and back`(seed: Seed) throws {
        var chance = seed.chance()
        let octets = chance.octets(chance.below(50))
        let fives = Bech32m.fives(octets)
        #expect(fives.count == (octets.count * 8 + 4) / 5)
        #expect(try Bech32m.octets(fives) == octets)
    }
}

@Suite struct `A node's name` {
    private static let octets = (0..<32).map { UInt8($0) }
    private static let node = NodeID(octets: octets.octetBytes)
    private static let name = "ear1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0se0azx5"

    @Test func `is what BIP-350's own algorithm makes of its key`() throws {
        #expect(Self.node.text == Self.name)
        #expect(try NodeID(text: Self.name) == Self.node)
        #expect(try NodeID(text: Self.name.uppercased()) == Self.node)
    }

    @Test(arguments: Seed.all) func `comes back`(seed: Seed) throws {
        var chance = seed.chance()
        let node = NodeID(octets: chance.octets(32).octetBytes)
        #expect(try NodeID(text: node.text) == node)
        #expect(node.text.count == 62)
    }

    /// The texts of other prefixes, lengths and paddings have right checksums, made with BIP-350's algorithm.
    @Test(
        arguments: [
            ("eat1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sfuxu6z", .wrongPrefix(expected: "ear")),
            ("ear1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0svndwrk", .checksum),
            ("ear1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc03yefhmx", .padding),
            ("ear1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarceyn9ax", .length(expected: 32)),
            ("ear1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sqh0c9ry", .length(expected: 32)),
            ("ear1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0sqq43cf3w", .padding),
            ("Ear1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0se0azx5", .mixedCase),
            ("ear1qqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0se0azx", .checksum),
            ("earqqqsyqcyq5rqwzqfpg9scrgwpugpzysnzs23v9ccrydpk8qarc0se0azx5", .noSeparator),
            ("ear1", .shortChecksum), ("", .noSeparator),
        ] as [(String, Bech32mError)])
    func `is refused with the reason`(text: String, error: Bech32mError) {
        #expect(throws: error) { try NodeID(text: text) }
    }

    @Test(arguments: Seed.all) func `with up to four mistyped characters is refused`(seed: Seed) {
        var chance = seed.chance()
        let alphabet = Array("qpzry9x8gf2tvdw0s3jn54khce6mua7l".utf8)
        for _ in 0..<200 {
            var text = Array(Self.name.utf8)
            for _ in 0...chance.below(4) { text[4 + chance.below(58)] = alphabet[chance.below(32)] }
            let typed = String(decoding: text, as: UTF8.self)
            if typed == Self.name { continue }
            #expect(throws: Bech32mError.checksum) { try NodeID(text: typed) }
        }
    }
}
