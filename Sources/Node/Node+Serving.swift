import Chance
import Consensus
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
