internal import CLMDB
internal import Glibc

/// Why the store refused or could not do what it was asked; each description says what to do next.
///
/// After any error thrown from `write`, the store holds what it held before that `write`.
public enum StoreError: Error, Equatable, Sendable {
    /// The data outgrew `Store.Options.mapByteCountMax`.
    ///
    /// Deleting takes room too, because LMDB copies what it changes.
    case mapFull
    /// The file system took no more bytes, or failed while taking them.
    case diskFull
    /// Every reader slot is held by a live transaction.
    case readersFull
    /// The data file contradicts itself.
    case corrupted
    /// A key is empty or longer than `Store.keyByteCountMax`.
    case badKeySize
    /// `append` was given a key that does not sort after the table's last.
    case outOfOrder
    /// There is something at the path, but no LMDB environment.
    case notAStore(String)
    /// A directory with files of others and no store.
    case foreign(String)
    /// The store was written by an older program.
    case olderFormat(found: UInt32, supported: UInt32)
    /// The store was written by a newer program.
    case newerFormat(found: UInt32, supported: UInt32)
    /// An LMDB environment of another program, or of another LMDB.
    case wrongFormat
    /// Another process has the store open; its id, where it left one and still lives.
    case locked(by: Int32?)
    /// This very process has the store open, and LMDB allows that once only.
    case alreadyOpen(String)
    /// Nothing, or nothing yet, is at the path.
    case notFound(String)
    /// The operating system refused access to the path.
    case permission(String)
    /// A process has the store open, and the file in which its readers stand was removed.
    case lockFileGone(String)
    /// A write failed half-way or the map could not be moved: this `Store` takes no more transactions.
    case mustReopen
    /// An error of LMDB (negative) or of the operating system (`errno`) that has no case of its own.
    case other(Int32)
}

extension StoreError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .mapFull:
            "the store reached its largest size; open it with a larger mapByteCountMax, then delete records"
        case .diskFull:
            "the disk is full or failing, nothing was written; free space, check the disk, then try again"
        case .readersFull:
            "every reader slot is taken; close other readers of the store or raise readersMax"
        case .corrupted:
            "the store is damaged; move it away and let the node fetch its state anew: a validator must not go on "
                + "from a copy, which lacks its last votes"
        case .badKeySize:
            "a key must have 1 to \(Store.keyByteCountMax) bytes; shorten the key"
        case .outOfOrder:
            "appended keys must ascend; sort the records or put them one by one"
        case .notAStore(let path):
            "\(path) is no store; name another directory, or move away what is there"
        case .foreign(let path):
            "\(path) holds no store, but other files; name a directory that is empty, or one that is not there yet"
        case .olderFormat(let found, let supported):
            "the store has format \(found), this program needs \(supported); migrate it or start an empty one"
        case .newerFormat(let found, let supported):
            "the store has format \(found), this program knows up to \(supported); update the program"
        case .wrongFormat:
            "the directory holds another program's LMDB data; name another directory"
        case .locked(.some(let process)):
            "process \(process) has the store open; stop it, or open the store for reading only"
        case .locked(.none):
            "another process has the store open; stop it, or open the store for reading only"
        case .alreadyOpen(let path):
            "this process has \(path) open already; share that store instead of opening a second"
        case .notFound(let path):
            "there is no store at \(path); check the path. A node that starts makes its store, in a folder that is there"
        case .permission(let path):
            "access to \(path) was refused; run as the owner of the store or change its permissions"
        case .lockFileGone(let path):
            "\(path)/lock.mdb was removed while a process has the store open, and without it nobody else can read; "
                + "start that process again, which makes the file anew"
        case .mustReopen:
            "the store stopped after a failed write; close it, check the disk and open it again"
        case .other(let code) where code > 0:
            unsafe "the system refused what the store needs: \(String(cString: strerror(code))); see to that, then start again"
        case .other(let code):
            unsafe "the store failed with code \(code), \(String(cString: mdb_strerror(code))); report this"
        }
    }
}

extension StoreError {
    /// The error for a code that LMDB returned from a transaction, which never is success.
    init(code: CInt) {
        switch code {
        case MDB_MAP_FULL: self = .mapFull
        case MDB_READERS_FULL: self = .readersFull
        case MDB_BAD_VALSIZE: self = .badKeySize
        case MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_CURSOR_FULL, MDB_INVALID: self = .corrupted
        case MDB_PANIC: self = .mustReopen
        // LMDB reports a short write as EIO; EFBIG is the process's own limit on a file's size.
        case ENOSPC, EIO, EDQUOT, EFBIG: self = .diskFull
        default: self = .other(code)
        }
    }

    /// The error for a code from opening the file or directory at `path`, where some codes mean more.
    init(code: CInt, opening path: String) {
        switch code {
        case ENOENT: self = .notFound(path)
        case EACCES, EPERM: self = .permission(path)
        case MDB_INVALID, ENOTDIR, EISDIR: self = .notAStore(path)
        case MDB_VERSION_MISMATCH, MDB_INCOMPATIBLE: self = .wrongFormat
        default: self.init(code: code)
        }
    }

    /// Throws unless `code` is success.
    static func check(_ code: CInt) throws(StoreError) {
        guard code == MDB_SUCCESS else { throw StoreError(code: code) }
    }
}
