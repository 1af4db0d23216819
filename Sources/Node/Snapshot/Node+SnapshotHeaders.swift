import Bytes
import Chance
import Consensus
import Dissemination
import Identity
import Ledger
import Wire

// Starting from a recent state, the first part: every header up to the newest, and whose word that is (`Node+Snapshot`).
extension Node {
    // MARK: Following

    func goOnFollowing(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, case .following = sync.stage else { return }
        var ranges: [Item] = []
        var next = sync.nextRange
        let limit = sync.light.openEpoch + Epoch(SnapshotSync.headersMax)
        while next <= sync.claimed, next + Epoch(Message.finalityMax) <= limit {
            ranges.append(.headers(next))
            next += Epoch(Message.finalityMax)
        }
        snapshots.sync!.nextRange = next
        if !ranges.isEmpty { step(.want(ranges), at: now, &actions) }
        verifyNextHeader(at: now, &actions)
    }

    /// Headers from a peer; false if they are not what was asked for here.
    func take(headers: [FinalHeader], from peer: NodeID, at now: Instant, _ actions: inout [NodeAction])
        -> Bool
    {
        guard let sync = snapshots.sync, let first = headers.first?.header.epoch else { return false }
        guard case .following = sync.stage, sync.fetch.awaits(.headers(first), from: peer) else {
            return false
        }
        guard headers.indices.allSatisfy({ headers[$0].header.epoch == first + Epoch($0) }) else {
            refute(peer, "headers out of order", at: now, &actions)
            return true
        }
        for final in headers where final.header.epoch >= sync.light.openEpoch {
            snapshots.sync!.headers[final.header.epoch] = (final, peer)
        }
        // What the range lacks is asked for by itself: there is more, or whoever claimed so is found out.
        let end = first + Epoch(headers.count)
        if headers.count < Message.finalityMax, end <= sync.claimed, end < sync.nextRange {
            step(.want([.headers(end)]), at: now, &actions)
        }
        arrived(.headers(first), from: peer, at: now, &actions)
        verifyNextHeader(at: now, &actions)
        return true
    }

    func verifyNextHeader(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, case .following = sync.stage, !sync.isVerifying,
            sync.committeeWanted == nil
        else { return }
        guard let (final, peer) = sync.headers[sync.light.openEpoch] else {
            if sync.light.openEpoch > sync.claimed { return followed(at: now, &actions) }
            if sync.fetch.isIdle {
                // Claimed after the last range was answered, or dropped with a liar's: nobody else asks for it.
                snapshots.sync!.nextRange = sync.light.openEpoch
                goOnFollowing(at: now, &actions)
            }
            return
        }
        let header = final.header
        let committee: Committee
        do throws(LightChain.Fault) {
            committee = try sync.light.examine(header)
        } catch {
            guard case .needs(let digest) = error else {
                return refute(peer, "header of epoch \(header.epoch): \(error)", at: now, &actions)
            }
            snapshots.sync!.committeeWanted = digest
            return step(.want([.committee(digest)]), at: now, &actions)
        }
        guard case .finalize(header.epoch, _, header.digest) = final.certificate.ballot,
            final.certificate.hasQuorum(in: committee),
            let votes = final.certificate.checks(in: committee, network: network)
        else { return refute(peer, "certificate of epoch \(header.epoch)", at: now, &actions) }
        var checks: [Check] = votes.map { .signature($0.key, preimage: $0.preimage, $0.signature) }
        checks.append(sync.light.randomnessCheck(of: header, in: committee))
        guard tickets.count < Self.ticketsMax else { return }
        snapshots.sync!.isVerifying = true
        verify(.snapshotHeader(final, committee, from: peer), checks, at: now, &actions)
    }

    /// Headers of a liar: none of them is kept, and what they stood for is asked of others.
    func refute(_ peer: NodeID, _ what: String, at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        // Nobody else is asked while it leads.
        if sync.guide == peer { return followAnew(without: peer, what, at: now, &actions) }
        lied(peer, what, at: now, &actions)
        var ranges: [Item] = []
        var end: Epoch = 0
        for epoch in sync.headers.keys.sorted() where sync.headers[epoch]!.from == peer {
            snapshots.sync!.headers[epoch] = nil
            guard epoch >= end else { continue }
            ranges.append(.headers(epoch))
            end = epoch + Epoch(Message.finalityMax)
        }
        step(.want(ranges), at: now, &actions)
    }

