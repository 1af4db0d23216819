internal import Bytes
internal import Identity

/// The Noise Protocol Framework (Perrin, revision 34): the symmetric state of section 5.2.
///
/// A value: a message that turns out to be forged is read by a copy, and the original is as it was.
struct SymmetricState {
    private var chaining: Secret
    private var key: CipherKey?
    private var counter: UInt64 = 0
    /// `h`: binds every message to all before it.
    private(set) var hash: [UInt8]

    static let hashByteCount = 64
    static let tagByteCount = CipherKey.tagByteCount

    init(protocolName: String) {
        let name = Array(protocolName.utf8)
        // A longer name would be hashed; ours is 33 octets.
        precondition(name.count <= Self.hashByteCount)
        let hash = name + [UInt8](repeating: 0, count: Self.hashByteCount - name.count)
        self.hash = hash
        chaining = Secret(copying: hash.octetBytes)
    }

    mutating func mixHash(_ octets: [UInt8]) {
        let input = hash + octets
        hash = blake2b(input.octetBytes, key: nil, byteCount: Self.hashByteCount)
    }

    mutating func mixKey(_ input: Secret) {
        let (first, second) = input.withOctets { noiseKeys(chaining: chaining, input: $0) }
        chaining = first
        key = CipherKey(second)
        counter = 0
    }

    /// Before any key is mixed in, Noise sends the plaintext; IK never does, so that is our own fault.
    mutating func encryptAndHash(_ plain: [UInt8]) -> [UInt8] {
        guard let key else { preconditionFailure("IK mixes a key before it encrypts") }
        let box = key.seal(plain.octetBytes, authenticating: hash.octetBytes, counter: counter)
        counter += 1
        mixHash(box)
        return box
    }

    /// Nil if the box was not made by who shares the state; the state is then of no more use.
    mutating func decryptAndHash(_ box: [UInt8]) -> [UInt8]? {
        guard let key else { preconditionFailure("IK mixes a key before it decrypts") }
        guard let plain = key.open(box.octetBytes, authenticating: hash.octetBytes, counter: counter) else {
            return nil
        }
        counter += 1
        mixHash(box)
        return plain
    }

    /// The initiator's sending key, and the responder's.
    func split() -> (initiator: CipherKey, responder: CipherKey) {
        let (first, second) = noiseKeys(chaining: chaining, input: [UInt8]().octetBytes)
        return (CipherKey(first), CipherKey(second))
    }
}

/// Noise_IK_25519_ChaChaPoly_BLAKE2b (section 7.5): the initiator knows the responder's static key.
///
///     <- s
///     ...
///     -> e, es, s, ss
///     <- e, ee, se
struct NoiseIK {
    static let protocolName = "Noise_IK_25519_ChaChaPoly_BLAKE2b"
    static let keyByteCount = 32
    /// What the first message adds to its payload: ephemeral, sealed static key, the payload's tag.
    static let firstOverhead = 32 + 32 + 16 + 16
    /// What the second adds: ephemeral and the payload's tag.
    static let secondOverhead = 32 + 16

    private var state: SymmetricState
    private let ownStatic: ExchangeKey

    /// Secrets of the initiator between its message and the answer.
    struct Initiator {
        fileprivate var noise: NoiseIK
        fileprivate let ephemeral: ExchangeKey
    }

    /// Secrets of the responder between the initiator's message and its own.
    struct Responder {
        fileprivate var noise: NoiseIK
        fileprivate let theirEphemeral: ExchangePublicKey
        let theirStatic: ExchangePublicKey
        let payload: [UInt8]
    }

    /// What both sides hold in the end.
    struct Outcome {
        let payload: [UInt8]
        let initiator: CipherKey
        let responder: CipherKey
        let hash: [UInt8]
    }

    private init(own: ExchangeKey, responder: ExchangePublicKey, prologue: [UInt8]) {
        ownStatic = own
        state = SymmetricState(protocolName: Self.protocolName)
        state.mixHash(prologue)
        state.mixHash(responder.octets)
    }

