internal import Chance
internal import Identity
internal import Wire

/// The side that asked: pages, and the items themselves.
extension Reconciler {
    mutating func receive(_ page: IDPage, from peer: NodeID, at now: Instant, _ actions: inout [Action]) {
        guard let index = peers[peer]!.index(ofRound: page.round) else { return count(.droppedStale) }
        let kind = peers[peer]!.rounds[index].kind
        var paging: Paging
        switch peers[peer]!.rounds[index].source {
        case .asked, .listing:
            guard page.index == 0, page.total <= UInt32(ItemSet.countMax) else {
                return count(.droppedStale)
            }
            prepare(kind, peer)
            let shorts = Set(peers[peer]!.sets[kind]!.shorts)
            paging = Paging(total: Int(page.total), ours: shorts, onlyOurs: shorts)
        case .paging(let present):
            paging = present
            guard paging.expected.remove(page.index) != nil else { return count(.droppedStale) }
        case .decoding, .known: return count(.droppedStale)
        }
        count(.paged)
        // So that the sets are not held twice, and copied, while they change.
        peers[peer]!.rounds[index].source = .asked
        for id in page.ids { paging.onlyOurs.remove(id) }
        let news = page.ids.filter { !paging.ours.contains($0) }
        peers[peer]!.rounds[index].source = .paging(paging)
        if paging.expected.isEmpty { answered(peer, index, at: now) }
        peers[peer]!.rounds[index].pull.add(news)
        pullMore(peer, index, at: now, &actions)
    }

    /// An item came while a round goes on, from this peer or another.
    mutating func arrived(
        _ short: UInt64, _ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]
    ) {
        if case .paging(var paging) = peers[peer]!.rounds[index].source {
            peers[peer]!.rounds[index].source = .asked
            paging.ours.insert(short)
            peers[peer]!.rounds[index].source = .paging(paging)
        }
        guard peers[peer]!.rounds[index].pull.arrived(short) else { return }
        // They come one by one, at the peer's pace: only silence is a loss.
        peers[peer]!.rounds[index].pull.due = now + Self.pullPatience
        pullMore(peer, index, at: now, &actions)
    }

    /// Wants what is next, turns pages if there is room, and settles the round if nothing is left of it.
    mutating func pullMore(_ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]) {
        let shorts = peers[peer]!.rounds[index].pull.next()
        if !shorts.isEmpty { want(shorts, peer, index, at: now, &actions) }
        if case .paging(let paging) = peers[peer]!.rounds[index].source, paging.expected.isEmpty {
            turn(paging, peer, index, at: now, &actions)
        }
        guard peers[peer]!.rounds[index].pull.isDone else { return }
        peers[peer]!.rounds[index].pull.due = .never
        if case .known = peers[peer]!.rounds[index].source { settle(peer, index, at: now, &actions) }
    }

    private mutating func want(
        _ shorts: [UInt64], _ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]
    ) {
        count(.wanted, shorts.count)
        peers[peer]!.rounds[index].pull.due = now + Self.pullPatience
        let kind = peers[peer]!.rounds[index].kind
        for start in stride(from: 0, to: shorts.count, by: ReconciliationFrame.wantsMax) {
            let end = min(start + ReconciliationFrame.wantsMax, shorts.count)
            actions.append(.send(peer, .want(kind, Array(shorts[start..<end]))))
        }
    }

    private mutating func turn(
        _ paging: Paging, _ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]
    ) {
        let kind = peers[peer]!.rounds[index].kind
        guard paging.next < paging.pageCount else {
            peers[peer]!.rounds[index].source = .known
            peers[peer]!.rounds[index].due = .never
            return push(paging.onlyOurs.sorted(), kind, to: peer, &actions)
        }
        peers[peer]!.rounds[index].due = .never
        guard peers[peer]!.rounds[index].pull.waitingCount < Paging.waitingMax else { return }
        let end = min(paging.next + PagesRequest.pagesMax, paging.pageCount)
        let pages = (paging.next..<end).map { UInt16($0) }
        var paging = paging
        paging.next = end
        paging.expected = Set(pages)
        peers[peer]!.rounds[index].source = .paging(paging)
        expectAnswer(peer, index, at: now)
        let request = PagesRequest(kind: kind, round: peers[peer]!.rounds[index].number, pages: pages)
        actions.append(.send(peer, .turn(request)))
    }

    /// Items did not come in time: once more, or never.
    mutating func pullAgain(_ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]) {
        if let shorts = peers[peer]!.rounds[index].pull.again() {
            want(shorts, peer, index, at: now, &actions)
        } else {
            settle(peer, index, at: now, &actions)
        }
    }

    mutating func settle(_ peer: NodeID, _ index: Int, at now: Instant, _ actions: inout [Action]) {
        let round = peers[peer]!.rounds[index]
        closeRound(peer, index, at: now)
        count(.settled)
        count(.unanswered, round.pull.missing.count)
        actions.append(
            .settled(peer, round.kind, since: round.since, unanswered: round.pull.missing.count))
        // A difference that stays, as this host refuses what the peer keeps, is asked about ever more seldom.
        if round.pull.hasProgressed { hasten(peer, at: now) }
    }

    /// Hands the host what the peer lacks, by short id.
    mutating func push(
        _ shorts: [UInt64], _ kind: SetKind, to peer: NodeID, _ actions: inout [Action]
    ) {
        prepare(kind, peer)
        let places = peers[peer]!.sets[kind]!.places(of: shorts.prefix(Self.pushesMax))
        guard !places.isEmpty else { return }
        count(.pushed, places.count)
        actions.append(.push(peer, kind, places.map { items[kind]!.ids[$0] }))
    }
}
