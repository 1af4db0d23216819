import Bytes
import Chance
import Identity
@testable import Reconciliation
import TestKit
import Testing
import Wire

@Suite struct `Lists behind a header` {
    /// What passes between who asks and who answers, and what comes of it.
    struct Exchange {
        var byteCount = 0
        var questions = 0
        var missing: [Digest] = []
        var gone: [Digest] = []
        var isGivenUp = false
    }

    private static let header = Samples.digest(1 << 50)
    private static let author = NodeID(testing: 7)

    /// Asks until the difference is named; nil where the lists are too far apart.
    private static func exchange(own: [Digest], theirs: [Digest]) throws -> Exchange? {
        let keys = SketchKeys(header: header)
        guard var difference = ListDifference(own: own, keys: keys, theirCount: theirs.count) else {
            return nil
        }
        var sketch = ListSketch(theirs, keys: keys)
        var exchange = Exchange()
        while !difference.isComplete {
            guard let next = difference.next else {
                exchange.isGivenUp = true
                return exchange
            }
            let request = Message.listRequest(
                ListRequest(header: header, wantsBody: false, first: next.lowerBound, count: next.count))
            let cells = sketch.cells(next)
            let answer = Message.listCells(
                ListCells(header: header, body: nil, first: next.lowerBound, cells: cells))
            exchange.byteCount += request.encoded().count + answer.encoded().count
            exchange.questions += 1
            try difference.receive(first: next.lowerBound, cells)
        }
        exchange.missing = sketch.places(of: difference.onlyTheirs).map { theirs[$0] }
        exchange.gone = difference.onlyOurs.map { own[$0] }
        if !exchange.missing.isEmpty {
            let items = exchange.missing.map { EvidenceItem(author: author, item: $0) }
            exchange.byteCount += Message.itemsRequest(header, difference.onlyTheirs).encoded().count
            exchange.byteCount += Message.items(header, items).encoded().count
            exchange.questions += 1
        }
        return exchange
    }

    private static func lists(_ count: Int, _ difference: Int) -> (own: [Digest], theirs: [Digest]) {
        let shared = (0..<UInt64(count - difference / 2)).map { Samples.digest($0) }
        let own = (0..<UInt64(difference / 2)).map { Samples.digest(1 << 40 | $0) }
        let theirs = (0..<UInt64(difference - difference / 2)).map { Samples.digest(2 << 40 | $0) }
        return (shared + own, shared + theirs)
    }

    @Test(arguments: Seed.all.prefix(200))
    func `are found by what differs`(seed: Seed) throws {
        var chance = seed.chance()
        let count = chance.below(chance.happens(1, in: 2) ? 20 : 400)
        let all = (0..<UInt64(count)).map { Samples.digest($0) }
        let share = 1 + chance.below(30)
        let own = all.filter { _ in !chance.happens(1, in: share) }
        let theirs = all.filter { _ in !chance.happens(1, in: share) }
        guard let exchange = try Self.exchange(own: own, theirs: theirs) else {
            #expect(10 * abs(own.count - theirs.count) > 3 * max(own.count, theirs.count))
            return
        }
        #expect(!exchange.isGivenUp)
        #expect(Set(exchange.missing) == Set(theirs).subtracting(own))
        #expect(Set(exchange.gone) == Set(own).subtracting(theirs))
    }

    @Test(arguments: [1_000, 10_000, 100_000], [0, 10, 100])
    func `cost what differs, and not what they hold`(count: Int, difference: Int) throws {
        let (own, theirs) = Self.lists(count, difference)
        let exchange = try #require(try Self.exchange(own: own, theirs: theirs))
        #expect(exchange.missing.count + exchange.gone.count == difference)
        print(
            "list of \(count), \(difference) differ: \(exchange.byteCount) octets in \(exchange.questions) questions; "
                + "the ids are \(32 * count)")
        // A first datagram of cells; then 22 octets of cells each, and the half that is missing by name.
        #expect(exchange.byteCount <= 1_250 + difference * (32 + 36))
        #expect(exchange.questions <= 4)
    }

    @Test func `that have little in common are not compared`() throws {
        let (own, theirs) = Self.lists(10_000, 8_000)
        let far = try #require(try Self.exchange(own: own, theirs: theirs))
        #expect(far.isGivenUp, "more than 4,096 cells tell")
        #expect(try Self.exchange(own: Array(own.prefix(100)), theirs: theirs) == nil)
    }

    @Test(arguments: Seed.all.prefix(100))
    func `made with intent end the exchange, and never go on for ever`(seed: Seed) {
        var chance = seed.chance()
        let (own, theirs) = Self.lists(500, 20)
        let keys = SketchKeys(header: Self.header)
        var difference = ListDifference(own: own, keys: keys, theirCount: theirs.count)!
        var sketch = ListSketch(theirs, keys: keys)
        var questions = 0
        while let next = difference.next, !difference.isComplete {
            questions += 1
            var cells = sketch.cells(next)
            for _ in 0..<4 {
                let place = chance.below(cells.count)
                switch chance.below(3) {
                case 0: cells[place] = cells[chance.below(cells.count)]
                case 1: cells[place].sum ^= chance.bits()
                default: cells[place].count &+= 1
                }
            }
            do throws(Decoder.Fault) {
                try difference.receive(first: next.lowerBound, cells)
            } catch {
                break
            }
        }
        #expect(questions <= 60)
    }

    @Test func `take nothing that was not asked for`() throws {
        let (own, theirs) = Self.lists(500, 20)
        let keys = SketchKeys(header: Self.header)
        var difference = try #require(ListDifference(own: own, keys: keys, theirCount: theirs.count))
        var sketch = ListSketch(theirs, keys: keys)
        try difference.receive(first: 100, sketch.cells(100..<200))
        #expect(difference.frontier == 0)
        try difference.receive(first: 0, sketch.cells(0..<4_096))
        #expect(difference.isComplete && difference.onlyTheirs.count == 10)
    }
}
