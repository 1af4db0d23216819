internal import Bytes
internal import CSodium

extension Digest {
    /// BLAKE2b-256 (RFC 7693) of the bytes.
    public init(of bytes: RawSpan) {
        Sodium.start()
        self.init(
            words: unsafe Words { hash in
                let status = unsafe bytes.withUnsafeBytes { bytes in
                    unsafe crypto_generichash(hash, 32, bytes.octets, UInt64(bytes.count), nil, 0)
                }
                precondition(status == 0)
            })
    }

    public init(of bytes: [UInt8]) {
        self.init(of: bytes.octetBytes)
    }
}

/// BLAKE2b of `bytes`, optionally keyed (key of 1 to 64 octets), to 16…64 octets.
public func blake2b(_ bytes: RawSpan, key: [UInt8]?, byteCount: Int) -> [UInt8] {
    precondition((16...64).contains(byteCount))
    precondition(key.map { (1...64).contains($0.count) } ?? true)
    Sodium.start()
    return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { hash, count in
        count = byteCount
        let status = unsafe bytes.withUnsafeBytes { bytes in
            unsafe crypto_generichash(
                hash.baseAddress!, byteCount, bytes.octets, UInt64(bytes.count), key, key?.count ?? 0)
        }
        precondition(status == 0)
    }
}
