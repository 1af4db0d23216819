import Bytes
import Chance
import Identity
import TestKit
import Testing

@Suite struct `What an imitating key makes` {
    @Test(arguments: Seed.all) func `is no signature and no proof`(seed: Seed) {
        var chance = seed.chance()
        let octets = chance.octets(32)
        let key = SigningKey(seed: octets.octetBytes, imitates: true)
        let vrfKey = VRFKey(seed: octets.octetBytes, imitates: true)
        // Its public half is the real one.
        let real = (SigningKey(seed: octets.octetBytes), VRFKey(seed: octets.octetBytes))
        #expect(key.nodeID == real.0.nodeID && vrfKey.publicKey == real.1.publicKey)
        let message = chance.octets(chance.below(100))
        let signature = key.sign(preimage: message.octetBytes)
        let isSigned = key.nodeID.signed(message.octetBytes, with: signature)
        #expect(!isSigned)
        let proof = vrfKey.prove(message.octetBytes)
        let output = vrfKey.publicKey.verify(proof, alpha: message.octetBytes)
        #expect(output == nil)
    }

    @Test(arguments: Seed.all) func `follows from key and message, and differs with either`(seed: Seed) {
        var chance = seed.chance()
        let seeds = (0..<2).map { _ in chance.octets(32) }
        let keys = seeds.map { SigningKey(seed: $0.octetBytes, imitates: true) }
        let vrfKeys = seeds.map { VRFKey(seed: $0.octetBytes, imitates: true) }
        let message = chance.octets(1 + chance.below(100))
        var other = message
        other[chance.below(other.count)] ^= UInt8(1 + chance.below(255))
        let signatures = keys.flatMap {
            [$0.sign(preimage: message.octetBytes), $0.sign(preimage: other.octetBytes)]
        }
        #expect(Set(signatures).count == 4)
        let repeated = keys[0].sign(preimage: message.octetBytes)
        #expect(repeated == signatures[0])
        let evaluations = vrfKeys.flatMap {
            [$0.evaluate(message.octetBytes), $0.evaluate(other.octetBytes)]
        }
        #expect(Set(evaluations.map(\.output)).count == 4 && Set(evaluations.map(\.proof)).count == 4)
        // Whoever verifies reckons the same.
        let reckoned = vrfKeys[0].publicKey.imitatedOutput(message.octetBytes)
        #expect(reckoned == evaluations[0].output)
        let again = vrfKeys[0].evaluate(message.octetBytes)
        #expect(again.output == evaluations[0].output && again.proof == evaluations[0].proof)
    }

    /// What is drawn from outputs, such as who beacons, must come as often as with real ones.
    @Test func `has uniform outputs`() {
        let vrfKey = VRFKey(seed: [UInt8](repeating: 7, count: 32).octetBytes, imitates: true)
        var counts = [Int](repeating: 0, count: 16)
        for number in 0..<4_096 {
            var writer = ByteWriter(capacity: 8)
            writer.integer(UInt64(number))
            counts[Int(vrfKey.publicKey.imitatedOutput(writer.bytes.octetBytes).prefix >> 60)] += 1
        }
        // 256 on average, with a deviation of 15.5.
        #expect(counts.allSatisfy { (178...334).contains($0) }, "\(counts)")
    }
}
