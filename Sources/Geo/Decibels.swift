/// Decibels in hundredths, as integers: powers (dBm), gains (dBi) and losses (dB) that are only added and
/// compared, and so agreed to the last digit by every node.
///
/// Held as plain `Int32` where a message carries them; the names say `Hundredths`.
public enum Decibels {
    /// From whole decibels, as regional limits and packet forwarders give them.
    public static func hundredths(whole: Int16) -> Int32 { Int32(whole) * 100 }

    /// From tenths, as antenna gains are asserted.
    public static func hundredths(tenths: Int16) -> Int32 { Int32(tenths) * 10 }

    /// The loss between isotropic antennas in free space, `20 log10(4π d f / c)`, in 0.01 dB, to nearest.
    ///
    /// Within 0.01 dB of the real value. Less than one metre counts as one, and less than one hertz as one:
    /// the formula has no value there. Negative (a gain, which no antenna sees) where `d f` is below c / 4π.
    public static func freeSpacePathLoss(metres: Int, frequencyHz: UInt32) -> Int32 {
        precondition(0...Int(UInt32.max) ~= metres)
        let product = UInt64(max(metres, 1)) * UInt64(max(frequencyHz, 1))
        // Below 2^60 and 2^58: their sum fits. Half of 2^44 rounds to nearest.
        let loss = log2Q24(product) * hundredthsPerDoublingQ20 + constantQ44
        return Int32((loss + 1 &<< 43) &>> 44)
    }

    /// 2000 log10(2), with 20 binary places.
    private static let hundredthsPerDoublingQ20: Int64 = 631_305_657
    /// 2000 log10(4π / 299,792,458), with 44 binary places.
    private static let constantQ44: Int64 = -259_576_604_882_662_768

    /// The binary logarithm with 24 binary places, rounded down; of 1 or more.
    ///
    /// Squaring a number doubles its logarithm, so that each squaring yields one bit of it.
    static func log2Q24(_ number: UInt64) -> Int64 {
        let shift = UInt64(number.leadingZeroBitCount)
        var logarithm = 63 - Int64(shift)
        // 1 or more and below 2, with 63 places.
        var mantissa = number &<< shift
        var places = 24
        while places > 0 {
            // With 62 places, below 4.
            let square = mantissa.multipliedFullWidth(by: mantissa).high
            let doubled = square &>> 63
            logarithm = logarithm &<< 1 + Int64(doubled)
            mantissa = square &<< (1 - doubled)
            places -= 1
        }
        return logarithm
    }
}
