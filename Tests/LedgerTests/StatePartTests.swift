import Bytes
import Chance
import Identity
import Ledger
import TestKit
import Testing
import Wire

private func key(_ chance: inout Chance) -> StateKey {
    switch chance.below(8) {
    case 0: .totals
    case 1: .device(id(chance.bits()))
    case 2: .committee(chance.bits())
    case 3: .unbonding(chance.bits(), id(chance.bits()))
    default: .account(id(chance.bits()))
    }
}

private func trie(_ count: Int, _ chance: inout Chance) -> StateTrie {
    var state: [StateKey: [UInt8]] = [:]
    for _ in 0..<count {
        // One in a while is larger than a part.
        let size = chance.happens(1, in: 60) ? 1_000 + chance.below(4_000) : chance.below(120)
        state[key(&chance)] = chance.octets(size)
    }
    return StateTrie().updated(with: state.map { StateTrie.Write(key: $0.key, value: $0.value) })
}

/// Some entries changed, some gone, some new.
private func changed(_ trie: StateTrie, _ chance: inout Chance) -> StateTrie {
    var writes: [StateTrie.Write] = []
    for (key, _) in trie.entries where chance.happens(1, in: 10) {
        writes.append(
            StateTrie.Write(key: key, value: chance.happens(1, in: 2) ? nil : chance.octets(chance.below(50)))
        )
    }
    for _ in 0..<chance.below(20) {
        writes.append(StateTrie.Write(key: .account(id(chance.bits())), value: chance.octets(16)))
    }
    return trie.updated(with: writes)
}

/// Fetches part by part in a random order until nothing is missing; returns what is here then and how many parts it took.
private func fetch(
    _ wanted: StateTrie, into start: StateTrie, _ chance: inout Chance, check: (StatePart) -> Void = { _ in }
) -> (state: StateTrie, parts: Int) {
    var state = start
    var parts = 0
    var missing = state.root == wanted.root ? [] : [(place: StatePlace.root, hash: wanted.root)]
    while !missing.isEmpty {
        let (place, hash) = missing.remove(at: chance.below(missing.count))
        let part = wanted.part(below: place)
        check(part)
        #expect(StateTrie.hash(of: part, below: place) == hash)
        let difference = state.difference(from: part, below: place)
        state = state.updated(by: difference)
        missing += difference.missing
        parts += 1
    }
    return (state, parts)
}

@Suite struct `A state in parts` {
    @Test(arguments: Seed.all) func `comes together from whatever is there, in any order`(seed: Seed) {
        var chance = seed.chance()
        let wanted = trie(chance.below(600), &chance)
        let starts = [StateTrie(), changed(wanted, &chance), trie(chance.below(200), &chance), wanted]
        for start in starts {
            let (state, _) = fetch(wanted, into: start, &chance)
            #expect(state.root == wanted.root)
            #expect(state.entries.map(\.0) == wanted.entries.map(\.0))
            #expect(state.entries.map(\.1) == wanted.entries.map(\.1))
            var known: [StateKey: [UInt8]] = Dictionary(uniqueKeysWithValues: start.entries)
            for (key, value) in wanted.changes(since: start) { known[key] = value }
            #expect(known == Dictionary(uniqueKeysWithValues: wanted.entries))
        }
        #expect(wanted.changes(since: wanted).isEmpty)
    }

    @Test(arguments: Seed.all) func `fits datagrams, all but what is one large value`(seed: Seed) {
        var chance = seed.chance()
        let wanted = trie(400, &chance)
        _ = fetch(wanted, into: StateTrie(), &chance) { part in
            let message = Message.snapshotAnswer(.part(.max, .root, part)).encoded()
            // The deepest place takes 32 octets more than the root.
            let fits = message.count + 32 <= Frame.messageByteCountMax
            #expect(fits || part.nodes.count == 1)
        }
    }

    @Test func `costs little more than the values, and little where little has changed`() {
        var chance = Chance(seed: 5)
        var writes: [StateTrie.Write] = []
        for number in 0..<20_000 {
            writes.append(StateTrie.Write(key: .account(id(UInt64(number))), value: chance.octets(16)))
        }
        let old = StateTrie().updated(with: writes)
        var byteCount = 0
        _ = fetch(old, into: StateTrie(), &chance) { byteCount += $0.encoded().count }
        // 49 octets of key and value each.
        #expect(byteCount < 20_000 * 49 * 12 / 10)
        let new = old.updated(
            with: (0..<20).map { StateTrie.Write(key: .account(id(UInt64($0))), value: [1]) })
        byteCount = 0
        let (_, parts) = fetch(new, into: old, &chance) { byteCount += $0.encoded().count }
        #expect(parts <= 20 * 4)
        #expect(byteCount < old.byteCount / 10)
    }

    @Test(arguments: Seed.all) func `is not believed when an octet is another`(seed: Seed) {
        var chance = seed.chance()
        let wanted = trie(300, &chance)
        var missing = [StatePlace.root]
        for _ in 0..<20 where !missing.isEmpty {
            let place = missing.remove(at: chance.below(missing.count))
            let part = wanted.part(below: place)
            missing += StateTrie().difference(from: part, below: place).missing.map(\.place)
            for _ in 0..<20 {
                var octets = part.encoded()
                octets.mutate(with: &chance)
                guard let other = try? StatePart(decoding: octets), other != part else { continue }
                #expect(StateTrie.hash(of: other, below: place) != wanted.hash(below: place))
            }
        }
    }

    @Test func `does not let an entry lie where its path does not lead`() {
        let leaf = StatePart(nodes: [.leaf(.totals, [1])])
        let path = StateTrie.path(of: .totals)
        let right = StatePlace.root.child(onRight: path.bit(0))
        let wrong = StatePlace.root.child(onRight: !path.bit(0))
        #expect(StateTrie.hash(of: leaf, below: right) != nil)
        #expect(StateTrie.hash(of: leaf, below: wrong) == nil)
    }

    @Test func `that only repeats what was asked for is none`() {
        let digest = Digest(of: [1])
        #expect(StateTrie.hash(of: StatePart(nodes: [.stub(digest)]), below: .root) == nil)
        let inner = StatePart(nodes: [.inner, .stub(digest), .empty])
        #expect(StateTrie.hash(of: inner, below: .root) != nil)
    }

    @Test func `has no place below a whole path`() {
        let deepest = (0..<256).reduce(StatePlace.root) { place, _ in place.child(onRight: true) }
        let part = StatePart(nodes: [.inner, .empty, .empty])
        #expect(StateTrie.hash(of: part, below: deepest) == nil)
    }
}
