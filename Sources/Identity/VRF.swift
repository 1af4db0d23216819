public import Bytes

/// What a holder of a VRF key shows so that others can compute its output: Gamma, c and s, 80 octets.
///
/// Never hash or compare proofs for randomness: hash the output. The proof is no more than evidence.
public struct VRFProof: Canonical, Hashable, Sendable {
    public static let byteCount = 80

    private let gammaWords: Words
    private let challengeHigh: UInt64
    private let challengeLow: UInt64
    private let scalarWords: Words

    public init(octets: RawSpan) {
        precondition(octets.byteCount == Self.byteCount)
        gammaWords = Words(octets.extracting(0..<32))
        // In bounds by the precondition; every bit pattern is a valid integer.
        challengeHigh = unsafe UInt64(
            bigEndian: octets.unsafeLoadUnaligned(fromByteOffset: 32, as: UInt64.self))
        challengeLow = unsafe UInt64(
            bigEndian: octets.unsafeLoadUnaligned(fromByteOffset: 40, as: UInt64.self))
        scalarWords = Words(octets.extracting(48..<80))
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(octets: try reader.take(Self.byteCount))
    }

    public func encode(to writer: inout ByteWriter) {
        gammaWords.write(to: &writer)
        writer.integer(challengeHigh.byteSwapped)
        writer.integer(challengeLow.byteSwapped)
        scalarWords.write(to: &writer)
    }

    /// No one's proof: fills the field of a value until the proof is there.
    public static let zero = VRFProof(octets: [UInt8](repeating: 0, count: 80).octetBytes)
}

/// Beta: the 64 octets that a VRF key and an input determine, and that nobody else can predict.
public struct VRFOutput: Hashable, Sendable {
    public static let byteCount = 64

    private let high: Words
    private let low: Words

    init(octets: [UInt8]) {
        precondition(octets.count == Self.byteCount)
        high = Words(octets.octetBytes.extracting(0..<32))
        low = Words(octets.octetBytes.extracting(32..<64))
    }

    public var octets: [UInt8] {
        var writer = ByteWriter(capacity: Self.byteCount)
        high.write(to: &writer)
        low.write(to: &writer)
        return writer.bytes
    }

    /// The first eight octets as a number, most significant first: uniform in 0..<2^64.
    public var prefix: UInt64 { high.first }
}

extension VRFPublicKey {
    /// Whether this is the canonical encoding of a point of prime order; no other key may be registered.
    public var isValid: Bool {
        Sodium.start()
        return Edwards.cofactorMultipleOfPrimeOrder(octets) != nil
    }

    /// The output for `alpha`, or nil if the proof does not prove it (RFC 9381, section 5.3).
    ///
    /// Stricter than the RFC: Y and Gamma must both lie in the subgroup of prime order. With a torsion
    /// component, one output would have several valid proofs, and builds of libsodium disagree about them.
    public func verify(_ proof: VRFProof, alpha: RawSpan) -> VRFOutput? {
        Sodium.start()
        guard let parts = ECVRF.Parts(proof), let commitments = ECVRF.commitments(key: self, parts, alpha)
        else { return nil }
        let challenge = ECVRF.challenge(
            key: octets, point: commitments.point, gamma: parts.gamma, u: commitments.u, v: commitments.v)
        guard challenge == parts.challenge else { return nil }
        return ECVRF.output(cofactorMultipleOfGamma: commitments.cofactorMultipleOfGamma)
    }
}

/// The steps of ECVRF-EDWARDS25519-SHA512-TAI, named as in RFC 9381, section 5.4.
package enum ECVRF {
    static let suite: UInt8 = 0x03

    /// A proof taken apart, with s known to be reduced.
    package struct Parts {
        package let gamma: [UInt8]
        /// Sixteen octets, little-endian.
        package let challenge: [UInt8]
        package let scalar: [UInt8]

        /// Nil if s is not below L: it would be a second proof of the same.
        package init?(_ proof: VRFProof) {
            let octets = proof.encoded()
            gamma = Array(octets[0..<32])
            challenge = Array(octets[32..<48])
            scalar = Array(octets[48..<80])
            guard Edwards.isReduced(scalar) else { return nil }
        }

        /// c as a scalar.
        var challengeScalar: [UInt8] { challenge + [UInt8](repeating: 0, count: 16) }
    }

    /// What a verifier reconstructs before it compares challenges.
    package struct Commitments {
        package let point: [UInt8]
        package let u: [UInt8]
        package let v: [UInt8]
        let cofactorMultipleOfGamma: [UInt8]
    }

    /// U = s·B − c·Y and V = s·H − c·Gamma, or nil if Y or Gamma is refused.
    package static func commitments(key: VRFPublicKey, _ parts: Parts, _ alpha: RawSpan) -> Commitments? {
        let key = key.octets
        guard Edwards.cofactorMultipleOfPrimeOrder(key) != nil,
            let cofactorMultipleOfGamma = Edwards.cofactorMultipleOfPrimeOrder(parts.gamma),
            let point = curvePoint(key: key, alpha: alpha)
        else { return nil }
        let challenge = parts.challengeScalar
        let u = Edwards.difference(Edwards.baseProduct(parts.scalar), Edwards.product(challenge, key))
        let v = Edwards.difference(
            Edwards.product(parts.scalar, point), Edwards.product(challenge, parts.gamma))
        return Commitments(point: point, u: u, v: v, cofactorMultipleOfGamma: cofactorMultipleOfGamma)
    }

    /// Encodes to the curve by try and increment (section 5.4.1.1), with the key as salt.
    ///
    /// Nil if none of the 256 counters gives a point, which happens once in about 2^256 inputs.
    package static func curvePoint(key: [UInt8], alpha: RawSpan) -> [UInt8]? {
        var common = SHA512()
        common.update([suite, 0x01])
        common.update(key)
        common.update(alpha)
        for counter in UInt8.min...UInt8.max {
            var hash = common
            hash.update([counter, 0x00])
            let candidate = Array(hash.finish().prefix(32))
            if let point = Edwards.cofactorMultiple(of: candidate) { return point }
        }
        return nil
    }

    /// Sixteen octets that bind everything a proof is about (section 5.4.3).
    package static func challenge(
        key: [UInt8], point: [UInt8], gamma: [UInt8], u: [UInt8], v: [UInt8]
    ) -> [UInt8] {
        var hash = SHA512()
        hash.update([suite, 0x02])
        for element in [key, point, gamma, u, v] { hash.update(element) }
        hash.update([0x00])
        return Array(hash.finish().prefix(16))
    }

    /// Beta (section 5.2), of 8·Gamma.
    static func output(cofactorMultipleOfGamma: [UInt8]) -> VRFOutput {
        var hash = SHA512()
        hash.update([suite, 0x03])
        hash.update(cofactorMultipleOfGamma)
        hash.update([0x00])
        return VRFOutput(octets: hash.finish())
    }
}
