import Bytes
import Chance
@testable import Dissemination
import Identity
import TestKit
import Testing
import Wire

@Suite struct SpreadingTests {
    @Test(arguments: Seed.all.prefix(12), [0, 20])
    func `every gossip message reaches every node once`(seed: Seed, lossPercent: Int) {
        var chance = seed.chance()
        let web = Web(8 + chance.below(6), chance: chance.split(), lossPercent: lossPercent)
        var messages: [(author: Int, octets: [UInt8])] = []
        for number in 0..<30 {
            let octets = Web.message(UInt8(chance.below(3)), number, byteCount: 100 + chance.below(900))
            let author = chance.below(web.machines.count)
            messages.append((author, octets))
            web.handle(.publish(octets, Dissemination.spread(ofTag: octets[0])!), at: author)
            web.run(for: .milliseconds(20))
        }
        web.run(for: .seconds(4))
        for index in web.machines.indices {
            let expected = messages.filter { $0.author != index }.map(\.octets)
            #expect(web.delivered[index].count == expected.count)
            #expect(Set(web.delivered[index]) == Set(expected))
        }
    }

    @Test(arguments: Seed.all.prefix(8))
    func `bundles of many chunks reach every node through loss`(seed: Seed) {
        let web = Web(8, chance: seed.chance(), lossPercent: 20)
        for author in 0..<8 {
            web.handle(.publish(Web.message(0, author, byteCount: 8_000), .evidence), at: author)
        }
        web.run(for: .seconds(5))
        for index in 0..<8 {
            let expected = (0..<8).filter { $0 != index }.map { Web.message(0, $0, byteCount: 8_000) }
            #expect(web.delivered[index].count == 7)
            #expect(Set(web.delivered[index]) == Set(expected))
        }
    }

    @Test(arguments: Seed.all.prefix(8))
    func `what is refused is forwarded by nobody`(seed: Seed) {
        let web = Web(8, chance: seed.chance())
        web.judge = { _, _ in .refuse }
        for tag: UInt8 in 0...2 {
            let octets = Web.message(tag, 1)
            web.handle(.publish(octets, Dissemination.spread(ofTag: tag)!), at: 0)
        }
        web.run(for: .seconds(3))
        #expect(web.sent.dropFirst().allSatisfy { $0 == 0 })
        #expect(web.machines.dropFirst().allSatisfy { $0[.announced] == 0 && $0[.refused] > 0 })
    }

    @Test func `what is not judged yet is forwarded by nobody`() {
        let web = Web(8, chance: Chance(seed: 1))
        web.judge = { _, _ in .ignore }
        web.handle(.publish(Web.message(2, 1), .consensus), at: 0)
        web.run(for: .seconds(1))
        #expect(web.sent.dropFirst().allSatisfy { $0 == 0 })
        web.handle(.accepted(Web.short(Web.message(2, 1))), at: 3)
        #expect(web.sent[3] == 6)
        // A judgement counts once.
        web.handle(.accepted(Web.short(Web.message(2, 1))), at: 3)
        #expect(web.sent[3] == 6)
    }

    @Test func `relays push evidence to three and announce it to the rest`() {
        let web = Web(12, chance: Chance(seed: 2))
        web.handle(.publish(Web.message(0, 1), .evidence), at: 0)
        web.run(for: .milliseconds(200))
        #expect(web.sent[0] == 11)
        #expect(web.sent.dropFirst().allSatisfy { $0 == 3 })
        #expect(web.machines.dropFirst().allSatisfy { $0[.announced] <= 7 })
        // Not for each pair from both sides: whoever was told first says it to nobody who told it.
        let announced = web.machines.dropFirst().reduce(UInt64(0)) { $0 + $1[.announced] }
        #expect(announced <= 51)
    }

