import Chance
import Dissemination
import Identity

/// How much peers may ask. A question is a few octets, its answer may be megabytes, made here or read from the store by the
/// workers that check votes too.
///
/// - What was answered to a peer is charged to its virtual clock, at more than the pace at which anything leaves for one peer
///   (`Dissemination`): who asks for no more than can be sent to it never notices.
/// - So are the entries of a list that is walked through for an answer, which may be few octets.
/// - A question that comes while the clock is `burst` ahead of the time is not answered: it is asked again.
/// - No more than `readsMax` requests of one peer are at the store. They are counted until they come back, also of who is no
///   peer any more: a new session does not begin anew.
struct AnswerDesk {
    static let burst: Duration = .seconds(1)
    /// For an answer of no octets.
    static let least: Duration = .microseconds(50)
    /// For an entry that is walked through: some ten times what it takes. A list of ten thousand costs its first asker 40 ms,
    /// and everybody 10 ms for each question for items, of which an epoch takes one or two.
    static let leastOfEntry: Duration = .microseconds(1)
    /// What a peer may say of the same: an honest one has no more to say, and nobody can be sent more.
    static let octetsPerSecond = Dissemination.Lane.bulk.octetsPerSecond
    static let readsMax = 8
    static let clocksMax = 64

    /// Of peers, and of the last who left before their clocks had come to rest: who comes back goes on where it was.
    private var clocks: [NodeID: Instant] = [:]
    private var reading: [NodeID: Int] = [:]

    var count: Int { clocks.count }

    /// Whether a question of this peer is worth an answer now.
    func answers(_ peer: NodeID, at now: Instant) -> Bool {
        clocks[peer].map { $0 <= now + Self.burst } ?? true
    }

    mutating func charge(_ byteCount: Int, to peer: NodeID, at now: Instant) {
        let cost = Duration.nanoseconds(Int64(byteCount) * 1_000_000_000 / Int64(Self.octetsPerSecond))
        clocks[peer] = max(clocks[peer] ?? now, now) + Self.least + cost
    }

    mutating func charge(entries count: Int, to peer: NodeID, at now: Instant) {
        guard count > 0 else { return }
        clocks[peer] = max(clocks[peer] ?? now, now) + Self.leastOfEntry * count
    }

    /// Whether one more request of this peer may go to the store; counts it.
    mutating func beginRead(for peer: NodeID) -> Bool {
        guard reading[peer, default: 0] < Self.readsMax else { return false }
        reading[peer, default: 0] += 1
        return true
    }

    /// A request came back; false if none of this peer was out.
    mutating func endRead(for peer: NodeID) -> Bool {
        guard let count = reading[peer] else { return false }
        reading[peer] = count > 1 ? count - 1 : nil
        return true
    }

    /// It is no peer any more.
    mutating func left(_ peer: NodeID, at now: Instant) {
        guard clocks[peer] != nil else { return }
        clocks = clocks.filter { $0.value > now }
        guard clocks.count > Self.clocksMax else { return }
        // Whoever owes least.
        clocks[clocks.min { ($0.value, $0.key) < ($1.value, $1.key) }!.key] = nil
    }
}
