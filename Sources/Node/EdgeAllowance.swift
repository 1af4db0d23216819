import Chance
import Identity

/// How much strangers may ask: each a little, and all together no more than what leaves a node its work.
///
/// A fixed number of places, each for all whose keys fall on it by a secret of this node's: keys cost nothing, and
/// a table by key would grow with them. A place is a virtual clock (the generic cell rate algorithm): whoever asks
/// puts it forward, and it must not be more than a burst ahead of the time.
struct EdgeAllowance {
    static let places = 2_048
    /// Datagrams of a sender: a second and at once. An edge node needs some ten at an epoch's end.
    static let period: Duration = .milliseconds(125)
    static let burst: Duration = .seconds(4)
    /// Of all together.
    static let periodOfAll: Duration = .microseconds(250)
    static let burstOfAll: Duration = .milliseconds(500)

    private let secret: UInt64
    private let periodOfAll: Duration
    private let burstOfAll: Duration
    private var clocks: [Int64]
    private var clockOfAll = Int64.min

    init(
        chance: Chance, places: Int = Self.places, periodOfAll: Duration = Self.periodOfAll,
        burstOfAll: Duration = Self.burstOfAll
    ) {
        var chance = chance
        secret = chance.bits()
        clocks = Array(repeating: .min, count: places)
        self.periodOfAll = periodOfAll
        self.burstOfAll = burstOfAll
    }

    /// Whether a sender may say one more thing now; takes it from its allowance then.
    mutating func takes(_ sender: NodeID, at now: Instant) -> Bool {
        let place = place(of: sender)
        let own = max(clocks[place], now.nanoseconds) + Self.period.nanoseconds
        let all = max(clockOfAll, now.nanoseconds) + periodOfAll.nanoseconds
        guard own <= (now + Self.burst).nanoseconds, all <= (now + burstOfAll).nanoseconds else {
            return false
        }
        clocks[place] = own
        clockOfAll = all
        return true
    }

    /// What was taken for it was worth its while.
    mutating func giveBack(_ sender: NodeID) {
        clocks[place(of: sender)] -= Self.period.nanoseconds
        clockOfAll -= periodOfAll.nanoseconds
    }

    private func place(of sender: NodeID) -> Int {
        var chance = Chance(seed: secret ^ Digest(of: sender.octets).prefix)
        return chance.below(clocks.count)
    }
}
