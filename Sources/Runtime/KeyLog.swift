internal import Foundation
internal import Glibc

/// A file with the keys of every session, for a dissector: whoever reads it reads all that the node says and hears.
final class KeyLog {
    private let file: FileHandle

    /// Adds to the file, which only its owner may read: made so if it is not there, and refused if it is otherwise.
    init(path: String) throws(RuntimeError) {
        // Without O_NONBLOCK a pipe under that name would block for ever.
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        let descriptor = unsafe open(path, flags, 0o600)
        guard descriptor >= 0 else {
            let reason =
                errno == ELOOP
                ? "it is a symbolic link; name the file itself" : unsafe String(cString: strerror(errno))
            throw RuntimeError("cannot write the key log \(path): \(reason)")
        }
        file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        // On the opened file, so that nobody can swap it between check and use.
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0 else {
            throw RuntimeError("cannot examine the key log \(path)")
        }
        let refusal = KeyFileStore.refusal(
            path: path, mode: status.st_mode, owner: status.st_uid, user: geteuid())
        switch refusal {
        case .none: break
        case .permissions(_, let mode):
            throw RuntimeError(
                "the key log \(path) has mode \(String(mode, radix: 8)), so others can read all that this node says "
                    + "and hears; run: chmod 600 \(path), or name another file")
        case .some(let other): throw RuntimeError("cannot write the key log: \(other); name another file")
        }
    }

    func write(_ line: String) { try? file.write(contentsOf: Data((line + "\n").utf8)) }
}
