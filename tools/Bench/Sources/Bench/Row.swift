internal import Foundation

/// One line of the table.
struct Row: Encodable {
    let name: String
    /// Nanoseconds an operation of the C baseline; nil where there is none.
    var baseline: Double?
    /// Nanoseconds an operation of ours; nil where the row is no time.
    var ours: Double?
    /// What is compared with the reach.
    var measured: String
    var reach: String?
    var isReached: Bool?

    /// A time against a baseline; reached while the ratio is at most `most`.
    static func ratio(_ name: String, _ comparison: Comparison, most: Double? = nil) -> Row {
        Row(
            name: name, baseline: comparison.baseline, ours: comparison.ours,
            measured: String(format: "%.3f ×", comparison.ratio),
            reach: most.map { String(format: "≤ %.2f ×", $0) }, isReached: most.map { comparison.ratio <= $0 }
        )
    }

    /// A rate against a baseline's; reached while it is at least `least` of it.
    static func rate(_ name: String, _ comparison: Comparison, least: Double? = nil) -> Row {
        let share = 1 / comparison.ratio
        return Row(
            name: name, baseline: comparison.baseline, ours: comparison.ours,
            measured: String(format: "%.1f %% of its rate", share * 100),
            reach: least.map { String(format: "≥ %.0f %%", $0 * 100) }, isReached: least.map { share >= $0 })
    }

    /// A time alone.
    static func time(_ name: String, _ nanoseconds: Double, most: Double? = nil) -> Row {
        Row(
            name: name, ours: nanoseconds, measured: perSecond(nanoseconds),
            reach: most.map { "≤ " + spelled($0) }, isReached: most.map { nanoseconds <= $0 })
    }

    /// A number that is no time.
    static func number(_ name: String, _ value: Double, unit: String, most: Double? = nil) -> Row {
        Row(
            name: name, measured: String(format: "%.4g %@", value, unit),
            reach: most.map { String(format: "≤ %.4g %@", $0, unit) }, isReached: most.map { value <= $0 })
    }

    static func spelled(_ nanoseconds: Double) -> String {
        switch nanoseconds {
        case ..<1e4: String(format: "%.0f ns", nanoseconds)
        case ..<1e7: String(format: "%.1f µs", nanoseconds / 1e3)
        case ..<1e9: String(format: "%.1f ms", nanoseconds / 1e6)
        default: String(format: "%.2f s", nanoseconds / 1e9)
        }
    }

    private static func perSecond(_ nanoseconds: Double) -> String {
        nanoseconds < 1e6 ? String(format: "%.0f /s", 1e9 / nanoseconds) : spelled(nanoseconds)
    }
}

/// The rows as a Markdown table, and as JSON.
enum Markdown {
    static let head = "| what | C | ours | measured | reach | |\n| --- | ---: | ---: | ---: | ---: | --- |"

    static func line(_ row: Row) -> String {
        let times = [row.baseline, row.ours].map { $0.map(Row.spelled) ?? "" }
        let mark = row.isReached.map { $0 ? "reached" : "**missed**" } ?? ""
        let cells = [row.name] + times + [row.measured, row.reach ?? "", mark]
        return "| " + cells.joined(separator: " | ") + " |"
    }

    static func json(_ rows: [Row]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(rows), as: UTF8.self)
    }
}
