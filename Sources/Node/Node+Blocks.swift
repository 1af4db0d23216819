import Bytes
import Chance
import Consensus
import Coverage
import Identity
import Ledger
import Rules
import Wire

extension Node {
    // MARK: Building

    /// Makes a fresh block of everything held now.
    func build(epoch: Epoch, view: View, at now: Instant, _ actions: inout [NodeAction]) {
        guard epoch == chain.openEpoch, isVoter else { return }
        let evidence = pool.entries(randomness: chain.randomness, parameters: genesis.parameters)
        let body = Body(
            transactions: transactions.select(
                max: Int(genesis.parameters.transactionsMax), randomness: chain.randomness,
                ledger: chain.ledger,
                epoch: epoch),
            // With all who voted: they are paid, and so is the builder for them.
            parentCertificate: finalityVotes?.certificate)
        let alpha = Randomness.alpha(network: network, epoch: epoch, randomness: chain.randomness)
        let proof = vrfKey.prove(alpha.octetBytes)
        let executed: Executed
        do throws(BlockFault) {
            executed = try chain.execute(
                builder: id, randomnessProof: proof, body: body, evidence: evidence)
        } catch {
            actions.append(.notice(.alarm("this node cannot execute a block of its own making: \(error)")))
            return
        }
        let header = Header(
            network: network, epoch: epoch, parent: chain.parent, builder: id, buildView: view,
            randomnessProof: proof, randomness: chain.randomness,
            evidence: EvidenceSummary(items: evidence.map(\.item)), transactionsRoot: body.root,
            verdictsRoot: executed.verdictsRoot, stateRoot: executed.outcome.stateRoot,
            committee: chain.committee.digest, nextCommittee: chain.nextCommittee.digest,
            parameters: genesis.parameters.digest, wallTime: wallTime)
        let candidate = Candidate(header: header, digest: header.digest)
        let block = Block(header: header, body: body, evidence: evidence)
        candidates[candidate.digest] = candidate
        candidates.note(executed, of: block, candidate.digest)
        remember(block, candidate.digest, &actions)
        sharedWork?.store(executed, of: header, candidate.digest)
        run(simplex: .built(epoch: epoch, view: view, header), at: now, &actions)
    }

    // MARK: Judging

    /// Consensus asks whether a header is a block this node would stand for.
    func evaluate(_ header: Header, isSubjective: Bool, at now: Instant, _ actions: inout [NodeAction]) {
        var candidate = candidates[header.digest] ?? Candidate(header: header, digest: header.digest)
        candidate.isAwaited = true
        candidate.isSubjective = isSubjective
        do throws(BlockFault) {
            if case .needsContents = candidate.stage { try chain.checkPlace(of: header, leaders: leaders) }
        } catch {
            candidate.stage = .invalid(error)
        }
        candidates[candidate.digest] = candidate
        advance(candidate.digest, at: now, &actions)
    }

    /// Does whatever can be done next for one candidate.
    func advance(_ digest: Digest, at now: Instant, _ actions: inout [NodeAction]) {
        guard var candidate = candidates[digest] else { return }
        switch candidate.stage {
        case .needsContents:
            if candidate.list == nil { candidate.list = expectedList(of: candidate) }
            if candidate.retryAt <= now {
                if candidate.attempt > 0, candidate.answerer == nil { noteVain(&candidate) }
                noteQuestion(&candidate)
                let isAskedAgain = candidate.attempt > 0 && candidate.list?.isShort ?? false
                ask(candidate.question, of: isAskedAgain ? 2 : 1, for: &candidate, at: now, &actions)
            }
            // Asking may have run other machines, but never this candidate.
            candidates[digest] = candidate
        case .needsBundles(let contents):
            var absent =
                candidate.absent ?? AbsentItems(contents.items.filter { pool.entry(for: $0) == nil })
            var missing = absent.first(Message.bundlesRequestMax)
            if candidate.retryAt <= now {
                // Something may have come by another way than those that are noted.
                for item in missing where pool.entry(for: item) != nil { _ = absent.remove(item.item) }
                missing = absent.first(Message.bundlesRequestMax)
            }
            if absent.isEmpty {
                candidate.absent = nil
                let entries = contents.items.compactMap { pool.entry(for: $0) }
                guard entries.count == contents.items.count else {
                    // What was here gave way to something of a block that is final: looked for again, in a while.
                    candidate.retryAt = now + Candidates.patience
                    return candidates[digest] = candidate
                }
                candidate.stage = .checking(contents, entries)
                candidates[digest] = candidate
                verify(.candidate(digest), checks(of: contents.body), isOwed: true, at: now, &actions)
            } else {
                candidate.absent = absent
                if candidate.retryAt <= now {
                    ask(.bundlesRequest(missing.map(\.item)), for: &candidate, at: now, &actions)
                }
                candidates[digest] = candidate
            }
        case .checking: break
        case .executed(let block, let executed):
            if let certificate = candidate.certificate {
                // Kept until it is known that the keys which signed it are not former ones.
                guard !isStale(at: now) else { return }
                commit(block, certificate, executed, at: now, &actions)
            } else if candidate.isAwaited {
                candidates[digest]?.isAwaited = false
                let judgement: Simplex.Judgement =
                    candidate.isSubjective && isUnfair(block) ? .subjectivelyRejected : .valid
                remember(block, digest, &actions)
                run(
                    simplex: .judged(epoch: block.header.epoch, digest: digest, judgement), at: now, &actions)
            }
        case .laidAside(let contents):
            guard candidate.isAwaited || candidate.certificate != nil else { return }
            candidate.stage = .needsBundles(contents)
            candidate.retryAt = now
            candidates[digest] = candidate
            advance(digest, at: now, &actions)
        case .invalid(let fault):
            if candidate.certificate != nil {
                diverged(from: candidate.header, fault, &actions)
            } else if candidate.isAwaited {
                candidates[digest]?.isAwaited = false
                run(
                    simplex: .judged(
                        epoch: candidate.header.epoch, digest: digest,
                        isRemoved(.notarizeExecuted) ? .valid : .objectivelyInvalid), at: now, &actions)
            }
        }
    }

