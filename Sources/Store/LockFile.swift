internal import CLMDB
internal import Glibc

/// The file in which LMDB keeps its readers; it is used through a map.
enum LockFile {
    static let name = "lock.mdb"

    /// Takes the file's room on the disk before LMDB maps it: a map has no other way to say that the disk is full than to kill
    /// the process.
    ///
    /// Before the store is opened only: to close a descriptor of the file drops this process's locks on it.
    static func reserve(in directory: String, readersMax: UInt32) throws(StoreError) {
        // What else is wrong with the file LMDB will say.
        let descriptor = unsafe open(directory + "/" + name, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        // A file of more readers stays as long as it is.
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else { return }
        let byteCount = max(Int(status.st_size), byteCount(readersMax))
        var code: CInt
        repeat { code = posix_fallocate(descriptor, 0, byteCount) } while code == EINTR
        // A file system that reserves nothing is no error.
        if StoreError(code: code) == .diskFull { throw .diskFull }
    }

    /// Keeps writers out for a reader that cannot register in the file; nil where no writer ever was.
    ///
    /// The file may be closed to this user, or somebody removed it under the process that has the store open.
    static func unregistered(in directory: String) throws(StoreError) -> DirectoryLock? {
        do throws(StoreError) {
            return try DirectoryLock(forUnregisteredReaderAt: directory)
        } catch {
            guard error == .permission(directory), try FileStatus(directory + "/" + name) == nil else {
                throw error
            }
            throw .lockFileGone(directory)
        }
    }

    /// As LMDB computes it (`mdb_env_setup_locks`): two cache lines for the writer and one for each reader, the first of
    /// which the writer's part has room for. A larger file would be taken for one with more readers.
    private static func byteCount(_ readersMax: UInt32) -> Int { 64 * (Int(max(readersMax, 1)) + 2) }
}