    @Test func `relays push what is large to one, and all have it in a quarter of a second`() {
        let web = Web(12, chance: Chance(seed: 2))
        let message = Web.message(0, 1, byteCount: Dissemination.largeByteCount + 1)
        web.handle(.publish(message, .evidence), at: 0)
        web.run(for: .milliseconds(250))
        #expect(web.machines.dropFirst().allSatisfy { $0[.delivered] == 1 && $0[.pushed] <= 1 })
        #expect(web.machines.dropFirst().contains { $0[.pushed] == 1 })
    }

    @Test func `nobody is sent or announced what it has shown to have`() {
        let message = Web.message(0, 1)
        let short = Web.short(message)
        var machine = Dissemination(chance: Chance(seed: 9), now: .origin)
        var actions: [Dissemination.Action] = []
        for peer in 1...12 { machine.handle(.connected(Web.id(peer)), at: .origin, actions: &actions) }
        machine.handle(.frame(.message(message), from: Web.id(1)), at: .origin, actions: &actions)
        // Before it is judged, and in the time in which announcements are gathered.
        for peer in 2...8 {
            machine.handle(.frame(.have([short]), from: Web.id(peer)), at: .origin, actions: &actions)
        }
        actions = []
        machine.handle(.accepted(short), at: .origin, actions: &actions)
        let pushed = actions.compactMap { action -> NodeID? in
            if case .send(let peer, .message) = action { peer } else { nil }
        }
        let others = (9...12).map { Web.id($0) }
        #expect(pushed.count == 3)
        #expect(pushed.allSatisfy { others.contains($0) })
        let last = others.first { !pushed.contains($0) }!
        machine.handle(.frame(.message(message), from: last), at: .origin, actions: &actions)
        actions = []
        machine.handle(.woke, at: .origin + .seconds(2), actions: &actions)
        #expect(actions.isEmpty)
    }

    @Test func `what waits for a peer that shows it meanwhile stays here`() {
        let messages = (0..<64).map { Web.message(0, $0) }
        var machine = Dissemination(chance: Chance(seed: 9), now: .origin)
        var actions: [Dissemination.Action] = []
        machine.handle(.connected(Web.id(1)), at: .origin, actions: &actions)
        for message in messages {
            machine.handle(.publish(message, .evidence), at: .origin, actions: &actions)
        }
        let first = actions.count
        #expect(first == 32)
        let shown = messages.suffix(10).map { Web.short($0) }
        machine.handle(.frame(.have(shown), from: Web.id(1)), at: .origin, actions: &actions)
        for milliseconds in [5, 10, 15] {
            machine.handle(.woke, at: .origin + .milliseconds(Int64(milliseconds)), actions: &actions)
        }
        let sent = actions.compactMap { action -> [UInt8]? in
            if case .send(_, .message(let octets)) = action { octets } else { nil }
        }
        #expect(sent == Array(messages.prefix(54)))
        #expect(machine[.spared] == 10)
        // Asked for again, it is sent again.
        actions = []
        machine.handle(
            .frame(.want([shown[9]]), from: Web.id(1)), at: .origin + .seconds(1), actions: &actions)
        #expect(actions == [.send(Web.id(1), .message(messages[63]))])
    }

    @Test
    func `what was sent in part to a peer that has it, and is asked for again, is sent again from its start`()
    {
        var outbox = Outbox()
        let octets = Web.message(0, 1, byteCount: 50_000)
        let digest = Digest(of: octets)
        var now = Instant.origin
        func indices() -> [Int] {
            outbox.flush(at: now).compactMap {
                if case .chunk(let chunk) = $0 { Int(chunk.index) } else { nil }
            }
        }
        #expect(outbox.add(octets, digest) == .queued)
        #expect(indices() == Array(0..<32))
        let isCancelled = outbox.cancel(ShortID(digest))
        #expect(isCancelled && outbox.add(octets, digest) == .queued)
        now = now + Outbox.tick
        var rest = indices()
        now = now + Outbox.tick
        rest += indices()
        #expect(rest == Array(0..<rest.count) && rest.count == 49)
        #expect(outbox.isEmpty && outbox.byteCount == 0)
        #expect(outbox.add(octets, digest) == .queued)
    }

