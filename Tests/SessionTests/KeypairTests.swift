import Bytes
import Chance
import Identity
@testable import Session
import TestKit
import Testing
import Wire

@Suite struct KeypairTests {
    /// Two ends of one handshake between identities drawn from `chance`.
    private func pair(_ chance: inout Chance) throws -> (Keypair, Keypair) {
        let ours = SecretSeed(octets: chance.octets(32).octetBytes).exchangeKey
        let seed = SecretSeed(octets: chance.octets(32).octetBytes)
        let (first, initiator) = try #require(
            NoiseIK.initiate(
                own: ours, responder: seed.exchangeKey.publicKey, prologue: [1],
                ephemeral: ExchangeKey(ephemeral: chance.octets(32).octetBytes), payload: []))
        let responder = try #require(
            NoiseIK.respond(own: seed.exchangeKey, prologue: [1], to: first[...]))
        let (second, theirs) = try #require(
            responder.finish(
                ephemeral: ExchangeKey(ephemeral: chance.octets(32).octetBytes), payload: []))
        let outcome = try #require(initiator.finish(second[...]))
        let record = NodeRecord(
            node: seed.signingKey.nodeID, sequence: 1, roles: .observer, endpoints: [], region: nil,
            version: 1)
        func end(_ local: UInt32, _ remote: UInt32, _ isInitiator: Bool, _ outcome: NoiseIK.Outcome)
            -> Keypair
        {
            Keypair(
                localIndex: local, remoteIndex: remote, isInitiator: isInitiator, born: .origin,
                endpoint: .loopback(port: 1), record: record, outcome: outcome)
        }
        return (end(1, 2, true, outcome), end(2, 1, false, theirs))
    }

    @Test(arguments: Seed.all)
    func `a datagram is read once, and never with any octet changed or missing`(seed: Seed) throws {
        var chance = seed.chance()
        let (sender, receiver) = try pair(&chance)
        let body = chance.octets(chance.below(64))
        let datagram = sender.seal(body, .payload)
        #expect(datagram.count == body.count + Packet.dataOverhead)
        for place in datagram.indices {
            var changed = datagram
            changed[place] ^= 1 << UInt8(chance.below(8))
            if case .plain = receiver.open(changed) { Issue.record("octet \(place) is not authenticated") }
        }
        for length in Packet.dataHead..<datagram.count {
            if case .plain = receiver.open(Array(datagram[..<length])) { Issue.record("cut to \(length)") }
        }
        #expect(!receiver.isConfirmed && receiver.window == ReplayWindow())
        guard case .plain(body, InnerKind.payload.rawValue, true) = receiver.open(datagram) else {
            Issue.record("an honest datagram was dropped")
            return
        }
        guard case .replayed = receiver.open(datagram) else {
            Issue.record("a replayed datagram was read")
            return
        }
        // Nor does it come back to who sent it.
        if case .plain = sender.open(datagram) { Issue.record("a reflected datagram was read") }
    }
}
