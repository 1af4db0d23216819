internal import Bytes
internal import CSodium

/// The public half of an X25519 key (RFC 7748): what a handshake is addressed to.
public struct ExchangePublicKey: WordsValue {
    public let words: Words
    @inlinable
    public init(words: Words) { self.words = words }
}

extension NodeID {
    /// The X25519 key that belongs to this identity: the same point on the curve's other form.
    ///
    /// Nil if the octets are no point of the prime-order subgroup, so nobody can hold its secret.
    public var exchangeKey: ExchangePublicKey? {
        Sodium.start()
        var status: Int32 = -1
        let mapped = unsafe Words { out in
            unsafe words.withOctets { key in
                unsafe status = crypto_sign_ed25519_pk_to_curve25519(out, key)
            }
        }
        return status == 0 ? ExchangePublicKey(words: mapped) : nil
    }
}

/// The secret half of an X25519 key.
public final class ExchangeKey: Sendable {
    public static let byteCount = 32

    public let publicKey: ExchangePublicKey
    private let secret: any SecretMemory

    fileprivate init(_ secret: any SecretMemory) {
        self.secret = secret
        publicKey = ExchangePublicKey(
            words: unsafe Words { out in
                unsafe secret.read { precondition(unsafe crypto_scalarmult_curve25519_base(out, $0) == 0) }
            })
    }

    /// A key for one handshake, from 32 octets of good chance; X25519 clamps them itself.
    package convenience init(ephemeral octets: RawSpan) {
        precondition(octets.byteCount == Self.byteCount)
        self.init(Secret(copying: octets))
    }

    /// The key that belongs to a node's Ed25519 seed.
    convenience init(identity seed: RawSpan) {
        precondition(seed.byteCount == SecretSeed.byteCount)
        let page = unsafe Guarded(byteCount: Self.byteCount) { page in
            var key = [UInt8](repeating: 0, count: 32)
            var expanded = [UInt8](repeating: 0, count: 64)
            unsafe seed.withUnsafeBytes { seed in
                precondition(unsafe crypto_sign_seed_keypair(&key, &expanded, seed.octets!) == 0)
            }
            precondition(unsafe crypto_sign_ed25519_sk_to_curve25519(page, expanded) == 0)
            expanded.wipe()
        }
        self.init(page)
    }

    /// X25519 with the other side's key; nil if that is of small order and the secret would be nobody's.
    package func agree(with other: ExchangePublicKey) -> Secret? {
        var status: Int32 = -1
        let shared = unsafe Secret(byteCount: 32) { out in
            unsafe secret.read { own in
                unsafe other.words.withOctets { other in
                    unsafe status = crypto_scalarmult_curve25519(out, own, other)
                }
            }
        }
        return status == 0 ? shared : nil
    }
}

extension SecretSeed {
    /// The node's static key in handshakes: so that one line of a bootstrap list holds one key.
    public var exchangeKey: ExchangeKey {
        read { ExchangeKey(identity: $0) }
    }
}

extension SigningKey {
    /// Thirty-two octets that only two nodes know, without a word between them: from X25519 of their identities, for
    /// one purpose. Nil if the other's is no point, or of small order.
    public func agree(with other: NodeID, for purpose: String) -> Digest? {
        guard let other = other.exchangeKey else { return nil }
        let own = unsafe withSecret { secret in
            unsafe Secret(byteCount: ExchangeKey.byteCount) { out in
                precondition(unsafe crypto_sign_ed25519_sk_to_curve25519(out, secret) == 0)
            }
        }
        return ExchangeKey(own).agree(with: other)?.withOctets { shared in
            var key = Array(copying: shared)
            defer { key.wipe() }
            return Digest(octets: blake2b(Array(purpose.utf8).octetBytes, key: key, byteCount: 32).octetBytes)
        }
    }
}
