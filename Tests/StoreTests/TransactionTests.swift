import Bytes
import Chance
import Foundation
import Store
import TestKit
import Testing

@Suite struct `A transaction` {
    private let value: [UInt8] = [2, 3]

    @Test func `keeps what a write returns from`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.put(value, for: key(1))
        #expect(try store.value(of: key(1)) == value)
        #expect(try store.value(of: key(2)) == nil)
        #expect(try store.count(in: "others") == 0)
    }

    @Test func `keeps it after the store is opened again`() throws {
        let scratch = try Scratch()
        try scratch.store().put(value, for: key(1))
        #expect(try scratch.store().value(of: key(1)) == value)
    }

    @Test func `forgets what a write throws from`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let table = store.table("records")
        var runs = 0
        #expect(throws: StoreError.mapFull) {
            try store.write { transaction throws(StoreError) in
                runs += 1
                try transaction.put(value.octetBytes, for: key(1).octetBytes, in: table)
                throw StoreError.mapFull
            }
        }
        #expect(runs == 1, "an error that is not LMDB's grows no map")
        #expect(try store.count() == 0)
    }

    @Test func `reads its own writes`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let table = store.table("records")
        let found = try store.write { transaction throws(StoreError) -> [UInt8]? in
            try transaction.put(value.octetBytes, for: key(1).octetBytes, in: table)
            guard let pages = try transaction.value(of: key(1).octetBytes, in: table) else { return nil }
            return [UInt8](copying: pages)
        }
        #expect(found == value)
    }

    @Test(arguments: [0, 512]) func `reports a key LMDB cannot hold`(byteCount: Int) throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let key = [UInt8](repeating: 0, count: byteCount)
        #expect(throws: StoreError.badKeySize) { try store.put(value, for: key) }
        #expect(throws: StoreError.badKeySize) { try store.value(of: key) }
    }

    @Test func `holds the longest key and the empty value`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let key = [UInt8](repeating: 0xFF, count: Store.keyByteCountMax)
        try store.put([], for: key)
        #expect(try store.value(of: key) == [])
        let table = store.table("records")
        let isLast = try store.read { transaction throws(StoreError) in
            guard let last = try transaction.last(in: table, .prefix(key)) else { return false }
            return [UInt8](copying: last.key) == key && last.value.isEmpty
        }
        #expect(isLast)
    }

    @Test func `inserts only what is not there`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let table = store.table("records")
        try store.write { transaction throws(StoreError) in
            #expect(try transaction.insert(key(7).octetBytes, for: key(1).octetBytes, in: table))
            #expect(try !transaction.insert(key(8).octetBytes, for: key(1).octetBytes, in: table))
        }
        #expect(try store.value(of: key(1)) == key(7))
    }

    @Test func `appends ascending keys only`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let table = store.table("records")
        try store.write { transaction throws(StoreError) in
            for number in UInt32(0)..<1000 {
                try transaction.append(key(number).octetBytes, for: key(number).octetBytes, in: table)
            }
            #expect(throws: StoreError.outOfOrder) {
                try transaction.append(value.octetBytes, for: key(5).octetBytes, in: table)
            }
        }
        #expect(try store.count() == 1000)
        #expect(try store.value(of: key(5)) == key(5))
    }

    @Test func `sees one snapshot while another thread writes`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.put(value, for: key(1))
        let table = store.table("records")
        try store.read { transaction throws(StoreError) in
            let isWritten = DispatchSemaphore(value: 0)
            Thread { [value] in
                try? store.put(value, for: key(2))
                isWritten.signal()
            }.start()
            isWritten.wait()
            #expect(try transaction.count(in: table) == 1)
        }
        #expect(try store.count() == 2)
    }

    @Test func `stops the program when it is nested in itself`() async throws {
        let scratch = try Scratch()
        let path = scratch.fresh
        let end = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            [path = path as String] in
            let store = try openStore(at: path)
            try store.read { _ throws(StoreError) in try store.put([1], for: key(1)) }
        }
        let message = String(decoding: try #require(end).standardErrorContent, as: UTF8.self)
        #expect(message.contains("inside another one of the same store"))
        withExtendedLifetime(scratch) {}
    }

    @Test func `stops the program when it is given another store's table`() async throws {
        let scratch = try Scratch()
        let path = scratch.path
        let end = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            [path = path as String] in
            let store = try openStore(at: path + "/one")
            let other = try openStore(at: path + "/other")
            let table = other.table("records")
            _ = try store.read { transaction throws(StoreError) in try transaction.count(in: table) }
        }
        let message = String(decoding: try #require(end).standardErrorContent, as: UTF8.self)
        #expect(message.contains("a transaction of another store"))
        withExtendedLifetime(scratch) {}
    }

    @Test func `may be nested in one of another store`() throws {
        let scratch = try Scratch()
        let other = try Scratch()
        let source = try scratch.store()
        let target = try other.store()
        try source.put(value, for: key(1))
        let table = source.table("records")
        try source.read { transaction throws(StoreError) in
            try transaction.forEach(in: table) { (key, value) throws(StoreError) in
                try target.put([UInt8](copying: value), for: [UInt8](copying: key))
                return true
            }
        }
        #expect(try target.value(of: key(1)) == value)
    }
}

