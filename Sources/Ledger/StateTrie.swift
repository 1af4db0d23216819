internal import Bytes
public import Identity
public import Wire

/// The authenticated form of the state: a binary Merkle trie with one root per state, whatever the order of
/// writes (protocol §10).
///
/// Persistent: an update shares every untouched node with the trie it started from, so that executing a block
/// on trial costs no copy. Keys are paths: the BLAKE2b-256 hash of the encoded `StateKey`, read from the most
/// significant bit. Hashes:
/// - leaf `H(0 ‖ path ‖ H(value))`, inner `H(1 ‖ left ‖ right)`, empty `Digest.zero`;
/// - a subtree with a single leaf *is* that leaf, so that depth follows the number of leaves;
///   two leaves that share a prefix hang below inner nodes with an empty side.
public struct StateTrie: Sendable {
    /// Bits of a path, and so the deepest that a leaf can lie.
    public static let depthMax = 256

    private let top: Node?

    /// The trie of no entries.
    public init() { top = nil }

    private init(top: Node?) { self.top = top }

    public var root: Digest { top?.hash ?? .zero }

    /// One write: a value's hash at a path, nil to delete what is there.
    public struct Write: Sendable {
        public let path: Digest
        public let valueHash: Digest?

        public init(path: Digest, valueHash: Digest?) {
            self.path = path
            self.valueHash = valueHash
        }

        public init(key: StateKey, value: [UInt8]?) {
            path = StateTrie.path(of: key)
            valueHash = value.map { Digest(of: $0) }
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
            case .leaf(let other, let valueHash): return other == path ? valueHash : nil
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
            case .leaf(let other, let valueHash):
                let end: StateProof.End = other == path ? .present : .other(path: other, valueHash: valueHash)
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
private final class Node: Sendable {
    enum Content: Sendable {
        case leaf(path: Digest, valueHash: Digest)
        case inner(left: Node?, right: Node?)
    }

    let hash: Digest
    let content: Content

    init(path: Digest, valueHash: Digest) {
        hash = StateTrie.hash(leaf: path, valueHash)
        content = .leaf(path: path, valueHash: valueHash)
    }

    init(left: Node?, right: Node?) {
        hash = StateTrie.hash(inner: left?.hash ?? .zero, right?.hash ?? .zero)
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
        _ node: Node?, with writes: [Write], in range: Range<Int>, depth: Int
    ) -> Node? {
        if range.isEmpty { return node }
        var left: Node?
        var right: Node?
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
        return Node(left: newLeft, right: newRight)
    }

    private static func leaf(_ write: Write, replacing old: Node?) -> Node? {
        guard let valueHash = write.valueHash else { return nil }
        if case .leaf(_, valueHash)? = old?.content { return old }
        return Node(path: write.path, valueHash: valueHash)
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
