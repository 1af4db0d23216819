internal import Baseline
internal import Bytes
internal import Chance
internal import Store

/// LMDB through `Store` against a loop in C: same records, tables, flags, disk and core.
enum StoreRows {
    static let keyCount = 32
    static let valueCount = 800
    static let recordsMax = 40_000

    static func measure(in directory: String) throws -> [Row] {
        var chance = Chance(seed: 2)
        let keys = chance.octets(recordsMax * keyCount)
        let values = chance.octets(recordsMax * valueCount)
        let places = (0..<10_000).map { _ in UInt32(chance.below(20_000)) }
        var options = Store.Options()
        options.mapByteCount = 1 << 30
        let store = try Store(at: directory + "/ours", options: options, format: 1, tables: ["records"])
        // The second table stands for the one in which `Store` keeps its format.
        let baseline = unsafe baseline_store_open(directory + "/baseline", 1 << 30, 2)
        guard let baseline = unsafe baseline else { fatalError("LMDB does not open") }
        defer { unsafe baseline_store_close(baseline) }

        return try unsafe keys.withUnsafeBufferPointer { keys in
            try unsafe values.withUnsafeBufferPointer { values in
                var records = unsafe baseline_records(
                    keys: keys.baseAddress!, key_count: keyCount, values: values.baseAddress!,
                    value_count: valueCount)
                let ours = unsafe Ours(
                    store: store, table: store.table("records"),
                    keys: UnsafeRawBufferPointer(keys), values: UnsafeRawBufferPointer(values))
                func put(_ name: String, rounds: Int, count: Int, group: Int, isWall: Bool, most: Double?)
                    throws
                    -> Row
                {
                    var (theirNext, ourNext) = (0, 0)
                    let comparison = try Comparison(
                        rounds: rounds, operations: count, clock: isWall ? baseline_wall : baseline_cpu,
                        baseline: {
                            let code = unsafe baseline_store_put(baseline, &records, theirNext, count, group)
                            precondition(code == 0)
                            theirNext = (theirNext + count) % recordsMax
                        },
                        ours: {
                            try unsafe ours.put(first: ourNext, count: count, group: group)
                            ourNext = (ourNext + count) % recordsMax
                        })
                    return .ratio(name, comparison, most: most)
                }
                func get(_ name: String, group: Int) throws -> Row {
                    var (theirs, mine): (UInt64, UInt64) = (0, 0)
                    let comparison = try Comparison(
                        rounds: 41, operations: places.count,
                        baseline: {
                            let code = unsafe baseline_store_get(
                                baseline, &records, places, places.count, group, &theirs)
                            precondition(code == 0)
                        },
                        ours: { try unsafe ours.get(places, group: group, sum: &mine) })
                    precondition(theirs == mine, "the two read different records")
                    return .ratio(name, comparison, most: 1.15)
                }
                return [
                    try put(
                        "LMDB put, 1,000 a commit, processor", rounds: 39, count: 1_000, group: 1_000,
                        isWall: false,
                        most: 1.15),
                    try put(
                        "LMDB put, 1,000 a commit, wall", rounds: 39, count: 1_000, group: 1_000,
                        isWall: true,
                        most: nil),
                    try put(
                        "LMDB put, one a commit, processor", rounds: 31, count: 20, group: 1, isWall: false,
                        most: 1.15),
                    try put(
                        "LMDB put, one a commit, wall", rounds: 31, count: 20, group: 1, isWall: true,
                        most: nil),
                    try get("LMDB get, 1,000 a snapshot", group: 1_000),
                    try get("LMDB get, one a snapshot", group: 1),
                ]
            }
        }
    }

    @unsafe private struct Ours {
        let store: Store
        let table: Table
        let keys: UnsafeRawBufferPointer
        let values: UnsafeRawBufferPointer

        func put(first: Int, count: Int, group: Int) throws(StoreError) {
            for start in stride(from: first, to: first + count, by: group) {
                try unsafe store.write { transaction throws(StoreError) in
                    for index in start..<(start + group) {
                        let value = unsafe UnsafeRawBufferPointer(rebasing: values[valuesAt(index)])
                        try unsafe transaction.put(
                            RawSpan(_unsafeBytes: value), for: RawSpan(_unsafeBytes: key(index)), in: table)
                    }
                }
            }
        }

        func get(_ places: [UInt32], group: Int, sum: inout UInt64) throws(StoreError) {
            for start in stride(from: 0, to: places.count, by: group) {
                sum += try unsafe store.read { transaction throws(StoreError) -> UInt64 in
                    var sum: UInt64 = 0
                    for index in start..<(start + group) {
                        let key = unsafe RawSpan(_unsafeBytes: key(Int(places[index])))
                        guard let value = try unsafe transaction.value(of: key, in: table) else {
                            fatalError()
                        }
                        sum += unsafe UInt64(value.unsafeLoad(as: UInt8.self))
                    }
                    return sum
                }
            }
        }

        private func key(_ index: Int) -> UnsafeRawBufferPointer {
            unsafe UnsafeRawBufferPointer(rebasing: keys[(index * keyCount)..<(index * keyCount + keyCount)])
        }

        private func valuesAt(_ index: Int) -> Range<Int> {
            (index * valueCount)..<(index * valueCount + valueCount)
        }
    }
}