    func verified(
        snapshotHeader final: FinalHeader, _ committee: Committee, from peer: NodeID,
        _ verification: Verification, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let sync = snapshots.sync, sync.isVerifying else { return }
        snapshots.sync!.isVerifying = false
        guard verification.holdsEntirely, let output = verification.outputs.last ?? nil else {
            return refute(peer, "votes for epoch \(final.header.epoch)", at: now, &actions)
        }
        if sync.light.contradicts(final.header) {
            guard sync.guide == nil else {
                return followAnew(without: peer, "headers that contradict each other", at: now, &actions)
            }
            guard sync.vouched == nil, isStale(at: now) else {
                return contradiction(final, at: now, &actions)
            }
            return followOneByOne(since: final, at: now, &actions)
        }
        if let checkpoint = settings.checkpoint, checkpoint.epoch == final.header.epoch {
            guard checkpoint.header == final.header.digest else {
                return followAnew(
                    without: peer, "a chain without the checkpoint of epoch \(checkpoint.epoch)", at: now,
                    &actions)
            }
            snapshots.sync!.vouched = checkpoint.epoch
            chooseSources(at: now, &actions)
        }
        snapshots.sync!.lastGiver = peer
        noteAhead(final.header.epoch)
        snapshots.sync!.headers[final.header.epoch] = nil
        snapshots.sync!.light.advance(to: final.header, committee, output: output)
        snapshots.sync!.recent = sync.recent.suffix(1) + [final]
        snapshots.sync!.unsaved.append(final)
        snapshots.sync!.progressAt = now
        save(all: false, &actions)
        goOnFollowing(at: now, &actions)
    }

    /// Headers are verified up to an epoch: too far ahead for former keys to be told from present ones.
    func noteAhead(_ epoch: Epoch) {
        let known = max(chain.openEpoch - 1, snapshots.sync?.vouched ?? 0)
        if epoch > known + Epoch(genesis.parameters.unbondingEpochs) { freshness.outrun() }
    }

    /// Two histories are certified: nobody can tell which is the network's.
    func contradiction(_ final: FinalHeader, at now: Instant, _ actions: inout [NodeAction]) {
        let mine = snapshots.sync?.light.last
        halt()
        abandon(nil, at: now, &actions)
        actions.append(
            .notice(
                .alarm(
                    "two histories are certified: \(mine?.digest.hex ?? network.hex) of epoch \(mine?.epoch ?? 0) "
                        + "is not what \(final.header.digest.hex) of epoch \(final.header.epoch) follows; this node "
                        + "stops until its operator decides")))
    }

    /// As much is certified by keys that may be former ones, and nobody has vouched for either: neither is a history, and all
    /// that was followed is forgotten. From here on it is known whose chain it is.
    func followOneByOne(since final: FinalHeader, at now: Instant, _ actions: inout [NodeAction]) {
        let mine = snapshots.sync?.light.last
        actions.append(
            .notice(
                .snapshot(
                    .failed(
                        "\(final.header.digest.hex) of epoch \(final.header.epoch) does not follow "
                            + "\(mine?.digest.hex ?? network.hex) of epoch \(mine?.epoch ?? 0), and keys of former validators may "
                            + "have signed either; one peer after another is asked"))))
        snapshots.sync!.isOneByOne = true
        followAnew(without: nil, "", at: now, &actions)
    }

    // MARK: One peer at a time

    /// Whom to ask: everybody, or, while the checkpoint is not reached or nothing is vouched for after a contradiction, one.
    func chooseSources(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        let isAhead = settings.checkpoint.map { $0.epoch >= sync.light.openEpoch } ?? false
        guard case .following = sync.stage, sync.vouched == nil, isAhead || sync.isOneByOne else {
            snapshots.sync!.guide = nil
            return step(.sources(peers), at: now, &actions)
        }
        if let guide = sync.guide {
            if !peers.contains(guide) { followNextGuide(at: now, &actions) }
        } else if let guide = nextGuide(of: sync) {
            snapshots.sync!.guide = guide
            step(.sources([guide]), at: now, &actions)
        }
    }

