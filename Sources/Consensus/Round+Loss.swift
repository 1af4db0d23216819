internal import Chance
internal import Identity
internal import Rules
internal import Wire

/// Repair of what the network loses: peers push what a summary lacks.
extension Round {
    /// Votes pushed in one answer: several go to a datagram.
    static let votesPushedMax = 256
    /// Certificates pushed in one answer; a large committee's has tens of kilobytes.
    static let certificatesPushedMax = 16
    /// Proposals pushed in one answer.
    static let proposalsPushedMax = 4

    /// Certificates sent again to one peer at one time: a large committee's has tens of kilobytes. Those that
    /// a peer lacks beyond these its own summary shows.
    static let certificatesResentMax = 8
    /// Summaries and requests of one peer are answered at most once in this share of Δ: honest peers send one
    /// in 0.8 Δ, and answers are many times larger than questions.
    static let answersPerDelta = 2

    mutating func summarise(at now: Instant, _ out: inout [Simplex.Action]) {
        let fifth = Duration.nanoseconds(delta.nanoseconds / 5)
        summaryTimer = now + chance.duration(in: delta - fifth...delta + fifth)
        let others = committee.seats.map(\.key).filter { $0 != signer.nodeID }
        // In a large committee few of six drawn from all would be peers.
        var peers = others.filter(self.peers.contains)
        if peers.isEmpty { peers = others }
        chance.shuffle(&peers)
        let summary = summary()
        let wanted = missingHeader()
        let votes = latestOwnVotes()
        let certificates = certificatesSentAgain()
        for (place, peer) in peers.prefix(isRemoved(.summaries) ? 0 : settings.summaryPeers).enumerated() {
            out.append(.send(peer, .summary(summary)))
            if place < 2, let wanted { out.append(.send(peer, .proposalRequest(epoch, wanted))) }
            for vote in votes { out.append(.send(peer, .vote(vote))) }
            for certificate in certificates { out.append(.send(peer, .certificate(certificate))) }
        }
    }

    /// Those of the current view, and of every kind the latest that was cast in any view.
    private func latestOwnVotes() -> [Vote] {
        guard let seat, !isFinal else { return [] }
        var votes: [Vote] = []
        for kind in Ballot.Kind.allCases {
            let latest = slots.compactMap { $0.value.tally.vote(kind, seat: seat) }.max {
                $0.ballot.view < $1.ballot.view
            }
            if let latest { votes.append(latest) }
        }
        return votes
    }

    /// What lets a peer enter this view and judge its proposal: N[u] and X[u+1 … v−1], the newest first.
    private func certificatesSentAgain() -> [Certificate] {
        guard view > 0, !isFinal else { return [] }
        let parent = highestNotarized(below: view)
        var certificates: [Certificate] = []
        if let notarization = slots[view]?.notarization { certificates.append(notarization) }
        if let notarization = slots[parent]?.notarization { certificates.append(notarization) }
        var other = view - 1
        while other > parent, certificates.count < Self.certificatesResentMax {
            if let nullification = slots[other]?.nullification { certificates.append(nullification) }
            other -= 1
        }
        return certificates
    }

    /// The view whose certified header is not here.
    private func missingHeader() -> View? {
        if let finality, let digest = finality.ballot.digest {
            return headers[digest] == nil ? finality.ballot.view : nil
        }
        guard let digest = slots[highestNotarization]?.notarization?.ballot.digest else { return nil }
        return headers[digest] == nil ? highestNotarization : nil
    }

    /// Views with a certificate missing come first, so that a long gap still closes.
    func summary() -> Summary {
        let lowest = max(highestNotarization == 0 ? 1 : min(highestNotarization, max(view, 1)), floor)
        let known = slots.keys.filter { $0 >= lowest && $0 != view }.sorted()
        let gaps = view > lowest ? (lowest..<view).filter { slots[$0]?.nullification == nil } : []
        var views: [View] = view > 0 ? [view] : []
        for other in gaps + known.reversed() where views.count < Summary.viewsMax && !views.contains(other) {
            views.append(other)
        }
        let states = views.sorted().map { view in
            let slot = slots[view] ?? Slot()
            return Summary.ViewState(
                view: view, notarizes: slot.tally.bitmap(.notarize), nullifies: slot.tally.bitmap(.nullify),
                finalizes: slot.tally.bitmap(.finalize), notarization: slot.notarization?.ballot.digest,
                isNullified: slot.nullification != nil, hasProposal: slot.hasProposal)
        }
        let last = isAnnounced ? epoch : max(epoch, 1) - 1
        return Summary(epoch: epoch, view: view, views: states, lastFinal: last)
    }

