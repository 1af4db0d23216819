import Bytes
import CLMDB
import Foundation
import Glibc
import Store
import Testing

@Suite struct `Opening a store` {
    private func open(_ scratch: borrowing Scratch, format: UInt32, readOnly: Bool) throws -> Store {
        var options = Store.Options()
        options.readOnly = readOnly
        return try Store(at: scratch.fresh, options: options, format: format, tables: ["records"])
    }

    @Test func `creates a directory for its owner only`() throws {
        let scratch = try Scratch()
        _ = try scratch.store()
        for (name, mode) in [
            ("", 0o700), ("/data.mdb", 0o600), ("/lock.mdb", 0o600), ("/writer.lock", 0o600),
            ("/commits", 0o600),
        ] {
            let attributes = try FileManager.default.attributesOfItem(atPath: scratch.fresh + name)
            #expect(attributes[.posixPermissions] as? Int == mode)
        }
    }

    @Test func `knows whether its data are still in their place`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        let (data, away) = (scratch.fresh + "/data.mdb", scratch.fresh + "/away")
        #expect(store.isInPlace)
        try FileManager.default.moveItem(atPath: data, toPath: away)
        #expect(!store.isInPlace)
        try FileManager.default.copyItem(atPath: away, toPath: data)
        #expect(!store.isInPlace, "a copy is another file")
        try FileManager.default.removeItem(atPath: data)
        try FileManager.default.moveItem(atPath: away, toPath: data)
        #expect(store.isInPlace)
        try FileManager.default.removeItem(atPath: scratch.fresh)
        #expect(!store.isInPlace)
    }

    /// LMDB writes to the file through a map: a disk that is full later would kill the process.
    @Test func `takes the room of the file of readers at once`() throws {
        for readersMax: UInt32 in [1, 126, 500] {
            let scratch = try Scratch()
            _ = try scratch.store { $0.readersMax = readersMax }
            var status = stat()
            let code = unsafe stat(scratch.fresh + "/lock.mdb", &status)
            #expect(code == 0 && status.st_size >= 64 * Int(readersMax))
            #expect(Int(status.st_blocks) * 512 >= Int(status.st_size), "\(readersMax)")
            // Of the size that LMDB gives it, or there would be another number of readers.
            #expect(status.st_size == 64 * Int(readersMax) + 128)
        }
    }

    @Test func `finds nothing where nothing is`() throws {
        let scratch = try Scratch()
        let path = scratch.fresh
        #expect(throws: StoreError.notFound(path)) { try open(scratch, format: 1, readOnly: true) }
        #expect(!FileManager.default.fileExists(atPath: path), "a reader creates nothing")
        #expect(throws: StoreError.notFound(path + "/deeper")) {
            try Store(at: path + "/deeper", format: 1, tables: [])
        }
        makeDirectory(path)
        #expect(throws: StoreError.notFound(path)) { try open(scratch, format: 1, readOnly: true) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: path).isEmpty)
    }

    @Test func `refuses a file in place of the directory`() throws {
        let scratch = try Scratch()
        let path = scratch.fresh
        try Data("hello".utf8).write(to: URL(fileURLWithPath: path))
        for readOnly in [false, true] {
            #expect(throws: StoreError.notAStore(path)) { try open(scratch, format: 1, readOnly: readOnly) }
        }
    }

    @Test func `takes a folder that is empty or was begun, and none with other files`() throws {
        let scratch = try Scratch()
        let path = scratch.fresh
        makeDirectory(path)
        let file = URL(fileURLWithPath: path + "/thesis.txt")
        try Data("mine".utf8).write(to: file)
        #expect(throws: StoreError.foreign(path)) { try open(scratch, format: 1, readOnly: false) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["thesis.txt"])
        try FileManager.default.removeItem(at: file)
        // Who was killed at the very first opening left these; a disk of its own has a folder of the file system's.
        try Data().write(to: URL(fileURLWithPath: path + "/writer.lock"))
        makeDirectory(path + "/lost+found")
        _ = try open(scratch, format: 1, readOnly: false)
        // Beside a store anything may lie.
        try Data("mine".utf8).write(to: file)
        _ = try open(scratch, format: 1, readOnly: false)
    }

    @Test(arguments: [1, 100, 4096, 100_000]) func `refuses garbage and leaves it alone`(count: Int) throws {
        let scratch = try Scratch()
        let path = scratch.fresh
        let data = URL(fileURLWithPath: path + "/data.mdb")
        makeDirectory(path)
        let garbage = Data((0..<count).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) })
        try garbage.write(to: data)
        for readOnly in [false, true] {
            #expect(throws: StoreError.notAStore(path)) { try open(scratch, format: 1, readOnly: readOnly) }
        }
        #expect(try Data(contentsOf: data) == garbage)
    }

    @Test(arguments: [false, true]) func `refuses another format and leaves it alone`(readOnly: Bool) throws {
        let scratch = try Scratch()
        try open(scratch, format: 5, readOnly: false).put([1], for: key(1))
        #expect(throws: StoreError.newerFormat(found: 5, supported: 4)) {
            try open(scratch, format: 4, readOnly: readOnly)
        }
        #expect(throws: StoreError.olderFormat(found: 5, supported: 6)) {
            try open(scratch, format: 6, readOnly: readOnly)
        }
        #expect(try open(scratch, format: 5, readOnly: readOnly).value(of: key(1)) == [1])
    }

    @Test(arguments: [false, true], ["meta", "else", nil])
    func `refuses another program's data`(readOnly: Bool, table: String?) throws {
        let scratch = try Scratch()
        makeDirectory(scratch.fresh)
        try writeForeign(scratch.fresh, table: table)
        #expect(throws: StoreError.wrongFormat) { try open(scratch, format: 1, readOnly: readOnly) }
    }

    /// What a program of another maker leaves: a record `format` in `table`, or a plain record `meta`.
    private func writeForeign(_ path: String, table: String?) throws {
        var environment: OpaquePointer?
        var transaction: OpaquePointer?
        var number: MDB_dbi = 0
        unsafe mdb_env_create(&environment)
        defer { unsafe mdb_env_close(environment) }
        unsafe mdb_env_set_maxdbs(environment, 2)
        try check(unsafe mdb_env_open(environment, path, 0, 0o600))
        try check(unsafe mdb_txn_begin(environment, nil, 0, &transaction))
        try check(unsafe mdb_dbi_open(transaction, table, UInt32(MDB_CREATE), &number))
        var octets = Array((table == nil ? "meta" : "format").utf8)
        let code = unsafe octets.withUnsafeMutableBytes { octets in
            var key = unsafe MDB_val(mv_size: octets.count, mv_data: octets.baseAddress)
            var value = unsafe key
            return unsafe mdb_put(transaction, number, &key, &value, 0)
        }
        try check(code)
        try check(unsafe mdb_txn_commit(transaction))
    }

    private func check(_ code: CInt) throws {
        try #require(code == MDB_SUCCESS)
    }

    @Test func `stamps what was created but never stamped`() throws {
        let scratch = try Scratch()
        makeDirectory(scratch.fresh)
        var environment: OpaquePointer?
        unsafe mdb_env_create(&environment)
        try check(unsafe mdb_env_open(environment, scratch.fresh, 0, 0o600))
        unsafe mdb_env_close(environment)
        #expect(throws: StoreError.notFound(scratch.fresh)) { try open(scratch, format: 1, readOnly: true) }
        try open(scratch, format: 1, readOnly: false).put([1], for: key(1))
        #expect(try open(scratch, format: 1, readOnly: true).count() == 1)
    }

    @Test func `reports a file cut short`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        for number in UInt32(0)..<200 { try store.put([UInt8](repeating: 1, count: 3000), for: key(number)) }
        _ = consume store
        let isCut = unsafe truncate(scratch.fresh + "/data.mdb", 8192) == 0
        #expect(isCut)
        #expect(throws: StoreError.corrupted) { try scratch.store() }
    }

    @Test func `tells data that were put back from an earlier copy, until as much was written again`() throws
    {
        let scratch = try Scratch()
        let data = scratch.fresh + "/data.mdb"
        do {
            let store = try scratch.store()
            for number in UInt32(1)...3 { try store.put([1], for: key(number)) }
        }
        let copy = try Data(contentsOf: URL(fileURLWithPath: data))
        do {
            let store = try scratch.store()
            #expect(!store.isRestored)
            for number in UInt32(4)...6 { try store.put([1], for: key(number)) }
        }
        // Into the same file, as `cp` does: it keeps its number and the time of its birth.
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: data))
        try handle.write(contentsOf: copy)
        try handle.close()
        do {
            let store = try scratch.store()
            #expect(store.isRestored)
            #expect(try store.count() == 3)
            try store.put([1], for: key(4))
        }
        #expect(try scratch.store().isRestored, "one commit makes no three")
        #expect(try !scratch.store { $0.readOnly = true }.isRestored, "a reader does not know")
        do {
            let store = try scratch.store()
            for number in UInt32(5)...6 { try store.put([1], for: key(number)) }
        }
        #expect(try !scratch.store().isRestored)
        // Nothing is put back where all begins anew.
        try FileManager.default.removeItem(atPath: data)
        #expect(try !scratch.store().isRestored)
    }

    @Test func `is in one place until it is copied, even to a file with the number of the one before`() throws
    {
        let scratch = try Scratch()
        let data = scratch.fresh + "/data.mdb"
        #expect(DataPlace(of: scratch.fresh) == nil)
        try scratch.store().put([1], for: key(1))
        let place = try #require(DataPlace(of: scratch.fresh))
        try scratch.store().put([1], for: key(2))
        let again = try #require(DataPlace(of: scratch.fresh))
        #expect(again.name == place.name && again.formerNames == place.formerNames)
        // Of earlier versions: the device and the number.
        let attributes = try FileManager.default.attributesOfItem(atPath: data)
        let device = try #require(attributes[.systemNumber] as? Int)
        let number = try #require(attributes[.systemFileNumber] as? Int)
        #expect(place.formerNames.first == "\(device):\(number)")
        let copy = try Data(contentsOf: URL(fileURLWithPath: data))
        try FileManager.default.removeItem(atPath: data)
        try copy.write(to: URL(fileURLWithPath: data))
        #expect(DataPlace(of: scratch.fresh)?.name != place.name)
    }

    @Test func `is allowed once in a process`() throws {
        let scratch = try Scratch()
        let store = try scratch.store()
        #expect(throws: StoreError.alreadyOpen(scratch.fresh)) { try scratch.store() }
        #expect(throws: StoreError.alreadyOpen(scratch.fresh)) { try scratch.store { $0.readOnly = true } }
        try store.put([1], for: key(1))
        #expect(try store.count() == 1)
    }

    @Test func `for reading gives a store that stops the program when written to`() async throws {
        let scratch = try Scratch()
        _ = try scratch.store()
        let path = scratch.fresh
        let end = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            [path = path as String] in
            try openStore(at: path) { $0.readOnly = true }.put([1], for: key(1))
        }
        let message = String(decoding: try #require(end).standardErrorContent, as: UTF8.self)
        #expect(message.contains("opened for reading only"))
        withExtendedLifetime(scratch) {}
    }

    @Test func `adds the tables that a newer caller names`() throws {
        let scratch = try Scratch()
        _ = try Store(at: scratch.fresh, format: 1, tables: ["records"])
        #expect(try scratch.store { $0.readOnly = true }.count(in: "others") == 0)
        try scratch.store().put([1], for: key(1), in: "others")
        #expect(try scratch.store { $0.readOnly = true }.count(in: "others") == 1)
    }

    @Test func `says what to do about each error`() {
        let errors: [StoreError] = [
            .mapFull, .diskFull, .readersFull, .corrupted, .badKeySize, .outOfOrder, .notAStore("/a"),
            .foreign("/a"),
            .olderFormat(found: 1, supported: 2), .newerFormat(found: 2, supported: 1), .wrongFormat,
            .locked(by: 7), .locked(by: nil), .alreadyOpen("/a"), .notFound("/a"), .permission("/a"),
            .lockFileGone("/a"), .mustReopen, .other(-30798),
        ]
        for error in errors { #expect(error.description.contains(";")) }
        // What the system says is no fault of the program's.
        for code in [EMFILE, ENOMEM, ENAMETOOLONG, EROFS] {
            let text = StoreError.other(code).description
            let words = unsafe String(cString: strerror(code))
            #expect(text.contains(words) && text.contains(";") && !text.contains("report"), "\(text)")
        }
        #expect(Set(errors.map(\.description)).count == errors.count)
    }
}
