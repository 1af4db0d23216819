import Chance
@testable import Dissemination
import Identity
import Wire

/// Dissemination machines on a lossy network, all of them each other's peers, by seed.
final class Web {
    enum Judgement { case accept, refuse, ignore }

    private struct Packet {
        let at: Instant
        let serial: Int
        let from: Int
        let to: Int
        let frame: Frame
    }

    var chance: Chance
    let lossPercent: Int
    var now = Instant.origin
    var machines: [Dissemination] = []
    /// What each was given, in order.
    var delivered: [[[UInt8]]] = []
    var judge: (_ octets: [UInt8], _ index: Int) -> Judgement = { _, _ in .accept }
    /// Whom each says to ignore.
    var ignored: [[NodeID]]
    /// Messages and chunks that left, by sender.
    var sent: [Int]
    /// Frames in flight, ascending by arrival.
    private var packets: [Packet] = []
    private var serial = 0

    init(_ count: Int, chance: Chance, lossPercent: Int = 0) {
        self.chance = chance
        self.lossPercent = lossPercent
        sent = Array(repeating: 0, count: count)
        ignored = Array(repeating: [], count: count)
        delivered = Array(repeating: [], count: count)
        for _ in 0..<count { machines.append(Dissemination(chance: self.chance.split(), now: now)) }
        for index in 0..<count {
            for other in 0..<count where other != index { handle(.connected(Web.id(other)), at: index) }
        }
    }

    static func id(_ index: Int) -> NodeID { NodeID(testing: UInt64(index + 1)) }

    /// A message that begins with a tag of `Message`: 0 evidence, 1 transaction, 2 vote, above 4 direct.
    static func message(_ tag: UInt8, _ number: Int, byteCount: Int = 300) -> [UInt8] {
        var chance = Chance(seed: UInt64(number) << 8 | UInt64(tag))
        return [tag] + chance.octets(byteCount - 1)
    }

    static func short(_ octets: [UInt8]) -> ShortID { ShortID(Digest(of: octets)) }

    func handle(_ event: Dissemination.Event, at index: Int) {
        var actions: [Dissemination.Action] = []
        machines[index].handle(event, at: now, actions: &actions)
        for action in actions {
            switch action {
            case .send(let peer, let frame): send(frame, from: index, to: peer)
            case .deliver(let octets, _, _):
                delivered[index].append(octets)
                switch judge(octets, index) {
                case .accept: handle(.accepted(Web.short(octets)), at: index)
                case .refuse: handle(.refused(Web.short(octets)), at: index)
                case .ignore: break
                }
            case .ignored(let peer): ignored[index].append(peer)
            }
        }
    }

    private func send(_ frame: Frame, from index: Int, to peer: NodeID) {
        switch frame {
        case .message, .chunk: sent[index] += 1
        default: break
        }
        guard !chance.happens(lossPercent, in: 100) else { return }
        serial += 1
        let at = now + chance.duration(in: .milliseconds(1)...(.milliseconds(10)))
        let to = machines.indices.first { Web.id($0) == peer }!
        var low = 0
        var high = packets.count
        while low < high {
            let middle = (low + high) / 2
            if packets[middle].at > at { low = middle + 1 } else { high = middle }
        }
        // The next to arrive stands last.
        packets.insert(Packet(at: at, serial: serial, from: index, to: to, frame: frame), at: low)
    }

    func run(for duration: Duration) {
        let end = now + duration
        while true {
            var waker: (at: Instant, index: Int)?
            for (index, machine) in machines.enumerated() {
                let deadline = max(machine.deadline, now)
                if deadline < waker?.at ?? .never { waker = (deadline, index) }
            }
            let next = min(packets.last?.at ?? .never, waker?.at ?? .never)
            guard next <= end else { break }
            now = next
            if let packet = packets.last, packet.at == next {
                packets.removeLast()
                handle(.frame(packet.frame, from: Web.id(packet.from)), at: packet.to)
            } else {
                handle(.woke, at: waker!.index)
            }
        }
        now = end
    }
}
