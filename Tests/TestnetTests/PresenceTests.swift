import Glibc
import Identity
import Records
import Runtime
import Testing
import Wire

@testable import EarshotCLI

/// What an onlooker makes of last words.
@Suite struct PresenceTests {
    private let now: UInt64 = EarshotCLI.wallTime()

    private func live(ago: UInt64, process: UInt32, stopped: Bool = false) -> LiveStatus {
        var live = LiveStatus(
            node: NodeID(testing: 1), endpoint: .loopback(port: 4), roles: .hotspot, startedAt: now - ago,
            updatedAt: now - ago)
        live.processID = process
        live.hasStopped = stopped
        return live
    }

    /// Higher than any process of Linux.
    private let nobody: UInt32 = 1 << 30

    @Test func `fresh words are a running node's, unless it said goodbye`() {
        #expect(Presence(of: live(ago: 5_000, process: nobody), at: now) == .running)
        #expect(
            Presence(of: live(ago: 1_000, process: nobody, stopped: true), at: now)
                == .stopped(milliseconds: 1_000))
    }

    @Test func `a silent node hangs if its process is there, and is gone if not`() {
        let old = live(ago: 6_000, process: nobody)
        #expect(Presence(of: old, at: now) == .gone(milliseconds: 6_000))
        // The first process has been there since the start.
        #expect(Presence(of: live(ago: 6_000, process: 1), at: now) == .hanging(milliseconds: 6_000))
    }

    @Test func `a node whose store nobody has open is gone at once, and hangs where somebody has`() {
        let fresh = live(ago: 300, process: 1)
        #expect(Presence(of: fresh, hasWriter: false, at: now) == .gone(milliseconds: 300))
        #expect(Presence(of: fresh, hasWriter: true, at: now) == .running)
        // Of another namespace its number may be nobody's.
        let old = live(ago: 6_000, process: nobody)
        #expect(Presence(of: old, hasWriter: true, at: now) == .hanging(milliseconds: 6_000))
        #expect(
            Presence(of: live(ago: 300, process: 1, stopped: true), hasWriter: false, at: now)
                == .stopped(milliseconds: 300))
        let report = StatusReport(fresh, network: "here", at: now, isGone: true)
        #expect(!report.isHealthy && report.faults.map(\.name) == ["silent"])
        let snapshot = StatusSnapshot(report: report, hasWriter: false, at: now)
        #expect(snapshot.text.contains("NOT RUNNING") && snapshot.document.presence == "gone")
    }

    @Test func `a process that began later only has its number`() {
        var words = live(ago: 6_000, process: UInt32(getpid()))
        words.updatedAt = 1_000
        #expect(Presence(of: words, at: now) == .gone(milliseconds: now - 1_000))
    }

    @Test func `whoever answers is not gone, wherever it is`() {
        let report = StatusReport(live(ago: 60_000, process: nobody), network: "there", at: now)
        #expect(StatusSnapshot(report: report, at: now).presence == .gone(milliseconds: 60_000))
        let answered = StatusSnapshot(report: report, at: now, hasAnswered: true)
        #expect(answered.presence == .hanging(milliseconds: 60_000))
        #expect(answered.document.presence == "hanging" && answered.document.ageMilliseconds == 60_000)
        #expect(answered.text.contains("is there but has said nothing for 1 min 0 s"))
    }

    @Test func `spans and sizes are said in units that matter`() {
        let spans: [(UInt64, String)] = [
            (0, "0.0 s"), (1_250, "1.2 s"), (9_999, "9.9 s"), (10_000, "10 s"), (61_000, "1 min 1 s"),
            (7_380_000, "2 h 3 min"), (180_000_000, "2 d 2 h"),
        ]
        for (milliseconds, text) in spans { #expect(spoken(milliseconds) == text) }
        let sizes: [(UInt64, String)] = [
            (0, "0 B"), (999, "999 B"), (1_234, "1.2 kB"), (5_678_000_000, "5.7 GB"),
        ]
        for (count, text) in sizes { #expect(octets(count) == text) }
    }
}
