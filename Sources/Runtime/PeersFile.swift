internal import Foundation
public import Membership

/// Reads bootstrap lists from disk.
public enum PeersFile {
    /// The entries of a list; throws one error that names every bad line.
    public static func read(_ path: String) throws -> [BootstrapEntry] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw RuntimeError("cannot read \(path): is it there, and may this user read it?")
        }
        let list = BootstrapList(parsing: text)
        guard list.faults.isEmpty else {
            throw RuntimeError(list.faults.map { "\(path):\($0.line): \($0.what)" }.joined(separator: "\n"))
        }
        return list.entries
    }
}
