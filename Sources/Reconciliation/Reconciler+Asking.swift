internal import Chance
internal import Identity
internal import Wire

/// The side that asked: its rounds.
extension Reconciler {
    mutating func wake(at now: Instant, _ actions: inout [Action]) {
        for peer in order {
            if let until = peers[peer]!.hostileUntil, until <= now { peers[peer]!.hostileUntil = nil }
            for number in peers[peer]!.rounds.map(\.number) {
                guard let index = peers[peer]!.index(ofRound: number) else { continue }
                if peers[peer]!.rounds[index].pull.due <= now { pullAgain(peer, index, at: now, &actions) }
                guard let index = peers[peer]!.index(ofRound: number) else { continue }
                if peers[peer]!.rounds[index].due <= now { askAgain(peer, index, at: now, &actions) }
            }
            if peers[peer]!.due <= now { ask(peer, at: now, &actions) }
        }
    }

    /// Begins a round for each set that has none and may differ; in a hurry for all, as others' must be known to be equal
    /// now.
    private mutating func ask(_ peer: NodeID, at now: Instant, _ actions: inout [Action]) {
        let isHasty = peers[peer]!.isHasty && !peers[peer]!.isHurried
        peers[peer]!.isHasty = false
        // Another has asked meanwhile: this one's turn comes when it would have come.
        let isSpared = isHasty && isCompared
        if isSpared { peers[peer]!.interval = Self.intervalMax }
        let interval = peers[peer]!.interval
        peers[peer]!.due = now + chance.duration(in: interval...(interval * 2))
        peers[peer]!.interval = min(interval * 2, Self.intervalMax)
        if isSpared { return }
        let isHurried = peers[peer]!.isHurried
        if peers[peer]!.rounds.isEmpty { peers[peer]!.isHurried = false }
        let idle = kinds.filter { kind in
            !peers[peer]!.rounds.contains { $0.kind == kind }
                && (isHurried || peers[peer]!.agreed[kind] != items[kind]!.version)
        }
        guard !idle.isEmpty else { return }
        for kind in idle { prepare(kind, peer) }
        let roots = idle.map { root($0, peer) }
        let first = peers[peer]!.nextRound
        for kind in idle {
            let number = peers[peer]!.newRound()
            peers[peer]!.rounds.append(
                Round(
                    number: number, kind: kind, since: now, version: items[kind]!.version, askedAt: now,
                    due: now + peers[peer]!.patience))
        }
        count(.asked)
        actions.append(.send(peer, .roots(round: first, roots)))
    }

    mutating func expectAnswer(_ peer: NodeID, _ index: Int, at now: Instant) {
        peers[peer]!.rounds[index].askedAt = now
        peers[peer]!.rounds[index].due = now + peers[peer]!.patience
    }

    /// All that was asked for is here. An answer to a question asked twice tells no time (Karn's rule).
    mutating func answered(_ peer: NodeID, _ index: Int, at now: Instant) {
        let round = peers[peer]!.rounds[index]
        peers[peer]!.rounds[index].tries = 0
        guard round.tries == 0 else { return }
        let sample = now - round.askedAt
        peers[peer]!.roundTrip = peers[peer]!.roundTrip.map { ($0 * 7 + sample) / 8 } ?? sample
    }

    func root(_ kind: SetKind, _ peer: NodeID) -> SetRoot {
        peers[peer]!.sets[kind]!.root(of: kind)
    }

