import Chance
import Foundation
import Geo
import TestKit
import Testing

struct PlacementTests {
    /// A place some metres north and east of another, by the flat Earth of a neighbourhood.
    static func place(_ from: Position, metresNorth: Double, metresEast: Double) -> Position? {
        let degreesPerMetre = 180 / (.pi * DistanceTests.radiusMetres)
        let squeeze = cos(from.degreesNorth * .pi / 180)
        return Position(
            degreesNorth: from.degreesNorth + metresNorth * degreesPerMetre,
            degreesEast: from.degreesEast + metresEast * degreesPerMetre / squeeze)
    }

    @Test(arguments: Seed.all)
    func `a place lies in the cell that contains it, without any tolerance`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<200 {
            let place = chance.position()
            let cell = Cell(containing: place, resolution: chance.below(16))
            #expect(place.lies(in: cell, toleranceMetres: 0))
            #expect(cell.centre.lies(in: cell))
        }
    }

    @Test(arguments: Seed.all)
    func `a cell's middle lies in it, to the centimetre of a position`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<200 {
            let cell = chance.cell()
            #expect(Cell(containing: cell.centre, resolution: cell.resolution) == cell)
        }
    }

    @Test(arguments: Seed.all)
    func `twenty metres outside is the limit, in every direction`(seed: Seed) throws {
        var chance = seed.chance()
        for _ in 0..<50 {
            let centre = chance.position()
            guard abs(centre.latitude) < 800_000_000, abs(centre.longitude) < 1_790_000_000 else { continue }
            let cell = Cell(containing: centre, resolution: Cell.assertedResolution)
            // Straight out from the middle over each corner, where the corner is what is nearest.
            for corner in cell.outline {
                let middle = cell.centre
                let ways = cell.outline.map { middle.degreesEast - $0.degreesEast }
                #expect(ways.contains { $0 > 0 } && ways.contains { $0 < 0 })
                let north =
                    (corner.degreesNorth - middle.degreesNorth) * .pi / 180 * DistanceTests.radiusMetres
                let east =
                    (corner.degreesEast - middle.degreesEast) * .pi / 180 * DistanceTests.radiusMetres
                    * cos(corner.degreesNorth * .pi / 180)
                let length = (north * north + east * east).squareRoot()
                for (beyond, lies) in [(19.8, true), (20.2, false)] {
                    let place = try #require(
                        Self.place(
                            corner, metresNorth: north / length * beyond, metresEast: east / length * beyond))
                    #expect(place.lies(in: cell) == lies)
                    #expect(place.lies(in: cell, toleranceMetres: beyond + 0.2))
                }
            }
        }
    }

    @Test(arguments: ["90,0", "-90,12", "12.3,180", "12.3,-180", "-12.3,179.9999999"])
    func `poles and the antimeridian are places like others`(text: String) throws {
        let place = try #require(Position(text))
        for resolution in 0...Cell.resolutionMax {
            let cell = Cell(containing: place, resolution: resolution)
            #expect(place.lies(in: cell, toleranceMetres: 0))
            #expect(cell.gridDisk(radius: 1).filter { place.lies(in: $0, toleranceMetres: 0) }.contains(cell))
        }
        let cell = Cell(containing: place, resolution: 12)
        #expect(cell.gridDisk(radius: 1).allSatisfy { place.lies(in: $0) })
        #expect(!cell.gridDisk(radius: 6).allSatisfy { place.lies(in: $0) })
    }

    @Test func `a long straight edge of a coarse cell is its great circle`() throws {
        let cell = try #require(Cell("8c3f304e42e4bff")?.parent(at: 1))
        for (start, end) in zip(cell.outline, cell.outline.dropFirst()) {
            // The middle of the arc, which the middle of the coordinates is far from.
            let parts = [start, end].map { corner in
                let (north, east) = (corner.degreesNorth * .pi / 180, corner.degreesEast * .pi / 180)
                return [cos(north) * cos(east), cos(north) * sin(east), sin(north)]
            }
            let middle = zip(parts[0], parts[1]).map { $0 + $1 }
            let place = try #require(
                Position(
                    degreesNorth: atan2(middle[2], hypot(middle[0], middle[1])) * 180 / .pi,
                    degreesEast: atan2(middle[1], middle[0]) * 180 / .pi))
            #expect(place.lies(in: cell, toleranceMetres: 1))
        }
    }
}
