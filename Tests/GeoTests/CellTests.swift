import Bytes
import Chance
import Geo
import TestKit
import Testing

struct CellTests {
    static func pentagon(at resolution: Int) throws -> Cell {
        let base = try #require(Cell("8009fffffffffff"))
        return try #require(base.children(at: resolution).first { $0.isPentagon })
    }

    @Test(arguments: Vectors.published.locations.keys.sorted())
    func `published locations are their cells`(name: String) throws {
        let location = try #require(Vectors.published.locations[name])
        let cell = try #require(Cell(location.h3_hex))
        #expect(String(cell.raw) == location.h3_u64)
        #expect(cell.description == location.h3_hex)
        #expect(cell.resolution == location.res)
        let position = try #require(
            Position(degreesNorth: location.latlng[0], degreesEast: location.latlng[1]))
        #expect(cell.centre == position)
        #expect(Cell(containing: position, resolution: location.res) == cell)
    }

    @Test(arguments: Vectors.of("distance") + Vectors.of("min_cell_distance"))
    func `published grid distances come out`(vector: Vectors.Case) throws {
        let (a, b) = try vector.cells()
        let near = try #require(a.parent(at: Cell.nearnessResolution))
        let far = try #require(b.parent(at: Cell.nearnessResolution))
        if let steps = vector.expected.grid_distance ?? vector.expected.grid_distance_r11 {
            #expect(near.gridDistance(to: far) == steps)
        }
        if let least = vector.input.min_cells {
            let steps = try #require(near.gridDistance(to: far))
            #expect((steps < least) == (vector.expected.verdict == "BelowMinDistance"))
        }
    }

    @Test(arguments: Seed.all)
    func `cells and positions survive their encoding`(seed: Seed) throws {
        var chance = seed.chance()
        for _ in 0..<100 {
            let cell = chance.cell()
            #expect(try Cell(decoding: cell.encoded()) == cell)
            #expect(cell.encoded().count == 8)
            #expect(Cell(cell.description) == cell)
            let position = chance.position()
            #expect(try Position(decoding: position.encoded()) == position)
            #expect(position.encoded().count == 8)
            #expect(Position(position.description) == position)
        }
    }

    @Test(arguments: Seed.all)
    func `changed bytes are refused or mean what they say`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<200 {
            var bytes = chance.cell().encoded()
            bytes.mutate(with: &chance)
            if let cell = try? Cell(decoding: bytes) { #expect(cell.encoded() == bytes) }
            bytes = chance.position().encoded()
            bytes.mutate(with: &chance)
            if let position = try? Position(decoding: bytes) { #expect(position.encoded() == bytes) }
        }
    }

    @Test(arguments: [
        0, UInt64.max,
        // Digits after the resolution's, a digit of seven, base cell 122, another mode, reserved bits.
        0x8c3f_304e_42e4_bfe, 0x08c3_f304_e42f_ffff, 0x08cf_5304_e42e_4bff, 0x10c3_f304_e42e_4bff,
        0x09c3_f304_e42e_4bff, 0x88c3_f304_e42e_4bff,
        // The direction that a pentagon lacks.
        0x0810_87ff_ffff_ffff,
    ])
    func `what is no cell is refused`(raw: UInt64) throws {
        #expect(Cell(raw) == nil)
        #expect(throws: DecodeError.unknown) { try Cell(decoding: raw.encoded()) }
        #expect(throws: DecodeError.truncated) { try Cell(decoding: Array(raw.encoded().dropLast())) }
    }

    @Test(arguments: [
        "", "8C3F304E42E4BFF", "+8c3f304e42e4bff", "08c3f304e42e4bff", "8c3f304e42e4bf", "hexagon",
    ])
    func `a second spelling of a cell is refused`(text: String) {
        #expect(Cell(text) == nil)
    }

    @Test(arguments: [
        (Int32(900_000_001), Int32(0)), (-900_000_001, 0), (0, 1_800_000_001), (0, -1_800_000_001),
        (.min, .max),
    ])
    func `places off the Earth are refused`(latitude: Int32, longitude: Int32) {
        #expect(Position(latitude: latitude, longitude: longitude) == nil)
        let bytes = latitude.encoded() + longitude.encoded()
        #expect(throws: DecodeError.unknown) { try Position(decoding: bytes) }
    }

    @Test(
        arguments: [
            ("51.5123155,-0.2919066", 515_123_155, -2_919_066), ("-0.0000001,0.0000001", -1, 1),
            ("-90,180", -900_000_000, 1_800_000_000), ("7.5,-007", 75_000_000, -70_000_000),
        ] as [(String, Int32, Int32)])
    func `positions are read as people write them`(text: String, latitude: Int32, longitude: Int32) {
        #expect(Position(text) == Position(latitude: latitude, longitude: longitude))
        #expect(Position(text) != nil)
    }

    @Test(arguments: [
        "", ",", "1", "1,2,3", "1.,2", ".1,2", "1.12345678,2", "91,0", "0,181", "--1,2", "+1,2", "1, 2",
        "1e1,2",
        "9999,0", "nan,0", "1.2.3,4",
    ])
    func `what is no position is refused`(text: String) {
        #expect(Position(text) == nil)
    }

    @Test func `degrees that are no place are refused`() {
        for degrees in [Double.nan, .infinity, 90.1, -90.1, 1e300] {
            #expect(Position(degreesNorth: degrees, degreesEast: 0) == nil)
        }
        #expect(Position(degreesNorth: 0, degreesEast: 180.1) == nil)
    }

    @Test(arguments: Seed.all)
    func `parents hold their children, and only they do`(seed: Seed) throws {
        var chance = seed.chance()
        for _ in 0..<20 {
            let cell = chance.cell()
            #expect(cell.parent(at: cell.resolution) == cell)
            #expect(cell.parent(at: cell.resolution + 1) == nil)
            #expect(cell.parent(at: -1) == nil)
            #expect(cell.region == (cell.resolution < 5 ? nil : cell.parent(at: 5)))
            guard cell.resolution < Cell.resolutionMax else { continue }
            let children = cell.children(at: cell.resolution + 1)
            #expect(children.count == (cell.isPentagon ? 6 : 7))
            #expect(children == children.sorted())
            #expect(Set(children).count == children.count)
            for child in children {
                #expect(child.resolution == cell.resolution + 1)
                #expect(child.parent(at: cell.resolution) == cell)
            }
        }
    }

    @Test(arguments: Seed.all)
    func `a disk is the cells within its radius`(seed: Seed) throws {
        var chance = seed.chance()
        // Of the finer resolutions, so that pentagons are far.
        let cell = Cell(containing: chance.position(), resolution: chance.number(in: 7...15))
        let wide = cell.gridDisk(radius: 6)
        #expect(wide.count == 127)
        for radius in 0...4 {
            let disk = cell.gridDisk(radius: radius)
            #expect(disk == wide.filter { cell.gridDistance(to: $0).map { $0 <= radius } ?? false })
            #expect(disk.count == 3 * radius * (radius + 1) + 1)
        }
        for neighbour in cell.gridDisk(radius: 1) {
            #expect(neighbour.gridDisk(radius: 1).contains(cell))
        }
    }

    @Test func `a pentagon has five neighbours`() throws {
        for resolution in 0...5 {
            let pentagon = try Self.pentagon(at: resolution)
            let disk = pentagon.gridDisk(radius: 1)
            #expect(disk.count == 6)
            #expect(disk == disk.sorted())
            #expect(disk.contains(pentagon))
            for neighbour in disk { #expect(neighbour.gridDisk(radius: 1).contains(pentagon)) }
        }
        #expect(try Self.pentagon(at: 5).gridDisk(radius: 2).count == 16)
        #expect(try !Self.pentagon(at: 5).gridDisk(radius: 1)[0].gridDisk(radius: 1).isEmpty)
    }

    @Test func `distances over half the world, between resolutions and across pentagons are undefined`()
        throws
    {
        let london = try #require(Cell("8f194adb428dc9d"))
        let malta = try #require(Cell("8c3f304e42e4bff"))
        #expect(london.gridDistance(to: malta) == nil)
        let tokyo = Cell(containing: try #require(Position("35.68,139.76")), resolution: 12)
        #expect(malta.gridDistance(to: tokyo) == nil)
        #expect(tokyo.gridDistance(to: malta) == nil)
        let around = try Self.pentagon(at: 3).gridDisk(radius: 5)
        let undefined = around.contains { a in around.contains { a.gridDistance(to: $0) == nil } }
        #expect(undefined)
    }

    @Test func `a distance is the same from both ends, near pentagons also`() throws {
        let around = try Self.pentagon(at: 3).gridDisk(radius: 6)
        for a in around {
            #expect(a.gridDistance(to: a) == 0)
            for b in around where a < b {
                let steps = a.gridDistance(to: b)
                if b.gridDistance(to: a) != steps { Issue.record("\(a) and \(b)") }
            }
        }
    }

    @Test func `order is that of the indices, coarser first`() throws {
        let cell = try #require(Cell("8c3f304e42e4bff"))
        let line = try (0...12).map { try #require(cell.parent(at: $0)) }
        #expect(line == line.sorted())
    }
}
