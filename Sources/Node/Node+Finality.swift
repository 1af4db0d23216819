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

// From one epoch to the next: by consensus here, or by headers that peers are ahead with.
extension Node {
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

    func commit(
        _ block: Block, _ certificate: Certificate, _ executed: Executed, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        let epoch = block.header.epoch
        let late = windowEnds < now ? now - windowEnds : .zero
        if simplex.isDoubled(in: certificate) { resign(over: "\(certificate.ballot)", &actions) }
        let (block, changes) = chain.apply(block, certificate: certificate, executed: executed)
        freshness.renew(at: now, wallTime: wallTime)
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
        for transaction in block.body.transactions { statuses.note(final: epoch, of: transaction.id) }
        transactions.prune(ledger: chain.ledger)
        dropDeparted(at: now, &actions)
        if let last = chain.last {
            recentFinals.append(last)
            if recentFinals.count > Self.recentFinalsMax { recentFinals.removeFirst() }
        }
        previousPool = pool
        run(reconciliation: .cleared(.evidence(pool.epoch)), at: now, &actions)
        pool = chain.emptyPool
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

    /// Its key signs elsewhere, or signed what its store has forgotten: whatever it signed next could contradict that.
    func resign(over ballot: String, _ actions: inout [NodeAction]) {
        guard settings.votesFrom != .max else { return }
        settings.votesFrom = .max
        isVoter = false
        simplex.resign()
        actions.append(.persist(.forgot))
        actions.append(
            .notice(
                .alarm(
                    "this node's key has signed \(ballot), and this store does not remember it: it was put back from an earlier "
                        + "copy, or another machine signs with the key. The node observes only from here on"))
        )
    }

    /// Runs as a device that the registry does not know: nobody accepts its bundles.
    private var isUnregistered: Bool {
        !settings.roles.isDisjoint(with: [.hotspot, .sensor]) && chain.ledger.device(id) == nil
    }

    /// What this node computes is not what the network agreed on: it must not go on, and must say so.
    func diverged(from header: Header, _ fault: BlockFault, _ actions: inout [NodeAction]) {
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
    /// - Parameter ago: Since when others have it open, where a node starts again in its midst. For the radio alone: its
    ///   reports are lost if they are late, and consensus loses nothing by taking its time anew.
    func open(at now: Instant, ago: Duration = .zero, _ actions: inout [NodeAction]) {
        let epoch = chain.openEpoch
        let window = Duration.milliseconds(Int64(genesis.parameters.epochMilliseconds))
        let committee = chain.committee
        collectFinalityVotes()
        noteOpenForEdges(epoch, at: now)
        leaders = Simplex.leaders(of: committee, randomness: chain.previousRandomness)
        windowEnds = now + window
        // Everybody has the whole window to hear of them.
        unstakersDue = transactions.unstakers(ledger: chain.ledger, epoch: epoch)
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
        // While it only observes it signs no bundle, so that it could declare no beacon.
        let mayDeclare = isRemoved(.copySignsNoBundle) || epoch >= settings.votesFrom
        let device = mayDeclare ? chain.ledger.device(id) : nil
        run(
            coverage: .opened(
                epoch: epoch, randomness: chain.randomness,
                device: device.flatMap { device in device.version(at: epoch).map { (device.kind, $0) } }),
            // Whatever a clock said, neither in the future nor longer ago than it lasts.
            at: now + (.zero - min(max(.zero, ago), window)), &actions)
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

    /// Votes for the last block are taken until the next is built. Those that came until now are at consensus, which is about to forget
    /// them, if it was what found the block final. They are in memory only: after a restart it is those of the stored
    /// certificate, and whose come yet.
    private func collectFinalityVotes() {
        finalityVotes = chain.last.map { FinalityVotes($0.certificate, of: chain.parentCommittee) }
        if let heard = simplex.finality { finalityVotes?.insert(heard) }
    }

    // MARK: Catching up

    /// How long a fetched range may stand still before it is asked for again.
    static let catchUpPatience: Duration = .seconds(1)

    /// A peer is ahead: asks it for headers, unless an answer is awaited or being worked off.
    func requestFinality(from peer: NodeID, knownFinal: Epoch, at now: Instant, _ actions: inout [NodeAction])
    {
        guard knownFinal <= KnownFinal.epochMax(in: genesis.parameters) else { return }
        let claim = KnownFinal(epoch: knownFinal, at: peer)
        if self.knownFinal?.isOutdone(by: claim, openEpoch: chain.openEpoch) ?? true {
            self.knownFinal = claim.following(self.knownFinal)
        }
        if startsFromSnapshot(from: peer, knownFinal: knownFinal, at: now, &actions) { return }
        guard now >= nextFinalityRequest else { return }
        nextFinalityRequest = now + (fetched.isEmpty ? Candidates.patience : Self.catchUpPatience)
        finalityAsked = claim
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
        // Peers tell what is final to whoever says that it is behind. That is taken where it disturbs nothing: it neither takes
        // the place of an answer nor keeps anybody from being asked.
        let isAnswer = finalityAsked?.at == peer
        guard checkedFinality != chain.openEpoch, isAnswer || fetched.isEmpty else { return count(.unasked) }
        fetched = wanted
        fetchedFrom = peer
        if isAnswer { nextFinalityRequest = now + Self.catchUpPatience }
        continueCatchUp(at: now, &actions)
    }

    /// A header holds: whoever was asked for it is asked on, whatever others claim.
    func noteGiven(by peer: NodeID) {
        guard endpoints[peer] != nil else { return }
        if knownFinal?.at == peer {
            knownFinal!.hasGiven = true
        } else if var asked = finalityAsked, asked.at == peer {
            asked.hasGiven = true
            knownFinal = asked
        }
    }

    /// What was fetched does not hold: somebody else is asked, and at once.
    func refuseFetched(at now: Instant) {
        fetched.removeAll()
        checkedFinality = nil
        nextFinalityRequest = min(nextFinalityRequest, now)
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
            refuseFetched(at: now)
            return count(.inconsistentContents)
        }
        if let checkpoint = settings.checkpoint, checkpoint.epoch == next.header.epoch,
            checkpoint.header != digest
        {
            refuseFetched(at: now)
            count(.inconsistentContents)
            // Peers say the same again with whatever they say of later epochs.
            guard refusedHeader != digest else { return }
            refusedHeader = digest
            return actions.append(
                .notice(
                    .alarm(
                        "a certificate for \(digest.hex) in epoch \(epoch), where the checkpoint is \(checkpoint.header.hex): "
                            + "keys of former validators are in wrong hands, or the checkpoint is another network's"
                    ))
            )
        }
        checkedFinality = chain.openEpoch
        verify(
            .finality(next, from: fetchedFrom ?? id),
            isRemoved(.finalitySignatures)
                ? [] : checks.map { .signature($0.key, preimage: $0.preimage, $0.signature) }, isOwed: true,
            at: now, &actions)
    }
}

/// An epoch that a peer calls final, ahead of this node.
///
/// Nobody signs such a claim, so that the highest may be a lie, and nobody answers for it:
/// - It gives way to a higher one, and to whoever was asked and gave a header that holds, whatever that one claimed.
/// - Whoever gave one is asked on until what it claimed is here.
/// - It is forgotten when its peer leaves, and where a state was to be fetched and nobody has the headers.
/// - An epoch that cannot have come yet is not heeded at all. That is not asked of this machine's clock: were it slow, the node
///   would stay behind.
struct KnownFinal {
    let epoch: Epoch
    let at: NodeID
    /// A header of its holds.
    var hasGiven = false

    /// How many epochs a century has.
    static func epochMax(in parameters: Parameters) -> Epoch {
        100 * 366 * 86_400_000 / Epoch(parameters.epochMilliseconds)
    }

    func isOutdone(by claim: KnownFinal, openEpoch: Epoch) -> Bool {
        claim.epoch >= epoch && (claim.at == at || !hasGiven || epoch < openEpoch)
    }

    /// Who has given stays who has when it claims more.
    func following(_ known: KnownFinal?) -> KnownFinal {
        KnownFinal(epoch: epoch, at: at, hasGiven: known?.at == at && known?.hasGiven == true)
    }
}
