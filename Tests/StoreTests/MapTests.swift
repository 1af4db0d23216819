import Bytes
import Foundation
import Store
import Synchronization
import Testing

@Suite struct `The map` {
    private let value = [UInt8](repeating: 7, count: 1 << 16)

    @Test func `grows from 1 MiB to hold 64 MiB in one transaction`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let table = store.table("records")
        #expect(try store.mapByteCount() == 1 << 20)
        var runs = 0
        try store.write { transaction throws(StoreError) in
            runs += 1
            for number in UInt32(0)..<1024 {
                try transaction.append(value.octetBytes, for: key(number).octetBytes, in: table)
            }
        }
        #expect(runs == 8, "seven doublings")
        #expect(try store.count() == 1024)
        #expect(try store.value(of: key(1023)) == value)
        #expect(try store.byteCount() > 64 << 20)
        #expect(try store.mapByteCount() == 128 << 20)
    }

    @Test func `grows while other threads read`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.put(value, for: key(0))
        let expected = value
        let readers = DispatchGroup()
        let isStarted = DispatchSemaphore(value: 0)
        for _ in 0..<3 {
            readers.enter()
            Thread {
                defer { readers.leave() }
                isStarted.signal()
                var count = 0
                while count < 200 {
                    guard let found = try? store.count() else {
                        Issue.record("a reader failed")
                        return
                    }
                    #expect(found >= count)
                    count = found
                    #expect((try? store.value(of: key(UInt32(count - 1)))) == expected)
                }
            }.start()
        }
        for _ in 0..<3 { isStarted.wait() }
        for number in UInt32(1)..<200 { try store.put(value, for: key(number)) }
        readers.wait()
        #expect(try store.mapByteCount() == 16 << 20)
    }

    @Test func `does not move under a reader`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.put(value, for: key(0))
        let table = store.table("records")
        let isFull = DispatchSemaphore(value: 0)
        let isWritten = DispatchSemaphore(value: 0)
        let hasReaderLeft = Mutex(false)
        try store.read { transaction throws(StoreError) in
            Thread { [value] in
                var runs = 0
                try? store.write { transaction throws(StoreError) in
                    runs += 1
                    if runs > 1 { #expect(hasReaderLeft.withLock { $0 }) }
                    // More than the first map holds: the first run ends here.
                    defer { isFull.signal() }
                    for number in UInt32(1)..<20 {
                        try transaction.put(value.octetBytes, for: key(number).octetBytes, in: table)
                    }
                }
                isWritten.signal()
            }.start()
            isFull.wait()
            for _ in 0..<200 {
                try transaction.forEach(in: table) { _, found in
                    #expect([UInt8](copying: found) == value)
                    return true
                }
            }
            hasReaderLeft.withLock { $0 = true }
        }
        isWritten.wait()
        #expect(try store.count() == 20)
    }

    @Test func `grows for two threads that write`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let writers = DispatchGroup()
        for writer in UInt32(0)..<2 {
            writers.enter()
            Thread { [value] in
                defer { writers.leave() }
                for number in UInt32(0)..<50 {
                    do {
                        try store.put(value, for: key(writer << 16 | number))
                    } catch {
                        Issue.record(error)
                    }
                }
            }.start()
        }
        writers.wait()
        #expect(try store.count() == 100)
    }

    @Test func `stops at its maximum and keeps what was committed`() throws {
        let scratch = try Scratch()
        let store = try scratch.store { $0.mapByteCountMax = 4 << 20 }
        var committed: UInt32 = 0
        #expect(throws: StoreError.mapFull) {
            while true {
                try store.put(value, for: key(committed))
                committed += 1
            }
        }
        #expect(committed > 40)
        #expect(try store.mapByteCount() == 4 << 20)
        #expect(try store.count() == Int(committed))
        _ = consume store

        let larger = try scratch.store()
        let table = larger.table("records")
        try larger.write { transaction throws(StoreError) in try transaction.clear(table) }
        #expect(try larger.count() == 0)
    }

    @Test func `grows for a closure that swallows the error`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let table = store.table("records")
        try store.write { transaction throws(StoreError) in
            for number in UInt32(0)..<32 {
                try? transaction.put(value.octetBytes, for: key(number).octetBytes, in: table)
            }
        }
        #expect(try store.count() == 32)
    }

    @Test func `is adopted by a reading process`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let reader = try Probe("read", scratch.fresh)
        #expect(reader.line() == "open")
        #expect(reader.ask() == "0")
        let table = store.table("records")
        for batch in UInt32(0)..<4 {
            try store.write { transaction throws(StoreError) in
                for number in (batch * 64)..<(batch * 64 + 64) {
                    try transaction.put(value.octetBytes, for: key(number).octetBytes, in: table)
                }
            }
            #expect(reader.ask() == "\(batch * 64 + 64)")
        }
        reader.finish()
    }

    @Test func `fits data that is larger than the options say`() throws {
        let scratch = try Scratch()
        let large = try scratch.store()
        for number in UInt32(0)..<64 { try large.put(value, for: key(number)) }
        _ = consume large
        #expect(try scratch.store().count() == 64)
    }
}
