internal import Bytes
public import Chance
public import Identity
public import Wire

/// Authenticated, encrypted datagrams between nodes, over addresses that nobody vouches for.
///
/// - Upon `open`: send an initiation, each attempt with a fresh index, ephemeral key and a higher timestamp, again
///   after 1 s, 2 s, 4 s, 5 s, … until the attempts are used up.
/// - Upon an initiation: size and reserved octets; `mac1`; under load a proof of address (`mac2`), else a
///   cookie and nothing is kept; the prefix's allowance, which only proven sources use up; Noise; timestamp; the
///   record's signature and that it belongs to the static key. Then answer, and hold the key as half-open for 10 s.
/// - Upon a response: send a keepalive under the new key at once, and again until something comes under it.
/// - Upon the first datagram under a half-open key: it replaces the old one, and the responder answers. No data
///   leaves under a new key while the old one lives and nothing came under the new one: what was lost of a
///   handshake costs no payload.
/// - Simultaneous opens: the lower id's initiation wins. The higher side forgets its own, answers, and dials again after
///   3 s unless a key was confirmed by then. The lower drops the other's during the first 3 s of a dial to where it
///   comes from, else answers it too, and goes on with its own.
/// - Rekey: the key's initiator after 120 to 130 s, its responder after 150 to 160 s; at 180 s a key is wiped.
/// - Upon the highest counter so far, from a new address: challenge that address, one such at a time; the answer must
///   come from there. Then the session has `moved`.
/// - Upon `meet`, while payload is unanswered: challenge the place that it names, so that a session finds its peer again
///   when both have moved and neither hears the other.
/// - A path over a relay gives way to any other, and never takes the place of one that is none.
/// - Upon payload: a keepalive within 10 s if nothing else is sent. Hence silence of 15 s after sending payload means
///   trouble: dial again. Attempts used up and the silence goes on: `closed`.
/// - Every 15 s: a keepalive, where a side is behind a NAT.
///
/// The shape is WireGuard's (Donenfeld 2017, sections 5 and 6); the record, the rule for simultaneous opens,
/// path challenges (QUIC, RFC 9000, section 8.2) and confirmation before use are not. A class, because a copy
/// would use the counters of keys twice.
public final class Sessions {
    public enum Event: Equatable, Sendable {
        case woke
        /// Dial this node there. Nothing happens if its session is up or being made.
        case open(NodeID, Endpoint)
        /// Dial this node there at once, whatever was tried before; if its session is up and leads over a relay, or to
        /// a place that leaves payload unanswered, ask that place whether the node is there.
        case meet(NodeID, Endpoint)
        case send(NodeID, [UInt8])
        case datagram([UInt8], from: Endpoint)
        /// The code is the host's; the peer's host is told.
        case close(NodeID, code: UInt8)
        /// Whether this session's path needs keepalives, beside what the settings say of all.
        case behindNAT(NodeID, Bool)
        /// The node's own record, renewed: for handshakes to come.
        case record(NodeRecord)
        /// Nanoseconds since 1970, when the system's clock was set. A timestamp never falls nonetheless.
        case clock(wallNanoseconds: UInt64)
    }

    public enum Action: Equatable, Sendable {
        case transmit([UInt8], to: Endpoint)
        /// From now on payload may be sent and received.
        case opened(NodeID, NodeRecord, Endpoint)
        case received(NodeID, [UInt8])
        /// What a node says so that two others, or this one and another, meet.
        case rendezvous(NodeID, Rendezvous)
        case moved(NodeID, Endpoint)
        /// A later handshake brought another record.
        case renewed(NodeID, NodeRecord)
        /// Of a session that was opened, the last word.
        case closed(NodeID, Reason)
        /// Of a session that was asked for and never opened, the last word.
        case failed(NodeID, Reason)
        /// The payload was not sent.
        case refused(NodeID, SendError)
        case observed(Endpoint, by: NodeID)
        /// A line for a dissector, with both keys; only if the settings ask for it.
        case keyLog(String)
    }

    public enum Reason: Hashable, Sendable {
        /// The host's own `close`.
        case closed
        case closedByPeer(code: UInt8)
        /// What was sent was not answered, nor were the attempts after it.
        case dead
        /// The id is this node's own, or nobody can hold its key.
        case badIdentity
        case tableFull
        /// Nothing came that answers the initiation.
        case noAnswer
        /// The node asked for a proof of address, and then was silent.
        case cookieOnly
        /// It answered with a record that is not its own.
        case badRecord
    }

    public enum SendError: Error, Hashable, Sendable {
        case tooLarge(byteCount: Int, limit: Int)
        case notOpen
    }

    /// What a peer said of its clock, against this node's own.
    public struct ClockReading: Equatable, Sendable {
        /// Negative for a clock that is behind.
        public let ahead: Duration
        /// How much more or less it may be: half the handshake's round trip.
        public let doubt: Duration
    }

    /// Why a datagram was dropped; the raw values are the names of counters.
    public enum Drop: String, CaseIterable, Sendable {
        case malformed, badMac1, unproven, prefixLimited, badInitiation, replayedInitiation, badRecord
        case ownInitiation, simultaneous, tableFull, halfOpenEvicted, halfOpenExpired
        case unknownIndex, badResponse, badCookie
        case replayed, forged, expired, badInner, badPathResponse, overtakenClose
    }

