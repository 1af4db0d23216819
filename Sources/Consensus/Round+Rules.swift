internal import Chance
internal import Identity
internal import Rules
internal import Wire

extension Round {
    /// What makes a leader's choice the only safe one.
    enum Standing {
        case fresh
        case again
        /// Certificates are missing: they are pulled.
        case unjustified
        case malformed
    }

    /// Looks at every guard until none opens.
    mutating func settle(at now: Instant, _ out: inout [Simplex.Action]) {
        if view == 0, !isFinal, now >= beginsAt || committee.isMoreThanThird(heardWeight) {
            begin(at: now, &out)
        }
        while advance(at: now, &out) {}
        if let timer = summaryTimer, timer <= now, !isAnnounced { summarise(at: now, &out) }
    }

    private mutating func begin(at now: Instant, _ out: inout [Simplex.Action]) {
        out.append(.began(epoch))
        enter(1, at: now)
        // Certificates may have come before.
        for view in slots.keys.sorted() where slots[view]?.notarization != nil {
            armFinalizeTimer(view, at: now)
        }
    }

    /// One step by the first rule whose guard holds; false if none does.
    private mutating func advance(at now: Instant, _ out: inout [Simplex.Action]) -> Bool {
        if isFinal { return finalizeWhatIsFinal(at: now, &out) || announce(at: now, &out) }
        guard view > 0 else { return false }
        if finalizeSomewhere(at: now, &out) { return true }
        if let next = nextView(at: now) {
            enter(next, at: now)
            return true
        }
        guard seat != nil else { return false }
        return propose(at: now, &out) || notarize(at: now, &out) || nullify(at: now, &out)
    }

    private mutating func announce(at now: Instant, _ out: inout [Simplex.Action]) -> Bool {
        guard !isAnnounced, let finality, let digest = finality.ballot.digest else { return false }
        guard let header = headers[digest] else {
            if summaryTimer == nil { summaryTimer = now }
            return false
        }
        let final = FinalHeader(header: header, certificate: finality)
        isAnnounced = true
        lastFinal = final
        isUnsaved = true
        out.append(.finalised(final))
        return true
    }

    mutating func enter(_ next: View, at now: Instant) {
        precondition(next > view)
        view = next
        isUnsaved = true
        armTimers(at: now)
        if let timer = finalizeTimer, timer.view < next { finalizeTimer = nil }
        prune()
    }

    /// Rule 6, and one thing more: where a view is notarized, a quorum is in it, and so is this seat from then on. Else one whose times
    /// are longer than the others' would never come to where they are: each notarization puts its finalize timer off, and where
    /// it is needed for the quorum, nothing is final until they have slowed down to it.
    private func nextView(at now: Instant) -> View? {
        var next = max(view, highestNotarization)
        for (view, slot) in slots where slot.nullification != nil { next = max(next, view + 1) }
        if let timer = finalizeTimer, timer.at <= now { next = max(next, timer.view + 1) }
        next = min(next, ceiling)
        return next > view ? next : nil
    }

    // MARK: Signing

    /// Signs, remembers and sends. Ed25519 is deterministic: what is signed again is the same vote.
    mutating func cast(_ ballot: Ballot, at now: Instant, _ out: inout [Simplex.Action]) {
        guard let seat else { return }
        isUnsaved = true
        let vote = Vote(ballot, by: signer, network: settings.network)
        out.append(.broadcast(.vote(vote)))
        record(vote, seat: seat, at: now, &out)
    }

    /// Rule 3, in any view.
    private mutating func finalizeSomewhere(at now: Instant, _ out: inout [Simplex.Action]) -> Bool {
        guard seat != nil else { return false }
        for view in slots.keys.sorted() {
            guard let slot = slots[view], let digest = slot.notarization?.ballot.digest,
                isRemoved(.finalizeOwnNotarized) || slot.notarized == digest,
                slot.finalized == nil, isRemoved(.finalizeNotNullified) || !slot.isNullified
            else { continue }
            slots[view]!.finalized = digest
            cast(.finalize(epoch, view, digest), at: now, &out)
            return true
        }
        return false
    }

