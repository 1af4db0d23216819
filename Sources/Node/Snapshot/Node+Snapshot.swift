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
///    While the operator's checkpoint lies ahead, one peer at a time is asked: whoever's headers do not lead there
///    lied, and all of them are forgotten. So it is after headers that contradict each other, where the last block here is too
///    old for either to be believed (`Freshness`).
/// 2. *Vouching*, only without a checkpoint and from a block older than stakes are bound: three nodes of the bootstrap
///    list, or all of a shorter one, must name the same newest header, as keys that sold their stake could sign another
///    history. If as many name another, what was followed is forgotten.
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
        let isFar =
            knownFinal >= chain.openEpoch + Snapshots.lag(in: genesis) || isNeeded(until: knownFinal, at: now)
        if let sync = snapshots.sync {
            if knownFinal > sync.claimed, case .following = sync.stage {
                snapshots.sync!.claimed = knownFinal
            }
            // Should it be a liar's claim that began it, nobody is kept from the next block.
            return isFar
        }
        guard isFar, now >= snapshots.notBefore, !isHalted, var light = lightChain() else { return false }
        var recent = chain.last.map { [$0] } ?? []
        // Headers that were followed before, unless a checkpoint lies ahead: nobody knows whether those lead there.
        if let known = snapshots.remembered, known.light.openEpoch > light.openEpoch,
            settings.checkpoint.map({ $0.epoch < light.openEpoch }) ?? true
        {
            light = known.light
            recent = known.recent
        }
        snapshots.sync = SnapshotSync(
            light: light, openEpoch: chain.openEpoch, claimed: knownFinal, recent: recent,
            state: snapshots.remembered?.state ?? chain.ledger.state, at: now)
        snapshots.remembered = nil
        actions.append(.notice(.snapshot(.began(from: chain.openEpoch, to: knownFinal))))
        chooseSources(at: now, &actions)
        goOnFollowing(at: now, &actions)
        return true
    }

    /// Whether the blocks up to there are not committed one by one, as the last one here is too old, and yet lead to the
    /// operator's checkpoint.
    func isNeeded(until knownFinal: Epoch, at now: Instant) -> Bool {
        guard let checkpoint = settings.checkpoint, isStale(at: now) else { return false }
        return (chain.openEpoch...max(chain.openEpoch, knownFinal)).contains(checkpoint.epoch)
    }

    /// From the last block here on.
    func lightChain() -> LightChain? {
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
        if case .vouching(let vouching) = sync.stage {
            // Without them it does not go on: whoever sold a stake could have signed what was followed.
            guard vouching.askAgainAt <= now else { return }
            let asked = ask(vouching, at: now, &actions)
            snapshots.sync!.stage = .vouching(asked)
            return
        }
        if sync.progressAt + Snapshots.patience <= now {
            return abandon("no peer gave more of it", at: now, &actions)
        }
        if sync.fetch.deadline <= now { step(.woke, at: now, &actions) }
        // One may wait for room at the workers.
        verifyNextHeader(at: now, &actions)
    }

    func notePeersOfSnapshot(at now: Instant, _ actions: inout [NodeAction]) {
        guard snapshots.sync != nil else { return }
        snapshots.sync!.givers.formIntersection(peers)
        snapshots.sync!.leavers.formIntersection(peers)
        chooseSources(at: now, &actions)
    }

    func abandon(_ why: String?, at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        if let guide = sync.guide { snapshots.note(badGuide: guide) }
        save(all: true, &actions)
        // What is here is not lost: the next attempt goes on from it.
        snapshots.remembered = (sync.state, sync.light, sync.recent)
        snapshots.sync = nil
        snapshots.notBefore = now + Snapshots.pause
        if let why { actions.append(.notice(.snapshot(.failed(why)))) }
    }

    // MARK: Asking

    func step(_ event: Fetch<Item>.Event, at now: Instant, _ actions: inout [NodeAction]) {
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

    func ask(_ peer: NodeID, _ items: [Item], at now: Instant, _ actions: inout [NodeAction]) {
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

    func unanswered(_ item: Item, at now: Instant, _ actions: inout [NodeAction]) {
        guard let sync = snapshots.sync else { return }
        if case .headers(let from) = item {
            guard case .following = sync.stage else { return }
            if sync.guide != nil {
                let goal = settings.checkpoint?.epoch ?? 0
                let isShort = sync.isOneByOne && from <= chain.openEpoch + Snapshots.lag(in: genesis) / 2
                if from <= goal || isShort { return followNextGuide(at: now, &actions) }
            }
            // There is no such epoch yet, whatever somebody claimed.
            if let known = knownFinal, known.epoch >= from { knownFinal = nil }
            snapshots.sync!.claimed = min(sync.claimed, max(from, 1) - 1)
            snapshots.sync!.nextRange = min(sync.nextRange, from)
            return goOnFollowing(at: now, &actions)
        }
        // Nobody else is asked while it leads.
        if case .committee = item, case .following = sync.stage, sync.guide != nil {
            return followNextGuide(at: now, &actions)
        }
        step(.want([item]), at: now, &actions)
    }

    /// A peer said what is not so.
    func lied(_ peer: NodeID, _ what: String, at now: Instant, _ actions: inout [NodeAction]) {
        guard snapshots.sync?.fetch.isRefuted(peer) == false else { return }
        count(.inconsistentContents)
        actions.append(.notice(.snapshot(.lied(peer, what))))
        step(.refuted(peer), at: now, &actions)
    }

    func arrived(_ item: Item, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        snapshots.sync?.progressAt = now
        step(.arrived(item, from: peer), at: now, &actions)
    }

    // MARK: Serving

    func answer(
        _ question: SnapshotQuestion, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        switch question {
        case .state(let epoch, let places):
            guard let known = snapshots.served.first(where: { $0.epoch == epoch }) else {
                guard let first = snapshots.served.first?.epoch, let last = snapshots.served.last?.epoch
                else { return }
                return self.answer(
                    .snapshotAnswer(.states(first: first, last: last)), to: peer, at: now, &actions)
            }
            for place in places {
                let part = known.state.part(below: place)
                self.answer(.snapshotAnswer(.part(epoch, place, part)), to: peer, at: now, &actions)
            }
        case .committee(let digest):
            let known = [chain.committee, chain.nextCommittee, chain.parentCommittee]
            if let committee = known.first(where: { $0.digest == digest }) {
                self.answer(.snapshotAnswer(.committee(committee)), to: peer, at: now, &actions)
            } else {
                read(.committee(digest), for: peer, &actions)
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
