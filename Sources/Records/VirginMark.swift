internal import Bytes
public import Identity
public import Store

extension NodeStore {
    /// The key that the store is marked for as one that has signed nothing (`markVirgin`); nil where it has no mark.
    public func virginMark() throws(StoreError) -> NodeID? {
        guard let octets = try single(.virgin) else { return nil }
        guard let key = NodeID(octets: octets) else { throw .corrupted }
        return key
    }

    /// Takes the mark back: its key was not made.
    public func unmarkVirgin() throws(StoreError) {
        _ = try store.write { transaction throws(StoreError) in
            try transaction.delete(Array(Single.virgin.rawValue.utf8).octetBytes, in: node)
        }
    }
}
