import Chance
import Identity
import Membership

/// How much strangers may ask: each a little, and all together no more than what leaves a node its work.
///
/// Nor may those of one prefix of addresses ask all that can be asked: one host can make as many keys as there are places, but
/// addresses cost something.
///
/// A fixed number of places, each for all whose keys, or prefixes, fall on it by a secret of this node's: a table by key
/// would grow with them. A place is a virtual clock (the generic cell rate algorithm): whoever asks
/// puts it forward, and it must not be more than a burst ahead of the time.
struct EdgeAllowance {
    static let places = 2_048
    /// Datagrams of a sender: a second and at once. An edge node needs some ten at an epoch's end.
    static let period: Duration = .milliseconds(125)
    static let burst: Duration = .seconds(4)
    /// Of all together.
    static let periodOfAll: Duration = .microseconds(250)
    static let burstOfAll: Duration = .milliseconds(500)
    /// Those of one prefix have one part of it in so many.
    static let prefixShare = 8

    private let secret: UInt64
    private let periodOfAll: Duration
    private let burstOfAll: Duration
    private let periodOfPrefix: Duration
    private var clocks: [Int64]
    private var clocksOfPrefixes: [Int64]
    private var clockOfAll = Int64.min

    init(
        chance: Chance, places: Int = Self.places, periodOfAll: Duration = Self.periodOfAll,
        burstOfAll: Duration = Self.burstOfAll
    ) {
        var chance = chance
        secret = chance.bits()
        clocks = Array(repeating: .min, count: places)
        clocksOfPrefixes = clocks
        periodOfPrefix = periodOfAll * Self.prefixShare
        self.periodOfAll = periodOfAll
        self.burstOfAll = burstOfAll
    }

    /// Whether a sender may say one more thing now; takes it from its allowance then.
    ///
    /// - Parameter prefix: Of the address that its session proves; nil where none is limited.
    mutating func takes(_ sender: NodeID, of prefix: Prefix?, at now: Instant) -> Bool {
        let place = place(of: sender)
        let own = max(clocks[place], now.nanoseconds) + Self.period.nanoseconds
        let all = max(clockOfAll, now.nanoseconds) + periodOfAll.nanoseconds
        guard own <= (now + Self.burst).nanoseconds, all <= (now + burstOfAll).nanoseconds else {
            return false
        }
        if let prefix {
            let place = self.place(of: prefix)
            let ofPrefix = max(clocksOfPrefixes[place], now.nanoseconds) + periodOfPrefix.nanoseconds
            guard ofPrefix <= (now + burstOfAll).nanoseconds else { return false }
            clocksOfPrefixes[place] = ofPrefix
        }
        clocks[place] = own
        clockOfAll = all
        return true
    }

    /// What was taken for it was worth its while.
    mutating func giveBack(_ sender: NodeID, of prefix: Prefix?) {
        clocks[place(of: sender)] -= Self.period.nanoseconds
        if let prefix { clocksOfPrefixes[place(of: prefix)] -= periodOfPrefix.nanoseconds }
        clockOfAll -= periodOfAll.nanoseconds
    }

    private func place(of sender: NodeID) -> Int { place(Digest(of: sender.octets).prefix) }

    private func place(of prefix: Prefix) -> Int { place(prefix.value) }

    private func place(_ number: UInt64) -> Int {
        var chance = Chance(seed: secret ^ number)
        return chance.below(clocks.count)
    }
}
