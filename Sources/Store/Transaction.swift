internal import CLMDB

/// A named table, good for the life of the store that handed it out.
public struct Table: Sendable {
    /// Nil for a table that a read-only store did not find: it reads as empty.
    let number: MDB_dbi?
    let owner: UInt
}

/// One record, borrowed from the transaction that found it.
public struct Entry: ~Escapable {
    public let key: RawSpan
    public let value: RawSpan

    @_lifetime(copy key, copy value)
    init(key: RawSpan, value: RawSpan) {
        self.key = key
        self.value = value
    }
}

/// What can be read in either kind of transaction: write a lookup once, `some Snapshot & ~Copyable`.
public protocol Snapshot: ~Copyable {
    /// The value's bytes in LMDB's own pages, borrowed from this snapshot; nil if the key is not there.
    @_lifetime(borrow self)
    borrowing func value(of key: RawSpan, in table: Table) throws(StoreError) -> RawSpan?

    /// Visits the records of `range` in the order of their keys, or backwards, until `body` says false.
    borrowing func forEach(
        in table: Table, _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError)

    /// The first record of `range`.
    @_lifetime(borrow self)
    borrowing func first(in table: Table, _ range: KeyRange) throws(StoreError) -> Entry?

    /// The last record of `range`.
    @_lifetime(borrow self)
    borrowing func last(in table: Table, _ range: KeyRange) throws(StoreError) -> Entry?

    /// How many records the table holds; LMDB keeps the number, nothing is counted.
    borrowing func count(in table: Table) throws(StoreError) -> Int
}

extension Snapshot where Self: ~Copyable {
    public borrowing func forEach(
        in table: Table, _ range: KeyRange = .all, reverse: Bool = false,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try forEach(in: table, range, reverse: reverse, limit: .max, body)
    }

    @_lifetime(borrow self)
    public borrowing func first(in table: Table) throws(StoreError) -> Entry? {
        try first(in: table, .all)
    }

    @_lifetime(borrow self)
    public borrowing func last(in table: Table) throws(StoreError) -> Entry? {
        try last(in: table, .all)
    }
}

/// An unchanging view of the store as some commit left it.
@safe public struct ReadTransaction: ~Copyable, Snapshot {
    let access: Access

    init(_ access: Access) {
        self.access = access
    }

    deinit {
        unsafe mdb_txn_abort(access.handle)
    }

    @_lifetime(borrow self)
    public borrowing func value(of key: RawSpan, in table: Table) throws(StoreError) -> RawSpan? {
        guard let pages = try unsafe access.find(key, in: table) else { return nil }
        return unsafe _overrideLifetime(RawSpan(_unsafeBytes: pages), borrowing: self)
    }

    public borrowing func forEach(
        in table: Table, _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try unsafe access.scan(table, range, reverse: reverse, limit: limit) {
            (key, value) throws(StoreError) in
            try unsafe body(RawSpan(_unsafeBytes: key), RawSpan(_unsafeBytes: value))
        }
    }

    @_lifetime(borrow self)
    public borrowing func first(in table: Table, _ range: KeyRange) throws(StoreError) -> Entry? {
        guard let found = try unsafe access.end(of: range, in: table, reverse: false) else { return nil }
        return unsafe _overrideLifetime(found.entry, borrowing: self)
    }

    @_lifetime(borrow self)
    public borrowing func last(in table: Table, _ range: KeyRange) throws(StoreError) -> Entry? {
        guard let found = try unsafe access.end(of: range, in: table, reverse: true) else { return nil }
        return unsafe _overrideLifetime(found.entry, borrowing: self)
    }

    public borrowing func count(in table: Table) throws(StoreError) -> Int {
        try access.count(in: table)
    }

    /// Ends the transaction and keeps the tables it opened, which `deinit` would close.
    consuming func keepTables() throws(StoreError) {
        let code = unsafe mdb_txn_commit(access.handle)
        discard self
        try StoreError.check(code)
    }
}

/// The one open change of the store. It commits when consumed by `commit` and aborts otherwise.
@safe public struct WriteTransaction: ~Copyable, Snapshot {
    let access: Access
    /// The first failure that spoilt this transaction; whoever swallows it meets it again at the commit.
    private var failure = MDB_SUCCESS

    /// Whether it failed for want of room in the map, whatever was made of the error since.
    var isMapFull: Bool { failure == MDB_MAP_FULL }

    init(_ access: Access) {
        self.access = access
    }

    deinit {
        unsafe mdb_txn_abort(access.handle)
    }

    @_lifetime(borrow self)
    public borrowing func value(of key: RawSpan, in table: Table) throws(StoreError) -> RawSpan? {
        guard let pages = try unsafe access.find(key, in: table) else { return nil }
        return unsafe _overrideLifetime(RawSpan(_unsafeBytes: pages), borrowing: self)
    }

