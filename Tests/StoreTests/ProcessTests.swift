import Bytes
import Foundation
import Glibc
import Store
import Testing

@Suite struct `Another process` {
    @Test func `cannot write while one does, and learns who does`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let second = try Probe("open", scratch.fresh)
        #expect(second.line() == StoreError.locked(by: getpid()).description)
        try store.put([1], for: key(1))
    }

    @Test func `is named when it holds the store, and frees it by its end`() throws {
        let scratch = try Scratch()
        let holder = try Probe("open", scratch.fresh)
        #expect(holder.line() == "open")
        #expect(throws: StoreError.locked(by: holder.id)) { try scratch.store() }
        #expect(throws: StoreError.locked(by: holder.id), "the refused one takes nothing away") {
            try scratch.store()
        }
        holder.finish()
        try scratch.store().put([1], for: key(1))
    }

    @Test func `frees the store when it is killed`() throws {
        let scratch = try Scratch()
        let holder = try Probe("open", scratch.fresh)
        #expect(holder.line() == "open")
        holder.kill()
        try scratch.store().put([1], for: key(1))
    }

    @Test(arguments: [["writer.lock"], ["writer.lock", "lock.mdb"]])
    func `cannot write while one does whose lock was taken for left over`(removed: [String]) throws {
        let scratch = try Scratch()
        let holder = try Probe("open", scratch.fresh)
        #expect(holder.line() == "open")
        for name in removed { try FileManager.default.removeItem(atPath: scratch.fresh + "/" + name) }
        #expect(Store.hasWriter(in: scratch.fresh) == true)
        for _ in 1...2 { #expect(throws: StoreError.locked(by: nil)) { try scratch.store() } }
        #expect(Store.hasWriter(in: scratch.fresh) == true, "the refused one left a lock file behind")
        holder.kill()
        #expect(Store.hasWriter(in: scratch.fresh) == false)
        try scratch.store().put([1], for: key(1))
    }

    @Test func `is seen to have the store open, until it ends in whatever way`() throws {
        let scratch = try Scratch()
        #expect(Store.hasWriter(in: scratch.fresh) == false)
        let holder = try Probe("open", scratch.fresh)
        #expect(holder.line() == "open")
        #expect(Store.hasWriter(in: scratch.fresh) == true)
        #expect(Store.hasWriter(in: scratch.fresh) == true, "a look takes nothing away")
        holder.kill()
        #expect(Store.hasWriter(in: scratch.fresh) == false)
        let store = try scratch.store()
        #expect(Store.hasWriter(in: scratch.fresh) == true)
        try store.put([1], for: key(1))
    }

    @Test func `reads while this one writes, and after`() throws {
        let scratch = try Scratch()
        var store: Store? = try scratch.store()
        let reader = try Probe("read", scratch.fresh)
        #expect(reader.line() == "open")
        for number in UInt32(1)...20 {
            try store?.put([1], for: key(number))
            #expect(reader.ask() == "\(number)")
        }
        store = nil
        #expect(reader.ask() == "20")
        // A writer can start beside it again.
        store = try scratch.store()
        try store?.put([1], for: key(21))
        #expect(reader.ask() == "21")
    }

    @Test func `is read from while it writes`() throws {
        let scratch = try Scratch()
        let writer = try Probe("commit", scratch.fresh)
        #expect(writer.line() == "0")
        let store = try scratch.store { $0.readOnly = true }
        for _ in 0..<20 {
            let said = try #require(writer.line().flatMap { UInt32($0) })
            #expect(try store.value(of: key(said)) == [UInt8](repeating: UInt8(said), count: 3000))
        }
        #expect(try store.count(in: "others") == 0, "a table its writer never created")
    }

    @Test(arguments: [1, 7, 30, 100]) func `that is killed amid commits loses none`(commits: Int) throws {
        let scratch = try Scratch()
        var next: UInt32 = 0
        for _ in 0..<3 {
            let writer = try Probe("commit", scratch.fresh)
            var said: UInt32 = 0
            for _ in 0..<commits { said = try #require(writer.line().flatMap { UInt32($0) }) }
            writer.kill()
            let store = try scratch.store()
            let count = UInt32(try store.count())
            // It may have committed more than it came to say.
            #expect(count > said)
            for number in 0..<max(count, next) {
                let value = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 3000)
                #expect(try store.value(of: key(number)) == value)
            }
            next = max(next, count)
        }
    }

    @Test func `that is killed amid a read leaves no reader slot`() throws {
        let scratch = try Scratch()
        // LMDB frees a dead process's slots only when asked: a single slot shows whether the store asks.
        let store = try scratch.store { $0.readersMax = 1 }
        for _ in 0..<3 {
            let reader = try Probe("read-on", scratch.fresh)
            #expect(reader.line() == "reading")
            #expect(throws: StoreError.readersFull) { try store.count() }
            reader.kill()
            #expect(try store.count() == 0)
        }
    }

    /// Writes the same record over and over.
    private func rewrite(_ store: Store, times: Int) throws {
        for time in 0..<times {
            try store.put([UInt8](repeating: UInt8(truncatingIfNeeded: time), count: 100_000), for: key(1))
        }
    }

    /// Leaves a snapshot behind that nobody reads any more.
    private func dieReading(in directory: String) throws {
        let reader = try Probe("read-on", directory)
        #expect(reader.line() == "reading")
        reader.kill()
    }

    @Test func `that is killed amid a read keeps no room for long`() throws {
        let scratch = try Scratch()
        let store = try scratch.store { $0.mapByteCount = 64 << 20 }
        try rewrite(store, times: 10)
        try dieReading(in: scratch.fresh)
        try rewrite(store, times: 400)
        // A minute of a node's commits, of 400 that would be 40 MB.
        #expect(try store.byteCount() < 12 << 20)
    }

    @Test func `that is killed amid a read makes no store too small`() throws {
        let scratch = try Scratch()
        let store = try scratch.store { $0.mapByteCountMax = 1 << 20 }
        try rewrite(store, times: 10)
        try dieReading(in: scratch.fresh)
        try rewrite(store, times: 20)
        #expect(try store.mapByteCount() == 1 << 20)
    }

    @Test func `that is killed amid a read makes no disk full`() throws {
        let scratch = try Scratch()
        let writer = try Probe("rewrite", scratch.fresh)
        #expect(writer.line() == "open")
        try dieReading(in: scratch.fresh)
        #expect(writer.ask() == "done")
    }

    @Test func `reads from a directory it may not write to`() throws {
        let scratch = try Scratch()
        try scratch.store().put([1], for: key(1))
        try open(scratch.fresh)
        defer { setMode(0o755, of: scratch.fresh) }
        let reader = try Probe("read-as-nobody", scratch.fresh)
        #expect(reader.line() == "open")
        #expect(reader.ask() == "1")
        // It cannot register with LMDB, so it keeps writers out.
        #expect(throws: StoreError.locked(by: nil)) { try scratch.store() }
        reader.finish()
        try scratch.store().put([1], for: key(2))
    }

    @Test func `does not read unregistered beside a writer`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.put([1], for: key(1))
        try open(scratch.fresh)
        defer { setMode(0o755, of: scratch.fresh) }
        let reader = try Probe("read-as-nobody", scratch.fresh)
        #expect(reader.line() == StoreError.permission(scratch.fresh).description)
    }

    @Test func `that may not register is told when the file for that was removed`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        try store.put([1], for: key(1))
        try FileManager.default.removeItem(atPath: scratch.fresh + "/lock.mdb")
        let reader = try Probe("read", scratch.fresh)
        #expect(reader.line() == StoreError.lockFileGone(scratch.fresh).description)
        #expect(try store.value(of: key(1)) == [1])
    }

    @Test func `does not write without permission`() throws {
        let scratch = try Scratch()
        try scratch.store().put([1], for: key(1))
        try open(scratch.fresh)
        defer { setMode(0o755, of: scratch.fresh) }
        let writer = try Probe("write-as-nobody", scratch.fresh)
        #expect(writer.line() == StoreError.permission(scratch.fresh + "/writer.lock").description)
    }

    @Test func `that finds the disk full loses nothing and goes on`() throws {
        let scratch = try Scratch()
        let writer = try Probe("starve", scratch.fresh)
        #expect(writer.line() == StoreError.diskFull.description)
        #expect(writer.line() == "1")
        #expect(try scratch.store { $0.readOnly = true }.count() > 10)
    }

    /// Everyone may read all there is, nobody may write.
    private func open(_ directory: String) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) {
            setMode(0o444, of: directory + "/" + name)
        }
        setMode(0o555, of: directory)
    }
}
