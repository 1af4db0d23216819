import Bytes
import Chance
import Foundation
import Identity
@testable import Session
import TestKit
import Testing

/// The published vectors of the folder `Vectors`.
struct NoiseVector: Decodable, Sendable {
    struct Message: Decodable, Sendable { let payload, ciphertext: String }
    enum CodingKeys: String, CodingKey {
        case messages
        case protocolName = "protocol_name"
        case prologue = "init_prologue"
        case responderPrologue = "resp_prologue"
        case initiatorStatic = "init_static"
        case initiatorEphemeral = "init_ephemeral"
        case initiatorRemote = "init_remote_static"
        case responderStatic = "resp_static"
        case responderEphemeral = "resp_ephemeral"
        case handshakeHash = "handshake_hash"
    }
    let protocolName, prologue, responderPrologue, initiatorStatic, initiatorEphemeral: String
    let initiatorRemote, responderStatic, responderEphemeral, handshakeHash: String
    let messages: [Message]

    static let all: [NoiseVector] = {
        struct File: Decodable { let vectors: [NoiseVector] }
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Vectors")
        do {
            return try JSONDecoder().decode(
                File.self, from: Data(contentsOf: folder.appending(path: "noise-ik.json"))
            ).vectors
        } catch {
            fatalError("noise-ik.json: \(error)")
        }
    }()
}

private func octets(_ hex: String) -> [UInt8] { [UInt8](hex: hex)! }
private func key(_ hex: String) -> ExchangeKey { ExchangeKey(ephemeral: octets(hex).octetBytes) }

@Suite struct NoiseTests {
    @Test(arguments: NoiseVector.all)
    func `every message and the hash of the published vectors come out`(vector: NoiseVector) throws {
        #expect(vector.protocolName == NoiseIK.protocolName)
        let responderKey = key(vector.responderStatic)
        #expect(responderKey.publicKey.hex == vector.initiatorRemote)

        let (first, initiator) = try #require(
            NoiseIK.initiate(
                own: key(vector.initiatorStatic), responder: responderKey.publicKey,
                prologue: octets(vector.prologue), ephemeral: key(vector.initiatorEphemeral),
                payload: octets(vector.messages[0].payload)))
        #expect(first.hex == vector.messages[0].ciphertext)
        let responder = try #require(
            NoiseIK.respond(own: responderKey, prologue: octets(vector.responderPrologue), to: first[...]))
        #expect(responder.payload.hex == vector.messages[0].payload)
        #expect(responder.theirStatic == key(vector.initiatorStatic).publicKey)

        let (second, theirs) = try #require(
            responder.finish(
                ephemeral: key(vector.responderEphemeral), payload: octets(vector.messages[1].payload)))
        #expect(second.hex == vector.messages[1].ciphertext)
        let ours = try #require(initiator.finish(second[...]))
        #expect(ours.payload.hex == vector.messages[1].payload)
        #expect(ours.hash.hex == vector.handshakeHash && theirs.hash.hex == vector.handshakeHash)

        for (number, message) in vector.messages.enumerated().dropFirst(2) {
            let isInitiators = number.isMultiple(of: 2)
            let counter = UInt64(number / 2 - 1)
            let sending = isInitiators ? ours.initiator : theirs.responder
            let receiving = isInitiators ? theirs.initiator : ours.responder
            let none = [UInt8]()
            let box = sending.seal(
                octets(message.payload).octetBytes, authenticating: none.octetBytes, counter: counter)
            #expect(box.hex == message.ciphertext)
            let plain = receiving.open(
                box.octetBytes, authenticating: none.octetBytes, counter: counter)
            #expect(plain?.hex == message.payload)
        }
    }

    @Test func `another prologue or any changed octet is not answered`() throws {
        let vector = try #require(NoiseVector.all.first)
        let first = octets(vector.messages[0].ciphertext)
        let own = key(vector.responderStatic)
        let prologue = octets(vector.prologue)
        #expect(NoiseIK.respond(own: own, prologue: prologue + [0], to: first[...]) == nil)
        for place in first.indices {
            var changed = first
            changed[place] ^= 1
            #expect(NoiseIK.respond(own: own, prologue: prologue, to: changed[...]) == nil)
        }
        for length in first.indices {
            #expect(NoiseIK.respond(own: own, prologue: prologue, to: first[..<length]) == nil)
        }
    }

    @Test(arguments: Seed.all)
    func `an identity's two halves map to one exchange key`(seed: Seed) {
        var chance = seed.chance()
        let secret = SecretSeed(octets: chance.octets(32).octetBytes)
        #expect(secret.signingKey.nodeID.exchangeKey == secret.exchangeKey.publicKey)
    }
}
