internal import Bytes
internal import Chance
internal import Geo
internal import Identity
internal import Session
internal import Wire

/// Greets one node and measures how long it takes to answer: a machine without I/O, so that tests can show each way to
/// fail.
///
/// - Upon `init`: a handshake, under a name made for this one, and again until the attempts are used up.
/// - Upon its success: so many probes, `period` apart.
/// - Upon the last answer, or when `patience` is over: a goodbye, and `report` is complete.
/// - Of one that is to be asked who is near a place: that in place of probes, until the first answer.
/// - Upon a failure of the socket or of the handshake: the same at once, with the step that failed.
final class Ping {
    enum Event: Sendable {
        case woke
        case datagram([UInt8])
        /// The system's own error number: for a connected socket also what came back by ICMP.
        case socketFailed(Int32)
        /// Nobody waits for the rest.
        case stop
    }

    /// Initiations: eight seconds, for who lost two in a row is unlikely to want a third.
    static let attemptsMax = 3
    static let period: Duration = .milliseconds(200)
    /// Between two askings for cards: a node answers all strangers together ten times a second.
    static let askPeriod: Duration = .milliseconds(500)
    /// Above it whoever is asked has no time for strangers.
    static let askingsMax = 4
    /// Above any round trip on earth.
    static let patience: Duration = .seconds(2)

    /// Complete once `isDone`.
    private(set) var report: PingReport
    private(set) var isDone = false

    private let node: NodeID
    private let endpoint: Endpoint
    private let count: Int
    /// Whom it is asked to name: those nearest to this cell.
    private let region: Cell?
    private let network: Digest
    private let sessions: Sessions
    private let started: Instant
    private var isOpen = false
    /// Something authentic came in the session.
    private var isHeard = false
    private var datagrams = 0
    /// When each probe was sent; its place is its nonce.
    private var sent: [Instant] = []
    private var answered: Set<Int> = []

    /// - Parameters:
    ///   - place: as it was written, for the report.
    ///   - region: nil: how long it takes to answer `count` probes is measured.
    init(
        _ node: NodeID, at endpoint: Endpoint, writtenAs place: String, network: Digest, count: Int,
        region: Cell? = nil, seed: SecretSeed, secrets: SecretSource, wallNanoseconds: UInt64, now: Instant,
        transmit: inout [[UInt8]]
    ) {
        precondition(count > 0)
        self.node = node
        self.endpoint = endpoint
        self.count = region == nil ? count : Self.askingsMax
        self.region = region
        self.network = network
        started = now
        report = PingReport(node: node, place: place)
        report.endpoint = endpoint
        var settings = Session.Settings()
        settings.attemptsMax = Self.attemptsMax
        // One session, and one place that a stranger may have.
        (settings.sessionsMax, settings.slotsKeptForDials) = (2, 1)
        let key = seed.signingKey
        let card = NodeRecord(
            node: key.nodeID, sequence: 1, roles: [], endpoints: [], region: nil, version: 1
        ).signed(by: key, network: network)
        sessions = Sessions(
            key: seed.exchangeKey, record: card, network: network, settings: settings, secrets: secrets,
            wallNanoseconds: wallNanoseconds, now: now)
        run(.open(node, endpoint), at: now, &transmit)
    }

    /// When to send `woke`, at the latest.
    var deadline: Instant {
        if isDone { return .never }
        guard isOpen, let last = sent.last else { return sessions.deadline }
        return min(sessions.deadline, last + (sent.count < count ? period : Self.patience))
    }

    /// Adds to `transmit` what is to be sent to the node.
    func handle(_ event: Event, at now: Instant, transmit: inout [[UInt8]]) {
        guard !isDone else { return }
        switch event {
        case .woke: run(.woke, at: now, &transmit)
        case .datagram(let octets):
            datagrams += 1
            run(.datagram(octets, from: endpoint), at: now, &transmit)
            // After a probe, only something authentic ends the silence.
            if !sent.isEmpty, !sessions.isSilent(node, for: .zero, at: now) { isHeard = true }
        case .socketFailed(let code):
            // What came back in time stays told.
            return finish(PingFault(errorNumber: code), at: now, &transmit)
        case .stop: return finish(answered.isEmpty ? .interrupted : nil, at: now, &transmit)
        }
        if isOpen, !isDone { probe(at: now, &transmit) }
    }

    private var period: Duration { region == nil ? Self.period : Self.askPeriod }

    private func probe(at now: Instant, _ transmit: inout [[UInt8]]) {
        while sent.count < count, sent.last.map({ $0 + period <= now }) ?? true {
            let frame = region.map { Frame.nearby($0) } ?? .probe(nonce: UInt64(sent.count))
            let payload = Payload(frames: [frame]).encoded()
            sent.append(now)
            report.sent += 1
            run(.send(node, payload), at: now, &transmit)
            if isDone { return }
        }
        guard sent.count == count, let last = sent.last else { return }
        if answered.count == count || last + Self.patience <= now {
            let silence: PingFault = isHeard ? (region == nil ? .noPong : .noCards) : .unconfirmed
            finish(answered.isEmpty ? silence : nil, at: now, &transmit)
        }
    }

    private func run(_ event: Sessions.Event, at now: Instant, _ transmit: inout [[UInt8]]) {
        var actions: [Sessions.Action] = []
        sessions.handle(event, at: now, actions: &actions)
        for action in actions where !isDone {
            switch action {
            case .transmit(let octets, _): transmit.append(octets)
            case .opened(_, let record, _):
                isOpen = true
                report.record = record
                report.handshake = now - started
                report.clock = sessions.clock(of: node).map { ($0.ahead, $0.doubt) }
            case .observed(let place, _): report.observed = place
            case .received(_, let payload): receive(payload, at: now, &transmit)
            case .renewed(_, let record): report.record = record
            case .failed(_, let reason): finish(fault(of: reason), at: now, &transmit)
            case .closed(_, .closedByPeer(let code)): finish(.closedByPeer(code), at: now, &transmit)
            case .closed: finish(.fellSilent, at: now, &transmit)
            case .moved, .refused, .rendezvous, .keyLog: break
            }
        }
    }

    private func receive(_ payload: [UInt8], at now: Instant, _ transmit: inout [[UInt8]]) {
        guard let payload = try? Payload(decoding: payload.octetBytes) else { return }
        if region != nil {
            for case .records(let cards, asks: false) in payload.frames where !sent.isEmpty && !isDone {
                report.cards = cards.filter { $0.isSigned(for: network) }
                report.badCards = cards.count - report.cards.count
                finish(nil, at: now, &transmit)
            }
            return
        }
        for case .pong(let nonce) in payload.frames {
            guard let place = Int(exactly: nonce), sent.indices.contains(place),
                answered.insert(place).inserted
            else { continue }
            report.roundTrips.append(now - sent[place])
        }
    }

    private func fault(of reason: Sessions.Reason) -> PingFault {
        switch reason {
        case .badRecord: .badRecord
        case .cookieOnly: .cookieOnly
        case .badIdentity: .badIdentity
        default: datagrams > 0 ? .strangeAnswer : .noAnswer
        }
    }

    private func finish(_ fault: PingFault?, at now: Instant, _ transmit: inout [[UInt8]]) {
        isDone = true
        report.fault = fault
        guard isOpen else { return }
        // So that the node need not keep a place for us until we are silent for long.
        var actions: [Sessions.Action] = []
        sessions.handle(.close(node, code: 0), at: now, actions: &actions)
        for case .transmit(let octets, _) in actions { transmit.append(octets) }
    }
}
