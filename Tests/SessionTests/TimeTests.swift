import Bytes
import Chance
import Identity
@testable import Session
import TestKit
import Testing
import Wire

/// What hours do to a session, and what silence does.
@Suite struct TimeTests {
    private func opened(_ chance: Chance, settings: Settings = .small) -> Net {
        let net = Net(chance: chance, settings: settings)
        net.latency = .milliseconds(10)...(.milliseconds(40))
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        precondition(net.isOpen(0, 1) && net.isOpen(1, 0))
        return net
    }

    @Test(arguments: Seed.all.prefix(8))
    func `a session lives through a day of rekeys and loss, in silence or in talk`(seed: Seed) {
        let net = opened(seed.chance())
        net.keepsCaptured = false
        net.checkedEvery = 16
        net.lossPercent = 5 + net.chance.below(20)
        net.duplicatesPercent = 5
        let isSilent = net.chance.happens(1, in: 3)
        let end = net.now + .seconds(24 * 3_600)
        var sent = [0, 0]
        while net.now < end {
            net.run(for: .seconds(isSilent ? 600 : 7))
            for side in 0..<2 where !isSilent && net.chance.happens(2, in: 3) {
                net.send([UInt8(side)], from: side, to: 1 - side)
                sent[side] += 1
            }
        }
        net.run(for: .seconds(1))
        for side in 0..<2 {
            #expect(net.seen[side].opened.count == 1, "\(seed.testDescription)")
            #expect(net.seen[side].closed.isEmpty && net.seen[side].refused.isEmpty)
            // Of what was sent, all arrives but what the link lost: a rekey costs none.
            let least = sent[1 - side] * (100 - net.lossPercent - 3) / 100
            #expect(net.seen[side].received.count >= least, "\(seed.testDescription)")
            let keys = net.machines[side][net.ids[1 - side]]!
            #expect(net.now - keys.current!.born < Sessions.rejectAfter)
        }
    }

    @Test func `without loss a key is replaced at two minutes, by its initiator, and no payload is lost`() {
        let net = opened(Chance(seed: 1))
        let first = net.machines[1][net.ids[0]]!.current!.localIndex
        for _ in 0..<1_400 {
            net.run(for: .milliseconds(100))
            net.send([1], from: 0, to: 1)
            net.send([2], from: 1, to: 0)
        }
        net.run(for: .seconds(1))
        #expect(net.seen.map(\.received.count) == [1_400, 1_400])
        let peer = net.machines[1][net.ids[0]]!
        #expect(peer.current?.localIndex != first && peer.previous?.localIndex == first)
        #expect(peer.current?.isInitiator == false)
        #expect(net.captured.count { $0.octets[0] == PacketKind.initiation.rawValue } == 2)
        // The old key dies at its time, not later.
        weak let old = peer.previous
        net.run(for: .seconds(45))
        #expect(peer.previous == nil && old == nil)
    }

    @Test func `an expired key opens nothing, even before the machine has woken`() {
        let net = opened(Chance(seed: 2))
        let actions = net.handle(.send(net.ids[1], [1]), at: 0)
        guard case .transmit(let datagram, _)? = actions.first else {
            Issue.record("nothing was sent")
            return
        }
        net.now = net.now + .seconds(181)
        let late = net.handle(.datagram(datagram, from: net.places[0]), at: 1)
        #expect(late.isEmpty && net.machines[1][.expired] == 1)
        net.send([2], from: 0, to: 1)
        #expect(net.seen[0].refused == [.notOpen])
    }

    @Test func `a key is replaced after its datagrams too`() {
        var settings = Settings.small
        settings.rekeyAfterDatagrams = 100
        let net = opened(Chance(seed: 3), settings: settings)
        for _ in 0..<1_000 {
            net.send([1], from: 1, to: 0)
            net.run(for: .milliseconds(20))
        }
        net.run(for: .seconds(1))
        #expect(net.seen[0].received.count == 1_000)
        #expect(net.captured.count { $0.octets[0] == PacketKind.response.rawValue } >= 8)
    }

    @Test func `if the initiator sleeps, the responder renews the key`() {
        let net = opened(Chance(seed: 4))
        net.tamper = { octets, from in
            from == 0 && octets[0] == PacketKind.initiation.rawValue ? nil : octets
        }
        net.run(for: .seconds(175))
        #expect(net.machines[1][net.ids[0]]?.current?.isInitiator == true)
        #expect(net.seen.allSatisfy { $0.closed.isEmpty })
        net.tamper = { octets, _ in octets }
    }

    @Test func `who gets no answer to payload dials, and in the end the session is dead`() {
        let net = opened(Chance(seed: 5))
        net.tamper = { octets, from in from == 1 ? nil : octets }
        net.send([1], from: 0, to: 1)
        net.run(for: .seconds(14))
        #expect(net.isOpen(0, 1))
        net.run(for: .seconds(46))
        #expect(net.seen[0].closed == [.dead])
        #expect(net.machines[0].slotOfNode.isEmpty && net.machines[0].slotOfIndex.isEmpty)
        net.tamper = { octets, _ in octets }
    }

