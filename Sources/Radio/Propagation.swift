internal import Foundation
internal import Geo

/// A point on the ground, in degrees and in metres above the sea.
public struct Place: Equatable, Codable, Sendable {
    public var latitude: Double
    public var longitude: Double
    public var elevation: Double?

    public init(latitude: Double, longitude: Double, elevation: Double? = nil) {
        self.latitude = latitude
        self.longitude = longitude
        self.elevation = elevation
    }

    var isOnEarth: Bool {
        (-90...90).contains(latitude) && (-180...180).contains(longitude)
            && (elevation.map { (-500...9000).contains($0) } ?? true)
    }

    /// Metres in a straight line: the great circle that the network agrees on, and the difference in height.
    public func distance(to other: Place) -> Double {
        let ground = Double(position.distanceMetres(to: other.position))
        let height = (other.elevation ?? 0) - (elevation ?? 0)
        return (ground * ground + height * height).squareRoot()
    }

    private var position: Position {
        precondition(isOnEarth)
        let units = Double(Position.unitsPerDegree)
        return Position(
            latitude: Int32((latitude * units).rounded()), longitude: Int32((longitude * units).rounded()))!
    }
}

/// How strong a packet arrives: the testnet's stand-in for hills, houses and weather.
///
/// - Mean loss: free space up to `referenceMeters`, beyond it a log-distance law (Rappaport, "Wireless
///   Communications", section 4.9): `FSPL(d0) + 10 n log10(d / d0)`.
/// - Shadowing, dB-normal, a pure function of the seed and the unordered pair of stations: it is the same
///   both ways, every time.
/// - Fading, dB-normal, and random loss: a pure function of the seed, the packet's tag and the receiver.
///   Never of the order of arrival: the same packets give the same receptions on any machine, however
///   loaded.
/// - No luck beats free space plus `implementationLoss`: an honest report never looks too loud to be true.
///
/// It is emulation and not agreed state, hence floating point; what it reports is rounded as a concentrator
/// rounds.
public struct Propagation: Equatable, Sendable {
    public struct Settings: Equatable, Sendable {
        public var seed: UInt64
        /// The path-loss exponent n: 200 is free space, 270…350 a town.
        public var exponentHundredths: Int
        /// Standard deviation of shadowing, 0.1 dB.
        public var shadowingDeciDb: Int
        /// Standard deviation of fading from packet to packet, 0.1 dB.
        public var fadingDeciDb: Int
        /// Of the receiving chain, 0.1 dB.
        public var noiseFigureDeciDb: Int
        /// Packets lost for no reason, in a thousand.
        public var lossPermille: Int

        public init(
            seed: UInt64, exponentHundredths: Int = 280, shadowingDeciDb: Int = 60, fadingDeciDb: Int = 15,
            noiseFigureDeciDb: Int = 60, lossPermille: Int = 0
        ) {
            precondition((200...600).contains(exponentHundredths) && (0...200).contains(shadowingDeciDb))
            precondition((0...200).contains(fadingDeciDb) && (0...200).contains(noiseFigureDeciDb))
            precondition((0...1000).contains(lossPermille))
            self.seed = seed
            self.exponentHundredths = exponentHundredths
            self.shadowingDeciDb = shadowingDeciDb
            self.fadingDeciDb = fadingDeciDb
            self.noiseFigureDeciDb = noiseFigureDeciDb
            self.lossPermille = lossPermille
        }
    }

    /// An antenna at a place.
    public struct Station: Equatable, Sendable {
        /// What shadowing and fading are drawn for.
        public var identity: UInt64
        public var place: Place
        /// 0.1 dBi.
        public var gainDeciDb: Int

        public init(identity: UInt64, place: Place, gainDeciDb: Int) {
            self.identity = identity
            self.place = place
            self.gainDeciDb = gainDeciDb
        }
    }

    /// Metres up to which nothing stands in the way.
    static let referenceMeters = 100.0
    /// Cables, connectors and polarisation, dB: nobody reaches the free-space bound.
    static let implementationLossDb = 1.0
    /// Where the SNR estimate of a concentrator saturates, dB.
    static let snrMaxDb = 13.0
    /// Above this the front end clips, dBm.
    static let signalMaxDBm = -10.0

    public let settings: Settings

    public init(_ settings: Settings) {
        self.settings = settings
    }

    /// What the randomness of one packet is drawn for: the same payload has the same tag everywhere.
    public static func tag(of payload: [UInt8]) -> UInt64 { Mixing.hash(payload, seed: 0x7461_67) }

