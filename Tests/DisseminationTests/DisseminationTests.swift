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

@Suite struct HostileTests {
    private func machine(peers: Int) -> Dissemination {
        var machine = Dissemination(chance: Chance(seed: 1), now: .origin)
        var actions: [Dissemination.Action] = []
        for index in 0..<peers { machine.handle(.connected(Web.id(index)), at: .origin, actions: &actions) }
        return machine
    }

    private func ids(_ chance: inout Chance, _ count: Int) -> [ShortID] {
        (0..<count).map { _ in ShortID(Digest(octets: chance.octets(32))!) }
    }

    /// Peer 0 does what it can that a message which peer 1 has is never asked of peer 1.
    private func wants(_ chunks: [Chunk], every period: Duration = .seconds(10)) -> Int {
        var machine = machine(peers: 2)
        var actions: [Dissemination.Action] = []
        var now = Instant.origin
        machine.handle(.frame(.chunk(chunks[0]), from: Web.id(0)), at: now, actions: &actions)
        now = now + .milliseconds(10)
        machine.handle(
            .frame(.have([ShortID(chunks[0].message)]), from: Web.id(1)), at: now, actions: &actions)
        var next = 1
        var nextChunk = Instant.origin + period
        while now < .origin + .seconds(5) {
            if next < chunks.count, nextChunk <= machine.deadline {
                now = nextChunk
                machine.handle(.frame(.chunk(chunks[next]), from: Web.id(0)), at: now, actions: &actions)
                next += 1
                nextChunk = nextChunk + period
            } else if machine.deadline < .origin + .seconds(5) {
                now = max(now, machine.deadline)
                machine.handle(.woke, at: now, actions: &actions)
            } else {
                break
            }
        }
        return actions.count { if case .send(Web.id(1), .want) = $0 { true } else { false } }
    }

    @Test func `a peer that sends a piece as of a direct message keeps nobody from another's announcement`() {
        let octets = [UInt8](repeating: 0xFF, count: Chunk.byteCountMax)
        let message = Digest(of: Web.message(0, 1))
        #expect(wants([Chunk(message: message, index: 0, count: 8_000, octets: octets)]) > 0)
    }

    @Test func `a peer that sends piece after piece keeps nobody from another's announcement`() {
        let octets = [UInt8](repeating: 0, count: Chunk.byteCountMax)
        let message = Digest(of: Web.message(0, 1))
        let chunks = (0..<90).map { Chunk(message: message, index: UInt16($0), count: 8_000, octets: octets) }
        #expect(wants(chunks, every: .milliseconds(50)) > 0)
    }

    @Test func `what comes whole from a peer that is not trusted is asked of others yet`() {
        var machine = machine(peers: 2)
        var actions: [Dissemination.Action] = []
        let octets = Web.message(0, 1, byteCount: 2_000)
        let message = Digest(of: octets)
        for _ in 0..<2 {
            machine.handle(.fault(.malformed, by: Web.id(0)), at: .origin, actions: &actions)
        }
        machine.handle(.frame(.have([ShortID(message)]), from: Web.id(1)), at: .origin, actions: &actions)
        for (index, octets) in [octets[..<1_024], octets[1_024...]].enumerated() {
            let chunk = Chunk(message: message, index: UInt16(index), count: 2, octets: Array(octets))
            machine.handle(.frame(.chunk(chunk), from: Web.id(0)), at: .origin, actions: &actions)
        }
        #expect(machine[.delivered] == 0 && machine[.droppedUntrusted] > 0)
        var now = Instant.origin
        while machine.deadline < .origin + .seconds(1) {
            now = max(now, machine.deadline)
            machine.handle(.woke, at: now, actions: &actions)
        }
        #expect(actions.contains { if case .send(Web.id(1), .want) = $0 { true } else { false } })
    }

