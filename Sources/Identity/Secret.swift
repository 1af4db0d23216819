internal import Bytes
internal import CSodium

/// Memory that lends a secret's octets to C.
protocol SecretMemory: Sendable {
    func read<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result
}

extension Guarded: SecretMemory {}

/// Octets of a short-lived secret: wiped when the last owner goes, but in common memory.
///
/// `Guarded` costs several system calls and four pages, right for a node's key and too much for the keys
/// that each handshake and each two minutes of a session make and throw away.
@safe package final class Secret: SecretMemory, @unchecked Sendable {
    // @unchecked: written once, before the initialiser returns, and only read afterwards.
    package let byteCount: Int
    private let start: UnsafeMutablePointer<UInt8>

    init(byteCount: Int, fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        Sodium.start()
        precondition(byteCount > 0)
        self.byteCount = byteCount
        unsafe start = .allocate(capacity: byteCount)
        unsafe start.initialize(repeating: 0, count: byteCount)
        unsafe fill(start)
    }

    /// Copies `octets`; wiping the original is the caller's duty.
    package convenience init(copying octets: RawSpan) {
        let count = octets.byteCount
        unsafe self.init(byteCount: count) { start in
            unsafe octets.withUnsafeBytes { unsafe start.update(from: $0.octets!, count: count) }
        }
    }

    deinit {
        unsafe sodium_memzero(start, byteCount)
        unsafe start.deallocate()
    }

    func read<Result>(_ body: (UnsafePointer<UInt8>) -> Result) -> Result {
        unsafe body(UnsafePointer(start))
    }

    /// Lends the octets; what the body copies, it has to wipe.
    package func withOctets<Result>(_ body: (RawSpan) -> Result) -> Result {
        unsafe body(RawSpan(_unsafeStart: start, byteCount: byteCount))
    }
}

extension [UInt8] {
    /// Overwrites octets that were secret.
    package mutating func wipeSecret() { wipe() }

    /// Whether both are the same octets, in a time that tells nothing of where they differ.
    package func equalsInConstantTime(_ other: [UInt8]) -> Bool {
        guard count == other.count else { return false }
        return unsafe sodium_memcmp(self, other, count) == 0
    }
}
