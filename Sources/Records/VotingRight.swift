internal import Bytes
public import Identity
public import Store

/// Whether a node may sign with what this store remembers.
public enum VotingRight: Equatable, Sendable {
    /// The store remembers every vote of its key on this machine.
    case granted
    /// The store has no vote table and no mark for this key: another store may remember votes that this one does not.
    case unknownHistory
    /// The store was made on another machine or was copied: the original may be running.
    case copied(recorded: String)
}

extension NodeStore {
    /// Marks a store made for a new key: its first vote needs no memory of earlier ones.
    public func markVirgin(for key: NodeID) throws(StoreError) {
        try setSingle(key.octets, .virgin)
    }

    /// Decides by the mark, the vote table and the place where they were written, and records the place.
    ///
    /// - Parameter machine: names this machine, device and inode of the store.
    /// - Parameter isSoleCopy: the operator's word that no other store of this key is in use.
    public func votingRight(
        of key: NodeID, machine: String, isSoleCopy: Bool
    ) throws(StoreError) -> VotingRight {
        let place = Array(machine.utf8)
        let recorded = try single(.machine)
        let knowsHistory = try single(.safety) != nil
        let isVirgin = try single(.virgin) == key.octets
        if isSoleCopy {
            try setSingle(place, .machine)
            return .granted
        }
        if let recorded, recorded != place, knowsHistory {
            return .copied(recorded: String(decoding: recorded, as: UTF8.self))
        }
        guard knowsHistory || isVirgin else { return .unknownHistory }
        try setSingle(place, .machine)
        return .granted
    }
}
