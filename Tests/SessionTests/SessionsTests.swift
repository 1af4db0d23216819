import Bytes
import Chance
import Identity
@testable import Session
import TestKit
import Testing
import Wire

@Suite struct SessionsTests {
    @Test(arguments: Seed.all)
    func `two machines over a bad link agree, and deliver each payload at most once`(seed: Seed) {
        let net = Net(chance: seed.chance())
        net.lossPercent = net.chance.below(30)
        net.duplicatesPercent = net.chance.below(30)
        net.latency = .milliseconds(5)...(.milliseconds(400))
        net.open(0, to: 1)
        net.run(for: .seconds(60)) { $0.isOpen(0, 1) && $0.isOpen(1, 0) }
        #expect(net.isOpen(0, 1) && net.isOpen(1, 0), "\(seed.testDescription)")
        var sent: [Set<[UInt8]>] = [[], []]
        for number in 0..<400 {
            let from = net.chance.below(2)
            let payload = net.chance.octets(8 + net.chance.below(1_000))
            sent[from].insert(payload)
            net.send(payload, from: from, to: 1 - from)
            if number.isMultiple(of: 4) { net.run(for: .milliseconds(net.chance.below(500))) }
        }
        net.run(for: .seconds(5))
        for side in 0..<2 {
            let received = net.seen[side].received
            #expect(Set(received).count == received.count, "\(seed.testDescription): delivered twice")
            #expect(sent[1 - side].isSuperset(of: received))
            #expect(received.count > 80, "\(seed.testDescription): \(received.count) of 200")
            #expect(net.seen[side].opened == [net.ids[1 - side]])
            #expect(net.seen[side].closed.isEmpty && net.seen[side].refused.isEmpty)
        }
        #expect(net.machines[0][net.ids[1]]?.record == Net.record(net.seeds[1]))
    }

    @Test func `a first payload needs one round trip, and each side learns where it was seen`() {
        let net = Net(chance: Chance(seed: 1))
        net.open(0, to: 1)
        net.run(for: .milliseconds(20))
        #expect(net.seen[0].opened == [net.ids[1]])
        net.send([1, 2, 3], from: 0, to: 1)
        net.run(for: .milliseconds(10))
        #expect(net.seen[1].received == [[1, 2, 3]])
        #expect(net.seen[0].observed == [net.places[0]])
    }

    @Test func `an oversize payload and one without a session are errors`() {
        let net = Net(chance: Chance(seed: 2))
        net.send([1], from: 0, to: 1)
        #expect(net.seen[0].refused == [.notOpen])
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        let limit = net.machines[0].payloadByteCountMax
        net.send([UInt8](repeating: 7, count: limit), from: 0, to: 1)
        net.send([UInt8](repeating: 7, count: limit + 1), from: 0, to: 1)
        net.run(for: .seconds(1))
        #expect(net.seen[1].received == [[UInt8](repeating: 7, count: limit)])
        #expect(net.seen[0].refused.last == .tooLarge(byteCount: limit + 1, limit: limit))
        #expect(net.captured.allSatisfy { $0.octets.count <= 1_200 })
    }

    @Test func `nobody there, or another network, is a failure that is told, and silence to the caller`() {
        let other = Digest(of: [9])
        let net = Net(chance: Chance(seed: 3), network: [Net.network, other])
        net.open(0, to: 1)
        net.run(for: .seconds(60))
        #expect(net.seen[0].failed == [.noAnswer])
        #expect(net.captured.allSatisfy { $0.source == net.places[0] }, "it was answered")
        #expect(net.captured.count == Settings().attemptsMax)
        #expect(net.machines[1][.badInitiation] == UInt64(Settings().attemptsMax))
        #expect(net.machines.allSatisfy { $0.gauges.prefix(3).allSatisfy { $0.value == 0 } })
        // Each attempt has an index and ephemeral key of its own.
        #expect(Set(net.captured.map { Array($0.octets[4..<8]) }).count == net.captured.count)
        #expect(Set(net.captured.map { Array($0.octets[8..<40]) }).count == net.captured.count)
    }

    @Test func `no one dials itself or a key that nobody can hold`() {
        let net = Net(chance: Chance(seed: 4))
        net.open(0, to: 0)
        net.handle(.open(NodeID(octets: [UInt8](repeating: 0, count: 32))!, net.places[1]), at: 0)
        #expect(net.seen[0].failed == [.badIdentity, .badIdentity])
    }

    @Test func `a close is told to the peer, and its keys are gone on both sides`() {
        let net = Net(chance: Chance(seed: 5))
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        weak let key = net.machines[1][net.ids[0]]?.current
        #expect(key != nil)
        net.handle(.close(net.ids[1], code: 42), at: 0)
        net.run(for: .seconds(1))
        #expect(net.seen[0].closed == [.closed])
        #expect(net.seen[1].closed == [.closedByPeer(code: 42)])
        #expect(key == nil, "a key lives on")
        #expect(net.machines.allSatisfy { $0.gauges.prefix(3).allSatisfy { $0.value == 0 } })
        #expect(net.machines.allSatisfy { $0.deadline == .never || $0.deadline >= net.now })
    }

    @Test func `a close that the next call overtakes on the way closes nothing`() {
        let net = Net(chance: Chance(seed: 6))
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        var held: [UInt8]?
        net.tamper = { octets, _ in
            held = octets
            return nil
        }
        net.handle(.close(net.ids[1], code: 0), at: 0)
        net.tamper = { octets, _ in octets }
        net.open(0, to: 1)
        // The call arrives after 10 ms, the close after 15, what is said under the new key after 30.
        net.inject(held!, from: net.places[0], to: net.places[1], at: net.now + .milliseconds(15))
        net.run(for: .milliseconds(25))
        #expect(net.seen[1].closed.isEmpty && net.machines[1][.overtakenClose] == 1)
        net.send([1, 2, 3], from: 0, to: 1)
        net.run(for: .milliseconds(100))
        #expect(net.seen[1].received == [[1, 2, 3]] && net.isOpen(0, 1) && net.isOpen(1, 0))
    }
}
