import Identity
import Records
import Testing
import Wire

@Suite struct HealthTests {
    private func status(_ change: (inout LiveStatus) -> Void = { _ in }) -> LiveStatus {
        var status = LiveStatus(
            node: NodeID(testing: 1), endpoint: .loopback(port: 4), roles: .validator, startedAt: 1_000,
            updatedAt: 1_000_000)
        status.epochMilliseconds = 600_000
        status.openEpoch = 7
        status.waitsFor = "votes"
        change(&status)
        return status
    }

    private func faults(_ status: LiveStatus, at wallTime: UInt64 = 1_000_000) -> [NodeHealth.Fault] {
        NodeHealth(of: status, at: wallTime).faults
    }

    @Test func `a node that spoke lately and finalises is healthy, and alone is no illness`() {
        #expect(NodeHealth(of: status(), at: 1_000_000 + NodeHealth.silenceMax).isHealthy)
        // A clock that was set back makes no fault.
        #expect(NodeHealth(of: status(), at: 0).isHealthy)
        #expect(NodeHealth(of: status { $0.millisecondsSinceFinal = 4 * 600_000 }, at: 1_000_000).isHealthy)
    }

    @Test func `no final epoch for more than four epochs is a fault, with its numbers`() {
        let stalled = status { $0.millisecondsSinceFinal = 4 * 600_000 + 1 }
        let expected = NodeHealth.Fault.stalled(
            millisecondsSinceFinal: 2_400_001, waitsFor: "votes", peers: 0)
        #expect(faults(stalled) == [expected])
        #expect(expected.name == "stalled")
        #expect("\(expected)".contains("2400 s") && "\(expected)".contains("waits for votes"))
    }

    @Test func `short epochs do not make a busy machine ill`() {
        let short = status {
            $0.epochMilliseconds = 100
            $0.millisecondsSinceFinal = NodeHealth.stallMin
        }
        #expect(faults(short).isEmpty)
        var ill = short
        ill.millisecondsSinceFinal += 1
        #expect(faults(ill).map(\.name) == ["stalled"])
    }

    @Test func `silence is a fault, and a halt one that does not pass`() {
        #expect(
            faults(status(), at: 1_000_001 + NodeHealth.silenceMax)
                == [.silent(milliseconds: NodeHealth.silenceMax + 1)])
        let halted = status {
            $0.isHalted = true
            $0.millisecondsSinceFinal = 10_000_000
        }
        #expect(faults(halted).map(\.name) == ["halted", "stalled"])
    }

    @Test func `a store that is not in its place is a fault while it is not`() {
        func counted(_ looks: UInt64) -> LiveStatus {
            status { $0.counters = [.init(name: NodeHealth.misplacedCounter, value: looks)] }
        }
        #expect(faults(counted(1)) == [.misplaced] && faults(counted(0)).isEmpty)
    }

    @Test func `after a clean stop there is one fault, however long ago`() {
        let stopped = status {
            $0.hasStopped = true
            $0.millisecondsSinceFinal = 10_000_000
        }
        #expect(faults(stopped, at: 9_000_000) == [.stopped])
    }
}