    /// Makes durable what stands behind a header, before any vote for it: whoever notarized can serve it, also after
    /// a restart.
    private func remember(_ block: Block, _ digest: Digest, _ actions: inout [NodeAction]) {
        guard isVoter, candidates[digest]?.isStored == false, !isRemoved(.contentsDurable) else { return }
        candidates[digest]?.isStored = true
        let dropped = candidates.store(digest)
        actions.append(.persist(.candidate(block.contents, dropping: dropped)))
    }

    /// Rule 2's subjective reasons: the block leaves out an author whose bundle was here in good time or an unstaking that
    /// was here before the window, or holds a location that this machine finds geometrically wrong.
    private func isUnfair(_ block: Block) -> Bool {
        if !isRemoved(.inclusion),
            leavesOutAuthors(block)
                || block.body.transactions.contains(where: {
                    implausibleLocation(in: $0, ofBlock: true) != nil
                })
        {
            return true
        }
        return !isRemoved(.unstakingInclusion)
            && chain.ledger.owes(
                unstakersDue, besides: block.body.transactions, randomness: chain.randomness)
    }

    /// A block that is full leaves out those that rank last. Its leader may know of authors that are not known here, and their
    /// entries may be the largest.
    private func leavesOutAuthors(_ block: Block) -> Bool {
        let grace = Duration.milliseconds(Int64(genesis.parameters.epochMilliseconds)) / 8
        let latest = Instant(nanoseconds: windowEnds.nanoseconds - grace.nanoseconds)
        let included = block.evidence.map(\.author)
        var place = 0
        let missing = pool.authors(heldBy: latest).filter { author in
            while place < included.count, included[place] < author { place += 1 }
            return place == included.count || included[place] != author
        }
        guard !missing.isEmpty else { return false }
        if !block.evidence.isFull(genesis.parameters) { return true }
        func rank(_ author: NodeID) -> Digest {
            Randomness.rank(of: author, randomness: chain.randomness)
        }
        guard let last = included.map(rank).max() else { return false }
        return missing.contains { rank($0) < last }
    }

    /// What workers check of a body before it is executed.
    private func checks(of body: Body) -> [Check] {
        var checks = body.transactions.flatMap { Self.checks(of: $0, network: network) }
        if let certificate = body.parentCertificate, chain.last != nil {
            // A certificate whose voters have no seats is refused when the body is checked.
            for check in certificate.checks(in: chain.parentCommittee, network: network) ?? [] {
                checks.append(.signature(check.key, preimage: check.preimage, check.signature))
            }
        }
        return checks
    }

    func executeCandidate(_ digest: Digest, at now: Instant, _ actions: inout [NodeAction]) {
        guard case .checking(let contents, let entries) = candidates[digest]?.stage else { return }
        do throws(BlockFault) {
            let executed = try chain.check(
                contents.header, leaders: leaders, body: contents.body, evidence: entries)
            let block = Block(header: contents.header, body: contents.body, evidence: entries)
            candidates.note(executed, of: block, digest)
        } catch {
            candidates[digest]?.stage = .invalid(error)
        }
        advance(digest, at: now, &actions)
    }

    func invalidate(_ digest: Digest, _ fault: BlockFault, at now: Instant, _ actions: inout [NodeAction]) {
        candidates[digest]?.stage = .invalid(fault)
        advance(digest, at: now, &actions)
    }

    // MARK: Fetching

    /// Sends a request to the next peers in turn.
    /// - Parameter count: Where answers are short, two at a time from the second on: some do not hear this node, and some do not want to
    ///   answer, and whoever is asked in vain thrice in a row is late for the next epoch too.
    private func ask(
        _ message: Message, of count: Int = 1, for candidate: inout Candidate, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        candidate.retryAt = now + Candidates.patience
        if let answerer = candidate.answerer, endpoints[answerer] != nil {
            // Whoever answered the last question has all of it. Asked once; then it is the others' turn.
            candidate.answerer = nil
            candidate.asked.insert(answerer)
            return sendDirect(message, to: answerer, at: now, &actions)
        }
        for _ in 0..<min(count, peers.count) {
            guard let peer = candidate.source(among: peers, committee: chain.committee) else { return }
            candidate.attempt += 1
            candidate.asked.insert(peer)
            sendDirect(message, to: peer, at: now, &actions)
        }
    }

    func receive(
        _ contents: Contents, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        if take(contents: contents, from: peer, at: now, &actions) { return }
        let digest = contents.header.digest
        guard var candidate = candidates[digest], case .needsContents = candidate.stage else {
            return count(.unasked)
        }
        guard contents.matchesHeader else { return count(.inconsistentContents) }
        candidate.stage = .needsBundles(contents)
        candidate.retryAt = now
        candidates[digest] = candidate
        advance(digest, at: now, &actions)
    }

    func retryCandidates(at now: Instant, _ actions: inout [NodeAction]) {
        for candidate in candidates.list where candidate.isWaiting && candidate.retryAt <= now {
            advance(candidate.digest, at: now, &actions)
        }
    }

    /// Looks again at candidates that waited for this bundle last.
    func advanceCandidates(with bundle: Bundle, at now: Instant, _ actions: inout [NodeAction]) {
        guard !candidates.list.isEmpty else { return }
        for digest in candidates.note(pool.items(of: bundle)) { advance(digest, at: now, &actions) }
    }
}