    /// A new key's life without a datagram under it.
    static let halfOpenLife: Duration = .seconds(10)
    /// Of simultaneous opens: how long the lower id insists, and how long who yields waits.
    static let insistence: Duration = .seconds(3)
    static let rekeyAfterInitiator: Duration = .seconds(120)
    static let rekeyAfterResponder: Duration = .seconds(150)
    /// Spreads rekeys, so that many sessions made at once are not renewed at once.
    static let rekeySpread: Duration = .seconds(10)
    static let rejectAfter: Duration = .seconds(180)
    static let attemptDelayMin: Duration = .seconds(1)
    /// Above any round trip, and often enough for a dozen attempts between rekey and rejection.
    static let attemptDelayMax: Duration = .seconds(5)
    static let attemptJitter: Duration = .milliseconds(333)
    static let confirmDelayMin: Duration = .milliseconds(250)
    static let confirmDelayMax: Duration = .seconds(2)
    /// How long a first key that the other side does not use is believed in: it may have had to give its place to others.
    static let confirmPatience: Duration = .seconds(1)
    static let answerPayloadAfter: Duration = .seconds(10)
    /// More than `answerPayloadAfter` and a slow round trip.
    static let silenceMax: Duration = .seconds(15)
    static let keepalivePeriod: Duration = .seconds(15)
    /// A challenge's life, and the least time between two to one place, or to places that datagrams came from.
    static let challengePeriod: Duration = .seconds(2)
    /// Challenges under way in one session of places that are named: a card's. One more of where a datagram came from.
    static let meetingsMax = NodeRecord.endpointsMax
    /// Dial, next, current and previous key.
    static let indicesPerPeer = 4

    let own: ExchangeKey
    let ownKeys: ResponderKeys
    let network: Digest
    let prologue: [UInt8]
    let settings: Settings
    let secrets: SecretSource
    var record: NodeRecord
    var slots: [Peer?]
    /// Free places of `slots`, the next one last.
    var free: [Int]
    /// Places that are taken, in no order that means anything: what time does is done to these only.
    var taken: [Int] = []
    var slotOfNode: [NodeID: Int] = [:]
    var slotOfIndex: [UInt32: Int] = [:]
    var halfOpenCount = 0
    /// No peer is due before this; some may be later than it says.
    var nextWake: Instant = .never
    var jar: CookieJar
    var admission: Admission
    var timestamps = Timestamps()
    var wallNanoseconds: UInt64
    var wallSet: Instant
    /// The timestamp of the last initiation, or what none of an earlier run was above.
    public internal(set) var lastStamp: UInt64
    /// Initiations for which a key was agreed on: the dearest thing that a stranger can make us do.
    public internal(set) var answersBegun: UInt64 = 0
    var drops = [UInt64](repeating: 0, count: Drop.allCases.count)

    /// `record` is the node's own, signed. Timestamps count from `wallNanoseconds` since 1970.
    /// - Parameter stampsAbove: No timestamp of an earlier run was higher. They must rise over a node's restarts whatever its
    ///   clock shows, or peers that remember the last run drop what it sends.
    public init(
        key: ExchangeKey, record: NodeRecord, network: Digest, settings: Settings = Settings(),
        secrets: SecretSource, wallNanoseconds: UInt64, stampsAbove: UInt64 = 0, now: Instant
    ) {
        settings.check()
        precondition(record.node.exchangeKey == key.publicKey, "the record is another node's")
        own = key
        ownKeys = ResponderKeys(of: key.publicKey)
        self.record = record
        self.network = network
        prologue = Array("earshot/1".utf8) + network.octets
        self.settings = settings
        self.secrets = secrets
        slots = Array(repeating: nil, count: settings.sessionsMax)
        free = Array((0..<settings.sessionsMax).reversed())
        jar = CookieJar(secrets: secrets, at: now)
        admission = Admission(secrets: secrets)
        self.wallNanoseconds = wallNanoseconds
        wallSet = now
        lastStamp = stampsAbove
    }

    /// When to send `woke`, at the latest.
    public var deadline: Instant { nextWake }

    public func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .woke: wake(at: now, &actions)
        case .open(let node, let endpoint): open(node, endpoint, at: now, &actions)
        case .meet(let node, let endpoint): meet(node, endpoint, at: now, &actions)
        case .send(let node, let payload):
            do throws(SendError) {
                try send(payload, to: node, at: now, actions: &actions)
            } catch {
                actions.append(.refused(node, error))
            }
        case .datagram(let datagram, let source): receive(datagram, from: source, at: now, &actions)
        case .close(let node, let code): close(node, code: code, at: now, &actions)
        case .behindNAT(let node, let isBehind):
            guard let peer = self[node] else { return }
            peer.isBehindNAT = isBehind
            update(peer)
        case .record(let record):
            precondition(record.node == self.record.node)
            self.record = record
        case .clock(let wallNanoseconds):
            self.wallNanoseconds = wallNanoseconds
            wallSet = now
        }
    }

    private func receive(
        _ datagram: [UInt8], from source: Endpoint, at now: Instant, _ actions: inout [Action]
    ) {
        switch Packet.kind(of: datagram) {
        case .initiation: receiveInitiation(datagram, from: source, at: now, &actions)
        case .response: receiveResponse(datagram, at: now, &actions)
        case .cookieReply: receiveCookie(datagram, at: now, &actions)
        case .data: receiveData(datagram, from: source, at: now, &actions)
        case nil: drop(.malformed)
        }
    }

    func drop(_ reason: Drop) { drops[Self.places[reason]!] += 1 }

    static let places: [Drop: Int] = Dictionary(
        uniqueKeysWithValues: Drop.allCases.enumerated().map { ($1, $0) })

    /// Between nothing and `bound`, evenly.
    func jitter(_ bound: Duration) -> Duration {
        let word: UInt32 = Packet.integer(secrets.octets(4), at: 0)
        return bound * Int(word >> 16) / 65_536
    }
}
