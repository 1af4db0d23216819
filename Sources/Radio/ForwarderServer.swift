public import Chance

/// One packet that came in over the radio, as its gateway measured it; its checksum was good.
public struct RadioFrame: Equatable, Sendable {
    public let gateway: GatewayEUI
    public let payload: [UInt8]
    public let frequencyHz: UInt32
    public let dataRate: DataRate
    /// The signal's own strength where the concentrator tells it, else the channel's; 0.1 dBm.
    public let rssiDecidBm: Int16
    /// 0.1 dB.
    public let snrDecidB: Int16
    /// The concentrator's microsecond counter at the end of the packet.
    public let counter: UInt32

    init(_ packet: ReceivedPacket, gateway: GatewayEUI) {
        self.gateway = gateway
        payload = packet.payload
        frequencyHz = packet.frequencyHz
        dataRate = packet.dataRate
        rssiDecidBm = packet.signalRSSIDecidBm ?? packet.channelRSSIDecidBm
        snrDecidB = packet.snrDecidB
        counter = packet.counter
    }
}

/// What became of a request to transmit; each request ends in exactly one of these.
public enum TransmitOutcome: Equatable, Sendable {
    case accepted
    /// Will be sent with another power than asked for: nil where the gateway did not tell which.
    case acceptedWithPower(dBm: Int?)
    case refused(TransmitError)
    /// No gateway has opened a way back in the last `gatewayLifetime`.
    case noGateway
    /// `ForwarderServer.openMax` requests wait already.
    case busy
    /// No TX_ACK in time: it may or may not have been sent.
    case unacknowledged
}

/// The node's side of the packet-forwarder protocol: what a network server is to a gateway.
///
/// Upon PULL_DATA: remember the address as the gateway's way back, answer PULL_ACK. Upon PUSH_DATA: answer
/// PUSH_ACK at once (section 3.3 of the protocol: before processing), drop what repeats a recent datagram,
/// report each packet whose checksum is good. Upon a request: PULL_RESP to the first gateway with a way
/// back, and wait for its TX_ACK until `patience` ends. A TX_ACK counts only if its token and gateway are
/// those of an open request.
///
/// `Address` is whatever the driver sends to. Nothing here is authenticated: bind the port where only the
/// gateway can reach it, and configure the gateway's name, so that a stray forwarder cannot take its place.
public struct ForwarderServer<Address: Hashable & Sendable>: Sendable {
    public struct Settings: Equatable, Sendable {
        /// The only gateway to listen to; nil admits the first `gatewaysMax`.
        public let gateway: GatewayEUI?
        /// How long a TX_ACK may take; forwarders answer when they queue, not when they send.
        public let patience: Duration
        /// How long a silent gateway keeps its place: six of the forwarder's default keepalives.
        public let gatewayLifetime: Duration

        public init(
            gateway: GatewayEUI? = nil, patience: Duration = .seconds(3),
            gatewayLifetime: Duration = .seconds(60)
        ) {
            precondition(.zero < patience && .zero < gatewayLifetime)
            self.gateway = gateway
            self.patience = patience
            self.gatewayLifetime = gatewayLifetime
        }
    }

    public enum Event: Equatable, Sendable {
        case woke
        case datagram(from: Address, [UInt8])
        case transmit(TransmitPacket, id: UInt64)
    }

    public enum Action: Equatable, Sendable {
        case send(to: Address, [UInt8])
        case received(RadioFrame)
        case transmitted(id: UInt64, TransmitOutcome)
    }

    public struct Counters: Equatable, Sendable {
        public var datagrams: UInt64 = 0
        public var packets: UInt64 = 0
        public var transmitRequests: UInt64 = 0
        public var dropped = DropCounters()

        public init() {}
    }

    /// Gateways of one node: one is the rule, a few share a roof.
    public static var gatewaysMax: Int { 4 }
    /// Requests waiting for their TX_ACK: half of the reference forwarder's own queue.
    public static var openMax: Int { 16 }
    /// Datagrams remembered against replay: a busy gateway's last half minute.
    public static var windowMax: Int { 256 }

    private struct Gateway: Sendable {
        let name: GatewayEUI
        var wayBack: Address?
        var heardAt: Instant
    }

    private struct Request: Sendable {
        let id: UInt64
        let token: UInt16
        let gateway: GatewayEUI
        let until: Instant
    }

    private let settings: Settings
    private var chance: Chance
    private let fingerprintSeed: UInt64
    /// In the order of their first datagram.
    private var gateways: [Gateway] = []
    /// In the order of their deadlines.
    private var open: [Request] = []
    /// Fingerprints of recent PUSH_DATA: a ring whose oldest entry is at `windowStart` once it is full.
    private var window: [UInt64] = []
    private var windowStart = 0

    public private(set) var counters = Counters()

    public init(settings: Settings, chance: Chance) {
        self.settings = settings
        self.chance = chance
        fingerprintSeed = self.chance.bits()
    }

    /// When to send `woke`, at the latest.
    public var deadline: Instant { open.first?.until ?? .never }

    /// The gateways that could transmit now, in the order of their first datagram.
    public func reachableGateways(at now: Instant) -> [GatewayEUI] {
        gateways.filter { $0.wayBack != nil && lives($0, at: now) }.map(\.name)
    }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        expire(at: now, &actions)
        switch event {
        case .woke: break
        case .datagram(let address, let bytes):
            counters.datagrams &+= 1
            do throws(RadioError) {
                try receive(bytes, from: address, at: now, &actions)
            } catch {
                counters.dropped.count(error)
            }
        case .transmit(let packet, let id): transmit(packet, id: id, at: now, &actions)
        }
        assertInvariants()
    }

    private func assertInvariants() {
        precondition(gateways.count <= Self.gatewaysMax && open.count <= Self.openMax)
        precondition(window.count <= Self.windowMax && windowStart < Self.windowMax)
        assert(zip(open, open.dropFirst()).allSatisfy { $0.until <= $1.until })
        assert(Set(open.map(\.token)).count == open.count, "a token names one open request")
    }
}