    @Test func `chunks of messages that never end are held within bounds`() {
        var machine = machine(peers: 8)
        var chance = Chance(seed: 2)
        var actions: [Dissemination.Action] = []
        let filling = [UInt8](repeating: 7, count: Chunk.byteCountMax)
        for round in 0..<60_000 {
            // Eight liars; some spread over many messages, some fill few.
            let messages = round % 2 == 0 ? 1_000 : 3
            let digest = Digest(of: [UInt8(round % 8)] + "\(chance.below(messages))".utf8)
            let chunk = Chunk(
                message: digest, index: UInt16(chance.below(8_000)), count: 8_192, octets: filling)
            machine.handle(.frame(.chunk(chunk), from: Web.id(round % 8)), at: .origin, actions: &actions)
            #expect(machine.reassembly.byteCount <= Reassembly.byteCountMax)
        }
        #expect(machine.reassembly.messageCount <= 8 * Reassembly.messagesPerPeerMax)
        #expect(machine.missing.count <= 8 * MissingMessages.perPeerMax)
        // An honest peer's message gets through all the same.
        let honest = Web.message(9, 1, byteCount: 2_000)
        for index in 0..<2 {
            let part = Array(honest[(index * 1_024)..<min((index + 1) * 1_024, 2_000)])
            machine.handle(
                .frame(
                    .chunk(Chunk(message: Digest(of: honest), index: UInt16(index), count: 2, octets: part)),
                    from: Web.id(0)), at: .origin, actions: &actions)
        }
        #expect(actions.contains(.deliver(honest, Digest(of: honest), from: Web.id(0))))
        // And all of it is gone once nothing comes any more.
        var now = Instant.origin
        while now < .origin + .seconds(12) {
            now = max(now + .milliseconds(100), min(machine.deadline, .origin + .seconds(13)))
            machine.handle(.woke, at: now, actions: &actions)
        }
        #expect(machine.reassembly.isEmpty && machine.missing.count == 0)
        #expect(machine.deadline == .never)
    }

    @Test func `announcements of what does not exist are bounded, asked for in vain, and forgotten`() {
        var machine = machine(peers: 20)
        var chance = Chance(seed: 3)
        var actions: [Dissemination.Action] = []
        for round in 0..<2_000 {
            machine.handle(
                .frame(.have(ids(&chance, 64)), from: Web.id(round % 20)), at: .origin, actions: &actions)
        }
        #expect(machine.missing.count == MissingMessages.countMax)
        #expect(machine[.droppedHaveFull] == 2_000 * 64 - UInt64(MissingMessages.countMax))
        var wants = 0
        while machine.deadline < .never {
            actions = []
            machine.handle(.woke, at: machine.deadline, actions: &actions)
            for action in actions { if case .send(_, .want(let ids)) = action { wants += ids.count } }
        }
        #expect(machine.missing.count == 0)
        #expect(wants == MissingMessages.countMax * MissingMessages.triesMax)
    }

    @Test func `one liar's announcements leave room for the others`() {
        var machine = machine(peers: 2)
        var chance = Chance(seed: 4)
        var actions: [Dissemination.Action] = []
        for _ in 0..<100 {
            machine.handle(.frame(.have(ids(&chance, 64)), from: Web.id(0)), at: .origin, actions: &actions)
        }
        #expect(machine.missing.count == MissingMessages.perPeerMax)
        machine.handle(.frame(.have(ids(&chance, 1)), from: Web.id(1)), at: .origin, actions: &actions)
        #expect(machine.missing.count == MissingMessages.perPeerMax + 1)
    }

    @Test func `wants without end fill one queue and no more`() {
        var machine = machine(peers: 2)
        var actions: [Dissemination.Action] = []
        let octets = Web.message(0, 1, byteCount: 8_000)
        machine.handle(.publish(octets, .evidence), at: .origin, actions: &actions)
        for _ in 0..<1_000 {
            machine.handle(
                .frame(.want([Web.short(octets)]), from: Web.id(0)), at: .origin, actions: &actions)
        }
        #expect(machine.peers[Web.id(0)]!.outbox.byteCount <= 8_000)
        #expect(actions.count <= 2 * Outbox.burst)
        var chance = Chance(seed: 5)
        machine.handle(.frame(.want(ids(&chance, 64)), from: Web.id(0)), at: .origin, actions: &actions)
        #expect(machine[.droppedUnservable] == 64)
    }

    @Test func `messages that the host never judges are held within bounds and let go`() {
        var machine = machine(peers: 1)
        var actions: [Dissemination.Action] = []
        for number in 0..<10_000 {
            machine.handle(
                .frame(.message(Web.message(1, number, byteCount: 40)), from: Web.id(0)), at: .origin,
                actions: &actions)
        }
        #expect(machine.pending.count == Dissemination.pendingCountMax)
        #expect(machine[.droppedPendingFull] == 10_000 - UInt64(Dissemination.pendingCountMax))
        machine.handle(.woke, at: .origin + .seconds(6), actions: &actions)
        #expect(machine.pending.isEmpty)
    }

