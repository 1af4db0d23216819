internal import CSodium

/// Octets of a secret in a page of their own: locked in memory, fenced, kept out of core dumps, and wiped
/// when the last owner goes.
@safe final class Guarded: @unchecked Sendable {
    // @unchecked: the page is written once, before the initialiser returns, and only read afterwards.
    let byteCount: Int
    private let page: UnsafeMutablePointer<UInt8>
    private let isGuarded: Bool

    /// - Parameter isGuarded: False: common memory, wiped all the same. Every guarded page is four mappings, of which
    ///   a process has some 65,000: a simulation of ten thousand nodes has more keys than that, and nothing to hide.
    init(byteCount: Int, isGuarded: Bool = true, fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        Sodium.start()
        self.isGuarded = isGuarded
        guard isGuarded else {
            self.byteCount = byteCount
            unsafe page = .allocate(capacity: byteCount)
            unsafe page.initialize(repeating: 0, count: byteCount)
            unsafe fill(page)
            return
        }
        guard let page = unsafe sodium_malloc(byteCount) else {
            fatalError("the system refuses to lock a page for a secret key; raise the limit on locked memory")
        }
        self.byteCount = byteCount
        unsafe self.page = page.assumingMemoryBound(to: UInt8.self)
        unsafe fill(self.page)
        _ = unsafe sodium_mprotect_readonly(page)
    }

    deinit {
        guard !isGuarded else { return unsafe sodium_free(page) }
        unsafe sodium_memzero(page, byteCount)
        unsafe page.deallocate()
    }

    func read<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe body(UnsafePointer(page))
    }
}

extension [UInt8] {
    /// Overwrites octets that were secret, in a way that the compiler may not leave out.
    mutating func wipe() {
        unsafe withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            unsafe sodium_memzero(base, bytes.count)
        }
    }
}

/// A node's 32-byte seed, from which its signing key and its VRF key both follow.
public final class SecretSeed: Sendable {
    public static let byteCount = 32

    private let octets: Guarded

    public init(octets: RawSpan) {
        precondition(octets.byteCount == Self.byteCount)
        self.octets = unsafe Guarded(byteCount: Self.byteCount) { page in
            unsafe octets.withUnsafeBytes { octets in
                unsafe page.update(from: octets.octets!, count: Self.byteCount)
            }
        }
    }

    init(guarded: Guarded) {
        precondition(guarded.byteCount == Self.byteCount)
        octets = guarded
    }

    public var signingKey: SigningKey {
        read { SigningKey(seed: $0) }
    }

    public var vrfKey: VRFKey {
        read { VRFKey.derived(fromNodeSeed: $0) }
    }

    /// Lends the octets; what the body copies, it has to wipe.
    public func read<Result>(_ body: (RawSpan) -> Result) -> Result {
        unsafe octets.read { octets in
            unsafe body(RawSpan(_unsafeStart: octets, byteCount: Self.byteCount))
        }
    }
}
