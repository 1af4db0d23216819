import Bytes
import Consensus
import Identity
import Testing
import Wire

@Suite struct LeaderTests {
    private let members = committee([5, 1, 9, 2, 2, 40, 7, 3])

    @Test func `the order of leaders and their subjective views are frozen`() {
        // Made by this code once; a change splits every running network.
        let frozen: [(randomness: UInt8, leaders: [Int], views: View)] = [
            (0, [2, 7, 0, 4, 6, 1, 5, 3], 1), (1, [1, 2, 0, 4, 7, 5, 3, 6], 2),
            (2, [6, 1, 2, 0, 5, 7, 4, 3], 3), (3, [2, 4, 0, 7, 1, 5, 6, 3], 1),
            (77, [2, 1, 0, 7, 6, 5, 3, 4], 1), (255, [6, 2, 0, 5, 1, 7, 4, 3], 2),
        ]
        for row in frozen {
            let leaders = Simplex.leaders(of: members, randomness: Digest(of: [row.randomness]))
            #expect(leaders == row.leaders, "randomness \(row.randomness)")
            #expect(Simplex.subjectiveViews(of: members, leaders: leaders) == row.views)
        }
    }

    @Test func `every order is a permutation, and the subjective leaders are the fewest above a third`() {
        let total = members.weight
        for randomness in UInt8(0)...99 {
            let leaders = Simplex.leaders(of: members, randomness: Digest(of: [randomness]))
            #expect(leaders.sorted() == Array(members.seats.indices))
            let views = Simplex.subjectiveViews(of: members, leaders: leaders)
            let weights = leaders.prefix(Int(views)).map { members.seats[$0].weight }
            #expect(weights.reduce(0, +) * 3 > total && weights.dropLast().reduce(0, +) * 3 <= total)
        }
    }

    @Test func `a seat leads the first view in proportion to its weight`() {
        let draws = 6_900
        var firsts = [Int](repeating: 0, count: members.seats.count)
        var writer = ByteWriter()
        for draw in 0..<draws {
            writer.integer(UInt32(draw))
            firsts[Simplex.leaders(of: members, randomness: Digest(of: writer.bytes))[0]] += 1
        }
        for (seat, count) in firsts.enumerated() {
            // Of 69 weights each is expected a hundred times; five standard deviations are let pass.
            let expected = Int(members.seats[seat].weight) * draws / Int(members.weight)
            let difference = count - expected
            #expect(difference * difference <= 25 * expected, "seat \(seat): \(count) of \(expected)")
        }
    }

    @Test func `the second leader is drawn by what weight is left`() {
        // After the seat of weight 3 has led, the others, equal, follow it equally often.
        let members = committee([3, 1, 1])
        let heavy = members.seats.firstIndex { $0.weight == 3 }!
        var seconds = [0, 0, 0]
        for draw in 0..<2_000 {
            let leaders = Simplex.leaders(
                of: members, randomness: Digest(of: [UInt8(draw % 256), UInt8(draw / 256)]))
            if leaders[0] == heavy { seconds[leaders[1]] += 1 }
        }
        let counts = members.seats.indices.filter { $0 != heavy }.map { seconds[$0] }
        let total = counts.reduce(0, +)
        #expect(total > 1_000 && abs(counts[0] - counts[1]) * abs(counts[0] - counts[1]) <= 25 * total)
    }

    @Test func `one seat leads always, and the greatest weights are drawn without overflow`() {
        #expect(Simplex.leaders(of: committee([9]), randomness: .zero) == [0])
        let huge = committee([1 << 60, 1 << 60, 1 << 60, (1 << 60) - 1])
        let leaders = Simplex.leaders(of: huge, randomness: .zero)
        #expect(leaders.sorted() == [0, 1, 2, 3])
        #expect(Simplex.subjectiveViews(of: huge, leaders: leaders) == 2)
    }

    @Test func `leaders take turns`() {
        let epoch = instance(committee([1, 1, 1]))
        for view in View(1)...9 { #expect(epoch.leader(of: view) == epoch.leader(of: view + 3)) }
    }
}
