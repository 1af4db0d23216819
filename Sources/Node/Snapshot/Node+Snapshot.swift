import Bytes
import Chance
import Consensus
import Dissemination
import Identity
import Ledger
import Wire

/// Starting from a recent state, for a node that is far behind (consensus, Catch-up).
///
/// 1. *Following*: every header from the last known one on, with its certificate, each verified by the committee that
///    the headers before it name. Whatever peers say else is a hint, no more.
/// 2. *Vouching*, only without a checkpoint and from a block older than stakes are bound: three nodes of the bootstrap
///    list must name the same newest header, as keys that sold their stake could sign another history.
/// 3. *Fetching*: the state after the last header, part by part from all peers at once, each part checked by its hash
///    when it comes. What is here already, be it of an older state, of genesis or of a fetch that a crash cut off, is
///    compared by hash and not fetched again. Who sends a wrong part is asked for nothing more. When peers have moved
///    on and serve that state no longer, the headers since are followed, and the newer state is fetched in the same way.
/// 4. *Gathering*: the evidence of the last two blocks, from which the next block is executed.
/// 5. The state becomes the chain's, in one commit.
///
/// Whoever cannot get on so for a minute executes block after block, as those do that are less far behind. While it
/// lasts the node goes on as it would without.
extension Node {
    typealias Item = SnapshotSync.Item

    // MARK: Beginning

    /// Whether a state is fetched instead of the blocks up to there; begins with it where that is worth it.
    func startsFromSnapshot(
        from peer: NodeID, knownFinal: Epoch, at now: Instant, _ actions: inout [NodeAction]
    )
        -> Bool
    {
        let isFar = knownFinal >= chain.openEpoch + Snapshots.lagMin
        if let sync = snapshots.sync {
            if knownFinal > sync.claimed, case .following = sync.stage {
                snapshots.sync!.claimed = knownFinal
            }
            // Should it be a liar's claim that began it, nobody is kept from the next block.
            return isFar
        }
        guard isFar, now >= snapshots.notBefore, !isHalted, var light = lightChain() else { return false }
        var recent = chain.last.map { [$0] } ?? []
        // Headers that were followed before, unless the checkpoint's is among them: that one has to be looked at.
        if let known = snapshots.remembered, known.light.openEpoch > light.openEpoch,
            settings.checkpoint.map({ $0.epoch >= known.light.openEpoch }) ?? true
        {
            light = known.light
            recent = known.recent
        }
        snapshots.sync = SnapshotSync(
            light: light, openEpoch: chain.openEpoch, claimed: knownFinal, recent: recent,
            state: snapshots.remembered?.state ?? chain.ledger.state, at: now)
        snapshots.remembered = nil
        actions.append(.notice(.snapshot(.began(from: chain.openEpoch, to: knownFinal))))
        step(.sources(peers), at: now, &actions)
        goOnFollowing(at: now, &actions)
        return true
    }

    /// From the last block here on.
    private func lightChain() -> LightChain? {
        guard let last = chain.last else { return LightChain(genesis: genesis, network: network) }
        let epoch = last.header.epoch
        let committees = genesis.parameters.committeeEpochs
        let nextPeriod = Ledger.period(of: epoch, committeeEpochs: committees) + 1
        let record = EdgeRecord(
            last: last.header, committee: chain.ledger.committee(for: epoch),
            next: chain.ledger.knownCommittee(for: nextPeriod * Epoch(committees) + 1), device: nil,
            deviceEpoch: 0)
        return try? LightChain(genesis: genesis, network: network, record: record)
    }

