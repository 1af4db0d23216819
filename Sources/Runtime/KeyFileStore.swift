internal import Foundation
internal import Glibc
public import Identity

/// Why a key file could not be read or made.
public enum KeyFileStoreError: Error, Equatable, CustomStringConvertible {
    /// There is something at the path already; it was not touched.
    case exists(path: String)
    case notFound(path: String)
    /// A directory, a pipe or a device.
    case notAFile(path: String)
    /// Others than the owner may read, write or run it: the mode's nine bits.
    case permissions(path: String, mode: UInt32)
    /// It belongs to another user.
    case owner(path: String)
    case contents(path: String, KeyFileError)
    /// The system refused; `code` is its errno.
    case system(path: String, doing: String, code: Int32)

    public var description: String {
        switch self {
        case .exists(let path): "\(path) exists already and is left as it is"
        case .notFound(let path): "\(path) does not exist"
        case .notAFile(let path): "\(path) is not a regular file"
        case .permissions(let path, let mode):
            "\(path) has mode \(String(mode, radix: 8)), so others can reach the key; run: chmod 600 \(path)"
        case .owner(let path): "\(path) belongs to another user"
        case .contents(let path, let error): "\(path): \(error)"
        case .system(let path, let doing, let code):
            "cannot \(doing) \(path): \(unsafe String(cString: strerror(code)))"
        }
    }
}

/// Key files on disk: readable by their owner alone, whole or not there at all.
public enum KeyFileStore {
    /// Reads a key file. All checks are on the opened file, so nobody can swap it between check and use.
    public static func load(path: String) throws(KeyFileStoreError) -> KeyFile {
        // Without O_NONBLOCK a pipe under that name would block the start for ever.
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard file >= 0 else {
            throw errno == ENOENT ? .notFound(path: path) : .system(path: path, doing: "open", code: errno)
        }
        defer { close(file) }
        var status = stat()
        guard unsafe fstat(file, &status) == 0 else {
            throw .system(path: path, doing: "examine", code: errno)
        }
        if let refusal = refusal(path: path, mode: status.st_mode, owner: status.st_uid, user: geteuid()) {
            throw refusal
        }
        // One octet more than the most, so that a larger file is seen to be one.
        var contents = [UInt8](repeating: 0, count: KeyFile.byteCountMax + 1)
        defer { wipe(&contents) }
        var count = 0
        while count < contents.count {
            let status = unsafe contents.withUnsafeMutableBytes { buffer in
                unsafe read(file, buffer.baseAddress! + count, buffer.count - count)
            }
            if status < 0 && errno == EINTR { continue }
            guard status >= 0 else { throw .system(path: path, doing: "read", code: errno) }
            if status == 0 { break }
            count += status
        }
        do {
            return try unsafe KeyFile(contents: contents.span.bytes.extracting(0..<count))
        } catch {
            throw .contents(path: path, error)
        }
    }

    /// Makes a key file with mode 0600 that is whole and durable when this returns; never overwrites.
    ///
    /// A temporary file in the same directory gets the contents, is synchronised, and only then linked to
    /// its name: `link` fails where the name is taken, as `rename` would not.
    public static func create(_ keyFile: KeyFile, path: String) throws(KeyFileStoreError) {
        let directory = (path as NSString).deletingLastPathComponent
        let name = (path as NSString).lastPathComponent
        let tag = String(UInt64.random(in: .min ... .max), radix: 36)
        let folder = directory.isEmpty ? "." : directory
        let temporary = "\(folder)/.\(name).\(tag).tmp"
        let file = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw .system(path: path, doing: "create", code: errno) }
        defer {
            close(file)
            unsafe unlink(temporary)
        }
        // Whatever the umask and the directory's default rights say.
        guard fchmod(file, 0o600) == 0 else { throw .system(path: path, doing: "protect", code: errno) }
        var text = Array(keyFile.text.utf8)
        defer { wipe(&text) }
        try write(text, to: file, path: path)
        guard fsync(file) == 0 else { throw .system(path: path, doing: "synchronise", code: errno) }
        guard unsafe link(temporary, path) == 0 else {
            throw errno == EEXIST ? .exists(path: path) : .system(path: path, doing: "name", code: errno)
        }
        try synchronise(folder: folder)
    }

    /// What is wrong with an opened file of this mode and owner, seen by this user.
    static func refusal(path: String, mode: mode_t, owner: uid_t, user: uid_t) -> KeyFileStoreError? {
        if mode & S_IFMT != S_IFREG { return .notAFile(path: path) }
        if owner != user { return .owner(path: path) }
        if mode & 0o077 != 0 { return .permissions(path: path, mode: UInt32(mode & 0o777)) }
        return nil
    }

    private static func write(_ text: [UInt8], to file: Int32, path: String) throws(KeyFileStoreError) {
        var count = 0
        while count < text.count {
            let status = unsafe text.withUnsafeBytes { buffer in
                unsafe Glibc.write(file, buffer.baseAddress! + count, buffer.count - count)
            }
            if status < 0 && errno == EINTR { continue }
            guard status > 0 else { throw .system(path: path, doing: "write", code: errno) }
            count += status
        }
    }

    /// Makes the new name itself durable.
    private static func synchronise(folder: String) throws(KeyFileStoreError) {
        let directory = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw .system(path: folder, doing: "open", code: errno) }
        defer { close(directory) }
        guard fsync(directory) == 0 else { throw .system(path: folder, doing: "synchronise", code: errno) }
    }

    private static func wipe(_ octets: inout [UInt8]) {
        unsafe octets.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { unsafe explicit_bzero(base, bytes.count) }
        }
    }
}
