import Bytes
import Chance
import Identity
import Records
import TestKit
import Testing
import Wire
import WireSamples

@Suite struct StatusTests {
    private func status(waitsFor: String, counters: [LiveStatus.Counter], peers: Int = 2) -> LiveStatus {
        var chance = Chance(seed: 1)
        return LiveStatus(
            node: .any(from: &chance), processID: 1, startedAt: 2, updatedAt: 3, endpoint: .loopback(port: 4),
            roles: .hotspot, openEpoch: 5, view: 6, waitsFor: waitsFor, mayVote: true,
            peers: (0..<peers).map { _ in
                LiveStatus.Peer(node: .any(from: &chance), endpoint: .any(from: &chance))
            },
            counters: counters)
    }

    @Test func `a status is read as it was written, and the last one counts`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let first = status(waitsFor: "the window to end", counters: [])
        let last = status(waitsFor: "", counters: [LiveStatus.Counter(name: "datagrams", value: .max)])
        for written in [first, last] {
            try store.write([.status(written)])
            #expect(try store.status()?.encoded() == written.encoded())
            #expect(try store.status()?.waitsFor == written.waitsFor)
        }
    }

    @Test func `a status beyond its limits is cut at whole characters and stays readable`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let long = String(repeating: "x", count: LiveStatus.textByteCountMax - 1) + "é…"
        let counter = LiveStatus.Counter(name: long, value: 1)
        let counters = Array(repeating: counter, count: LiveStatus.countersMax + 1)
        try store.write([
            .status(status(waitsFor: long, counters: counters, peers: LiveStatus.peersMax + 1))
        ])
        let read = try #require(try store.status())
        #expect(read.waitsFor == String(long.dropLast(2)))
        #expect(read.counters.count == LiveStatus.countersMax)
        #expect(read.counters.first?.name == String(long.dropLast(2)))
        #expect(read.peers.count == LiveStatus.peersMax)
    }

    @Test(arguments: Seed.all)
    func `records of the store have one encoding`(seed: Seed) throws {
        var chance = seed.chance()
        let final = Final(epoch: 3, verdictEpochs: [2], from: &chance)
        let verdict = VerdictRecord(block: 3, verdict: final.verdicts[0])
        let live = status(
            waitsFor: "votes",
            counters: [LiveStatus.Counter(name: "sent", value: 1), LiveStatus.Counter(name: "é", value: 2)])
        func rewritten<Value: Canonical>(_ value: Value) {
            for _ in 0..<48 {
                var bytes = value.encoded()
                for _ in 0...chance.below(3) { bytes.mutate(with: &chance) }
                guard let read = try? Value(decoding: bytes) else { continue }
                #expect(read.encoded() == bytes)
            }
        }
        #expect(try EpochSummary(decoding: final.summary.encoded()) == final.summary)
        rewritten(final.summary)
        rewritten(final.record)
        rewritten(verdict)
        rewritten(live)
    }
}
