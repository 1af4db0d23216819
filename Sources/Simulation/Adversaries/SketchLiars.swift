internal import Bytes
internal import Chance
internal import Identity
internal import Node
internal import Reconciliation
internal import Wire

/// Answers whoever asks about a set that it knows with cells of which the first holds one item more, and the others do
/// not. Taken out of all, it stands in the others as one too few; put back into all, it stands in the first again, and
/// so for ever.
struct SketchForger: Adversary {
    private static let cells = 16

    private var chance: Chance
    private var incoming = Wiretap()
    private var outgoing = Wiretap()
    private var evidence = Recent<Bundle>(max: 256)

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        note(outgoing.read(datagram, at: endpoint))
        scene.send(datagram, to: endpoint)
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        note(incoming.read(datagram, at: endpoint))
        var passes = true
        for case .reconciliation(.roots(let round, let roots)) in datagram.frames {
            for (offset, root) in roots.enumerated() {
                guard let cells = endless(root, of: datagram.sender, scene) else { continue }
                let answer = SketchCells(round: round &+ UInt16(offset), version: 1, first: 0, cells: cells)
                scene.send([.reconciliation(.cells(answer))], to: endpoint)
                // Its own node would say that the sets are equal.
                passes = false
            }
        }
        return passes
    }

    private mutating func note(_ pieces: [Piece]) {
        for case .bundle(let bundle) in pieces.compactMap(\.message)
        where !evidence.list.contains(bundle) { evidence.add(bundle) }
    }

    /// Nil if the asker's set is another than what has come by here.
    private mutating func endless(_ root: SetRoot, of peer: NodeID, _ scene: Scene) -> [SketchCell]? {
        guard let keys = SketchKeys(of: scene.key, with: peer, network: scene.network) else { return nil }
        var sketch = Sketch(cellCount: Self.cells)
        for bundle in evidence.list where root.kind == .evidence(bundle.epoch) {
            sketch.insert(keys.symbol(bundle.id))
        }
        guard sketch.cells[0].count == root.count, sketch.cells[0].sum == root.root else { return nil }
        var symbol: Symbol
        repeat { symbol = keys.symbol(short: chance.bits()) } while symbol.isAlone(below: Self.cells)
        let others = sketch.cells.dropFirst()
        sketch.insert(symbol)
        return [sketch.cells[0]] + others
    }
}

/// Signs other bundles until one is, under keys that anybody can compute, in no cell of a sketch's beginning but the first.
/// If these were the keys of two others, and two such bundles stood between them, that cell would keep them from seeing
/// whatever else they do not share.
struct ItemGrinder: Adversary {
    /// One bundle in thirteen thousand is in none of so many; to get past them takes ten questions more.
    private static let cells = 160
    private static let triesMax = 1 << 17

    private var chance: Chance
    private var outgoing = Wiretap()
    private var own: Bundle?

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        var kept: [Piece] = []
        for piece in outgoing.read(datagram, at: endpoint) {
            switch (piece.frame, piece.message) {
            // Its own node's set has the bundle that is not told.
            case (.reconciliation, _): break
            case (_, .bundle(let bundle)) where bundle.author == scene.id:
                // Once for all of a message's chunks.
                if case .chunk(let chunk) = piece.frame, chunk.index > 0 { break }
                guard bundle.epoch == scene.openEpoch else { break }
                scene.send(.bundle(ground(scene)), to: piece.endpoint)
            default: kept.append(piece)
            }
        }
        scene.send(kept)
    }

    private mutating func ground(_ scene: Scene) -> Bundle {
        if let own, own.epoch == scene.openEpoch { return own }
        let keys = SketchKeys.known(in: scene.network)
        var bundle = scene.inventedBundle(&chance)
        var tries = 1
        while tries < Self.triesMax, !keys.symbol(bundle.id).isAlone(below: Self.cells) {
            bundle = scene.inventedBundle(&chance)
            tries += 1
        }
        own = bundle
        return bundle
    }
}