    /// Free-space path loss, dB: the same figure by which the network calls a report too loud.
    public static func freeSpaceLossDb(meters: Double, frequencyHz: UInt32) -> Double {
        Double(Decibels.freeSpacePathLoss(metres: Int(meters.rounded()), frequencyHz: frequencyHz)) / 100
    }

    /// Mean loss without shadowing or fading, dB; never falls with distance.
    public func meanLossDb(meters: Double, frequencyHz: UInt32) -> Double {
        let clear = Self.freeSpaceLossDb(meters: min(meters, Self.referenceMeters), frequencyHz: frequencyHz)
        guard meters > Self.referenceMeters else { return clear + Self.implementationLossDb }
        let beyond = log10(meters / Self.referenceMeters) * Double(settings.exponentHundredths) / 10
        return clear + beyond + Self.implementationLossDb
    }

    /// dB; positive is more loss. Symmetric.
    public func shadowingDb(between first: UInt64, and second: UInt64) -> Double {
        let draw = Mixing.hash(settings.seed, 1, min(first, second), max(first, second))
        return Mixing.gaussian(draw) * Double(settings.shadowingDeciDb) / 10
    }

    /// dB; positive is more loss.
    public func fadingDb(tag: UInt64, receiver: UInt64) -> Double {
        Mixing.gaussian(Mixing.hash(settings.seed, 2, tag, receiver)) * Double(settings.fadingDeciDb) / 10
    }

    /// Whether this receiver misses this packet for no reason at all.
    public func loses(tag: UInt64, receiver: UInt64) -> Bool {
        Mixing.hash(settings.seed, 3, tag, receiver) % 1000 < UInt64(settings.lossPermille)
    }

    /// Strength at the receiver's connector, dBm.
    public func signalDBm(
        from sender: Station, to receiver: Station, powerDBm: Int, frequencyHz: UInt32, tag: UInt64
    ) -> Double {
        let meters = sender.place.distance(to: receiver.place)
        let loss =
            meanLossDb(meters: meters, frequencyHz: frequencyHz)
            + shadowingDb(between: sender.identity, and: receiver.identity)
            + fadingDb(tag: tag, receiver: receiver.identity)
        let bound = Self.freeSpaceLossDb(meters: meters, frequencyHz: frequencyHz) + Self.implementationLossDb
        let gains = Double(sender.gainDeciDb + receiver.gainDeciDb) / 10
        return min(Double(powerDBm) + gains - max(loss, bound), Self.signalMaxDBm)
    }

    /// Thermal noise in the bandwidth at 290 K plus the noise figure, dBm: −117 for 125 kHz and 6 dB.
    public func noiseDBm(bandwidthKHz: Int) -> Double {
        -174 + 10 * log10(Double(bandwidthKHz) * 1000) + Double(settings.noiseFigureDeciDb) / 10
    }

    /// The weakest signal that is still understood, dBm.
    ///
    /// The noise plus the demodulator's SNR limit: −7.5 dB at SF7, 2.5 dB less with each step to −20 dB at
    /// SF12 (SX1276 data sheet, table 13). With a noise figure of 2 dB that is the −141 dBm Semtech states
    /// for SX1302.
    public func sensitivityDBm(_ dataRate: DataRate) -> Double {
        noiseDBm(bandwidthKHz: dataRate.bandwidthKHz) - 7.5 - 2.5 * Double(dataRate.spreadingFactor - 7)
    }

    /// The figures a concentrator would print for a signal of this strength; nil if it would not hear it.
    ///
    /// `rssi` is everything in the channel, so near the noise it stands still; `rssis` is the signal alone.
    /// Both are whole dBm (`lora_pkt_fwd` rounds them); the SNR comes in quarters of a dB and saturates.
    public func report(signalDBm: Double, dataRate: DataRate) -> Report? {
        guard signalDBm >= sensitivityDBm(dataRate) else { return nil }
        let noise = noiseDBm(bandwidthKHz: dataRate.bandwidthKHz)
        let channel = 10 * log10(pow(10, signalDBm / 10) + pow(10, noise / 10))
        let quarters = (min(signalDBm - noise, Self.snrMaxDb) * 4).rounded()
        return Report(
            channelRSSIDecidBm: Int16(channel.rounded()) * 10,
            signalRSSIDecidBm: Int16(signalDBm.rounded()) * 10,
            snrDecidB: Int16((quarters * 2.5).rounded()))
    }

    public struct Report: Equatable, Sendable {
        public let channelRSSIDecidBm: Int16
        public let signalRSSIDecidBm: Int16
        public let snrDecidB: Int16
    }
}
