import Chance
import TestKit
import Testing

@Suite struct `Seeded chance` {
    /// The output of Vigna's reference code for seed 1234567.
    @Test func `is the published SplitMix64`() {
        var chance = Chance(seed: 1_234_567)
        let draws = (0..<5).map { _ in chance.bits() }
        #expect(
            draws == [
                6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423,
                4_593_380_528_125_082_431, 16_408_922_859_458_223_821,
            ])
    }

    /// Freezes the meaning of recorded seeds: whoever changes these changes every recorded run.
    @Test func `means the same draws tomorrow`() {
        var chance = Chance(seed: 1_234_567)
        // The high words of the five draws above times 10, and times 1000 for the last.
        #expect((0..<4).map { _ in chance.below(10) } == [3, 1, 5, 2])
        #expect(chance.below(1000) == 889)
        var octets = Chance(seed: 1_234_567)
        // 6457827717110365317 and 3203168211198807973, least significant octet first.
        let words: [UInt64] = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]
        let expected = words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
        #expect(octets.octets(11) == Array(expected.prefix(11)))
    }

    @Test(arguments: Seed.all) func `draws evenly below a bound`(seed: Seed) {
        var chance = seed.chance()
        let bound = 2 + chance.below(19)
        var counts = [Int](repeating: 0, count: bound)
        let drawCount = 2_000 * bound
        for _ in 0..<drawCount { counts[chance.below(bound)] += 1 }
        // Pearson's chi-square with at most 19 degrees of freedom: above 80 once in 10^9 runs.
        let chiSquare = counts.reduce(0) { $0 + ($1 - 2_000) * ($1 - 2_000) } / 2_000
        #expect(chiSquare < 80)
    }

    /// Without rejection one in three results would come up a third less often than the others.
    @Test func `draws evenly below a bound that does not divide 2^64`() {
        var chance = Chance(seed: 3)
        let bound = 3 << 61
        var thirds = [0, 0, 0]
        for _ in 0..<30_000 {
            let draw = chance.below(bound)
            #expect((0..<bound).contains(draw))
            thirds[draw % 3] += 1
        }
        for third in thirds { #expect((9_500...10_500).contains(third)) }
    }

    @Test func `below one is nothing but zero`() {
        var chance = Chance(seed: 4)
        for _ in 0..<100 { #expect(chance.below(1) == 0) }
        #expect((0..<100).allSatisfy { _ in chance.happens(5, in: 5) })
        #expect((0..<100).allSatisfy { _ in !chance.happens(0, in: 5) })
    }

    @Test(arguments: Seed.all) func `shuffles into a permutation`(seed: Seed) {
        var chance = seed.chance()
        let count = chance.below(200)
        var elements = Array(0..<count)
        chance.shuffle(&elements)
        #expect(elements.sorted() == Array(0..<count))
    }

    @Test func `shuffles into every permutation alike`() {
        var chance = Chance(seed: 5)
        var counts: [[Int]: Int] = [:]
        for _ in 0..<12_000 {
            var elements = [0, 1, 2, 3]
            chance.shuffle(&elements)
            counts[elements, default: 0] += 1
        }
        #expect(counts.count == 24)
        for count in counts.values { #expect((380...620).contains(count)) }
    }

    @Test(arguments: Seed.all) func `splits into streams that do not disturb each other`(seed: Seed) {
        var parent = seed.chance()
        var child = parent.split()
        var undisturbed = parent
        let childDraws = (0..<100).map { _ in child.bits() }
        let parentDraws = (0..<100).map { _ in parent.bits() }
        #expect(parentDraws == (0..<100).map { _ in undisturbed.bits() })
        #expect(Set(childDraws).isDisjoint(with: parentDraws))
        // Half of the bits agree: 3,200 of 6,400, within seven standard deviations.
        let differing = zip(childDraws, parentDraws).reduce(0) { $0 + ($1.0 ^ $1.1).nonzeroBitCount }
        #expect((2_920...3_480).contains(differing))
    }

    @Test(arguments: Seed.all) func `draws durations within their range`(seed: Seed) {
        var chance = seed.chance()
        let lower = Duration.nanoseconds(chance.below(1_000))
        let range = lower...(lower + .nanoseconds(chance.below(4)))
        var drawn: Set<Duration> = []
        for _ in 0..<200 { drawn.insert(chance.duration(in: range)) }
        #expect(drawn.allSatisfy { range.contains($0) })
        #expect(drawn.contains(range.lowerBound) && drawn.contains(range.upperBound))
    }
}

@Suite struct `An instant` {
    @Test func `beyond the end of time is never`() {
        #expect(Instant.origin + .seconds(Int64.max) == .never)
        #expect(Instant(nanoseconds: .max - 1) + .nanoseconds(2) == .never)
        #expect(Instant.never + .seconds(1) == .never)
        #expect(Instant(nanoseconds: .max - 1) + .nanoseconds(1) == .never)
    }

    @Test func `before the beginning of time is the beginning, not never`() {
        let first = Instant(nanoseconds: .min)
        #expect(first + .nanoseconds(-1) == first)
        #expect(Instant(nanoseconds: -5) + .seconds(Int64.min) == first)
    }

    @Test func `is as far from another as they say`() {
        let later = Instant.origin + .milliseconds(1_500)
        #expect(later - .origin == .milliseconds(1_500))
        #expect(.origin - later == .milliseconds(-1_500))
        #expect((.never - Instant(nanoseconds: -1)).nanoseconds == .max)
        #expect(Instant.origin < later && later < .never)
    }

    @Test func `counts whole nanoseconds of a duration`() {
        #expect(Duration.seconds(3).nanoseconds == 3_000_000_000)
        #expect(Duration(secondsComponent: 0, attosecondsComponent: 1_999_999_999).nanoseconds == 1)
        #expect(Duration.nanoseconds(-7).nanoseconds == -7)
        #expect(Duration.milliseconds(-1_500).nanoseconds == -1_500_000_000)
        #expect(Duration.seconds(Int64.max).nanoseconds == .max)
        #expect(Duration.seconds(Int64.min).nanoseconds == .min)
        #expect(Duration.nanoseconds(Int64.max).nanoseconds == .max)
        #expect(Duration.nanoseconds(Int64.min).nanoseconds == .min)
        #expect(Duration.milliseconds(42).milliseconds == 42)
    }
}

@Suite struct `The arithmetic of durations` {
    @Test(arguments: Seed.all) func `says what the standard library's says`(seed: Seed) {
        var chance = seed.chance()
        for _ in 0..<200 {
            let bits = chance.below(62)
            let count = chance.below(1 << bits) - chance.below(1 << bits)
            // Of a type for which the standard library's generic functions are chosen.
            let generic = Int128(count)
            #expect(Duration.nanoseconds(count) == .nanoseconds(generic))
            #expect(Duration.nanoseconds(Int64(count)) == .nanoseconds(generic))
            #expect(Duration.microseconds(count) == .microseconds(generic))
            #expect(Duration.milliseconds(count) == .milliseconds(generic))
            #expect(Duration.seconds(count) == .seconds(generic))
            let duration = Duration.nanoseconds(count) + Duration(attoseconds: 7)
            let factor = 1 + chance.below(1_000)
            #expect(duration * factor == duration * Int128(factor))
            #expect(duration / factor == duration / Int128(factor))
            #expect(duration / -factor == duration / Int128(-factor))
        }
    }
}
