import Bytes
import Chance
import Identity
@testable import Session
import TestKit
import Testing
import Wire

/// What strangers on and off the path may do.
@Suite struct HostileTests {
    private func initiations(_ net: Net) -> [Net.Packet] {
        net.captured.filter { $0.octets[0] == PacketKind.initiation.rawValue }
    }

    private func spoofed(_ number: Int) -> Endpoint {
        Endpoint(ipv4: 0x0B00_0000 &+ UInt32(truncatingIfNeeded: number) &* 977, port: 9)
    }

    @Test func `a replayed initiation is dropped, from its own address and from another`() {
        let net = Net(chance: Chance(seed: 1))
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        let first = initiations(net)[0]
        for source in [first.source, spoofed(1)] {
            let actions = net.handle(.datagram(first.octets, from: source), at: 1)
            #expect(actions.isEmpty)
        }
        #expect(net.machines[1][.replayedInitiation] == 2)
        net.handle(.close(net.ids[1], code: 0), at: 0)
        net.run(for: .seconds(1))
        let actions = net.handle(.datagram(first.octets, from: first.source), at: 1)
        #expect(actions.isEmpty && net.machines[1].slotOfNode.isEmpty)
    }

    @Test func `who was driven out of the table of timestamps can be replayed, and that wins nothing`() {
        let net = Net(chance: Chance(seed: 12))
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        let first = initiations(net)[0].octets
        net.machines[1].timestamps = Timestamps()
        let whileOpen = net.handle(.datagram(first, from: spoofed(1)), at: 1)
        #expect(whileOpen.isEmpty && net.machines[1][.replayedInitiation] == 1)
        net.handle(.close(net.ids[1], code: 0), at: 0)
        net.run(for: .seconds(1))
        net.machines[1].timestamps = Timestamps()
        let afterwards = net.handle(.datagram(first, from: spoofed(1)), at: 1)
        #expect(afterwards.count == 1 && net.machines[1].halfOpenCount == 1)
        net.run(for: .seconds(11))
        #expect(net.machines[1].slotOfNode.isEmpty && net.seen[1].opened.count == 1)
    }

    @Test func `fifty thousand spoofed initiations with a bad mac1 are answered by silence`() {
        let net = Net(chance: Chance(seed: 2))
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        var datagram = initiations(net)[0].octets
        datagram[Packet.initiationMac1] ^= 1
        let gauges = net.machines[1].gauges.map(\.value)
        var answers = 0
        net.checkedEvery = 64
        for number in 0..<50_000 {
            datagram[4] = UInt8(truncatingIfNeeded: number)
            answers += net.handle(.datagram(datagram, from: spoofed(number)), at: 1).count
        }
        #expect(answers == 0)
        #expect(net.machines[1].gauges.map(\.value) == gauges)
        #expect(net.machines[1][.badMac1] == 50_000)
    }

    @Test func `fifty thousand with a good mac1 get at most a cookie each, and honest ones still come in`() {
        let net = Net(chance: Chance(seed: 3), count: 3)
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        let template = initiations(net)[0].octets
        let keys = ResponderKeys(of: net.ids[1].exchangeKey!)
        var cookies = 0
        var strays = 0
        var amplified = 0
        net.checkedEvery = 64
        for number in 0..<50_000 {
            var datagram = template
            datagram[8] ^= UInt8(truncatingIfNeeded: number)
            datagram[9] ^= UInt8(truncatingIfNeeded: number >> 8)
            datagram.replaceSubrange(
                Packet.initiationMac1..<Packet.initiationMac2,
                with: keys.mac1(datagram[..<Packet.initiationMac1]))
            if number == 1_000 { net.open(2, to: 1) }
            net.run(for: .microseconds(20))
            let actions = net.handle(.datagram(datagram, from: spoofed(number)), at: 1)
            var octets = 0
            for case .transmit(let reply, let to) in actions {
                strays += to == spoofed(number) ? 0 : 1
                octets += reply.count
                cookies += reply[0] == PacketKind.cookieReply.rawValue ? 1 : 0
            }
            amplified += octets <= datagram.count ? 0 : 1
        }
        #expect(strays == 0 && amplified == 0)
        #expect(cookies >= 50_000 - 100, "\(cookies)")
        #expect(net.isOpen(2, 1) && net.isOpen(1, 2), "an honest node was kept out")
        #expect(net.machines[1].slotOfNode.count == 2)
        #expect(net.machines[1][.prefixLimited] == 0)
    }

