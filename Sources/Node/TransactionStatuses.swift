import Identity
import Wire

/// What became of transactions, for whoever sent them: the newest that wait or are final, and apart from them the newest
/// that were refused, as a refusal costs its sender nothing and must not make a final one forgotten.
struct TransactionStatuses {
    /// A few full blocks.
    static let takenMax = 4_096
    /// Told to their senders at once; kept for who did not hear it.
    static let refusedMax = 1_024

    private var taken: [Digest: TransactionStatus] = [:]
    private var takenOrder: [Digest] = []
    private var refused: [Digest: TransactionFault] = [:]
    private var refusedOrder: [Digest] = []

    var takenCount: Int { taken.count }
    var refusedCount: Int { refused.count }

    subscript(id: Digest) -> TransactionStatus {
        taken[id] ?? refused[id].map { .refused($0) } ?? .unknown
    }

    mutating func note(pending id: Digest) { note(.pending, of: id) }

    mutating func note(final epoch: Epoch, of id: Digest) { note(.final(epoch), of: id) }

    private mutating func note(_ status: TransactionStatus, of id: Digest) {
        if refused.removeValue(forKey: id) != nil { refusedOrder.removeAll { $0 == id } }
        guard taken.updateValue(status, forKey: id) == nil else { return }
        takenOrder.append(id)
        if takenOrder.count > Self.takenMax { taken[takenOrder.removeFirst()] = nil }
    }

    /// What was accepted stays accepted: a repeated copy is refused for its nonce, and that is no news.
    mutating func note(refused id: Digest, _ fault: TransactionFault) {
        guard taken[id] == nil, refused.updateValue(fault, forKey: id) == nil else { return }
        refusedOrder.append(id)
        if refusedOrder.count > Self.refusedMax { refused[refusedOrder.removeFirst()] = nil }
    }

    func assertInvariants() {
        precondition(takenOrder.count == taken.count && refusedOrder.count == refused.count)
    }
}
