import Bytes
import Chance
import Identity
import Wire

/// Keeping neighbours' bundles, and handing them on.
///
/// - Upon a bundle: only from its author's own session, of the open epoch, and one of each author; refused while no
///   validator answers here either. Verified, made durable, then its author is told that it is held.
/// - Then it is given to one validator at a time, one bundle after another, until one holds it; two that refuse are
///   believed. Who does not answer twice, or asks for pieces without end, gives way to another.
/// - Upon the end of the epoch, however it ended: forgotten.
/// - Never to another neighbour: a bundle is handed on once, so that none goes round.
extension EdgeNode {
    static let keptMax = Keeping.bundlesMax
    /// Validators that are given one of them.
    private static let triesMax = 8
    private static let refusalsMax = 2

    // MARK: From its author

    func receive(
        pieceOfKept chunk: Chunk, from author: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard chunk.count <= EdgePieces.piecesMax else { return count(.foreign) }
        guard let whole = keeping.pieces.add(chunk, from: author.node) else { return }
        guard case .handIn(let bundle)? = try? Message(decoding: whole) else { return count(.malformed) }
        keep(bundle, from: author, at: now, &actions)
    }

    func keep(
        _ bundle: Bundle, from author: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        let id = bundle.id
        guard bundle.author == author.node, author.node != self.id else { return count(.foreign) }
        if keeping.bundles.contains(where: { $0.id == id }) {
            return tell(.bundle(id, .held), to: author, &actions)
        }
        // Its job is out, and the answer comes when that is done.
        guard !keeping.tickets.values.contains(author.node) else { return }
        guard bundle.epoch == chain.openEpoch else {
            count(.keptRefused)
            let standing: BundleStanding = bundle.epoch < chain.openEpoch ? .refused : .unknown
            return tell(.bundle(id, standing), to: author, &actions)
        }
        guard !isCutOff, tickets.count < Self.ticketsMax,
            keeping.hasRoom(for: author.node, isNeighbour: neighbours.isKnown)
        else {
            count(.keptRefused)
            return tell(.bundle(id, .refused), to: author, &actions)
        }
        keeping.tickets[nextTicket] = author.node
        verify(.kept(bundle, from: author), [Node.check(of: bundle, network: network)], &actions)
    }

    func kept(
        _ bundle: Bundle, from author: Destination, holds: Bool, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard holds else { return count(.badSignature) }
        guard bundle.epoch == chain.openEpoch else {
            return tell(.bundle(bundle.id, .refused), to: author, &actions)
        }
        count(.kept)
        keeping.bundles.append(Kept(bundle, at: now))
        actions.append(.persist(.bundle(bundle, isOwn: false)))
        tell(.bundle(bundle.id, .held), to: author, &actions)
    }

    /// What it kept when it stopped.
    func restore(_ bundles: [Bundle], at now: Instant) {
        for bundle in bundles
        where bundle.epoch == chain.openEpoch && bundle.author != id
            && Node.check(of: bundle, network: network).holds
            && keeping.hasRoom(for: bundle.author, isNeighbour: { _ in true })
        {
            keeping.bundles.append(Kept(bundle, at: now))
        }
        mayHaveKept = !bundles.isEmpty
    }

    /// The epoch is over.
    func forgetKept(_ actions: inout [NodeAction]) {
        if !keeping.bundles.isEmpty || mayHaveKept { actions.append(.persist(.droppedOpen)) }
        mayHaveKept = false
        keeping.bundles.removeAll()
        keeping.pieces.removeAll()
    }

    // MARK: To validators

    func runKeeping(at now: Instant, _ actions: inout [NodeAction]) {
        while let place = keeping.current, keeping.bundles[place].nextAt <= now {
            handOn(place, at: now, &actions)
        }
    }

    private func handOn(_ place: Int, at now: Instant, _ actions: inout [NodeAction]) {
        var kept = keeping.bundles[place]
        defer { keeping.bundles[place] = kept }
        if let last = kept.tried.last, kept.isSilent { uplinks.failed(last, at: now) }
        if kept.needsAnother {
            guard kept.tried.count < Self.triesMax,
                let next = uplinks.pick(excluding: kept.tried, at: now), !kept.tried.contains(next.node)
            else {
                kept.isDone = true
                return count(.keptLost)
            }
            kept.turn(to: next.node)
        }
        guard let destination = uplinks.destination(of: kept.tried.last!) else { return kept.attempts = .max }
        let frames = Self.frames(of: kept.bundle)
        let standing = kept.standing
        kept.attempts += 1
        kept.unanswered += 1
        kept.standing = nil
        kept.nextAt = now + patience / 2 + neighbours.jitter(.zero...(patience / 2))
        if case .partial(let pieces) = standing {
            say(
                frames.indices.filter { pieces >> UInt16($0) & 1 == 0 }.map { frames[$0] }, to: destination,
                &actions)
        } else if frames.count > 1, kept.attempts > 1, standing == nil {
            ask(.bundle(kept.id), destination, &actions)
        } else {
            say(frames, to: destination, &actions)
        }
    }

    func receive(
        _ standing: BundleStanding, ofKept place: Int, from sender: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard !keeping.bundles[place].isDone, keeping.bundles[place].tried.contains(sender) else {
            return count(.unasked)
        }
        switch standing {
        case .held:
            keeping.bundles[place].isDone = true
            return count(.keptHeld)
        case .refused, .unknown, .partial: break
        }
        guard keeping.bundles[place].tried.last == sender else { return count(.unasked) }
        keeping.bundles[place].standing = standing
        keeping.bundles[place].unanswered = 0
        if standing == .refused {
            keeping.bundles[place].refusals += 1
            keeping.bundles[place].nextAt = now
            guard keeping.bundles[place].refusals == Self.refusalsMax else { return }
            keeping.bundles[place].isDone = true
            count(.keptLost)
        } else if keeping.bundles[place].attempts == 2 {
            keeping.bundles[place].nextAt = now
        }
    }
}

extension Kept {
    fileprivate static let attemptsMax = 6

    fileprivate var isSilent: Bool { unanswered >= 2 }

    fileprivate var needsAnother: Bool {
        tried.isEmpty || isSilent || attempts >= Self.attemptsMax || standing == .refused
    }

    fileprivate mutating func turn(to validator: NodeID) {
        tried.append(validator)
        attempts = 0
        unanswered = 0
        standing = nil
    }
}
