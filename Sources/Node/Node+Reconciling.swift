import Chance
import Consensus
import Dissemination
package import Identity
import Ledger
package import Reconciliation
import Rules
import Wire

/// Whether the evidence of the open epoch has been compared with that of others since its window closed: before that,
/// a validator neither makes nor stands for a fresh block (the design's "Epoch Simplex", rule 2).
struct Gathering {
    /// So many peers of the committee are as good as more than a third of it, where that is more: no node is connected
    /// with a third of a large one, and what eight of its own choice lack most of it lacks.
    static let peersMax = 8
    /// Then the epoch goes on with what is here. Reconciliation makes blocks fair; it must not be able to stop them.
    static let patience: Duration = .milliseconds(600)

    /// A round counts that began no earlier.
    private(set) var from: Instant = .never
    private(set) var hasAsked = false
    private(set) var isDone = false
    /// When consensus is told in any case; nil while it has not begun.
    private(set) var until: Instant?
    private(set) var peers: Set<NodeID> = []

    init() {}

    init(from windowEnds: Instant) { from = windowEnds }

    var deadline: Instant {
        if isDone { return .never }
        return hasAsked ? until ?? .never : from
    }

    mutating func asks() { hasAsked = true }

    /// Consensus waits; it may have begun before the own window's end, if others had.
    mutating func began(at now: Instant) {
        from = min(from, now)
        until = now + Self.patience
    }

    mutating func settled(_ peer: NodeID) { peers.insert(peer) }

    mutating func finish() { isDone = true }
}

extension Node {
    func run(reconciliation event: Reconciler.Event, at now: Instant, _ actions: inout [NodeAction]) {
        guard !isHalted else { return }
        var outbox: [Reconciler.Action] = []
        reconciler.handle(event, at: now, actions: &outbox)
        due.reconciler = reconciler.deadline
        for action in outbox {
            switch action {
            case .send(let peer, let frame):
                guard let endpoint = endpoints[peer] else { continue }
                send([.reconciliation(frame)], to: Destination(peer, endpoint), &actions)
            case .push(let peer, let kind, let ids): push(ids, of: kind, to: peer, at: now, &actions)
            case .settled(let peer, .evidence(chain.openEpoch), let since, unanswered: 0):
                guard since >= gathering.from else { continue }
                gathering.settled(peer)
                finishGathering(at: now, &actions)
            // An honest peer does so once in 10⁹ cells: its sets are not compared for a minute, and it is charged once.
            case .penalise(let peer, _): charge(.hostileSketch, to: peer, at: now, &actions)
            case .settled: break
            }
        }
    }

    private func push(
        _ ids: [Digest], of kind: SetKind, to peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        // What is above its allowance it asks for again.
        switch kind {
        case .evidence(chain.openEpoch):
            for id in ids {
                guard answerDesk.answers(peer, at: now) else { return count(.overAsked) }
                for bundle in pool.bundles(for: id) { answer(.bundle(bundle), to: peer, at: now, &actions) }
            }
        case .transactions:
            for id in ids {
                guard answerDesk.answers(peer, at: now) else { return count(.overAsked) }
                guard let transaction = transactions.transaction(id) else { continue }
                answer(.transaction(transaction), to: peer, at: now, &actions)
            }
        case .records: push(cards: ids, to: peer, &actions)
        case .evidence, .proposal: break
        }
    }

    // MARK: With whom

    /// Members of the committee come before others, as far as there is room.
    func beginReconciling(with peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard let keys = sketchKeys(with: peer) else { return }
        let connected = reconciler.connected
        if connected.count >= Reconciler.peersMax, !connected.contains(peer) {
            guard hasSeat(peer), let other = connected.first(where: { !hasSeat($0) }) else { return }
            run(reconciliation: .disconnected(other), at: now, &actions)
        }
        run(reconciliation: .connected(peer, keys), at: now, &actions)
    }