extension ForwarderServer {
    private mutating func receive(
        _ bytes: [UInt8], from address: Address, at now: Instant, _ actions: inout [Action]
    ) throws(RadioError) {
        let header = try GatewayFrame.Header(bytes)
        switch header.kind {
        case .pushData:
            _ = try admit(header.gateway, at: now)
            actions.append(.send(to: address, GatewayFrame.pushAck(token: header.token).encode()))
            try remember(bytes)
            deliver(try GatewayFrame.decode(bytes, header: header), &actions)
        case .pullData:
            _ = try GatewayFrame.decode(bytes, header: header)
            let place = try admit(header.gateway, at: now)
            gateways[place].wayBack = address
            actions.append(.send(to: address, GatewayFrame.pullAck(token: header.token).encode()))
        case .transmitAck:
            let frame = try GatewayFrame.decode(bytes, header: header)
            guard case .transmitAck(let token, let gateway, let acknowledgement) = frame else { return }
            try finish(token: token, gateway: gateway, acknowledgement, &actions)
        case .pushAck, .pullAck, .pullResponse: throw .kind
        }
    }

    /// The gateway's place, made if it is new; one that fell silent gives its place up.
    private mutating func admit(_ name: GatewayEUI, at now: Instant) throws(RadioError) -> Int {
        if let only = settings.gateway, only != name { throw .unknownGateway }
        if let place = gateways.firstIndex(where: { $0.name == name }) {
            gateways[place].heardAt = now
            return place
        }
        if gateways.count == Self.gatewaysMax {
            guard let silent = gateways.firstIndex(where: { !lives($0, at: now) }) else {
                throw .tooManyGateways
            }
            gateways.remove(at: silent)
        }
        gateways.append(Gateway(name: name, wayBack: nil, heardAt: now))
        return gateways.count - 1
    }

    private func lives(_ gateway: Gateway, at now: Instant) -> Bool {
        now < gateway.heardAt + settings.gatewayLifetime
    }

    /// Throws if the same datagram is in the window. The seed is ours, so nobody can aim a collision.
    private mutating func remember(_ bytes: [UInt8]) throws(RadioError) {
        let fingerprint = Mixing.hash(bytes, seed: fingerprintSeed)
        guard !window.contains(fingerprint) else { throw .replayed }
        if window.count < Self.windowMax {
            window.append(fingerprint)
        } else {
            window[windowStart] = fingerprint
            windowStart = (windowStart + 1) % Self.windowMax
        }
    }

    private mutating func deliver(_ frame: GatewayFrame, _ actions: inout [Action]) {
        guard case .pushData(_, let gateway, let upstream) = frame else { return }
        for reason in upstream.refused { counters.dropped.count(reason) }
        for packet in upstream.packets {
            if packet.checksum == .passed {
                counters.packets &+= 1
                actions.append(.received(RadioFrame(packet, gateway: gateway)))
            } else {
                counters.dropped.count(.badChecksum)
            }
        }
    }
}

extension ForwarderServer {
    private mutating func transmit(
        _ packet: TransmitPacket, id: UInt64, at now: Instant, _ actions: inout [Action]
    ) {
        precondition((1...ReceivedPacket.payloadByteCountMax).contains(packet.payload.count))
        precondition(ReceivedPacket.frequencyRangeHz.contains(packet.frequencyHz))
        precondition(TransmitPacket.powerRangeDBm.contains(packet.powerDBm))
        counters.transmitRequests &+= 1
        guard open.count < Self.openMax else { return actions.append(.transmitted(id: id, .busy)) }
        for gateway in gateways where lives(gateway, at: now) {
            guard let address = gateway.wayBack else { continue }
            let token = freshToken()
            open.append(
                Request(id: id, token: token, gateway: gateway.name, until: now + settings.patience))
            let frame = GatewayFrame.pullResponse(token: token, packet: packet)
            return actions.append(.send(to: address, frame.encode()))
        }
        actions.append(.transmitted(id: id, .noGateway))
    }

    /// A token that no open request has; at most `openMax` of 65,536 are taken.
    private mutating func freshToken() -> UInt16 {
        while true {
            let token = UInt16(truncatingIfNeeded: chance.bits())
            if !open.contains(where: { $0.token == token }) { return token }
        }
    }

    private mutating func finish(
        token: UInt16, gateway: GatewayEUI, _ acknowledgement: TransmitAcknowledgement,
        _ actions: inout [Action]
    ) throws(RadioError) {
        guard let place = open.firstIndex(where: { $0.token == token && $0.gateway == gateway }) else {
            throw .unmatchedAcknowledgement
        }
        let outcome: TransmitOutcome =
            switch acknowledgement {
            case .accepted: .accepted
            case .acceptedWithPower(let power): .acceptedWithPower(dBm: power)
            case .refused(let error): .refused(error)
            }
        actions.append(.transmitted(id: open.remove(at: place).id, outcome))
    }

    private mutating func expire(at now: Instant, _ actions: inout [Action]) {
        while let first = open.first, first.until <= now {
            actions.append(.transmitted(id: open.removeFirst().id, .unacknowledged))
        }
    }
}
