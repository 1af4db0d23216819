internal import Bytes
internal import CSodium

/// The secret half of a VRF key.
///
/// Never the signing key: proofs and signatures under one key over messages of a stranger's choice can
/// leak the scalar. Shared by reference like `SigningKey`, in guarded memory.
public final class VRFKey: Sendable {
    public static let seedByteCount = 32
    private static let scalarByteCount = 32
    /// Separates this use of a node's seed from all others.
    private static let derivation = Array("earshot\0vrf key".utf8)

    public let publicKey: VRFPublicKey
    /// x, reduced, and after it the 32 octets from which nonces are made.
    private let secret: Guarded
    private let imitates: Bool

    /// Derives the key of a 32-byte seed as RFC 8032 does (RFC 9381, section 5.5).
    /// - Parameters:
    ///   - isGuarded: See `SigningKey`.
    ///   - imitates: See `SigningKey`.
    public init(seed: RawSpan, isGuarded: Bool = true, imitates: Bool = false) {
        self.imitates = imitates
        precondition(seed.byteCount == Self.seedByteCount)
        let secret = unsafe Guarded(byteCount: 64, isGuarded: isGuarded) { page in
            var hash = SHA512()
            hash.update(seed)
            var expanded = hash.finish()
            expanded[0] &= 0xF8
            expanded[31] &= 0x7F
            expanded[31] |= 0x40
            // Modulo L, because all that x multiplies has order L, and L < 2^253 fits every function below.
            var wide = [UInt8](repeating: 0, count: 64)
            for index in 0..<32 { wide[index] = expanded[index] }
            unsafe crypto_core_ed25519_scalar_reduce(page, wide)
            for index in 32..<64 { unsafe page[index] = expanded[index] }
            expanded.wipe()
            wide.wipe()
        }
        self.secret = secret
        let point = unsafe secret.read { unsafe Edwards.baseProduct($0) }
        publicKey = VRFPublicKey(octets: point.octetBytes)
    }

    /// The VRF key that belongs to a node's Ed25519 seed, so that one file holds both keys.
    ///
    /// Its own seed is the keyed BLAKE2b-256 of a constant under the node's: neither tells of the other.
    public static func derived(fromNodeSeed seed: RawSpan, isGuarded: Bool = true, imitates: Bool = false)
        -> VRFKey
    {
        precondition(seed.byteCount == SecretSeed.byteCount)
        let own = unsafe Guarded(byteCount: seedByteCount, isGuarded: isGuarded) { page in
            let status = unsafe seed.withUnsafeBytes { seed in
                unsafe crypto_generichash(
                    page, seedByteCount, derivation, UInt64(derivation.count), seed.octets, seed.count)
            }
            precondition(status == 0)
        }
        return SecretSeed(guarded: own).read { VRFKey(seed: $0, isGuarded: isGuarded, imitates: imitates) }
    }

    public func prove(_ alpha: RawSpan) -> VRFProof {
        evaluate(alpha).proof
    }

    /// The output for `alpha` with its proof (RFC 9381, section 5.1); deterministic.
    public func evaluate(_ alpha: RawSpan) -> (output: VRFOutput, proof: VRFProof) {
        guard !imitates else {
            let digest = Imitation.digest(of: alpha, by: publicKey.words)
            let proof = VRFProof(octets: Imitation.octets(VRFProof.byteCount, from: digest).octetBytes)
            return (publicKey.imitatedOutput(alpha), proof)
        }
        let key = publicKey.octets
        guard let point = ECVRF.curvePoint(key: key, alpha: alpha) else {
            fatalError("no counter leads to a point: one input in 2^256")
        }
        let gamma = unsafe secret.read { unsafe Edwards.product($0, point) }
        guard let multiple = Edwards.cofactorMultiple(of: gamma) else {
            fatalError("x times a point of prime order is no such point")
        }
        var nonce = nonce(point: point)
        let challenge = ECVRF.challenge(
            key: key, point: point, gamma: gamma,
            u: Edwards.baseProduct(nonce), v: Edwards.product(nonce, point))
        let scalar = response(nonce: nonce, challenge: challenge)
        nonce.wipe()
        return (
            ECVRF.output(cofactorMultipleOfGamma: multiple),
            VRFProof(octets: (gamma + challenge + scalar).octetBytes)
        )
    }

    /// k, made of the secret prefix and H (section 5.4.2.2). Secret: the caller wipes it.
    package func nonce(point: [UInt8]) -> [UInt8] {
        var hash = SHA512()
        unsafe secret.read { secret in
            unsafe hash.update(
                RawSpan(_unsafeStart: secret + Self.scalarByteCount, byteCount: Self.scalarByteCount))
        }
        hash.update(point)
        var wide = hash.finish()
        defer { wide.wipe() }
        return Edwards.reduced(wide)
    }

    /// s = k + c·x mod L.
    private func response(nonce: [UInt8], challenge: [UInt8]) -> [UInt8] {
        let challenge = challenge + [UInt8](repeating: 0, count: 16)
        var product = [UInt8](repeating: 0, count: 32)
        var sum = [UInt8](repeating: 0, count: 32)
        unsafe secret.read { unsafe crypto_core_ed25519_scalar_mul(&product, challenge, $0) }
        unsafe crypto_core_ed25519_scalar_add(&sum, nonce, product)
        product.wipe()
        return sum
    }
}
