import Chance
import Foundation
import Radio
import TestKit
import Testing

@Suite struct PropagationTests {
    private func station(_ identity: UInt64, metersEast: Double = 0) -> Propagation.Station {
        let degrees = metersEast / (6_371_007.18 * Double.pi / 180)
        return .init(identity: identity, place: Place(latitude: 0, longitude: degrees), gainDeciDb: 12)
    }

    @Test func `free-space loss is the published one`() throws {
        let vector = Vectors.vector("fspl/loss_only_508m")
        let expected = try #require(vector.expected["fspl_db"] as? Double)
        let loss = Propagation.freeSpaceLossDb(meters: 508, frequencyHz: 867_900_024)
        #expect(abs(loss - expected) <= 0.02)
    }

    @Test(arguments: ["distance/LOC0_LOC1_m", "distance/LOC0_LOC3_m", "distance/ealing_finsbury_m"])
    func `distances are the published ones`(_ id: String) throws {
        let vector = Vectors.vector(id)
        let ends = ["a", "b"].map { Vectors.place(h3: vector.input[$0] as? String ?? "") }
        let expected = try #require(vector.expected["distance_m"] as? Double)
        #expect(abs(ends[0].distance(to: ends[1]) - expected) <= 1)
        #expect(ends[0].distance(to: ends[1]) == ends[1].distance(to: ends[0]))
    }

    @Test(arguments: Seed.all) func `shadowing is the same both ways and for the same seed`(_ seed: Seed) {
        var chance = seed.chance()
        let one = Propagation(.init(seed: seed.value))
        let same = Propagation(.init(seed: seed.value))
        let other = Propagation(.init(seed: seed.value ^ 1))
        for _ in 0..<50 {
            let (a, b, tag) = (chance.bits(), chance.bits(), chance.bits())
            #expect(one.shadowingDb(between: a, and: b) == same.shadowingDb(between: b, and: a))
            #expect(one.shadowingDb(between: a, and: b) != other.shadowingDb(between: a, and: b))
            #expect(one.fadingDb(tag: tag, receiver: a) == same.fadingDb(tag: tag, receiver: a))
            #expect(one.fadingDb(tag: tag, receiver: a) != one.fadingDb(tag: tag, receiver: b))
        }
    }

    /// Frozen: a change of these is a change of what every recorded seed means.
    @Test func `the draws of a seed are those they were`() {
        let model = Propagation(.init(seed: 42))
        #expect(Int((model.shadowingDb(between: 1, and: 2) * 1e6).rounded()) == 7_163_544)
        #expect(Int((model.fadingDb(tag: 3, receiver: 4) * 1e6).rounded()) == 1_527_763)
        #expect(Propagation.tag(of: Array(0..<20)) == 8_854_194_823_226_915_828)
    }

    @Test func `shadowing has the mean and the deviation asked for`() {
        let model = Propagation(.init(seed: 5, shadowingDeciDb: 60))
        let draws = (0..<20_000).map { model.shadowingDb(between: 0, and: UInt64($0 + 1)) }
        let mean = draws.reduce(0, +) / Double(draws.count)
        let deviation = (draws.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(draws.count))
            .squareRoot()
        #expect(abs(mean) < 0.2 && abs(deviation - 6) < 0.2)
    }

    @Test(arguments: Seed.all) func `random loss has the rate asked for`(_ seed: Seed) {
        let model = Propagation(.init(seed: seed.value, lossPermille: 250))
        let lost = (0..<4000).filter { model.loses(tag: UInt64($0), receiver: 9) }.count
        #expect((880...1120).contains(lost))
        let none = Propagation(.init(seed: seed.value))
        #expect(!(0..<100).contains { none.loses(tag: $0, receiver: 9) })
    }

    @Test func `mean loss never falls with distance, and grows with the exponent`() {
        let town = Propagation(.init(seed: 0, exponentHundredths: 320))
        let plain = Propagation(.init(seed: 0, exponentHundredths: 200))
        var last = 0.0
        for meters in stride(from: 1.0, through: 100_000, by: 97) {
            let loss = town.meanLossDb(meters: meters, frequencyHz: 868_100_000)
            #expect(loss >= last)
            last = loss
            let clear = plain.meanLossDb(meters: meters, frequencyHz: 868_100_000)
            #expect(clear <= loss)
            let free = Propagation.freeSpaceLossDb(meters: meters, frequencyHz: 868_100_000)
            #expect(abs(clear - free - 1) < 0.05, "exponent 2 is free space and the implementation's loss")
        }
    }

    @Test(arguments: Seed.all) func `no luck is better than free space, as reported`(_ seed: Seed) {
        var chance = seed.chance()
        let model = Propagation(.init(seed: seed.value, shadowingDeciDb: 120, fadingDeciDb: 60))
        for _ in 0..<300 {
            let meters = Double(300 + chance.below(60_000))
            let sender = station(chance.bits())
            let receiver = station(chance.bits(), metersEast: meters)
            let signal = model.signalDBm(
                from: sender, to: receiver, powerDBm: 14, frequencyHz: 868_100_000, tag: chance.bits())
            let bound = 14 + 2.4 - Propagation.freeSpaceLossDb(meters: meters, frequencyHz: 868_100_000)
            guard let report = model.report(signalDBm: signal, dataRate: .sf12) else { continue }
            #expect(Double(report.signalRSSIDecidBm) / 10 <= bound)
        }
    }

    @Test func `each step of the spreading factor hears two and a half decibels further`() {
        let model = Propagation(.init(seed: 0))
        #expect(abs(model.noiseDBm(bandwidthKHz: 125) + 117) < 0.1)
        #expect(abs(model.sensitivityDBm(.sf12) + 137) < 0.1)
        // The figure on the data sheet of the SX1302, with a front end of 2 dB.
        let best = Propagation(.init(seed: 0, noiseFigureDeciDb: 20))
        #expect(abs(best.sensitivityDBm(.sf12) + 141) < 0.1)
        for rate in DataRate.all {
            let floor = model.sensitivityDBm(rate)
            #expect(model.report(signalDBm: floor - 0.01, dataRate: rate) == nil)
            #expect(model.report(signalDBm: floor, dataRate: rate) != nil)
            guard
                let next = DataRate(
                    spreadingFactor: rate.spreadingFactor + 1, bandwidthKHz: rate.bandwidthKHz)
            else { continue }
            #expect(abs(model.sensitivityDBm(next) - floor + 2.5) < 1e-9)
        }
    }

    @Test func `near the noise the channel's strength stands still, and far above it the SNR does`() throws {
        let model = Propagation(.init(seed: 0))
        let weak = try #require(model.report(signalDBm: -136.2, dataRate: .sf12))
        #expect(weak.channelRSSIDecidBm == -1170 && weak.signalRSSIDecidBm == -1360)
        // −136.2 + 117.03 = −19.17 dB, in quarters −19.25, in tenths −19.3.
        #expect(weak.snrDecidB == -193)
        let strong = try #require(model.report(signalDBm: -60, dataRate: .sf12))
        #expect(
            strong.channelRSSIDecidBm == -600 && strong.signalRSSIDecidBm == -600 && strong.snrDecidB == 130)
    }
}
