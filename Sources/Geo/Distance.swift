/// Great-circle distance in integers: the same metres on every machine, whatever its mathematics library.
///
/// With both places as vectors of the unit sphere, half the angle between them is
/// `atan(|a − b| / |a + b|)`. That is the haversine formula, whose `sin²(angle / 2)` is `|a − b|² / 4`, but
/// keeps its precision for antipodes also, where an arcsine or arccosine loses it.
///
/// Numbers are fixed-point, named by their binary places: `q31` stands for 2^31 times the value. Vectors have
/// 30 places, 6 mm on the ground, so that squared lengths (at most 4) fit in 64 bits with 60. Each operation
/// errs by one last place at most; together that is some centimetres, apart from rounding to the metre.
extension Position {
    /// The great-circle distance, to the metre, on a sphere of H3's mean radius: 6371.007180918475 km.
    ///
    /// Within 0.6 m of the real value for all pairs; the same in both directions; at most 20,015,109 m.
    public func distanceMetres(to other: Position) -> Int {
        let a = UnitVector(self)
        let b = UnitVector(other)
        let apart = UnitVector.squareRoot(a.squaredDistance(to: b))
        let together = UnitVector.squareRoot(a.squaredDistance(to: b.opposite))
        let halfAngle = FixedPoint.arctangent(apart, over: together)
        // At most π at 31 places by 2^29.6: below 2^63. Half of 2^38 rounds to nearest.
        return Int((2 * halfAngle * FixedPoint.radiusQ7 + 1 &<< 37) &>> 38)
    }
}

/// A place on the unit sphere, with 30 binary places.
private struct UnitVector {
    let x, y, z: Int64

    init(x: Int64, y: Int64, z: Int64) {
        (self.x, self.y, self.z) = (x, y, z)
    }

    init(_ position: Position) {
        let latitude = FixedPoint.sineAndCosine(Int64(position.latitude))
        let longitude = FixedPoint.sineAndCosine(Int64(position.longitude))
        x = Self.product(latitude.cosine, longitude.cosine)
        y = Self.product(latitude.cosine, longitude.sine)
        z = (latitude.sine + 1) &>> 1
    }

    /// Of two factors with 31 places, with 30, to nearest.
    private static func product(_ left: Int64, _ right: Int64) -> Int64 {
        (left * right + 1 &<< 31) &>> 32
    }

    var opposite: UnitVector { UnitVector(x: -x, y: -y, z: -z) }

    /// With 60 places: below 2^62 and a little, for the length is at most 2.
    func squaredDistance(to other: UnitVector) -> UInt64 {
        let (x, y, z) = (x - other.x, y - other.y, z - other.z)
        return UInt64(x * x + y * y + z * z)
    }

    /// Rounded down, by Newton's method from above.
    static func squareRoot(_ square: UInt64) -> Int64 {
        guard square > 0 else { return 0 }
        let bits = UInt64(64 - square.leadingZeroBitCount)
        var root: UInt64 = 1 &<< ((bits + 1) &>> 1)
        while true {
            let next = (root + square / root) &>> 1
            if next >= root { return Int64(root) }
            root = next
        }
    }
}

private enum FixedPoint {
    static let one: Int64 = 1 &<< 31
    static let halfPi: Int64 = 3_373_259_426
    static let quarterPi: Int64 = 1_686_629_713
    /// Radians in a ten-millionth of a degree, with 62 places: π / 1.8e9 × 2^62.
    static let radiansPerUnitQ62: Int64 = 8_048_910_509
    /// H3's mean Earth radius in metres, with 7 places: 6,371,007.180918475 × 2^7.
    static let radiusQ7: Int64 = 815_488_919

    static let rightAngle: Int64 = 900_000_000

    /// Of two factors with 31 places, with 31, to nearest.
    @inline(__always)
    static func times(_ left: Int64, _ right: Int64) -> Int64 {
        (left * right + 1 &<< 30) &>> 31
    }

    /// Both with 31 places; the angle in ten-millionths of a degree, within ±180°.
    static func sineAndCosine(_ angle: Int64) -> (sine: Int64, cosine: Int64) {
        // Mirrored at the axes into the first quadrant, and there at its diagonal into 0…45°.
        var rest = angle < 0 ? -angle : angle
        let behind = rest > rightAngle
        if behind { rest = 2 * rightAngle - rest }
        let steep = rest > rightAngle / 2
        if steep { rest = rightAngle - rest }
        let radians = (rest * radiansPerUnitQ62 + 1 &<< 30) &>> 31
        let square = times(radians, radians)
        let (low, high) = (sine(radians, square), cosine(square))
        let sine = steep ? high : low
        let cosine = steep ? low : high
        return (angle < 0 ? -sine : sine, behind ? -cosine : cosine)
    }

    /// Taylor's series up to x^11, for x up to π/4: what is left out is below 2^-37.
    @inline(__always)
    private static func sine(_ x: Int64, _ square: Int64) -> Int64 {
        var sum = one - square / 110
        sum = one - times(square, sum) / 72
        sum = one - times(square, sum) / 42
        sum = one - times(square, sum) / 20
        sum = one - times(square, sum) / 6
        return times(x, sum)
    }

    /// Taylor's series up to x^12, for x up to π/4: what is left out is below 2^-41.
    @inline(__always)
    private static func cosine(_ square: Int64) -> Int64 {
        var sum = one - square / 132
        sum = one - times(square, sum) / 90
        sum = one - times(square, sum) / 56
        sum = one - times(square, sum) / 30
        sum = one - times(square, sum) / 12
        return one - times(square, sum) / 2
    }

    /// The angle whose tangent is `height / width`, 0 to π/2, with 31 places. Both below 2^32, not both zero.
    static func arctangent(_ height: Int64, over width: Int64) -> Int64 {
        // Mirrored at the diagonal into 0…45°, then turned by 45° where above 22.5° (12/29 is near its
        // tangent), so that the series' argument stays below 0.415.
        let steep = height > width
        let (low, high) = steep ? (width, height) : (height, width)
        var angle: Int64
        if low * 29 > high * 12 {
            angle = quarterPi - arctangentSeries(((high - low) &<< 31) / (high + low))
        } else {
            angle = arctangentSeries((low &<< 31) / high)
        }
        if steep { angle = halfPi - angle }
        return angle
    }

    /// Gregory's series up to x^21, for x up to 0.415: what is left out is below 2^-33.
    @inline(__always)
    private static func arctangentSeries(_ x: Int64) -> Int64 {
        let square = times(x, x)
        var sum = one / 19 - square / 21
        sum = one / 17 - times(square, sum)
        sum = one / 15 - times(square, sum)
        sum = one / 13 - times(square, sum)
        sum = one / 11 - times(square, sum)
        sum = one / 9 - times(square, sum)
        sum = one / 7 - times(square, sum)
        sum = one / 5 - times(square, sum)
        sum = one / 3 - times(square, sum)
        sum = one - times(square, sum)
        return times(x, sum)
    }
}
