public import Bytes
public import Identity
public import Wire

/// Shows, against a state root alone, that the state holds a value at a key, or none.
///
/// For light clients: headers and certificates give the root. Every octet of a proof counts: a changed proof
/// fails.
public struct StateProof: Canonical, Hashable, Sendable {
    /// What lies where the key's path ends.
    public enum End: Canonical, Hashable, Sendable {
        /// Nothing: the key is absent.
        case empty
        /// The key's own leaf: it is present.
        case present
        /// Another key's leaf alone fills the subtree: the key is absent.
        case other(path: Digest, valueHash: Digest)

        public init(from reader: inout ByteReader) throws(DecodeError) {
            switch try reader.uleb128() {
            case 0: self = .empty
            case 1: self = .present
            case 2: self = .other(path: try Digest(from: &reader), valueHash: try Digest(from: &reader))
            default: throw .unknown
            }
        }

        public func encode(to writer: inout ByteWriter) {
            switch self {
            case .empty: writer.uleb128(0)
            case .present: writer.uleb128(1)
            case .other(let path, let valueHash):
                writer.uleb128(2)
                path.encode(to: &writer)
                valueHash.encode(to: &writer)
            }
        }
    }

    /// From the root down.
    public let siblings: [Digest]
    public let end: End

    init(siblings: [Digest], end: End) {
        self.siblings = siblings
        self.end = end
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        siblings = try reader.list(max: StateTrie.depthMax)
        end = try End(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.list(siblings)
        end.encode(to: &writer)
    }

    /// Whether the state of `root` holds exactly `value` at `key`; nil asks whether it holds nothing there.
    public func verify(root: Digest, key: StateKey, value: [UInt8]?) -> Bool {
        let path = StateTrie.path(of: key)
        var hash: Digest
        switch (end, value) {
        case (.empty, nil): hash = .zero
        case (.present, let value?): hash = StateTrie.hash(leaf: path, Digest(of: value))
        case (.other(let other, let valueHash), nil):
            // The other leaf can only stand here if its path leads here too.
            guard other != path, siblings.indices.allSatisfy({ other.bit($0) == path.bit($0) }) else {
                return false
            }
            hash = StateTrie.hash(leaf: other, valueHash)
        default: return false
        }
        for depth in siblings.indices.reversed() {
            let sibling = siblings[depth]
            hash =
                path.bit(depth)
                ? StateTrie.hash(inner: sibling, hash) : StateTrie.hash(inner: hash, sibling)
        }
        return hash == root
    }
}
