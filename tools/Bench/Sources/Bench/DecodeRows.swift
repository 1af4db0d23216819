internal import Baseline
internal import Bytes
internal import Wire

/// What it costs to read a bundle of twenty reports.
enum DecodeRows {
    static func measure() -> [Row] {
        let bundles = Evidence(authors: 64).bundles
        let encodings = bundles.map { $0.encoded() }
        func decodeAll() {
            for encoding in encodings {
                guard let bundle = try? Bundle(decoding: encoding) else { fatalError("a bundle of our own") }
                keep(bundle.reports.count)
            }
        }
        let decode = best(rounds: 50, operations: encodings.count * 20) {
            for _ in 0..<20 { decodeAll() }
        }
        let before = baseline_allocations()
        decodeAll()
        let allocations = Double(baseline_allocations() - before) / Double(encodings.count)
        let encode = best(rounds: 50, operations: encodings.count * 20) {
            for _ in 0..<20 { for bundle in bundles { keep(bundle.encoded().count) } }
        }
        return [
            .time("decode a bundle of 20 reports", decode, most: 1_000),
            // The value's own: the storage that all its copies share, and the list of reports.
            .number("allocations of that decode", allocations, unit: "a bundle", most: 2),
            .time("encode a bundle of 20 reports", encode),
        ]
    }
}
