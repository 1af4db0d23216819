internal import CLMDB
internal import Glibc
internal import Synchronization

/// One LMDB environment: many readers in any process, one writing process, one directory.
///
/// A transaction lives inside a closure. It cannot be copied, sent to another thread or kept, which
/// are the three things LMDB forbids. Nor may a closure open another transaction of the same store:
/// that could wait for itself, and stops the program at once instead.
///
/// A commit is on the disk when `write` returns: nothing is left to a later flush.
@safe public final class Store: @unchecked Sendable {
    // @unchecked: LMDB lets any thread use an open `MDB_env`; `isBroken` changes under the exclusive map
    // lock and is read under the shared one; `tables` changes in `init` only.
    private let environment: OpaquePointer
    private let directory: String
    private let claim: DirectoryClaim
    /// Nil for a reader that registered with LMDB.
    private let lock: DirectoryLock?
    /// Nil for a reader.
    private let mark: CommitMark?
    private let map = MapLock()
    private let options: Options
    private var tables: [String: Table] = [:]
    /// LMDB unmapped the data and could not map it again.
    private var isBroken = false
    private let commitCount = Atomic<Int>(0)

    /// The longest key, by LMDB's own build.
    public static let keyByteCountMax = 511
    /// Named tables of one store. LMDB walks the list at every transaction, so it stays short.
    public static let tablesMax = 64
    /// How often one transaction may find the map moved: doubling 64 times exhausts any address.
    private static let movesMax = 64
    /// Every so many commits it is looked for readers that died: a node commits about once a second, and what one of them holds
    /// back is then no more than a minute's pages.
    private static let commitsPerReaderCheck = 60

    public struct Options: Sendable {
        /// Opens for reading, beside a writing process or without one. Creates nothing.
        public var readOnly = false
        /// The map at first, in bytes; only addresses are taken, not memory. A reader takes the writer's.
        public var mapByteCount = 1 << 30
        /// How far the map may grow, by doubling.
        public var mapByteCountMax = 1 << 36
        /// Read transactions open at once in all processes, LMDB's default. Whoever first opens the store
        /// decides; later openings may only raise it.
        public var readersMax: UInt32 = 126

        public init() {}
    }

    /// Opens the store in `directory`, and creates directory (for its owner only) and tables as needed.
    ///
    /// - Parameters:
    ///   - format: the layout of what the caller stores. A store of another format is refused untouched.
    ///   - tables: all tables the caller will use, because LMDB opens them safely only before all else.
    ///     A reader finds those empty which the writer had not created when the reader opened the store.
    /// - Throws: on any error nothing stays open or locked.
    public init(
        at directory: String, options: Options = Options(), format: UInt32, tables names: [String]
    ) throws(StoreError) {
        precondition(names.count <= Store.tablesMax && Set(names).count == names.count)
        precondition(!names.contains(FormatStamp.tableName), "the store keeps its format in this table")
        precondition(0 < options.mapByteCount && options.mapByteCount <= options.mapByteCountMax)
        self.options = options
        self.directory = directory

        if !options.readOnly { try Store.createDirectory(directory) }
        claim = try DirectoryClaim(directory)
        var flags = MDB_NOTLS
        if options.readOnly {
            try Store.checkData(in: directory)
            flags |= MDB_RDONLY
            // Never made here: a reader of another user would leave a file that shuts the owner out.
            let canRegister = FileStatus.isWritable(directory + "/lock.mdb")
            if !canRegister { flags |= MDB_NOLOCK }
            lock = canRegister ? nil : try LockFile.unregistered(in: directory)
            mark = nil
        } else {
            lock = try DirectoryLock(forWriterAt: directory)
            mark = try CommitMark(at: directory)
        }
        // The last thing to be set: whatever throws after it closes it.
        unsafe environment = try Store.open(directory, options, UInt32(flags), tableCount: names.count + 1)

        if !options.readOnly { try unsafe DirectoryLock.claim(data: Store.descriptor(of: environment)) }
        var cleared: CInt = 0
        try unsafe StoreError.check(mdb_reader_check(environment, &cleared))
        try unsafe mark?.compare(with: Store.lastCommit(environment))
        if options.readOnly {
            tables = try findTables(names, format: format, in: directory)
        } else {
            try coverLastPage()
            tables = try createTables(names, format: format)
        }
    }

