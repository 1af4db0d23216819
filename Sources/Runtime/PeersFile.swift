internal import Foundation
public import Identity
internal import Membership
public import Wire

/// Reads bootstrap lists from disk.
public enum PeersFile {
    /// One line of a list.
    public struct Entry: Sendable {
        public let node: NodeID
        public let host: String
        public let port: UInt16
        /// Nil where the host is a name.
        public let endpoint: Endpoint?
    }

    /// The entries of a list; throws one error that names every bad line.
    public static func read(_ path: String) throws(RuntimeError) -> [Entry] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw RuntimeError("cannot read \(path): is it there, and may this user read it?")
        }
        let list = BootstrapList(parsing: text)
        guard list.faults.isEmpty else {
            throw RuntimeError(list.faults.map { "\(path):\($0.line): \($0.what)" }.joined(separator: "\n"))
        }
        return list.entries.map { Entry(node: $0.node, host: $0.host, port: $0.port, endpoint: $0.endpoint) }
    }
}