    /// Rule 3 for the header that is final, where its certificate overtook N[v], as it does wherever delays differ from message to
    /// message: without this vote the seat would not be paid.
    ///
    /// The design signs nothing after the certificate. This one signature is safe. The certificate stands for N[v] = d, without which
    /// none of its honest voters had signed. The same d is notarized here in v, nothing else ever is, and v is not nullified here: not before,
    /// nor, as the epoch is over, after. So it contradicts nothing, and decides nothing that was not decided. And like all
    /// votes it is in the `persist` of its step.
    private mutating func finalizeWhatIsFinal(at now: Instant, _ out: inout [Simplex.Action]) -> Bool {
        guard seat != nil, case .finalize(_, let view, let digest)? = finality?.ballot,
            let slot = slots[view], slot.notarized == digest, slot.finalized == nil, !slot.isNullified
        else { return false }
        slots[view]!.finalized = digest
        cast(.finalize(epoch, view, digest), at: now, &out)
        return true
    }

    // MARK: Rule 1

    private mutating func propose(at now: Instant, _ out: inout [Simplex.Action]) -> Bool {
        guard instance.leader(of: view) == signer.nodeID, slots[view]?.notarized == nil else { return false }
        let parent = highestNotarized(below: view)
        guard isRemoved(.proposeJustified) || areNullified(from: parent + 1) else { return false }
        if parent == 0 {
            guard isGathered, buildOrdered < view else { return false }
            buildOrdered = view
            out.append(.build(epoch, view))
            return true
        }
        guard let digest = slots[parent]?.notarization?.ballot.digest, let header = headers[digest] else {
            return false
        }
        switch judgements[digest] {
        case .asked(view), .answered(.objectivelyInvalid): return false
        case nil, .asked:
            order(header, isSubjective: false, &out)
            return true
        case .answered(.valid), .answered(.subjectivelyRejected):
            publish(header, at: now, &out)
            return true
        }
    }

    /// The host's fresh header, if the view still wants one.
    mutating func built(_ view: View, _ header: Header, at now: Instant, _ out: inout [Simplex.Action]) {
        guard seat != nil, !isFinal, view == self.view, buildOrdered == view, slots[view]?.notarized == nil,
            highestNotarized(below: view) == 0, isRemoved(.proposeJustified) || areNullified(from: 1),
            isGathered
        else { return }
        precondition(header.epoch == epoch && header.buildView == view && header.builder == signer.nodeID)
        headers[header.digest] = header
        judgements[header.digest] = .answered(.valid)
        publish(header, at: now, &out)
    }

    private mutating func publish(_ header: Header, at now: Instant, _ out: inout [Simplex.Action]) {
        let digest = header.digest
        let ballot = Ballot.notarize(epoch, view, digest)
        slots[view, default: Slot()].notarized = digest
        slots[view]!.proposal = Proposal(
            view: view, parentView: highestNotarized(below: view), header: header, justification: [],
            vote: Vote(ballot, by: signer, network: settings.network))
        if let proposal = proposal(of: view) { out.append(.broadcast(.proposal(proposal))) }
        proposed = (view, now)
        cast(ballot, at: now, &out)
    }

    func highestNotarized(below view: View) -> View {
        var highest: View = 0
        for (other, slot) in slots where other < view && slot.notarization != nil {
            highest = max(highest, other)
        }
        return highest
    }

    /// Whether X is held for every view from `first` up to the one before the current.
    private func areNullified(from first: View) -> Bool {
        guard first < view else { return true }
        return (first..<view).allSatisfy { slots[$0]?.nullification != nil }
    }

