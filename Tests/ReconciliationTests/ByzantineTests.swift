import Bytes
import Chance
import Identity
@testable import Reconciliation
import TestKit
import Testing
import Wire

@Suite struct `A machine with a hostile peer` {
    private static let kind = SetKind.records

    private static func filled(_ seed: UInt64, shared: UInt64 = 300) -> Link {
        let link = Link(chance: Chance(seed: seed))
        for number in 0..<shared + 60 {
            if number < shared + 30 { link.insert(Samples.digest(number), kind, at: 0) }
            if number < shared || number >= shared + 30 { link.insert(Samples.digest(number), kind, at: 1) }
        }
        return link
    }

    /// The peer puts an item into a cell where it does not belong.
    @Test func `penalises a hostile sketch once, and is deaf to the peer for a minute`() {
        let keys = SketchKeys(secret: [1], nonce: 1)
        var machine = Reconciler(chance: Chance(seed: 1))
        var actions: [Reconciler.Action] = []
        let peer = Link.id(1)
        machine.handle(.connected(peer, keys), at: .origin, actions: &actions)
        var sketch = Sketch()
        for number: UInt64 in 0..<20 {
            machine.handle(.inserted(Self.kind, Samples.digest(number)), at: .origin, actions: &actions)
            sketch.insert(keys.symbol(Samples.digest(number)))
        }
        machine.handle(.hurried, at: .origin, actions: &actions)
        machine.handle(.woke, at: .origin, actions: &actions)
        guard case .send(peer, .roots(let round, _)) = actions.last else {
            Issue.record("nothing was asked")
            return
        }
        let decoy = keys.symbol(short: 5)
        var cells = Array(sketch.cells[..<82])
        cells[HostileCells.strangers(to: decoy.hash, below: 82)[0]].apply(decoy, .plus)
        actions = []
        let frame = ReconciliationFrame.cells(
            SketchCells(round: round, version: 1, first: 0, cells: cells))
        for _ in 0..<3 { machine.handle(.frame(frame, from: peer), at: .origin, actions: &actions) }
        #expect(actions == [.penalise(peer, .hostileSketch(.itemRepeated))])
        #expect(machine[.droppedHostile] == 2)
        machine.handle(.inserted(Self.kind, .zero), at: .origin, actions: &actions)
        machine.handle(.hurried, at: .origin, actions: &actions)
        #expect(machine.deadline == .origin + Reconciler.hostileQuiet)
        machine.handle(.woke, at: machine.deadline, actions: &actions)
        #expect(actions.count == 2, "then it asks again")
    }

    @Test(arguments: Seed.all)
    func `does bounded work, stays within its bounds and recovers`(seed: Seed) {
        let link = Self.filled(seed.value)
        var chance = seed.chance()
        link.tamper = { frame, from in
            guard from == 1, chance.happens(1, in: 2) else { return frame }
            var bytes = frame.encoded()
            for _ in 0...chance.below(2) { bytes.mutate(with: &chance) }
            return try? ReconciliationFrame(decoding: bytes)
        }
        link.run(for: .seconds(30))
        for machine in link.machines { machine.assertInvariants() }
        #expect(link.frameCount < 30 * 120)
        link.tamper = { frame, _ in frame }
        link.run(for: .seconds(150)) { $0.isEqual(Self.kind) }
        #expect(link.isEqual(Self.kind))
    }

    /// Whatever is asked, no more leaves than the allowance, and nothing is remembered without bound.
    @Test(arguments: Seed.all.prefix(8))
    func `answers a flood no faster than its allowance`(seed: Seed) {
        var chance = seed.chance()
        let link = Self.filled(seed.value)
        var machine = link.machines[0]
        var datagrams = 0
        var now = link.now
        for _ in 0..<4_000 {
            now = now + .milliseconds(1)
            var frame = ReconciliationFrame.any(&chance)
            if case .more(let request) = frame {
                frame = .more(
                    CellsRequest(
                        kind: Self.kind, round: request.round, range: request.range, spans: request.spans))
            }
            if case .turn(let request) = frame {
                frame = .turn(PagesRequest(kind: Self.kind, round: request.round, pages: request.pages))
            }
            var actions: [Reconciler.Action] = []
            machine.handle(.frame(frame, from: Link.id(1)), at: now, actions: &actions)
            machine.handle(.frame(frame, from: Link.id(9)), at: now, actions: &actions)
            for case .send(let peer, let frame) in actions {
                #expect(peer == Link.id(1))
                if frame.encoded().count > 400 { datagrams += 1 }
            }
        }
        // 32 at once, and one every 9 ms.
        #expect(datagrams <= 32 + 4_000 / 9)
        #expect(machine[.droppedLimited] > 1_000)
        #expect(machine[.droppedStranger] == 4_000)
        machine.assertInvariants()
    }

