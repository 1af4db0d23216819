import Bytes
import Chance
import Identity
import Ledger
import TestKit
import Testing
import Wire

/// The definition of the root, recomputed from everything, bit by bit.
private func slowRoot(_ leaves: [(path: Digest, valueHash: Digest)], depth: Int = 0) -> Digest {
    if leaves.isEmpty { return .zero }
    if leaves.count == 1 {
        return Digest(of: [0] + leaves[0].path.octets + leaves[0].valueHash.octets)
    }
    let left = slowRoot(leaves.filter { !$0.path.bit(depth) }, depth: depth + 1)
    let right = slowRoot(leaves.filter { $0.path.bit(depth) }, depth: depth + 1)
    return Digest(of: [1] + left.octets + right.octets)
}

private func slowRoot(_ state: [Digest: [UInt8]]) -> Digest {
    slowRoot(state.map { (path: $0.key, valueHash: Digest(of: $0.value)) })
}

/// Paths that share long prefixes with one another, as no honest hash would.
private func crowdedPath(_ chance: inout Chance) -> Digest {
    var octets = [UInt8](repeating: 0, count: 32)
    for _ in 0..<chance.below(4) {
        let bit = chance.happens(1, in: 2) ? 255 - chance.below(6) : chance.below(256)
        octets[bit / 8] |= 128 >> UInt8(bit % 8)
    }
    return Digest(octets: octets)!
}

private func key(_ number: Int) -> StateKey { .account(id(UInt64(number))) }

@Test func `the trie of nothing has the zero root and one leaf is the root`() {
    #expect(StateTrie().root == .zero)
    let write = StateTrie.Write(key: .totals, value: [1, 2, 3])
    let path = Digest(of: [0])
    #expect(StateTrie.path(of: .totals) == path)
    #expect(
        StateTrie().updated(with: [write]).root
            == Digest(of: [0] + path.octets + Digest(of: [1, 2, 3]).octets))
}

@Test(arguments: Seed.all) func `the trie agrees with a root computed from everything`(seed: Seed) {
    var chance = seed.chance()
    var trie = StateTrie()
    var model: [Digest: [UInt8]] = [:]
    let crowded = chance.happens(1, in: 2)
    for _ in 0..<12 {
        var batch: [Digest: [UInt8]?] = [:]
        for _ in 0..<chance.below(40) {
            let fresh = crowded ? crowdedPath(&chance) : Digest(of: chance.octets(2))
            let known = model.keys.sorted()
            let path = known.isEmpty || chance.happens(1, in: 2) ? fresh : known[chance.below(known.count)]
            batch[path] = .some(chance.happens(2, in: 5) ? nil : chance.octets(chance.below(3)))
        }
        var writes = batch.keys.sorted().map { path in
            StateTrie.Write(path: path, key: .totals, value: batch[path]!)
        }
        chance.shuffle(&writes)
        let before = trie.root
        let updated = trie.updated(with: writes)
        #expect(trie.root == before)
        for (path, value) in batch { model[path] = value }
        #expect(updated.root == slowRoot(model))
        for path in batch.keys { #expect(updated.valueHash(at: path) == model[path].map { Digest(of: $0) }) }
        // One by one and in another order: the same root.
        chance.shuffle(&writes)
        #expect(writes.reduce(trie) { $0.updated(with: [$1]) }.root == updated.root)
        trie = updated
    }
    let all = model.keys.map { StateTrie.Write(path: $0, key: .totals, value: nil) }
    #expect(trie.updated(with: all).root == .zero)
}

@Test(arguments: Seed.all) func `proofs show what is there and what is not`(seed: Seed) throws {
    var chance = seed.chance()
    let count = chance.below(60)
    var model: [Int: [UInt8]] = [:]
    for _ in 0..<count { model[chance.below(200)] = chance.octets(8) }
    let writes = model.sorted { $0.key < $1.key }.map { StateTrie.Write(key: key($0.key), value: $0.value) }
    let trie = StateTrie().updated(with: writes)
    for number in 0..<200 {
        let proof = trie.proof(of: StateTrie.path(of: key(number)))
        #expect(proof.verify(root: trie.root, key: key(number), value: model[number]))
        #expect(try StateProof(decoding: proof.encoded()) == proof)
        #expect(!proof.verify(root: trie.root, key: key(number), value: [9]))
        #expect(!proof.verify(root: Digest(of: [9]), key: key(number), value: model[number]))
        if model[number] != nil { #expect(!proof.verify(root: trie.root, key: key(number), value: nil)) }
    }
}

@Test(arguments: Seed.all) func `a mutated proof fails`(seed: Seed) {
    var chance = seed.chance()
    let present = 40
    let writes = (0..<present).map { StateTrie.Write(key: key($0), value: [UInt8($0)]) }
    let trie = StateTrie().updated(with: writes)
    for _ in 0..<200 {
        let number = chance.below(2 * present)
        let value: [UInt8]? = number < present ? [UInt8(number)] : nil
        let honest = trie.proof(of: StateTrie.path(of: key(number)))
        var octets = honest.encoded()
        octets.mutate(with: &chance)
        guard let proof = try? StateProof(decoding: octets), proof != honest else { continue }
        #expect(!proof.verify(root: trie.root, key: key(number), value: value))
        #expect(!proof.verify(root: trie.root, key: key(number), value: value == nil ? [1] : nil))
    }
}

@Test func `a proof for one key shows nothing about another`() {
    let writes = (0..<30).map { StateTrie.Write(key: key($0), value: [UInt8($0)]) }
    let trie = StateTrie().updated(with: writes)
    for one in 0..<60 {
        for other in 0..<30 where other != one {
            let proof = trie.proof(of: StateTrie.path(of: key(one)))
            #expect(!proof.verify(root: trie.root, key: key(other), value: nil))
            #expect(!proof.verify(root: trie.root, key: key(other), value: [UInt8(other)]))
        }
    }
}

@Test func `a proof with more siblings than a path has bits is refused`() {
    var writer = ByteWriter()
    writer.list([Digest](repeating: .zero, count: 257))
    writer.uleb128(0)
    #expect(throws: DecodeError.tooLong) { try StateProof(decoding: writer.bytes) }
}
