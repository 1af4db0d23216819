public import Records

/// How long bundles take from the first node that has them, mostly their author, to each other; by the nodes' own clocks.
///
/// In a testnet all of them are one machine's clock. Nodes say once a second when their last bundles came, so that whoever
/// reads that as often misses none.
public struct TestnetSpread {
    /// How long after its first arrival a bundle may come anywhere else and count, in microseconds.
    static let patience: UInt64 = 30_000_000
    /// Bundles under way, and arrivals counted.
    static let bundlesMax = 1 << 16
    static let delaysMax = 1 << 20

    private struct Journey {
        var first: UInt64
        /// At nodes that take every bundle.
        var others: [UInt64] = []
    }

    private var journeys: [UInt64: Journey] = [:]
    /// The newest arrival that each node has told of.
    private var told: [String: UInt64] = [:]
    private var newest: UInt64 = 0
    /// Of journeys that are over, in microseconds.
    private var delays: [UInt64] = []

    public init() {}

    /// What a node says now; what it said before counts once. An edge node may be where a bundle begins, and takes only those
    /// of its neighbourhood.
    public mutating func note(_ arrivals: [LiveStatus.Arrival], of name: String, isEdge: Bool) {
        let before = told[name] ?? 0
        for arrival in arrivals where arrival.at > before {
            guard journeys.count < Self.bundlesMax || journeys[arrival.bundle] != nil else { continue }
            var journey = journeys[arrival.bundle] ?? Journey(first: arrival.at)
            if arrival.at < journey.first { journey.first = arrival.at }
            if !isEdge { journey.others.append(arrival.at) }
            journeys[arrival.bundle] = journey
            newest = max(newest, arrival.at)
        }
        told[name] = max(before, arrivals.last?.at ?? 0)
        let over = journeys.filter { $0.value.first + Self.patience < newest }
        for (bundle, journey) in over {
            journeys[bundle] = nil
            delays += Self.delays(of: journey).prefix(Self.delaysMax - delays.count)
        }
    }

    /// But for the one that was first.
    private static func delays(of journey: Journey) -> [UInt64] {
        var delays = journey.others.map { $0 - journey.first }
        if let origin = delays.firstIndex(of: 0) { delays.remove(at: origin) }
        return delays
    }

    /// Nil while nothing has come anywhere.
    public var summary: Summary? {
        let delays = (self.delays + journeys.values.flatMap(Self.delays)).sorted()
        guard let last = delays.last else { return nil }
        return Summary(
            arrivals: delays.count, medianMicroseconds: delays[delays.count / 2],
            lateMicroseconds: delays[delays.count * 99 / 100], lastMicroseconds: last)
    }

    public struct Summary: Codable, Equatable, Sendable {
        public let arrivals: Int
        public let medianMicroseconds: UInt64
        /// 99 of 100 come sooner.
        public let lateMicroseconds: UInt64
        public let lastMicroseconds: UInt64

        public init(
            arrivals: Int, medianMicroseconds: UInt64, lateMicroseconds: UInt64, lastMicroseconds: UInt64
        ) {
            self.arrivals = arrivals
            self.medianMicroseconds = medianMicroseconds
            self.lateMicroseconds = lateMicroseconds
            self.lastMicroseconds = lastMicroseconds
        }
    }
}
