public import Chance
public import Identity
public import Wire

/// Who gets what: every gossip message reaches every node, is validated once at each, and travels few times.
///
/// - Upon publish: send to all peers. Keep it for whoever asks.
/// - Upon a gossip message heard first: deliver it, and wait for the host's judgement.
/// - Upon accepted: keep it. Consensus: send to all peers that have not shown to have it. Evidence and transactions:
///   send to three of these at random (in a burst, two; above 512 octets, one), announce to the others within 30 ms (`have`),
///   unless they show it meanwhile: what then still waits to be sent is not. (So `have` says all that the design's
///   `DontWant` would.) What loss keeps from somebody even so, the host finds by comparing its sets with those of peers
///   (`Reconciliation`).
/// - Upon refused: nothing leaves.
/// - Upon `have` of what is unknown: after 60 ms, `want` from one advertiser at a time, in turn.
/// - Upon `want`: send, if it was accepted here in the last minute.
/// - Upon a connection: announce to it what evidence and transactions are kept.
/// - A message above a frame's size travels in chunks. If gossip comes incomplete, `want` it again; if a
///   direct message does, the host asks again; what had come is kept meanwhile.
/// - All but small consensus messages leave at a pace (`Outbox`).
/// - Upon a fault of a peer: it is charged (`Scores`). Whoever has done too much is announced nothing and believed no
///   announcement, then given no evidence, nor is its own taken, but of who has a seat; what it sends above its `Allowance` is not taken.
///
/// A gossip message is delivered once. Two exceptions, as the host may lose what it once accepted, and
/// then asks a peer for it: a copy from a peer whom the host sent a direct message since, may be its
/// answer, and is delivered again (once a question), but never forwarded again; and a copy of what was refused
/// a while ago may have come too early then. Direct messages are delivered each time.
///
/// The parameters are those of the design's simulation of eager-lazy push (after Plumtree, 2007).
public struct Dissemination: Sendable {
    /// How a gossip message spreads.
    public enum Class: Sendable, Equatable {
        case consensus
        case evidence
        case transaction
    }

    /// What a datagram is, as far as how much of it a peer may send.
    public enum Lane: Int, CaseIterable, Sendable {
        /// Nothing but votes, certificates, proposals and summaries.
        case consensus
        /// What makes a node work and need not be asked for: transactions, questions, announcements, cells, cards.
        case talk
        /// Nothing but chunks, answers and bundles: cheap to refuse, and much at a time.
        case bulk

        /// What a peer may say in one second, and at once.
        public var octetsPerSecond: Int {
            switch self {
            // The votes of three hundred seats, three times over; a thousand transactions: each from every peer.
            case .consensus, .talk: 512 << 10
            // Above the pace of an `Outbox`, which is 7.4 MB: no honest sender has more.
            case .bulk: 10 << 20
            }
        }

        public var burst: Int {
            switch self {
            case .consensus, .talk: 2 << 20
            case .bulk: Outbox.byteCountMax
            }
        }
    }

    public enum Event: Sendable, Equatable {
        case woke
        case connected(NodeID)
        case disconnected(NodeID)
        /// The encoding of one of our own messages. One that is not gossip goes to all peers, and no further.
        case publish([UInt8], Class)
        /// The encoding of a message for one peer.
        case sendDirect([UInt8], to: NodeID)
        /// A message, chunk, have or want of a connected peer.
        case frame(Frame, from: NodeID)
        /// The host found a delivered gossip message valid.
        case accepted(ShortID)
        case refused(ShortID)
        /// The host has these very octets of a delivered message already: they are held in place of what came.
        case shared([UInt8], ShortID)
        /// A connected peer did what only it can have done.
        case fault(Scores.Fault, by: NodeID)
        /// Without whom no block is made: evidence passes to and from them whatever they did. Replaces what was said before.
        case needed(Set<NodeID>)
    }

    public enum Action: Sendable, Equatable {
        case send(NodeID, Frame)
        /// With the digest of the octets, so that nobody computes it again.
        case deliver([UInt8], Digest, from: NodeID)
        /// By its last fault the peer's score has fallen to where it is ignored.
        case ignored(NodeID)
    }