    /// What the last life had fetched. Rows are checked when they are compared, headers were when they came.
    static func remembered(_ boot: BootRecords, _ chain: Chain) -> (StateTrie, LightChain, [FinalHeader])? {
        var light = LightChain(genesis: chain.genesis, network: chain.network)
        var recent: [FinalHeader] = []
        if let record: EdgeRecord = try? BootFault.restore(boot.snapshotRecord, "the headers followed"),
            let followed = try? LightChain(genesis: chain.genesis, network: chain.network, record: record),
            boot.snapshotHeaders.last?.header == record.last
        {
            light = followed
            recent = boot.snapshotHeaders
        }
        guard !boot.snapshotRows.isEmpty || light.openEpoch > chain.openEpoch else { return nil }
        let writes = boot.snapshotRows.map { StateTrie.Write(key: $0.key, value: $0.value) }
        return (chain.ledger.state.updated(with: writes), light, recent)
    }

    /// After every event of the node.
    func continueSnapshot(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        if case .vouching(_, let askAgainAt) = sync.stage {
            // Without them it does not go on: whoever sold a stake could have signed what was followed.
            if askAgainAt <= now { askVouchers(at: now, &actions) }
            return
        }
        if sync.progressAt + Snapshots.patience <= now {
            return abandon("no peer gave more of it", at: now, &actions)
        }
        if sync.fetch.deadline <= now { step(.woke, at: now, &actions) }
    }

    func notePeersOfSnapshot(at now: Instant, _ actions: inout [NodeAction]) {
        if snapshots.sync != nil { step(.sources(peers), at: now, &actions) }
    }

    private func abandon(_ why: String?, at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        save(all: true, &actions)
        // What is here is not lost: the next attempt goes on from it.
        snapshots.remembered = (sync.state, sync.light, sync.recent)
        snapshots.sync = nil
        snapshots.notBefore = now + Snapshots.pause
        if let why { actions.append(.notice(.snapshot(.failed(why)))) }
    }

    // MARK: Asking

    private func step(_ event: Fetch<Item>.Event, at now: Instant, _ actions: inout [NodeAction]) {
        guard snapshots.sync != nil else { return }
        var outbox: [Fetch<Item>.Action] = []
        snapshots.sync!.fetch.handle(event, at: now, actions: &outbox)
        for action in outbox {
            switch action {
            case .ask(let peer, let items): ask(peer, items, at: now, &actions)
            case .unanswered(let item): unanswered(item, at: now, &actions)
            }
        }
    }

    private func ask(_ peer: NodeID, _ items: [Item], at now: Instant, _ actions: inout [NodeAction]) {
        var places: [StatePlace] = []
        var evidence: [Digest] = []
        var epoch: Epoch = 0
        for item in items {
            switch item {
            case .headers(let from):
                let count = UInt8(Message.finalityMax)
                sendDirect(.finalityRequest(from: from, count: count), to: peer, at: now, &actions)
            case .committee(let digest):
                sendDirect(.snapshotQuestion(.committee(digest)), to: peer, at: now, &actions)
            case .part(let after, let place):
                epoch = after
                places.append(place)
            case .contents(let digest): sendDirect(.contentsRequest(digest), to: peer, at: now, &actions)
            case .evidence(let item): evidence.append(item)
            }
        }
        if !places.isEmpty {
            sendDirect(.snapshotQuestion(.state(epoch, places)), to: peer, at: now, &actions)
        }
        if !evidence.isEmpty { sendDirect(.bundlesRequest(evidence), to: peer, at: now, &actions) }
    }

    private func unanswered(_ item: Item, at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        if case .headers(let from) = item {
            guard case .following = sync.stage else { return }
            // There is no such epoch yet, whatever somebody claimed.
            snapshots.sync!.claimed = min(sync.claimed, max(from, 1) - 1)
            snapshots.sync!.nextRange = min(sync.nextRange, from)
            return goOnFollowing(at: now, &actions)
        }
        step(.want([item]), at: now, &actions)
    }

    /// A peer said what is not so.
    private func lied(_ peer: NodeID, _ what: String, at now: Instant, _ actions: inout [NodeAction]) {
        guard snapshots.sync?.fetch.isRefuted(peer) == false else { return }
        count(.inconsistentContents)
        actions.append(.notice(.snapshot(.lied(peer, what))))
        step(.refuted(peer), at: now, &actions)
    }

