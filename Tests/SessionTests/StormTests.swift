import Bytes
import Chance
import Identity
@testable import Session
import TestKit
import Testing
import Wire

/// Everything at once: no order of events may lock two nodes out of each other.
@Suite struct StormTests {
    @Test(arguments: Seed.all)
    func `after an hour of restarts, moves, closes and loss, all who want to can talk`(seed: Seed) {
        let count = 4
        let net = Net(chance: seed.chance(), count: count)
        net.keepsCaptured = false
        net.duplicatesPercent = 5
        net.latency = .milliseconds(5)...(.milliseconds(1_500))
        var nextPlace: UInt32 = 0xCB00_7100
        let end = net.now + .seconds(3_600)
        while net.now < end {
            let one = net.chance.below(count)
            let other = (one + 1 + net.chance.below(count - 1)) % count
            switch net.chance.below(40) {
            case 0: net.restart(one)
            case 1, 2: net.handle(.close(net.ids[other], code: 1), at: one)
            case 3:
                nextPlace += 1
                net.places[one] = Endpoint(ipv4: nextPlace, port: 1)
            case 4: net.lossPercent = [0, 10, 50, 100][net.chance.below(4)]
            case 5: net.run(for: .seconds(net.chance.below(200)))
            case 6...9:
                net.open(one, to: other)
                net.open(other, to: one)
            case 10...20: net.open(one, to: other)
            default: net.send(net.chance.octets(8), from: one, to: other)
            }
            net.run(for: .milliseconds(net.chance.below(8_000)))
        }
        net.lossPercent = 0
        // Long enough for all that is dead to be found so.
        for _ in 0..<300 {
            for one in 0..<count {
                for other in 0..<count where one != other {
                    net.open(one, to: other)
                    net.send([0], from: one, to: other)
                }
            }
            net.run(for: .seconds(1))
        }
        for one in 0..<count {
            for other in 0..<count where one != other {
                let payload = net.chance.octets(16)
                net.send(payload, from: one, to: other)
                net.run(for: .seconds(2))
                #expect(net.seen[other].received.contains(payload), "\(seed.testDescription)")
                #expect(net.machines[one][net.ids[other]]?.endpoint == net.places[other])
            }
        }
        for machine in net.machines { #expect(machine.slotOfNode.count == count - 1) }
    }
}
