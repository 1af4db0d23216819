import Bytes
import Chance
import Identity
import Node
import Session
import TestKit
import Testing
import Wire

@Suite struct `Introductions and relays are bounded` {
    private func joined(_ kinds: [Valley.Kind], edges: Set<Int> = []) -> Valley {
        let valley = Valley(kinds, edges: edges)
        for index in kinds.indices.dropFirst() { valley.join(index) }
        return valley
    }

    private func say(_ rendezvous: Rendezvous, from: Int, to: Int, in valley: Valley) {
        valley.say(rendezvous, from: from, to: to)
    }

    @Test func `an asker gets eight introductions at once, then two a second`() {
        let valley = joined([.open, .open, .open])
        for _ in 0..<100 { say(.introduce(valley.ids[2]), from: 1, to: 0, in: valley) }
        #expect(valley.carriers[0][.introductions] == 8)
        valley.run(for: .seconds(2))
        for _ in 0..<100 { say(.introduce(valley.ids[2]), from: 1, to: 0, in: valley) }
        #expect(valley.carriers[0][.introductions] == 12)
    }

    @Test func `a stranger that asks for a node without end leaves peers their introductions to it`() {
        let valley = joined([.open, .open, .open, .open])
        valley.carry(.release(valley.ids[1]), by: 0)
        for _ in 0..<100 { say(.introduce(valley.ids[2]), from: 1, to: 0, in: valley) }
        #expect(valley.carriers[0][.introductions] == 4)
        say(.introduce(valley.ids[2]), from: 3, to: 0, in: valley)
        #expect(valley.carriers[0][.introductions] == 5)
    }

    @Test func `where an edge node is no stranger learns, and it is itself introduced to validators`() {
        let valley = joined([.open, .open, .open, .open], edges: [2])
        valley.carry(.release(valley.ids[2]), by: 0)
        valley.carry(.release(valley.ids[3]), by: 0)
        say(.introduce(valley.ids[2]), from: 1, to: 0, in: valley)
        #expect(valley.carriers[0][.introductions] == 0)
        #expect(valley.carriers[0][.droppedIntroduction] == 1)
        say(.introduce(valley.ids[3]), from: 2, to: 0, in: valley)
        #expect(valley.carriers[0][.introductions] == 1)
    }

    @Test
    func `who makes up places has a node call four at once, then two a second, and only if it is a peer`() {
        let valley = joined([.open, .open])
        var chance = Chance(seed: 3)
        let strangers = (0..<40).map { _ in
            SecretSeed(octets: chance.octets(32).octetBytes).signingKey.nodeID
        }
        let victim = Endpoint(ipv4: 0xC633_6401, port: 53)
        let before = valley.calls[1]
        for stranger in strangers.prefix(20) { say(.meet(stranger, victim), from: 0, to: 1, in: valley) }
        #expect(valley.calls[1] - before == 4)
        valley.run(for: .milliseconds(600))
        for stranger in strangers.suffix(20) { say(.meet(stranger, victim), from: 0, to: 1, in: valley) }
        #expect(valley.calls[1] - before == 5)
        valley.run(for: .seconds(10))
        valley.carry(.release(valley.ids[0]), by: 1)
        for stranger in strangers {
            valley.run(for: .milliseconds(20))
            say(.meet(stranger, victim), from: 0, to: 1, in: valley)
        }
        valley.run(for: .milliseconds(100))
        #expect(valley.carriers[1][.introductionsFollowed] == 5)
    }

    @Test(arguments: [0, 5])
    func `what nobody asked for takes the place of no call of a node's own`(milliseconds: Int) {
        let valley = joined([.open, .open, .open])
        let lie = Rendezvous.meet(valley.ids[2], Endpoint(ipv4: 0xC633_6401, port: 53))
        // Before it, or while it is on its way.
        if milliseconds == 0 { say(lie, from: 0, to: 1, in: valley) }
        valley.send([7], from: 1, to: 2)
        valley.run(for: .milliseconds(milliseconds))
        say(lie, from: 0, to: 1, in: valley)
        valley.run(for: .milliseconds(100))
        #expect(valley.heard[2].contains([7]))
    }

