import Bytes
import Chance
@testable import Dissemination
import Identity
import TestKit
import Testing
import Wire

/// What peers with intent send.
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