    /// Brings machine 1 under load until some time after.
    private func load(_ net: Net) {
        var settings = Settings.small
        settings.handshakesPerSecondMax = 1
        net.restart(1, settings: settings)
        let keys = ResponderKeys(of: net.ids[1].exchangeKey!)
        var datagram = PacketKind.initiation.rawValue.words1200
        datagram.replaceSubrange(
            Packet.initiationMac1..<Packet.initiationMac2,
            with: keys.mac1(datagram[..<Packet.initiationMac1]))
        for number in 0..<3 { net.handle(.datagram(datagram, from: spoofed(number)), at: 1) }
    }

    @Test func `under load a dial takes one round trip more`() {
        let net = Net(chance: Chance(seed: 4))
        load(net)
        net.open(0, to: 1)
        net.run(for: .milliseconds(55))
        #expect(net.isOpen(0, 1) && net.isOpen(1, 0))
        #expect(initiations(net).count == 2)
    }

    @Test func `who gets cookies and nothing else is told so`() {
        let net = Net(chance: Chance(seed: 13))
        load(net)
        net.tamper = { octets, from in
            let isProven = from == 0 && octets[Packet.initiationMac2...].contains { $0 != 0 }
            return isProven ? nil : octets
        }
        net.open(0, to: 1)
        net.run(for: .seconds(60))
        #expect(net.seen[0].failed == [.cookieOnly])
        net.tamper = { octets, _ in octets }
    }

    @Test func `one prefix has its share of handshakes and no more, and others do not wait for it`() {
        let net = Net(chance: Chance(seed: 14), count: 14)
        load(net)
        for index in 2..<13 { net.places[index] = Endpoint(ipv4: 0xCB00_7100 + UInt32(index), port: 1) }
        for index in 2..<14 { net.open(index, to: 1) }
        net.run(for: .milliseconds(100))
        let isIn = (2..<14).map { net.isOpen(1, $0) }
        #expect(isIn.dropLast().count { $0 } <= 6 && isIn[11], "\(isIn)")
        #expect(net.machines[1][.prefixLimited] >= 5)
        net.run(for: .seconds(10))
        #expect((2..<14).allSatisfy { net.isOpen(1, $0) && net.isOpen($0, 1) })
    }

    @Test func `a cookie from another address is refused`() throws {
        let net = Net(chance: Chance(seed: 5))
        load(net)
        net.open(0, to: 1)
        net.run(for: .milliseconds(25))
        let proven = try #require(initiations(net).dropFirst().first?.octets, "no cookie was given")
        #expect(proven[Packet.initiationMac2...].contains { $0 != 0 })
        let actions = net.handle(.datagram(proven, from: spoofed(1)), at: 1)
        #expect(net.machines[1][.unproven] >= 2 && net.machines[1].slotOfNode.isEmpty)
        for case .transmit(let reply, _) in actions {
            #expect(reply[0] == PacketKind.cookieReply.rawValue)
        }
        net.run(for: .seconds(1))
        #expect(net.isOpen(0, 1) && net.isOpen(1, 0), "the spoofer took the honest one's turn")
    }

    @Test(arguments: Seed.all)
    func `mutated datagrams of every kind never deliver, crash or grow a table`(seed: Seed) {
        let net = Net(chance: seed.chance(), count: 3)
        load(net)
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        for number in 0..<4 { net.send([UInt8(number)], from: 0, to: 1) }
        net.run(for: .seconds(1))
        net.places[0] = spoofed(7)
        net.send([9], from: 0, to: 1)
        net.run(for: .seconds(1))
        // Of a dial that is under way too.
        net.tamper = { octets, from in from == 2 ? nil : octets }
        net.open(2, to: 1)
        net.tamper = { octets, _ in octets }
        let kinds = Set(net.captured.map { $0.octets[0] })
        #expect(kinds.count == 4)
        let datagrams = net.captured
        let received = net.seen.map(\.received.count)
        let peers = net.machines.map(\.slotOfNode.count)
        net.keepsCaptured = false
        for _ in 0..<2_000 {
            var changed = datagrams[net.chance.below(datagrams.count)].octets
            let original = changed
            for _ in 0...net.chance.below(3) { changed.mutate(with: &net.chance) }
            guard changed != original else { continue }
            let target = net.chance.below(3)
            let actions = net.handle(.datagram(changed, from: spoofed(net.chance.below(9))), at: target)
            for action in actions {
                guard case .transmit(let octets, _) = action else {
                    Issue.record("\(seed.testDescription): \(action)")
                    continue
                }
                #expect(octets.count <= changed.count)
            }
        }
        #expect(net.seen.map(\.received.count) == received)
        #expect(net.machines.map(\.slotOfNode.count) == peers)
    }

