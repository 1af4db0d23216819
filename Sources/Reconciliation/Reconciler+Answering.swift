internal import Chance
internal import Identity
internal import Wire

/// The side that is asked: it answers, and remembers little.
extension Reconciler {
    mutating func receive(
        _ frame: ReconciliationFrame, from peer: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        guard peers[peer] != nil else { return count(.droppedStranger) }
        guard peers[peer]!.hostileUntil == nil else { return count(.droppedHostile) }
        switch frame {
        case .roots(let first, let roots): answer(roots, first, peer, at: now, &actions)
        case .equal(let numbers):
            for number in numbers {
                guard let index = peers[peer]!.index(ofRound: number) else {
                    count(.droppedStale)
                    continue
                }
                guard case .asked = peers[peer]!.rounds[index].source else { continue }
                count(.equal)
                answered(peer, index, at: now)
                let round = peers[peer]!.rounds[index]
                closeRound(peer, index, at: now)
                if items[round.kind]!.version == round.version { agree(round.kind, peer) }
                actions.append(.settled(peer, round.kind, since: round.since, unanswered: 0))
            }
        case .cells(let cells): receive(cells, from: peer, at: now, &actions)
        case .more(let request): answer(request, peer, at: now, &actions)
        case .page(let page): receive(page, from: peer, at: now, &actions)
        case .turn(let request):
            guard isKept(request.kind, peer) else { return }
            giveWay(to: peer, at: now)
            for page in request.pages {
                guard peers[peer]!.allowance.take(1, at: now) else { return count(.droppedLimited) }
                send(page: page, request.kind, request.round, to: peer, &actions)
            }
        case .want(let kind, let shorts):
            guard isKept(kind, peer) else { return }
            giveWay(to: peer, at: now)
            guard peers[peer]!.allowance.take(1, at: now) else { return count(.droppedLimited) }
            push(shorts, kind, to: peer, &actions)
        }
    }

    /// The peer's view of a set, made when it is first needed, and brought up to date.
    mutating func prepare(_ kind: SetKind, _ peer: NodeID) {
        if peers[peer]!.sets[kind] == nil {
            peers[peer]!.sets[kind] = KeyedSet(items[kind]!, keys: peers[peer]!.keys)
        } else {
            peers[peer]!.sets[kind]!.catchUp(with: items[kind]!)
        }
    }

    private mutating func isKept(_ kind: SetKind, _ peer: NodeID) -> Bool {
        guard items[kind] != nil else {
            count(.droppedUnknown)
            return false
        }
        prepare(kind, peer)
        return true
    }

    private mutating func answer(
        _ roots: [SetRoot], _ first: UInt16, _ peer: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        guard peers[peer]!.allowance.take(1, at: now) else { return count(.droppedLimited) }
        var equal: [UInt16] = []
        var differs = false
        for (offset, theirs) in roots.enumerated() {
            let number = first &+ UInt16(offset)
            guard isKept(theirs.kind, peer) else { continue }
            let ours = root(theirs.kind, peer)
            guard ours != theirs else {
                equal.append(number)
                agree(theirs.kind, peer)
                continue
            }
            differs = true
            guard peers[peer]!.allowance.take(1, at: now) else {
                count(.droppedLimited)
                continue
            }
            if Self.areFarApart(Int(ours.count), Int(theirs.count)) {
                send(page: 0, theirs.kind, number, to: peer, &actions)
            } else {
                let count = isNear(theirs.kind, peer, at: now) ? Self.cellsOfNear : SketchCells.countMax
                refresh(theirs.kind, peer, at: now)
                let span = CellSpan(first: 0, count: count)
                send(span, of: peers[peer]!.served[theirs.kind]!, number, to: peer, &actions)
            }
        }
        if !equal.isEmpty { actions.append(.send(peer, .equal(equal))) }
        if differs { giveWay(to: peer, at: now) }
    }

