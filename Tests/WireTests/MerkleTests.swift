import Bytes
import Chance
import Identity
import TestKit
import Testing
import Wire
import WireSamples

/// The tree once more, from its leaves upwards: neighbours pair, and who is left over waits for the next level.
private func slowRoot(_ items: [Digest]) -> Digest {
    if items.isEmpty { return Digest(of: []) }
    var level = items.map { Digest(of: [0] + $0.octets) }
    while level.count > 1 {
        var next: [Digest] = []
        for index in stride(from: 0, to: level.count, by: 2) {
            if index + 1 == level.count {
                next.append(level[index])
            } else {
                next.append(Digest(of: [1] + level[index].octets + level[index + 1].octets))
            }
        }
        level = next
    }
    return level[0]
}

@Suite struct MerkleTests {
    @Test(arguments: Seed.all)
    func `the root is that of the slow model`(seed: Seed) {
        var chance = seed.chance()
        for count in Array(0...17) + [31, 32, 33, 100] {
            let items = (0..<count).map { _ in Digest.any(from: &chance) }
            #expect(Merkle.root(items) == slowRoot(items))
        }
    }

    @Test(arguments: Seed.all)
    func `every item and its place are in the root`(seed: Seed) {
        var chance = seed.chance()
        let items = (0..<(2 + chance.below(20))).map { _ in Digest.any(from: &chance) }
        let root = Merkle.root(items)
        for index in items.indices {
            var other = items
            other[index] = .any(from: &chance)
            #expect(Merkle.root(other) != root)
            other.remove(at: index)
            #expect(Merkle.root(other) != root)
            var swapped = items
            swapped.swapAt(index, (index + 1) % items.count)
            #expect(Merkle.root(swapped) != root)
        }
        #expect(Merkle.root(items + [items.last!]) != root)
    }

    @Test(arguments: Seed.all)
    func `an inner node is never a leaf, so that no shorter list has the same root`(seed: Seed) {
        var chance = seed.chance()
        let items = (0..<4).map { _ in Digest.any(from: &chance) }
        let left = Merkle.root(Array(items[..<2]))
        let right = Merkle.root(Array(items[2...]))
        #expect(Merkle.root([left, right]) != Merkle.root(items))
        #expect(Merkle.root([Merkle.root(items)]) != Merkle.root(items))
        #expect(Merkle.root([items[0]]) != items[0])
    }

    @Test(arguments: Seed.all)
    func `an evidence summary commits to items, count and order`(seed: Seed) {
        var chance = seed.chance()
        var items = (0..<(2 + chance.below(10))).map { _ in Digest.any(from: &chance) }
        let summary = EvidenceSummary(items: items)
        #expect(summary.root == Merkle.root(items))
        #expect(summary.count == UInt32(items.count))
        items.swapAt(0, 1)
        let swapped = EvidenceSummary(items: items)
        #expect(swapped.root != summary.root)
        #expect(swapped.fingerprint == summary.fingerprint)
        #expect(EvidenceSummary(items: Array(items.dropLast())).fingerprint != summary.fingerprint)
        // Hashed before they are combined: else one could choose items that cancel out.
        #expect(EvidenceSummary(items: [items[0]]).fingerprint == Digest(of: items[0].octets))
        #expect(EvidenceSummary(items: []).fingerprint == .zero)
    }

    @Test(arguments: Seed.all)
    func `contents match the header that commits to them, and no other`(seed: Seed) {
        var chance = seed.chance()
        let body = Body.any(from: &chance)
        let items = chance.ascending(EvidenceItem.self, max: 6) { $0.author }
        var header = Header.any(from: &chance)
        header.transactionsRoot = body.root
        header.evidence = EvidenceSummary(items: items.map(\.item))
        #expect(Contents(header: header, body: body, items: items).matchesHeader)
        let more = Body(
            transactions: body.transactions + [.any(from: &chance)], parentCertificate: body.parentCertificate
        )
        #expect(!Contents(header: header, body: more, items: items).matchesHeader)
        let otherParent = Body(transactions: body.transactions, parentCertificate: .any(from: &chance))
        #expect(!Contents(header: header, body: otherParent, items: items).matchesHeader)
        let longer = items + [.any(from: &chance)]
        #expect(!Contents(header: header, body: body, items: longer).matchesHeader)
    }
}
