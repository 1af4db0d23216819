internal import Bytes
public import Identity
public import Wire

/// The authenticated form of the state: a binary Merkle trie with one root per state, whatever the order of
/// writes (protocol §10).
///
/// Persistent: an update shares every untouched node with the trie it started from, so that executing a block
/// on trial costs no copy, and so that the states after the last blocks, values and all, take hardly more room than one
/// of them: they are what a node serves to whoever starts from a recent state. Keys are paths: the BLAKE2b-256 hash of the encoded `StateKey`, read from the most
/// significant bit. Hashes:
/// - leaf `H(0 ‖ path ‖ H(value))`, inner `H(1 ‖ left ‖ right)`, empty `Digest.zero`;
/// - a subtree with a single leaf *is* that leaf, so that depth follows the number of leaves;
///   two leaves that share a prefix hang below inner nodes with an empty side.
public struct StateTrie: Sendable {
    /// Bits of a path, and so the deepest that a leaf can lie.
    public static let depthMax = 256

    let top: TrieNode?

    /// The trie of no entries.
    public init() { top = nil }

    private init(top: TrieNode?) { self.top = top }

    public var root: Digest { top?.hash ?? .zero }

    /// What lies at a path.
    struct Entry: Sendable {
        let key: StateKey
        let value: [UInt8]
        let valueHash: Digest
    }

    /// One write: a value at a path, nil to delete what is there.
    public struct Write: Sendable {
        public let path: Digest
        let entry: Entry?

        /// For tests: no key is known whose path shares many bits with another's.
        package init(path: Digest, key: StateKey, value: [UInt8]?) {
            self.path = path
            entry = value.map { Entry(key: key, value: $0, valueHash: Digest(of: $0)) }
        }

        public init(key: StateKey, value: [UInt8]?) {
            self.init(path: StateTrie.path(of: key), key: key, value: value)
        }
    }

    public static func path(of key: StateKey) -> Digest {
        Digest(of: key.encoded())
    }

    /// The trie after all of `writes`, in any order, paths distinct. Each touched inner node is hashed once.
    public func updated(with writes: [Write]) -> StateTrie {
        let writes = writes.sorted { $0.path < $1.path }
        for index in writes.indices.dropFirst() {
            precondition(writes[index - 1].path != writes[index].path, "two writes to one key")
        }
        return StateTrie(top: Self.update(top, with: writes, in: 0..<writes.count, depth: 0))
    }

    /// The hash of the value at `path`, nil if there is none.
    public func valueHash(at path: Digest) -> Digest? {
        var node = top
        for depth in 0...Self.depthMax {
            switch node?.content {
            case nil: return nil
            case .leaf(let other, let entry): return other == path ? entry.valueHash : nil
            case .inner(let left, let right): node = path.bit(depth) ? right : left
            }
        }
        preconditionFailure("a trie deeper than its paths")
    }

    /// Shows what is, or is not, at `path`.
    public func proof(of path: Digest) -> StateProof {
        var siblings: [Digest] = []
        var node = top
        for depth in 0...Self.depthMax {
            switch node?.content {
            case nil: return StateProof(siblings: siblings, end: .empty)
            case .leaf(let other, let entry):
                let end: StateProof.End =
                    other == path ? .present : .other(path: other, valueHash: entry.valueHash)
                return StateProof(siblings: siblings, end: end)
            case .inner(let left, let right):
                let goesRight = path.bit(depth)
                siblings.append((goesRight ? left : right)?.hash ?? .zero)
                node = goesRight ? right : left
            }
        }
        preconditionFailure("a trie deeper than its paths")
    }
}

// MARK: - Nodes

/// Never changed once made, so that tries may share it between threads.
final class TrieNode: Sendable {
    enum Content: Sendable {
        case leaf(path: Digest, StateTrie.Entry)
        case inner(left: TrieNode?, right: TrieNode?)
    }

    let hash: Digest
    /// Of everything below it, in the encoding of a `StatePart`.
    let byteCount: Int
    let content: Content

    init(path: Digest, _ entry: StateTrie.Entry) {
        hash = StateTrie.hash(leaf: path, entry.valueHash)
        byteCount = StatePart.leafByteCount(entry.key, entry.value)
        content = .leaf(path: path, entry)
    }

    init(left: TrieNode?, right: TrieNode?) {
        hash = StateTrie.hash(inner: left?.hash ?? .zero, right?.hash ?? .zero)
        byteCount = 1 + (left?.byteCount ?? 1) + (right?.byteCount ?? 1)
        content = .inner(left: left, right: right)
    }

    var isLeaf: Bool {
        if case .leaf = content { true } else { false }
    }
}

extension StateTrie {
    static func hash(leaf path: Digest, _ valueHash: Digest) -> Digest { hash(0, path, valueHash) }

    static func hash(inner left: Digest, _ right: Digest) -> Digest { hash(1, left, right) }

    private static func hash(_ tag: UInt8, _ first: Digest, _ second: Digest) -> Digest {
        var writer = ByteWriter(capacity: 65)
        writer.integer(tag)
        first.encode(to: &writer)
        second.encode(to: &writer)
        return Digest(of: writer.written)
    }

    /// What `node` at `depth` becomes by the writes in `range`, all of which lie below it.
    private static func update(
        _ node: TrieNode?, with writes: [Write], in range: Range<Int>, depth: Int
    ) -> TrieNode? {
        if range.isEmpty { return node }
        var left: TrieNode?
        var right: TrieNode?
        switch node?.content {
        case nil:
            if range.count == 1 { return leaf(writes[range.lowerBound], replacing: nil) }
        case .leaf(let path, _):
            if range.count == 1, writes[range.lowerBound].path == path {
                return leaf(writes[range.lowerBound], replacing: node)
            }
            if path.bit(depth) { right = node } else { left = node }
        case .inner(let leftChild, let rightChild):
            left = leftChild
            right = rightChild
        }
        let middle = firstSet(bit: depth, of: writes, in: range)
        let newLeft = update(left, with: writes, in: range.lowerBound..<middle, depth: depth + 1)
        let newRight = update(right, with: writes, in: middle..<range.upperBound, depth: depth + 1)
        switch (newLeft, newRight) {
        case (nil, nil): return nil
        case (let only?, nil) where only.isLeaf: return only
        case (nil, let only?) where only.isLeaf: return only
        default: break
        }
        if case .inner? = node?.content, newLeft === left, newRight === right { return node }
        return TrieNode(left: newLeft, right: newRight)
    }

    private static func leaf(_ write: Write, replacing old: TrieNode?) -> TrieNode? {
        guard let entry = write.entry else { return nil }
        if case .leaf(_, let known)? = old?.content, known.valueHash == entry.valueHash { return old }
        return TrieNode(path: write.path, entry)
    }

    /// The first write of the sorted range whose path has `bit` set; they agree on all bits before.
    private static func firstSet(bit: Int, of writes: [Write], in range: Range<Int>) -> Int {
        var low = range.lowerBound
        var high = range.upperBound
        while low < high {
            let middle = (low + high) / 2
            if writes[middle].path.bit(bit) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
