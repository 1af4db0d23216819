internal import Bytes
internal import CSodium

/// A ChaCha20-Poly1305 key (RFC 8439) used with counters, as Noise does: the nonce is four zero octets and
/// the counter, little-endian. Wiped when the last owner goes.
package final class CipherKey: Sendable {
    package static let tagByteCount = 16
    package static let byteCount = 32

    private let secret: Secret

    /// The first 32 octets of `secret`.
    package init(_ secret: Secret) {
        precondition(secret.byteCount >= Self.byteCount)
        self.secret = unsafe Secret(byteCount: Self.byteCount) { out in
            unsafe secret.read { unsafe out.update(from: $0, count: Self.byteCount) }
        }
    }

    /// Encrypts in place: `datagram` is `head` octets that are authenticated, the plaintext, and room for
    /// the tag. Never call it twice with one counter.
    package func seal(_ datagram: inout [UInt8], head: Int, counter: UInt64) {
        precondition(datagram.count >= head + Self.tagByteCount)
        unsafe datagram.withUnsafeMutableBytes { bytes in
            let start = unsafe bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
            let status = unsafe secret.read { key in
                unsafe Self.withNonce(counter) { nonce in
                    unsafe crypto_aead_chacha20poly1305_ietf_encrypt(
                        start + head, nil, start + head, UInt64(bytes.count - head - Self.tagByteCount),
                        start, UInt64(head), nil, nonce, key)
                }
            }
            precondition(status == 0)
        }
    }

    /// The plaintext of ciphertext and tag after `head` authenticated octets; nil if anything was changed.
    package func open(_ datagram: [UInt8], head: Int, counter: UInt64) -> [UInt8]? {
        guard datagram.count >= head + Self.tagByteCount else { return nil }
        return unsafe datagram.withUnsafeBytes { bytes in
            unsafe open(
                RawSpan(_unsafeStart: bytes.baseAddress! + head, byteCount: bytes.count - head),
                authenticating: RawSpan(_unsafeStart: bytes.baseAddress!, byteCount: head), counter: counter)
        }
    }

    package func open(_ box: RawSpan, authenticating: RawSpan, counter: UInt64) -> [UInt8]? {
        let byteCount = box.byteCount - Self.tagByteCount
        guard byteCount >= 0 else { return nil }
        var status: Int32 = -1
        let plain = unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { out, count in
            unsafe box.withUnsafeBytes { box in
                unsafe authenticating.withUnsafeBytes { known in
                    unsafe secret.read { key in
                        unsafe Self.withNonce(counter) { nonce in
                            unsafe status = crypto_aead_chacha20poly1305_ietf_decrypt(
                                out.baseAddress, nil, nil, box.octets!, UInt64(box.count), known.octets,
                                UInt64(known.count), nonce, key)
                        }
                    }
                }
            }
            count = status == 0 ? byteCount : 0
        }
        return status == 0 ? plain : nil
    }

    package func seal(_ plain: RawSpan, authenticating: RawSpan, counter: UInt64) -> [UInt8] {
        let byteCount = plain.byteCount + Self.tagByteCount
        return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { out, count in
            count = byteCount
            let status = unsafe plain.withUnsafeBytes { plain in
                unsafe authenticating.withUnsafeBytes { known in
                    unsafe secret.read { key in
                        unsafe Self.withNonce(counter) { nonce in
                            unsafe crypto_aead_chacha20poly1305_ietf_encrypt(
                                out.baseAddress!, nil, plain.octets, UInt64(plain.count), known.octets,
                                UInt64(known.count), nil, nonce, key)
                        }
                    }
                }
            }
            precondition(status == 0)
        }
    }

    /// For a log that its owner asked for.
    package var hex: String { secret.withOctets { [UInt8](copying: $0).hex } }

    private static func withNonce<Result>(
        _ counter: UInt64, _ body: (UnsafePointer<UInt8>) -> Result
    ) -> Result {
        let nonce: (UInt32, UInt32, UInt32) = (
            0, UInt32(truncatingIfNeeded: counter).littleEndian,
            UInt32(truncatingIfNeeded: counter >> 32).littleEndian
        )
        return unsafe withUnsafeBytes(of: nonce) { unsafe body($0.octets!) }
    }
}

/// XChaCha20-Poly1305 with a nonce drawn by chance.
package enum WideCipher {
    package static let nonceByteCount = 24
    package static let keyByteCount = 32

    package static func seal(
        _ plain: [UInt8], key: [UInt8], nonce: [UInt8], authenticating: [UInt8]
    ) -> [UInt8] {
        precondition(key.count == keyByteCount && nonce.count == nonceByteCount)
        Sodium.start()
        var box = [UInt8](repeating: 0, count: plain.count + 16)
        let status = unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
            &box, nil, plain, UInt64(plain.count), authenticating, UInt64(authenticating.count), nil, nonce,
            key)
        precondition(status == 0)
        return box
    }

    /// Nil if anything was changed.
    package static func open(
        _ box: [UInt8], key: [UInt8], nonce: [UInt8], authenticating: [UInt8]
    ) -> [UInt8]? {
        precondition(key.count == keyByteCount && nonce.count == nonceByteCount)
        guard box.count >= 16 else { return nil }
        Sodium.start()
        var plain = [UInt8](repeating: 0, count: box.count - 16)
        let status = unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
            &plain, nil, nil, box, UInt64(box.count), authenticating, UInt64(authenticating.count), nonce, key
        )
        return status == 0 ? plain : nil
    }
}