    /// What happened, by kind; the raw values are the places of counters.
    public enum Tally: Int, CaseIterable, Sendable {
        case published, delivered, accepted, refused, pushed, announced, wanted, served, chunksSent
        /// Waited to be sent to a peer that showed it meanwhile.
        case spared
        case droppedDuplicate, droppedStranger, droppedMalformed, droppedUnjudged, droppedPendingFull
        case droppedChunkDuplicate, droppedChunkFull, droppedWrongDigest, droppedIncomplete
        case droppedQueueFull, droppedAlreadyQueued, droppedHaveFull, droppedAnnouncementFull
        case droppedUnservable
        /// Of peers whose score is too low for it, and above what a peer may say.
        case droppedUntrusted, droppedExcess
        case faultsBadSignature, faultsMalformed, faultsHostileSketch, faultsBrokenPromise, faultsExcess

        /// Of the counter: `published`, `dropped.queueFull`.
        public var name: String {
            let name = "\(self)"
            guard name.hasPrefix("dropped") else { return name }
            let reason = name.dropFirst("dropped".count)
            return "dropped." + reason.prefix(1).lowercased() + reason.dropFirst()
        }
    }

    /// Above any active view.
    public static let peersMax = 64
    /// Peers to whom a relay pushes evidence and transactions (simulated: 3.3 copies a node, 360 ms p99).
    static let relayPeers = 3
    /// Fewer, where a copy too many costs more than the wait for an announcement: in a burst, when so many announcements wait for one
    /// peer that they share a frame; and of large messages.
    static let relayPeersOfBurst = 2
    static let relayPeersOfLarge = 1
    static let largeByteCount = 512
    static let burst = 8
    /// To gather announcements for one frame.
    static let haveDelay: Duration = .milliseconds(30)
    /// Announcements waiting for one peer.
    static let havesMax = 4_096
    /// Announced to a new peer: what an epoch of a small network holds.
    static let greetingMax = 1_024
    /// For the host's judgement; then the message is forgotten and may come again.
    static let judgementPatience: Duration = .seconds(5)
    /// Copies of what was accepted, or refused, that come within these are duplicates.
    static let acceptedQuiet: Duration = .milliseconds(500)
    static let refusedQuiet: Duration = .milliseconds(250)
    /// For the answer to a direct message, chunks and all.
    static let questionPatience: Duration = .seconds(5)
    /// What is kept for `want`: the evidence of some epochs of a small network.
    static let keptByteCountMax = 16 << 20
    static let keptCountMax = 16_384
    static let keptAge: Duration = .seconds(60)
    /// A new peer is told of what is kept for so much longer at least: it asks as often as others let it, and what it is then
    /// not given is a promise broken.
    static let greetingLeft: Duration = .seconds(10)
    /// What waits for judgement: as many as the host verifies at once, and two of the largest messages.
    static let pendingByteCountMax = 16 << 20
    static let pendingCountMax = 8_192
    /// Between two looks for what has expired.
    static let sweepPeriod: Duration = .seconds(1)
    /// Announcements that a peer may leave unfulfilled without a fault, and the most that it can lay by for each that it
    /// fulfils: what loss makes of an honest peer's never comes to that.
    static let promisesForgiven = 4
    static let promisesForgivenMax = 16

    var chance: Chance
    var peers = Peers()
    var left = LeftAllowances()
    /// No later than the first moment at which something is due for a peer: kept, because it is asked for at every
    /// event. It may be earlier than that, until the next wake.
    var peersDue: Instant = .never
    var seen = SeenCache()
    var pending = HeldMessages(
        byteCountMax: pendingByteCountMax, countMax: pendingCountMax, age: judgementPatience)
    var kept = HeldMessages(byteCountMax: keptByteCountMax, countMax: keptCountMax, age: keptAge)
    var missing = MissingMessages()
    var reassembly = Reassembly()
    public internal(set) var scores: Scores
    /// Only asked whether somebody is among them.
    var needed: Set<NodeID> = []
    let chargesFaults: Bool
    var nextSweep: Instant
    /// When to send `woke`, at the latest. Stored: a host that asks reads a word and copies no machine.
    public private(set) var deadline: Instant = .never
    private var tallies = [UInt64](repeating: 0, count: Tally.allCases.count)

