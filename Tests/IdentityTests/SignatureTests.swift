import Bytes
import Chance
import Identity
import TestKit
import Testing

private let votes = SigningDomain("test vote")
private let records = SigningDomain("test record")

extension NodeID {
    /// For `#expect`, whose macro cannot carry a borrowed span.
    fileprivate func signed(octets: [UInt8], with signature: Signature) -> Bool {
        signed(octets.octetBytes, with: signature)
    }
}

@Suite struct `A signature` {
    @Test(arguments: Seed.all)
    func `is for one message, one domain, one network and one key`(seed: Seed) {
        var chance = seed.chance()
        let key = SigningKey(seed: chance.octets(32).octetBytes)
        let network = Digest(octets: chance.octets(32).octetBytes)
        let other = Digest(octets: chance.octets(32).octetBytes)
        var message = chance.octets(chance.below(200))
        let signature = key.sign(message.octetBytes, domain: votes, network: network)
        func accepted(_ node: NodeID, _ domain: SigningDomain, _ network: Digest) -> Bool {
            node.signed(
                domain.preimage(network: network, message: message.octetBytes).octetBytes, with: signature)
        }
        #expect(accepted(key.nodeID, votes, network))
        #expect(!accepted(key.nodeID, records, network))
        #expect(!accepted(key.nodeID, votes, other))
        #expect(!accepted(SigningKey(seed: chance.octets(32).octetBytes).nodeID, votes, network))
        message.append(0)
        #expect(!accepted(key.nodeID, votes, network))
    }

    @Test func `covers earshot, the domain, the network and the message, in this order`() {
        let network = Digest(octets: [UInt8](repeating: 7, count: 32).octetBytes)
        let preimage = votes.preimage(network: network, message: [1, 2].octetBytes)
        let expected: [UInt8] =
            Array("earshot".utf8) + [0] + Array("test vote".utf8) + [0]
            + [UInt8](repeating: 7, count: 32) + [1, 2]
        #expect(preimage == expected)
    }

    /// RFC 8032, section 7.1, tests 1 and 2.
    @Test(arguments: [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            """
            e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b\
            d25bf5f0595bbe24655141438e7a100b
            """,
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            """
            92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c\
            387b2eaeb4302aeeb00d291612bb0c00
            """,
        ],
    ])
    func `is as published`(vector: [String]) {
        let key = SigningKey(seed: [UInt8](vector[0]).octetBytes)
        #expect(key.nodeID.hex == vector[1])
        let message = [UInt8](vector[2])
        let signature = key.sign(preimage: message.octetBytes)
        #expect(signature.encoded().hex == vector[3])
        #expect(key.nodeID.signed(octets: message, with: signature))
    }

    @Test func `with any one bit flipped is refused`() {
        let key = SigningKey(seed: [UInt8](repeating: 5, count: 32).octetBytes)
        let message: [UInt8] = [1, 2, 3]
        let good = key.sign(preimage: message.octetBytes).encoded()
        for bit in 0..<512 {
            var bytes = good
            bytes[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(!key.nodeID.signed(octets: message, with: Signature(octets: bytes.octetBytes)))
        }
    }

    @Test func `with s plus L is refused, though the equation holds`() throws {
        let key = SigningKey(seed: [UInt8](repeating: 6, count: 32).octetBytes)
        let message: [UInt8] = [1, 2, 3]
        var bytes = key.sign(preimage: message.octetBytes).encoded()
        let order = [UInt8]("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")
        var carry = 0
        for index in 0..<32 {
            let sum = Int(bytes[32 + index]) + Int(order[index]) + carry
            bytes[32 + index] = UInt8(sum & 0xFF)
            carry = sum >> 8
        }
        try #require(carry == 0)
        #expect(!key.nodeID.signed(octets: message, with: Signature(octets: bytes.octetBytes)))
    }

    /// Under a key of order one, R = identity and s = 0 satisfy the equation for every message; under the
    /// other small orders for one message in two, four or eight: some of these forgeries would be right.
    @Test func `under a key of small order is refused`() {
        let points = CraftedVectors.all.points
        let nonCanonicalOfSmallOrder = points.nonCanonical.prefix(4)
        for hex in points.torsion + points.negativeZero + nonCanonicalOfSmallOrder {
            let node = NodeID(octets: [UInt8](hex).octetBytes)
            for first in points.torsion {
                let forged = Signature(octets: ([UInt8](first) + [UInt8](repeating: 0, count: 32)).octetBytes)
                for number in 0..<20 {
                    #expect(!node.signed(octets: UInt32(number).encoded(), with: forged))
                }
            }
        }
    }

    @Test func `under a non-canonical key is refused`() {
        for hex in CraftedVectors.all.points.nonCanonical {
            let node = NodeID(octets: [UInt8](hex).octetBytes)
            #expect(!node.signed(octets: [], with: .zero))
        }
    }
}

@Suite struct `BLAKE2b` {
    /// RFC 7693, appendix A, and values computed with Python's hashlib.
    @Test func `is as published`() {
        let abc = Array("abc".utf8)
        #expect(
            blake2b(abc.octetBytes, key: nil, byteCount: 64).hex == """
                ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1\
                7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923
                """)
        #expect(
            Digest(of: abc).hex == "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
        #expect(Digest(of: []).hex == "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8")
        #expect(
            Digest(of: (0..<256).map { UInt8($0) }).hex
                == "39a7eb9fedc19aabc83425c6755dd90e6f9d0c804964a1f4aaeea3b9fb599835")
        let key = (0..<32).map { UInt8($0) }
        #expect(
            blake2b(abc.octetBytes, key: key, byteCount: 16).hex == "1a64be47e4729d951c302ee543f97cf3")
        let long = (0..<200).map { UInt8($0) }
        #expect(
            blake2b(long.octetBytes, key: Array("k".utf8), byteCount: 16).hex
                == "ca3e262911881984083238f3cb3fa7e7")
    }
}

@Suite struct `Thirty-two octets` {
    @Test(arguments: Seed.all) func `are ordered as their octets are`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<100 {
            let left = chance.octets(32)
            // Half of the pairs share a beginning, so that every word gets to decide.
            let shared = chance.happens(1, in: 2) ? chance.below(33) : 0
            let right = Array(left[..<shared]) + chance.octets(32 - shared)
            let nodes = (NodeID(octets: left.octetBytes), NodeID(octets: right.octetBytes))
            #expect((nodes.0 < nodes.1) == left.lexicographicallyPrecedes(right))
            #expect((nodes.1 < nodes.0) == right.lexicographicallyPrecedes(left))
            #expect((nodes.0 == nodes.1) == (left == right))
            #expect(nodes.0.octets == left && NodeID(hex: nodes.0.hex) == nodes.0)
            #expect(nodes.0.prefix == left[..<8].reduce(0) { $0 << 8 | UInt64($1) })
            let index = chance.below(256)
            #expect(nodes.0.bit(index) == (left[index / 8] >> UInt8(7 - index % 8) & 1 == 1))
            let digests = (Digest(octets: left.octetBytes), Digest(octets: right.octetBytes))
            #expect(digests.0.exclusiveOr(digests.1).octets == zip(left, right).map { $0 ^ $1 })
        }
    }

    @Test func `are neither 31 nor 33`() {
        #expect(NodeID(octets: [UInt8](repeating: 1, count: 31)) == nil)
        #expect(NodeID(octets: [UInt8](repeating: 1, count: 33)) == nil)
        #expect(NodeID(hex: "00") == nil)
    }
}
