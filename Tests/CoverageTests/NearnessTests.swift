import Chance
import Geo
import TestKit
import Testing

@testable import Coverage

enum Grid {
    /// A pentagon of resolution 11: the middle of one of the twelve of resolution 0.
    static let pentagon: Cell = {
        let base = (0..<122).lazy.compactMap { Cell(0x8001_FFFF_FFFF_FFF | UInt64($0) << 45) }
            .first { $0.isPentagon }!
        return (1...11).reduce(base) { cell, resolution in
            cell.children(at: resolution).first { $0.isPentagon }!
        }
    }()
}

struct NearnessTests {
    private static func check(_ a: Cell, _ b: Cell, _ landmarks: inout [Cell: Cell]) -> Nearness.Relation {
        let (one, two) = (Nearness(of: a, &landmarks), Nearness(of: b, &landmarks))
        let relation = one.relation(to: two, stepsMin: 8)
        let walked = a.parent(at: 11)!.gridDistance(to: b.parent(at: 11)!)
        let expected: Nearness.Relation = walked.map { $0 < 8 ? .near : .far } ?? .undefined
        if relation != expected { Issue.record("\(a) and \(b): \(relation), walked \(expected)") }
        return relation
    }

    @Test(arguments: Seed.all)
    func `the landmark never says other than the walk through the grid`(seed: Seed) {
        var chance = seed.chance()
        var landmarks: [Cell: Cell] = [:]
        for _ in 0..<200 {
            let north = Int32(chance.below(1_700_000_000)) - 850_000_000
            let east = Int32(chance.below(3_500_000_000) - 1_750_000_000)
            // From a few metres to some two hundred kilometres.
            let reach = 1 << (5 + chance.below(20))
            func near() -> Cell {
                Cell(
                    containing: Position(
                        latitude: north + Int32(chance.below(reach)),
                        longitude: east + Int32(chance.below(reach)))!, resolution: 12)
            }
            _ = Self.check(near(), near(), &landmarks)
        }
    }

    @Test(arguments: Seed.all)
    func `around a pentagon also, where distances may be undefined`(seed: Seed) {
        var chance = seed.chance()
        var landmarks: [Cell: Cell] = [:]
        let disk = Grid.pentagon.gridDisk(radius: 40)
        var seen: Set<Nearness.Relation> = []
        for _ in 0..<200 {
            let a = disk[chance.below(disk.count)].children(at: 12)[0]
            let b = disk[chance.below(disk.count)].children(at: 12)[0]
            seen.insert(Self.check(a, b, &landmarks))
        }
        #expect(seen.isSuperset(of: [.undefined, .far]))
    }

    @Test(arguments: Seed.all)
    func `and where two base cells meet`(seed: Seed) {
        var chance = seed.chance()
        var landmarks: [Cell: Cell] = [:]
        let bases = (0..<122).compactMap { Cell(0x8001_FFFF_FFFF_FFF | UInt64($0) << 45) }
        let corners = bases[chance.below(bases.count)].outline
        let corner = corners[chance.below(corners.count)]
        for _ in 0..<100 {
            func near() -> Cell {
                let latitude = max(-899_000_000, min(899_000_000, corner.latitude))
                let longitude = max(-1_790_000_000, min(1_790_000_000, corner.longitude))
                return Cell(
                    containing: Position(
                        latitude: latitude + Int32(chance.below(20_000)) - 10_000,
                        longitude: longitude + Int32(chance.below(20_000)) - 10_000)!, resolution: 12)
            }
            _ = Self.check(near(), near(), &landmarks)
        }
    }
}
