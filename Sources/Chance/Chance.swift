/// A seeded source of chance: equal seeds give equal draws, on every machine and toolchain.
///
/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014, with
/// the constants of Vigna's reference code). The bounded draw is ours and not the standard library's, whose
/// algorithm may change between releases and would then change the meaning of a recorded seed.
/// Not for secrets: those come from the system's entropy, in the runtime.
public struct Chance: Equatable, Sendable {
    @usableFromInline var state: UInt64

    public init(seed: UInt64) {
        state = seed
    }

    /// The next 64 bits.
    @inlinable
    public mutating func bits() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// An unbiased draw from `0..<bound`, by Lemire's multiplication with rejection (2019).
    @inlinable
    public mutating func below(_ bound: Int) -> Int {
        precondition(bound > 0)
        let bound = UInt64(bound)
        var product = bound.multipliedFullWidth(by: bits())
        if product.low < bound {
            // The 2^64 mod bound lowest values would make some results likelier than others.
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = bound.multipliedFullWidth(by: bits()) }
        }
        return Int(product.high)
    }

    /// True `numerator` times in `denominator`, on average.
    @inlinable
    public mutating func happens(_ numerator: Int, in denominator: Int) -> Bool {
        precondition(0 <= numerator && numerator <= denominator)
        return below(denominator) < numerator
    }

    /// A duration drawn evenly from `range`, to the nanosecond.
    @inlinable
    public mutating func duration(in range: ClosedRange<Duration>) -> Duration {
        let span = (range.upperBound - range.lowerBound).nanoseconds
        return range.lowerBound + .nanoseconds(below(Int(span) + 1))
    }

    /// Fisher–Yates.
    @inlinable
    public mutating func shuffle<Element>(_ elements: inout [Element]) {
        for place in stride(from: elements.count - 1, to: 0, by: -1) {
            elements.swapAt(place, below(place + 1))
        }
    }

    public mutating func octets(_ count: Int) -> [UInt8] {
        var octets: [UInt8] = []
        octets.reserveCapacity(count)
        while octets.count < count {
            var word = bits()
            for _ in 0..<Swift.min(8, count - octets.count) {
                octets.append(UInt8(truncatingIfNeeded: word))
                word >>= 8
            }
        }
        return octets
    }

    /// An independent stream, so that one part's draws never shift another's.
    public mutating func split() -> Chance {
        Chance(seed: bits())
    }
}