    /// Those on the bootstrap list before others, and whoever was a bad guide before after all of them.
    private func nextGuide(of sync: SnapshotSync) -> NodeID? {
        let left = peers.filter {
            $0 != sync.guide && !sync.guidesBefore.contains($0) && !sync.fetch.isRefuted($0)
        }
        let good = left.filter { !snapshots.badGuides.contains($0) }
        return good.first { listed.contains($0) } ?? good.first
            ?? snapshots.badGuides.first { left.contains($0) }
    }

    /// The peer that was asked is gone or has no more: the next is followed from the beginning, as its chain may be another.
    func followNextGuide(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, let guide = sync.guide else { return }
        snapshots.sync!.guidesBefore.insert(guide)
        snapshots.note(badGuide: guide)
        followAnew(without: nil, "", at: now, &actions)
    }

    /// What was followed is not the network's chain, or may not be: all of it is forgotten, here and in the store.
    /// - Parameter liar: Whose it was: asked for nothing more.
    func followAnew(
        without liar: NodeID?, _ what: String, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let sync = snapshots.sync, let light = lightChain() else { return }
        step(.forget, at: now, &actions)
        // What workers still check of it is of no use.
        for (ticket, purpose) in tickets { if case .snapshotHeader = purpose { tickets[ticket] = nil } }
        if let liar {
            snapshots.sync!.strays += 1
            if sync.guide == liar { snapshots.note(badGuide: liar) }
            lied(liar, what, at: now, &actions)
        }
        actions.append(.persist(.unfollowed(from: chain.openEpoch)))
        snapshots.sync!.followAnew(light, recent: chain.last.map { [$0] } ?? [], at: now)
        guard sync.guide != nil else {
            chooseSources(at: now, &actions)
            return goOnFollowing(at: now, &actions)
        }
        guard let next = snapshots.sync.flatMap(nextGuide) else {
            return abandon(
                sync.isOneByOne
                    ? "no peer has a chain that the bootstrap list knows"
                    : "no peer has a chain with the checkpoint", at: now, &actions)
        }
        snapshots.sync!.guidesBefore.insert(next)
        snapshots.sync!.guide = next
        step(.sources([next]), at: now, &actions)
        goOnFollowing(at: now, &actions)
    }

    func take(committee: Committee, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        let digest = committee.digest
        guard let sync = snapshots.sync, sync.committeeWanted == digest,
            snapshots.sync!.light.learn(committee)
        else { return count(.unasked) }
        snapshots.sync!.committeeWanted = nil
        snapshots.sync!.newCommittees.append(committee)
        arrived(.committee(digest), from: peer, at: now, &actions)
        verifyNextHeader(at: now, &actions)
    }

    /// Every header up to the newest is verified.
    func followed(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, let target = sync.target else {
            return abandon(nil, at: now, &actions)
        }
        save(all: true, &actions)
        if let (peer, first) = sync.sentOn {
            snapshots.sync!.sentOn = nil
            // Else it could interrupt the fetching for ever, and look as if it were only ahead.
            if target.epoch < first { lied(peer, "states that nobody has", at: now, &actions) }
        }
        guard
            target.epoch >= chain.openEpoch + Snapshots.lag(in: genesis) / 2
                || isNeeded(until: target.epoch, at: now)
        else { return abandon(nil, at: now, &actions) }
        if let checkpoint = settings.checkpoint, sync.vouched == nil, checkpoint.epoch > target.epoch {
            return abandon(
                "the network has not reached the checkpoint's epoch \(checkpoint.epoch)", at: now, &actions)
        }
        let known = max(chain.openEpoch - 1, sync.vouched ?? 0)
        let isTooOld = target.epoch > known + Epoch(genesis.parameters.unbondingEpochs)
        guard isTooOld || sync.vouched == nil && isStale(at: now) else {
            return fetchState(at: now, &actions)
        }
        snapshots.sync!.isDoubted = true
        let who =
            listed.needed == 0
            ? "there is no bootstrap list whose nodes could be asked about epoch \(target.epoch)"
            : "waiting until \(listed.needed) nodes of the bootstrap list agree about epoch \(target.epoch)"
        actions.append(
            .notice(
                .snapshot(
                    .failed(
                        "the last block here is older than stakes are bound; \(who), or for a start with "
                            + "--checkpoint"))))
        let asked = ask(Vouching(target, at: now), at: now, &actions)
        snapshots.sync!.stage = .vouching(asked)
    }
}
