/// HIP-15's reward units of a beacon with `w` selected valid reports, in 1/10,000, half up.
///
/// The HIP's redundancy N = 4 and decay 0.8 = 4/5. As in the network's code and unlike the HIP's text, only
/// valid selected reports count.
public enum RewardUnits {
    /// Above it 5^(w − 4) would need more than 64 bits; a beacon has at most 14.
    public static let reportsMax = 20
    private static let redundancy: UInt64 = 4

    /// 0 for none, w/4 up to four, then 2 − 0.8^(w − 4).
    public static func beaconer(reports: Int) -> UInt32 {
        let (count, four, five) = terms(reports)
        if count <= redundancy { return rounded(count, redundancy) }
        return min(20_000, rounded(2 * five - four, five))
    }

    /// 1 up to four, then (4 − (1 − 0.8^(w − 4))) / w.
    public static func witness(reports: Int) -> UInt32 {
        let (count, four, five) = terms(reports)
        if count == 0 { return 0 }
        if count <= redundancy { return 10_000 }
        return rounded(3 * five + four, count * five)
    }

    /// Units times a hex scale, both in 1/10,000, half up.
    public static func scaled(_ units: UInt32, by scale: UInt32) -> UInt32 {
        rounded(UInt64(units) * UInt64(scale), 100_000_000)
    }

    private static func terms(_ reports: Int) -> (count: UInt64, four: UInt64, five: UInt64) {
        precondition(0...reportsMax ~= reports)
        var (four, five): (UInt64, UInt64) = (1, 1)
        for _ in 0..<max(0, reports - 4) { (four, five) = (four * 4, five * 5) }
        return (UInt64(reports), four, five)
    }

    private static func rounded(_ numerator: UInt64, _ denominator: UInt64) -> UInt32 {
        UInt32((numerator * 20_000 + denominator) / (2 * denominator))
    }
}
