internal import Chance
internal import Identity
internal import Rules
internal import Wire

extension Round {
    mutating func receive(_ event: Simplex.Event, at now: Instant, _ out: inout [Simplex.Action]) {
        switch event {
        case .vote(let vote):
            guard let seat = committee.index(of: vote.voter) else { return }
            record(vote, seat: seat, at: now, &out)
        case .certificate(let certificate): store(certificate, at: now, &out)
        case .proposal(let proposal): take(proposal, at: now, &out)
        case .summary(let summary, let peer): answer(summary, from: peer, at: now, &out)
        case .proposalRequested(let epoch, let view, let peer):
            if epoch == self.epoch { answerRequest(of: view, from: peer, at: now, &out) }
        case .built(let epoch, let view, let header):
            if epoch == self.epoch { built(view, header, at: now, &out) }
        case .judged(let epoch, let digest, let judgement):
            guard epoch == self.epoch, headers[digest] != nil else { return }
            judgements[digest] = .answered(judgement)
            lookForDivergence(from: digest, &out)
        case .gathered: isGathered = true
        case .peers(let peers): self.peers = peers
        case .open, .woke: break
        }
    }

    /// Whether this message, said for the first time, changes anything here.
    func isOfUse(_ message: Message) -> Bool {
        switch message {
        case .vote(let vote):
            guard vote.ballot.epoch == epoch, keeps(vote.ballot.view),
                let seat = committee.index(of: vote.voter), finalityVotes?.lacks(vote) ?? true
            else { return false }
            // Of votes that contradict each other one of each seat goes on, for the others' alarm.
            guard let tally = slots[vote.ballot.view]?.tally else { return true }
            if tally.vote(vote.ballot.kind, seat: seat) == nil { return true }
            return !accused.contains(seat) && tally.contradiction(to: vote, seat: seat) != nil
        case .certificate(let certificate):
            let ballot = certificate.ballot
            guard ballot.epoch == epoch else { return false }
            let slot = slots[ballot.view]
            return switch ballot {
            case .finalize(_, _, let digest): finality.map { $0.ballot.digest != digest } ?? true
            case .notarize:
                !isFinal && isStorable(ballot) && slot?.notarization?.ballot != ballot
            case .nullify:
                !isFinal && isStorable(ballot) && slot?.nullification == nil
            }
        case .proposal(let proposal):
            let digest = proposal.header.digest
            let isOurs = isRemoved(.leadersVote) && proposal.header.epoch == epoch
            guard isOurs || isLeaders(proposal) else { return false }
            if isCertified(digest), headers[digest] == nil { return true }
            guard !isFinal, keeps(proposal.view) else { return false }
            guard let slot = slots[proposal.view] else { return true }
            return !slot.hasProposal && slot.notarization?.ballot.digest ?? digest == digest
        default: return false
        }
    }

    /// Whether it is of this epoch, and its vote the leader's for this header in this view. Whoever has another seat could else have
    /// everybody verify and pass on what it invents.
    private func isLeaders(_ proposal: Proposal) -> Bool {
        proposal.header.epoch == epoch && proposal.view > 0
            && proposal.vote.ballot == .notarize(epoch, proposal.view, proposal.header.digest)
            && proposal.vote.voter == instance.leader(of: proposal.view)
    }

    private func isCertified(_ digest: Digest) -> Bool {
        finality?.ballot.digest == digest
            || slots.values.contains { $0.notarization?.ballot.digest == digest }
    }

    /// Whether a certificate of this view has a place here: notarizations of any, nullifications of those that may
    /// come next.
    private func isStorable(_ ballot: Ballot) -> Bool {
        guard ballot.view >= floor, ballot.view <= Self.viewsLast else { return false }
        return ballot.kind != .nullify || ballot.view <= ceiling + Self.viewsAhead
    }

