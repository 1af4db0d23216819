public import Bytes
public import Identity

/// A binary Merkle tree over a list, as in RFC 6962 but with BLAKE2b-256: leaf `H(0 ‖ item)`, inner
/// `H(1 ‖ left ‖ right)`, the left part the largest power of two below the count. The empty list is `H()`.
public enum Merkle {
    public static func root(_ items: [Digest]) -> Digest { MerkleTree(items).root }

    static func leaf(_ item: Digest) -> Digest {
        var writer = ByteWriter(capacity: 33)
        writer.integer(UInt8(0))
        item.encode(to: &writer)
        return Digest(of: writer.written)
    }

    static func inner(_ left: Digest, _ right: Digest) -> Digest {
        var writer = ByteWriter(capacity: 65)
        writer.integer(UInt8(1))
        left.encode(to: &writer)
        right.encode(to: &writer)
        return Digest(of: writer.written)
    }
}

/// The whole tree, for whoever proves one item after another.
public struct MerkleTree: Sendable {
    /// From the leaves up. Pairs from the left, and what is left over goes up as it is: the same tree as RFC 6962's
    /// cut at the largest power of two.
    private let levels: [[Digest]]

    public init(_ items: [Digest]) {
        var levels = [items.map(Merkle.leaf)]
        while let level = levels.last, level.count > 1 {
            levels.append(
                stride(from: 0, to: level.count, by: 2).map { place in
                    place + 1 < level.count ? Merkle.inner(level[place], level[place + 1]) : level[place]
                })
        }
        self.levels = levels
    }

    public var root: Digest { levels.last!.first ?? Digest(of: []) }

    /// - Parameter index: Of an item of the list.
    public func proof(of index: Int) -> MerkleProof {
        precondition(levels[0].indices.contains(index))
        var siblings: [Digest] = []
        var place = index
        for level in levels.dropLast() {
            let sibling = place ^ 1
            if sibling < level.count { siblings.append(level[sibling]) }
            place /= 2
        }
        return MerkleProof(index: UInt32(index), siblings: siblings)
    }
}

/// Shows that an item is in a list of which only root and length are known (RFC 6962, section 2.1.1).
public struct MerkleProof: Canonical, Hashable, Sendable {
    /// Of a list of `Block.entriesMax` items.
    public static let siblingsMax = 16

    public let index: UInt32
    /// From the leaf up.
    public let siblings: [Digest]

    public init(index: UInt32, siblings: [Digest]) {
        self.index = index
        self.siblings = siblings
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        index = try reader.integer()
        siblings = try reader.list(max: Self.siblingsMax)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(index)
        writer.list(siblings)
    }

    /// Whether exactly this proof shows that `item` is one of `count` under `root`.
    public func verify(root: Digest, count: UInt32, item: Digest) -> Bool {
        guard index < count else { return false }
        var hash = Merkle.leaf(item)
        var place = index
        var last = count - 1
        var rest = siblings[...]
        while last > 0 {
            if place % 2 == 1 {
                guard let sibling = rest.popFirst() else { return false }
                hash = Merkle.inner(sibling, hash)
            } else if place < last {
                guard let sibling = rest.popFirst() else { return false }
                hash = Merkle.inner(hash, sibling)
            }
            place /= 2
            last /= 2
        }
        return rest.isEmpty && hash == root
    }
}
