internal import Chance
internal import Coverage
internal import Wire

/// Sends on by radio what it hears, so that those who are out of the beacon's reach hear it too.
struct RadioRelay: Adversary {
    private var relayed = Recent<[UInt8]>(max: 64)

    mutating func hear(_ payload: [UInt8], _ measurement: Measurement, scene: inout Scene) {
        guard !relayed.list.contains(payload) else { return }
        relayed.add(payload)
        scene.transmit(
            Transmission(
                payload: payload, frequency: measurement.frequency, dataRate: measurement.dataRate,
                power: 160, offsetMilliseconds: 0))
    }
}

/// Sends beacons by radio that nobody will own up to, and changed ones.
struct RadioSpoofer: Adversary {
    private var chance: Chance
    private var last: (payload: [UInt8], measurement: Measurement)?

    init(chance: Chance) { self.chance = chance }

    mutating func hear(_ payload: [UInt8], _ measurement: Measurement, scene: inout Scene) {
        last = (payload, measurement)
    }

    mutating func tick(scene: inout Scene) {
        guard let (payload, measurement) = last, chance.happens(1, in: 3) else { return }
        var spoofed = chance.happens(1, in: 2) ? payload : chance.octets(payload.count)
        if chance.happens(1, in: 2), !spoofed.isEmpty { spoofed[chance.below(spoofed.count)] ^= 1 }
        scene.transmit(
            Transmission(
                payload: spoofed, frequency: measurement.frequency, dataRate: measurement.dataRate,
                power: Int16(20 + chance.below(250)), offsetMilliseconds: 0))
    }
}
