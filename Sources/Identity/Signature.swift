public import Bytes
internal import CSodium

/// Sixty-four octets of an Ed25519 signature.
public struct Signature: Canonical, Hashable, Sendable {
    public static let byteCount = 64

    @usableFromInline let r: Words
    @usableFromInline let s: Words

    @inlinable
    public init(octets: RawSpan) {
        precondition(octets.byteCount == Self.byteCount)
        r = Words(octets.extracting(0..<32))
        s = Words(octets.extracting(32..<64))
    }

    @inlinable
    public init(from reader: inout ByteReader) throws(DecodeError) {
        self.init(octets: try reader.take(Self.byteCount))
    }

    @inlinable
    public func encode(to writer: inout ByteWriter) {
        r.write(to: &writer)
        s.write(to: &writer)
    }

    /// Lends the octets to C, from the stack.
    func withOctets<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        let words = (r.bigEndian, s.bigEndian)
        return unsafe Swift.withUnsafeBytes(of: words) { unsafe body($0.octets!) }
    }

    /// No one's signature: fills the field of a value that is about to be signed.
    public static let zero = Signature(octets: [UInt8](repeating: 0, count: 64).octetBytes)
}

/// What a signature is for. Two domains never share a constant, so that no signature made for one purpose
/// is one for another.
public struct SigningDomain: Hashable, Sendable {
    public let name: String

    public init(_ name: String) {
        self.name = name
    }

    /// The bytes that are signed: `"earshot" ‖ 0 ‖ domain ‖ 0 ‖ network ‖ message`.
    public func preimage(network: Digest, message: RawSpan) -> [UInt8] {
        var writer = ByteWriter(capacity: 48 + name.utf8.count + message.byteCount)
        writer.raw(Array("earshot".utf8))
        writer.integer(UInt8(0))
        writer.raw(Array(name.utf8))
        writer.integer(UInt8(0))
        network.encode(to: &writer)
        writer.raw(message)
        return writer.bytes
    }
}

extension NodeID {
    /// Whether this key signed exactly these bytes. Refuses non-canonical and small-order keys and
    /// signatures, as libsodium's detached verification does.
    public func signed(_ preimage: RawSpan, with signature: Signature) -> Bool {
        Sodium.start()
        return unsafe words.withOctets { key in
            unsafe signature.withOctets { signature in
                unsafe preimage.withUnsafeBytes { message in
                    unsafe crypto_sign_verify_detached(
                        signature, message.octets, UInt64(message.count), key) == 0
                }
            }
        }
    }
}

/// A node's signing key.
///
/// A class, because machines, runtime and simulator share the one secret; libsodium guards its page (locked,
/// fenced, not dumped) and wipes it when the last owner goes.
public final class SigningKey: Sendable {
    public static let seedByteCount = 32
    private static let secretByteCount = 64

    public let nodeID: NodeID
    private let secret: Guarded
    private let imitates: Bool

    /// Derives the key pair of a 32-byte seed (RFC 8032).
    /// - Parameter isGuarded: False only where nothing is at stake: in simulations of more nodes than a process can
    ///   guard pages for.
    /// - Parameter imitates: True only in simulations in which nobody verifies: in place of signatures it makes octets that
    ///   are none (`Imitation`).
    public init(seed: RawSpan, isGuarded: Bool = true, imitates: Bool = false) {
        precondition(seed.byteCount == Self.seedByteCount)
        self.imitates = imitates
        var key = [UInt8](repeating: 0, count: 32)
        secret = unsafe Guarded(byteCount: Self.secretByteCount, isGuarded: isGuarded) { page in
            let status = unsafe seed.withUnsafeBytes { seed in
                unsafe crypto_sign_seed_keypair(&key, page, seed.octets!)
            }
            precondition(status == 0)
        }
        nodeID = NodeID(octets: key.octetBytes)
    }

    func withSecret<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe secret.read(body)
    }

    /// Signs the domain's preimage of the message; deterministic (RFC 8032).
    public func sign(_ message: RawSpan, domain: SigningDomain, network: Digest) -> Signature {
        guard !imitates else { return imitate(message) }
        return sign(preimage: domain.preimage(network: network, message: message).octetBytes)
    }

    private func imitate(_ message: RawSpan) -> Signature {
        let digest = Imitation.digest(of: message, by: nodeID.words)
        return Signature(octets: Imitation.octets(Signature.byteCount, from: digest).octetBytes)
    }

    public func sign(preimage: RawSpan) -> Signature {
        guard !imitates else { return imitate(preimage) }
        let signature = unsafe [UInt8](unsafeUninitializedCapacity: Signature.byteCount) { signature, count in
            count = Signature.byteCount
            let status = unsafe preimage.withUnsafeBytes { message in
                unsafe secret.read { secret in
                    unsafe crypto_sign_detached(
                        signature.baseAddress!, nil, message.octets, UInt64(message.count), secret)
                }
            }
            precondition(status == 0)
        }
        return Signature(octets: signature.octetBytes)
    }
}
