import Bytes
import Chance
import Identity
@testable import Session
import TestKit
import Testing
import Wire

/// Sessions whose nodes change their addresses, and who would like them to.
@Suite struct RoamingTests {
    private let elsewhere = Endpoint(ipv4: 0xCB00_7105, port: 4_711)

    /// As short as a datagram may be that moves a session.
    private func note(_ number: UInt8) -> [UInt8] { [UInt8](repeating: number, count: 8) }

    private func opened(_ seed: UInt64) -> Net {
        let net = Net(chance: Chance(seed: seed))
        net.open(0, to: 1)
        net.run(for: .seconds(1))
        precondition(net.isOpen(0, 1) && net.isOpen(1, 0))
        return net
    }

    @Test func `a session follows a node to its new address, once that has answered`() {
        let net = opened(1)
        net.places[0] = elsewhere
        net.send(note(1), from: 0, to: 1)
        net.run(for: .milliseconds(10))
        #expect(net.seen[1].received == [note(1)] && net.seen[1].moved.isEmpty)
        net.run(for: .milliseconds(20))
        #expect(net.seen[1].moved == [elsewhere])
        net.send(note(2), from: 1, to: 0)
        net.run(for: .milliseconds(10))
        #expect(net.seen[0].received == [note(2)])
        #expect(net.seen[0].moved.isEmpty, "the one that stayed has moved")
    }

    @Test func `a path over a relay takes no other's place, and gives way to any`() {
        let net = opened(3)
        let home = net.places[0]
        net.places[0] = .relayed(7)
        net.send(note(1), from: 0, to: 1)
        net.run(for: .seconds(1))
        #expect(net.seen[1].received == [note(1)] && net.seen[1].moved.isEmpty)
        #expect(net.machines[1][net.ids[0]]?.endpoint == home)
        // Both over relays: such a path moves as any.
        let relayed = Net(chance: Chance(seed: 4))
        relayed.places[0] = .relayed(7)
        relayed.open(0, to: 1)
        relayed.run(for: .seconds(1))
        #expect(relayed.machines[1][relayed.ids[0]]?.endpoint == .relayed(7))
        // Somebody says where the node is: that place is asked, and the session goes over to it.
        relayed.places[0] = elsewhere
        relayed.handle(.meet(relayed.ids[0], elsewhere), at: 1)
        relayed.run(for: .milliseconds(100))
        #expect(relayed.seen[1].moved == [elsewhere])
    }

    @Test func `places that the host names are asked while payload is unanswered, each now and then`() {
        let net = opened(7)
        func asked() -> [Endpoint] {
            let places = (0..<8).map { Endpoint(ipv4: 0xCB00_7100 + UInt32($0), port: 1) }
            var asked: [Endpoint] = []
            for place in places {
                for case .transmit(_, let to) in net.handle(.meet(net.ids[0], place), at: 1) {
                    asked.append(to)
                }
            }
            return asked
        }
        #expect(asked() == [], "nothing is amiss")
        net.tamper = { _, _ in nil }
        net.send(note(1), from: 1, to: 0)
        #expect(net.handle(.meet(net.ids[0], net.places[0]), at: 1) == [], "it is there already")
        let first = asked()
        #expect(first.count == NodeRecord.endpointsMax && Set(first).count == first.count)
        #expect(asked() == [])
        // One place is left for where it speaks from.
        net.send(note(2), from: 0, to: 1)
        let datagram = net.captured.last!.octets
        let actions = net.handle(.datagram(datagram, from: elsewhere), at: 1)
        #expect(actions.contains { if case .transmit(_, elsewhere) = $0 { true } else { false } })
        net.send(note(3), from: 1, to: 0)
        net.run(for: .seconds(2))
        #expect(asked() == first)
        // It is at the second of them, and only it can answer.
        net.tamper = { octets, _ in octets }
        net.places[0] = first[1]
        net.run(for: .seconds(2))
        #expect(asked() == first)
        net.run(for: .milliseconds(100))
        #expect(net.seen[1].moved == [first[1]] && net.machines[1][net.ids[0]]?.endpoint == first[1])
    }