    @Test func `the cache of what was seen forgets the oldest`() {
        var cache = SeenCache(countMax: 100)
        var chance = Chance(seed: 6)
        let all = ids(&chance, 1_000)
        for id in all {
            cache.set(id, .pending(.origin))
            cache.set(id, .accepted(.origin))
        }
        #expect(cache.count == 100)
        #expect(all.suffix(100).allSatisfy { cache[$0] == .accepted(.origin) })
    }

    @Test func `what is kept is bounded in octets and in age`() {
        var held = HeldMessages(byteCountMax: 10_000, countMax: 50, age: .seconds(10))
        func message(_ number: Int, _ byteCount: Int, at now: Instant) -> HeldMessages.Held {
            let octets = Web.message(0, number, byteCount: byteCount)
            return HeldMessages.Held(
                octets: octets, digest: Digest(of: octets), spread: .evidence, source: nil, since: now)
        }
        for number in 0..<1_000 {
            held.insert(message(number, 150 + number % 200, at: .origin + .milliseconds(10 * number)))
            #expect(held.byteCount <= 10_000 && held.count <= 50)
        }
        #expect(held.newest(1) { _ in true } == [Web.short(Web.message(0, 999, byteCount: 349))])
        held.expire(at: .origin + .milliseconds(9_800 + 10_000))
        #expect(held.count == 19)
        for number in 981..<1_000 {
            held.remove(Web.short(Web.message(0, number, byteCount: 150 + number % 200)))
        }
        #expect(held.isEmpty && held.byteCount == 0)
    }

    @Test(arguments: Seed.all.prefix(8))
    func `mutated frames of a stranger or a peer are dropped and counted`(seed: Seed) {
        var chance = seed.chance()
        var machine = machine(peers: 2)
        var actions: [Dissemination.Action] = []
        let octets = Web.message(0, 1, byteCount: 2_500)
        let frames: [Frame] = [
            .message(Web.message(2, 2)), .have(ids(&chance, 3)), .want(ids(&chance, 3)), .message([]),
            .chunk(Chunk(message: Digest(of: octets), index: 0, count: 3, octets: Array(octets[..<1_024]))),
            .chunk(Chunk(message: Digest(of: octets), index: 0, count: 1, octets: [1])),
        ]
        for round in 0..<500 {
            var octets = frames[chance.below(frames.count)].encoded()
            octets.mutate(with: &chance)
            guard let frame = try? Frame(decoding: octets) else { continue }
            machine.handle(
                .frame(frame, from: Web.id(chance.below(3))), at: .origin + .milliseconds(round),
                actions: &actions)
        }
        #expect(machine[.droppedStranger] > 0)
    }
}

@Suite struct FramePackerTests {
    @Test(arguments: Seed.all)
    func `what is packed is unpacked in its order, in full payloads`(seed: Seed) throws {
        var chance = seed.chance()
        var packer = FramePacker()
        var frames: [Frame] = []
        for number in 0..<100 {
            frames.append(
                chance.happens(1, in: 2)
                    ? .ping(nonce: chance.bits())
                    : .message(Web.message(2, number, byteCount: 1 + chance.below(1_100))))
            packer.add(frames.last!)
        }
        let payloads = packer.payloads()
        let decoded = try payloads.map { try Payload(decoding: $0.octetBytes) }
        #expect(decoded.flatMap(\.frames) == frames)
        // Two neighbours would never have fitted one.
        for (left, right) in zip(payloads, decoded.dropFirst()) {
            #expect(left.count + right.frames[0].encoded().count > Payload.byteCountMax)
        }
        #expect(packer.payloads().isEmpty)
    }

    @Test func `no more frames than a payload may hold`() throws {
        var packer = FramePacker()
        for nonce in 0..<UInt64(100) { packer.add(.ping(nonce: nonce)) }
        let counts = try packer.payloads().map { try Payload(decoding: $0.octetBytes).frames.count }
        #expect(counts == [32, 32, 32, 4])
    }
}
