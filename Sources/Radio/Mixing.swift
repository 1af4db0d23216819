internal import Chance

/// Reproducible hashing for the ether and for deduplication: not for anything that an adversary gains by
/// breaking.
enum Mixing {
    /// One value from several, in order; the mixing steps are those of SplitMix64.
    static func hash(_ words: UInt64...) -> UInt64 {
        var state: UInt64 = 0
        for word in words {
            var chance = Chance(seed: state ^ word)
            state = chance.bits()
        }
        return state
    }

    static func hash(_ octets: [UInt8], seed: UInt64) -> UInt64 {
        var state = hash(seed, UInt64(octets.count))
        for start in stride(from: 0, to: octets.count, by: 8) {
            var word: UInt64 = 0
            for octet in octets[start..<min(start + 8, octets.count)] { word = word << 8 | UInt64(octet) }
            state = hash(state, word)
        }
        return state
    }

    /// A draw of mean 0 and variance 1: twelve uniform draws less six (Irwin–Hall).
    ///
    /// Sums of integers are the same on every machine, and the tails end at six sigma, so no draw is absurd.
    static func gaussian(_ seed: UInt64) -> Double {
        var chance = Chance(seed: seed)
        var sum = 0
        for _ in 0..<12 { sum += Int(chance.bits() >> 48) }
        return Double(sum - 6 * 65_536 + 6) / 65_536
    }
}
