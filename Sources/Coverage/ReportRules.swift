internal import Geo
internal import Identity
internal import Wire

/// The rules between one beacon and one report of it, in the order of the protocol's section 8.
enum ReportRules {
    static let frequencyToleranceHz: UInt32 = 100_000
    /// Grid steps at resolution 11.
    static let stepsMin = 8
    static let metresMax = 100_000
    /// 0.1 dB: the best that a receiver reports.
    static let snrMax: Int16 = 150
    /// 0.1 dB: the worst of any data rate.
    static let snrMin: Int16 = -250
    /// 0.1 dB by which a receiver's figure may lie under the floor.
    static let snrTolerance: Int16 = 30

    /// 0.1 dB: packet forwarders round to whole dBm, and so by half of one at most.
    static let rssiRounding: Int16 = 5

    /// The least SNR at which a spreading factor can be demodulated, in 0.1 dB.
    ///
    /// Source: Semtech SX1276/77/78/79 datasheet, table 13 ("Range of Spreading Factors").
    static func snrFloor(_ rate: DataRate) -> Int16 {
        Int16(-75 - 25 * (rate.spreadingFactor - 7))
    }

    /// The weakest signal that any receiver can demodulate, in 0.1 dBm.
    ///
    /// Thermal noise of −174 dBm/Hz over the bandwidth (125 kHz: −123 dBm, 500 kHz: −117 dBm), a noise figure
    /// of 0 dB, and the floor above. Below the best published sensitivity (SX1302: −141 dBm at SF12).
    static func rssiFloor(_ rate: DataRate) -> Int16 {
        (rate.bandwidthKilohertz == 500 ? -1170 : -1230) + snrFloor(rate)
    }

    /// What is asked of the air between the two, with the numbers of the verdict.
    static func judge(
        _ verdict: inout ReportVerdict, reveal: BeaconVerdict.RevealedParameters, beaconer: Party,
        reporter: Party
    ) -> Reason {
        let heard = verdict.measurement
        guard let from = beaconer.location, let to = reporter.location,
            let nearness = beaconer.nearness, let otherNearness = reporter.nearness
        else { return .noLocation }
        let metres = from.position.distanceMetres(to: to.position)
        verdict.distance = UInt32(metres)
        let loss = Decibels.freeSpacePathLoss(metres: metres, frequencyHz: reveal.frequency)
        let eirp = Int32(ChannelPlan.of(beaconer.version.profile.region).powerMax) * 10
        let rssiMax = eirp + Int32(reporter.version.profile.gain) * 10 - loss
        verdict.rssiMax = rssiMax
        let offset =
            heard.frequency > reveal.frequency
            ? heard.frequency - reveal.frequency : reveal.frequency - heard.frequency
        if offset > frequencyToleranceHz { return .wrongFrequency }
        if heard.dataRate != reveal.dataRate { return .wrongDataRate }
        if beaconer.version.profile.region != reporter.version.profile.region { return .wrongRegion }
        switch nearness.relation(to: otherNearness, stepsMin: stepsMin) {
        case .undefined: return .undefinedDistance
        case .near: return .tooNear
        case .far: break
        }
        if metres > metresMax { return .tooFar }
        if Int32(heard.rssi) * 10 > rssiMax { return .tooLoud }
        if heard.rssi < rssiFloor(heard.dataRate) - rssiRounding { return .tooQuiet }
        let floor = max(snrMin, snrFloor(heard.dataRate) - snrTolerance)
        return floor...snrMax ~= heard.snr ? .valid : .implausibleSNR
    }
}
