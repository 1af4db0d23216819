import Bytes
import Chance
import Consensus
import Dissemination
import Identity
import Wire

// What others need of the chain: from memory where it is there, else from the store.
extension Node {
    func serveFinality(
        from epoch: Epoch, count: Int, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard epoch < chain.openEpoch, count > 0 else { return }
        if let first = recentFinals.first, first.header.epoch <= epoch {
            let headers = recentFinals.filter { $0.header.epoch >= epoch }.prefix(count)
            answer(.finality(Array(headers)), to: peer, at: now, &actions)
        } else {
            read(.finality(from: epoch, count: count), for: peer, &actions)
        }
    }

    func serveContents(_ digest: Digest, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        if let candidate = candidates[digest] {
            switch candidate.stage {
            case .executed(let block, _): return send(block, to: peer, at: now, &actions)
            case .needsBundles(let contents), .checking(let contents, _), .laidAside(let contents):
                return answer(.contents(contents), to: peer, at: now, &actions)
            case .needsContents, .invalid: return
            }
        }
        if let block = chain.recent.last(where: { $0.header.digest == digest }) {
            return send(block, to: peer, at: now, &actions)
        }
        read(.contents(digest), for: peer, &actions)
    }

    private func send(_ block: Block, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        answer(.contents(block.contents), to: peer, at: now, &actions)
    }

    func serveBundles(_ items: [Digest], to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        var unknown: [Digest] = []
        for item in items {
            var held = pool.bundles(for: item) + (previousPool?.bundles(for: item) ?? [])
            // Also where so many rank before this node that its pool has no room for its own.
            if held.isEmpty, let ownBundle, ownBundle.id == item { held = [ownBundle] }
            if held.isEmpty { unknown.append(item) }
            for bundle in held { answer(.bundle(bundle), to: peer, at: now, &actions) }
        }
        if !unknown.isEmpty { read(.bundles(unknown), for: peer, &actions) }
    }

    // MARK: What it costs

    /// Sends what a peer asked for, and notes what that took.
    func answer(_ message: Message, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard endpoints[peer] != nil else { return }
        let octets = message.encoded()
        answerDesk.charge(octets.count, to: peer, at: now)
        run(dissemination: .sendDirect(octets, to: peer), at: now, &actions)
    }

    /// Has the store read for a peer, unless enough is being read for it.
    func read(_ request: StoreRequest, for peer: NodeID, _ actions: inout [NodeAction]) {
        guard answerDesk.beginRead(for: peer) else { return count(.overAsked) }
        actions.append(.serve(request, to: peer))
    }
}
