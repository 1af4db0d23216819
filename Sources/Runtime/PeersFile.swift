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

        /// A node at a place that it told.
        public init(node: NodeID, endpoint: Endpoint) {
            self.node = node
            self.endpoint = endpoint
            let text = endpoint.description
            host = String(text[..<(text.lastIndex(of: ":") ?? text.endIndex)])
            port = endpoint.port
        }

        fileprivate init(node: NodeID, host: String, port: UInt16, endpoint: Endpoint?) {
            self.node = node
            self.host = host
            self.port = port
            self.endpoint = endpoint
        }
    }

    /// A node by its own line, or the first of a list, and where it is now.
    /// - Parameter text: `earshot://<node id>@host:port`, or the path of a list.
    public static func node(_ text: String) throws(RuntimeError) -> (node: NodeID, endpoint: Endpoint) {
        let entry = try entry(text)
        return (entry.node, try resolve(entry))
    }

    /// The same, a name not looked up.
    public static func entry(_ text: String) throws(RuntimeError) -> Entry {
        guard text.hasPrefix("earshot://") || !FileManager.default.fileExists(atPath: text) else {
            guard let first = try read(text).first else { throw RuntimeError("\(text) names nobody") }
            return first
        }
        let list = BootstrapList(parsing: text)
        if let fault = list.faults.first {
            throw RuntimeError(
                "\(text) \(fault.what); or name a bootstrap list, of which the first node is taken")
        }
        guard list.entries.count == 1 else { throw RuntimeError("\(text) names no node") }
        return Entry(list.entries[0])
    }

    /// Where the entry's host is now; a name is looked up, which may take the resolver's time.
    /// - Parameter families: Of addresses that are of use.
    public static func resolve(
        _ entry: Entry, for families: AddressFamilies = .both
    ) throws(RuntimeError) -> Endpoint {
        if let endpoint = entry.endpoint { return endpoint }
        let places = Endpoint.places(of: entry.host, port: entry.port)
        guard let endpoint = families.first(of: places) else {
            throw RuntimeError(
                places.isEmpty
                    ? "\(entry.host) has no address: is the name right, and is there a resolver?"
                    : "\(entry.host) has no address of \(families.rawValue)")
        }
        return endpoint
    }

    /// The entries of a list; throws one error that names every bad line.
    public static func read(_ path: String) throws(RuntimeError) -> [Entry] {
        let (entries, faults) = try scan(path)
        guard faults.isEmpty else { throw RuntimeError(faults.joined(separator: "\n")) }
        return entries
    }

    /// What to tell whoever made a list that is longer than a node reads; nil where it reads all.
    public static func unusedNotice(entries count: Int) -> String? {
        let used = Membership.listedMax
        guard count > used else { return nil }
        return
            "of the list's \(count) entries a node uses the first \(used); the last \(count - used) are not used"
    }

    /// The good entries of a list, and what is wrong with each bad line.
    public static func scan(_ path: String) throws(RuntimeError) -> (entries: [Entry], faults: [String]) {
        let list = BootstrapList(parsing: try readText(path))
        return (list.entries.map(Entry.init), list.faults.map { "\(path):\($0.line): \($0.what)" })
    }
}

extension PeersFile.Entry {
    fileprivate init(_ entry: BootstrapEntry) {
        self.init(node: entry.node, host: entry.host, port: entry.port, endpoint: entry.endpoint)
    }
}
