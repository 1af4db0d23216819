internal import Foundation

/// A file with the keys of every session, for a dissector: whoever reads it reads all that the node says and hears.
final class KeyLog {
    private let file: FileHandle

    /// Adds to the file, which only its owner may read.
    init(path: String) throws(RuntimeError) {
        let manager = FileManager.default
        if !manager.fileExists(atPath: path) {
            guard manager.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o600])
            else {
                throw RuntimeError("cannot write the key log \(path)")
            }
        }
        guard let file = FileHandle(forWritingAtPath: path), (try? file.seekToEnd()) != nil else {
            throw RuntimeError("cannot write the key log \(path)")
        }
        self.file = file
    }

    deinit { try? file.close() }

    func write(_ line: String) { try? file.write(contentsOf: Data((line + "\n").utf8)) }
}
