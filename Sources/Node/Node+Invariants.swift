import Bytes
import Chance
import Consensus
import Coverage
import Dissemination
import Ledger
import Membership
import Reconciliation
public import Identity
public import Wire

extension Node {
    public var openEpoch: Epoch { chain.openEpoch }
    public var lastFinal: FinalHeader? { chain.last }
    public var totals: Totals { chain.ledger.totals }
    public var stateRoot: Digest { chain.ledger.stateRoot }
    /// Who votes about the open epoch.
    public var committee: Committee { chain.committee }
    /// Who leads the first view of the open epoch.
    public var firstLeader: NodeID { leadersInTurn[0] }
    /// Who leads the views of the open epoch, in turns.
    public var leadersInTurn: [NodeID] { leaders.map { chain.committee.seats[$0].key } }
    public func account(_ id: NodeID) -> Account { chain.ledger.account(id) }

    public func validator(_ id: NodeID) -> Validator? { chain.ledger.validator(id) }

    /// Moves so many units between two accounts in memory, and tells nobody, as a broken machine would: for simulations
    /// of nodes that compute what no other does. False if there are no two such accounts, or while a block is here
    /// that was executed before.
    public func disturb(units: Int64 = 1) -> Bool {
        guard candidates.list.isEmpty else { return false }
        var entries = chain.ledger.entries
        let places = entries.indices.filter { place in
            guard case .account = entries[place].0 else { return false }
            return Self.moved(-units, in: entries[place].1) != nil
        }
        guard places.count > 1, let less = Self.moved(-units, in: entries[places[0]].1),
            let more = Self.moved(units, in: entries[places[1]].1)
        else { return false }
        entries[places[0]].1 = less
        entries[places[1]].1 = more
        guard
            let ledger = try? Ledger(
                restoring: entries, parameters: genesis.parameters, epoch: chain.openEpoch - 1)
        else { return false }
        chain.ledger = ledger
        return true
    }

    private static func moved(_ difference: Int64, in encoded: [UInt8]) -> [UInt8]? {
        guard var account = try? Account(decoding: encoded.octetBytes),
            Int64(account.balance) + min(difference, 0) > 0
        else { return nil }
        account.balance = Amount(Int64(account.balance) + difference)
        return account.encoded()
    }

    /// Connected peers in the order of their keys, and where they are.
    public var places: [(NodeID, Endpoint)] { peers.map { ($0, endpoints[$0]!) } }

    /// Authors whose bundles can be accepted in the open epoch, at most.
    private var authorsMax: Int { chain.ledger.deviceCount + chain.committee.seats.count }

    /// Every queue, cache and table with its present size and its bound, in a fixed order.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        // Each candidate that is final has one more place.
        let finals = candidates.list.count { $0.certificate != nil }
        // Two reveals of two bundles an author, and of what was being verified when its second came.
        let vrfMax = 4 * authorsMax + 2 * (Self.ticketsMax + pool.askedMax)
        var gauges: [(name: String, value: Int, limit: Int)] = [
            ("node.peers", peers.count, settings.membership.activeMax),
            ("node.tickets", tickets.count, Self.ticketsMax + Self.owedTicketsMax),
            ("node.told", ticketShares[.told], TicketShares.toldMax),
            ("node.transactionTickets", ticketShares.transactions, TicketShares.transactionsMax),
            ("node.strangersTickets", ticketShares[.stranger], TicketShares.strangersMax),
            (
                "node.strangersTransactions", ticketShares[.strangersTransaction],
                TicketShares.strangersTransactionsMax
            ),
            ("node.askers", answerDesk.count, settings.membership.activeMax + AnswerDesk.clocksMax),
            ("edges.tickets", edges.tickets.count, EdgeDesk.ticketsMax),
            ("edges.reads", edges.reads.count, EdgeDesk.readsMax),
            ("edges.pieces", edges.pieces.count, EdgePieces.sendersMax),
            ("edges.near", edges.near.count, NearEdges.countMax),
            ("edges.handedOn", edges.handedOn.count, HandedOn.sendersMax),
            ("node.recentFinals", recentFinals.count, Self.recentFinalsMax),
            ("node.statuses", statuses.takenCount, TransactionStatuses.takenMax),
            ("node.refusedStatuses", statuses.refusedCount, TransactionStatuses.refusedMax),
            ("node.fetched", fetched.count, Message.finalityMax),
            ("node.candidates", candidates.list.count, Candidates.max + finals),
            ("node.recentBlocks", chain.recent.count, 2),
            ("node.vrfOutputs", chain.vrfOutputs.count, vrfMax),
            ("node.earlierOutputs", chain.earlierOutputs.count, vrfMax),
            ("evidence.authors", pool.count, min(authorsMax, pool.room?.authorsMax ?? authorsMax)),
            ("evidence.asked", pool.askedCount, pool.askedMax),
            ("transactions", transactions.count, TransactionPool.countMax),
            ("snapshots.served", snapshots.served.count, Snapshots.servedMax),
            (
                "snapshots.outstanding", snapshots.sync?.fetch.outstandingCount ?? 0,
                Fetch<SnapshotSync.Item>.outstandingMax
            ),
            ("snapshots.headers", snapshots.sync?.headers.count ?? 0, SnapshotSync.headersMax),
        ]
        gauges += membership.gauges.map { ("membership.\($0.name)", $0.value, $0.limit) }
        gauges += dissemination.gauges.map { ("dissemination.\($0.name)", $0.value, $0.limit) }
        gauges += reconciler.gauges.map { ("reconciliation.\($0.name)", $0.value, $0.limit) }
        gauges += simplex.gauges.map { ("consensus.\($0.name)", $0.value, $0.limit) }
        gauges += coverage.gauges.map { ("coverage.\($0.name)", $0.value, $0.limit) }
        return gauges
    }

    /// Stops the process where a rule that holds between any two events does not: for tests and simulation.
    public func assertInvariants() {
        membership.assertInvariants()
        dissemination.assertInvariants()
        reconciler.assertInvariants()
        simplex.assertInvariants()
        coverage.assertInvariants()
        transactions.assertInvariants()
        pool.assertInvariants()
        previousPool?.assertInvariants()
        candidates.assertInvariants()
        snapshots.sync?.fetch.assertInvariants()
        if let sync = snapshots.sync, case .fetching = sync.stage {
            precondition(sync.guide == nil, "one peer alone is asked for what hashes check")
        }
        edges.near.assertInvariants()
        for gauge in gauges {
            precondition(gauge.value <= gauge.limit, "\(gauge.name): \(gauge.value) of \(gauge.limit)")
        }
        precondition(peers == endpoints.keys.sorted() && peers == membership.peers)
        ticketShares.assertInvariants { tickets[$0] != nil }
        statuses.assertInvariants()
        precondition(pool.epoch == chain.openEpoch && ownBundle?.epoch ?? 0 <= chain.openEpoch)
        precondition(due.membership <= membership.deadline, "membership would wake too late")
        precondition(due.dissemination <= dissemination.deadline, "dissemination would wake too late")
        precondition(isHalted || due.reconciler <= reconciler.deadline, "reconciliation would wake too late")
        precondition(
            isHalted || reconciler.count(of: .evidence(pool.epoch)) == pool.bundleCount,
            "what is compared is what is held")
        precondition(isHalted || reconciler.connected.allSatisfy { endpoints[$0] != nil })
        precondition(isHalted || due.simplex <= simplex.deadline, "consensus would wake too late")
        precondition(due.coverage <= coverage.deadline, "coverage would wake too late")
    }
}