    /// Whether the peer's set can hardly lack more than a few items: they were equal a few changes ago, or a round of the last
    /// seconds has left out what was lost.
    private func isNear(_ kind: SetKind, _ peer: NodeID, at now: Instant) -> Bool {
        if let served = peers[peer]!.served[kind], now < served.until { return true }
        guard let agreed = peers[peer]!.agreed[kind] else { return false }
        return items[kind]!.version - agreed <= Self.changesOfNear
    }

    /// More than three tenths: a sketch would be larger than the ids.
    static func areFarApart(_ one: Int, _ other: Int) -> Bool {
        10 * abs(one - other) > 3 * max(one, other)
    }

    private mutating func answer(
        _ request: CellsRequest, _ peer: NodeID, at now: Instant, _ actions: inout [Action]
    ) {
        guard isKept(request.kind, peer) else { return }
        giveWay(to: peer, at: now)
        let served: Peer.Served
        if let range = request.range {
            let isFresh =
                peers[peer]!.servedParts[request.kind].map { $0.range == range && now < $0.until } ?? false
            if !isFresh {
                guard peers[peer]!.allowance.take(Self.partCost, at: now) else {
                    return count(.droppedLimited)
                }
                let cells = peers[peer]!.sets[request.kind]!.cells(ofRange: range)
                let old = peers[peer]!.servedParts[request.kind]
                peers[peer]!.servedParts[request.kind] = serving(cells, range, after: old, peer, at: now)
            }
            served = peers[peer]!.servedParts[request.kind]!
        } else {
            let end = request.spans.last!.indices.upperBound
            let isFresh =
                peers[peer]!.served[request.kind].map { end <= $0.cells.count && now < $0.until } ?? false
            if !isFresh {
                if end > Sketch.prefixCount { peers[peer]!.sets[request.kind]!.extend() }
                refresh(request.kind, peer, at: now)
            }
            served = peers[peer]!.served[request.kind]!
        }
        for span in request.spans {
            guard peers[peer]!.allowance.take(1, at: now) else { return count(.droppedLimited) }
            send(span, of: served, request.round, to: peer, &actions)
        }
    }

    /// Serves the set as it is now.
    private mutating func refresh(_ kind: SetKind, _ peer: NodeID, at now: Instant) {
        let cells = peers[peer]!.sets[kind]!.sketch.cells
        let old = peers[peer]!.served[kind]
        peers[peer]!.served[kind] = serving(cells, nil, after: old, peer, at: now)
    }

    /// With the version of the old, if they are cells of the same set.
    private mutating func serving(
        _ cells: [SketchCell], _ range: UInt8?, after old: Peer.Served?, _ peer: NodeID, at now: Instant
    ) -> Peer.Served {
        let isSame = old.map { $0.range == range && $0.cells[0] == cells[0] } ?? false
        if !isSame { peers[peer]!.version &+= 1 }
        return Peer.Served(
            range: range, version: isSame ? old!.version : peers[peer]!.version, cells: cells,
            until: now + Peer.Served.age)
    }

    private mutating func send(
        _ span: CellSpan, of served: Peer.Served, _ number: UInt16, to peer: NodeID,
        _ actions: inout [Action]
    ) {
        count(.served)
        let cells = SketchCells(
            round: number, version: served.version, first: Int(span.first),
            cells: Array(served.cells[span.indices]))
        actions.append(.send(peer, .cells(cells)))
    }

    private mutating func send(
        page: UInt16, _ kind: SetKind, _ number: UInt16, to peer: NodeID, _ actions: inout [Action]
    ) {
        count(.served)
        let shorts = peers[peer]!.sets[kind]!.shorts
        let start = min(Int(page) * IDPage.idsMax, shorts.count)
        let end = min(start + IDPage.idsMax, shorts.count)
        let frame = IDPage(
            round: number, index: page, total: UInt32(shorts.count), ids: shorts[start..<end].sorted())
        actions.append(.send(peer, .page(frame)))
    }
}