    /// Writes the first message; nil if the responder's key is of small order.
    static func initiate(
        own: ExchangeKey, responder: ExchangePublicKey, prologue: [UInt8], ephemeral: ExchangeKey,
        payload: [UInt8]
    ) -> (message: [UInt8], initiator: Initiator)? {
        var noise = NoiseIK(own: own, responder: responder, prologue: prologue)
        guard let es = ephemeral.agree(with: responder), let ss = own.agree(with: responder) else {
            return nil
        }
        var message = ephemeral.publicKey.octets
        noise.state.mixHash(message)
        noise.state.mixKey(es)
        message += noise.state.encryptAndHash(own.publicKey.octets)
        noise.state.mixKey(ss)
        message += noise.state.encryptAndHash(payload)
        return (message, Initiator(noise: noise, ephemeral: ephemeral))
    }

    /// Reads the first message; nil if it was not written for this key and prologue.
    static func respond(own: ExchangeKey, prologue: [UInt8], to message: ArraySlice<UInt8>) -> Responder? {
        guard message.count >= firstOverhead else { return nil }
        var noise = NoiseIK(own: own, responder: own.publicKey, prologue: prologue)
        let start = message.startIndex
        let ephemeral = Array(message[start..<start + 32])
        let sealedStatic = Array(message[start + 32..<start + 80])
        guard let theirEphemeral = ExchangePublicKey(octets: ephemeral),
            let es = own.agree(with: theirEphemeral)
        else { return nil }
        noise.state.mixHash(ephemeral)
        noise.state.mixKey(es)
        guard let octets = noise.state.decryptAndHash(sealedStatic),
            let theirStatic = ExchangePublicKey(octets: octets), let ss = own.agree(with: theirStatic)
        else { return nil }
        noise.state.mixKey(ss)
        guard let payload = noise.state.decryptAndHash(Array(message[(start + 80)...])) else { return nil }
        return Responder(
            noise: noise, theirEphemeral: theirEphemeral, theirStatic: theirStatic, payload: payload)
    }
}

extension NoiseIK.Responder {
    /// Writes the second message; nil if one of the initiator's keys is of small order.
    func finish(
        ephemeral: ExchangeKey, payload: [UInt8]
    ) -> (message: [UInt8], outcome: NoiseIK.Outcome)? {
        guard let ee = ephemeral.agree(with: theirEphemeral), let se = ephemeral.agree(with: theirStatic)
        else { return nil }
        var state = noise.symmetricState
        var message = ephemeral.publicKey.octets
        state.mixHash(message)
        state.mixKey(ee)
        state.mixKey(se)
        message += state.encryptAndHash(payload)
        let keys = state.split()
        return (
            message,
            NoiseIK.Outcome(
                payload: self.payload, initiator: keys.initiator, responder: keys.responder, hash: state.hash)
        )
    }
}

extension NoiseIK.Initiator {
    /// Reads the second message; nil if it does not answer this first one. Changes nothing.
    func finish(_ message: ArraySlice<UInt8>) -> NoiseIK.Outcome? {
        guard message.count >= NoiseIK.secondOverhead else { return nil }
        let octets = Array(message[message.startIndex..<message.startIndex + 32])
        guard let theirs = ExchangePublicKey(octets: octets), let ee = ephemeral.agree(with: theirs),
            let se = noise.agreeStatic(with: theirs)
        else { return nil }
        var state = noise.symmetricState
        state.mixHash(octets)
        state.mixKey(ee)
        state.mixKey(se)
        guard let payload = state.decryptAndHash(Array(message[(message.startIndex + 32)...])) else {
            return nil
        }
        let keys = state.split()
        return NoiseIK.Outcome(
            payload: payload, initiator: keys.initiator, responder: keys.responder, hash: state.hash)
    }
}

extension NoiseIK {
    fileprivate var symmetricState: SymmetricState { state }

    fileprivate func agreeStatic(with other: ExchangePublicKey) -> Secret? { ownStatic.agree(with: other) }
}