    mutating func answer(
        _ summary: Summary, from peer: NodeID, at now: Instant, _ out: inout [Simplex.Action]
    ) {
        guard summary.epoch == epoch, summary.lastFinal < epoch,
            summaryAnswers.allow(peer, at: now, every: answerInterval)
        else { return }
        if let finality {
            out.append(.send(peer, .certificate(finality)))
            let holders = slots.keys.sorted().filter { slots[$0]?.proposedDigest == finality.ballot.digest }
            if let view = holders.last, let proposal = proposal(of: view) {
                out.append(.send(peer, .proposal(proposal)))
            } else if let lastFinal, isAnnounced {
                out.append(.send(peer, .finality([lastFinal])))
            }
            return
        }
        if view == 0 { return ask(peer, ifAhead: summary, at: now, &out) }
        push(whatIsMissingIn: summary, to: peer, &out)
    }

    /// Not begun here, but there: what they hold may be reason to begin.
    private mutating func ask(
        _ peer: NodeID, ifAhead summary: Summary, at now: Instant, _ out: inout [Simplex.Action]
    ) {
        guard summary.view > 0, summaryTimer.map({ $0 <= now }) ?? true else { return }
        summaryTimer = now + delta
        out.append(.send(peer, .summary(self.summary())))
    }

    /// A peer's request for the proposal of a view.
    mutating func answerRequest(
        of view: View, from peer: NodeID, at now: Instant, _ out: inout [Simplex.Action]
    ) {
        guard let proposal = proposal(of: view),
            proposalAnswers.allow(peer, at: now, every: answerInterval)
        else { return }
        out.append(.send(peer, .proposal(proposal)))
    }

    private var answerInterval: Duration { .nanoseconds(delta.nanoseconds / Int64(Self.answersPerDelta)) }

    private func push(whatIsMissingIn summary: Summary, to peer: NodeID, _ out: inout [Simplex.Action]) {
        let theirNotarization = summary.views.last { $0.notarization != nil }?.view ?? 0
        var votes = 0
        var certificates = 0
        var proposals = 0
        for view in slots.keys.sorted() where view >= theirNotarization {
            let theirs = summary.views.first { $0.view == view }
            // Unlisted views below theirs are complete there.
            guard let slot = slots[view], theirs != nil || view >= summary.view else { continue }
            let missing = [
                theirs?.notarization == nil ? slot.notarization : nil,
                theirs?.isNullified != true ? slot.nullification : nil,
            ]
            for certificate in missing.compactMap({ $0 }) where certificates < Self.certificatesPushedMax {
                certificates += 1
                out.append(.send(peer, .certificate(certificate)))
            }
            if theirs?.hasProposal != true, proposals < Self.proposalsPushedMax,
                let proposal = proposal(of: view)
            {
                proposals += 1
                out.append(.send(peer, .proposal(proposal)))
            }
            for kind in Ballot.Kind.allCases {
                let isSettled: Bool =
                    switch kind {
                    case .notarize: slot.notarization != nil || theirs?.notarization != nil
                    case .nullify: slot.nullification != nil || theirs?.isNullified == true
                    case .finalize: false
                    }
                if isSettled { continue }
                for (seat, vote) in slot.tally.all(kind) where votes < Self.votesPushedMax {
                    if theirs?.holds(kind, seat: seat) == true { continue }
                    votes += 1
                    out.append(.send(peer, .vote(vote)))
                }
            }
        }
    }
}

/// When each peer was answered last, so that nobody makes this node send more than its share.
struct AnswerMeter: Sendable {
    /// Peers remembered: twice the seats, for observers ask too. Above it only who is remembered is answered,
    /// until the older are forgotten, which takes one interval.
    static let peersMax = 2 * Certificate.seatsMax

    private var answered: [NodeID: Instant] = [:]

    mutating func allow(_ peer: NodeID, at now: Instant, every interval: Duration) -> Bool {
        if let last = answered[peer], last <= now, now < last + interval { return false }
        if answered.count >= Self.peersMax, answered[peer] == nil {
            answered = answered.filter { $0.value <= now && now < $0.value + interval }
            if answered.count >= Self.peersMax { return false }
        }
        answered[peer] = now
        return true
    }
}

extension Summary.ViewState {
    func holds(_ kind: Ballot.Kind, seat: Int) -> Bool {
        let bitmap =
            switch kind {
            case .notarize: notarizes
            case .nullify: nullifies
            case .finalize: finalizes
            }
        return seat / 8 < bitmap.count && bitmap[seat / 8] >> UInt8(seat % 8) & 1 == 1
    }
}
