import Bytes
import Chance
import Identity
import Wire

/// Edge nodes for each other, when validators do not answer.
///
/// - Cut off is a node whose last three questions about the chain were answered by no validator, or that could hand its
///   bundle to none: then every other question goes to a neighbour, until a validator answers again.
/// - Upon a question of another: the last two headers that were verified here, with the votes that did it, and the
///   committees that are known here: what proves itself, to anybody, in a bounded measure. Nothing is passed on.
/// - Upon 85 % of the window, with no validator's word that it holds the bundle: to two neighbours, drawn by chance, and to
///   another for each that does not answer or refuses. What validators say goes on counting.
extension EdgeNode {
    static let silenceMax = 3
    static let handoversMin = 2
    static let handOverPercent = 85

    var isCutOff: Bool { silence >= Self.silenceMax }

    /// An uplink or a neighbour.
    func destination(of node: NodeID) -> Destination? {
        uplinks.destination(of: node) ?? neighbours.destination(of: node)
    }

    /// It did not answer, or said what is not so.
    func failed(_ node: NodeID, at now: Instant) {
        uplinks.failed(node, at: now)
        neighbours.failed(node, at: now)
    }

    /// It said what it was asked for.
    /// - Parameter isProof: What it says stands for itself, or is all there is to say; a header and what belongs to it is
    ///   believed when it is final (`believed`), so that who lies again is left alone for longer.
    func answered(_ node: NodeID, at place: Endpoint, isProof: Bool) {
        if uplinks.isKnown(node) { silence = 0 }
        uplinks.answered(node, at: place)
        if isProof { uplinks.believed(node) }
        neighbours.answered(node, at: place)
    }

    func believed(_ node: NodeID) { uplinks.believed(node) }

    /// Whom to ask about the chain in place of an uplink, if it is time for that.
    func neighbourToFollow(at now: Instant) -> Destination? {
        guard isCutOff else { return nil }
        isNeighboursTurn.toggle()
        return isNeighboursTurn ? neighbours.pickToFollow(at: now) : nil
    }

    // MARK: Who is near

    /// A validator has just said that it holds the bundle: it knows where this node is, and the session stands.
    func askWhoIsNear(_ validator: NodeID, _ actions: inout [NodeAction]) {
        guard neighbours.isDue, let destination = uplinks.destination(of: validator) else { return }
        neighbours.ask(validator)
        ask(.neighbours, destination, &actions)
    }

    // MARK: What others ask

    /// From whom this node asks nothing: its neighbours, and strangers.
    func serve(
        _ frame: Frame, from sender: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        switch frame {
        case .chunk(let chunk): receive(pieceOfKept: chunk, from: sender, at: now, &actions)
        case .message(let octets):
            switch try? Message(decoding: octets) {
            case .question(let question): answer(question, to: sender, at: now, &actions)
            case .handIn(let bundle): keep(bundle, from: sender, at: now, &actions)
            case nil: count(.malformed)
            default: count(.foreign)
            }
        default: count(.foreign)
        }
    }

    private func answer(
        _ question: Question, to asker: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        switch question {
        case .follow(let epoch):
            let last = chain.openEpoch - 1
            let age = isAligned ? UInt32(clamping: (now - openedAt).milliseconds) : .max
            guard let final = keeping.finals.first(where: { $0.header.epoch == epoch }) else {
                return tell(.open(lastFinal: last, age: age), to: asker, &actions)
            }
            let header = Answer.header(final.header, lastFinal: last, age: epoch == last ? age : .max)
            tell(header, .votes(final.pages[0]), to: asker, &actions)
        case .votes(let epoch, let page):
            guard let final = keeping.finals.first(where: { $0.header.epoch == epoch }),
                let page = final.pages.first(where: { $0.page == page })
            else { return }
            tell(.votes(page), to: asker, &actions)
        case .committee(let digest, let page):
            let known = [chain.committee, chain.next].compactMap { $0 }
            guard let committee = known.first(where: { $0.digest == digest }) else { return }
            tell(.committee(digest, page: page, committee.page(page)), to: asker, &actions)
        case .bundle(let id): tell(.bundle(id, standing(of: id, from: asker.node)), to: asker, &actions)
        case .inclusion, .device, .deviceProof, .cards, .neighbours: return count(.foreign)
        }
        count(.served)
    }

    private func standing(of id: Digest, from author: NodeID) -> BundleStanding {
        if keeping.bundles.contains(where: { $0.id == id }) { return .held }
        return keeping.pieces.held(author).map { .partial($0) } ?? .unknown
    }

    func tell(_ answers: Answer..., to asker: Destination, _ actions: inout [NodeAction]) {
        say(answers.map { .message(Message.answer($0).encoded()) }, to: asker, &actions)
    }

    /// What others may ask for: a header, and the votes by which it is final.
    func noteFinal(_ header: Header, _ pages: [VotesPage]) {
        if keeping.finals.count == Keeping.finalsMax { keeping.finals.removeFirst() }
        keeping.finals.append((header, pages))
    }

    // MARK: Handing over

    func handOver(at now: Instant, _ actions: inout [NodeAction]) {
        guard outbox!.handOverAt <= now else { return }
        outbox!.handOverAt = .never
        guard !outbox!.isConfirmed else { return }
        silence = max(silence, Self.silenceMax)
        for _ in 0..<Self.handoversMin { handToOneMore(at: now) }
    }

    func handToOneMore(at now: Instant) {
        let known = outbox!.handovers.map(\.node)
        guard let neighbour = neighbours.pick(excluding: known, at: now) else { return }
        outbox!.handovers.append(Outbox.Push(node: neighbour.node, nextAt: now))
    }

    func receive(
        _ standing: BundleStanding, ofHandover place: Int, at now: Instant, _ actions: inout [NodeAction]
    ) {
        outbox!.handovers[place].standing = standing
        switch standing {
        case .held: count(.handedOver)
        case .refused:
            count(.refused)
            handToOneMore(at: now)
        case .unknown, .partial:
            if outbox!.handovers[place].attempts == 2 { outbox!.handovers[place].nextAt = now }
        }
    }
}

extension Answer {
    /// A header, or what belongs to one: what it is worth shows when that is final.
    var isOfHeader: Bool {
        switch self {
        case .header, .votes, .committee, .inclusion: true
        case .open, .device, .deviceProof, .deviceProofPage, .bundle, .cards, .neighbours: false
        }
    }
}
