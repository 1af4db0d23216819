import Chance

/// For how long somebody is left alone who does not answer or lies: 2 s, 4 s, … 5 min, half of it jitter.
struct Pause {
    private static let least: Duration = .seconds(2)
    private static let most: Duration = .seconds(300)
    private static let failuresMax = 16

    /// Since it was last believed.
    private(set) var failures = 0
    var until: Instant = .origin

    mutating func failed(at now: Instant, _ chance: inout Chance) {
        failures = min(failures + 1, Self.failuresMax)
        let pause = min(Self.least * (1 << (failures - 1)), Self.most)
        until = now + pause / 2 + chance.duration(in: .zero...(pause / 2))
    }
}
