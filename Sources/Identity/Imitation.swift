/// What keys of a simulation make in place of signatures and proofs where nobody forges: octets that cost next to nothing,
/// follow from the key's public half and the message, and differ with either.
///
/// They prove nothing, anybody can make them, and no verification of this module takes them: whoever drives a world of
/// imitating keys answers in place of the workers (`SharedWork`).
enum Imitation {
    /// Mixes every octet of a message with a key, eight at a time.
    static func digest(of message: RawSpan, by key: Words) -> UInt64 {
        var mixed = key.first &+ UInt64(message.byteCount) &* 0x9E37_79B9_7F4A_7C15
        var place = 0
        while place + 8 <= message.byteCount {
            // In bounds by the condition; every bit pattern is a valid integer.
            let word = unsafe message.unsafeLoadUnaligned(fromByteOffset: place, as: UInt64.self)
            mixed = next(mixed ^ UInt64(littleEndian: word))
            place += 8
        }
        while place < message.byteCount {
            mixed = next(mixed ^ UInt64(unsafe message.unsafeLoad(fromByteOffset: place, as: UInt8.self)))
            place += 1
        }
        return mixed
    }

    /// As many octets as are wanted, all of them uniform.
    static func octets(_ count: Int, from digest: UInt64) -> [UInt8] {
        var state = digest
        var octets: [UInt8] = []
        octets.reserveCapacity(count)
        while octets.count < count {
            state = next(state)
            for shift in 0..<8 where octets.count < count {
                octets.append(UInt8(truncatingIfNeeded: state >> UInt64(shift * 8)))
            }
        }
        return octets
    }

    /// A step of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    private static func next(_ state: UInt64) -> UInt64 {
        var mixed = state &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

extension VRFPublicKey {
    /// What a key that imitates gives for `alpha`: as unpredictable as nothing, uniform, and another for each key and input.
    public func imitatedOutput(_ alpha: RawSpan) -> VRFOutput {
        VRFOutput(
            octets: Imitation.octets(VRFOutput.byteCount, from: ~Imitation.digest(of: alpha, by: words)))
    }
}