    deinit {
        if !options.readOnly, let data = try? unsafe Store.descriptor(of: environment) {
            DirectoryLock.release(data)
        }
        unsafe mdb_env_close(environment)
    }

    /// Whether the data were put back from an earlier copy: commits are gone that were once durable here. It is so until
    /// as many were made again.
    public var isRestored: Bool { mark?.isAhead ?? false }

    /// What was put back is gone on from: it is no more an earlier copy.
    public func acceptRestored() throws(StoreError) {
        try unsafe mark?.lower(to: Store.lastCommit(environment))
    }

    /// Whether a process has the store in `directory` open for writing; nil where that cannot be told.
    ///
    /// The kernel knows: a process that was killed has it no more.
    public static func hasWriter(in directory: String) -> Bool? { DirectoryLock.hasWriter(in: directory) }

    /// Whether the data are still at their path. If not, somebody removed, moved or replaced the file, and what is committed is
    /// gone with this process. True where it cannot be told.
    public var isInPlace: Bool {
        var opened = stat()
        guard let data = try? unsafe Store.descriptor(of: environment), unsafe fstat(data, &opened) == 0
        else {
            return true
        }
        do throws(StoreError) {
            let file = try FileStatus(directory + "/data.mdb")?.file
            return file == FileID(device: UInt64(opened.st_dev), inode: UInt64(opened.st_ino))
        } catch {
            return true
        }
    }

    /// One of the tables named at opening.
    public func table(_ name: String) -> Table {
        guard let table = tables[name] else { preconditionFailure("\(name) was not named at opening") }
        return table
    }

    /// Reads one unchanging snapshot. Keep it short: a reader holds back the reuse of old pages.
    public func read<Result: ~Copyable>(
        _ body: (borrowing ReadTransaction) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        for _ in 0..<Store.movesMax {
            // Spelled out rather than in a closure: what is generic here is looked up at every call.
            attempt: do {
                let outer = unsafe map.enter()
                defer { unsafe map.leave(outer) }
                guard let access = try begin(flags: MDB_RDONLY) else { break attempt }
                let transaction = ReadTransaction(access)
                return try body(transaction)
            }
            try adoptMap()
        }
        throw .other(MDB_MAP_RESIZED)
    }

    /// Commits what `body` wrote when it returns, and nothing when it throws.
    ///
    /// `body` runs again from the start if the map had to grow for it, each time on an unchanged store:
    /// it must not change anything but the transaction.
    public func write<Result: ~Copyable>(
        _ body: (inout WriteTransaction) throws(StoreError) -> Result
    ) throws(StoreError) -> Result {
        precondition(!options.readOnly, "the store was opened for reading only")
        for _ in 0..<Store.movesMax {
            let attempt = try map.shared { () throws(StoreError) -> Attempt<Result> in
                guard let access = try begin(flags: 0) else { return .moved }
                return try attemptWrite(WriteTransaction(access), body)
            }
            switch consume attempt {
            case .done(let result):
                if commitCount.add(1, ordering: .relaxed).newValue % Store.commitsPerReaderCheck == 0 {
                    // What is committed is: whatever this finds is for the next one to say.
                    _ = try? clearDeadReaders()
                }
                return result
            case .moved: try adoptMap()
            case .full(let mapByteCount): try growMap(beyond: mapByteCount)
            case .starved: guard try clearDeadReaders() > 0 else { throw .diskFull }
            }
        }
        throw .other(MDB_MAP_RESIZED)
    }

    /// The bytes of the data file in use or free for reuse: what a backup copies.
    public func byteCount() throws(StoreError) -> Int {
        try map.shared { () throws(StoreError) in try size().byteCount }
    }

    /// The bytes the data may take before the map must grow.
    public func mapByteCount() throws(StoreError) -> Int {
        try map.shared { () throws(StoreError) in try size().mapByteCount }
    }
}

// MARK: - Transactions

extension Store {
    /// How one run of a transaction's closure ended, if not by an error of its own.
    private enum Attempt<Result: ~Copyable>: ~Copyable {
        case done(Result)
        /// Another process grew the data beyond this process's map.
        case moved
        /// The map of this size was too small.
        case full(mapByteCount: Int)
        /// The disk took no more.
        case starved
    }

