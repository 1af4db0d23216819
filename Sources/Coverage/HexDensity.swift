public import Geo
public import Wire

/// How crowded the hotspots around a cell are, as a factor on rewards (HIP-17 with HIP-104's table).
///
/// Hotspots are counted per resolution-11 cell. From the finest row of the table to the coarsest, a cell's
/// unclipped count is the sum of its children's clipped counts; it is clipped to
/// `min(max, target × max(occupied − N + 1, 1))`, where `occupied` is how many cells of its 1-ring (itself
/// included) have an unclipped count of at least `target`. The scale is the product of clipped / unclipped
/// over the ancestors, half up to four decimals from the exact fraction.
public struct HexDensity {
    public static let baseResolution = 11
    /// 1.0000.
    public static let one: UInt32 = 10_000

    private struct Level {
        let row: DensityRow
        var unclipped: [Cell: Int] = [:]
        var clipped: [Cell: Int] = [:]
    }

    /// The finest resolution first.
    private var levels: [Level] = []

    /// The cells of the hotspots that count, in any order, of resolution 11 or finer; `table` ascends.
    public init(hotspots: [Cell], table: [DensityRow]) {
        var counts: [(cell: Cell, count: Int)] = []
        for cell in hotspots.map({ Self.ancestor(of: $0, at: Self.baseResolution) }).sorted() {
            if counts.last?.cell == cell {
                counts[counts.count - 1].count += 1
            } else {
                counts.append((cell, 1))
            }
        }
        for row in table.reversed() {
            // Cells ascend, and so those of one parent stand together and parents ascend in turn.
            var parents: [(cell: Cell, count: Int)] = []
            for (cell, count) in counts {
                let parent = Self.ancestor(of: cell, at: Int(row.resolution))
                if parents.last?.cell == parent {
                    parents[parents.count - 1].count += count
                } else {
                    parents.append((parent, count))
                }
            }
            var level = Level(row: row)
            level.unclipped.reserveCapacity(parents.count)
            level.clipped.reserveCapacity(parents.count)
            for (cell, count) in parents { level.unclipped[cell] = count }
            counts.removeAll(keepingCapacity: true)
            for (cell, _) in parents {
                let count = Self.clip(cell, level, extra: 0)
                level.clipped[cell] = count
                counts.append((cell, count))
            }
            levels.append(level)
        }
    }

    /// The factor in 1/10,000 for a hotspot in `cell`.
    ///
    /// One that is not among those counted (in a network's first epochs nobody is) is added for the
    /// question, on its own line of ancestors only, so that the factor is defined and at most 1.
    public func scale(of cell: Cell, isCounted: Bool) -> UInt32 {
        var extra = isCounted ? 0 : 1
        var numerator: UInt128 = 1
        var denominator: UInt128 = 1
        for level in levels {
            let parent = Self.ancestor(of: cell, at: Int(level.row.resolution))
            let unclipped = (level.unclipped[parent] ?? 0) + extra
            let clipped = Self.clip(parent, level, extra: extra)
            guard unclipped > 0 else { continue }
            extra = clipped - (level.clipped[parent] ?? 0)
            let divisor = Self.divisor(UInt128(clipped), UInt128(unclipped))
            numerator *= UInt128(clipped) / divisor
            denominator *= UInt128(unclipped) / divisor
            let common = Self.divisor(numerator, denominator)
            numerator /= common
            denominator /= common
            // Room for a factor of 2^32 and the decimals. The standard table stays below 2^60 and exact.
            while denominator >= 1 << 80 {
                numerator >>= 1
                denominator >>= 1
            }
        }
        return UInt32((numerator * 20_000 + denominator) / (2 * denominator))
    }

    /// The most that a cell counts for when `occupied` cells of its 1-ring have reached the target.
    public static func limit(_ row: DensityRow, occupied: Int) -> Int {
        min(Int(row.max), Int(row.target) * max(occupied - Int(row.neighbours) + 1, 1))
    }

    private static func clip(_ cell: Cell, _ level: Level, extra: Int) -> Int {
        let count = (level.unclipped[cell] ?? 0) + extra
        let row = level.row
        // The limit is never below the target: no need to look around.
        if count <= Int(row.target) { return count }
        if row.target == row.max { return Int(row.max) }
        var occupied = 0
        for neighbour in cell.gridDisk(radius: 1) {
            let other = (level.unclipped[neighbour] ?? 0) + (neighbour == cell ? extra : 0)
            if other >= Int(row.target) { occupied += 1 }
        }
        return min(count, limit(row, occupied: occupied))
    }

    private static func ancestor(of cell: Cell, at resolution: Int) -> Cell {
        guard let parent = cell.parent(at: resolution) else {
            preconditionFailure("a counted cell is at least as fine as the table")
        }
        return parent
    }

    private static func divisor(_ left: UInt128, _ right: UInt128) -> UInt128 {
        var (left, right) = (left, right)
        while right > 0 { (left, right) = (right, left % right) }
        return max(left, 1)
    }
}
