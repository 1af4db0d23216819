internal import Glibc
internal import Synchronization

/// The right to a store's directory among processes, for as long as the object or the process lives.
///
/// The kernel releases a `flock` when its process ends in whatever way, so nothing is ever left to clean up.
/// A writer holds it alone. A reader takes part only where it cannot register with LMDB: then it must keep
/// writers out, which would otherwise reuse the pages under it.
final class DirectoryLock {
    private let descriptor: CInt
    /// Whether the id in the file is this process's own, to be taken back at the end.
    private var isHolder = false

    init(forWriterAt directory: String) throws(StoreError) {
        let path = directory + "/" + DirectoryLock.fileName
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw StoreError(code: errno, opening: path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let error = errno == EWOULDBLOCK ? .locked(by: holder) : StoreError(code: errno, opening: path)
            throw error
        }
        isHolder = true
        // Only for onlookers: who asked for the lock above would keep a writer out that starts just then.
        var mark = DirectoryLock.mark(F_WRLCK)
        _ = unsafe fcntl(descriptor, DirectoryLock.setMark, &mark)
        // Only for the other's message: a full disk may swallow it.
        ftruncate(descriptor, 0)
        let text = Array("\(getpid())\n".utf8)
        _ = unsafe text.withUnsafeBytes { text in
            unsafe pwrite(descriptor, text.baseAddress, text.count, 0)
        }
    }

    /// Nil where there is no lock file: no writer was ever there.
    init?(forUnregisteredReaderAt directory: String) throws(StoreError) {
        let path = directory + "/" + DirectoryLock.fileName
        descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        if descriptor < 0 && errno == ENOENT { return nil }
        guard descriptor >= 0 else { throw StoreError(code: errno, opening: path) }
        guard flock(descriptor, LOCK_SH | LOCK_NB) == 0 else {
            // With a writer at work, only a registered reader is safe, and the permissions prevent that.
            throw errno == EWOULDBLOCK ? .permission(directory) : StoreError(code: errno, opening: path)
        }
    }

    /// Marks the opened data too, for as long as they are: the lock file may be removed under the process that holds it, by
    /// somebody who takes it for left over, and a second writer would then contradict what the first one signs.
    static func claim(data: CInt) throws(StoreError) {
        // LMDB leaves it to be inherited.
        _ = fcntl(data, F_SETFD, FD_CLOEXEC)
        var mark = DirectoryLock.mark(F_WRLCK)
        guard unsafe fcntl(data, DirectoryLock.setMark, &mark) == 0 else {
            // A file system that knows no such marks is no error: the lock file is what counts.
            guard errno == EAGAIN || errno == EACCES else { return }
            throw .locked(by: nil)
        }
    }

    /// Before a descriptor is closed: a process that is just being started has it too for a moment, and the mark with it.
    static func release(_ descriptor: CInt) {
        var mark = DirectoryLock.mark(F_UNLCK)
        _ = unsafe fcntl(descriptor, DirectoryLock.setMark, &mark)
    }

    /// Whether a process has the store in this directory open for writing; nil where that cannot be told.
    static func hasWriter(in directory: String) -> Bool? {
        // Of the lock file while a writer opens the data, of the data where somebody removed the lock file.
        let marks = [DirectoryLock.fileName, "data.mdb"].map { isMarked(directory + "/" + $0) }
        return marks.contains(true) ? true : marks.contains(nil) ? nil : false
    }

    /// False where nothing is there; nil where that cannot be told.
    private static func isMarked(_ path: String) -> Bool? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return errno == ENOENT ? false : nil }
        defer { close(descriptor) }
        var mark = DirectoryLock.mark(F_RDLCK)
        guard unsafe fcntl(descriptor, DirectoryLock.getMark, &mark) == 0 else { return nil }
        return CInt(mark.l_type) != F_UNLCK
    }

    /// Of the open file, not of the process (fcntl(2)): gone with it in whatever way, and no other closing takes it away.
    private static func mark(_ type: CInt) -> Glibc.flock {
        Glibc.flock(l_type: Int16(type), l_whence: Int16(SEEK_SET), l_start: 0, l_len: 0, l_pid: 0)
    }

    deinit {
        guard descriptor >= 0 else { return }
        if isHolder { ftruncate(descriptor, 0) }
        // Not by closing alone, for the same reason.
        flock(descriptor, LOCK_UN)
        DirectoryLock.release(descriptor)
        close(descriptor)
    }

    /// The process that wrote its id into the lock file, if it lives.
    private var holder: Int32? {
        var digits = [UInt8](repeating: 0, count: DirectoryLock.holderByteCountMax)
        let count = unsafe digits.withUnsafeMutableBytes { digits in
            unsafe pread(descriptor, digits.baseAddress, digits.count, 0)
        }
        guard let line = digits.prefix(max(0, count)).split(separator: UInt8(ascii: "\n")).first,
            let process = Int32(String(decoding: line, as: UTF8.self)), process > 0
        else { return nil }
        return kill(process, 0) == 0 || errno == EPERM ? process : nil
    }

    static let fileName = "writer.lock"
    /// F_OFD_GETLK and F_OFD_SETLK of Linux's `fcntl.h`, which Glibc's module leaves out.
    private static let getMark: CInt = 36
    private static let setMark: CInt = 37
    /// Holds any 32-bit process id and its line feed.
    private static let holderByteCountMax = 16
}

/// The one opening of a directory that LMDB allows a process.
///
/// A second one in the same process would, when closed, drop the first one's POSIX locks.
final class DirectoryClaim {
    private let file: FileID

    init(_ directory: String) throws(StoreError) {
        guard let status = try FileStatus(directory) else { throw .notFound(directory) }
        guard status.isDirectory else { throw .notAStore(directory) }
        guard claimed.withLock({ $0.insert(status.file).inserted }) else { throw .alreadyOpen(directory) }
        // Last: once all is set, a throw would run `deinit` and give up the claim of the first.
        file = status.file
    }

    deinit {
        claimed.withLock { _ = $0.remove(file) }
    }
}

private let claimed = Mutex<Set<FileID>>([])

/// What one file is, by whatever name.
struct FileID: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64
}

/// The little that `stat` says which decides how to open a store.
struct FileStatus {
    let file: FileID
    let isDirectory: Bool
    let isRegular: Bool
    let byteCount: Int

    /// Nil if nothing is there.
    init?(_ path: String) throws(StoreError) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw StoreError(code: errno, opening: path)
        }
        file = FileID(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
        isDirectory = status.st_mode & S_IFMT == S_IFDIR
        isRegular = status.st_mode & S_IFMT == S_IFREG
        byteCount = Int(status.st_size)
    }

    /// Whether the file at `path` is there and this process may write it.
    static func isWritable(_ path: String) -> Bool {
        unsafe faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0
    }
}
