internal import Bytes
public import Identity

/// A binary Merkle tree over a list, as in RFC 6962 but with BLAKE2b-256: leaf `H(0 ‖ item)`, inner
/// `H(1 ‖ left ‖ right)`, the left part the largest power of two below the count. The empty list is `H()`.
public enum Merkle {
    public static func root(_ items: [Digest]) -> Digest {
        guard !items.isEmpty else { return Digest(of: []) }
        return root(items[...])
    }

    private static func root(_ items: ArraySlice<Digest>) -> Digest {
        if items.count == 1 {
            var writer = ByteWriter(capacity: 33)
            writer.integer(UInt8(0))
            items.first!.encode(to: &writer)
            return Digest(of: writer.written)
        }
        var half = 1
        while half * 2 < items.count { half *= 2 }
        let middle = items.startIndex + half
        return inner(root(items[..<middle]), root(items[middle...]))
    }

    private static func inner(_ left: Digest, _ right: Digest) -> Digest {
        var writer = ByteWriter(capacity: 65)
        writer.integer(UInt8(1))
        left.encode(to: &writer)
        right.encode(to: &writer)
        return Digest(of: writer.written)
    }
}
