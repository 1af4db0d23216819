import Chance
import Foundation
import Geo
import TestKit
import Testing

struct DecibelsTests {
    /// In 0.01 dB.
    static func real(_ metres: Int, _ frequencyHz: UInt32, lightSpeed: Double) -> Double {
        2000 * log10(4 * .pi * Double(metres) * Double(frequencyHz) / lightSpeed)
    }

    // A million pairs with the usual 32 seeds.
    @Test(arguments: Seed.all)
    func `path loss is the real one to within 0·01 dB`(seed: Seed) {
        var chance = seed.chance()
        var worst = 0.0
        for _ in 0..<31_250 {
            // Near distances as often as far ones.
            let metres = chance.number(in: 10...[100, 1_000, 10_000, 200_000][chance.below(4)])
            let frequencyHz = UInt32(chance.number(in: 400_000_000...930_000_000))
            let loss = Double(Decibels.freeSpacePathLoss(metres: metres, frequencyHz: frequencyHz))
            for lightSpeed in [299_792_458, 299_800_000.0] {
                worst = max(worst, abs(loss - Self.real(metres, frequencyHz, lightSpeed: lightSpeed)))
            }
        }
        #expect(worst <= 1)
    }

    @Test(arguments: Seed.all)
    func `more metres and more hertz never lose less`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<1_000 {
            let metres = chance.number(in: 0...300_000)
            let frequencyHz = UInt32(truncatingIfNeeded: chance.bits())
            let loss = Decibels.freeSpacePathLoss(metres: metres, frequencyHz: frequencyHz)
            #expect(Decibels.freeSpacePathLoss(metres: metres + 1, frequencyHz: frequencyHz) >= loss)
            guard frequencyHz < .max else { continue }
            #expect(Decibels.freeSpacePathLoss(metres: metres, frequencyHz: frequencyHz + 1) >= loss)
        }
    }

    // Frozen: a node with other last digits would leave the chain.
    @Test func `the digits of the losses never change`() {
        var chance = Chance(seed: 8)
        var sum: UInt64 = 0
        for _ in 0..<100_000 {
            let metres = chance.number(in: 10...200_000)
            let frequencyHz = UInt32(chance.number(in: 400_000_000...930_000_000))
            let loss = Decibels.freeSpacePathLoss(metres: metres, frequencyHz: frequencyHz)
            sum = sum &* 6_364_136_223_846_793_005 &+ UInt64(loss)
        }
        #expect(sum == 11_222_457_378_383_355_953)
    }

    @Test func `the loss of nonsense is a number too`() {
        #expect(Decibels.freeSpacePathLoss(metres: 0, frequencyHz: 0) == -14755)
        #expect(
            Decibels.freeSpacePathLoss(metres: 0, frequencyHz: 868_100_000)
                == Decibels.freeSpacePathLoss(metres: 1, frequencyHz: 868_100_000))
        let most = Decibels.freeSpacePathLoss(metres: Int(UInt32.max), frequencyHz: .max)
        #expect(most == 23_777)
    }

    @Test(arguments: Vectors.of("fspl"))
    func `published path losses come out`(vector: Vectors.Case) throws {
        let metres = try #require(vector.input.distance_m)
        let frequencyHz = try #require(vector.input.freq_hz)
        let loss = Decibels.freeSpacePathLoss(metres: metres, frequencyHz: frequencyHz)
        #expect(abs(Double(loss) - 100 * (try #require(vector.expected.fspl_db))) <= 2)
    }

    // The source drops the tenths of both gains (1.2 dBi counts as 1); we keep them: 0.4 dB more here.
    @Test(arguments: Vectors.of("rssi"))
    func `published greatest signal strengths come out, but for the tenths of the gains`(
        vector: Vectors.Case
    ) throws {
        let (a, b) = try vector.cells()
        let frequencyHz = try #require(vector.input.freq_hz)
        let gains = [
            try #require(vector.input.beaconer_gain_ddb), try #require(vector.input.witness_gain_ddb),
        ]
        let power = Decibels.hundredths(whole: try #require(vector.input.beacon_tx_power_dbm))
        let metres = a.centre.distanceMetres(to: b.centre)
        let received = power - Decibels.freeSpacePathLoss(metres: metres, frequencyHz: frequencyHz)
        let theirs = gains.reduce(received) { $0 + Decibels.hundredths(whole: $1 / 10) }
        let ours = gains.reduce(received) { $0 + Decibels.hundredths(tenths: $1) }
        let published = try #require(vector.expected.max_plausible_rssi_dbm)
        #expect(abs(Double(theirs) - 100 * published) <= 2)
        #expect(ours - theirs == 40)
    }
}