    @Test func `a record that another key signed opens nothing`() {
        let net = Net(chance: Chance(seed: 6))
        let liar = NodeRecord(
            node: net.ids[0], sequence: 2, roles: .validator, endpoints: [], region: nil, version: 1)
        net.handle(.record(liar), at: 0)
        net.open(0, to: 1)
        net.run(for: .seconds(60))
        #expect(net.seen[0].failed == [.noAnswer])
        #expect(net.machines[1][.badRecord] > 0 && net.machines[1].slotOfNode.isEmpty)
        // And the other way round.
        net.open(1, to: 0)
        net.run(for: .seconds(60))
        #expect(net.seen[1].failed == [.badRecord] && net.seen[1].opened.isEmpty)
    }

    /// Machine 0 with these settings, and some that may call it.
    private func net(seed: UInt64, callers: Int, of settings: Settings) -> Net {
        let net = Net(chance: Chance(seed: seed), count: 0)
        var chance = Chance(seed: seed + 1)
        for number in 0...callers {
            let seed = SecretSeed(octets: chance.octets(32).octetBytes)
            net.add(seed, settings: number == 0 ? settings : .small)
        }
        return net
    }

    @Test func `a full table refuses strangers, keeps places for dials, and says when it is full`() {
        var settings = Settings.small
        settings.sessionsMax = 4
        settings.slotsKeptForDials = 1
        settings.halfOpenMax = 2
        let net = net(seed: 7, callers: 6, of: settings)
        for caller in 1...4 {
            net.open(caller, to: 0)
            net.run(for: .seconds(1))
        }
        #expect((1...6).count { net.isOpen(0, $0) } == 3)
        #expect(net.machines[0][.tableFull] > 0)
        net.open(0, to: 5)
        net.open(0, to: 6)
        net.run(for: .seconds(1))
        #expect(net.isOpen(0, 5) && net.seen[0].failed == [.tableFull])
        net.run(for: .seconds(60))
        #expect(net.seen[4].failed == [.noAnswer])
    }

    @Test func `half-open strangers give way to newer ones and are gone after ten seconds`() {
        var settings = Settings.small
        settings.halfOpenMax = 3
        let net = net(seed: 9, callers: 7, of: settings)
        // Callers that never hear, and so never confirm.
        net.tamper = { octets, from in from == 0 ? nil : octets }
        for caller in 1...6 {
            net.open(caller, to: 0)
            net.run(for: .milliseconds(20))
            net.handle(.close(net.ids[0], code: 0), at: caller)
        }
        #expect(net.machines[0].halfOpenCount == 3 && net.machines[0][.halfOpenEvicted] == 3)
        net.tamper = { octets, _ in octets }
        net.open(7, to: 0)
        net.run(for: .seconds(1))
        #expect(net.isOpen(0, 7) && net.isOpen(7, 0))
        net.run(for: .seconds(10))
        #expect(net.machines[0].halfOpenCount == 0 && net.machines[0].slotOfNode.count == 1)
        #expect(net.seen[0].opened == [net.ids[7]] && net.seen[0].failed.isEmpty)
    }

    @Test func `callers of one moment who give way to each other call again, and all are heard soon`() {
        var settings = Settings.small
        settings.halfOpenMax = 3
        let net = net(seed: 11, callers: 6, of: settings)
        net.latency = .milliseconds(100)...(.milliseconds(100))
        for caller in 1...6 { net.open(caller, to: 0) }
        net.run(for: .milliseconds(900))
        #expect(net.machines[0][.halfOpenEvicted] == 3)
        #expect((1...6).count { net.isOpen(0, $0) } == 3)
        net.run(for: .seconds(2))
        #expect((1...6).allSatisfy { net.isOpen(0, $0) && net.isOpen($0, 0) })
    }
}

extension UInt8 {
    /// This octet and zeros, an initiation long.
    fileprivate var words1200: [UInt8] {
        [self] + [UInt8](repeating: 0, count: Packet.initiationByteCount - 1)
    }
}