    /// - Parameter scores: Nil where nothing proves who sent what: then nobody is charged with anything.
    public init(chance: Chance, now: Instant, scores: Scores.Settings? = Scores.Settings()) {
        self.chance = chance
        self.scores = Scores(settings: scores ?? Scores.Settings())
        chargesFaults = scores != nil
        nextSweep = now + Self.sweepPeriod
    }

    private mutating func reckon() {
        deadline = min(missing.deadline, peersDue)
        if !(pending.isEmpty && kept.isEmpty && reassembly.isEmpty) { deadline = min(deadline, nextSweep) }
    }

    /// Every counter with its name, in a fixed order.
    public var counters: [(name: String, value: UInt64)] {
        zip(Tally.allCases, tallies).map { ($0.name, $1) }
    }

    public subscript(tally: Tally) -> UInt64 { tallies[tally.rawValue] }

    mutating func count(_ tally: Tally, _ amount: Int = 1) { tallies[tally.rawValue] += UInt64(amount) }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        defer { reckon() }
        switch event {
        case .woke: wake(at: now, &actions)
        case .connected(let peer): connect(peer, at: now)
        case .disconnected(let peer): disconnect(peer, at: now)
        case .publish(let octets, let spread): publish(octets, spread, at: now, &actions)
        case .sendDirect(let octets, let peer):
            checkSize(octets)
            guard let place = peers.place(of: peer) else { return count(.droppedStranger) }
            peers.list[place].asked = now
            enqueue(octets, Digest(of: octets), to: place, at: now, &actions)
        case .frame(let frame, let peer):
            guard let place = peers.place(of: peer) else { return count(.droppedStranger) }
            peers.list[place].heard = now
            receive(frame, from: peer, at: now, &actions)
        case .needed(let nodes): needed = nodes
        case .fault(let fault, let peer): charge(fault, to: peer, at: now, &actions)
        case .accepted(let id): accept(id, at: now, &actions)
        case .refused(let id):
            guard pending.remove(id) != nil else { return }
            seen.set(id, .refused(now))
            count(.refused)
        case .shared(let octets, let id): pending.share(octets, of: id)
        }
        assert(
            {
                assertInvariants(); return true
            }())
    }

    /// The caller's fault, not a stranger's: a message that no one could receive.
    func checkSize(_ octets: [UInt8]) {
        precondition(!octets.isEmpty && octets.count <= Message.byteCountMax, "no message has this size")
    }

    /// Every queue and table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        var outboxBytes = 0
        var haves = 0
        for place in peers.indices {
            outboxBytes = max(outboxBytes, peers.list[place].outbox.byteCount)
            haves = max(haves, peers.list[place].haves.count)
        }
        return [
            ("peers", peers.count, Self.peersMax),
            ("seen", seen.count, SeenCache.countMax),
            ("pending", pending.count, Self.pendingCountMax),
            ("pendingBytes", pending.byteCount, Self.pendingByteCountMax),
            ("kept", kept.count, Self.keptCountMax),
            ("keptBytes", kept.byteCount, Self.keptByteCountMax),
            ("missing", missing.count, MissingMessages.countMax),
            ("reassemblyBytes", reassembly.byteCount, Reassembly.byteCountMax),
            ("havesOfOnePeer", haves, Self.havesMax),
            ("outboxBytesOfOnePeer", outboxBytes, Outbox.byteCountMax),
            ("scores", scores.count, Scores.countMax),
        ]
    }

    /// Run after each event in debug builds; a simulation may run it at any time.
    public func assertInvariants() {
        precondition(peers.count <= Self.peersMax && left.count <= LeftAllowances.countMax)
        precondition(seen.count <= SeenCache.countMax)
        precondition(missing.count <= MissingMessages.countMax)
        precondition(reassembly.byteCount <= Reassembly.byteCountMax)
        precondition(peersDue <= peers.due, "a peer would wait too long")
        scores.assertInvariants()
        precondition(pending.byteCount <= Self.pendingByteCountMax && kept.byteCount <= Self.keptByteCountMax)
    }

    /// How a message spreads, told by its first octet, the tag of `Message`; nil for what is not gossip.
    static func spread(ofTag tag: UInt8?) -> Class? {
        switch tag {
        case 0: .evidence
        case 1: .transaction
        case 2, 3, 4: .consensus
        default: nil
        }
    }
}
