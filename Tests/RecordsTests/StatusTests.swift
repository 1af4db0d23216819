import Bytes
import Chance
import Identity
import Records
import Store
import TestKit
import Testing
import Wire
import WireSamples

@Suite struct StatusTests {
    private func status(waitsFor: String, counters: [LiveStatus.Counter], contacts: Int = 3) -> LiveStatus {
        var chance = Chance(seed: 1)
        var status = LiveStatus(
            node: .any(from: &chance), endpoint: .loopback(port: 4), roles: .hotspot, startedAt: 2,
            updatedAt: 3)
        status.version = "1.2.3"
        status.processID = 1
        status.admin = .loopback(port: 5)
        status.openEpoch = 5
        status.view = 6
        status.waitsFor = waitsFor
        status.mayVote = true
        status.contacts = (0..<contacts).map { place in
            var contact = LiveStatus.Contact(node: .any(from: &chance), endpoint: .any(from: &chance))
            contact.traits = [.listed, .proven]
            contact.score = -Int32(place)
            contact.standing = LiveStatus.Standing.allCases[place % 4]
            guard !place.isMultiple(of: 3) else { return contact }
            contact.link = LiveStatus.Link(
                isOutbound: true, since: 7, heardAt: 8,
                roundTripMicroseconds: place.isMultiple(of: 2) ? nil : 900, liveness: .suspected)
            contact.link?.received.add(1_200)
            return contact
        }
        let verdict = BeaconVerdict.any(from: &chance, epoch: 4)
        status.beacon = LiveStatus.OwnBeacon(epoch: 4, tag: verdict.tag, sentAt: 9)
        status.judgement = LiveStatus.Judgement(verdict, block: 5)
        status.witnessing = verdict.reports.first.flatMap {
            LiveStatus.Witnessing(of: $0.reporter, in: [verdict], block: 5)
        }
        status.arrivals = [LiveStatus.Arrival(bundle: 10, at: 11), .init(bundle: .max, at: 12)]
        status.counters = counters
        status.gauges = [LiveStatus.Gauge(name: "full", value: 3, limit: 3)]
        return status
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
        var written = status(waitsFor: long, counters: counters, contacts: LiveStatus.contactsMax + 1)
        written.arrivals = (0...UInt64(LiveStatus.arrivalsMax)).map { .init(bundle: $0, at: $0) }
        try store.write([.status(written)])
        let read = try #require(try store.status())
        #expect(read.waitsFor == String(long.dropLast(2)))
        #expect(read.counters.count == LiveStatus.countersMax)
        #expect(read.counters.first?.name == String(long.dropLast(2)))
        #expect(read.contacts.count == LiveStatus.contactsMax)
        // The newest.
        #expect(read.arrivals == Array(written.arrivals.dropFirst()))
    }

    @Test func `what another version said of itself reads as nothing, and damage as damage`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        // As the first version wrote it: the node's key came first.
        var chance = Chance(seed: 2)
        let key = Array("status".utf8)
        try store.damage(key, in: "node") {
            $0 = NodeID.any(from: &chance).octets + [UInt8](repeating: 0, count: 60)
        }
        #expect(try store.status() == nil)
        try store.damage(key, in: "node") { $0 = [] }
        #expect(try store.status() == nil)
        let written = status(waitsFor: "votes", counters: [])
        try store.write([.status(written)])
        #expect(try store.status()?.node == written.node)
        try store.damage(key, in: "node") { $0.removeLast() }
        #expect(throws: StoreError.corrupted) { try store.status() }
    }

    @Test func `verdicts on own reports are counted by reason, and no others are`() throws {
        var chance = Chance(seed: 3)
        var first = BeaconVerdict.any(from: &chance, epoch: 4)
        while first.reports.count < 2 { first = .any(from: &chance, epoch: 4) }
        let own = first.reports[0].reporter
        first.reports[1].reporter = own
        first.reports[0].reason = .valid
        first.reports[1].reason = .tooFar
        var second = first
        second.reports[1].reason = .valid
        let counts = try #require(LiveStatus.Witnessing(of: own, in: [first, second], block: 9)).counts
        #expect(counts.map { "\($0.reason) \($0.count)" } == ["valid 3", "tooFar 1"])
        #expect(LiveStatus.Witnessing(of: .any(from: &chance), in: [first], block: 9) == nil)
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
