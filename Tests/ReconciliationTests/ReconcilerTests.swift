import Bytes
import Chance
import Identity
@testable import Reconciliation
import TestKit
import Testing
import Wire

@Suite struct `Two machines` {
    private static func fill(
        _ link: Link, _ kind: SetKind, from first: UInt64 = 0, shared: Int, only: [Int]
    ) {
        var number = first
        for _ in 0..<shared {
            for index in 0..<2 { link.insert(Samples.digest(number), kind, at: index) }
            number += 1
        }
        for index in 0..<2 {
            for _ in 0..<only[index] {
                link.insert(Samples.digest(number), kind, at: index)
                number += 1
            }
        }
    }

    @Test(arguments: Seed.all.prefix(12), [0, 5, 20])
    func `end with the union of their sets`(seed: Seed, lossPercent: Int) {
        var chance = seed.chance()
        let link = Link(chance: chance.split(), lossPercent: lossPercent)
        link.duplicatesPercent = 10
        link.latency = .milliseconds(1)...(.milliseconds(200))
        let kinds: [SetKind] = [.records, .evidence(7), .transactions]
        for (place, kind) in kinds.enumerated() {
            let shared = chance.below(600)
            Self.fill(
                link, kind, from: UInt64(place) << 32, shared: shared,
                only: [chance.below(shared / 4 + 5), chance.below(shared / 4 + 5)])
        }
        let unions = kinds.map { link.sets[0][$0]!.union(link.sets[1][$0]!) }
        link.run(for: .seconds(60)) { link in kinds.allSatisfy { link.isEqual($0) } }
        #expect(kinds.map { link.sets[0][$0]! } == unions)
        #expect(kinds.map { link.sets[1][$0]! } == unions)
        #expect(link.penalties.isEmpty)
        #expect(link.machines.allSatisfy { $0[.hostile] == 0 })
    }

    @Test(arguments: Seed.all.prefix(8))
    func `end with the union though the sets change all the while`(seed: Seed) {
        var chance = seed.chance()
        let link = Link(chance: chance.split(), lossPercent: 10)
        link.latency = .milliseconds(5)...(.milliseconds(80))
        Self.fill(link, .transactions, shared: 800, only: [150, 100])
        for number: UInt64 in 0..<400 {
            link.insert(Samples.digest(1 << 40 | number), .transactions, at: chance.below(2))
            if number.isMultiple(of: 4) {
                // Whatever goes, goes on both sides.
                let gone = Samples.digest(number)
                for index in 0..<2 { link.remove(gone, .transactions, at: index) }
            }
            link.run(for: .milliseconds(25))
        }
        link.run(for: .seconds(30)) { $0.isEqual(.transactions) }
        #expect(link.isEqual(.transactions))
        #expect(link.sets[0][.transactions]!.count == 1_050 + 400 - 100)
        #expect(link.penalties.isEmpty)
    }

    /// One is connected or started again, and the other, which does not know, goes on with a round of before.
    @Test(arguments: Seed.all, [false, true])
    func `end with the union though one begins anew in the middle of a round`(seed: Seed, isStarted: Bool) {
        var chance = seed.chance()
        let keys = SketchKeys(secret: chance.octets(32), nonce: chance.bits())
        let link = Link(chance: chance.split(), lossPercent: 10, keys: [keys, keys])
        link.latency = .milliseconds(5)...(.milliseconds(80))
        Self.fill(link, .transactions, shared: 300, only: [40, 40])
        for number: UInt64 in 0..<60 {
            let index = chance.below(2)
            if isStarted {
                link.machines[index] = Reconciler(chance: chance.split())
                for id in link.sets[index][.transactions]!.sorted() {
                    link.handle(.inserted(.transactions, id), at: index)
                }
            }
            link.handle(.connected(Link.id(1 - index), keys), at: index)
            link.insert(Samples.digest(1 << 40 | number), .transactions, at: chance.below(2))
            link.run(for: chance.duration(in: .zero...(.milliseconds(400))))
        }
        link.run(for: .seconds(30)) { $0.isEqual(.transactions) }
        #expect(link.isEqual(.transactions))
        #expect(link.penalties.isEmpty)
    }

    @Test func `of equal sets say so in two small datagrams, and then nothing`() {
        let link = Link(chance: Chance(seed: 1))
        for kind in [SetKind.records, .evidence(3), .transactions] {
            Self.fill(link, kind, from: UInt64(kind == .records ? 0 : 9_000), shared: 300, only: [0, 0])
        }
        link.run(for: .seconds(3))
        #expect(link.settled[0][.records, default: 0] + link.settled[1][.records, default: 0] > 0)
        // Both asked, or the one that was asked had no need to.
        #expect((2...4).contains(link.frameCount))
        print("equal sets of three kinds: \(link.sketchByteCount) octets in \(link.frameCount) frames")
        #expect(link.sketchByteCount <= 30 * link.frameCount)
        let frames = link.frameCount
        link.run(for: .seconds(600))
        #expect(link.frameCount == frames && link.idByteCount == 0)
    }

