import Bytes
import Chance
import Consensus
import Dissemination
import Identity
import Ledger
import Reconciliation
import Wire

// Starting from a recent state, the second part: the state, the evidence of the last two blocks, and the commit of both
// (`Node+Snapshot`).
extension Node {
    // MARK: Fetching

    func fetchState(at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync, let target = sync.target else { return }
        actions.append(.notice(.snapshot(.fetching(target.epoch))))
        step(.forget, at: now, &actions)
        snapshots.sync!.progressAt = now
        snapshots.sync!.leavers = []
        snapshots.sync!.stage = .fetching([.root: target.stateRoot])
        if sync.guide != nil { chooseSources(at: now, &actions) }
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
        snapshots.sync!.givers.insert(peer)
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
    func take(_ difference: StateTrie.Difference, inPlaceOf place: StatePlace) {
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
        guard target.epoch < first, first <= last else { return }
        snapshots.sync!.leavers.insert(peer)
        guard snapshots.sync!.isLeft(byPeers: peers.count), now >= sync.mayRetargetAt else { return }
        // Others may serve it still; but they will not for long.
        snapshots.sync!.mayRetargetAt = now + .seconds(1)
        snapshots.sync!.sentOn = (peer, first)
        snapshots.sync!.claimed = last
        snapshots.sync!.nextRange = sync.light.openEpoch
        snapshots.sync!.stage = .following
        step(.forget, at: now, &actions)
        goOnFollowing(at: now, &actions)
    }

    func stateIsHere(at now: Instant, _ actions: inout [NodeAction]) {
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

    func adoptIfComplete(at now: Instant, _ actions: inout [NodeAction]) {
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
        noteAdopted(sync, at: now)
        snapshots.sync = nil
        snapshots.forgetGuides()
        snapshots.removeServed()
        actions.append(
            .persist(
                .adopted(
                    AdoptedState(
                        blocks: zip(blocks, list).map { ($0, $1.final.certificate) }, changes: changes,
                        isFresh: !isStale(at: now)))))
        actions.append(
            .notice(
                .snapshot(
                    .adopted(
                        last.final.header.epoch, parts: sync.parts, byteCount: sync.byteCount,
                        milliseconds: (now - sync.began).milliseconds))))
        let certificates = list.map(\.final.certificate) + blocks.compactMap(\.body.parentCertificate)
        if let doubled = certificates.first(where: { hasVoted(in: $0, adopted) }) {
            resign(over: "\(doubled.ballot)", &actions)
        }
        adopt(adopted, evidence: last.pool, at: now, &actions)
    }

    /// Whether the own key stands in a certificate of an epoch that this machine did not come to by blocks, and so did not vote in.
    private func hasVoted(in certificate: Certificate, _ adopted: Chain) -> Bool {
        guard isVoter, settings.resigns, certificate.ballot.epoch > chain.openEpoch,
            let seat = adopted.ledger.knownCommittee(for: certificate.ballot.epoch)?.index(of: id)
        else { return false }
        return certificate.voters.contains { Int($0) == seat }
    }

    /// The chain goes on from there.
    func adopt(
        _ adopted: Chain, evidence: EvidencePool, at now: Instant, _ actions: inout [NodeAction]
    ) {
        run(reconciliation: .cleared(.evidence(pool.epoch)), at: now, &actions)
        chain = adopted
        checkedFinality = nil
        recentFinals = chain.last.map { [$0] } ?? []
        previousPool = evidence
        pool = chain.emptyPool
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
    func save(all: Bool, _ actions: inout [NodeAction]) {
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
}
