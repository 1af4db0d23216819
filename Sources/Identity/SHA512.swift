internal import CSodium

/// SHA-512 (FIPS 180-4) in parts, so that secrets need not be joined to what is hashed with them.
struct SHA512 {
    private var state = crypto_hash_sha512_state()

    init() {
        Sodium.start()
        precondition(unsafe crypto_hash_sha512_init(&state) == 0)
    }

    mutating func update(_ bytes: RawSpan) {
        unsafe bytes.withUnsafeBytes { bytes in
            precondition(unsafe crypto_hash_sha512_update(&state, bytes.octets, UInt64(bytes.count)) == 0)
        }
    }

    mutating func update(_ bytes: [UInt8]) {
        precondition(unsafe crypto_hash_sha512_update(&state, bytes, UInt64(bytes.count)) == 0)
    }

    /// Sixty-four octets. The state is wiped, because what went in may have been secret.
    mutating func finish() -> [UInt8] {
        var hash = [UInt8](repeating: 0, count: 64)
        precondition(unsafe crypto_hash_sha512_final(&state, &hash) == 0)
        unsafe sodium_memzero(&state, MemoryLayout<crypto_hash_sha512_state>.size)
        return hash
    }
}
