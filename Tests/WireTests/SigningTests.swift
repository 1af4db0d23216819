import Bytes
import Chance
import Identity
import TestKit
import Testing
import Wire
import WireSamples

@Suite struct SigningTests {
    private static let domains: [SigningDomain] = [.record, .bundle, .vote, .transaction, .consent]

    @Test func `no two purposes share a signing domain`() {
        #expect(Set(Self.domains.map(\.name)).count == Self.domains.count)
        #expect(Self.domains.map(\.name) == ["record", "bundle", "vote", "transaction", "consent"])
        for domain in Self.domains {
            // The octet that ends the name must not be in it.
            #expect(!domain.name.isEmpty && !domain.name.utf8.contains(0))
        }
    }

    @Test(arguments: Seed.all)
    func `the preimage is protocol, domain, network, message`(seed: Seed) {
        var chance = seed.chance()
        let network = Digest.any(from: &chance)
        let message = chance.octets(chance.below(100))
        for domain in Self.domains {
            let expected =
                Array("earshot".utf8) + [0] + Array(domain.name.utf8) + [0] + network.octets + message
            #expect(domain.preimage(network: network, message: message) == expected)
        }
    }

    /// Who signed what: one line for every signed value.
    private func signed(
        by key: SigningKey, in network: Digest, _ chance: inout Chance
    ) -> [(SigningDomain, message: [UInt8], Signature)] {
        let id = key.nodeID
        let record = NodeRecord(
            node: id, sequence: 1, roles: .hotspot, endpoints: [.any(from: &chance)], region: nil, version: 1
        ).signed(by: key, network: network)
        let bundle = Bundle.any(from: &chance, author: id, epoch: 3).signed(by: key, network: network)
        let vote = Vote(.any(from: &chance), by: key, network: network)
        let transaction = Transaction(
            account: id, nonce: 1, fee: 2, expiry: 3, kind: .any(from: &chance)
        ).signed(by: key, network: network)
        let consent = Consent(
            device: key, owner: .any(from: &chance), vrfKey: .any(from: &chance), network: network)
        return [
            (.record, record.signedBytes, record.signature),
            (.bundle, bundle.signedBytes, bundle.signature),
            (.vote, vote.ballot.encoded(), vote.signature),
            (.transaction, transaction.signedBytes, transaction.signature),
            (.consent, consent.signedBytes, consent.signature),
        ]
    }

    @Test(arguments: Seed.all)
    func `a signature holds in its own domain and network only`(seed: Seed) {
        var chance = seed.chance()
        let key = SigningKey.any(from: &chance)
        let network = Digest.any(from: &chance)
        let other = Digest.any(from: &chance)
        for (domain, message, signature) in signed(by: key, in: network, &chance) {
            func holds(_ domain: SigningDomain, _ network: Digest, _ message: [UInt8]) -> Bool {
                let preimage = domain.preimage(network: network, message: message)
                return key.nodeID.signed(preimage.octetBytes, with: signature)
            }
            for candidate in Self.domains {
                #expect(holds(candidate, network, message) == (candidate == domain))
            }
            #expect(!holds(domain, other, message))
            #expect(!holds(domain, network, message + [0]))
            #expect(!holds(domain, network, Array(message.dropLast())))
        }
    }

    @Test(arguments: Seed.all)
    func `a signature covers every octet of its value but itself`(seed: Seed) {
        var chance = seed.chance()
        let bundle = Bundle.any(from: &chance)
        #expect(bundle.signedBytes + bundle.signature.encoded() == bundle.encoded())
        let record = NodeRecord.any(from: &chance)
        #expect(record.signedBytes + record.signature.encoded() == record.encoded())
        let transaction = Transaction.any(from: &chance)
        #expect(transaction.signedBytes + transaction.signature.encoded() == transaction.encoded())
        let consent = Consent.any(from: &chance)
        #expect(consent.signedBytes + consent.signature.encoded() == consent.encoded())
    }

    @Test(arguments: Seed.all)
    func `the two uses of the VRF have inputs that never meet`(seed: Seed) {
        var chance = seed.chance()
        let network = Digest.any(from: &chance)
        let randomness = Digest.any(from: &chance)
        let epoch: Epoch = chance.word()
        let builder = Randomness.alpha(network: network, epoch: epoch, randomness: randomness)
        let device = NodeID.any(from: &chance)
        let beacon = Randomness.beaconAlpha(
            network: network, epoch: epoch, randomness: randomness, device: device)
        var tail = ByteWriter()
        tail.integer(epoch)
        #expect(builder == [4] + Array("rand".utf8) + network.octets + tail.bytes + randomness.octets)
        #expect(
            beacon == [6] + Array("beacon".utf8) + network.octets + tail.bytes + randomness.octets
                + device.octets)
    }
}
