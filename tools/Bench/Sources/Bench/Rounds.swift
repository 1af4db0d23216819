internal import Baseline

/// Time of two ways of doing the same, measured in turns so that a disturbance meets both.
struct Comparison {
    /// Nanoseconds of the best round, per operation.
    let baseline: Double
    let ours: Double
    /// Median over the rounds of ours / baseline.
    let ratio: Double

    /// Runs both `rounds` times, first the one and then the other by turns, after one round that is not counted.
    init(
        rounds: Int, operations: Int, clock: () -> Int64 = baseline_cpu, baseline: () throws -> Void,
        ours: () throws -> Void
    ) rethrows {
        try baseline()
        try ours()
        var pairs: [(baseline: Int64, ours: Int64)] = []
        for round in 0..<rounds {
            if round.isMultiple(of: 2) {
                let first = try time(clock, baseline)
                pairs.append((first, try time(clock, ours)))
            } else {
                let first = try time(clock, ours)
                pairs.append((try time(clock, baseline), first))
            }
        }
        self.baseline = Double(pairs.map(\.baseline).min()!) / Double(operations)
        self.ours = Double(pairs.map(\.ours).min()!) / Double(operations)
        ratio = pairs.map { Double($0.ours) / Double($0.baseline) }.sorted()[pairs.count / 2]
    }
}

/// Nanoseconds that `body` takes by `clock`.
func time(_ clock: () -> Int64, _ body: () throws -> Void) rethrows -> Int64 {
    let start = clock()
    try body()
    return clock() - start
}

/// Nanoseconds of processor time of the best round, per operation.
func best(rounds: Int, operations: Int, _ body: () throws -> Void) rethrows -> Double {
    try body()
    var best = Int64.max
    for _ in 0..<rounds { best = min(best, try time(baseline_cpu, body)) }
    return Double(best) / Double(operations)
}

/// Keeps the optimiser from leaving out what nobody looks at.
@inline(never) @_optimize(none)
func keep<Value>(_ value: Value) {}
