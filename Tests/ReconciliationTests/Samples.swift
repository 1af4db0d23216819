import Bytes
import Chance
import Identity
@testable import Reconciliation
import Wire

enum Samples {
    /// An item of its own for each number.
    static func digest(_ number: UInt64) -> Digest {
        var writer = ByteWriter(capacity: 32)
        var chance = Chance(seed: number)
        for _ in 0..<4 { writer.integer(chance.bits()) }
        return Digest(octets: writer.written)
    }

    /// Items whose short ids under these keys sum to zero, by Gaussian elimination over bits.
    static func cancelling(under keys: SketchKeys) -> [Digest] {
        /// By leading bit: a sum of short ids, and of which items.
        var basis: [Int: (sum: UInt64, items: Set<UInt64>)] = [:]
        for number: UInt64 in 0... {
            var sum = keys.short(digest(number))
            var items: Set<UInt64> = [number]
            while sum != 0, let row = basis[sum.leadingZeroBitCount] {
                sum ^= row.sum
                items.formSymmetricDifference(row.items)
            }
            if sum == 0 { return items.sorted().map { digest($0) } }
            basis[sum.leadingZeroBitCount] = (sum, items)
        }
        preconditionFailure("sixty-five words of sixty-four bits are linearly dependent")
    }
}
