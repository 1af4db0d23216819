/// The arithmetic of `Duration` in machine words.
///
/// The standard library's is generic over the integer and compiled in its own binary, where nothing specialises it: each
/// `.seconds(1)` and each `* 2` goes through the witness tables of its 128-bit integer, and all of them together were a
/// quarter of a small simulation. These say the same and win the overload wherever this module is imported. Exact:
/// a quotient is truncated toward zero to whole attoseconds, what does not fit traps, as there.
extension Duration {
    @inlinable
    public static func nanoseconds(_ count: Int) -> Duration { .nanoseconds(Int64(count)) }

    @inlinable
    public static func nanoseconds(_ count: Int64) -> Duration {
        Duration(attoseconds: Int128(count) * 1_000_000_000)
    }

    @inlinable
    public static func microseconds(_ count: Int) -> Duration {
        Duration(attoseconds: Int128(count) * 1_000_000_000_000)
    }

    @inlinable
    public static func milliseconds(_ count: Int) -> Duration {
        Duration(attoseconds: Int128(count) * 1_000_000_000_000_000)
    }

    @inlinable
    public static func seconds(_ count: Int) -> Duration {
        Duration(attoseconds: Int128(count) * 1_000_000_000_000_000_000)
    }

    @inlinable
    public static func * (duration: Duration, factor: Int) -> Duration {
        Duration(attoseconds: duration.attoseconds * Int128(factor))
    }

    @inlinable
    public static func / (duration: Duration, divisor: Int) -> Duration {
        Duration(attoseconds: duration.attoseconds / Int128(divisor))
    }

    /// Whole nanoseconds, saturating at ±292 years.
    @inlinable
    public var nanoseconds: Int64 {
        // Below nine seconds one word holds it, and a division of words is far cheaper.
        if let word = Int64(exactly: attoseconds) { return word / 1_000_000_000 }
        let count = attoseconds / 1_000_000_000
        if let word = Int64(exactly: count) { return word }
        return count < 0 ? .min : .max
    }

    @inlinable
    public var milliseconds: Int64 { nanoseconds / 1_000_000 }
}
