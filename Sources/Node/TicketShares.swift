import Identity
import Wire

/// Whose the jobs at the workers are. They take them in their order, and most of what is to be checked costs who made it up
/// nothing: nobody's may keep another's out, nor make votes wait for long.
///
/// - What blocks are agreed on by, and what this node itself wants checked, may take all of `Node.ticketsMax`.
/// - All else has shares, which together leave a quarter of it to them.
struct TicketShares {
    /// Bundles, and cards that peers tell.
    static let toldMax = 4_096
    /// At 60 µs each on one core an eighth of a second.
    static let transactionsMax = 2_048
    /// More than reconciliation asks of one peer at one time, so that who catches up is not held up.
    static let transactionsOfPeerMax = 640
    /// Cards of whoever is no peer: a few milliseconds.
    static let strangersMax = 32
    /// As many as a wallet may send at once (`EdgeAllowance`).
    static let strangersTransactionsMax = 32

    enum Share: Hashable {
        case needed
        case told
        /// The peer that told it; nil for this node's own.
        case transaction(NodeID?)
        case stranger
        case strangersTransaction
        /// The answer of whom this node has called: strangers must not be able to keep it from finding peers.
        case answer(NodeID)
    }

    /// Of the tickets that are out, but for `needed`.
    private var shares: [UInt64: Share] = [:]
    /// Only those that are not zero; never walked over.
    private var counts: [Share: Int] = [:]
    private(set) var transactions = 0

    subscript(share: Share) -> Int { counts[share, default: 0] }

    func hasRoom(_ share: Share) -> Bool {
        switch share {
        case .needed: true
        case .told: self[share] < Self.toldMax
        case .transaction:
            transactions < Self.transactionsMax && self[share] < Self.transactionsOfPeerMax
        case .stranger: self[share] < Self.strangersMax
        case .strangersTransaction: self[share] < Self.strangersTransactionsMax
        // As many as are called at one time.
        case .answer: self[share] == 0
        }
    }

    mutating func begin(_ ticket: UInt64, _ share: Share) {
        guard share != .needed else { return }
        shares[ticket] = share
        counts[share, default: 0] += 1
        if case .transaction = share { transactions += 1 }
    }

    mutating func end(_ ticket: UInt64) {
        guard let share = shares.removeValue(forKey: ticket) else { return }
        counts[share] = self[share] > 1 ? self[share] - 1 : nil
        if case .transaction = share { transactions -= 1 }
    }

    func assertInvariants(of tickets: (UInt64) -> Bool) {
        precondition(shares.keys.allSatisfy(tickets), "what is in a share is at the workers")
        precondition(counts.values.reduce(0, +) == shares.count)
    }
}

extension Node.Purpose {
    /// Unless whoever hands it to the workers knows better.
    var share: TicketShares.Share {
        switch self {
        case .membership, .bundle, .snapshotBundle: .told
        case .transaction(_, _, let teller, nil): .transaction(teller)
        case .transaction: .strangersTransaction
        case .consensus, .finality, .candidate, .snapshotHeader: .needed
        }
    }
}
