import Bytes
import Chance
import Consensus
import Coverage
import Dissemination
import Identity
import Ledger
import Membership
import Reconciliation
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
            parentCertificate: chain.last?.certificate)
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
        var candidate = Candidate(header: header, digest: header.digest)
        let block = Block(header: header, body: body, evidence: evidence)
        candidate.stage = .executed(block, executed)
        candidates[candidate.digest] = candidate
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
                ask(candidate.question, for: &candidate, at: now, &actions)
            }
            // Asking may have run other machines, but never this candidate.
            candidates[digest] = candidate
        case .needsBundles(let contents):
            var entries: [EvidenceEntry] = []
            var missing: [Digest] = []
            for item in contents.items {
                if let entry = pool.entry(for: item) {
                    entries.append(entry)
                } else {
                    missing.append(item.item)
                }
            }
            if missing.isEmpty {
                candidate.stage = .checking(contents, entries)
                candidates[digest] = candidate
                verify(.candidate(digest), checks(of: contents.body), at: now, &actions)
            } else {
                if candidate.retryAt <= now {
                    let some = Array(missing.prefix(Message.bundlesRequestMax))
                    ask(.bundlesRequest(some), for: &candidate, at: now, &actions)
                }
                candidates[digest] = candidate
            }
        case .checking: break
        case .executed(let block, let executed):
            if let certificate = candidate.certificate {
                commit(block, certificate, executed, at: now, &actions)
            } else if candidate.isAwaited {
                candidates[digest]?.isAwaited = false
                let judgement: Simplex.Judgement =
                    candidate.isSubjective && !isRemoved(.inclusion) && isUnfair(block)
                    ? .subjectivelyRejected : .valid
                remember(block, digest, &actions)
                run(
                    simplex: .judged(epoch: block.header.epoch, digest: digest, judgement), at: now, &actions)
            }
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

    /// Rule 2's subjective reasons: the block leaves out an author whose bundle was here in good time, or holds
    /// a location that this machine finds geometrically wrong.
    private func isUnfair(_ block: Block) -> Bool {
        let grace = Duration.milliseconds(Int64(genesis.parameters.epochMilliseconds)) / 8
        let latest = Instant(nanoseconds: windowEnds.nanoseconds - grace.nanoseconds)
        let included = block.evidence.map(\.author)
        let due = pool.authors(heldBy: latest)
        if included.count < Int(genesis.parameters.bundlesMax) {
            var place = 0
            for author in due {
                while place < included.count, included[place] < author { place += 1 }
                guard place < included.count, included[place] == author else { return true }
            }
        }
        return block.body.transactions.contains { implausibleLocation(in: $0) != nil }
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
        guard var candidate = candidates[digest], case .checking(let contents, let entries) = candidate.stage
        else { return }
        do throws(BlockFault) {
            let executed = try chain.check(
                contents.header, leaders: leaders, body: contents.body, evidence: entries)
            candidate.stage = .executed(
                Block(header: contents.header, body: contents.body, evidence: entries), executed)
        } catch {
            candidate.stage = .invalid(error)
        }
        candidates[digest] = candidate
        advance(digest, at: now, &actions)
    }

    func invalidate(_ digest: Digest, _ fault: BlockFault, at now: Instant, _ actions: inout [NodeAction]) {
        candidates[digest]?.stage = .invalid(fault)
        advance(digest, at: now, &actions)
    }

    // MARK: Fetching

    /// Sends a request to the next peer in turn.
    private func ask(
        _ message: Message, for candidate: inout Candidate, at now: Instant, _ actions: inout [NodeAction]
    ) {
        candidate.retryAt = now + Candidates.patience
        if let answerer = candidate.answerer, endpoints[answerer] != nil {
            // Whoever answered the last question has all of it. Asked once; then it is the others' turn.
            candidate.answerer = nil
            return sendDirect(message, to: answerer, at: now, &actions)
        }
        guard let peer = candidate.source(among: peers, committee: chain.committee) else { return }
        candidate.attempt += 1
        sendDirect(message, to: peer, at: now, &actions)
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

    /// Looks again at candidates that wait for bundles.
    func advanceCandidates(at now: Instant, _ actions: inout [NodeAction]) {
        for candidate in candidates.list {
            if case .needsBundles = candidate.stage { advance(candidate.digest, at: now, &actions) }
        }
    }

    // MARK: Finality

    /// A header of the open epoch is final, by consensus here or by a certificate that a peer sent.
    func finalised(_ final: FinalHeader, at now: Instant, _ actions: inout [NodeAction]) {
        guard !isHalted, final.header.epoch == chain.openEpoch else { return }
        let digest = final.header.digest
        var candidate = candidates[digest] ?? Candidate(header: final.header, digest: digest)
        guard candidate.certificate == nil else { return }
        candidate.certificate = final.certificate
        candidates[digest] = candidate
        advance(digest, at: now, &actions)
    }

    private func commit(
        _ block: Block, _ certificate: Certificate, _ executed: Executed, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        let epoch = block.header.epoch
        let late = windowEnds < now ? now - windowEnds : .zero
        let (block, changes) = chain.apply(block, certificate: certificate, executed: executed)
        noteState()
        actions.append(
            .persist(
                .final(
                    FinalBlock(
                        block: block, certificate: certificate, changes: changes,
                        verdicts: executed.verdicts, rewards: executed.outcome.rewards,
                        totals: executed.outcome.totals, minted: executed.outcome.minted,
                        burned: executed.outcome.burned,
                        millisecondsToFinal: UInt32(clamping: late.milliseconds)))))
        for transaction in block.body.transactions { note(.final(epoch), of: transaction.id) }
        transactions.prune(ledger: chain.ledger)
        dropDeparted(at: now, &actions)
        if let last = chain.last {
            recentFinals.append(last)
            if recentFinals.count > Self.recentFinalsMax { recentFinals.removeFirst() }
        }
        previousPool = pool
        run(reconciliation: .cleared(.evidence(pool.epoch)), at: now, &actions)
        pool = EvidencePool(epoch: chain.openEpoch)
        candidates.removeAll()
        let includesOwn = block.evidence.contains { $0.author == id }
        run(coverage: .final(epoch: epoch, includesOwnBundle: includesOwn), at: now, &actions)
        actions.append(
            .notice(.epochFinal(epoch, view: certificate.ballot.view, stateRoot: block.header.stateRoot)))
        if !hasFinalised {
            hasFinalised = true
            actions.append(.notice(.ready(epoch)))
        }
        open(at: now, &actions)
        continueCatchUp(at: now, &actions)
        if knownFinal == nil, !hasSaidUnregistered, isUnregistered {
            hasSaidUnregistered = true
            actions.append(.notice(.unregistered))
        }
    }

    /// Runs as a device that the registry does not know: nobody accepts its bundles.
    private var isUnregistered: Bool {
        !settings.roles.isDisjoint(with: [.hotspot, .sensor]) && chain.ledger.device(id) == nil
    }

    /// What this node computes is not what the network agreed on: it must not go on, and must say so.
    private func diverged(from header: Header, _ fault: BlockFault, _ actions: inout [NodeAction]) {
        if isRemoved(.divergenceHalts) { return }
        let computed: Digest =
            switch fault {
            case .stateRoot(let computed), .verdictsRoot(let computed): computed
            default: .zero
            }
        halt()
        actions.append(.notice(.diverged(header.epoch, expected: header.stateRoot, computed: computed)))
    }

    /// Opens the epoch after the last final one for every machine.
    func open(at now: Instant, _ actions: inout [NodeAction]) {
        let epoch = chain.openEpoch
        let committee = chain.committee
        noteOpenForEdges(epoch, at: now)
        leaders = Simplex.leaders(of: committee, randomness: chain.previousRandomness)
        windowEnds = now + .milliseconds(Int64(genesis.parameters.epochMilliseconds))
        gathering = Gathering(from: windowEnds)
        run(reconciliation: .opened(.evidence(epoch)), at: now, &actions)
        for bundle in pool.bundles {
            run(reconciliation: .inserted(.evidence(epoch), bundle.id), at: now, &actions)
        }
        let seats = Set(committee.seats.map(\.key))
        run(membership: .committee(seats), at: now, &actions)
        run(membership: .final(epoch - 1), at: now, &actions)
        noteRegion(at: now, &actions)
        run(dissemination: .needed(seats), at: now, &actions)
        let device = chain.ledger.device(id)
        run(
            coverage: .opened(
                epoch: epoch, randomness: chain.randomness,
                device: device.flatMap { device in device.version(at: epoch).map { (device.kind, $0) } }),
            at: now, &actions)
        if !isVoter, epoch >= settings.votesFrom {
            // From here on nothing that this key may have signed elsewhere can be contradicted.
            isVoter = true
            simplex = Simplex(
                settings: Self.simplexSettings(settings, network: network, isVoter: true), signer: key,
                chance: chance.split(), restored: nil)
        }
        let instance = Simplex.Instance(
            epoch: epoch, committee: committee, leaders: leaders,
            subjectiveViews: Simplex.subjectiveViews(of: committee, leaders: leaders))
        run(simplex: .open(instance, windowEnds: windowEnds), at: now, &actions)
    }

    // MARK: Catching up

    /// How long a fetched range may stand still before it is asked for again.
    static let catchUpPatience: Duration = .seconds(1)

    /// A peer is ahead: asks it for headers, unless an answer is awaited or being worked off.
    func requestFinality(from peer: NodeID, knownFinal: Epoch, at now: Instant, _ actions: inout [NodeAction])
    {
        if knownFinal >= self.knownFinal?.epoch ?? 0 { self.knownFinal = (knownFinal, peer) }
        if startsFromSnapshot(from: peer, knownFinal: knownFinal, at: now, &actions) { return }
        guard now >= nextFinalityRequest else { return }
        nextFinalityRequest = now + (fetched.isEmpty ? Candidates.patience : Self.catchUpPatience)
        if knownFinal > chain.openEpoch {
            actions.append(.notice(.catchingUp(from: chain.openEpoch, to: knownFinal)))
        }
        sendDirect(
            .finalityRequest(from: chain.openEpoch, count: UInt8(Message.finalityMax)), to: peer, at: now,
            &actions)
    }

    func receive(
        finality headers: [FinalHeader], from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        if take(headers: headers, from: peer, at: now, &actions) { return }
        let wanted = headers.filter { $0.header.epoch >= chain.openEpoch }
        guard !wanted.isEmpty, wanted.first?.header.epoch == chain.openEpoch else { return count(.unasked) }
        fetched = wanted
        nextFinalityRequest = now + Self.catchUpPatience
        continueCatchUp(at: now, &actions)
    }

    /// Takes the next fetched header, if it is of the open epoch, through its checks.
    func continueCatchUp(at now: Instant, _ actions: inout [NodeAction]) {
        fetched.removeAll { $0.header.epoch < chain.openEpoch }
        guard !fetched.isEmpty else {
            nextFinalityRequest = min(nextFinalityRequest, now)
            guard let known = knownFinal, known.epoch >= chain.openEpoch else { return knownFinal = nil }
            return requestFinality(from: known.at, knownFinal: known.epoch, at: now, &actions)
        }
        let next = fetched.removeFirst()
        guard next.header.epoch == chain.openEpoch, next.header.parent == chain.parent,
            case .finalize(let epoch, _, let digest) = next.certificate.ballot, epoch == next.header.epoch,
            digest == next.header.digest, next.certificate.hasQuorum(in: chain.committee),
            let checks = next.certificate.checks(in: chain.committee, network: network)
        else {
            fetched.removeAll()
            return count(.inconsistentContents)
        }
        verify(
            .finality(next),
            isRemoved(.finalitySignatures)
                ? [] : checks.map { .signature($0.key, preimage: $0.preimage, $0.signature) }, at: now,
            &actions)
    }

    // MARK: Serving

    func serveFinality(
        from epoch: Epoch, count: Int, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard epoch < chain.openEpoch, count > 0 else { return }
        if let first = recentFinals.first, first.header.epoch <= epoch {
            let headers = recentFinals.filter { $0.header.epoch >= epoch }.prefix(count)
            sendDirect(.finality(Array(headers)), to: peer, at: now, &actions)
        } else {
            actions.append(.serve(.finality(from: epoch, count: count), to: peer))
        }
    }

    func serveContents(_ digest: Digest, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        if let candidate = candidates[digest] {
            switch candidate.stage {
            case .executed(let block, _): return send(block, to: peer, at: now, &actions)
            case .needsBundles(let contents), .checking(let contents, _):
                return sendDirect(.contents(contents), to: peer, at: now, &actions)
            case .needsContents, .invalid: return
            }
        }
        if let block = chain.recent.last(where: { $0.header.digest == digest }) {
            return send(block, to: peer, at: now, &actions)
        }
        actions.append(.serve(.contents(digest), to: peer))
    }

    private func send(_ block: Block, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        sendDirect(.contents(block.contents), to: peer, at: now, &actions)
    }

    func serveBundles(_ items: [Digest], to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        var unknown: [Digest] = []
        for item in items {
            let held = pool.bundles(for: item) + (previousPool?.bundles(for: item) ?? [])
            if held.isEmpty { unknown.append(item) }
            for bundle in held { sendDirect(.bundle(bundle), to: peer, at: now, &actions) }
        }
        if !unknown.isEmpty { actions.append(.serve(.bundles(unknown), to: peer)) }
    }
}
