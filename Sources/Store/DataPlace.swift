internal import CLMDB
internal import Glibc

/// Which file a store's data are in, on this machine: a copy is in another.
public struct DataPlace: Sendable {
    /// The file's number and its birth, to the nanosecond: a copy is born later, also where it takes over a number that became free.
    /// The file system has no part in it: some name themselves by their device's number, which follows the order in which
    /// disks are found.
    public let name: String
    /// What the same place is called where less is known of it: by a kernel that tells no births, and by earlier versions.
    public let formerNames: [String]

    /// Nil if there are no data.
    public init?(of directory: String) {
        let path = directory + "/data.mdb"
        var file = statx()
        guard unsafe store_statx(AT_FDCWD, path, STATX_INO | STATX_BTIME, &file) == 0 else { return nil }
        // As the C library's `makedev` packs them.
        let (major, minor) = (UInt64(file.stx_dev_major), UInt64(file.stx_dev_minor))
        let device = (major & ~0xFFF) << 32 | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | minor & 0xFF
        var names = ["\(device):\(file.stx_ino)"]
        var system = statvfs()
        if unsafe statvfs(path, &system) == 0, system.f_fsid != 0 {
            names.append("fs\(system.f_fsid):\(file.stx_ino)")
        }
        if file.stx_mask & STATX_BTIME != 0 {
            names.append("\(file.stx_ino):\(file.stx_btime.tv_sec).\(file.stx_btime.tv_nsec)")
        }
        name = names.removeLast()
        formerNames = names
    }
}