    @Test func `name a set alone that has changed`() {
        let link = Link(chance: Chance(seed: 14))
        for kind in [SetKind.records, .evidence(3), .transactions] {
            Self.fill(link, kind, from: UInt64(kind == .records ? 0 : 9_000), shared: 300, only: [0, 0])
        }
        link.run(for: .seconds(60))
        var named: [SetKind] = []
        link.tamper = { frame, _ in
            if case .roots(_, let roots) = frame { named += roots.map(\.kind) }
            return frame
        }
        link.insert(Samples.digest(1 << 41), .transactions, at: 1)
        link.run(for: .seconds(60))
        #expect(link.isEqual(.transactions))
        #expect(!named.isEmpty && named.allSatisfy { $0 == .transactions })
    }

    @Test func `compare all when told to hurry, equal as they are`() {
        let link = Link(chance: Chance(seed: 15))
        Self.fill(link, .evidence(3), shared: 300, only: [0, 0])
        link.run(for: .seconds(60))
        let hurried = link.now
        link.handle(.hurried, at: 0)
        link.run(for: .seconds(1))
        #expect(link.since[0][.evidence(3)]! >= hurried)
    }

    @Test func `learn within two seconds of what is new after a long rest`() {
        let link = Link(chance: Chance(seed: 2))
        Self.fill(link, .records, shared: 500, only: [0, 0])
        link.run(for: .seconds(300))
        link.insert(Samples.digest(1 << 40), .records, at: 0)
        link.run(for: .seconds(3))
        #expect(link.isEqual(.records))
    }

