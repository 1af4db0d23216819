internal import Bytes
internal import CSodium

/// HMAC (RFC 2104) over unkeyed BLAKE2b-512, as the Noise specification defines it (section 4.3); BLAKE2b's
/// own keyed mode is another function.
package enum HMAC {
    package static let byteCount = 64
    private static let blockByteCount = 128

    package static func blake2b(key: Secret, _ message: RawSpan) -> Secret {
        precondition(key.byteCount <= blockByteCount)
        var inner = pad(key, 0x36)
        unsafe message.withUnsafeBytes { unsafe inner.append(contentsOf: $0) }
        var outer = pad(key, 0x5C)
        let digest = hash(inner)
        unsafe digest.read {
            unsafe outer.append(contentsOf: UnsafeBufferPointer(start: $0, count: byteCount))
        }
        defer {
            inner.wipe()
            outer.wipe()
        }
        return hash(outer)
    }

    /// With room for what follows, so that growing leaves no copy behind unwiped.
    private static func pad(_ key: Secret, _ mask: UInt8) -> [UInt8] {
        var block: [UInt8] = []
        block.reserveCapacity(blockByteCount + 2 * byteCount)
        unsafe key.read { key0 in
            for index in 0..<key.byteCount { block.append(unsafe key0[index] ^ mask) }
        }
        while block.count < blockByteCount { block.append(mask) }
        return block
    }

    private static func hash(_ input: [UInt8]) -> Secret {
        unsafe Secret(byteCount: byteCount) { out in
            precondition(unsafe crypto_generichash(out, byteCount, input, UInt64(input.count), nil, 0) == 0)
        }
    }
}

/// The Noise specification's HKDF with two outputs (section 4.3).
package func noiseKeys(chaining: Secret, input: RawSpan) -> (first: Secret, second: Secret) {
    let temporary = HMAC.blake2b(key: chaining, input)
    let first = HMAC.blake2b(key: temporary, [UInt8](arrayLiteral: 1).octetBytes)
    var next: [UInt8] = []
    next.reserveCapacity(HMAC.byteCount + 1)
    unsafe first.read {
        unsafe next.append(contentsOf: UnsafeBufferPointer(start: $0, count: HMAC.byteCount))
    }
    next.append(2)
    defer { next.wipe() }
    return (first, HMAC.blake2b(key: temporary, next.octetBytes))
}