    @Test func `who was called at a peer's word is looked for when this node wants it itself`() {
        let valley = joined([.open, .open, .answersOnly])
        say(.meet(valley.ids[2], valley.place(2, port: 9)), from: 0, to: 1, in: valley)
        valley.send([7], from: 1, to: 2, at: valley.place(2, port: 9))
        valley.run(for: .milliseconds(1_100))
        #expect(valley.heard[2].contains([7]) && valley.carriers[1][.introductionsAsked] == 1)
    }

    @Test func `ways over a relay that are in use are driven out by none that come`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.send([1], from: 1, to: 2)
        valley.run(for: .seconds(8))
        #expect(valley.relay(1, 2) == valley.ids[0])
        valley.carry(.hold(valley.ids[2]), by: 1)
        flood(valley, with: [4, 0, 0, 0])
        #expect(ways(valley) == 1, "who calls makes a way, and nobody else")
        flood(valley, with: call)
        #expect(ways(valley) == 32)
        #expect(valley.relay(1, 2) == valley.ids[0])
        valley.send([7], from: 1, to: 2)
        valley.run(for: .milliseconds(100))
        #expect(valley.heard[2].contains([7]))
    }

    @Test func `a call over a relay is driven out by none that come`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.send([7], from: 1, to: 2)
        while ways(valley) == 0 { valley.run(for: .milliseconds(1)) }
        #expect(!valley.isOpen(1, 2))
        flood(valley, with: call)
        valley.run(for: .milliseconds(200))
        #expect(valley.relay(1, 2) == valley.ids[0] && valley.heard[2].contains([7]))
    }

    private func ways(_ valley: Valley) -> Int? {
        valley.carriers[1].gauges.first { $0.name == "relayPaths" }?.value
    }

    /// Datagrams of two hundred who do not exist, over the relay.
    private func flood(_ valley: Valley, with datagram: [UInt8]) {
        var chance = Chance(seed: 4)
        for _ in 0..<200 {
            let made = SecretSeed(octets: chance.octets(32).octetBytes).signingKey.nodeID
            say(.forwarded(datagram, from: made), from: 0, to: 1, in: valley)
        }
    }

    @Test func `nobody is sent to a place that stands for a relay`() {
        let valley = joined([.open, .open, .open])
        let before = valley.calls[1]
        say(.meet(valley.ids[2], .relayed(1)), from: 0, to: 1, in: valley)
        valley.carry(.datagram([UInt8](repeating: 1, count: 1_200), from: .relayed(1)), by: 1)
        #expect(valley.calls[1] == before && !valley.isOpen(1, 2))
    }

    @Test func `a relay carries a pair's octets at a bounded rate`() {
        let valley = joined([.open, .open, .open])
        let datagram = [UInt8](repeating: 9, count: 1_200)
        for _ in 0..<1_000 { say(.forward(datagram, to: valley.ids[2]), from: 1, to: 0, in: valley) }
        #expect(valley.carriers[0][.forwarded] == 109)
        #expect(valley.carriers[0][.droppedForward] == 1_000 - 109)
    }

    @Test func `strangers get no relay`() {
        let valley = joined([.open, .open, .open])
        valley.carry(.release(valley.ids[1]), by: 0)
        valley.carry(.release(valley.ids[2]), by: 0)
        say(.forward([9], to: valley.ids[2]), from: 1, to: 0, in: valley)
        #expect(valley.carriers[0][.forwarded] == 0)
    }

    /// What a call looks like.
    private let call: [UInt8] = [1] + [UInt8](repeating: 0, count: 1_199)

    private func pairs(_ valley: Valley) -> Int? {
        valley.carriers[0].gauges.first { $0.name == "relayedPairs" }?.value
    }

    @Test func `strangers leave two peers a relay, whoever they forward to`() {
        let valley = joined([Valley.Kind](repeating: .open, count: 18))
        for stranger in 1...3 {
            valley.carry(.release(valley.ids[stranger]), by: 0)
            for peer in 4...15 { say(.forward([9], to: valley.ids[peer]), from: stranger, to: 0, in: valley) }
        }
        #expect(pairs(valley) == 6 && valley.carriers[0][.forwarded] == 6)
        say(.forward([9], to: valley.ids[17]), from: 16, to: 0, in: valley)
        #expect(pairs(valley) == 7 && valley.carriers[0][.forwarded] == 7)
        // What a stranger's line carried is paid for: another may take its place.
        valley.run(for: .milliseconds(50))
        say(.forward([9], to: valley.ids[15]), from: 1, to: 0, in: valley)
        #expect(pairs(valley) == 7 && valley.carriers[0][.forwarded] == 8)
    }

    @Test func `half of the pairs are for two peers, however many strangers there are`() {
        let valley = joined([Valley.Kind](repeating: .open, count: 14))
        for stranger in 1...10 {
            valley.carry(.release(valley.ids[stranger]), by: 0)
            for peer in 11...12 {
                say(.forward([9], to: valley.ids[peer]), from: stranger, to: 0, in: valley)
            }
        }
        // The last two are not kept out by who has two.
        #expect(pairs(valley) == 16 && valley.carriers[0][.forwarded] == 18)
        say(.forward([9], to: valley.ids[13]), from: 12, to: 0, in: valley)
        #expect(pairs(valley) == 17 && valley.carriers[0][.forwarded] == 19)
    }

    @Test func `strangers of one prefix keep no other stranger from a relay, however much they say`() {
        let valley = Valley([Valley.Kind](repeating: .open, count: 14), crowd: Set(1...9))
        for index in 1...13 { valley.join(index) }
        let datagram = [UInt8](repeating: 9, count: 1_200)
        for stranger in 1...10 { valley.carry(.release(valley.ids[stranger]), by: 0) }
        func crowd() {
            for stranger in 1...9 {
                for peer in 11...12 {
                    for _ in 0..<50 {
                        say(.forward(datagram, to: valley.ids[peer]), from: stranger, to: 0, in: valley)
                    }
                }
            }
        }
        crowd()
        #expect(pairs(valley) == 16)
        var before = valley.carriers[0][.forwarded]
        for peer in 11...12 { say(.forward([9], to: valley.ids[peer]), from: 10, to: 0, in: valley) }
        #expect(pairs(valley) == 16 && valley.carriers[0][.forwarded] == before + 2)
        // Nor do they take it away again.
        crowd()
        before = valley.carriers[0][.forwarded]
        for peer in 11...12 { say(.forward([9], to: valley.ids[peer]), from: 10, to: 0, in: valley) }
        #expect(valley.carriers[0][.forwarded] == before + 2)
    }

    @Test func `who closes its session and opens another has no burst anew`() {
        let valley = Valley([.open, .open, .open, .open])
        valley.join(2)
        let datagram = [UInt8](repeating: 9, count: 1_200)
        func forward() {
            for _ in 0..<200 { say(.forward(datagram, to: valley.ids[2]), from: 1, to: 0, in: valley) }
        }
        valley.send([0], from: 1, to: 0)
        valley.run(for: .milliseconds(100))
        forward()
        #expect(valley.carriers[0][.forwarded] == 109)
        valley.leave(1)
        valley.run(for: .milliseconds(20))
        #expect(!valley.isOpen(0, 1))
        valley.send([0], from: 1, to: 0)
        valley.run(for: .milliseconds(80))
        forward()
        // What a tenth of a second allows.
        #expect(valley.isOpen(0, 1) && valley.carriers[0][.forwarded] == 109 + 2)
        // When it is paid for nothing is left of it.
        valley.leave(1)
        valley.run(for: .seconds(6))
        #expect(pairs(valley) == 1)
        valley.join(3)
        valley.carry(.release(valley.ids[3]), by: 0)
        say(.forward([9], to: valley.ids[2]), from: 3, to: 0, in: valley)
        #expect(pairs(valley) == 1)
    }

    @Test func `one relay takes a part of the ways at most`() {
        let valley = joined([.open, .open])
        flood(valley, with: call)
        #expect(ways(valley) == 32)
    }
}