@Suite struct `A table` {
    /// Short keys of few different octets, so that prefixes, neighbours and 0xFF are met often.
    private func key(with chance: inout Chance) -> [UInt8] {
        let octets: [UInt8] = [0, 1, 0x7F, 0xFE, 0xFF]
        return (0..<(1 + chance.below(3))).map { _ in octets[chance.below(octets.count)] }
    }

    private func range(with chance: inout Chance) -> (range: KeyRange, holds: ([UInt8]) -> Bool) {
        let lower = chance.happens(1, in: 8) ? [] : key(with: &chance)
        let upper = chance.happens(1, in: 8) ? [] : key(with: &chance)
        switch chance.below(6) {
        case 0: return (.all, { _ in true })
        case 1: return (.prefix(lower), { $0.starts(with: lower) })
        case 2: return (.from(lower), { !$0.lexicographicallyPrecedes(lower) })
        case 3: return (.below(upper), { $0.lexicographicallyPrecedes(upper) })
        case 4:
            return (
                .prefix(lower).after(upper),
                { $0.starts(with: lower) && upper.lexicographicallyPrecedes($0) }
            )
        default:
            return (
                .from(lower, below: upper),
                { !$0.lexicographicallyPrecedes(lower) && $0.lexicographicallyPrecedes(upper) }
            )
        }
    }

    private func sorted(_ model: [[UInt8]: [UInt8]], _ holds: ([UInt8]) -> Bool) -> [[UInt8]] {
        model.keys.filter(holds).sorted { $0.lexicographicallyPrecedes($1) }
    }

    @Test(arguments: Seed.all) func `behaves like a sorted dictionary`(seed: Seed) throws {
        var chance = seed.chance()
        let scratch = try Scratch()
        let store = try scratch.store()
        let table = store.table("records")
        var model: [[UInt8]: [UInt8]] = [:]
        for _ in 0..<4 {
            try store.write { transaction throws(StoreError) in
                for _ in 0..<60 { try change(&transaction, table, &model, &chance) }
                for _ in 0..<20 { try compare(transaction, table, model, &chance) }
            }
            try store.read { transaction throws(StoreError) in
                for _ in 0..<20 { try compare(transaction, table, model, &chance) }
            }
        }
    }

    private func change(
        _ transaction: inout WriteTransaction, _ table: Table, _ model: inout [[UInt8]: [UInt8]],
        _ chance: inout Chance
    ) throws(StoreError) {
        let key = key(with: &chance)
        switch chance.below(40) {
        case 0:
            try transaction.clear(table)
            model = [:]
        case 1...2:
            let (range, holds) = range(with: &chance)
            let limit = chance.below(4)
            let doomed = sorted(model, holds).prefix(limit)
            #expect(try transaction.delete(range, in: table, limit: limit) == doomed.count)
            for key in doomed { model[key] = nil }
        case 3...12:
            let wasThere = model.removeValue(forKey: key) != nil
            #expect(try transaction.delete(key.octetBytes, in: table) == wasThere)
        default:
            // Some do not fit in a page and go to pages of their own.
            let count = chance.happens(1, in: 8) ? 5000 : chance.below(20)
            let value = [UInt8](repeating: UInt8(chance.below(256)), count: count)
            try transaction.put(value.octetBytes, for: key.octetBytes, in: table)
            model[key] = value
        }
    }

    private func compare(
        _ transaction: borrowing some Snapshot & ~Copyable, _ table: Table, _ model: [[UInt8]: [UInt8]],
        _ chance: inout Chance
    ) throws(StoreError) {
        let (range, holds) = range(with: &chance)
        let expected = sorted(model, holds)
        let reverse = chance.happens(1, in: 2)
        let limit = chance.happens(1, in: 2) ? Int.max : chance.below(10)
        var found: [[UInt8]] = []
        try transaction.forEach(in: table, range, reverse: reverse, limit: limit) { key, value in
            found.append([UInt8](copying: key))
            #expect(model[[UInt8](copying: key)] == [UInt8](copying: value))
            return true
        }
        #expect(found == Array((reverse ? expected.reversed() : expected).prefix(limit)))
        var first: [UInt8]?
        if let entry = try transaction.first(in: table, range) { first = [UInt8](copying: entry.key) }
        #expect(first == expected.first)
        var last: [UInt8]?
        if let entry = try transaction.last(in: table, range) { last = [UInt8](copying: entry.key) }
        #expect(last == expected.last)
        #expect(try transaction.count(in: table) == model.count)
    }

    @Test func `stops visiting when told`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        for number in UInt32(0)..<5 { try store.put([1], for: numbered(number)) }
        let table = store.table("records")
        var visited = 0
        try store.read { transaction throws(StoreError) in
            try transaction.forEach(in: table) { _, _ in
                visited += 1
                return visited < 3
            }
        }
        #expect(visited == 3)
    }
}

/// The suite's own `key` hides the shared one.
private func numbered(_ number: UInt32) -> [UInt8] { key(number) }
