internal import CSodium

/// Arithmetic on edwards25519 with libsodium's public functions, as 32-byte encodings.
///
/// libsodium's own `is_valid_point` and the checks within its scalar multiplication differ between patched
/// and unpatched builds of one version (CVE-2025-69277). Two nodes that disagree on a point disagree on a
/// block, so everything that can reject is decided here, from operations on which all builds agree.
enum Edwards {
    static let identity: [UInt8] = [1] + [UInt8](repeating: 0, count: 31)

    /// L = 2^252 + 27742317777372353535851937790883648493, the order of the base point; little-endian.
    static let order: [UInt8] = [
        0xED, 0xD3, 0xF5, 0x5C, 0x1A, 0x63, 0x12, 0x58, 0xD6, 0x9C, 0xF7, 0xA2, 0xDE, 0xF9, 0xDE, 0x14,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ]

    /// 8^-1 mod L, little-endian: undoes the cofactor on points of prime order, and on no others.
    static let inverseOfCofactor: [UInt8] = [
        0x79, 0x2F, 0xDC, 0xE2, 0x29, 0xE5, 0x06, 0x61, 0xD0, 0xDA, 0x1C, 0x7D, 0xB3, 0x9D, 0xD3, 0x07,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x06,
    ]

    /// Whether a little-endian scalar is below L. Not constant in time: only for what strangers send.
    static func isReduced(_ scalar: [UInt8]) -> Bool {
        for index in stride(from: 31, through: 0, by: -1) where scalar[index] != order[index] {
            return scalar[index] < order[index]
        }
        return false
    }

    /// Whether y is below p = 2^255 - 19. The other double encoding, x = 0 with a sign, belongs to points of
    /// order 1 and 2 only, which `cofactorMultiple` does away with.
    static func isCanonical(_ point: [UInt8]) -> Bool {
        !(point[0] >= 0xED && point[1..<31].allSatisfy { $0 == 0xFF } && point[31] & 0x7F == 0x7F)
    }

    /// 8P, or nil if P is not a canonical encoding of a point of the curve, or has an order of at most 8.
    static func cofactorMultiple(of point: [UInt8]) -> [UInt8]? {
        guard isCanonical(point), let two = sum(point, point), let four = sum(two, two),
            let eight = sum(four, four), eight != identity
        else { return nil }
        return eight
    }

    /// 8P, or nil unless P is the canonical encoding of a point, not the identity, in the subgroup of
    /// order L: of the eight points with equal 8P only that one is (8^-1 mod L)·8P.
    static func cofactorMultipleOfPrimeOrder(_ point: [UInt8]) -> [UInt8]? {
        guard let eight = cofactorMultiple(of: point), product(inverseOfCofactor, eight) == point else {
            return nil
        }
        return eight
    }

    /// Nil if one of the two is not on the curve.
    private static func sum(_ left: [UInt8], _ right: [UInt8]) -> [UInt8]? {
        var sum = [UInt8](repeating: 0, count: 32)
        return unsafe crypto_core_ed25519_add(&sum, left, right) == 0 ? sum : nil
    }

    /// Both are ours or already checked.
    static func difference(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
        var difference = [UInt8](repeating: 0, count: 32)
        precondition(unsafe crypto_core_ed25519_sub(&difference, left, right) == 0)
        return difference
    }

    /// The scalar, below 2^255, times a point of prime order.
    static func product(_ scalar: [UInt8], _ point: [UInt8]) -> [UInt8] {
        unsafe scalar.withUnsafeBufferPointer { unsafe product($0.baseAddress!, point) }
    }

    static func product(_ scalar: UnsafePointer<UInt8>, _ point: [UInt8]) -> [UInt8] {
        if unsafe sodium_is_zero(scalar, 32) == 1 { return identity }
        var product = [UInt8](repeating: 0, count: 32)
        precondition(unsafe crypto_scalarmult_ed25519_noclamp(&product, scalar, point) == 0)
        return product
    }

    /// The scalar, below L, times the base point.
    static func baseProduct(_ scalar: [UInt8]) -> [UInt8] {
        unsafe scalar.withUnsafeBufferPointer { unsafe baseProduct($0.baseAddress!) }
    }

    static func baseProduct(_ scalar: UnsafePointer<UInt8>) -> [UInt8] {
        if unsafe sodium_is_zero(scalar, 32) == 1 { return identity }
        var product = [UInt8](repeating: 0, count: 32)
        precondition(unsafe crypto_scalarmult_ed25519_base_noclamp(&product, scalar) == 0)
        return product
    }

    /// Sixty-four octets modulo L.
    static func reduced(_ wide: [UInt8]) -> [UInt8] {
        precondition(wide.count == 64)
        var scalar = [UInt8](repeating: 0, count: 32)
        unsafe crypto_core_ed25519_scalar_reduce(&scalar, wide)
        return scalar
    }
}
