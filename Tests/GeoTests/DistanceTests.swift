import Chance
import Foundation
import Geo
import TestKit
import Testing

struct DistanceTests {
    static let radiusMetres = 6_371_007.180918475

    /// The haversine formula as it stands in textbooks.
    static func haversine(_ a: Position, _ b: Position) -> Double {
        let (phi, psi) = (a.degreesNorth * .pi / 180, b.degreesNorth * .pi / 180)
        let eastward = (b.degreesEast - a.degreesEast) * .pi / 180
        let (half, turn) = (sin((psi - phi) / 2), sin(eastward / 2))
        let square = half * half + cos(phi) * cos(psi) * turn * turn
        return 2 * radiusMetres * asin(min(1, square.squareRoot()))
    }

    // A million pairs with the usual 32 seeds.
    @Test(arguments: Seed.all)
    func `the integer distance is the real one to within 60 centimetres`(seed: Seed) {
        var chance = seed.chance()
        var worst = 0.0
        var unequal = 0
        for _ in 0..<31_250 {
            let (a, b) = chance.pair()
            let metres = a.distanceMetres(to: b)
            if b.distanceMetres(to: a) != metres { unequal += 1 }
            // Near antipodes it is the arcsine of the model that errs, by some decimetres.
            let real = Self.haversine(a, b)
            let slack = real > 20_000_000 ? 0.4 : 0
            worst = max(worst, abs(Double(metres) - real) - slack)
        }
        #expect(worst <= 0.6)
        #expect(unequal == 0)
    }

    @Test(arguments: Seed.all)
    func `hotspots within reach of each other are as exact as the metre allows`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<2_000 {
            let a = chance.position()
            let north = Double(chance.number(in: -1_000_000...1_000_000)) / 1e6
            let east = Double(chance.number(in: -1_000_000...1_000_000)) / 1e6
            guard let b = Position(degreesNorth: a.degreesNorth + north, degreesEast: a.degreesEast + east)
            else { continue }
            #expect(abs(Double(a.distanceMetres(to: b)) - Self.haversine(a, b)) <= 0.55)
        }
    }

    @Test func `one place is no distance from itself, whatever its coordinates`() throws {
        let pole = try #require(Position("90,0"))
        #expect(pole.distanceMetres(to: try #require(Position("90,-123.4567891"))) == 0)
        let east = try #require(Position("12.5,180"))
        #expect(east.distanceMetres(to: try #require(Position("12.5,-180"))) == 0)
        #expect(east.distanceMetres(to: east) == 0)
    }

    @Test(arguments: [
        ("0,0", "0,180", 20_015_109), ("90,0", "-90,0", 20_015_109), ("45,30", "-45,-150", 20_015_109),
        ("0,0", "0,90", 10_007_555), ("0,0", "90,77", 10_007_555), ("0,179.9", "0,-179.9", 22_239),
        ("0,0", "0,0.0000045", 1), ("0,0", "0,0.0000044", 0),
    ])
    func `the ends of the Earth are where they should be`(a: String, b: String, metres: Int) throws {
        let (a, b) = (try #require(Position(a)), try #require(Position(b)))
        #expect(a.distanceMetres(to: b) == metres)
    }

    // Frozen: a node with other last digits would leave the chain.
    @Test func `the digits of the distances never change`() {
        var chance = Chance(seed: 8)
        var sum: UInt64 = 0
        for _ in 0..<200_000 {
            let (a, b) = chance.pair()
            sum = sum &* 6_364_136_223_846_793_005 &+ UInt64(a.distanceMetres(to: b))
        }
        #expect(sum == 5_148_727_311_553_607_270)
    }

    @Test(arguments: Vectors.of("distance") + Vectors.of("max_distance"))
    func `published distances come out`(vector: Vectors.Case) throws {
        let (a, b) = try vector.cells()
        let metres = a.centre.distanceMetres(to: b.centre)
        if let expected = vector.expected.distance_m { #expect(metres == expected) }
        if let limit = vector.input.limit_km {
            #expect((metres > limit * 1000) == (vector.expected.verdict == "MaxDistanceExceeded"))
        }
    }
}