    @Test func `a captured datagram from another address moves nothing, be it old or first to arrive`() {
        let net = opened(2)
        net.send(note(1), from: 0, to: 1)
        net.run(for: .seconds(1))
        let old = net.captured.last!.octets
        let replayed = net.handle(.datagram(old, from: elsewhere), at: 1)
        #expect(replayed.isEmpty)
        // Overtaken: the copy comes first, and the honest one is the replay.
        net.tamper = { octets, from in from == 0 ? nil : octets }
        net.send(note(2), from: 0, to: 1)
        let stolen = net.captured.last!.octets
        let actions = net.handle(.datagram(stolen, from: elsewhere), at: 1)
        #expect(actions.count == 2)
        guard case .transmit(let challenge, elsewhere)? = actions.first else {
            Issue.record("no challenge")
            return
        }
        #expect(challenge.count <= stolen.count)
        net.tamper = { octets, _ in octets }
        net.run(for: .seconds(10))
        #expect(net.seen[1].moved.isEmpty)
        #expect(net.machines[1][net.ids[0]]?.endpoint == net.places[0])
        net.send(note(3), from: 1, to: 0)
        net.run(for: .seconds(1))
        #expect(net.seen[0].received == [note(3)])
    }

    @Test func `an answer from another address than the challenged one moves nothing`() {
        let net = opened(3)
        net.tamper = { octets, from in from == 0 ? nil : octets }
        net.send(note(1), from: 0, to: 1)
        let stolen = net.captured.last!.octets
        let actions = net.handle(.datagram(stolen, from: elsewhere), at: 1)
        guard case .transmit(let challenge, _)? = actions.first else {
            Issue.record("no challenge")
            return
        }
        // The thief hands the challenge on; the node answers it, from where it is.
        let answers = net.handle(.datagram(challenge, from: net.places[1]), at: 0)
        guard case .transmit(let answer, _)? = answers.first else {
            Issue.record("no answer")
            return
        }
        net.handle(.datagram(answer, from: net.places[0]), at: 1)
        #expect(net.seen[1].moved.isEmpty && net.machines[1][.badPathResponse] == 1)
        net.tamper = { octets, _ in octets }
    }

    @Test func `an answer to a challenge elsewhere is no word on the session's path`() {
        let net = opened(8)
        net.send(note(1), from: 1, to: 0)
        net.run(for: .milliseconds(50))
        let due = net.machines[0][net.ids[1]]!.answerAt
        #expect(due < .never)
        net.tamper = { _, _ in nil }
        net.handle(.meet(net.ids[0], elsewhere), at: 1)
        let challenge = net.captured.last!.octets
        net.handle(.datagram(challenge, from: elsewhere), at: 0)
        #expect(net.machines[0][net.ids[1]]!.answerAt == due)
        net.tamper = { octets, _ in octets }
    }

    @Test func `a late answer moves nothing, and challenges are as rare as their period says`() {
        let net = opened(4)
        net.captured = []
        var challenges: [[UInt8]] = []
        for number in 0..<100 {
            net.places[0] = Endpoint(ipv4: 0xCB00_7100 + UInt32(number), port: 1)
            net.tamper = { _, _ in nil }
            net.send(note(1), from: 0, to: 1)
            let datagram = net.captured.last!
            for case .transmit(let octets, _) in net.handle(
                .datagram(datagram.octets, from: datagram.source), at: 1)
            {
                challenges.append(octets)
            }
            net.run(for: .milliseconds(100))
        }
        // Some are keepalives that answer payload, none of which leaves in ten seconds of challenges.
        #expect((4...6).contains(challenges.count), "\(challenges.count)")
        net.run(for: .seconds(3))
        let answers = net.handle(.datagram(challenges.last!, from: net.places[1]), at: 0)
        for case .transmit(let answer, _) in answers {
            net.handle(.datagram(answer, from: net.places[0]), at: 1)
        }
        #expect(net.seen[1].moved.isEmpty && net.machines[1][.badPathResponse] == 1)
        net.tamper = { octets, _ in octets }
    }

    @Test func `a payload shorter than a challenge is delivered and not answered by one`() {
        let net = opened(6)
        net.tamper = { _, _ in nil }
        net.send([1], from: 0, to: 1)
        let actions = net.handle(.datagram(net.captured.last!.octets, from: elsewhere), at: 1)
        #expect(actions == [.received(net.ids[0], [1])])
        net.tamper = { octets, _ in octets }
    }

    @Test func `a datagram that others have overtaken does not move a session back`() {
        let net = opened(5)
        let before = net.places[0]
        net.tamper = { _, _ in nil }
        net.send(note(1), from: 0, to: 1)
        let late = net.captured.last!
        net.tamper = { octets, _ in octets }
        net.places[0] = elsewhere
        net.send(note(2), from: 0, to: 1)
        net.run(for: .seconds(1))
        #expect(net.seen[1].moved == [elsewhere])
        let actions = net.handle(.datagram(late.octets, from: before), at: 1)
        #expect(actions == [.received(net.ids[0], note(1))], "delivered, and no challenge")
    }
}
