internal import Bytes
public import Identity
public import Store
public import Wire

/// Whether a node may sign with what this store remembers.
public enum VotingRight: Equatable, Sendable {
    /// The store remembers every vote of its key on this machine.
    case granted
    /// The store has no vote table and no mark for this key: another store may remember votes that this one does not.
    case unknownHistory
    /// The store was made on another machine or was copied: the original may be running.
    case copied(recorded: String)
    /// The key has signed what this store does not remember: it was put back from an earlier copy of itself, or another machine
    /// signs with the key.
    case forgot
}

extension NodeStore {
    /// Marks a store made for a new key: its first vote needs no memory of earlier ones.
    public func markVirgin(for key: NodeID) throws(StoreError) {
        try setSingle(key.octets, .virgin)
    }

    /// Decides by the mark, the vote table and the key and place that they were written for; if it grants the
    /// right, records key and place.
    ///
    /// A recorded place that differs tells of a copy even before the first vote: both copies hold the mark, and
    /// each would vote by it. A vote table without a record of this key is another key's, or was written
    /// without the right, and remembers nothing of this one.
    ///
    /// A store that was put back is known by the number of its last commit, and stays one that forgot: that number rises again.
    ///
    /// - Parameter machine: names this machine and the store's file on it.
    /// - Parameter former: names of the same place by which it may have been recorded.
    /// - Parameter soleCopyFrom: the operator's word that no other store of this key is in use, and the first epoch in which
    ///   none was. It holds for all starts to come, or one without the word would vote before.
    public func votingRight(
        of key: NodeID, machine: String, former: [String] = [], soleCopyFrom: Epoch? = nil
    ) throws(StoreError) -> VotingRight {
        let right = try store.write { transaction throws(StoreError) -> VotingRight in
            if let soleCopyFrom {
                try put(Self.key(soleCopyFrom), .votesFrom, &transaction)
                try transaction.delete(Array(Single.forgot.rawValue.utf8).octetBytes, in: node)
            } else {
                let isVoter = try single(.voter, transaction) == key.octets
                if store.isRestored { try put(key.octets, .forgot, &transaction) }
                if try single(.forgot, transaction) == key.octets { return .forgot }
                let recorded = try single(.machine, transaction).map { String(decoding: $0, as: UTF8.self) }
                if isVoter, let recorded, recorded != machine, !former.contains(recorded) {
                    return .copied(recorded: recorded)
                }
                // An edge node signs no votes; what it followed to it remembers together with its bundles.
                let hasFollowed = try single(.following, transaction) != nil
                // A full node without a seat signs bundles only.
                let isEdge = try single(.followed, transaction) != nil
                let hasOwn = try single(.ownBundle, transaction) != nil
                let hasBundle = hasOwn && !isEdge
                let hasSaid = try single(.safety, transaction) != nil || hasBundle
                let hasVotes = hasSaid || hasFollowed
                let isVirgin = try single(.virgin, transaction) == key.octets
                guard isVoter && hasVotes || isVirgin else { return .unknownHistory }
            }
            try put(Array(machine.utf8), .machine, &transaction)
            try put(key.octets, .voter, &transaction)
            return .granted
        }
        // After the word is durable: else a crash between them would lose both.
        if soleCopyFrom != nil { try store.acceptRestored() }
        return right
    }

    /// The first epoch in which the key may sign by this store, where it may at all; 0 unless the operator named one.
    public func votesFrom() throws(StoreError) -> Epoch {
        try single(.votesFrom).map { Self.epoch($0) } ?? 0
    }
}