    @Test(arguments: [false, true]) func `compare a change with one peer, and with none if one has asked`(
        isAsked: Bool
    ) {
        var chance = Chance(seed: 21)
        let keys = (0..<8).map { _ in SketchKeys(secret: chance.octets(32), nonce: chance.bits()) }
        var machine = Reconciler(chance: chance.split())
        var now = Instant.origin
        func handle(_ event: Reconciler.Event) -> [Reconciler.Action] {
            var actions: [Reconciler.Action] = []
            machine.handle(event, at: now, actions: &actions)
            return actions
        }
        /// Whom it asks; each answers that nothing differs.
        func asks(until end: Instant) -> [NodeID] {
            var asked: [NodeID] = []
            while machine.deadline <= end {
                now = machine.deadline
                for case .send(let peer, .roots(let round, let roots)) in handle(.woke) {
                    asked.append(peer)
                    _ = handle(.frame(.equal((0..<roots.count).map { round &+ UInt16($0) }), from: peer))
                }
            }
            return asked
        }
        for (index, keys) in keys.enumerated() { _ = handle(.connected(Link.id(index + 1), keys)) }
        let items = (0..<50).map { Samples.digest(UInt64($0)) }
        for item in items.dropLast() { _ = handle(.inserted(.records, item)) }
        #expect(Set(asks(until: now + .seconds(300))).count == 8)
        // No turn of anybody's is near.
        while machine.deadline <= now + .seconds(3) { #expect(asks(until: machine.deadline).isEmpty) }
        _ = handle(.inserted(.records, items.last!))
        if isAsked {
            var other = Reconciler(chance: chance.split())
            var actions: [Reconciler.Action] = []
            other.handle(.connected(Link.id(0), keys[3]), at: now, actions: &actions)
            for item in items { other.handle(.inserted(.records, item), at: now, actions: &actions) }
            other.handle(.woke, at: other.deadline, actions: &actions)
            for case .send(_, let frame) in actions {
                let answers = handle(.frame(frame, from: Link.id(4)))
                #expect(answers.count == 1, "they are equal")
            }
        }
        #expect(asks(until: now + .seconds(2)).count == (isAsked ? 0 : 1))
    }

    @Test func `compare a change in time though the peer that was drawn keeps asking`() {
        var chance = Chance(seed: 23)
        var machine = Reconciler(chance: chance.split())
        var now = Instant.origin
        func handle(_ event: Reconciler.Event) {
            var actions: [Reconciler.Action] = []
            machine.handle(event, at: now, actions: &actions)
            for case .send(let peer, .roots(let round, let roots)) in actions {
                handle(.frame(.equal((0..<roots.count).map { round &+ UInt16($0) }), from: peer))
            }
        }
        /// What `asker` wants each 0.9 s keeps its own turn away.
        func run(until end: Instant, asker: NodeID?) {
            while now < end {
                now = min(end, now + .milliseconds(900))
                if let asker { handle(.frame(.want(.records, [7]), from: asker)) }
                while machine.deadline <= now { handle(.woke) }
            }
        }
        for index in 1...8 {
            let keys = SketchKeys(secret: chance.octets(32), nonce: chance.bits())
            handle(.connected(Link.id(index), keys))
        }
        for item in 0..<50 { handle(.inserted(.records, Samples.digest(UInt64(item)))) }
        run(until: now + .seconds(300), asker: nil)
        // Whoever it is that is drawn: the next that is, where one's own turn was as near.
        var drawn: NodeID?
        for item in 1_000..<1_020 where drawn == nil {
            handle(.inserted(.records, Samples.digest(UInt64(item))))
            drawn = machine.order.first { machine.peers[$0]!.isHasty }
            if drawn == nil { run(until: now + .seconds(7), asker: nil) }
        }
        #expect(drawn != nil)
        run(until: now + .seconds(5), asker: drawn)
        handle(.inserted(.records, Samples.digest(2_000)))
        #expect(machine.order.contains { $0 != drawn && machine.peers[$0]!.isHasty })
    }

    @Test func `rest though one refuses what the other keeps`() {
        let link = Link(chance: Chance(seed: 10))
        Self.fill(link, .transactions, shared: 400, only: [5, 5])
        let refused = link.sets[0][.transactions]!.subtracting(link.sets[1][.transactions]!)
        link.refuses = { id, _ in refused.contains(id) }
        link.run(for: .seconds(120))
        #expect(link.sets[0][.transactions]!.count == 410 && link.sets[1][.transactions]!.count == 405)
        let frames = link.frameCount
        link.run(for: .seconds(300))
        // Two rounds each half a minute: roots, cells, and four times a want.
        #expect(link.frameCount - frames <= 6 * 40)
    }

    @Test func `settle as soon as the host declines what came`() {
        let link = Link(chance: Chance(seed: 11))
        link.declines = true
        Self.fill(link, .transactions, shared: 400, only: [5, 5])
        let refused = link.sets[0][.transactions]!.union(link.sets[1][.transactions]!)
        link.refuses = { id, _ in refused.contains(id) }
        for index in 0..<2 { link.handle(.hurried, at: index) }
        link.run(for: .milliseconds(300))
        // Roots, cells, want and items: not four times six tenths of a second.
        #expect(link.settled.allSatisfy { $0[.transactions] == 1 })
        let frames = link.frameCount
        link.run(for: .seconds(300))
        #expect(link.frameCount - frames <= 4 * 40, "no progress hastens nothing")
    }

    @Test func `ask at once when the round has ended that was going on`() {
        let link = Link(chance: Chance(seed: 12))
        Self.fill(link, .evidence(1), shared: 400, only: [20, 20])
        for index in 0..<2 { link.handle(.hurried, at: index) }
        link.run(for: .milliseconds(50))
        let hurried = link.now
        #expect(link.settled[0][.evidence(1)] == nil, "the round goes on")
        for index in 0..<2 { link.handle(.hurried, at: index) }
        link.run(for: .milliseconds(400))
        for index in 0..<2 { #expect(link.since[index][.evidence(1)].map { $0 >= hurried } == true) }
    }

    @Test(arguments: [[0, 1], [3_000, 0], [0, 3_000], [40, 3_000], [5_000, 20]])
    func `of very unlike sets list the ids`(only: [Int]) {
        let link = Link(chance: Chance(seed: 3), lossPercent: 5)
        for index in 0..<2 { link.handle(.opened(.records), at: index) }
        Self.fill(link, .records, shared: 2, only: only)
        link.run(for: .seconds(60)) { $0.isEqual(.records) }
        #expect(link.isEqual(.records))
        #expect(link.machines[0][.paged] + link.machines[1][.paged] > 0)
    }

    @Test func `divide a difference that one sketch cannot hold`() {
        let link = Link(chance: Chance(seed: 4))
        link.losesItems = false
        Self.fill(link, .evidence(1), shared: 20_000, only: [3_000, 2_500])
        link.run(for: .seconds(120)) { $0.isEqual(.evidence(1)) }
        #expect(link.isEqual(.evidence(1)))
        #expect(link.machines[0][.divided] + link.machines[1][.divided] > 0)
        print("d = 5,500 in parts: \(link.sketchByteCount) octets of roots and cells")
    }

    /// Whatever the cells hold, in the end there are the ids.
    @Test(arguments: [0, 20])
    func `list the ids if neither a sketch nor its parts come to an end`(lossPercent: Int) {
        let link = Link(chance: Chance(seed: 8), lossPercent: lossPercent)
        Self.fill(link, .records, shared: 1_000, only: [90, 70])
        var noise = Chance(seed: 9)
        link.tamper = { frame, _ in
            guard case .cells(let cells) = frame else { return frame }
            return .cells(
                SketchCells(
                    round: cells.round, version: cells.version, first: Int(cells.first),
                    cells: cells.cells.map { _ in SketchCell.any(&noise) }))
        }
        link.run(for: .seconds(60)) { $0.isEqual(.records) }
        #expect(link.isEqual(.records))
        #expect(link.machines.contains { $0[.divided] > 0 })
        #expect(link.penalties.isEmpty)
    }

    @Test func `with other keys never agree, and neither is called hostile`() {
        let keys = [SketchKeys(secret: [1], nonce: 1), SketchKeys(secret: [1], nonce: 2)]
        let link = Link(chance: Chance(seed: 5), keys: keys)
        Self.fill(link, .records, shared: 200, only: [0, 0])
        link.run(for: .seconds(5))
        #expect(link.settled[0][.records] ?? 0 == 0)
        #expect(link.penalties.isEmpty)
    }

    @Test func `drop what they keep no more`() {
        let link = Link(chance: Chance(seed: 6))
        Self.fill(link, .evidence(1), shared: 5, only: [2_000, 0])
        link.run(for: .milliseconds(1_100))
        link.handle(.cleared(.evidence(1)), at: 1)
        link.handle(.cleared(.evidence(1)), at: 0)
        let frames = link.frameCount
        link.run(for: .seconds(60))
        #expect(link.frameCount - frames <= 4)
        #expect(link.machines.allSatisfy { $0.gauges.first { $0.name == "roundsOfOnePeer" }!.value == 0 })
    }

    @Test func `spend the design's octets, and half as many more at a fifth lost`() {
        let link = Link(chance: Chance(seed: 7))
        link.losesItems = false
        Self.fill(link, .evidence(1), shared: 100_000, only: [0, 0])
        link.run(for: .seconds(4))
        #expect(link.settled[0][.evidence(1)] != nil)
        var lossless: [Int: Int] = [:]
        for (difference, lossPercent, runs, most) in [
            (100, 0, 60, 2_500), (1_000, 0, 10, 20_000), (100, 20, 60, 3_750), (1_000, 20, 10, 30_000),
        ] {
            let cost = Self.cost(link, difference, lossPercent: lossPercent, runs: runs)
            print(
                """
                100,000 ids, d = \(difference), \(lossPercent) % loss: \(cost.sketch) octets of roots and cells \
                (\(most)), \(cost.cells) cells, \(cost.ids) of ids wanted, \(cost.time.milliseconds) ms at 40 ms a round trip
                """)
            #expect(cost.sketch <= most)
            if lossPercent == 0 { lossless[difference] = cost.sketch }
            #expect(cost.sketch * 2 <= 3 * lossless[difference]!)
        }
        #expect(link.penalties.isEmpty)
    }

    /// Means over some rounds, each begun by one side.
    private static func cost(
        _ link: Link, _ difference: Int, lossPercent: Int, runs: Int
    ) -> (sketch: Int, cells: Int, ids: Int, time: Duration) {
        var cost = (sketch: 0, cells: 0, ids: 0, time: Duration.zero)
        for run in 0..<runs {
            link.lossPercent = 0
            link.run(for: .seconds(4))
            let first = UInt64(1 << 40 | lossPercent << 32 | difference << 20 | run << 10)
            let half = difference / 2
            Self.fill(link, .evidence(1), from: first, shared: 0, only: [half, half])
            let (sketch, ids, since) = (link.sketchByteCount, link.idByteCount, link.now)
            let cells = link.cellCount
            link.lossPercent = lossPercent
            link.machines[1].peers[Link.id(0)]!.due = link.now + .seconds(2)
            link.handle(.hurried, at: 0)
            link.handle(.woke, at: 0)
            let union = link.sets[0][.evidence(1)]!.count + half
            link.run(for: .seconds(30)) { $0.sets.allSatisfy { $0[.evidence(1)]!.count == union } }
            #expect(link.isEqual(.evidence(1)))
            cost.sketch += link.sketchByteCount - sketch
            cost.cells += link.cellCount - cells
            cost.ids += link.idByteCount - ids
            cost.time += link.now - since
        }
        return (cost.sketch / runs, cost.cells / runs, cost.ids / runs, cost.time / runs)
    }
}
