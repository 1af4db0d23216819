/// Δ as this node finds it: how long a message takes, at most, among these validators.
///
/// A proposal goes there and its votes come back, so half of that time is a message's, with the evaluation in
/// between, which only makes Δ more patient. A quarter of the way to the newest measure, once an epoch that
/// this node led: outliers pass. It differs from node to node; only timers read it, never a rule of safety.
struct Pace: Sendable {
    /// Times the configured Δ. Beyond it a network is broken, not slow, and views grow longer by themselves.
    static let growthMax = 8

    /// The configured Δ: measures on an idle network must not make a node impatient.
    let floor: Duration
    private(set) var delta: Duration

    init(floor: Duration) {
        self.floor = floor
        delta = floor
    }

    mutating func observe(roundTrip: Duration) {
        let half = min(roundTrip / 2, floor * Self.growthMax)
        delta = min(max((delta * 3 + half) / 4, floor), floor * Self.growthMax)
    }
}