    /// Begins a transaction; nil if the map must move first. The caller holds the map.
    private func begin(flags: CInt) throws(StoreError) -> Access? {
        guard !isBroken else { throw .mustReopen }
        var begun: OpaquePointer?
        var code = unsafe mdb_txn_begin(environment, nil, UInt32(flags), &begun)
        if code == MDB_READERS_FULL {
            // Processes that died may hold slots.
            _ = try clearDeadReaders()
            code = unsafe mdb_txn_begin(environment, nil, UInt32(flags), &begun)
        }
        if code == MDB_MAP_RESIZED { return nil }
        try StoreError.check(code)
        guard let begun = unsafe begun else { fatalError("LMDB reported success without a handle") }
        return unsafe Access(handle: begun, owner: UInt(bitPattern: environment))
    }

    /// Frees the slots of readers that died without a word, which hold back pages that could be used again.
    /// - Returns: How many there were.
    private func clearDeadReaders() throws(StoreError) -> CInt {
        var cleared: CInt = 0
        try unsafe StoreError.check(mdb_reader_check(environment, &cleared))
        return cleared
    }

    private func attemptWrite<Result: ~Copyable>(
        _ begun: consuming WriteTransaction,
        _ body: (inout WriteTransaction) throws(StoreError) -> Result
    ) throws(StoreError) -> Attempt<Result> {
        var transaction = begun
        let result: Result
        do throws(StoreError) {
            result = try body(&transaction)
        } catch {
            // Not by the error, which may be the caller's own: by what LMDB said.
            guard transaction.isMapFull else {
                if error == .diskFull { return .starved }
                throw error
            }
            return .full(mapByteCount: try size().mapByteCount)
        }
        do throws(StoreError) {
            try transaction.commit()
        } catch {
            if error == .diskFull { return .starved }
            guard error == .mapFull else { throw error }
            return .full(mapByteCount: try size().mapByteCount)
        }
        // Asked for afterwards: a transaction that changed nothing takes no number.
        try unsafe mark?.raise(to: Store.lastCommit(environment))
        return .done(result)
    }
}

// MARK: - The map

extension Store {
    /// The caller holds the map.
    private func size() throws(StoreError) -> (byteCount: Int, mapByteCount: Int) {
        guard !isBroken else { throw .mustReopen }
        var information = unsafe MDB_envinfo()
        try unsafe StoreError.check(mdb_env_info(environment, &information))
        var statistics = MDB_stat()
        try unsafe StoreError.check(mdb_env_stat(environment, &statistics))
        let pages = unsafe information.me_last_pgno + 1
        return unsafe (pages * Int(statistics.ms_psize), information.me_mapsize)
    }

    private static func lastCommit(_ environment: OpaquePointer) throws(StoreError) -> UInt64 {
        var information = unsafe MDB_envinfo()
        try unsafe StoreError.check(mdb_env_info(environment, &information))
        return UInt64(unsafe information.me_last_txnid)
    }

    /// Doubles the map, unless another thread has since it was found too small.
    private func growMap(beyond mapByteCount: Int) throws(StoreError) {
        try map.exclusive { () throws(StoreError) in
            guard try size().mapByteCount == mapByteCount else { return }
            guard try clearDeadReaders() == 0 else { return }
            guard mapByteCount < options.mapByteCountMax else { throw .mapFull }
            let (doubled, isTooLarge) = mapByteCount.multipliedReportingOverflow(by: 2)
            try moveMap(isTooLarge ? options.mapByteCountMax : min(doubled, options.mapByteCountMax))
        }
    }

    /// Takes the size that the writing process gave the data.
    private func adoptMap() throws(StoreError) {
        try map.exclusive { () throws(StoreError) in try moveMap(0) }
    }

    /// The caller holds the map alone; 0 means the size that the data file names.
    private func moveMap(_ byteCount: Int) throws(StoreError) {
        guard !isBroken else { throw .mustReopen }
        guard unsafe mdb_env_set_mapsize(environment, byteCount) == MDB_SUCCESS else {
            // The old map is gone and the new one was refused: LMDB would follow a null pointer.
            isBroken = true
            throw .mustReopen
        }
    }

    /// Makes the file as long as its header claims, so that a file cut short reads as zeros, which LMDB
    /// reports as corrupted, and does not kill the process.
    ///
    /// LMDB itself may leave out last pages that are free, so a short file alone is no error.
    private func coverLastPage() throws(StoreError) {
        let byteCount = try map.shared { () throws(StoreError) in try size().byteCount }
        let descriptor = try unsafe Store.descriptor(of: environment)
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { throw StoreError(code: errno) }
        guard Int(status.st_size) < byteCount else { return }
        guard ftruncate(descriptor, byteCount) == 0 else { throw StoreError(code: errno) }
    }
}