    @Test(arguments: [50, 51])
    func `a newcomer is told of nothing that may be gone before it has asked`(seconds: Int) {
        var machine = Dissemination(chance: Chance(seed: 9), now: .origin)
        var actions: [Dissemination.Action] = []
        machine.handle(.publish(Web.message(0, 1), .evidence), at: .origin, actions: &actions)
        let now = Instant.origin + .seconds(Int64(seconds))
        machine.handle(.connected(Web.id(1)), at: now, actions: &actions)
        machine.handle(.woke, at: now + .milliseconds(30), actions: &actions)
        #expect(actions.count == (seconds == 50 ? 1 : 0))
    }

    @Test func `consensus floods`() {
        let web = Web(12, chance: Chance(seed: 2))
        web.handle(.publish(Web.message(2, 1), .consensus), at: 0)
        web.run(for: .milliseconds(200))
        #expect(web.sent[0] == 11)
        #expect(web.sent.dropFirst().allSatisfy { $0 == 10 })
    }

    @Test func `a direct message is delivered each time and stays where it is`() {
        let web = Web(4, chance: Chance(seed: 3))
        for _ in 0..<3 {
            web.handle(.sendDirect(Web.message(9, 1), to: Web.id(1)), at: 0)
            web.run(for: .milliseconds(20))
        }
        #expect(web.delivered.map(\.count) == [0, 3, 0, 0])
        web.handle(.publish(Web.message(5, 1), .consensus), at: 0)
        web.run(for: .seconds(2))
        #expect(web.delivered.map(\.count) == [0, 4, 1, 1])
        #expect(web.sent == [6, 0, 0, 0])
    }

    @Test func `a newcomer is told of what is kept and asks for it`() {
        let web = Web(3, chance: Chance(seed: 4))
        for index in 0..<2 { web.handle(.disconnected(Web.id(2)), at: index) }
        for number in 0..<200 { web.handle(.publish(Web.message(0, number), .evidence), at: 0) }
        web.run(for: .seconds(3))
        #expect(web.delivered[2].isEmpty)
        for index in 0..<2 { web.handle(.connected(Web.id(2)), at: index) }
        web.run(for: .seconds(1))
        #expect(Set(web.delivered[2]).count == 200 && web.delivered[2].count == 200)
    }

    @Test(arguments: [300, 5_000])
    func `an answer to a question reaches the host again and goes no further`(byteCount: Int) {
        let web = Web(4, chance: Chance(seed: 5))
        let octets = Web.message(0, 1, byteCount: byteCount)
        web.handle(.publish(octets, .evidence), at: 0)
        web.run(for: .seconds(3))
        #expect(web.delivered.map(\.count) == [0, 1, 1, 1])
        let sent = web.sent
        // Unasked it is a copy like any other.
        web.handle(.sendDirect(octets, to: Web.id(1)), at: 0)
        web.run(for: .seconds(3))
        #expect(web.delivered.map(\.count) == [0, 1, 1, 1])
        web.handle(.sendDirect(Web.message(10, 1), to: Web.id(0)), at: 1)
        for _ in 0..<2 {
            web.handle(.sendDirect(octets, to: Web.id(1)), at: 0)
            web.run(for: .seconds(1))
        }
        #expect(web.delivered.map(\.count) == [1, 2, 1, 1])
        // The question, and nothing else.
        #expect(web.sent[1] == sent[1] + 1)
    }

    @Test func `the same seed gives the same run`() {
        func trace() -> [[[UInt8]]] {
            let web = Web(9, chance: Chance(seed: 6), lossPercent: 20)
            for number in 0..<20 { web.handle(.publish(Web.message(0, number), .evidence), at: number % 9) }
            web.run(for: .seconds(2))
            return web.delivered
        }
        #expect(trace() == trace())
    }
}

