import Bytes
import Identity
import Testing

@Suite struct `A short hash` {
    private static let key = SipKey(octets: [UInt8](0..<16).octetBytes)

    /// The authors' `vectors_sip64` (github.com/veorq/SipHash, vectors.h): key 00 01 … 0f, the n-th input is
    /// the n octets 00 01 … The sixteenth is the example of the paper's appendix A.
    private static let published = [
        "310e0edd47db6f72", "fd67dc93c539f874", "5a4fa9d909806c0d", "2d7efbd796666785",
        "b7877127e09427cf", "8da699cd64557618", "cee3fe586e46c9cb", "37d1018bf50002ab",
        "6224939a79f5f593", "b0e4a90bdf82009e", "f3b9dd94c5bb5d7a", "a7ad6b22462fb3f4",
        "fbe50e86bc8f1e75", "903d84c02756ea14", "eef27a8e90ca23f7", "e545be4961ca29a1",
    ]

    @Test func `is SipHash-2-4 as its authors publish it`() {
        for (count, expected) in Self.published.enumerated() {
            let hash = Self.key.hash([UInt8](0..<UInt8(count)).octetBytes)
            #expect(hash.encoded().hex == expected)
        }
        // Entry 32 of the same table.
        #expect(Self.key.hash([UInt8](0..<32).octetBytes).encoded().hex == "ce7cf2722f512771")
    }

    @Test func `of a word or a digest is that of its octets`() {
        #expect(Self.key.hash(0x0706_0504_0302_0100) == Self.key.hash([UInt8](0..<8).octetBytes))
        let digest = Digest(octets: [UInt8](0..<32).octetBytes)
        #expect(Self.key.hash(digest) == Self.key.hash([UInt8](0..<32).octetBytes))
    }

    @Test func `differs under another key`() {
        let other = SipKey(octets: [UInt8](1...16).octetBytes)
        #expect(other.hash(7) != Self.key.hash(7))
    }
}
