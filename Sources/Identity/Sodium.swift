internal import CSodium

enum Sodium {
    private static let status = sodium_init()

    /// Safe from any thread, any number of times: a `static let` is made once.
    @inline(__always)
    static func start() {
        precondition(status >= 0, "libsodium cannot reach the system's entropy")
    }
}

extension UnsafeRawBufferPointer {
    var octets: UnsafePointer<UInt8>? {
        unsafe baseAddress?.assumingMemoryBound(to: UInt8.self)
    }
}
