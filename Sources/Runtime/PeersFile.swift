internal import Foundation
public import Identity
internal import Membership
internal import NIOCore
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

    /// A node by its own line, or the first of a list.
    /// - Parameter text: `earshot://<node id>@host:port`, or the path of a list.
    public static func node(_ text: String) throws(RuntimeError) -> (node: NodeID, endpoint: Endpoint) {
        let entries: [Entry]
        if text.hasPrefix("earshot://") || !FileManager.default.fileExists(atPath: text) {
            let list = BootstrapList(parsing: text)
            guard let fault = list.faults.first else {
                entries = list.entries.map {
                    Entry(node: $0.node, host: $0.host, port: $0.port, endpoint: $0.endpoint)
                }
                guard entries.count == 1 else { throw RuntimeError("\(text) names no node") }
                return (entries[0].node, try resolve(entries[0]))
            }
            throw RuntimeError(
                "\(text) \(fault.what); or name a bootstrap list, of which the first node is taken")
        }
        entries = try read(text)
        guard let first = entries.first else { throw RuntimeError("\(text) names nobody") }
        return (first.node, try resolve(first))
    }

    /// Where the entry's host is now; a name is looked up, which may take the resolver's time.
    public static func resolve(_ entry: Entry) throws(RuntimeError) -> Endpoint {
        if let endpoint = entry.endpoint { return endpoint }
        guard let address = try? SocketAddress.makeAddressResolvingHost(entry.host, port: Int(entry.port)),
            let endpoint = Endpoint(address)
        else {
            throw RuntimeError("\(entry.host) has no address: is the name right, and is there a resolver?")
        }
        return endpoint
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
