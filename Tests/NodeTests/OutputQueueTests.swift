import Bytes
import Chance
import Identity
import Node
import TestKit
import Testing
import Wire

@Suite struct OutputQueueTests {
    /// What left and what was committed, in the order in which the outside saw it.
    private enum Seen: Equatable {
        case left(UInt8)
        case began([UInt8])
    }

    private let peer: Destination = {
        let seed = [UInt8](repeating: 1, count: SigningKey.seedByteCount)
        return Destination(SigningKey(seed: seed.octetBytes).nodeID, .loopback(port: 1))
    }()

    private func pump(_ queue: inout OutputQueue<UInt8>, _ seen: inout [Seen]) {
        var left: [Seen] = []
        let batch = queue.pump { bytes, _ in left.append(.left(bytes[0])) }
        seen += left
        if let batch { seen.append(.began(batch)) }
    }

    @Test func `sends without a write leave at once and in order`() {
        var queue = OutputQueue<UInt8>()
        var seen: [Seen] = []
        for byte in UInt8(1)...3 { queue.send([byte], to: peer) }
        #expect(queue.count == 3)
        pump(&queue, &seen)
        #expect(seen == [.left(1), .left(2), .left(3)])
        #expect(queue.isEmpty)
    }

    @Test func `a send after a write leaves only when the write is durable`() {
        var queue = OutputQueue<UInt8>()
        var seen: [Seen] = []
        queue.send([1], to: peer)
        queue.persist(2)
        queue.send([3], to: peer)
        pump(&queue, &seen)
        pump(&queue, &seen)
        #expect(seen == [.left(1), .began([2])])
        #expect(queue.count == 2)
        queue.committed()
        pump(&queue, &seen)
        #expect(seen == [.left(1), .began([2]), .left(3)])
        #expect(queue.isEmpty)
    }

    @Test func `one commit takes every write that waited for the last`() {
        var queue = OutputQueue<UInt8>()
        var seen: [Seen] = []
        queue.persist(1)
        pump(&queue, &seen)
        queue.send([2], to: peer)
        queue.persist(3)
        queue.send([4], to: peer)
        queue.persist(5)
        pump(&queue, &seen)
        #expect(seen == [.began([1])])
        queue.committed()
        pump(&queue, &seen)
        #expect(seen == [.began([1]), .left(2), .began([3, 5])])
        queue.committed()
        pump(&queue, &seen)
        #expect(seen == [.began([1]), .left(2), .began([3, 5]), .left(4)])
    }

    @Test func `above its limit sends are lost and writes are not, until too much of both waits`() {
        var queue = OutputQueue<UInt8>(limits: OutputLimits(sendsMax: 3, outputsMax: 5))
        var seen: [Seen] = []
        queue.persist(1)
        pump(&queue, &seen)
        let left = (2...5).map { queue.send([$0], to: peer) }
        #expect(left == [true, true, false, false])
        for byte in UInt8(6)...7 { queue.persist(byte) }
        #expect(queue.count == 5 && queue.sendsCount == 2 && !queue.isOverfull)
        queue.persist(8)
        #expect(queue.isOverfull)
        queue.committed()
        pump(&queue, &seen)
        #expect(seen == [.began([1]), .left(2), .left(3), .began([6, 7, 8])])
        // Room again, once these are durable.
        let early = queue.send([9], to: peer)
        queue.committed()
        let late = queue.send([10], to: peer)
        #expect(!queue.isOverfull && !early && late)
    }

    /// The rule itself, one list and no cleverness.
    private struct Model {
        var list: [(value: UInt8, isWrite: Bool)] = []
        var running = 0

        mutating func pump(_ seen: inout [Seen]) {
            guard running == 0 else { return }
            while let first = list.first, !first.isWrite {
                seen.append(.left(first.value))
                list.removeFirst()
            }
            guard !list.isEmpty else { return }
            running = list.count
            seen.append(.began(list.filter(\.isWrite).map(\.value)))
        }

        mutating func committed(_ seen: inout [Seen]) {
            for output in list.prefix(running) where !output.isWrite { seen.append(.left(output.value)) }
            list.removeFirst(running)
            running = 0
        }
    }

    @Test(arguments: Seed.all) func `the queue does what one plain list would`(seed: Seed) {
        var chance = seed.chance()
        var queue = OutputQueue<UInt8>()
        var model = Model()
        var seen: [Seen] = []
        var expected: [Seen] = []
        for step in 0..<2_000 {
            let value = UInt8(truncatingIfNeeded: step)
            switch chance.below(6) {
            case 0...2:
                queue.send([value], to: peer)
                model.list.append((value, false))
            case 3:
                queue.persist(value)
                model.list.append((value, true))
            case 4 where model.running > 0:
                queue.committed()
                model.committed(&expected)
                // The model lets them leave at once, the queue with the pump that follows.
                pump(&queue, &seen)
                model.pump(&expected)
            default:
                pump(&queue, &seen)
                model.pump(&expected)
            }
            #expect(queue.isCommitting == (model.running > 0))
            #expect(queue.count == model.list.count)
        }
        #expect(seen == expected)
    }
}
