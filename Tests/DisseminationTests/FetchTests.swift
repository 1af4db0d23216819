import Chance
import Dissemination
import Identity
import TestKit
import Testing

/// Sources behind links of their own, in made-up time: each lets through one datagram in a while, keeps a queue that
/// overflows, and loses some.
private struct Links {
    struct Link {
        var delay: Duration
        var lossPermille = 0
        /// Between two datagrams; what waits longer than `queueMax` is lost.
        var gap: Duration = .microseconds(100)
        var queueMax: Duration = .milliseconds(200)
        var freeAt = Instant.origin
        var isSilent = false
        var lies = false
    }

    enum What { case answer(Int, NodeID, isTrue: Bool) }

    var fetch = Fetch<Int>()
    var links: [NodeID: Link] = [:]
    var chance: Chance
    var now = Instant.origin
    var queue: [(at: Instant, serial: Int, what: What)] = []
    var serial = 0
    var here: Set<Int> = []
    var unanswered: [Int] = []
    var askedOf: [NodeID: Int] = [:]
    var delivered = 0
    var overflows = 0
    var longestWait = Duration.zero

    static func id(_ number: Int) -> NodeID { NodeID(octets: Digest(of: [UInt8(number)]).octets)! }

    init(_ list: [Link], seed: UInt64) {
        chance = Chance(seed: seed)
        for (number, link) in list.enumerated() { links[Self.id(number)] = link }
        handle(.sources(links.keys.sorted()))
    }

    mutating func handle(_ event: Fetch<Int>.Event) {
        var actions: [Fetch<Int>.Action] = []
        fetch.handle(event, at: now, actions: &actions)
        fetch.assertInvariants()
        for action in actions {
            switch action {
            case .unanswered(let item): unanswered.append(item)
            case .ask(let source, let items):
                #expect(!items.isEmpty && items.count <= Fetch<Int>.groupMax)
                askedOf[source, default: 0] += items.count
                // A lost question loses all its answers.
                guard !chance.happens(links[source]!.lossPermille, in: 1_000) else { continue }
                for item in items { answer(item, from: source) }
            }
        }
    }

    private mutating func answer(_ item: Int, from source: NodeID) {
        var link = links[source]!
        guard !link.isSilent else { return }
        let ready = max(now + link.delay, link.freeAt)
        longestWait = max(longestWait, ready - (now + link.delay))
        guard ready - (now + link.delay) < link.queueMax else { return overflows += 1 }
        link.freeAt = ready + link.gap
        links[source] = link
        guard !chance.happens(link.lossPermille, in: 1_000) else { return }
        serial += 1
        queue.append((ready + link.delay, serial, .answer(item, source, isTrue: !link.lies)))
    }

    /// Runs until nothing is wanted any more, or for so long.
    mutating func run(for limit: Duration = .seconds(600)) {
        let end = now + limit
        while !fetch.isIdle, now < end {
            let next = queue.indices.min {
                (queue[$0].at, queue[$0].serial) < (queue[$1].at, queue[$1].serial)
            }
            guard let next, queue[next].at <= fetch.deadline else {
                guard fetch.deadline < .never else { return }
                now = max(now, fetch.deadline)
                handle(.woke)
                continue
            }
            let (at, _, what) = queue.remove(at: next)
            now = max(now, at)
            guard case .answer(let item, let source, let isTrue) = what else { continue }
            delivered += 1
            guard isTrue else {
                if fetch.awaits(item, from: source) { handle(.refuted(source)) }
                continue
            }
            here.insert(item)
            handle(.arrived(item, from: source))
        }
    }
}

@Suite struct FetchTests {
    private static let good = Links.Link(delay: .milliseconds(20))

    @Test(arguments: Seed.all.prefix(8)) func `everything comes, each thing once where nothing is lost`(
        seed: Seed
    ) {
        var links = Links(Array(repeating: Self.good, count: 3), seed: seed.value)
        links.handle(.want(Array(0..<500)))
        links.run()
        #expect(links.here == Set(0..<500))
        #expect(links.delivered == 500)
        #expect(links.unanswered.isEmpty)
        // All of them helped.
        #expect(links.askedOf.count == 3)
    }