    func endReconciling(with peer: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard reconciler.connected.contains(peer) else { return }
        run(reconciliation: .disconnected(peer), at: now, &actions)
        let others = peers.filter { !reconciler.connected.contains($0) }
        guard let next = others.first(where: hasSeat) ?? others.first else { return }
        beginReconciling(with: next, at: now, &actions)
    }

    private func hasSeat(_ node: NodeID) -> Bool { chain.committee.index(of: node) != nil }

    private func sketchKeys(with peer: NodeID) -> SketchKeys? {
        if let known = sharedWork?.sketchKeys(id, peer) { return known }
        guard let keys = SketchKeys(of: key, with: peer, network: network) else { return nil }
        sharedWork?.store(keys, id, peer)
        return keys
    }

    // MARK: What is compared

    /// Takes a verified bundle into the open epoch's evidence; false if it is known or one too many, or if there is no room for it.
    func hold(_ bundle: Bundle, at now: Instant, _ actions: inout [NodeAction]) -> Bool {
        let isHeld = pool.insert(bundle, at: now)
        if isHeld { run(reconciliation: .inserted(.evidence(bundle.epoch), bundle.id), at: now, &actions) }
        for dropped in pool.takeDropped() {
            run(reconciliation: .removed(.evidence(bundle.epoch), dropped.id), at: now, &actions)
            if candidates.name(dropped) || candidates.standOn(dropped) {
                _ = pool.insertAsked(dropped, owed: candidates.owed(dropped))
            }
        }
        return isHeld
    }

    /// A peer sent it, and it is of no use here.
    func decline(_ bundle: Bundle, at now: Instant, _ actions: inout [NodeAction]) {
        run(reconciliation: .declined(.evidence(bundle.epoch), bundle.id), at: now, &actions)
    }

    func dropDeparted(at now: Instant, _ actions: inout [NodeAction]) {
        for id in transactions.takeDeparted() {
            run(reconciliation: .removed(.transactions, id), at: now, &actions)
        }
    }

    // MARK: At the window's end

    func beganConsensus(at now: Instant, _ actions: inout [NodeAction]) {
        gathering.began(at: now)
        gather(at: now, &actions)
    }

    /// Asks everybody once the window has closed; in time, goes on without those who did not answer.
    func gather(at now: Instant, _ actions: inout [NodeAction]) {
        if !gathering.hasAsked, gathering.from <= now {
            gathering.asks()
            if !isRemoved(.gathering) { run(reconciliation: .hurried, at: now, &actions) }
        }
        finishGathering(at: now, &actions)
    }

    private func finishGathering(at now: Instant, _ actions: inout [NodeAction]) {
        guard !gathering.isDone, let until = gathering.until,
            isGathered || until <= now || isRemoved(.gathering)
        else { return }
        gathering.finish()
        run(simplex: .gathered, at: now, &actions)
    }

    /// Whether peers of more than a third of the weight have shown all they had when the window closed, or as many as
    /// one asks of a large committee; nobody else is needed by a node that is enough by itself.
    private var isGathered: Bool {
        let committee = chain.committee
        var weight: UInt64 = 0
        var others: UInt64 = 0
        var count = 0
        for seat in committee.seats where seat.key != id {
            others += seat.weight
            guard gathering.peers.contains(seat.key) else { continue }
            weight += seat.weight
            count += 1
        }
        return committee.isMoreThanThird(weight) || !committee.isMoreThanThird(others)
            || count >= Gathering.peersMax
    }
}

extension SketchKeys {
    /// From the secret that only the two of them have: it needs no word between them and survives every session. Nil if
    /// the other's identity is no key.
    package init?(of key: SigningKey, with peer: NodeID, network: Digest) {
        guard let secret = key.agree(with: peer, for: "earshot reconciliation of two") else { return nil }
        self = SketchKeys(secret: secret.octets, nonce: network.prefix)
        if isRemoved(.keyedShortIDs) { self = .known(in: network) }
    }

    /// Such as anybody can compute: what two nodes must not use.
    package static func known(in network: Digest) -> SketchKeys {
        SketchKeys(secret: [0], nonce: network.prefix)
    }
}
