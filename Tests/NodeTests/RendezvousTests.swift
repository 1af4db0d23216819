import Bytes
import Chance
import Identity
import Node
import Session
import TestKit
import Testing
import Wire

@Suite struct `Nodes that cannot reach each other` {
    private func joined(_ kinds: [Valley.Kind]) -> Valley {
        let valley = Valley(kinds)
        for index in kinds.indices.dropFirst() { valley.join(index) }
        return valley
    }

    @Test func `a node behind a translator is reached by introduction`() {
        let valley = joined([.open, .open, .answersOnly])
        valley.send([7], from: 1, to: 2)
        valley.run(for: .seconds(3))
        #expect(valley.heard[2].contains([7]) && valley.relay(1, 2) == nil)
        #expect(valley.carriers[1][.metDirectly] == 1 && valley.carriers[2][.introductionsFollowed] == 1)
    }

    @Test func `two behind translators meet without a relay`() {
        let valley = joined([.open, .answersOnly, .answersOnly])
        valley.send([7], from: 1, to: 2)
        valley.run(for: .seconds(4))
        #expect(valley.heard[2].contains([7]) && valley.carriers[0][.forwarded] == 0)
    }

    @Test func `without anybody in common there is no way, and no end of memory`() {
        let valley = Valley([.open, .answersOnly, .answersOnly])
        valley.send([7], from: 1, to: 2)
        valley.run(for: .seconds(30))
        #expect(!valley.isOpen(1, 2) && valley.heard[2].isEmpty)
        #expect(valley.carriers[1].gauges.first { $0.name == "waiting" }?.value == 0)
    }

    @Test func `behind symmetric translators a validator carries between them, whole payloads too`() {
        let valley = joined([.open, .symmetric, .symmetric])
        let largest = [UInt8](repeating: 3, count: Payload.byteCountMax)
        valley.send(largest, from: 1, to: 2)
        valley.run(for: .seconds(8))
        #expect(valley.heard[2].contains(largest))
        #expect(valley.relay(1, 2) == valley.ids[0] && valley.relay(2, 1) == valley.ids[0])
        #expect(valley.carriers[0][.forwarded] > 3)
        #expect(valley.carriers[1].translation == .unknown, "one observer proves nothing")
    }

    @Test func `who need not be reached is not relayed to`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.send([1], from: 1, to: 2, mayRelay: false)
        valley.run(for: .seconds(30))
        #expect(!valley.isOpen(1, 2) && valley.carriers[0][.introductions] == 1)
    }

    @Test func `who has told no place is found by introduction, at once`() {
        let valley = joined([.open, .answersOnly, .answersOnly])
        valley.send([7], from: 1, to: 2, at: .nowhere)
        valley.run(for: .seconds(2))
        #expect(valley.heard[2].contains([7]) && valley.relay(1, 2) == nil)
    }

    @Test func `a relay gives way as soon as there is a direct path`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.carry(.hold(valley.ids[2]), by: 1)
        valley.carry(.hold(valley.ids[1]), by: 2)
        valley.send([1], from: 1, to: 2)
        valley.run(for: .seconds(8))
        #expect(valley.relay(1, 2) != nil)
        valley.kinds[1] = .open
        valley.kinds[2] = .open
        for second in 0..<120 {
            valley.send([UInt8(second), 0, 0, 0, 0, 0, 0, 0], from: second % 2 + 1, to: 2 - second % 2)
            valley.run(for: .seconds(1))
        }
        #expect(valley.relay(1, 2) == nil && valley.relay(2, 1) == nil)
        #expect(valley.isOpen(1, 2) && valley.isOpen(2, 1))
        let before = valley.carriers[0][.forwarded]
        valley.send([9], from: 1, to: 2)
        valley.run(for: .seconds(1))
        #expect(valley.heard[2].contains([9]) && valley.carriers[0][.forwarded] == before)
    }

    @Test func `of several who were asked one that lies costs a second`() {
        let valley = Valley([.open, .answersOnly, .answersOnly, .open])
        for helper in [0, 3] {
            for index in [1, 2] { valley.join(index, to: helper) }
        }
        valley.send([7], from: 1, to: 2, at: valley.place(2, port: 9))
        valley.run(for: .milliseconds(1_005))
        #expect(valley.carriers[1][.introductionsAsked] == 1)
        valley.say(.meet(valley.ids[2], Endpoint(ipv4: 0xC633_6401, port: 53)), from: 0, to: 1)
        valley.run(for: .milliseconds(900))
        #expect(!valley.isOpen(1, 2))
        // The other's next attempt, if its call stands before this one.
        valley.run(for: .milliseconds(500))
        #expect(valley.heard[2].contains([7]) && valley.relay(1, 2) == nil)
    }

    @Test func `peers are asked for introductions before strangers, whatever these say that they are`() {
        let valley = Valley([.open, .open, .answersOnly] + [Valley.Kind](repeating: .open, count: 9))
        for helper in 9...11 { valley.join(1, to: helper) }
        for stranger in 3...8 {
            valley.send([0], from: stranger, to: 1)
            valley.run(for: .milliseconds(100))
        }
        for _ in 0..<3 {
            for stranger in 3...8 { valley.send([0], from: stranger, to: 1) }
            valley.send([7], from: 1, to: 2)
            valley.run(for: .seconds(7))
        }
        func asked(_ range: ClosedRange<Int>) -> UInt64 {
            range.reduce(0) {
                $0 + valley.carriers[$1][.introductions] + valley.carriers[$1][.droppedIntroduction]
            }
        }
        #expect((3...8).allSatisfy { valley.isOpen(1, $0) })
        #expect(valley.carriers[1][.introductionsAsked] == 3 && asked(9...11) == 9 && asked(3...8) == 0)
    }

    @Test func `without its relay a session ends at once`() {
        let valley = joined([.open, .symmetric, .symmetric])
        valley.carry(.hold(valley.ids[2]), by: 1)
        valley.send([7], from: 1, to: 2)
        valley.run(for: .seconds(8))
        #expect(valley.relay(1, 2) == valley.ids[0])
        valley.leave(0)
        valley.run(for: .milliseconds(50))
        #expect(!valley.isOpen(1, 2) && valley.lost[1] == [valley.ids[0], valley.ids[2]])
    }

    @Test func `who is seen at several ports knows its translator, and keeps its ways open`() {
        let valley = Valley([.open, .open, .open, .symmetric, .answersOnly])
        for index in [3, 4] {
            for helper in 0..<3 {
                valley.send([0], from: index, to: helper)
                valley.run(for: .seconds(1))
                valley.carry(.hold(valley.ids[helper]), by: index)
                valley.carry(.hold(valley.ids[index]), by: helper)
            }
        }
        #expect(valley.carriers[3].translation == .symmetric)
        #expect(valley.carriers[4].translation == .endpointIndependent)
        valley.run(for: .seconds(20))
        let before = valley.sent[4]
        valley.run(for: .seconds(60))
        // To each of three, four times.
        #expect(valley.sent[4] - before >= 12)
    }
}
