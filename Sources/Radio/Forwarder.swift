public import Chance

/// A packet forwarder without a concentrator: it behaves towards its server as Semtech's `lora_pkt_fwd`
/// does.
///
/// Upon starting and every `keepalive`: PULL_DATA. Every `statusPeriod`: PUSH_DATA with a status. Upon
/// hearing a packet with a good checksum: PUSH_DATA with it. Upon PULL_RESP: queue the packet, answer
/// TX_ACK, and ask for the transmission when its time has come. Nothing is ever retried. Verdicts and
/// delays are those of the just-in-time queue of Lora-net/sx1302_hal 2.1.0; like the original, a packet it
/// cannot read gets no answer.
///
/// Deviations: no GPS (`tmms` is always GPS_UNLOCKED), no class B beacons, LoRa only; a payload whose
/// length is not its stated size is ignored, where the original warns and sends what it has.
public struct Forwarder: Sendable {
    public struct Settings: Equatable, Sendable {
        public let gateway: GatewayEUI
        public let keepalive: Duration
        public let statusPeriod: Duration
        /// `tx_freq_min` and `tx_freq_max` of the radio.
        public let frequencyRangeHz: ClosedRange<UInt32>
        /// The rows of the transmit gain table, 1 dB apart.
        public let powerRangeDBm: ClosedRange<Int>
        /// The concentrator's microsecond counter at the origin of time.
        public let counterAtOrigin: UInt32
        /// Wall clock at the origin of time, for the status line alone.
        public let unixSecondsAtOrigin: Int64
        /// Shortens all times on air where a testnet's epochs are shorter than a real packet; 1,000 is real.
        public let airtimePermille: Int

        public init(
            gateway: GatewayEUI, keepalive: Duration = .seconds(10), statusPeriod: Duration = .seconds(30),
            frequencyRangeHz: ClosedRange<UInt32> = 863_000_000...928_000_000,
            powerRangeDBm: ClosedRange<Int> = 0...27, counterAtOrigin: UInt32 = 0,
            unixSecondsAtOrigin: Int64 = 0, airtimePermille: Int = 1000
        ) {
            precondition(.zero < keepalive && .zero < statusPeriod && (1...1000).contains(airtimePermille))
            self.gateway = gateway
            self.keepalive = keepalive
            self.statusPeriod = statusPeriod
            self.frequencyRangeHz = frequencyRangeHz
            self.powerRangeDBm = powerRangeDBm
            self.counterAtOrigin = counterAtOrigin
            self.unixSecondsAtOrigin = unixSecondsAtOrigin
            self.airtimePermille = airtimePermille
        }
    }

    public enum Event: Equatable, Sendable {
        case woke
        /// From the server.
        case datagram([UInt8])
        /// The packet's end is now; its counter is set here.
        case heard(ReceivedPacket)
    }

    public enum Action: Equatable, Sendable {
        /// To the server.
        case send([UInt8])
        /// On the air from the event's time until `until`.
        case transmit(TransmitPacket, until: Instant)
    }

    public struct Counters: Equatable, Sendable {
        public var heard: UInt64 = 0
        public var forwarded: UInt64 = 0
        public var downlinks: UInt64 = 0
        public var transmitted: UInt64 = 0
        public var refused: UInt64 = 0
        public var dropped = DropCounters()

        public init() {}
    }

    /// `JIT_QUEUE_MAX`.
    public static let queueMax = 32
    /// More than a server on the same machine leaves unanswered.
    static let openPushesMax = 16
    /// Start, margin and queue delays of the original: 1.5, 1 and 40 ms.
    static let leadMin: UInt32 = 42_500
    /// `TX_MAX_ADVANCE_DELAY`: four beacon periods of 128 s. A time that has passed wraps to far above it.
    static let leadMax: UInt32 = 512_000_000
    /// An immediate packet starts two rounds of the queue's thread after it came.
    static let immediateLead: Duration = .milliseconds(80)

    private struct Planned: Equatable, Sendable {
        let packet: TransmitPacket
        let start: Instant
        let end: Instant
        var started = false
    }

    private let settings: Settings
    private var chance: Chance
    private var nextPull: Instant
    private var nextStatus: Instant
    /// By start, never overlapping; a packet leaves when it is over.
    private var queue: [Planned] = []
    private var pushesSent: UInt64 = 0
    private var pushesAcknowledged: UInt64 = 0
    /// Tokens of recent pushes without an answer, oldest first; an answer that comes later counts as none.
    private var openPushes: [UInt16] = []

    public private(set) var counters = Counters()

    public init(settings: Settings, chance: Chance, now: Instant) {
        self.settings = settings
        self.chance = chance
        nextPull = now
        nextStatus = now + settings.statusPeriod
    }

    public var gateway: GatewayEUI { settings.gateway }

    /// When to send `woke`, at the latest.
    public var deadline: Instant {
        let next = queue.map { $0.started ? $0.end : $0.start }.min() ?? .never
        return min(nextPull, nextStatus, next)
    }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        advanceQueue(at: now, &actions)
        switch event {
        case .woke: break
        case .datagram(let bytes):
            do throws(RadioError) { try receive(bytes, at: now, &actions) } catch {
                counters.dropped.count(error)
            }
        case .heard(let packet): forward(packet, at: now, &actions)
        }
        keepInTouch(at: now, &actions)
        assertInvariants()
    }

    /// The concentrator's counter at `now`, which wraps.
    public func counter(at now: Instant) -> UInt32 {
        settings.counterAtOrigin &+ UInt32(truncatingIfNeeded: now.nanoseconds / 1000)
    }

    private func assertInvariants() {
        precondition(queue.count <= Self.queueMax)
        assert(
            zip(queue, queue.dropFirst()).allSatisfy { $0.end <= $1.start },
            "one radio sends one packet at a time")
    }
}