    @Test(arguments: [true, false])
    func `answers no more where who asks is connected anew for each question`(saysGoodbye: Bool) {
        var machine = Reconciler(chance: Chance(seed: 1))
        var actions: [Reconciler.Action] = []
        let (peer, keys) = (Link.id(1), SketchKeys(secret: [1], nonce: 1))
        for number: UInt64 in 0..<300 {
            machine.handle(.inserted(Self.kind, Samples.digest(number)), at: .origin, actions: &actions)
        }
        actions = []
        var now = Instant.origin
        for millisecond in 0..<1_000 {
            now = now + .milliseconds(1)
            if saysGoodbye { machine.handle(.disconnected(peer), at: now, actions: &actions) }
            machine.handle(.connected(peer, keys), at: now, actions: &actions)
            // Others, who asked for nothing.
            machine.handle(.connected(Link.id(9 + millisecond), keys), at: now, actions: &actions)
            machine.handle(.disconnected(Link.id(9 + millisecond)), at: now, actions: &actions)
            let request = PagesRequest(kind: Self.kind, round: UInt16(millisecond), pages: [0])
            machine.handle(.frame(.turn(request), from: peer), at: now, actions: &actions)
        }
        #expect(actions.count > Allowance.most && actions.count <= Allowance.most + 1_000 / 9)
        for (name, value, limit) in machine.gauges { #expect(value <= limit, "\(name)") }
    }

    @Test func `takes neither more peers nor more sets than it may`() {
        var machine = Reconciler(chance: Chance(seed: 1))
        var actions: [Reconciler.Action] = []
        for index in 0..<40 {
            let keys = SketchKeys(secret: [UInt8(index)], nonce: 0)
            machine.handle(.connected(Link.id(index), keys), at: .origin, actions: &actions)
            machine.handle(
                .inserted(.evidence(UInt64(index)), .zero), at: .origin, actions: &actions)
        }
        for (name, value, limit) in machine.gauges { #expect(value <= limit, "\(name)") }
        #expect(machine[.droppedFull] == UInt64(40 - Reconciler.peersMax + 40 - Reconciler.kindsMax))
        for index in 0..<40 { machine.handle(.disconnected(Link.id(index)), at: .origin, actions: &actions) }
        #expect(machine.deadline == .never)
    }

    @Test func `asks for an item no more than four times`() {
        let link = Self.filled(3)
        var wants = 0
        // The peer answers no question for items, and pushes nothing.
        link.tamper = { frame, from in
            if from == 0, case .want = frame {
                wants += 1
                return nil
            }
            if from == 1, case .roots = frame { return nil }
            return frame
        }
        link.handle(.hurried, at: 0)
        link.run(for: .seconds(12)) { $0.settled[0][Self.kind] != nil }
        #expect(wants == Pull.triesMax)
        #expect(link.machines[0][.unanswered] == 30)
    }

    @Test func `ignores a repeated or late answer`() {
        let link = Self.filled(4)
        var log: [ReconciliationFrame] = []
        link.tamper = { frame, from in
            if from == 1 { log.append(frame) }
            return frame
        }
        link.run(for: .seconds(20))
        #expect(link.isEqual(Self.kind))
        let before = link.machines[0][.wanted]
        var actions: [Reconciler.Action] = []
        for frame in log {
            if case .roots = frame { continue }
            if case .want = frame { continue }
            link.machines[0].handle(.frame(frame, from: Link.id(1)), at: link.now, actions: &actions)
        }
        #expect(actions.isEmpty)
        #expect(link.machines[0][.wanted] == before)
    }
}
