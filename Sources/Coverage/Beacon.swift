internal import Bytes
public import Identity
public import Wire

/// One beacon as the radio sends it.
public struct Transmission: Hashable, Sendable {
    public let payload: [UInt8]
    /// Hz.
    public let frequency: UInt32
    public let dataRate: DataRate
    /// Radiated power (EIRP) in 0.1 dBm: the most that may be used.
    public let power: Int16
    /// Milliseconds from the opening of the epoch.
    public let offsetMilliseconds: UInt32
    /// What of `power` is the sender's antenna's, in 0.1 dBi, as the registry has it in that epoch: the radio does the rest.
    public var gain: Int16

    public init(
        payload: [UInt8], frequency: UInt32, dataRate: DataRate, power: Int16, offsetMilliseconds: UInt32,
        gain: Int16 = 0
    ) {
        self.payload = payload
        self.frequency = frequency
        self.dataRate = dataRate
        self.power = power
        self.offsetMilliseconds = offsetMilliseconds
        self.gain = gain
    }

    public var tag: Tag { Tag(payload: payload) }
}

extension Tag {
    /// The first eight octets of the payload's digest, most significant first.
    public init(payload: [UInt8]) { self.init(Digest(of: payload).prefix) }
}

/// What follows from a hotspot's VRF output: whether, when, where and what it beacons.
///
/// Schedule and payload are two BLAKE2b expansions keyed by beta under different labels: neither tells of
/// the other or of beta, so who hears a payload cannot foretell the reveal.
public enum Beacon {
    public static let marker: UInt8 = 0xE0
    /// Marker, epoch mod 256, and 50 octets of the expansion.
    public static let payloadByteCount = 52
    /// A beacon is sent between these parts of the epoch, in percent.
    public static let windowPercent: ClosedRange<UInt64> = 5...60

    private static let scheduleLabel = Array("earshot\0beacon schedule".utf8)
    private static let payloadLabel = Array("earshot\0beacon payload".utf8)

    /// Nil if the output is not under the threshold.
    public static func transmission(
        output: VRFOutput, epoch: Epoch, region: Region, parameters: Parameters
    ) -> Transmission? {
        guard output.prefix < parameters.beaconThreshold else { return nil }
        return derived(output: output, epoch: epoch, region: region, parameters: parameters)
    }

    /// What would be sent, whether eligible or not: a judge names the first failing rule.
    static func derived(
        output: VRFOutput, epoch: Epoch, region: Region, parameters: Parameters
    ) -> Transmission {
        let beta = output.octets
        let schedule = blake2b(scheduleLabel.octetBytes, key: beta, byteCount: 24)
        func draw(_ place: Int, below bound: UInt64) -> UInt64 {
            let word = schedule[(8 * place)..<(8 * place + 8)].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return word.multipliedFullWidth(by: bound).high
        }
        let plan = ChannelPlan.of(region)
        let length = UInt64(parameters.epochMilliseconds)
        let earliest = (length * windowPercent.lowerBound + 99) / 100
        let latest = length * windowPercent.upperBound / 100
        let payload =
            [marker, UInt8(truncatingIfNeeded: epoch)]
            + blake2b(payloadLabel.octetBytes, key: beta, byteCount: payloadByteCount - 2)
        return Transmission(
            payload: payload,
            frequency: plan.frequencies[Int(draw(1, below: UInt64(plan.frequencies.count)))],
            dataRate: plan.dataRates[Int(draw(2, below: UInt64(plan.dataRates.count)))],
            power: plan.powerMax,
            offsetMilliseconds: UInt32(earliest + draw(0, below: latest - earliest + 1)))
    }
}

extension WitnessReport.Proof {
    /// What only a holder of the payload can say, good for one reporter, epoch and measurement.
    public init(payload: [UInt8], reporter: NodeID, epoch: Epoch, measurement: Measurement) {
        precondition(payload.count == Beacon.payloadByteCount)
        var writer = ByteWriter(capacity: 49)
        reporter.encode(to: &writer)
        writer.integer(epoch)
        measurement.encode(to: &writer)
        self.init(octets: blake2b(writer.written, key: payload, byteCount: Self.byteCount))
    }
}
