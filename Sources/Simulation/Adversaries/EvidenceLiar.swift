internal import Chance
internal import Identity
internal import Wire

/// Announces what it never serves, hands out other bundles than were asked for, and lists with holes, wrong authors
/// and wrong cells.
struct EvidenceLiar: Adversary {
    private var chance: Chance
    private var outgoing = Wiretap()
    private var incoming = Wiretap()
    private var bundles = Recent<Bundle>(max: 32)

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        var kept: [Piece] = []
        for piece in outgoing.read(datagram, at: endpoint) {
            if case .reconciliation(.cells(let cells)) = piece.frame {
                scene.send([.reconciliation(.cells(bent(cells)))], to: piece.endpoint)
                continue
            }
            switch piece.message {
            case .bundle(let bundle) where bundle.author != scene.id: break
            case .contents(let contents):
                // Once for all of a message's chunks.
                if case .chunk(let chunk) = piece.frame, chunk.index > 0 { break }
                scene.send(
                    .contents(
                        Contents(header: contents.header, body: contents.body, items: bent(contents.items))),
                    to: piece.endpoint)
            case .listCells(let answer): scene.send(.listCells(bent(answer)), to: piece.endpoint)
            case .items(let header, let items):
                scene.send(.items(header, bent(items)), to: piece.endpoint)
            default: kept.append(piece)
            }
        }
        scene.send(kept)
    }

    /// A header says nothing of authors: half of the lists name some that do not exist, the others have a hole.
    private mutating func bent(_ items: [EvidenceItem]) -> [EvidenceItem] {
        guard !items.isEmpty else { return items }
        guard chance.happens(1, in: 2) else {
            var items = items
            items.remove(at: chance.below(items.count))
            return items
        }
        return items.map { EvidenceItem(author: NodeID(octets: chance.octets(32))!, item: $0.item) }
    }

    /// One wrong cell, or one said twice: what is decoded is no set, or another than was meant.
    private mutating func bent(_ cells: [SketchCell]) -> [SketchCell] {
        guard !cells.isEmpty else { return cells }
        var cells = cells
        let place = chance.below(cells.count)
        if chance.happens(1, in: 2) {
            cells[place].sum ^= chance.bits()
        } else {
            cells[place] = cells[chance.below(cells.count)]
        }
        return cells
    }

    private mutating func bent(_ answer: ListCells) -> ListCells {
        ListCells(
            header: answer.header, body: answer.body, first: Int(answer.first), cells: bent(answer.cells))
    }

    private mutating func bent(_ span: SketchCells) -> SketchCells {
        SketchCells(
            round: span.round, version: span.version, first: Int(span.first), cells: bent(span.cells))
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for piece in incoming.read(datagram, at: endpoint) {
            switch (piece.frame, piece.message) {
            case (.want, _): answer(endpoint, &scene)
            case (_, .bundlesRequest): answer(endpoint, &scene)
            case (_, .bundle(let bundle)): bundles.add(bundle)
            default: break
            }
        }
        return true
    }

    /// With something else: an old bundle of another, or one of its own that is new.
    private mutating func answer(_ endpoint: Endpoint, _ scene: inout Scene) {
        if chance.happens(1, in: 2), let other = chance.pick(bundles.list) {
            scene.send(.bundle(other), to: endpoint)
        } else {
            scene.send(.bundle(scene.inventedBundle(&chance)), to: endpoint)
        }
    }

    mutating func tick(scene: inout Scene) {
        for peer in scene.peers.prefix(16) { scene.send([.have(chance.ids(16))], to: peer.1) }
    }
}
