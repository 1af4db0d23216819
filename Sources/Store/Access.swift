internal import Bytes
internal import CLMDB

/// What both kinds of transaction do with LMDB's handle. It owns nothing: a transaction does.
@safe struct Access {
    let handle: OpaquePointer
    /// The environment, to tell its tables from another's.
    let owner: UInt

    /// LMDB's number of `table`; nil if the store has no such table yet.
    func number(of table: Table) -> MDB_dbi? {
        precondition(table.owner == owner, "a table was used in a transaction of another store")
        return table.number
    }

    static func checkKey(_ key: RawSpan) throws(StoreError) {
        guard 1...Store.keyByteCountMax ~= key.byteCount else { throw .badKeySize }
    }

    /// The bytes in LMDB's own pages, good until the next change or the transaction's end.
    func find(_ key: RawSpan, in table: Table) throws(StoreError) -> UnsafeRawBufferPointer? {
        try Access.checkKey(key)
        guard let number = number(of: table) else { return nil }
        var found = unsafe MDB_val()
        let code = unsafe withValue(key) { key in unsafe mdb_get(handle, number, &key, &found) }
        if code == MDB_NOTFOUND { return nil }
        try StoreError.check(code)
        return unsafe found.pages
    }

    func count(in table: Table) throws(StoreError) -> Int {
        guard let number = number(of: table) else { return 0 }
        var statistics = MDB_stat()
        try unsafe StoreError.check(mdb_stat(handle, number, &statistics))
        return statistics.ms_entries
    }

    /// Opens a named table, or the unnamed one that lists the named; nil if there is none.
    func open(_ name: String?, create: Bool) throws(StoreError) -> Table? {
        var number: MDB_dbi = 0
        let code = unsafe mdb_dbi_open(handle, name, create ? UInt32(MDB_CREATE) : 0, &number)
        if code == MDB_NOTFOUND { return nil }
        // What bears this name is a record, not a table: someone else wrote it.
        if code == MDB_INCOMPATIBLE { throw .wrongFormat }
        try StoreError.check(code)
        return Table(number: number, owner: owner)
    }

    /// Visits the records of `range` in order until `body` says false or `limit` are visited.
    func scan(
        _ table: Table, _ range: KeyRange, reverse: Bool, limit: Int,
        _ body: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) throws(StoreError) -> Bool
    ) throws(StoreError) {
        precondition(limit >= 0)
        guard limit > 0, let number = number(of: table) else { return }
        var cursor = try unsafe Cursor(handle, number)
        var left = limit
        var isFound = try reverse ? cursor.seekLast(of: range) : cursor.seekFirst(of: range)
        while isFound {
            let key = unsafe cursor.key.pages
            let isOutside = unsafe reverse ? range.isBelow(key) : range.isAbove(key)
            if isOutside { return }
            guard try unsafe body(key, cursor.value.pages) else { return }
            left -= 1
            if left == 0 { return }
            isFound = try cursor.move(reverse ? MDB_PREV : MDB_NEXT)
        }
    }

    /// The first record of `range`, or the last.
    func end(of range: KeyRange, in table: Table, reverse: Bool) throws(StoreError) -> Found? {
        var found: Found?
        try unsafe scan(table, range, reverse: reverse, limit: 1) { (key, value) throws(StoreError) in
            unsafe found = Found(key: key, value: value)
            return true
        }
        return unsafe found
    }

    /// Deletes at most `limit` records of `range`, the first ones first; returns how many.
    func remove(_ range: KeyRange, in table: Table, limit: Int) throws(StoreError) -> Int {
        precondition(limit >= 0)
        guard limit > 0, let number = number(of: table) else { return 0 }
        var cursor = try unsafe Cursor(handle, number)
        var removed = 0
        var isFound = try cursor.seekFirst(of: range)
        while unsafe isFound && !range.isAbove(cursor.key.pages) {
            try cursor.remove()
            removed += 1
            if removed == limit { break }
            isFound = try cursor.move(MDB_NEXT)
        }
        return removed
    }
}

/// A record in LMDB's own pages, not yet tied to the transaction that keeps them.
@unsafe struct Found {
    let key: UnsafeRawBufferPointer
    let value: UnsafeRawBufferPointer

    var entry: Entry {
        @_lifetime(immortal)
        get {
            let key = unsafe RawSpan(_unsafeBytes: key)
            let value = unsafe RawSpan(_unsafeBytes: value)
            return unsafe _overrideLifetime(Entry(key: key, value: value), copying: ())
        }
    }
}

/// A place in a table; closed at the end of its scope, as LMDB wants it before the transaction ends.
@safe private struct Cursor: ~Copyable {
    private let handle: OpaquePointer
    private(set) var key = unsafe MDB_val()
    private(set) var value = unsafe MDB_val()

    init(_ transaction: OpaquePointer, _ number: MDB_dbi) throws(StoreError) {
        var opened: OpaquePointer?
        try unsafe StoreError.check(mdb_cursor_open(transaction, number, &opened))
        guard let opened = unsafe opened else { fatalError("LMDB reported success without a handle") }
        unsafe handle = opened
    }

    deinit {
        unsafe mdb_cursor_close(handle)
    }

    /// Goes where `operation` says; false if nothing is there.
    mutating func move(_ operation: MDB_cursor_op) throws(StoreError) -> Bool {
        let code = unsafe mdb_cursor_get(handle, &key, &value, operation)
        if code == MDB_NOTFOUND { return false }
        try StoreError.check(code)
        return true
    }

    mutating func seekFirst(of range: KeyRange) throws(StoreError) -> Bool {
        try range.lower.isEmpty ? move(MDB_FIRST) : seek(range.lower)
    }

    mutating func seekLast(of range: KeyRange) throws(StoreError) -> Bool {
        guard let upper = range.upper else { return try move(MDB_LAST) }
        // No key sorts before the empty one.
        if upper.isEmpty { return false }
        return try move(seek(upper) ? MDB_PREV : MDB_LAST)
    }

    /// Goes to the first key that does not sort before `bound`.
    private mutating func seek(_ bound: [UInt8]) throws(StoreError) -> Bool {
        let sought = unsafe withValue(bound.octetBytes) { bound in
            let code = unsafe mdb_cursor_get(handle, &bound, &value, MDB_SET_RANGE)
            return unsafe (code: code, key: bound)
        }
        if unsafe sought.code == MDB_NOTFOUND { return false }
        try unsafe StoreError.check(sought.code)
        unsafe key = sought.key
        return true
    }

    mutating func remove() throws(StoreError) {
        try unsafe StoreError.check(mdb_cursor_del(handle, 0))
    }
}

extension MDB_val {
    var pages: UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: mv_data, count: mv_size)
    }
}

/// Lends `bytes` to LMDB, which promises not to write to them.
func withValue<Result>(_ bytes: RawSpan, _ body: (inout MDB_val) -> Result) -> Result {
    unsafe bytes.withUnsafeBytes { bytes in
        var value = unsafe MDB_val(
            mv_size: bytes.count, mv_data: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
        return unsafe body(&value)
    }
}
