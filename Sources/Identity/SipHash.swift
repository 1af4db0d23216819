internal import CSodium

/// A key of SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012).
///
/// For short names that a stranger must not be able to predict: whoever lacks the key can neither compute a
/// hash nor find inputs whose hashes collide or cancel. Sixty-four bits are too few for anything that must
/// stay unforgeable against whoever holds the key.
public struct SipKey: Hashable, Sendable {
    public static let byteCount = 16

    private let low, high: UInt64

    /// Takes exactly 16 octets.
    public init(octets: RawSpan) {
        precondition(octets.byteCount == Self.byteCount)
        // In bounds by the precondition; every bit pattern is a valid integer. Kept in memory order for C.
        low = unsafe octets.unsafeLoadUnaligned(fromByteOffset: 0, as: UInt64.self)
        high = unsafe octets.unsafeLoadUnaligned(fromByteOffset: 8, as: UInt64.self)
    }

    /// Of any octets. The eight octets of the hash are read least significant first, as the paper does.
    public func hash(_ bytes: RawSpan) -> UInt64 {
        unsafe bytes.withUnsafeBytes { bytes in unsafe hash(bytes) }
    }

    /// Of the digest's 32 octets.
    public func hash(_ digest: Digest) -> UInt64 {
        var octets = digest.words.bigEndian
        return unsafe Swift.withUnsafeBytes(of: &octets) { bytes in unsafe hash(bytes) }
    }

    /// Of the word's eight octets, least significant first.
    public func hash(_ word: UInt64) -> UInt64 {
        var octets = word.littleEndian
        return unsafe Swift.withUnsafeBytes(of: &octets) { bytes in unsafe hash(bytes) }
    }

    /// `sodium_init` is not needed: this function has one implementation and no state.
    private func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        var key = (low, high)
        var hash: UInt64 = 0
        let status = unsafe Swift.withUnsafeBytes(of: &key) { key in
            unsafe Swift.withUnsafeMutableBytes(of: &hash) { hash in
                unsafe crypto_shorthash_siphash24(
                    hash.baseAddress!.assumingMemoryBound(to: UInt8.self), bytes.octets, UInt64(bytes.count),
                    key.octets!)
            }
        }
        precondition(status == 0)
        return UInt64(littleEndian: hash)
    }
}
