internal import Coverage
internal import Radio
internal import Wire

/// The air: the same propagation as the testnets' ether, without its timing.
struct Air {
    private let propagation: Propagation
    private let stations: [Propagation.Station]
    private let silent: [Bool]

    init(plan: Plan, places: [Place]) {
        propagation = Propagation(
            Propagation.Settings(
                seed: plan.seed, exponentHundredths: plan.radio.exponentHundredths,
                lossPermille: plan.radio.lossPermille))
        stations = places.enumerated().map {
            Propagation.Station(identity: UInt64($0.offset), place: $0.element, gainDeciDb: 20)
        }
        silent = places.indices.map { plan.radio.silent.contains($0) }
    }

    /// Who hears a transmission, and how.
    func receptions(of transmission: Transmission, from host: Int) -> [(host: Int, Measurement)] {
        guard !silent[host] else { return [] }
        let tag = Propagation.tag(of: transmission.payload)
        let rate = Radio.DataRate(
            spreadingFactor: transmission.dataRate.spreadingFactor,
            bandwidthKHz: transmission.dataRate.bandwidthKilohertz)!
        // The power is radiated power: the antenna's gain is in it.
        var sender = stations[host]
        sender.gainDeciDb = 0
        var heard: [(host: Int, Measurement)] = []
        for receiver in stations.indices where receiver != host && !silent[receiver] {
            let station = stations[receiver]
            guard !propagation.loses(tag: tag, receiver: station.identity) else { continue }
            let signal = propagation.signalDBm(
                from: sender, to: station, powerDBm: Int(transmission.power) / 10,
                frequencyHz: transmission.frequency, tag: tag)
            guard let report = propagation.report(signalDBm: signal, dataRate: rate) else { continue }
            let measurement = Measurement(
                rssi: report.signalRSSIDecidBm, snr: report.snrDecidB, frequency: transmission.frequency,
                dataRate: transmission.dataRate)
            heard.append((receiver, measurement))
        }
        return heard
    }
}
