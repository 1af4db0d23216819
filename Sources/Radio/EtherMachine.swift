public import Chance

/// The whole ether without a socket: one forwarder for each node, and the air between them.
///
/// `Ether` drives it with real datagrams; a simulation can drive it with virtual ones.
public struct EtherMachine: Sendable {
    public enum Event: Equatable, Sendable {
        case woke
        /// From the server of the node with this index in the configuration.
        case datagram(node: Int, [UInt8])
    }

    public enum Action: Equatable, Sendable {
        /// From the forwarder of this node to its server.
        case send(node: Int, [UInt8])
    }

    private var forwarders: [Forwarder]
    private var air: Air

    /// `config` must be valid.
    public init(config: EtherConfig, unixSecondsAtOrigin: Int64 = 0, now: Instant) {
        var chance = Chance(seed: config.seed)
        var stagger = chance.split()
        forwarders = config.nodes.map { node in
            let settings = Forwarder.Settings(
                gateway: GatewayEUI(hex: node.eui)!, keepalive: .milliseconds(config.keepaliveMilliseconds),
                statusPeriod: .milliseconds(config.statusMilliseconds),
                frequencyRangeHz: config.frequencyMinHz...config.frequencyMaxHz,
                powerRangeDBm: config.powerMinDBm...config.powerMaxDBm,
                counterAtOrigin: UInt32(truncatingIfNeeded: stagger.bits()),
                unixSecondsAtOrigin: unixSecondsAtOrigin, airtimePermille: config.airtimePermille)
            return Forwarder(settings: settings, chance: chance.split(), now: now)
        }
        let antennas = config.nodes.map { node in
            let station = Propagation.Station(
                identity: GatewayEUI(hex: node.eui)!.value, place: node.place, gainDeciDb: node.gainDeciDb)
            let connected = node.antenna == .normal
            return Air.Antenna(
                station: station, transmits: connected, receives: connected && !node.deaf,
                frequencyOffsetHz: node.frequencyOffsetHz)
        }
        let relays = config.wormholes.enumerated().map { index, hole in
            // Two antennas of its own: shadowed as two more stations.
            let identity = Mixing.hash(config.seed, 4, UInt64(index))
            return Air.Relay(
                ear: Propagation.Station(identity: identity, place: hole.from, gainDeciDb: 0),
                mouth: Propagation.Station(identity: ~identity, place: hole.to, gainDeciDb: 0),
                powerDBm: hole.powerDBm, delay: .milliseconds(hole.delayMilliseconds))
        }
        air = Air(
            propagation: config.propagation, antennas: antennas, relays: relays, collisions: config.collisions
        )
    }

    /// When to send `woke`, at the latest.
    public var deadline: Instant {
        forwarders.reduce(air.deadline) { min($0, $1.deadline) }
    }

    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        catchUp(to: now, &actions)
        if case .datagram(let node, let bytes) = event {
            step(node, .datagram(bytes), at: now, &actions)
        }
        catchUp(to: now, &actions)
    }

    public var stats: EtherStats {
        EtherStats(air: air.counters, forwarders: forwarders.map(\.counters))
    }

    /// Carries out everything that was due, at the time at which it was due and in that order: a driver
    /// that wakes late changes when a packet is reported, and not what is heard.
    private mutating func catchUp(to now: Instant, _ actions: inout [Action]) {
        while true {
            let due = deadline
            guard due <= now else { return }
            // Ends before beginnings: a radio is free to send the moment its packet is over.
            var heard: [(place: Int, packet: ReceivedPacket)] = []
            air.advance(to: due, heard: &heard)
            for reception in heard { step(reception.place, .heard(reception.packet), at: due, &actions) }
            for node in forwarders.indices where forwarders[node].deadline <= due {
                step(node, .woke, at: due, &actions)
            }
        }
    }

    private mutating func step(
        _ node: Int, _ event: Forwarder.Event, at now: Instant, _ actions: inout [Action]
    ) {
        var steps: [Forwarder.Action] = []
        forwarders[node].handle(event, at: now, actions: &steps)
        for step in steps {
            switch step {
            case .send(let bytes): actions.append(.send(node: node, bytes))
            case .transmit(let packet, let until): air.transmit(packet, by: node, from: now, until: until)
            }
        }
    }
}

/// What the ether has carried, and why it has not carried more.
public struct EtherStats: Equatable, Sendable {
    public let transmissions: UInt64
    public let receptions: UInt64
    /// Repeated by wormholes.
    public let relayed: UInt64
    /// Below the sensitivity of its data rate.
    public let tooWeak: UInt64
    /// The receiver was sending.
    public let deafWhileSending: UInt64
    public let collided: UInt64
    /// At random.
    public let lost: UInt64
    /// One for each node, in the order of the configuration.
    public let forwarders: [Forwarder.Counters]

    init(air: Air.Counters, forwarders: [Forwarder.Counters]) {
        transmissions = air.transmissions
        receptions = air.receptions
        relayed = air.relayed
        tooWeak = air.tooWeak
        deafWhileSending = air.deafWhileSending
        collided = air.collided
        lost = air.lost
        self.forwarders = forwarders
    }
}