    /// Asks again for what has not come in time, a few times.
    private mutating func askAgain(
        _ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]
    ) {
        peers[peer]!.rounds[index].tries += 1
        guard peers[peer]!.rounds[index].tries < Self.triesMax else {
            count(.givenUp)
            closeRound(peer, index, at: now)
            return
        }
        expectAnswer(peer, index, at: now)
        let round = peers[peer]!.rounds[index]
        switch round.source {
        case .asked:
            prepare(round.kind, peer)
            actions.append(.send(peer, .roots(round: round.number, [root(round.kind, peer)])))
        case .listing: actions.append(.send(peer, firstPage(of: round)))
        case .decoding: askForCells(peer, index, at: now, &actions)
        case .paging(let paging):
            let request = PagesRequest(
                kind: round.kind, round: round.number, pages: paging.expected.sorted())
            actions.append(.send(peer, .turn(request)))
        case .known: peers[peer]!.rounds[index].due = .never
        }
    }

    // MARK: Cells

    mutating func receive(_ cells: SketchCells, from peer: NodeID, at now: Instant, _ actions: inout [Action])
    {
        guard let index = peers[peer]!.index(ofRound: cells.round) else { return count(.droppedStale) }
        let kind = peers[peer]!.rounds[index].kind
        var decoding: Decoding
        switch peers[peer]!.rounds[index].source {
        case .asked:
            prepare(kind, peer)
            decoding = Decoding(
                decoder: Decoder(own: peers[peer]!.sets[kind]!.sketch.cells, keys: peers[peer]!.keys))
            decoding.flight = 2
        case .decoding(let present): decoding = present
        case .listing, .paging, .known: return count(.droppedStale)
        }
        // So that the decoder is not held twice, and copied, while it changes.
        peers[peer]!.rounds[index].source = .asked
        defer {
            if let index = peers[peer]!.index(ofRound: cells.round),
                case .asked = peers[peer]!.rounds[index].source
            {
                peers[peer]!.rounds[index].source = .decoding(decoding)
            }
        }
        switch decoding.accepts(version: cells.version) {
        case .same: break
        case .older: return count(.droppedStale)
        case .newer:
            count(.restarted)
            guard decoding.restarts < Decoding.restartsMax else {
                count(.givenUp)
                closeRound(peer, index, at: now)
                return
            }
            prepare(kind, peer)
            decoding.restart(own: ownCells(kind, decoding.range, peer))
            decoding.version = cells.version
        }
        do throws(Decoder.Fault) {
            try decoding.decoder.receive(first: Int(cells.first), cells.cells)
        } catch {
            return condemn(peer, error, at: now, &actions)
        }
        decoding.expected.subtract(Int(cells.first)..<(Int(cells.first) + cells.cells.count))
        if decoding.expected.isEmpty {
            answered(peer, index, at: now)
        } else {
            // Some came: the peer is there.
            peers[peer]!.rounds[index].tries = min(peers[peer]!.rounds[index].tries, 1)
        }
        let isDone = decoding.decoder.isComplete
        guard isDone || decoding.isHopeless || decoding.expected.isEmpty else { return }
        peers[peer]!.rounds[index].source = .decoding(decoding)
        if isDone {
            decoded(decoding, peer, index, at: now, &actions)
        } else if decoding.isHopeless {
            divide(decoding, peer, index, at: now, &actions)
        } else {
            askForCells(peer, index, at: now, &actions)
        }
    }

    private func ownCells(_ kind: SetKind, _ range: UInt8?, _ peer: NodeID) -> [SketchCell] {
        guard let range else { return peers[peer]!.sets[kind]!.sketch.cells }
        return peers[peer]!.sets[kind]!.cells(ofRange: range)
    }

    /// The next flight, or the part of the last that did not come.
    private mutating func askForCells(
        _ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]
    ) {
        guard case .decoding(var decoding) = peers[peer]!.rounds[index].source else { return }
        let kind = peers[peer]!.rounds[index].kind
        peers[peer]!.rounds[index].source = .asked
        if decoding.target > decoding.decoder.cellLimit {
            peers[peer]!.sets[kind]!.extend()
            let cells = peers[peer]!.sets[kind]!.sketch.cells
            if !decoding.decoder.extend(own: cells) {
                count(.restarted)
                decoding.restart(own: cells)
                peers[peer]!.rounds[index].number = peers[peer]!.newRound()
            }
        }
        let spans = decoding.decoder.missing(below: decoding.target, spansMax: decoding.flight)
        decoding.flight = min(2 * decoding.flight, CellsRequest.spansMax)
        decoding.expected = Set(spans.flatMap(\.indices))
        let range = decoding.range
        peers[peer]!.rounds[index].source = .decoding(decoding)
        expectAnswer(peer, index, at: now)
        let request = CellsRequest(
            kind: kind, round: peers[peer]!.rounds[index].number, range: range, spans: spans)
        actions.append(.send(peer, .more(request)))
    }

    /// The difference, or one part's, is known.
    private mutating func decoded(
        _ decoding: Decoding, _ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]
    ) {
        count(.decoded)
        let kind = peers[peer]!.rounds[index].kind
        prepare(kind, peer)
        let here = Set(
            peers[peer]!.sets[kind]!.places(of: decoding.decoder.onlyTheirs).map {
                peers[peer]!.sets[kind]!.shorts[$0]
            })
        peers[peer]!.rounds[index].pull.add(decoding.decoder.onlyTheirs.filter { !here.contains($0) })
        push(decoding.decoder.onlyOurs, kind, to: peer, &actions)
        if let range = decoding.range, Int(range) + 1 < CellsRequest.rangesMax {
            begin(range: range + 1, peer, index, at: now, &actions)
        } else {
            peers[peer]!.rounds[index].source = .known
            peers[peer]!.rounds[index].due = .never
        }
        pullMore(peer, index, at: now, &actions)
    }

    /// One sketch does not do: sixteen may, and if even those do not, nothing but the ids themselves.
    private mutating func divide(
        _ decoding: Decoding, _ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]
    ) {
        guard decoding.range != nil else {
            count(.divided)
            return begin(range: 0, peer, index, at: now, &actions)
        }
        peers[peer]!.rounds[index].source = .listing
        peers[peer]!.rounds[index].number = peers[peer]!.newRound()
        expectAnswer(peer, index, at: now)
        actions.append(.send(peer, firstPage(of: peers[peer]!.rounds[index])))
    }

    private func firstPage(of round: Round) -> ReconciliationFrame {
        .turn(PagesRequest(kind: round.kind, round: round.number, pages: [0]))
    }

    private mutating func begin(
        range: UInt8, _ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]
    ) {
        let kind = peers[peer]!.rounds[index].kind
        peers[peer]!.rounds[index].number = peers[peer]!.newRound()
        let decoder = Decoder(own: ownCells(kind, range, peer), keys: peers[peer]!.keys)
        peers[peer]!.rounds[index].source = .decoding(Decoding(decoder: decoder, range: range))
        askForCells(peer, index, at: now, &actions)
    }

    private mutating func condemn(
        _ peer: NodeID, _ fault: Decoder.Fault, at now: Instant, _ actions: inout [Action]
    ) {
        count(.hostile)
        peers[peer]!.rounds.removeAll()
        peers[peer]!.served.removeAll()
        peers[peer]!.servedParts.removeAll()
        peers[peer]!.hostileUntil = now + Self.hostileQuiet
        peers[peer]!.due = now + Self.hostileQuiet
        actions.append(.penalise(peer, .hostileSketch(fault)))
    }
}

extension Decoding {
    enum Age { case older, same, newer }

    /// How far behind late cells may be; what is farther is of a peer that has begun anew.
    static let versionsLate: UInt16 = 64

    /// Takes the version of the first cells for its own.
    mutating func accepts(version other: UInt16) -> Age {
        guard let version else {
            version = other
            return .same
        }
        if other == version { return .same }
        return version &- other <= Self.versionsLate ? .older : .newer
    }

    /// One of the sets has changed: from the beginning, but with flights as large as they were.
    mutating func restart(own: [SketchCell]) {
        decoder = decoder.restarted(own: own)
        version = nil
        expected = []
        restarts += 1
    }
}
