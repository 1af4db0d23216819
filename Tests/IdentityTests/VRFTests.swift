import Bytes
import Chance
import Identity
import TestKit
import Testing

private func verify(_ key: [UInt8], _ proof: [UInt8], _ alpha: [UInt8]) -> [UInt8]? {
    let key = VRFPublicKey(octets: key.octetBytes)
    return key.verify(VRFProof(octets: proof.octetBytes), alpha: alpha.octetBytes)?.octets
}

@Suite struct `The VRF of RFC 9381` {
    @Test func `has all three published examples`() {
        #expect(PublishedVector.all.count == 3)
    }

    @Test(arguments: PublishedVector.all) func `proves as published`(vector: PublishedVector) {
        let key = VRFKey(seed: [UInt8](vector.secretKey).octetBytes)
        #expect(key.publicKey.hex == vector.publicKey)
        #expect(key.publicKey.isValid)
        let alpha = [UInt8](vector.alpha)
        let (output, proof) = key.evaluate(alpha.octetBytes)
        #expect(proof.encoded().hex == vector.proof)
        #expect(output.octets.hex == vector.beta)
        #expect(key.prove(alpha.octetBytes) == proof)
    }

    @Test(arguments: PublishedVector.all) func `takes the published steps`(vector: PublishedVector) throws {
        let key = VRFKey(seed: [UInt8](vector.secretKey).octetBytes)
        let alpha = [UInt8](vector.alpha)
        let encoded = ECVRF.curvePoint(key: key.publicKey.octets, alpha: alpha.octetBytes)
        let point = try #require(encoded)
        #expect(point.hex == vector.hashToCurvePoint)
        #expect(key.nonce(point: point).hex == vector.nonce)
        let parts = try #require(ECVRF.Parts(VRFProof(octets: [UInt8](vector.proof).octetBytes)))
        let reconstructed = ECVRF.commitments(key: key.publicKey, parts, alpha.octetBytes)
        let commitments = try #require(reconstructed)
        #expect(commitments.point.hex == vector.hashToCurvePoint)
        #expect(commitments.u.hex == vector.u)
        #expect(commitments.v.hex == vector.v)
        let challenge = ECVRF.challenge(
            key: key.publicKey.octets, point: point, gamma: parts.gamma, u: commitments.u, v: commitments.v)
        #expect(challenge == parts.challenge)
        #expect(challenge.hex == String(vector.proof.dropFirst(64).prefix(32)))
    }

    @Test(arguments: PublishedVector.all) func `verifies as published`(vector: PublishedVector) {
        let beta = verify([UInt8](vector.publicKey), [UInt8](vector.proof), [UInt8](vector.alpha))
        #expect(beta?.hex == vector.beta)
    }

    @Test(arguments: CraftedVectors.all.accepted)
    func `agrees with an independent implementation`(vector: CraftedVectors.Accepted) {
        let beta = verify([UInt8](vector.publicKey), [UInt8](vector.proof), [UInt8](vector.alpha))
        #expect(beta?.hex == vector.beta)
        guard let secretKey = vector.secretKey else { return }
        let key = VRFKey(seed: [UInt8](secretKey).octetBytes)
        #expect(key.publicKey.hex == vector.publicKey)
        #expect(key.prove([UInt8](vector.alpha).octetBytes).encoded().hex == vector.proof)
    }
}

@Suite struct `A VRF verifier` {
    /// Proofs for mixed and small-order points, s + L and the like: most of them satisfy the equations.
    @Test(arguments: CraftedVectors.all.refused)
    func `refuses a crafted proof`(vector: CraftedVectors.Refused) {
        #expect(verify([UInt8](vector.publicKey), [UInt8](vector.proof), [UInt8](vector.alpha)) == nil)
    }

