import Bytes
import Chance
import Identity
@testable import Reconciliation
import Wire

/// Two machines and what lies between them, by seed. Items are carried apart from frames, as a host would.
final class Link {
    private enum Cargo {
        case frame(ReconciliationFrame)
        case item(SetKind, Digest)
    }

    private struct Packet {
        let at: Instant
        let to: Int
        let cargo: Cargo
    }

    var chance: Chance
    var lossPercent: Int
    /// Of items too, or of frames only.
    var losesItems = true
    var duplicatesPercent = 0
    var latency: ClosedRange<Duration> = .milliseconds(20)...(.milliseconds(20))
    var now = Instant.origin
    var machines: [Reconciler] = []
    var sets: [[SetKind: Set<Digest>]] = [[:], [:]]
    /// Of frames, by what they are for; a lost one has cost as much as another.
    var sketchByteCount = 0
    var idByteCount = 0
    var frameCount = 0
    /// Cells sent, lost or not.
    var cellCount = 0
    var settled: [[SetKind: Int]] = [[:], [:]]
    var penalties: [Reconciler.Fault] = []
    /// What happens to a frame on its way.
    var tamper: (ReconciliationFrame, _ from: Int) -> ReconciliationFrame? = { frame, _ in frame }
    /// What a host does not take.
    var refuses: (Digest, _ at: Int) -> Bool = { _, _ in false }
    /// Whether a host says so when it does not take an item.
    var declines = false
    /// When the last round began that settled.
    var since: [[SetKind: Instant]] = [[:], [:]]
    private var packets: [Packet] = []

    init(chance: Chance, lossPercent: Int = 0, keys: [SketchKeys]? = nil) {
        self.chance = chance
        self.lossPercent = lossPercent
        let shared = SketchKeys(secret: self.chance.octets(32), nonce: self.chance.bits())
        for index in 0..<2 {
            machines.append(Reconciler(chance: self.chance.split()))
            handle(.connected(Link.id(1 - index), keys?[index] ?? shared), at: index)
        }
    }

    static func id(_ index: Int) -> NodeID { NodeID(testing: UInt64(index + 1)) }

    func insert(_ id: Digest, _ kind: SetKind, at index: Int) {
        guard sets[index][kind, default: []].insert(id).inserted else { return }
        handle(.inserted(kind, id), at: index)
    }

    func remove(_ id: Digest, _ kind: SetKind, at index: Int) {
        sets[index][kind]?.remove(id)
        handle(.removed(kind, id), at: index)
    }

    func isEqual(_ kind: SetKind) -> Bool { sets[0][kind] == sets[1][kind] }

    func handle(_ event: Reconciler.Event, at index: Int) {
        var actions: [Reconciler.Action] = []
        machines[index].handle(event, at: now, actions: &actions)
        for action in actions {
            switch action {
            case .send(_, let frame):
                frameCount += 1
                if case .cells(let cells) = frame { cellCount += cells.cells.count }
                let byteCount = frame.encoded().count
                switch frame {
                case .want, .page, .turn: idByteCount += byteCount
                case .roots, .equal, .cells, .more: sketchByteCount += byteCount
                }
                if let frame = tamper(frame, index) { carry(.frame(frame), from: index) }
            case .push(_, let kind, let ids):
                for id in ids { carry(.item(kind, id), from: index) }
            case .settled(_, let kind, let since, _):
                precondition(since <= now)
                settled[index][kind, default: 0] += 1
                self.since[index][kind] = since
            case .penalise(_, let fault): penalties.append(fault)
            }
        }
    }

    private func carry(_ cargo: Cargo, from index: Int) {
        var isLossy = true
        if case .item = cargo { isLossy = losesItems }
        guard !isLossy || !chance.happens(lossPercent, in: 100) else { return }
        repeat {
            let at = now + chance.duration(in: latency)
            let packet = Packet(at: at, to: 1 - index, cargo: cargo)
            // The next to arrive stands last.
            var place = packets.count
            while place > 0, packets[place - 1].at <= at { place -= 1 }
            packets.insert(packet, at: place)
        } while chance.happens(duplicatesPercent, in: 100)
    }

    /// Runs until nothing more happens before `duration` is over, or `isDone`.
    func run(for duration: Duration, until isDone: (Link) -> Bool = { _ in false }) {
        let end = now + duration
        while !isDone(self) {
            let waker = machines[0].deadline <= machines[1].deadline ? 0 : 1
            let deadline = max(machines[waker].deadline, now)
            let arrival = packets.last?.at ?? .never
            guard min(arrival, deadline) <= end else { break }
            now = min(arrival, deadline)
            guard arrival <= deadline else {
                handle(.woke, at: waker)
                continue
            }
            let packet = packets.removeLast()
            switch packet.cargo {
            case .frame(let frame): handle(.frame(frame, from: Link.id(1 - packet.to)), at: packet.to)
            case .item(let kind, let id):
                if !refuses(id, packet.to) {
                    insert(id, kind, at: packet.to)
                } else if declines {
                    handle(.declined(kind, id), at: packet.to)
                }
            }
        }
        if !isDone(self) { now = end }
    }
}