    private func arrived(_ item: Item, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        snapshots.sync?.progressAt = now
        step(.arrived(item, from: peer), at: now, &actions)
    }

    // MARK: Following

    private func goOnFollowing(at now: Instant, _ actions: inout [NodeAction]) {
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
        if case .vouching = sync.stage { return vouch(headers[0], by: peer, at: now, &actions) }
        guard case .following = sync.stage, sync.fetch.awaits(.headers(first), from: peer) else {
            return false
        }
        guard headers.indices.allSatisfy({ headers[$0].header.epoch == first + Epoch($0) }) else {
            lied(peer, "headers out of order", at: now, &actions)
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

    private func verifyNextHeader(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, case .following = sync.stage, !sync.isVerifying,
            sync.committeeWanted == nil
        else { return }
        guard let (final, peer) = sync.headers[sync.light.openEpoch] else {
            if sync.light.openEpoch > sync.claimed { followed(at: now, &actions) }
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
    private func refute(_ peer: NodeID, _ what: String, at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        lied(peer, what, at: now, &actions)
        var ranges: [Item] = []
        for epoch in sync.headers.keys.sorted() where sync.headers[epoch]!.from == peer {
            snapshots.sync!.headers[epoch] = nil
            if sync.headers[epoch - 1]?.from != peer { ranges.append(.headers(epoch)) }
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
            return contradiction(final, at: now, &actions)
        }
        if let checkpoint = settings.checkpoint, checkpoint.epoch == final.header.epoch {
            guard checkpoint.header == final.header.digest else {
                return contradiction(final, at: now, &actions)
            }
            snapshots.sync!.isTrustedByCheckpoint = true
        }
        snapshots.sync!.headers[final.header.epoch] = nil
        snapshots.sync!.light.advance(to: final.header, committee, output: output)
        snapshots.sync!.recent = sync.recent.suffix(1) + [final]
        snapshots.sync!.unsaved.append(final)
        snapshots.sync!.progressAt = now
        save(all: false, &actions)
        goOnFollowing(at: now, &actions)
    }

    /// Two histories are certified: nobody can tell which is the network's.
    private func contradiction(_ final: FinalHeader, at now: Instant, _ actions: inout [NodeAction]) {
        let mine = snapshots.sync?.light.last
        halt()
        abandon(nil, at: now, &actions)
        actions.append(
            .notice(
                .alarm(
                    "two histories are certified: \(mine?.digest.hex ?? network.hex) of epoch \(mine?.epoch ?? 0) "
                        + "is not what \(final.header.digest.hex) of epoch \(final.header.epoch) follows, or that is "
                        + "not the checkpoint's; this node stops until its operator decides")))
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
    private func followed(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, let target = sync.target else {
            return abandon(nil, at: now, &actions)
        }
        save(all: true, &actions)
        guard target.epoch >= chain.openEpoch + Snapshots.lagMin / 2 else {
            return abandon(nil, at: now, &actions)
        }
        if let checkpoint = settings.checkpoint, !sync.isTrustedByCheckpoint, checkpoint.epoch > target.epoch
        {
            return abandon(
                "the network has not reached the checkpoint's epoch \(checkpoint.epoch)", at: now, &actions)
        }
        let isTooOld = target.epoch - (chain.openEpoch - 1) > Epoch(genesis.parameters.unbondingEpochs)
        guard isTooOld, !sync.isTrustedByCheckpoint else { return fetchState(at: now, &actions) }
        actions.append(
            .notice(
                .snapshot(
                    .failed(
                        "the last block here is older than stakes are bound; waiting until three nodes of the "
                            + "bootstrap list agree about epoch \(target.epoch), or for a start with --checkpoint"
                    ))))
        snapshots.sync!.stage = .vouching(by: [], askAgainAt: now)
        askVouchers(at: now, &actions)
    }

    // MARK: Vouching

    /// Of the bootstrap list.
    static let vouchersMin = 3

    private func askVouchers(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, case .vouching(let who, _) = sync.stage, let target = sync.target
        else {
            return
        }
        snapshots.sync!.stage = .vouching(by: who, askAgainAt: now + .seconds(1))
        for (node, _) in settings.bootstrap where !who.contains(node) {
            sendDirect(.finalityRequest(from: target.epoch, count: 1), to: node, at: now, &actions)
        }
    }

    private func vouch(
        _ final: FinalHeader, by peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) -> Bool {
        guard let sync = snapshots.sync, case .vouching(var who, let askAgainAt) = sync.stage,
            let target = sync.target, final.header.epoch == target.epoch
        else { return false }
        guard settings.bootstrap.contains(where: { $0.0 == peer }), final.header.digest == target.digest
        else {
            return true
        }
        who.insert(peer)
        guard who.count >= Self.vouchersMin else {
            snapshots.sync!.stage = .vouching(by: who, askAgainAt: askAgainAt)
            return true
        }
        actions.append(.notice(.snapshot(.trustsBootstrap(who.count))))
        fetchState(at: now, &actions)
        return true
    }

    // MARK: Fetching

    private func fetchState(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, let target = sync.target else { return }
        actions.append(.notice(.snapshot(.fetching(target.epoch))))
        step(.forget, at: now, &actions)
        snapshots.sync!.progressAt = now
        snapshots.sync!.stage = .fetching([.root: target.stateRoot])
        guard sync.state.root != target.stateRoot else { return stateIsHere(at: now, &actions) }
        step(.want([.part(target.epoch, .root)]), at: now, &actions)
    }

    func take(
        part: StatePart, below place: StatePlace, after epoch: Epoch, from peer: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        let item = Item.part(epoch, place)
        guard let sync = snapshots.sync, sync.target?.epoch == epoch,
            case .fetching(let hashes) = sync.stage, let hash = hashes[place]
        else { return count(.unasked) }
        guard StateTrie.hash(of: part, below: place) == hash else {
            guard sync.fetch.awaits(item, from: peer) else { return count(.unasked) }
            return lied(peer, "a part of the state after epoch \(epoch)", at: now, &actions)
        }
        let difference = sync.state.difference(from: part, below: place)
        take(difference, inPlaceOf: place)
        snapshots.sync!.parts += 1
        snapshots.sync!.byteCount += part.encoded().count
        if !difference.missing.isEmpty {
            step(.want(difference.missing.map { .part(epoch, $0.place) }), at: now, &actions)
        }
        arrived(item, from: peer, at: now, &actions)
        save(all: false, &actions)
        if case .fetching(let hashes)? = snapshots.sync?.stage, hashes.isEmpty {
            stateIsHere(at: now, &actions)
        }
    }

    /// The one place where the fetched state changes: without copies of it.
    private func take(_ difference: StateTrie.Difference, inPlaceOf place: StatePlace) {
        guard case .fetching(var hashes)? = snapshots.sync?.stage else { return }
        snapshots.sync!.stage = .following
        hashes[place] = nil
        for (place, hash) in difference.missing { hashes[place] = hash }
        snapshots.sync!.stage = .fetching(hashes)
        snapshots.sync!.state = snapshots.sync!.state.updated(by: difference)
        snapshots.sync!.unsavedRows += difference.changes
    }

    /// A peer does not serve the state asked for.
    func take(
        states first: Epoch, through last: Epoch, from peer: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard let sync = snapshots.sync, case .fetching = sync.stage, let target = sync.target,
            sync.fetch.asks(peer)
        else { return count(.unasked) }
        step(.refused(by: peer), at: now, &actions)
        guard target.epoch < first, first <= last, now >= sync.mayRetargetAt else { return }
        // Others may serve it still; but they will not for long.
        snapshots.sync!.mayRetargetAt = now + .seconds(1)
        snapshots.sync!.claimed = last
        snapshots.sync!.nextRange = sync.light.openEpoch
        snapshots.sync!.stage = .following
        step(.forget, at: now, &actions)
        goOnFollowing(at: now, &actions)
    }

    private func stateIsHere(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, let target = sync.target else { return }
        guard sync.state.root == target.stateRoot else {
            // Parts were checked one by one, so this cannot be; what is here is compared once more.
            return fetchState(at: now, &actions)
        }
        save(all: true, &actions)
        guard sync.recent.last?.header == target, sync.recent.count == min(2, Int(target.epoch)) else {
            return abandon("the last headers are not at hand", at: now, &actions)
        }
        snapshots.sync!.stage = .gathering(sync.recent.map(SnapshotSync.Gathering.init))
        step(.want(sync.recent.map { .contents($0.header.digest) }), at: now, &actions)
    }

    // MARK: Gathering

    /// What stands behind a header; false if it is not asked for here.
    func take(contents: Contents, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) -> Bool {
        guard let sync = snapshots.sync, case .gathering(var list) = sync.stage else { return false }
        let digest = contents.header.digest
        guard let place = list.firstIndex(where: { $0.digest == digest && $0.contents == nil }) else {
            return false
        }
        guard contents.matchesHeader else {
            lied(peer, "contents of epoch \(contents.header.epoch)", at: now, &actions)
            return true
        }
        list[place].contents = contents
        list[place].missing = Set(contents.items.map(\.item))
        snapshots.sync!.stage = .gathering(list)
        step(.want(contents.items.map { .evidence($0.item) }), at: now, &actions)
        arrived(.contents(digest), from: peer, at: now, &actions)
        adoptIfComplete(at: now, &actions)
        return true
    }

    /// A bundle of evidence that is final; false if it is not asked for here.
    func take(bundle: Bundle, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) -> Bool {
        guard snapshots.sync?.wants(bundle) == true else { return false }
        verify(
            .snapshotBundle(bundle, from: peer), [Self.check(of: bundle, network: network)], at: now, &actions
        )
        return true
    }

    func verified(
        snapshotBundle bundle: Bundle, from peer: NodeID, holds: Bool, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard let sync = snapshots.sync, sync.wants(bundle), case .gathering(var list) = sync.stage,
            let place = list.firstIndex(where: { $0.pool.epoch == bundle.epoch })
        else { return }
        guard holds else { return lied(peer, "a bundle of epoch \(bundle.epoch)", at: now, &actions) }
        snapshots.sync!.stage = .following
        if !list[place].pool.insert(bundle, at: now) { _ = list[place].pool.insertAsked(bundle) }
        let conflict = EvidenceEntry.conflictItem(author: bundle.author, epoch: bundle.epoch)
        var here: [Digest] = []
        for item in [bundle.id, conflict] where list[place].missing.contains(item) {
            guard list[place].pool.entry(for: EvidenceItem(author: bundle.author, item: item)) != nil else {
                continue
            }
            list[place].missing.remove(item)
            here.append(item)
        }
        snapshots.sync!.stage = .gathering(list)
        for item in here { arrived(.evidence(item), from: peer, at: now, &actions) }
        adoptIfComplete(at: now, &actions)
    }

    // MARK: Adopting

    private func adoptIfComplete(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, case .gathering(let list) = sync.stage else { return }
        let blocks = list.compactMap(\.block)
        guard blocks.count == list.count, let last = list.last else { return }
        guard last.final.header.epoch >= chain.openEpoch else { return abandon(nil, at: now, &actions) }
        let adopted: Chain
        do {
            adopted = try Chain(
                genesis: genesis, network: network, recent: blocks, certificate: last.final.certificate,
                state: sync.state, shared: sharedWork)
        } catch {
            return abandon("the state after epoch \(last.final.header.epoch): \(error)", at: now, &actions)
        }
        // A store holds nothing of genesis before block 1.
        let base = chain.last == nil ? StateTrie() : chain.ledger.state
        let changes = sync.state.changes(since: base)
        snapshots.sync = nil
        snapshots.removeServed()
        actions.append(
            .persist(
                .adopted(
                    AdoptedState(
                        blocks: zip(blocks, list).map { ($0, $1.final.certificate) }, changes: changes))))
        actions.append(
            .notice(
                .snapshot(
                    .adopted(
                        last.final.header.epoch, parts: sync.parts, byteCount: sync.byteCount,
                        milliseconds: (now - sync.began).milliseconds))))
        adopt(adopted, evidence: last.pool, at: now, &actions)
    }

    /// The chain goes on from there.
    private func adopt(
        _ adopted: Chain, evidence: EvidencePool, at now: Instant, _ actions: inout [NodeAction]
    ) {
        chain = adopted
        recentFinals = chain.last.map { [$0] } ?? []
        previousPool = evidence
        pool = EvidencePool(epoch: chain.openEpoch)
        candidates.removeAll()
        fetched.removeAll()
        transactions.prune(ledger: chain.ledger)
        noteState()
        if !hasFinalised {
            hasFinalised = true
            actions.append(.notice(.ready(chain.openEpoch - 1)))
        }
        open(at: now, &actions)
        continueCatchUp(at: now, &actions)
    }

    /// The state after the last block is served from here on.
    func noteState() {
        guard let last = chain.last else { return }
        snapshots.serve(chain.ledger.state, after: last.header.epoch)
    }

    /// Makes durable what a crash should not cost: many at a time, as each commit holds back what is asked after it.
    private func save(all: Bool, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        if !sync.unsavedRows.isEmpty, all || sync.unsavedRows.count >= Self.rowsOfCommit {
            snapshots.sync!.unsavedRows = []
            actions.append(.persist(.fetched(sync.unsavedRows)))
        }
        if !sync.unsaved.isEmpty, all || sync.unsaved.count >= Self.headersOfCommit {
            let record = EdgeRecord(
                last: sync.light.last, committee: sync.light.committee, next: sync.light.next, device: nil,
                deviceEpoch: 0)
            actions.append(
                .persist(
                    .followed(
                        FollowedHeaders(
                            finals: sync.unsaved, committees: sync.newCommittees,
                            record: Seal.close(record.encoded())))))
            snapshots.sync!.unsaved = []
            snapshots.sync!.newCommittees = []
        }
    }

    static let rowsOfCommit = 512
    static let headersOfCommit = 64

    // MARK: Serving

    func answer(
        _ question: SnapshotQuestion, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        switch question {
        case .state(let epoch, let places):
            guard let known = snapshots.served.first(where: { $0.epoch == epoch }) else {
                guard let first = snapshots.served.first?.epoch, let last = snapshots.served.last?.epoch
                else { return }
                return sendDirect(
                    .snapshotAnswer(.states(first: first, last: last)), to: peer, at: now, &actions)
            }
            for place in places {
                let part = known.state.part(below: place)
                sendDirect(.snapshotAnswer(.part(epoch, place, part)), to: peer, at: now, &actions)
            }
        case .committee(let digest):
            let known = [chain.committee, chain.nextCommittee, chain.parentCommittee]
            if let committee = known.first(where: { $0.digest == digest }) {
                sendDirect(.snapshotAnswer(.committee(committee)), to: peer, at: now, &actions)
            } else {
                actions.append(.serve(.committee(digest), to: peer))
            }
        }
    }

    func receive(
        _ answer: SnapshotAnswer, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        switch answer {
        case .part(let epoch, let place, let part):
            take(part: part, below: place, after: epoch, from: peer, at: now, &actions)
        case .states(let first, let last): take(states: first, through: last, from: peer, at: now, &actions)
        case .committee(let committee): take(committee: committee, from: peer, at: now, &actions)
        }
    }
}