    /// Rule 5: counts a vote, own or received, and forms the certificate that it completes.
    mutating func record(_ vote: Vote, seat: Int, at now: Instant, _ out: inout [Simplex.Action]) {
        let ballot = vote.ballot
        guard ballot.epoch == epoch, keeps(ballot.view) else { return }
        lookForDouble(ballot, of: seat, &out)
        if let earlier = slots[ballot.view]?.tally.contradiction(to: vote, seat: seat),
            accused.insert(seat).inserted
        {
            out.append(.alarm(.contradiction(earlier, vote)))
        }
        let outcome = slots[ballot.view, default: Slot()].tally.insert(vote, seat: seat, in: committee)
        guard case .added(let weight) = outcome else { return }
        if heard.insert(seat).inserted { heardWeight += committee.seats[seat].weight }
        if finalityVotes?.insert(vote) == true { return }
        guard weight >= (isRemoved(.quorum) ? quorum / 2 : quorum), let tally = slots[ballot.view]?.tally
        else { return }
        let certificate = tally.certificate(of: ballot)
        if store(certificate, at: now, &out) { out.append(.broadcast(.certificate(certificate))) }
    }

    /// True if it is new here.
    @discardableResult
    mutating func store(_ certificate: Certificate, at now: Instant, _ out: inout [Simplex.Action]) -> Bool {
        let ballot = certificate.ballot
        guard ballot.epoch == epoch, isRemoved(.quorum) || certificate.hasQuorum(in: committee) else {
            return false
        }
        if isDoubled(in: certificate), let seat { lookForDouble(ballot, of: seat, &out) }
        for voter in certificate.voters where heard.insert(Int(voter)).inserted {
            heardWeight += committee.seats[Int(voter)].weight
        }
        if case .finalize(_, _, let digest) = ballot {
            if let finality {
                if finality.ballot.digest != digest { out.append(.alarm(.fork(finality, certificate))) }
                return false
            }
            var votes = FinalityVotes(certificate, of: committee)
            for (_, vote) in slots[ballot.view]?.tally.all(.finalize) ?? [] { votes.insert(vote) }
            finalityVotes = votes
            lookForDivergence(from: digest, &out)
            return true
        }
        guard !isFinal, isStorable(ballot) else { return false }
        let slot = slots[ballot.view] ?? Slot()
        switch ballot {
        case .notarize(_, let view, let digest):
            if let earlier = slot.notarization {
                if earlier.ballot != ballot { out.append(.alarm(.fork(earlier, certificate))) }
                return false
            }
            slots[view, default: Slot()].notarization = certificate
            highestNotarization = max(highestNotarization, view)
            if let proposed, proposed.view == view, proposed.at <= now { roundTrip = now - proposed.at }
            if view >= self.view { armFinalizeTimer(view, at: now) }
            lookForDivergence(from: digest, &out)
        default:
            if slot.nullification != nil { return false }
            slots[ballot.view, default: Slot()].nullification = certificate
        }
        return true
    }

    /// The leader's vote authenticates the header; attached certificates count by themselves.
    private mutating func take(_ proposal: Proposal, at now: Instant, _ out: inout [Simplex.Action]) {
        let view = proposal.view
        let digest = proposal.header.digest
        guard isLeaders(proposal), let seat = committee.index(of: proposal.vote.voter) else { return }
        for certificate in proposal.justification where certificate.ballot.view < view {
            store(certificate, at: now, &out)
        }
        if isCertified(digest) { headers[digest] = proposal.header }
        guard !isFinal, keeps(view) else { return }
        record(proposal.vote, seat: seat, at: now, &out)
        guard slots[view, default: Slot()].hasProposal == false else { return }
        if let notarized = slots[view]?.notarization?.ballot.digest, notarized != digest { return }
        headers[digest] = proposal.header
        slots[view]!.proposal = Proposal(
            view: view, parentView: proposal.parentView < view ? proposal.parentView : 0,
            header: proposal.header,
            justification: [], vote: proposal.vote)
    }

    /// A quorum certified what this node's own execution refuses: an operator must hear of it.
    private mutating func lookForDivergence(from digest: Digest, _ out: inout [Simplex.Action]) {
        guard judgements[digest] == .answered(.objectivelyInvalid), !hasDiverged else { return }
        guard isCertified(digest) else { return }
        hasDiverged = true
        out.append(.alarm(.divergence(epoch, digest)))
    }
}
