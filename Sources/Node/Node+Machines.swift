import Bytes
import Chance
import Consensus
import Coverage
import Dissemination
import Identity
import Membership
import Reconciliation
import Rules
import Wire

// Hands events to the machines, and carries out what they answer.
extension Node {
    func run(membership event: Membership.Event, at now: Instant, _ actions: inout [NodeAction]) {
        var outbox: [Membership.Action] = []
        membership.handle(event, at: now, actions: &outbox)
        due.membership = membership.deadline
        for action in outbox {
            switch action {
            case .send(let node, let endpoint, let frame):
                let destination = Destination(
                    node, endpoint, opens: frame.opensSession,
                    mayRelay: frame.isDial && chain.committee.index(of: node) != nil)
                send([frame], to: destination, &actions)
            case .connected(let peer, let endpoint):
                endpoints[peer] = endpoint
                peers = endpoints.keys.sorted()
                actions.append(.hold(peer))
                run(dissemination: .connected(peer), at: now, &actions)
                run(simplex: .peers(Set(peers)), at: now, &actions)
                beginReconciling(with: peer, at: now, &actions)
                notePeersOfSnapshot(at: now, &actions)
                actions.append(.notice(.peerConnected(peer, endpoint)))
                shunIfIgnored(peer, at: now, &actions)
            case .disconnected(let peer):
                endpoints[peer] = nil
                answerDesk.left(peer, at: now)
                // Nobody but it could make its word good.
                if knownFinal?.at == peer { knownFinal = nil }
                peers = endpoints.keys.sorted()
                actions.append(.release(peer))
                run(dissemination: .disconnected(peer), at: now, &actions)
                run(simplex: .peers(Set(peers)), at: now, &actions)
                endReconciling(with: peer, at: now, &actions)
                notePeersOfSnapshot(at: now, &actions)
                actions.append(.notice(.peerDisconnected(peer)))
            case .persist(let records): actions.append(.persist(.peers(records)))
            case .located(let endpoint): relocate(to: endpoint, at: now, &actions)
            case .renew: renewCard(endpoints: card.endpoints, at: now, &actions)
            case .forger(let node, let endpoint): actions.append(.notice(.forger(node, endpoint)))
            }
        }
        compareCards(at: now, &actions)
    }

    /// Its card names the place beside those that its operator named, in place of any it was seen at before.
    private func relocate(to endpoint: Endpoint, at now: Instant, _ actions: inout [NodeAction]) {
        guard settings.learnsEndpoint else { return }
        let others = settings.endpoints.prefix(NodeRecord.endpointsMax - 1)
        guard renewCard(endpoints: [endpoint] + others, at: now, &actions) else { return }
        actions.append(.notice(.located(endpoint)))
    }

    /// False once it was changed as often as one life allows: 65,535 times, two years of renewals.
    @discardableResult
    func renewCard(endpoints: [Endpoint], at now: Instant, _ actions: inout [NodeAction]) -> Bool {
        guard card.sequence < (settings.recordSequence + 1) << NodeRecord.changeBits - 1 else { return false }
        card = NodeRecord(
            node: id, sequence: card.sequence + 1, epoch: chain.openEpoch - 1, roles: card.roles,
            endpoints: endpoints, region: region, version: card.version
        ).signed(by: key, network: network)
        actions.append(.card(card))
        run(membership: .card(card), at: now, &actions)
        return true
    }

    func run(dissemination event: Dissemination.Event, at now: Instant, _ actions: inout [NodeAction]) {
        var outbox: [Dissemination.Action] = []
        dissemination.handle(event, at: now, actions: &outbox)
        due.dissemination = dissemination.deadline
        // Frames for one peer that stand together share payloads. A list, as most steps send to few or none.
        var packers: [(peer: NodeID, packer: FramePacker)] = []
        for action in outbox {
            switch action {
            case .send(let peer, let frame):
                let known = packers.firstIndex { $0.peer == peer }
                if known == nil { packers.append((peer, FramePacker())) }
                packers[known ?? packers.count - 1].packer.add(frame)
            case .deliver(let octets, let digest, let peer):
                deliver(octets, digest, from: peer, at: now, &actions)
            case .ignored(let peer): ignored(peer, at: now, &actions)
            }
        }
        for place in packers.indices {
            let peer = packers[place].peer
            guard let endpoint = endpoints[peer] else { continue }
            let destination = Destination(peer, endpoint)
            for payload in packers[place].packer.payloads() {
                actions.append(.send(payload, to: destination))
            }
        }
    }

    func run(coverage event: CoverageMachine.Event, at now: Instant, _ actions: inout [NodeAction]) {
        var outbox: [CoverageMachine.Action] = []
        coverage.handle(event, at: now, actions: &outbox)
        due.coverage = coverage.deadline
        for action in outbox {
            switch action {
            case .transmit(let transmission): actions.append(.transmit(transmission))
            case .persist(let state): actions.append(.persist(.coverage(Seal.close(state.encoded()))))
            case .makeBundle(let unsigned):
                guard unsigned.epoch == chain.openEpoch, ownBundle?.epoch != unsigned.epoch else { continue }
                // A copy of this store may be signing others; and a node that catches up does not know which epochs
                // its key has signed for.
                guard isRemoved(.copySignsNoBundle) || unsigned.epoch >= settings.votesFrom else { continue }
                let bundle = unsigned.signed(by: key, network: network)
                ownBundle = bundle
                _ = hold(bundle, at: now, &actions)
                actions.append(.persist(.bundle(bundle, isOwn: true)))
                publish(.bundle(bundle), at: now, &actions)
            }
        }
    }

    func run(simplex event: Simplex.Event, at now: Instant, _ actions: inout [NodeAction]) {
        guard !isHalted else { return }
        var outbox: [Simplex.Action] = []
        simplex.handle(event, at: now, actions: &outbox)
        due.simplex = simplex.deadline
        for action in outbox {
            switch action {
            case .persist(let state): actions.append(.persist(.safety(Seal.close(state.encoded()))))
            case .broadcast(let message): publish(message, at: now, &actions)
            case .send(let peer, let message): sendDirect(message, to: peer, at: now, &actions)
            case .build(let epoch, let view): build(epoch: epoch, view: view, at: now, &actions)
            case .evaluate(let header, _, _, let isSubjective):
                evaluate(header, isSubjective: isSubjective, at: now, &actions)
            case .began: beganConsensus(at: now, &actions)
            case .finalised(let final): finalised(final, at: now, &actions)
            case .alarm(.signedElsewhere(let ballot)): resign(over: "\(ballot)", &actions)
            case .alarm(let alarm): actions.append(.notice(.alarm("\(alarm)")))
            }
        }
    }
}
