internal import Chance

/// The medium between the antennas: who hears which packet when it ends.
///
/// Upon the start of a transmission: keep it. Upon its end: every station that was not sending meanwhile
/// hears it, if the signal reaches its sensitivity, no packet of like modulation was strong enough to spoil
/// it, and it is not lost at random. Relays hear likewise and repeat once, at another place. Stations are
/// asked in the order of the configuration; what a station hears depends on what is on the air and never on
/// who was asked first.
struct Air: Sendable {
    struct Antenna: Equatable, Sendable {
        var station: Propagation.Station
        var transmits: Bool
        var receives: Bool
        /// Added to the frequency of whatever it sends.
        var frequencyOffsetHz: Int
    }

    struct Relay: Equatable, Sendable {
        var ear: Propagation.Station
        var mouth: Propagation.Station
        var powerDBm: Int
        var delay: Duration
    }

    struct Counters: Equatable, Sendable {
        var transmissions: UInt64 = 0
        var receptions: UInt64 = 0
        var relayed: UInt64 = 0
        var tooWeak: UInt64 = 0
        var deafWhileSending: UInt64 = 0
        var collided: UInt64 = 0
        var lost: UInt64 = 0
        var forgotten: UInt64 = 0
    }

    private enum Source: Equatable, Sendable {
        case antenna(Int)
        case relay(Int)
    }

    private struct Transmission: Equatable, Sendable {
        let source: Source
        let station: Propagation.Station
        let packet: TransmitPacket
        let tag: UInt64
        let start: Instant
        let end: Instant
        var settled = false

        func overlaps(_ other: Transmission) -> Bool { start < other.end && other.start < end }
    }

    /// Transmissions kept, running and recent together: far more than a band can carry in the longest packet.
    static let transmissionsMax = 65_536
    /// A packet survives one of the same data rate that is this much weaker, dB (SX1272 data sheet,
    /// co-channel).
    static let captureDb = 6.0

    private let propagation: Propagation
    private let antennas: [Antenna]
    private let relays: [Relay]
    private let collisions: Bool
    /// In the order of their beginning to be known.
    private var transmissions: [Transmission] = []

    private(set) var counters = Counters()

    init(propagation: Propagation, antennas: [Antenna], relays: [Relay], collisions: Bool) {
        self.propagation = propagation
        self.antennas = antennas
        self.relays = relays
        self.collisions = collisions
    }

    /// When the next packet ends.
    var deadline: Instant { transmissions.lazy.filter { !$0.settled }.map(\.end).min() ?? .never }

    mutating func transmit(_ packet: TransmitPacket, by place: Int, from start: Instant, until end: Instant) {
        let antenna = antennas[place]
        counters.transmissions &+= 1
        var packet = packet
        packet.frequencyHz = UInt32(clamping: Int(packet.frequencyHz) + antenna.frequencyOffsetHz)
        guard antenna.transmits else { return }
        let transmission = Transmission(
            source: .antenna(place), station: antenna.station, packet: packet,
            tag: Propagation.tag(of: packet.payload), start: start, end: end)
        keep(transmission)
    }

    /// Settles every packet that has ended, in the order of their ends; appends who heard what.
    mutating func advance(to now: Instant, heard: inout [(place: Int, packet: ReceivedPacket)]) {
        while let place = nextToSettle(by: now) {
            transmissions[place].settled = true
            let transmission = transmissions[place]
            for receiver in antennas.indices { listen(at: receiver, to: transmission, &heard) }
            if case .antenna = transmission.source { relay(transmission) }
        }
        forget()
    }

    private func nextToSettle(by now: Instant) -> Int? {
        transmissions.indices.filter { !transmissions[$0].settled && transmissions[$0].end <= now }
            .min { transmissions[$0].end < transmissions[$1].end }
    }

    private mutating func keep(_ transmission: Transmission) {
        if transmissions.count == Self.transmissionsMax {
            transmissions.removeFirst()
            counters.forgotten &+= 1
        }
        transmissions.append(transmission)
    }

    /// What ended before everything that still runs began can spoil nothing any more.
    private mutating func forget() {
        let oldest = transmissions.lazy.filter { !$0.settled }.map(\.start).min()
        guard let oldest else { return transmissions.removeAll(keepingCapacity: true) }
        transmissions.removeAll { $0.settled && $0.end <= oldest }
    }
}

extension Air {
    private mutating func listen(
        at receiver: Int, to transmission: Transmission, _ heard: inout [(place: Int, packet: ReceivedPacket)]
    ) {
        let antenna = antennas[receiver]
        guard antenna.receives, transmission.source != .antenna(receiver) else { return }
        // Concentrators listen with the polarity of devices; an inverted packet is addressed to those.
        guard !transmission.packet.invertedPolarity else { return }
        let deaf = transmissions.contains { $0.source == .antenna(receiver) && $0.overlaps(transmission) }
        guard !deaf else { return counters.deafWhileSending &+= 1 }
        let signal = strength(of: transmission, at: antenna.station)
        let packet = transmission.packet
        guard let report = propagation.report(signalDBm: signal, dataRate: packet.dataRate) else {
            return counters.tooWeak &+= 1
        }
        guard !isSpoilt(transmission, at: antenna.station, signal) else { return counters.collided &+= 1 }
        guard !propagation.loses(tag: transmission.tag, receiver: antenna.station.identity) else {
            return counters.lost &+= 1
        }
        counters.receptions &+= 1
        let received = ReceivedPacket(
            payload: packet.payload, frequencyHz: packet.frequencyHz, dataRate: packet.dataRate,
            codingRate: packet.codingRate, checksum: packet.checksum ? .passed : .absent, counter: 0,
            channelRSSIDecidBm: report.channelRSSIDecidBm, signalRSSIDecidBm: report.signalRSSIDecidBm,
            snrDecidB: report.snrDecidB)
        heard.append((place: receiver, packet: received))
    }

    private func strength(of transmission: Transmission, at station: Propagation.Station) -> Double {
        propagation.signalDBm(
            from: transmission.station, to: station, powerDBm: transmission.packet.powerDBm,
            frequencyHz: transmission.packet.frequencyHz, tag: transmission.tag)
    }

    /// Other data rates are as good as orthogonal, and are left out.
    private func isSpoilt(_ transmission: Transmission, at station: Propagation.Station, _ signal: Double)
        -> Bool
    {
        guard collisions else { return false }
        let packet = transmission.packet
        return transmissions.contains { other in
            guard other.source != transmission.source, other.overlaps(transmission) else { return false }
            guard other.packet.dataRate == packet.dataRate else { return false }
            let apart = abs(Int(other.packet.frequencyHz) - Int(packet.frequencyHz))
            guard apart < packet.dataRate.bandwidthKHz * 1000 / 2 else { return false }
            return strength(of: other, at: station) > signal - Self.captureDb
        }
    }

    private mutating func relay(_ transmission: Transmission) {
        for (place, relay) in relays.enumerated() {
            let signal = strength(of: transmission, at: relay.ear)
            guard signal >= propagation.sensitivityDBm(transmission.packet.dataRate) else { continue }
            var packet = transmission.packet
            packet.powerDBm = relay.powerDBm
            counters.relayed &+= 1
            let start = transmission.end + relay.delay
            keep(
                Transmission(
                    source: .relay(place), station: relay.mouth, packet: packet, tag: transmission.tag,
                    start: start, end: start + (transmission.end - transmission.start)))
        }
    }
}
