import Coverage
import Foundation
import Geo
import TestKit
import Testing
import Wire

struct UnitTests {
    static func vectors(_ category: String) throws -> [[String: Any]] {
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "Vectors/coverage.json")
        let root = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any]
        let all = root?["vectors"] as? [[String: Any]] ?? []
        return all.filter { $0["category"] as? String == category }
    }

    static func fixed(_ text: String) -> UInt32 {
        let parts = text.split(separator: ".")
        let decimals = parts.count > 1 ? String(parts[1]) : ""
        return UInt32(parts[0])! * 10_000 + UInt32(
            decimals + String(repeating: "0", count: 4 - decimals.count))!
    }

    @Test func `reward units are those of HIP-15`() throws {
        let vectors = try Self.vectors("hip15_reward_units")
        #expect(!vectors.isEmpty)
        for vector in vectors {
            let input = try #require(vector["input"] as? [String: Any])
            let expected = try #require(vector["expected"] as? [String: String])
            let count = try #require(input["valid_selected_witnesses"] as? Int)
            #expect(RewardUnits.beaconer(reports: count) == Self.fixed(expected["beaconer_unit"]!))
            #expect(RewardUnits.witness(reports: count) == Self.fixed(expected["per_witness_unit"]!))
        }
    }

    @Test func `the limit of a cell is that of HIP-17`() throws {
        for vector in try Self.vectors("hip17_limit") {
            let input = try #require(vector["input"] as? [String: Int])
            let expected = try #require(vector["expected"] as? [String: Int])
            let row = DensityRow(
                resolution: 8, neighbours: UInt32(input["N"]!), target: UInt32(input["target"]!),
                max: UInt32(input["max"]!))
            #expect(HexDensity.limit(row, occupied: input["occupied_count"]!) == expected["limit"])
        }
        for vector in try Self.vectors("hip104_limit") {
            let input = try #require(vector["input"] as? [String: Int])
            let row = DensityRow.standard.first { Int($0.resolution) == input["res"] }!
            let expected = try #require(vector["expected"] as? [String: [Int]])
            #expect((0...7).map { HexDensity.limit(row, occupied: $0) } == expected.values.first)
        }
    }

    @Test(arguments: ["hip104_hex_scale", "hip17_hex_scale"])
    func `hex scales are the published ones`(category: String) throws {
        let live = try #require(
            Self.vectors("hip104_hex_scale").first { ($0["id"] as! String).hasSuffix("2022_10_14") })
        let asserted = (live["input"] as? [String: Any])?["asserted_h3_r12"] as? [String]
        for vector in try Self.vectors(category) {
            let input = try #require(vector["input"] as? [String: Any])
            let names = try #require(input["asserted_h3_r12"] as? [String] ?? asserted)
            var table = DensityRow.standard
            if let rows = input["config_res_N_target_max"] as? [String: [Int]] {
                table = (4...10).map { resolution in
                    let row = rows["\(resolution)"]!.map { UInt32($0) }
                    return DensityRow(
                        resolution: UInt8(resolution), neighbours: row[0], target: row[1], max: row[2])
                }
            }
            let cells = names.map { Cell(UInt64($0)!)! }
            let density = HexDensity(hotspots: cells, table: table)
            let expected = try #require((vector["expected"] as? [String: [String: String]])?["scale_by_hex"])
            for (cell, scale) in expected {
                #expect(density.scale(of: Cell(UInt64(cell)!)!, isCounted: true) == Self.fixed(scale))
            }
        }
    }
}
