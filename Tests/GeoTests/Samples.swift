import Chance
import Foundation
import Geo
import Testing

extension Chance {
    /// A whole number of `range`, evenly.
    mutating func number(in range: ClosedRange<Int>) -> Int {
        range.lowerBound + below(range.count)
    }

    /// Even in degrees, so that the poles get more than their share.
    mutating func position() -> Position {
        let latitude = number(in: -Int(Position.latitudeMax)...Int(Position.latitudeMax))
        let longitude = number(in: -Int(Position.longitudeMax)...Int(Position.longitudeMax))
        return place(latitude, longitude)
    }

    /// Anywhere, near each other, near antipodes, or at the poles and the antimeridian.
    mutating func pair() -> (Position, Position) {
        let first = position()
        switch below(4) {
        case 0:
            return (first, position())
        case 1:
            return (first, near(Int(first.latitude), Int(first.longitude)))
        case 2:
            let longitude = Int(first.longitude)
            let opposite = longitude > 0 ? longitude - 1_800_000_000 : longitude + 1_800_000_000
            return (first, near(-Int(first.latitude), opposite))
        default:
            let edges = [-1_800_000_000, 0, 900_000_000, 1_800_000_000]
            let latitudes = [-900_000_000, 0, 450_000_000, 900_000_000]
            return (
                near(latitudes[below(4)], edges[below(4)]), near(latitudes[below(4)], edges[below(4)])
            )
        }
    }

    /// Up to some distance away, which is as often of the order of millimetres as of kilometres.
    private mutating func near(_ latitude: Int, _ longitude: Int) -> Position {
        let reach = 1 << below(25)
        return place(latitude + number(in: -reach...reach), longitude + number(in: -reach...reach))
    }

    private func place(_ latitude: Int, _ longitude: Int) -> Position {
        let east = longitude > 1_800_000_000 ? longitude - 3_600_000_000 : longitude
        let wrapped = east < -1_800_000_000 ? east + 3_600_000_000 : east
        let clamped = min(max(latitude, -900_000_000), 900_000_000)
        return Position(latitude: Int32(clamped), longitude: Int32(wrapped))!
    }

    mutating func cell() -> Cell {
        Cell(containing: position(), resolution: below(Cell.resolutionMax + 1))
    }
}

/// The published cases on distances, path loss and the locations that they speak of.
struct Vectors: Decodable {
    struct Location: Decodable {
        let h3_u64: String
        let h3_hex: String
        let res: Int
        let latlng: [Double]
    }

    struct Case: Decodable {
        struct Input: Decodable {
            let a: String?
            let b: String?
            let beaconer: String?
            let witness: String?
            let limit_km: Int?
            let min_cells: Int?
            let freq_hz: UInt32?
            let distance_m: Int?
            let beacon_tx_power_dbm: Int16?
            let beaconer_gain_ddb: Int16?
            let witness_gain_ddb: Int16?
        }

        struct Expected: Decodable {
            let distance_m: Int?
            let grid_distance: Int?
            let grid_distance_r11: Int?
            let fspl_db: Double?
            let verdict: String?
            let max_plausible_rssi_dbm: Double?
        }

        let id: String
        let category: String
        let input: Input
        let expected: Expected
    }

    let locations: [String: Location]
    let vectors: [Case]

    static let published: Vectors = {
        let file = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Vectors/coverage.json")
        do {
            return try JSONDecoder().decode(Vectors.self, from: Data(contentsOf: file))
        } catch {
            fatalError("\(file.lastPathComponent): \(error)")
        }
    }()

    static func of(_ category: String) -> [Case] {
        published.vectors.filter { $0.category == category }
    }
}

extension Vectors.Case: CustomTestStringConvertible {
    var testDescription: String { id }

    /// The two cells of a case, whatever it calls them.
    func cells() throws -> (Cell, Cell) {
        let first = (input.a ?? input.beaconer).flatMap { UInt64($0) }.flatMap { Cell($0) }
        let second = (input.b ?? input.witness).flatMap { UInt64($0) }.flatMap { Cell($0) }
        return (try #require(first), try #require(second))
    }
}
