public import Identity
public import Wire

/// A node to begin with: who it is, and where it was last said to be.
public struct BootstrapEntry: Hashable, Sendable {
    public let node: NodeID
    /// An IPv4 address, an IPv6 address in brackets, or a DNS name, as written.
    public let host: String
    public let port: UInt16
    /// Nil if the host is a name, which only a resolver can turn into addresses.
    public let endpoint: Endpoint?
}

/// A `.peers` text: one `earshot://<node id>@host:port` a line; `#` begins a comment; blank lines are free.
///
/// The node id is `ear1…` (Bech32m) or 64 hexadecimal digits. Every bad line is told, not only the first, so
/// that a person mends a list in one go; the good lines stand in `entries` all the same.
public struct BootstrapList: Sendable {
    /// A list is written and read by people; a thousand entry points are plenty for any network. A node uses the first
    /// half (`Membership.listedMax`).
    public static let entriesMax = 1_024
    /// Scheme, id, the longest DNS name and port take 340 octets; the rest is for a comment.
    public static let lineByteCountMax = 512
    public static let textByteCountMax = 256 << 10
    /// Of a file that is no list at all, nobody reads on beyond this.
    public static let faultsMax = 64

    /// What is wrong with a line.
    public enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        case textTooLong
        case lineTooLong
        case tooManyEntries
        case tooManyFaults
        case wrongScheme
        case noNode
        case badNode(Bech32mError)
        case badHexadecimalNode
        case noPort
        case badPort
        case noHost
        case badIPv4
        case badIPv6
        case badName
        /// The same node at the same place, first named on this line.
        case repeated(firstLine: Int)

        public var description: String {
            switch self {
            case .textTooLong: "the list is longer than \(textByteCountMax) octets"
            case .lineTooLong: "longer than \(lineByteCountMax) octets"
            case .tooManyEntries: "more than \(entriesMax) entries"
            case .tooManyFaults: "more than \(faultsMax) bad lines; those from here on are not told"
            case .wrongScheme: "must begin with 'earshot://'"
            case .noNode: "names no node: write earshot://<node id>@host:port"
            case .badNode(let error): "the node id \(error)"
            case .badHexadecimalNode: "the node id must be 'ear1…' or 64 hexadecimal digits"
            case .noPort: "names no port: write earshot://<node id>@host:port"
            case .badPort: "the port must be a number from 1 to 65535"
            case .noHost: "names no host: write earshot://<node id>@host:port"
            case .badIPv4:
                "the host is not an IPv4 address: four numbers from 0 to 255, without leading zeros"
            case .badIPv6: "the host is not an IPv6 address in brackets, such as [::1]"
            case .badName: "the host is neither an address nor a DNS name (an IPv6 address needs brackets)"
            case .repeated(let line): "the same as line \(line)"
            }
        }
    }

    public struct Fault: Hashable, Sendable {
        /// Counted from 1.
        public let line: Int
        public let what: Problem
    }

    public private(set) var entries: [BootstrapEntry] = []
    /// Ascending by line; empty if the list is good.
    public private(set) var faults: [Fault] = []

    public init(parsing text: String) {
        guard text.utf8.count <= Self.textByteCountMax else {
            faults = [Fault(line: 1, what: .textTooLong)]
            return
        }
        var firstLines: [BootstrapEntry: Int] = [:]
        let lines = Array(text.utf8).split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (place, line) in lines.enumerated() {
            do throws(Problem) {
                guard let entry = try Self.entry(in: line) else { continue }
                if let first = firstLines[entry] { throw .repeated(firstLine: first) }
                guard entries.count < Self.entriesMax else { throw .tooManyEntries }
                firstLines[entry] = place + 1
                entries.append(entry)
            } catch {
                guard faults.count < Self.faultsMax else {
                    faults.append(Fault(line: place + 1, what: .tooManyFaults))
                    return
                }
                faults.append(Fault(line: place + 1, what: error))
                if error == .tooManyEntries { return }
            }
        }
    }

    /// Nil for a line that is blank or a comment.
    private static func entry(in line: ArraySlice<UInt8>) throws(Problem) -> BootstrapEntry? {
        guard line.count <= lineByteCountMax else { throw .lineTooLong }
        let content = trimmed(line.prefix { $0 != UInt8(ascii: "#") })
        guard !content.isEmpty else { return nil }
        let scheme = Array("earshot://".utf8)
        guard content.starts(with: scheme) else { throw .wrongScheme }
        let rest = content.dropFirst(scheme.count)
        guard let at = rest.firstIndex(of: UInt8(ascii: "@")), at > rest.startIndex else { throw .noNode }
        let node = try node(rest[..<at])
        let place = rest[(at + 1)...]
        guard let (host, portText) = HostAndPort.split(place) else {
            throw place.first == UInt8(ascii: "[") && place.last != UInt8(ascii: "]") ? .badIPv6 : .noPort
        }
        guard let port = HostAndPort.port(portText), port > 0 else { throw .badPort }
        guard !host.isEmpty else { throw .noHost }
        let endpoint = Endpoint(address: host, port: port)
        if endpoint == nil {
            if host.first == UInt8(ascii: "[") { throw .badIPv6 }
            if host.allSatisfy({ (0x30...0x39).contains($0) || $0 == UInt8(ascii: ".") }) { throw .badIPv4 }
            guard isName(host) else { throw .badName }
        }
        return BootstrapEntry(
            node: node, host: String(decoding: host, as: UTF8.self), port: port, endpoint: endpoint)
    }

    private static func node(_ text: ArraySlice<UInt8>) throws(Problem) -> NodeID {
        let text = String(decoding: text, as: UTF8.self)
        // No Bech32m text is as long: 62 characters.
        if text.utf8.count == 2 * NodeID.byteCount, let node = NodeID(hex: text) { return node }
        let prefix = text.prefix(4).lowercased()
        guard prefix == NodeID.textPrefix + "1" else { throw .badHexadecimalNode }
        do throws(Bech32mError) {
            return try NodeID(text: text)
        } catch {
            throw .badNode(error)
        }
    }

    /// Letters, digits and hyphens in labels of 1 to 63 (RFC 1123); 253 in all.
    private static func isName(_ host: ArraySlice<UInt8>) -> Bool {
        guard host.count <= 253 else { return false }
        let hyphen = UInt8(ascii: "-")
        return host.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy {
            label in
            (1...63).contains(label.count) && label.first != hyphen && label.last != hyphen
                && label.allSatisfy {
                    (0x30...0x39).contains($0) || (0x61...0x7A).contains($0 | 0x20) || $0 == hyphen
                }
        }
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isBlank(_ octet: UInt8) -> Bool { octet == 0x20 || octet == 0x09 || octet == 0x0D }
        var line = line.drop(while: isBlank)
        while let last = line.last, isBlank(last) { line.removeLast() }
        return line
    }
}