    /// A proposal with the certificates that justify it, as far as they are held and fit.
    func proposal(of view: View) -> Proposal? {
        guard let bare = slots[view]?.proposal else { return nil }
        let parent = bare.parentView < view ? bare.parentView : 0
        var certificates: [Certificate] = []
        if parent > 0, let notarization = slots[parent]?.notarization { certificates.append(notarization) }
        for other in (parent + 1..<max(view, parent + 1)).reversed() {
            guard certificates.count < Proposal.certificatesMax else { break }
            if let nullification = slots[other]?.nullification { certificates.append(nullification) }
        }
        return Proposal(
            view: view, parentView: bare.parentView, header: bare.header, justification: certificates,
            vote: bare.vote)
    }

    // MARK: Rule 2

    private mutating func notarize(at now: Instant, _ out: inout [Simplex.Action]) -> Bool {
        guard let slot = slots[view], let proposal = slot.proposal, let digest = slot.proposedDigest,
            slot.notarized == nil || isRemoved(.notarizeOnce) && slot.notarized != digest,
            instance.leader(of: view) != signer.nodeID
        else { return false }
        let standing = standing(of: proposal.header, digest)
        switch standing {
        case .malformed, .unjustified: return false
        case .fresh where !isGathered: return false
        case .fresh, .again: break
        }
        let isFresh = if case .fresh = standing { true } else { false }
        switch judgements[digest] {
        case .asked(view), .answered(.objectivelyInvalid): return false
        case nil, .asked:
            order(proposal.header, isSubjective: isFresh && view <= instance.subjectiveViews, &out)
            return true
        case .answered(.subjectivelyRejected) where isFresh && view <= instance.subjectiveViews: return false
        case .answered(.valid), .answered(.subjectivelyRejected):
            slots[view]!.notarized = digest
            cast(.notarize(epoch, view, digest), at: now, &out)
            return true
        }
    }

    private mutating func order(_ header: Header, isSubjective: Bool, _ out: inout [Simplex.Action]) {
        judgements[header.digest] = .asked(in: view)
        out.append(.evaluate(header, epoch, view, isSubjective: isSubjective))
    }

    /// The builder signed the view of building, so no relay can turn one case into another.
    func standing(of header: Header, _ digest: Digest) -> Standing {
        guard header.epoch == epoch, header.network == settings.network, header.committee == committeeDigest,
            header.buildView > 0, header.buildView <= view,
            header.builder == instance.leader(of: header.buildView)
        else { return .malformed }
        let unjustified: Standing = isRemoved(.notarizeJustified) ? .again : .unjustified
        if header.buildView == view { return areNullified(from: 1) ? .fresh : unjustified }
        var other = view - 1
        while other >= header.buildView {
            if slots[other]?.notarization?.ballot.digest == digest { return .again }
            guard slots[other]?.nullification != nil else { return unjustified }
            other -= 1
        }
        return unjustified
    }

    // MARK: Rule 4

    private mutating func nullify(at now: Instant, _ out: inout [Simplex.Action]) -> Bool {
        let slot = slots[view] ?? Slot()
        let proposalIsLate = proposalTimer.map { $0 <= now } ?? true
        let viewIsLate = viewTimer.map { $0 <= now } ?? true
        if proposalIsLate { proposalTimer = nil }
        if viewIsLate { viewTimer = nil }
        guard !slot.isNullified, slot.finalized == nil else { return false }
        let isSilent = proposalIsLate && slot.notarized == nil
        let isStuck = viewIsLate && slot.notarization == nil
        // Where a fault of the program makes one header after the other invalid, views would end as fast as messages go, and all
        // that there can be without a notarization would be over before anybody has mended it.
        let mayHurry =
            view - min(view, highestNotarization) <= Self.hastyViews || isRemoved(.hastyViews)
        guard isSilent || isStuck || mayHurry && isInvalid(slot) else { return false }
        slots[view, default: Slot()].isNullified = true
        cast(.nullify(epoch, view), at: now, &out)
        return true
    }

    private func isInvalid(_ slot: Slot) -> Bool {
        guard let proposal = slot.proposal, let digest = slot.proposedDigest else { return false }
        if judgements[digest] == .answered(.objectivelyInvalid) { return true }
        if case .malformed = standing(of: proposal.header, digest) { return true }
        return false
    }
}