    @Test func `who only listens is not taken for dead`() {
        let net = opened(Chance(seed: 6))
        for _ in 0..<1_000 {
            net.send([1], from: 0, to: 1)
            net.run(for: .seconds(1))
        }
        #expect(net.seen.allSatisfy { $0.closed.isEmpty } && net.seen[1].received.count == 1_000)
        // One keepalive for ten seconds of payload, and handshakes at their times only.
        #expect(net.captured.count { $0.octets[0] == PacketKind.initiation.rawValue } <= 9)
        let fromListener = net.captured.count {
            $0.source == net.places[1] && $0.octets[0] == PacketKind.data.rawValue
        }
        #expect(fromListener <= 120, "\(fromListener)")
    }

    @Test func `both sides of a vanished link give up, and a silent session costs next to nothing`() {
        let net = opened(Chance(seed: 7))
        net.run(for: .seconds(100))
        // Handshake and one confirmation with its answer: nothing more in peace.
        #expect(net.captured.count == 4)
        net.tamper = { _, _ in nil }
        net.run(for: .seconds(300))
        #expect(net.seen.allSatisfy { $0.closed == [.dead] })
        net.tamper = { octets, _ in octets }
    }

    @Test func `only behind a NAT is the path kept open, every fifteen seconds`() {
        let net = opened(Chance(seed: 8))
        net.handle(.behindNAT(net.ids[1], true), at: 0)
        net.captured = []
        net.run(for: .seconds(91))
        let times = net.captured.filter { $0.source == net.places[0] }
        #expect((5...7).contains(times.count))
        #expect(times.allSatisfy { $0.octets.count == Packet.dataOverhead + Packet.controlBodyByteCount })
    }

    @Test func `a lost confirmation is repeated, and data waits for nobody`() {
        let net = Net(chance: Chance(seed: 9))
        var dropped = 0
        net.tamper = { octets, from in
            guard from == 0, octets[0] == PacketKind.data.rawValue, dropped < 3 else { return octets }
            dropped += 1
            return nil
        }
        net.open(0, to: 1)
        net.run(for: .seconds(5))
        #expect(dropped == 3 && net.isOpen(1, 0))
        #expect(net.machines[0][net.ids[1]]?.current?.isConfirmed == true)
        #expect(net.machines[0][net.ids[1]]?.confirmation == nil)
        net.tamper = { octets, _ in octets }
    }

    @Test func `a node that started anew is heard at once, and brings its new record`() {
        let net = opened(Chance(seed: 10))
        net.restart(1)
        net.handle(.record(Net.record(net.seeds[1], sequence: 2)), at: 1)
        net.open(1, to: 0)
        net.run(for: .seconds(1))
        #expect(net.isOpen(1, 0) && net.seen[0].closed.isEmpty)
        #expect(net.seen[0].renewed.map(\.sequence) == [2])
        net.send([1], from: 0, to: 1)
        net.run(for: .seconds(1))
        #expect(net.seen[1].received == [[1]])
    }

    @Test func `a machine that wakes in the past is heard once its clock is set`() {
        let net = opened(Chance(seed: 15))
        net.restart(0, behind: .seconds(3_600))
        net.open(0, to: 1)
        net.run(for: .seconds(20))
        #expect(!net.isOpen(0, 1), "its timestamps are old ones")
        net.handle(.clock(wallNanoseconds: net.wallNanoseconds), at: 0)
        net.open(0, to: 1)
        net.run(for: .seconds(20))
        #expect(net.isOpen(0, 1))
    }

    @Test func `a machine that wakes in the past and knows its last timestamp is heard at once`() {
        let net = opened(Chance(seed: 16))
        let last = net.machines[0].lastStamp
        #expect(last > 1_600_000_000_000_000_000)
        for life in 1...3 {
            // Its clock starts at the same moment each time, as one without a battery does.
            net.restart(
                0, behind: .seconds(86_400) + (net.now - .origin), stampsAbove: net.machines[0].lastStamp)
            net.open(0, to: 1)
            net.run(for: .seconds(1))
            #expect(net.isOpen(0, 1), "life \(life)")
        }
    }

    @Test func `a responder sends nothing but its answer before the key is confirmed`() {
        let net = Net(chance: Chance(seed: 11))
        net.tamper = { octets, from in from == 1 ? nil : octets }
        net.open(0, to: 1)
        net.run(for: .milliseconds(500))
        net.send([1], from: 1, to: 0)
        #expect(net.seen[1].refused == [.notOpen] && net.seen[1].opened.isEmpty)
        let kinds = Set(net.captured.filter { $0.source == net.places[1] }.map { $0.octets[0] })
        #expect(kinds == [PacketKind.response.rawValue])
        net.tamper = { octets, _ in octets }
    }

    @Test func `keys are logged only if the settings ask for it, the same on both sides`() {
        #expect(opened(Chance(seed: 12)).seen.allSatisfy { $0.keyLog.isEmpty })
        var settings = Settings.small
        settings.logsKeys = true
        let net = opened(Chance(seed: 12), settings: settings)
        let lines = net.seen.map { $0.keyLog[0].split(separator: " ") }
        #expect(lines[0][1] == lines[1][2] && lines[0][2] == lines[1][1])
        #expect(lines[0][3] == lines[1][4] && lines[0][4] == lines[1][3])
    }
}