// MARK: - Opening

extension Store {
    /// LMDB's own of the data file.
    private static func descriptor(of environment: OpaquePointer) throws(StoreError) -> CInt {
        var descriptor: CInt = -1
        try unsafe StoreError.check(mdb_env_get_fd(environment, &descriptor))
        return descriptor
    }

    private static func createDirectory(_ directory: String) throws(StoreError) {
        if unsafe mkdir(directory, 0o700) == 0 { return }
        guard errno == EEXIST else { throw StoreError(code: errno, opening: directory) }
        guard let names = names(in: directory), !names.contains("data.mdb") else { return }
        guard names.isSubset(of: ownNames) else { throw .foreign(directory) }
    }

    /// What may be where no data are yet: what a writer makes before them, and what a file system of its own has.
    private static let ownNames: Set = [
        ".", "..", DirectoryLock.fileName, CommitMark.fileName, LockFile.name, "lost+found",
    ]

    /// Nil for what is no directory, or none that this user may look into: to open it says so.
    private static func names(in directory: String) -> Set<String>? {
        guard let stream = unsafe opendir(directory) else { return nil }
        defer { unsafe closedir(stream) }
        var names: Set<String> = []
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { octets in
                unsafe octets.prefix { $0 != 0 }.map { $0 }
            }
            names.insert(String(decoding: name, as: UTF8.self))
        }
        return names
    }

    /// LMDB would try to create what it does not find, whatever its flags say.
    private static func checkData(in directory: String) throws(StoreError) {
        guard let data = try FileStatus(directory + "/data.mdb") else { throw .notFound(directory) }
        guard data.isRegular else { throw .notAStore(directory) }
        guard data.byteCount > 0 else { throw .notFound(directory) }
    }

    private static func open(
        _ directory: String, _ options: Options, _ flags: UInt32, tableCount: Int
    ) throws(StoreError) -> OpaquePointer {
        var created: OpaquePointer?
        try unsafe StoreError.check(mdb_env_create(&created))
        guard let created = unsafe created else { fatalError("LMDB reported success without a handle") }
        do throws(StoreError) {
            try unsafe StoreError.check(mdb_env_set_maxdbs(created, UInt32(tableCount)))
            try unsafe StoreError.check(mdb_env_set_maxreaders(created, options.readersMax))
            if !options.readOnly {
                // Whole pages, of whatever size: 64 KiB is the largest that any machine uses.
                let byteCount = (options.mapByteCount + 0xFFFF) & ~0xFFFF
                try unsafe StoreError.check(mdb_env_set_mapsize(created, byteCount))
                try LockFile.reserve(in: directory, readersMax: options.readersMax)
            }
            let code = unsafe mdb_env_open(created, directory, flags, 0o600)
            guard code == MDB_SUCCESS else { throw StoreError(code: code, opening: directory) }
        } catch {
            unsafe mdb_env_close(created)
            throw error
        }
        return unsafe created
    }

    private func createTables(_ names: [String], format: UInt32) throws(StoreError) -> [String: Table] {
        try write { transaction throws(StoreError) in
            try FormatStamp.checkOrWrite(format, in: &transaction)
            var tables: [String: Table] = [:]
            for name in names { tables[name] = try transaction.table(creating: name) }
            return tables
        }
    }

    private func findTables(
        _ names: [String], format: UInt32, in directory: String
    ) throws(StoreError) -> [String: Table] {
        for _ in 0..<Store.movesMax {
            let found = try map.shared { () throws(StoreError) -> [String: Table]? in
                guard let access = try begin(flags: MDB_RDONLY) else { return nil }
                let transaction = ReadTransaction(access)
                guard try FormatStamp.check(format, in: access) else { throw .notFound(directory) }
                var tables: [String: Table] = [:]
                for name in names {
                    let missing = Table(number: nil, owner: access.owner)
                    tables[name] = try access.open(name, create: false) ?? missing
                }
                try transaction.keepTables()
                return tables
            }
            if let found { return found }
            try adoptMap()
        }
        throw .other(MDB_MAP_RESIZED)
    }
}
