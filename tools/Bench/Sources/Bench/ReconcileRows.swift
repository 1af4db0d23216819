internal import Baseline
internal import Bytes
internal import Chance
internal import Identity
internal import Reconciliation
internal import Wire

/// Two machines whose sets differ a little, with a path between them: octets and processor time until both have the union.
enum ReconcileRows {
    private static let count = 100_000
    private static let runs = 8

    static func measure() -> [Row] {
        var rows: [Row] = []
        for (difference, octets, loss) in [
            (100, 2_500.0, 0), (100, 3_750, 20), (1_000, 20_000, 0), (1_000, 30_000, 20),
        ] {
            // The loss of one datagram more or less shows: a mean of some runs.
            var sent = 0
            var taken: Int64 = 0
            for seed in 1...runs {
                var pair = Pair(
                    seed: UInt64(seed), shared: count - difference / 2, only: difference / 2, loss: loss)
                pair.warm()
                taken += time(baseline_cpu) { pair.reconcile() }
                sent += pair.octets
            }
            let name = "reconcile \(count) ids, \(difference) differ" + (loss > 0 ? ", \(loss) % lost" : "")
            rows.append(
                .number("\(name): roots and cells", Double(sent / runs), unit: "octets", most: octets))
            rows.append(.time("\(name): processor, both sides", Double(taken) / Double(runs), most: 30e6))
        }
        rows.append(.time("hostile sketch of 4,096 cells, to its end", hostile(), most: 1e6))
        return rows
    }

    /// Every cell pure, each with another item: the most that a sketch can make a decoder do.
    private static func hostile() -> Double {
        let keys = SketchKeys(secret: [7], nonce: 7)
        let cells = (0..<4_096).map { number -> SketchCell in
            let symbol = keys.symbol(short: UInt64(number) + 1)
            return SketchCell(
                sum: symbol.short, check: UInt32(truncatingIfNeeded: symbol.hash),
                count: number.isMultiple(of: 2) ? 1 : 0xFFFF)
        }
        return Double(
            (0..<9).map { _ in
                var decoder = Decoder(own: Sketch(cellCount: 4_096).cells, keys: keys)
                return time(baseline_cpu) {
                    do throws(Decoder.Fault) { try decoder.receive(first: 0, cells) } catch {}
                }
            }.min()!)
    }
}

/// Twenty milliseconds each way, in made-up time; items lost are not counted, frames are.
private struct Pair {
    private enum Cargo {
        case frame(ReconciliationFrame)
        case item(Digest)
    }

    private static let kind = SetKind.evidence(1)
    private static let latency = Duration.milliseconds(20)

    private var machines: [Reconciler]
    private let union: Int
    private var now = Instant.origin
    private var packets: [(at: Instant, to: Int, cargo: Cargo)] = []
    private var chance: Chance
    private let loss: Int
    private(set) var octets = 0

    init(seed: UInt64, shared: Int, only: Int, loss: Int) {
        chance = Chance(seed: seed)
        self.loss = loss
        union = shared + 2 * only
        machines = [Reconciler(chance: chance.split()), Reconciler(chance: chance.split())]
        let keys = SketchKeys(secret: chance.octets(32), nonce: chance.bits())
        for side in 0..<2 { handle(.connected(Self.id(1 - side), keys), at: side) }
        for number in 0..<(shared + 2 * only) {
            let id = Digest(of: Self.octets(of: number))
            for side in 0..<2 where number < shared || (number - shared) % 2 == side { insert(id, at: side) }
        }
    }

    private static func octets(of number: Int) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
    }

    private static func id(_ side: Int) -> NodeID {
        NodeID(octets: [UInt8](repeating: UInt8(side + 1), count: 32).octetBytes)
    }

    /// Neither has anything that is not in the union.
    var isEqual: Bool {
        machines.allSatisfy { machine in
            machine.gauges.contains { $0.name == "itemsOfOneKind" && $0.value == union }
        }
    }

    private mutating func insert(_ id: Digest, at side: Int) {
        handle(.inserted(Self.kind, id), at: side)
    }

    /// Both have compared before, and once a difference that needed more cells: what is measured is a round, not the
    /// making of a view.
    mutating func warm() {
        let far = CellsRequest(
            kind: Self.kind, round: 0, range: nil, spans: [CellSpan(first: 4_000, count: 1)])
        for side in 0..<2 { handle(.frame(.more(far), from: Self.id(1 - side)), at: side) }
        packets = []
        octets = 0
    }

    /// One side asks, as always but at the end of a window.
    mutating func reconcile() {
        handle(.hurried, at: 0)
        while true {
            let waker = machines[0].deadline <= machines[1].deadline ? 0 : 1
            let wake = max(machines[waker].deadline, now)
            guard let next = packets.first, next.at <= wake else {
                now = wake
                handle(.woke, at: waker)
                continue
            }
            packets.removeFirst()
            now = next.at
            switch next.cargo {
            case .frame(let frame): handle(.frame(frame, from: Self.id(1 - next.to)), at: next.to)
            case .item(let id):
                insert(id, at: next.to)
                if isEqual { return }
            }
        }
    }

    private mutating func handle(_ event: Reconciler.Event, at side: Int) {
        var actions: [Reconciler.Action] = []
        machines[side].handle(event, at: now, actions: &actions)
        for action in actions {
            switch action {
            case .send(_, let frame):
                switch frame {
                case .roots, .equal, .cells, .more: octets += frame.encoded().count
                case .page, .turn, .want: break
                }
                guard !chance.happens(loss, in: 100) else { continue }
                packets.append((now + Self.latency, 1 - side, .frame(frame)))
            case .push(_, _, let ids):
                for id in ids where !chance.happens(loss, in: 100) {
                    packets.append((now + Self.latency, 1 - side, .item(id)))
                }
            case .settled, .penalise: break
            }
        }
    }
}
