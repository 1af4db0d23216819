internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Says a hundred times as much as it should: everything well formed and, where it is signed, well signed.
struct Flooder: Adversary {
    static let datagramsPerTick = 15

    private var chance: Chance
    private var heard = Recent<[Frame]>(max: 64)

    init(chance: Chance) { self.chance = chance }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        heard.add(datagram.frames)
        return true
    }

    mutating func tick(scene: inout Scene) {
        for _ in 0..<Self.datagramsPerTick {
            guard let target = chance.pick(scene.peers)?.1 else { return }
            if chance.happens(1, in: 4), let frames = chance.pick(heard.list) {
                scene.send(frames, to: target)
            } else {
                scene.send([frame(scene)], to: target)
            }
        }
    }

    private mutating func frame(_ scene: Scene) -> Frame {
        switch chance.below(12) {
        case 0: .message(Message.bundle(scene.inventedBundle(&chance)).encoded())
        case 1: .message(Message.transaction(transaction(scene)).encoded())
        case 2: .have(chance.ids(Frame.idsMax))
        case 3: .want(chance.ids(Frame.idsMax))
        case 4: .message(Message.finalityRequest(from: 1, count: 255).encoded())
        case 5: .message(Message.contentsRequest(chance.digest()).encoded())
        case 6:
            .message(
                Message.bundlesRequest((0..<Message.bundlesRequestMax).map { _ in chance.digest() }).encoded()
            )
        case 7:
            .message(Message.proposalRequest(scene.openEpoch, View(1 + chance.below(4))).encoded())
        case 8: .message(scene.vote(ballot(scene)).encoded())
        case 9: .reconciliation(comparison(scene))
        case 10:
            .message(
                Message.listRequest(
                    ListRequest(header: chance.digest(), wantsBody: true, first: 0, count: 4_096)
                ).encoded())
        default: .ping(nonce: chance.bits())
        }
    }

    /// Sets that nobody has, cells of nothing, questions for as much as can be asked for.
    private mutating func comparison(_ scene: Scene) -> ReconciliationFrame {
        let kind = SetKind.evidence(scene.openEpoch)
        let round = UInt16(truncatingIfNeeded: chance.bits())
        switch chance.below(4) {
        case 0:
            let root = SetRoot(kind: kind, count: UInt32(chance.below(40)), root: chance.bits())
            return .roots(round: round, [root])
        case 1:
            let cells = (0..<SketchCells.countMax).map { _ in
                SketchCell(sum: chance.bits(), check: 0, count: 1)
            }
            return .cells(SketchCells(round: UInt16(chance.below(64)), version: 1, first: 0, cells: cells))
        case 2:
            let spans = (0..<CellsRequest.spansMax).map {
                CellSpan(first: $0 * SketchCells.countMax, count: SketchCells.countMax)
            }
            return .more(CellsRequest(kind: kind, round: round, range: UInt8(chance.below(16)), spans: spans))
        default:
            let shorts = Set((0..<ReconciliationFrame.wantsMax).map { _ in chance.bits() })
            return .want(kind, shorts.sorted())
        }
    }

    private mutating func transaction(_ scene: Scene) -> Transaction {
        // Some that could be executed, most that never can.
        Transaction(
            account: scene.id, nonce: UInt64(1 + chance.below(1_000)),
            fee: scene.genesis.parameters.feeMin + Amount(chance.below(1_000)),
            expiry: scene.openEpoch + Epoch(chance.below(10)), kind: .transfer(to: scene.id, 1)
        )
        .signed(by: scene.key, network: scene.network)
    }

    /// Of views far away, so that it fills tables and decides nothing.
    private mutating func ballot(_ scene: Scene) -> Ballot {
        .notarize(scene.openEpoch + Epoch(chance.below(3)), View(10 + chance.below(1 << 20)), chance.digest())
    }
}

/// Says again what it heard long ago, as its own or with the octets of who said it.
struct Replayer: Adversary {
    static let datagramsPerTick = 12

    private var chance: Chance
    private var heard = Recent<Datagram>(max: 512)

    init(chance: Chance) { self.chance = chance }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        // A part of what comes, so that the memory reaches back over epochs.
        if chance.happens(1, in: 4) { heard.add(datagram) }
        return true
    }

    mutating func tick(scene: inout Scene) {
        for _ in 0..<Self.datagramsPerTick {
            guard let target = chance.pick(scene.peers)?.1, let old = chance.pick(heard.list) else { return }
            if chance.happens(1, in: 2) {
                scene.send(old, to: target)
            } else {
                scene.send(old.frames, to: target)
            }
        }
    }
}