extension Forwarder {
    private mutating func keepInTouch(at now: Instant, _ actions: inout [Action]) {
        if nextPull <= now {
            nextPull = now + settings.keepalive
            actions.append(.send(GatewayFrame.pullData(token: token(), gateway: gateway).encode()))
        }
        if nextStatus <= now {
            nextStatus = now + settings.statusPeriod
            let permille = pushesSent == 0 ? 0 : Int(pushesAcknowledged * 1000 / pushesSent)
            let status = GatewayStatus(
                time: GatewayStatus.timeText(
                    unixSeconds: settings.unixSecondsAtOrigin + now.nanoseconds / 1_000_000_000),
                packetsReceived: counters.heard, packetsReceivedIntact: counters.forwarded,
                packetsForwarded: counters.forwarded, acknowledgedPermille: min(1000, permille),
                downlinksReceived: counters.downlinks, packetsSent: counters.transmitted)
            push(GatewayFrame.Upstream(status: status), &actions)
        }
    }

    private mutating func forward(_ packet: ReceivedPacket, at now: Instant, _ actions: inout [Action]) {
        counters.heard &+= 1
        guard packet.checksum == .passed else { return counters.dropped.count(.badChecksum) }
        counters.forwarded &+= 1
        var packet = packet
        packet.counter = counter(at: now)
        push(GatewayFrame.Upstream(packets: [packet]), &actions)
    }

    private mutating func push(_ upstream: GatewayFrame.Upstream, _ actions: inout [Action]) {
        let token = token()
        if openPushes.count == Self.openPushesMax { openPushes.removeFirst() }
        openPushes.append(token)
        pushesSent += 1
        actions.append(
            .send(GatewayFrame.pushData(token: token, gateway: gateway, upstream: upstream).encode()))
    }

    private mutating func token() -> UInt16 { UInt16(truncatingIfNeeded: chance.bits()) }

    private mutating func receive(_ bytes: [UInt8], at now: Instant, _ actions: inout [Action])
        throws(RadioError)
    {
        switch try GatewayFrame.decode(bytes) {
        case .pushAck(let token):
            guard let place = openPushes.firstIndex(of: token) else { throw .unmatchedAcknowledgement }
            openPushes.remove(at: place)
            pushesAcknowledged += 1
        case .pullAck: break
        case .pullResponse(let token, let packet):
            // The original sends on the chains that its configuration enables: here the first.
            guard packet.chain == 0 else { throw .outOfRange }
            counters.downlinks &+= 1
            let answer = plan(packet, at: now)
            if case .refused = answer { counters.refused &+= 1 }
            let frame = GatewayFrame.transmitAck(token: token, gateway: gateway, acknowledgement: answer)
            actions.append(.send(frame.encode()))
        case .pushData, .pullData, .transmitAck: throw .kind
        }
    }
}

extension Forwarder {
    private mutating func plan(_ packet: TransmitPacket, at now: Instant) -> TransmitAcknowledgement {
        guard settings.frequencyRangeHz.contains(packet.frequencyHz) else { return .refused(.frequency) }
        var packet = packet
        let asked = packet.powerDBm
        // The closest lower row; below the lowest row the original takes the lowest.
        let range = settings.powerRangeDBm
        packet.powerDBm = min(max(asked, range.lowerBound), range.upperBound)
        let length = Duration.nanoseconds(
            packet.timeOnAir.nanoseconds / 1000 * Int64(settings.airtimePermille))

        let start: Instant
        switch packet.moment {
        case .gps: return .refused(.gpsUnlocked)
        case .immediate: start = firstGap(of: length, from: now + Self.immediateLead)
        case .counter(let target):
            let lead = target &- counter(at: now)
            if lead <= Self.leadMin { return .refused(.tooLate) }
            if lead > Self.leadMax { return .refused(.tooEarly) }
            start = now + .microseconds(Int64(lead))
        }
        let planned = Planned(packet: packet, start: start, end: start + length)
        let collides = queue.contains { $0.start < planned.end && planned.start < $0.end }
        guard !collides, queue.count < Self.queueMax else { return .refused(.collidesWithPacket) }
        queue.insert(planned, at: queue.firstIndex { $0.start > start } ?? queue.count)
        return packet.powerDBm == asked ? .accepted : .acceptedWithPower(dBm: packet.powerDBm)
    }

    private func firstGap(of length: Duration, from earliest: Instant) -> Instant {
        var start = earliest
        for planned in queue where planned.start < start + length && start < planned.end {
            start = planned.end
        }
        return start
    }

    /// Starts what is due and forgets what is over.
    private mutating func advanceQueue(at now: Instant, _ actions: inout [Action]) {
        for place in queue.indices where !queue[place].started && queue[place].start <= now {
            queue[place].started = true
            counters.transmitted &+= 1
            actions.append(.transmit(queue[place].packet, until: queue[place].end))
        }
        queue.removeAll { $0.started && $0.end <= now }
    }
}