    public borrowing func forEach(
        in table: Table, _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (_ key: RawSpan, _ value: RawSpan) throws(StoreError) -> Bool
    ) throws(StoreError) {
        try unsafe access.scan(table, range, reverse: reverse, limit: limit) {
            (key, value) throws(StoreError) in
            try unsafe body(RawSpan(_unsafeBytes: key), RawSpan(_unsafeBytes: value))
        }
    }

    @_lifetime(borrow self)
    public borrowing func first(in table: Table, _ range: KeyRange) throws(StoreError) -> Entry? {
        guard let found = try unsafe access.end(of: range, in: table, reverse: false) else { return nil }
        return unsafe _overrideLifetime(found.entry, borrowing: self)
    }

    @_lifetime(borrow self)
    public borrowing func last(in table: Table, _ range: KeyRange) throws(StoreError) -> Entry? {
        guard let found = try unsafe access.end(of: range, in: table, reverse: true) else { return nil }
        return unsafe _overrideLifetime(found.entry, borrowing: self)
    }

    public borrowing func count(in table: Table) throws(StoreError) -> Int {
        try access.count(in: table)
    }

    /// Stores `value`, in place of any that `key` had.
    public mutating func put(_ value: RawSpan, for key: RawSpan, in table: Table) throws(StoreError) {
        try note(write(value, key, table, flags: 0))
    }

    /// Stores `value` unless `key` has one; says whether it did.
    public mutating func insert(
        _ value: RawSpan, for key: RawSpan, in table: Table
    ) throws(StoreError) -> Bool {
        let code = try write(value, key, table, flags: MDB_NOOVERWRITE)
        if code == MDB_KEYEXIST { return false }
        try note(code)
        return true
    }

    /// Stores a record whose key sorts after all others, faster and in fuller pages than `put`.
    ///
    /// A key that does not is `outOfOrder`, and changes nothing.
    public mutating func append(
        _ value: RawSpan, for key: RawSpan, in table: Table
    ) throws(StoreError) {
        let code = try write(value, key, table, flags: MDB_APPEND)
        if code == MDB_KEYEXIST { throw .outOfOrder }
        try note(code)
    }

    /// Deletes one record; says whether it was there.
    @discardableResult
    public mutating func delete(_ key: RawSpan, in table: Table) throws(StoreError) -> Bool {
        try Access.checkKey(key)
        guard let number = access.number(of: table) else { return false }
        let code = unsafe withValue(key) { key in unsafe mdb_del(access.handle, number, &key, nil) }
        if code == MDB_NOTFOUND { return false }
        try note(code)
        return true
    }

    /// Deletes at most `limit` records of `range`, in the order of their keys; returns how many.
    @discardableResult
    public mutating func delete(
        _ range: KeyRange, in table: Table, limit: Int = .max
    ) throws(StoreError) -> Int {
        do throws(StoreError) {
            return try access.remove(range, in: table, limit: limit)
        } catch {
            if error == .mapFull { failure = MDB_MAP_FULL }
            throw error
        }
    }

    /// Empties the table.
    public mutating func clear(_ table: Table) throws(StoreError) {
        guard let number = access.number(of: table) else { return }
        try note(unsafe mdb_drop(access.handle, number, 0))
    }

    /// Opens a table and creates it where there is none; like every change, kept by the commit only.
    mutating func table(creating name: String) throws(StoreError) -> Table {
        do throws(StoreError) {
            guard let table = try access.open(name, create: true) else {
                fatalError("LMDB did not find what it created")
            }
            return table
        } catch {
            if error == .mapFull { failure = MDB_MAP_FULL }
            throw error
        }
    }

    consuming func commit() throws(StoreError) {
        let failure = failure
        let code = unsafe mdb_txn_commit(access.handle)
        // LMDB frees the handle whether or not the commit succeeds, so `deinit` must not run.
        discard self
        try StoreError.check(code == MDB_BAD_TXN && failure != MDB_SUCCESS ? failure : code)
    }

    private func write(
        _ value: RawSpan, _ key: RawSpan, _ table: Table, flags: CInt
    ) throws(StoreError) -> CInt {
        try Access.checkKey(key)
        guard let number = access.number(of: table) else { fatalError("a writer has all its tables") }
        return unsafe withValue(key) { key in
            unsafe withValue(value) { value in
                unsafe mdb_put(access.handle, number, &key, &value, UInt32(flags))
            }
        }
    }

    private mutating func note(_ code: CInt) throws(StoreError) {
        if code != MDB_SUCCESS && failure == MDB_SUCCESS { failure = code }
        try StoreError.check(code)
    }
}
