import Bytes
import Chance
import Identity
@testable import Session
import TestKit
import Testing
import Wire

@Suite struct SimultaneousTests {
    @Test(arguments: Seed.all)
    func `two that dial each other have one session and one key`(seed: Seed) {
        let net = Net(chance: seed.chance())
        net.latency = .milliseconds(20)...(.milliseconds(60))
        net.open(0, to: 1)
        net.run(for: net.chance.duration(in: .zero...(.milliseconds(70))))
        net.open(1, to: 0)
        net.run(for: .seconds(2))
        #expect(net.seen[0].opened == [net.ids[1]] && net.seen[1].opened == [net.ids[0]])
        let ours = net.machines[0][net.ids[1]]!
        let theirs = net.machines[1][net.ids[0]]!
        #expect(ours.current?.localIndex == theirs.current?.remoteIndex, "\(seed.testDescription)")
        #expect(ours.current?.remoteIndex == theirs.current?.localIndex)
        #expect(ours.dial == nil && theirs.dial == nil)
        net.send([1], from: 0, to: 1)
        net.send([2], from: 1, to: 0)
        net.run(for: .seconds(1))
        #expect(net.seen[0].received == [[2]] && net.seen[1].received == [[1]])
    }

    @Test(arguments: Seed.all)
    func `two that dial each other at other places than they speak from have one key too`(seed: Seed) {
        let net = Net(chance: seed.chance())
        net.latency = .milliseconds(20)...(.milliseconds(60))
        net.lossPercent = net.chance.happens(1, in: 2) ? 20 : 0
        let others = (0..<2).map { Endpoint(ipv4: 0xC633_6400 + UInt32($0), port: 9) }
        for index in 0..<2 { net.otherPlaces[others[index]] = index }
        net.handle(.open(net.ids[1], others[1]), at: 0)
        net.run(for: net.chance.duration(in: .zero...(.milliseconds(70))))
        net.handle(.open(net.ids[0], others[0]), at: 1)
        net.run(for: .seconds(net.lossPercent > 0 ? 20 : 1))
        let ours = net.machines[0][net.ids[1]]
        let theirs = net.machines[1][net.ids[0]]
        #expect(net.isOpen(0, 1) && net.isOpen(1, 0), "\(seed.testDescription)")
        #expect(ours?.current?.localIndex == theirs?.current?.remoteIndex, "\(seed.testDescription)")
        #expect(ours?.dial == nil && theirs?.dial == nil)
    }

    @Test func `who calls a place where nobody is hears the other's call`() {
        let net = Net(chance: Chance(seed: 6))
        net.handle(.open(net.ids[1], Endpoint(ipv4: 0xC633_6401, port: 53)), at: 0)
        net.run(for: .milliseconds(50))
        net.open(1, to: 0)
        net.run(for: .milliseconds(50))
        #expect(net.isOpen(0, 1) && net.isOpen(1, 0))
    }

    @Test func `who dials anew, as its key was not confirmed, hears the other's call`() {
        let net = Net(chance: Chance(seed: 7))
        net.open(1, to: 0)
        net.run(for: .milliseconds(25))
        #expect(net.isOpen(1, 0))
        net.restart(0)
        net.tamper = { octets, from in from == 1 && octets[0] == 1 ? nil : octets }
        net.run(for: .milliseconds(1_500))
        #expect(net.machines[1][net.ids[0]]?.dial != nil)
        net.open(0, to: 1)
        net.run(for: .milliseconds(100))
        #expect(net.isOpen(0, 1) && net.machines[1][net.ids[0]]?.current?.isInitiator == false)
        net.tamper = { octets, _ in octets }
    }

    @Test func `of two at the same moment the lower id's initiation wins`() {
        let net = Net(chance: Chance(seed: 1))
        net.open(0, to: 1)
        net.open(1, to: 0)
        net.run(for: .milliseconds(100))
        #expect(net.machines[0][net.ids[1]]?.current?.isInitiator == true)
        #expect(net.machines[1][net.ids[0]]?.current?.isInitiator == false)
        #expect(net.machines[0][.simultaneous] == 1)
        #expect(net.captured.count { $0.octets[0] == PacketKind.response.rawValue } == 1)
    }

    @Test(arguments: Seed.all)
    func `both dial over a link that loses much, and neither waits for the other for ever`(seed: Seed) {
        let net = Net(chance: seed.chance())
        net.lossPercent = 40
        net.latency = .milliseconds(20)...(.milliseconds(900))
        // Eight attempts may all be lost; a host then asks again.
        for _ in 0..<3 {
            net.open(0, to: 1)
            net.open(1, to: 0)
            net.run(for: .seconds(60)) { $0.isOpen(0, 1) && $0.isOpen(1, 0) }
        }
        #expect(net.isOpen(0, 1) && net.isOpen(1, 0), "\(seed.testDescription)")
    }

    @Test(arguments: [0, 1])
    func `the lower side yields after three seconds, and who yields dials again`(lost: Int) {
        let net = Net(chance: Chance(seed: 3))
        // What the lower side sends is lost at first: its initiations, then its answers.
        net.tamper = { octets, from in from == lost && net.now < .origin + .seconds(8) ? nil : octets }
        net.open(0, to: 1)
        net.open(1, to: 0)
        net.run(for: .seconds(30)) { $0.isOpen(0, 1) && $0.isOpen(1, 0) }
        #expect(net.isOpen(0, 1) && net.isOpen(1, 0))
        #expect(net.now < .origin + .seconds(16))
        net.tamper = { octets, _ in octets }
    }

    @Test func `a half-open stranger that the host asks for is dialled after three seconds`() {
        let net = Net(chance: Chance(seed: 4))
        net.tamper = { octets, from in from == 1 && net.now < .origin + .seconds(2) ? nil : octets }
        net.open(0, to: 1)
        net.run(for: .milliseconds(50))
        net.handle(.close(net.ids[1], code: 0), at: 0)
        net.open(1, to: 0)
        #expect(net.machines[1].halfOpenCount == 0)
        net.run(for: .seconds(5))
        #expect(net.isOpen(0, 1) && net.isOpen(1, 0))
        #expect(net.seen[0].failed == [.closed])
        net.tamper = { octets, _ in octets }
    }
}