    @Test(arguments: Seed.all.prefix(8)) func `loss costs what it takes away and a little more`(seed: Seed) {
        var lossy = Self.good
        lossy.lossPermille = 50
        var links = Links(Array(repeating: lossy, count: 4), seed: seed.value)
        links.handle(.want(Array(0..<2_000)))
        links.run()
        #expect(links.here == Set(0..<2_000))
        #expect(links.unanswered.isEmpty)
        #expect(links.fetch.asked < 2_000 * 5 / 4)
    }

    @Test(arguments: Seed.all.prefix(8)) func `a narrow link is filled and not flooded`(seed: Seed) {
        // 200 answers a second, of which a queue holds 40.
        var narrow = Self.good
        narrow.gap = .milliseconds(5)
        var links = Links([narrow], seed: seed.value)
        links.handle(.want(Array(0..<2_000)))
        links.run()
        #expect(links.here == Set(0..<2_000))
        // At best it takes ten seconds.
        #expect(links.now - .origin < .seconds(13))
        // Once it knows the link it keeps the queue short: beyond the start, hardly anything overflows.
        #expect(links.overflows < 100)
        #expect(links.fetch.asked < 2_200)
    }

    @Test func `a fast source is asked for more than a slow one`() {
        var slow = Self.good
        slow.gap = .milliseconds(20)
        var links = Links([Self.good, slow], seed: 3)
        links.handle(.want(Array(0..<2_000)))
        links.run()
        #expect(links.here.count == 2_000)
        #expect(links.askedOf[Links.id(0)]! > 4 * links.askedOf[Links.id(1)]!)
    }

    @Test(arguments: Seed.all.prefix(8)) func `a liar is asked for nothing more, and nothing else is lost`(
        seed: Seed
    ) {
        var liar = Self.good
        liar.lies = true
        var links = Links([Self.good, liar, Self.good], seed: seed.value)
        links.handle(.want(Array(0..<500)))
        links.run()
        #expect(links.here == Set(0..<500))
        #expect(links.fetch.isRefuted(Links.id(1)))
        #expect(links.askedOf[Links.id(1)]! <= 8)
        links.handle(.sources(links.links.keys.sorted()))
        links.handle(.want([1_000]))
        links.run()
        #expect(links.askedOf[Links.id(1)]! <= 8)
    }

    @Test func `who keeps silent is left alone for longer and longer`() {
        var silent = Self.good
        silent.isSilent = true
        var links = Links([silent, Self.good], seed: 4)
        links.handle(.want(Array(0..<5_000)))
        links.run()
        #expect(links.here.count == 5_000)
        #expect(links.askedOf[Links.id(0)]! < 80)
    }

    @Test func `what nobody has is given back`() {
        var silent = Self.good
        silent.isSilent = true
        var links = Links([silent, silent], seed: 4)
        links.handle(.want([1, 2]))
        links.run()
        #expect(links.unanswered.sorted() == [1, 2])
        #expect(links.fetch.isIdle && links.fetch.deadline == .never)
    }

    @Test func `a source that goes owes nothing`() {
        var silent = Self.good
        silent.isSilent = true
        var links = Links([silent], seed: 4)
        links.handle(.want([1]))
        links.handle(.sources([]))
        #expect(links.fetch.outstandingCount == 0 && !links.fetch.isIdle)
        links.links[Links.id(1)] = Self.good
        links.handle(.sources([Links.id(1)]))
        links.run()
        #expect(links.here == [1])
    }

    @Test func `the newest is asked for first`() {
        var links = Links([Self.good], seed: 1)
        links.handle(.sources([]))
        links.handle(.want([1, 2]))
        links.handle(.want([3, 4]))
        var actions: [Fetch<Int>.Action] = []
        links.fetch.handle(.sources([Links.id(0)]), at: links.now, actions: &actions)
        #expect(actions == [.ask(Links.id(0), [3, 4, 1, 2])])
    }
}
