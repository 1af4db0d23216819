internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// What is known of one other node: keys, its path, and when to do what.
///
/// A class: one place in the table, changed where it stands.
final class Peer {
    /// An initiation that was sent and not answered yet.
    struct Dial {
        let index: UInt32
        let noise: NoiseIK.Initiator
        let mac1: [UInt8]
        /// Whether it bore a cookie.
        let hasProof: Bool
        let endpoint: Endpoint
        let sent: Instant
        let nextAttempt: Instant
    }

    struct Challenge {
        let octets: [UInt8]
        let endpoint: Endpoint
        let sent: Instant
        /// The host named the place; else a datagram came from there.
        let isMeeting: Bool
    }

    /// When the initiator of an unconfirmed key says so again.
    struct Confirmation {
        var at: Instant
        var delay: Duration
    }

    let node: NodeID
    let key: ExchangePublicKey
    let keys: ResponderKeys
    let slot: Int
    /// Where `slot` stands among those that are taken.
    var place = 0
    /// The host was told of this session.
    var isOpen = false
    /// The host asked for it.
    var isWanted: Bool
    var isBehindNAT = false
    var endpoint: Endpoint
    var record: NodeRecord?
    /// By the last handshake that we began.
    var clock: Sessions.ClockReading?

    var dial: Dial?
    /// Of the first attempt in this dial, which retransmissions do not change.
    var dialStarted: Instant = .origin
    /// Initiations since a key was last confirmed.
    var attempts = 0
    /// How the last attempts ended, should there be no other.
    var outcome: Sessions.Reason = .noAnswer
    /// When to dial unless a key was confirmed by then.
    var redialAt: Instant = .never
    var cookie: (octets: [UInt8], received: Instant)?

    /// Of its last initiation that was answered: lasts as long as the peer does, whom strangers may drive out of the
    /// common table.
    var lastTimestamp: UInt64 = 0

    /// Agreed on, but not used for payload yet.
    var next: Keypair?
    var current: Keypair?
    var previous: Keypair?
    var confirmation: Confirmation?
    var rekeyAt: Instant = .never

    var challenges: [Challenge] = []
    var lastSent: Instant = .origin
    /// Of the first payload since anything was heard.
    var unansweredSince: Instant?
    /// When a keepalive is due because payload came.
    var answerAt: Instant = .never
    /// Nothing has to be done before this.
    var due: Instant = .never
    /// Is one of the machine's count of half-open strangers.
    var isHalfOpen = false

    init(node: NodeID, key: ExchangePublicKey, slot: Int, endpoint: Endpoint, isWanted: Bool) {
        self.node = node
        self.key = key
        self.slot = slot
        self.endpoint = endpoint
        self.isWanted = isWanted
        keys = ResponderKeys(of: key)
    }

    /// The indices by which datagrams for this peer come.
    var indices: [UInt32] {
        [dial?.index, next?.localIndex, current?.localIndex, previous?.localIndex].compactMap { $0 }
    }

    func keypair(ofIndex index: UInt32) -> Keypair? {
        if let current, current.localIndex == index { return current }
        if let next, next.localIndex == index { return next }
        if let previous, previous.localIndex == index { return previous }
        return nil
    }

    /// The key under which an initiator waits for the other side's first datagram.
    var unconfirmed: Keypair? {
        if let next, next.isInitiator { return next }
        if let current, !current.isConfirmed { return current }
        return nil
    }

    func nextDue(settings: Settings) -> Instant {
        var due = min(redialAt, answerAt)
        if let dial { due = min(due, dial.nextAttempt) }
        if let confirmation { due = min(due, confirmation.at) }
        if let next { due = min(due, next.born + Sessions.halfOpenLife) }
        if let previous { due = min(due, previous.born + Sessions.rejectAfter) }
        guard let current else { return due }
        due = min(due, current.born + Sessions.rejectAfter)
        if dial == nil && next == nil {
            due = min(due, rekeyAt)
            if let unansweredSince { due = min(due, unansweredSince + Sessions.silenceMax) }
            if !current.isConfirmed { due = min(due, current.born + Sessions.confirmPatience) }
        }
        if isBehindNAT || settings.isBehindNAT { due = min(due, lastSent + Sessions.keepalivePeriod) }
        return due
    }
}