@Suite struct ChunkTests {
    @Test(arguments: Seed.all.prefix(12))
    func `a large direct message arrives through loss when it is asked for again`(seed: Seed) {
        let web = Web(2, chance: seed.chance(), lossPercent: 5)
        let octets = Web.message(9, 1, byteCount: 100_000)
        var rounds = 0
        while web.delivered[1].isEmpty, rounds < 8 {
            web.handle(.sendDirect(octets, to: Web.id(1)), at: 0)
            web.run(for: .milliseconds(300))
            rounds += 1
        }
        #expect(web.delivered[1] == [octets])
        #expect(web.machines[1].reassembly.byteCount <= 110_000)
    }

    @Test func `the largest message arrives whole and leaves nothing behind`() {
        let web = Web(2, chance: Chance(seed: 1))
        let octets = Web.message(9, 1, byteCount: Message.byteCountMax)
        web.handle(.sendDirect(octets, to: Web.id(1)), at: 0)
        web.run(for: .seconds(2))
        #expect(web.delivered[1] == [octets])
        #expect(web.machines[1].reassembly.isEmpty && web.machines[0].peers[Web.id(1)]!.outbox.isEmpty)
        #expect(web.machines[0][.chunksSent] == UInt64(Chunk.countMax))
    }

    @Test func `a burst never exceeds the pace`() {
        var machine = Dissemination(chance: Chance(seed: 1), now: .origin)
        var actions: [Dissemination.Action] = []
        machine.handle(.connected(Web.id(1)), at: .origin, actions: &actions)
        for number in 0..<4 {
            machine.handle(
                .sendDirect(Web.message(9, number, byteCount: 100_000), to: Web.id(1)), at: .origin,
                actions: &actions)
        }
        #expect(actions.count == Outbox.burst)
        var total = actions.count
        while machine.deadline < .never {
            actions = []
            let now = machine.deadline
            machine.handle(.woke, at: now, actions: &actions)
            machine.handle(.woke, at: now, actions: &actions)
            #expect(actions.count <= Outbox.burst)
            total += actions.count
        }
        #expect(total == 4 * 98)
    }

    @Test func `a full queue drops the newest and counts it`() {
        var machine = Dissemination(chance: Chance(seed: 1), now: .origin)
        var actions: [Dissemination.Action] = []
        machine.handle(.connected(Web.id(1)), at: .origin, actions: &actions)
        for number in 0..<20 {
            machine.handle(
                .sendDirect(Web.message(9, number, byteCount: 1 << 20), to: Web.id(1)), at: .origin,
                actions: &actions)
        }
        #expect(machine.peers[Web.id(1)]!.outbox.byteCount == Outbox.byteCountMax)
        #expect(machine[.droppedQueueFull] == 4)
        // The same again, while it waits, is one copy.
        machine.handle(
            .sendDirect(Web.message(9, 3, byteCount: 1 << 20), to: Web.id(1)), at: .origin, actions: &actions)
        #expect(machine[.droppedAlreadyQueued] == 1)
    }

    @Test func `a chunk that belies its message's digest spoils only its sender's copy`() {
        let web = Web(3, chance: Chance(seed: 1))
        let octets = Web.message(0, 1, byteCount: 3_000)
        let digest = Digest(of: octets)
        func chunk(_ index: Int, _ octets: [UInt8]) -> Frame {
            let end = min((index + 1) * Chunk.byteCountMax, octets.count)
            return .chunk(
                Chunk(
                    message: digest, index: UInt16(index), count: 3,
                    octets: Array(octets[(index * 1_024)..<end])))
        }
        var forged = octets
        forged[2_000] ^= 1
        for index in 0..<3 {
            web.handle(.frame(chunk(index, forged), from: Web.id(2)), at: 0)
            if index < 2 { web.handle(.frame(chunk(index, octets), from: Web.id(1)), at: 0) }
        }
        #expect(web.delivered[0].isEmpty && web.machines[0][.droppedWrongDigest] == 1)
        web.handle(.frame(chunk(2, octets), from: Web.id(1)), at: 0)
        #expect(web.delivered[0] == [octets])
        #expect(web.machines[0].reassembly.isEmpty)
    }
}