    @Test func `refuses a proof with any one bit flipped`() throws {
        let vector = try #require(PublishedVector.all.last)
        for bit in 0..<(VRFProof.byteCount * 8) {
            var proof = [UInt8](vector.proof)
            proof[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(verify([UInt8](vector.publicKey), proof, [UInt8](vector.alpha)) == nil, "bit \(bit)")
        }
    }

    @Test func `refuses a proof under a key with any one bit flipped`() throws {
        let vector = try #require(PublishedVector.all.first)
        for bit in 0..<256 {
            var key = [UInt8](vector.publicKey)
            key[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(verify(key, [UInt8](vector.proof), [UInt8](vector.alpha)) == nil, "bit \(bit)")
        }
    }

    @Test func `refuses Gamma in any encoding but the canonical one of a point of prime order`() throws {
        let vector = try #require(PublishedVector.all.last)
        let points = CraftedVectors.all.points
        let bad = points.nonCanonical + points.negativeZero + points.torsion + points.mixed + points.offCurve
        for gamma in bad {
            let proof = [UInt8](gamma) + [UInt8](vector.proof)[32...]
            #expect(verify([UInt8](vector.publicKey), proof, [UInt8](vector.alpha)) == nil)
            #expect(verify([UInt8](gamma), [UInt8](vector.proof), [UInt8](vector.alpha)) == nil)
        }
    }

    @Test func `refuses nothing at all as a proof`() throws {
        let vector = try #require(PublishedVector.all.last)
        #expect(verify([UInt8](vector.publicKey), VRFProof.zero.encoded(), []) == nil)
        #expect(VRFProof.zero.encoded() == [UInt8](repeating: 0, count: 80))
    }
}

@Suite struct `A VRF public key` {
    private func isValid(_ hex: String) -> Bool {
        VRFPublicKey(octets: [UInt8](hex).octetBytes).isValid
    }

    @Test func `of prime order is valid`() {
        #expect(!CraftedVectors.all.points.prime.isEmpty)
        for point in CraftedVectors.all.points.prime { #expect(isValid(point)) }
    }

    @Test func `of small or mixed order is not`() {
        #expect(CraftedVectors.all.points.torsion.count == 8)
        #expect(CraftedVectors.all.points.mixed.count == 7)
        for point in CraftedVectors.all.points.torsion { #expect(!isValid(point)) }
        for point in CraftedVectors.all.points.mixed { #expect(!isValid(point)) }
    }

    @Test func `off the curve is not`() {
        for point in CraftedVectors.all.points.offCurve { #expect(!isValid(point)) }
    }

    @Test func `in a second encoding is not`() {
        #expect(CraftedVectors.all.points.nonCanonical.count == 38)
        for point in CraftedVectors.all.points.nonCanonical { #expect(!isValid(point)) }
        for point in CraftedVectors.all.points.negativeZero { #expect(!isValid(point)) }
        for point in CraftedVectors.all.points.smallY { #expect(isValid(point.octets) == point.valid) }
    }
}

@Suite struct `A VRF key` {
    @Test(arguments: Seed.all) func `proves to everyone, for exactly one input`(seed: Seed) {
        var chance = seed.chance()
        let key = VRFKey(seed: chance.octets(32).octetBytes)
        var alpha = chance.octets(chance.below(300))
        let (output, proof) = key.evaluate(alpha.octetBytes)
        #expect(key.publicKey.isValid)
        #expect(key.publicKey.verify(proof, alpha: alpha.octetBytes) == output)
        let stranger = VRFKey(seed: chance.octets(32).octetBytes)
        #expect(stranger.publicKey.verify(proof, alpha: alpha.octetBytes) == nil)
        alpha.append(0)
        #expect(key.publicKey.verify(proof, alpha: alpha.octetBytes) == nil)
    }

    @Test(arguments: Seed.all) func `makes proofs that break with any mutation`(seed: Seed) throws {
        var chance = seed.chance()
        let key = VRFKey(seed: chance.octets(32).octetBytes)
        let alpha = chance.octets(40)
        let good = key.prove(alpha.octetBytes).encoded()
        for _ in 0..<10 {
            var bytes = good
            bytes.mutate(with: &chance)
            guard bytes != good, let proof = try? VRFProof(decoding: bytes) else { continue }
            #expect(proof.encoded() == bytes)
            #expect(key.publicKey.verify(proof, alpha: alpha.octetBytes) == nil)
        }
    }

    @Test func `of a node is its own, not the signing key`() {
        let seed = (0..<32).map { UInt8($0) }
        let key = VRFKey.derived(fromNodeSeed: seed.octetBytes)
        // BLAKE2b-256 of "earshot" 0 "vrf key" under the seed, computed with Python's hashlib.
        let own = [UInt8]("5d646441ffb6193e84003655a092be6713475e0073b0c0d835a2ca0e70ec8200")
        #expect(key.publicKey == VRFKey(seed: own.octetBytes).publicKey)
        #expect(key.publicKey.words != SigningKey(seed: seed.octetBytes).nodeID.words)
        let shared = SecretSeed(octets: seed.octetBytes)
        #expect(shared.vrfKey.publicKey == key.publicKey)
        #expect(shared.signingKey.nodeID == SigningKey(seed: seed.octetBytes).nodeID)
    }

    @Test func `has an output whose prefix is its first eight octets`() throws {
        let vector = try #require(PublishedVector.all.first)
        let key = VRFKey(seed: [UInt8](vector.secretKey).octetBytes)
        let nothing: [UInt8] = []
        let output = key.evaluate(nothing.octetBytes).output
        #expect(output.prefix == 0x90cf_1df3_b703_cce5)
        #expect(output.octets.count == VRFOutput.byteCount)
    }
}
