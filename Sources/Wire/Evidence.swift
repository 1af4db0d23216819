public import Bytes
public import Identity

/// What the network holds of one author in one epoch: its bundle, or the proof that it signed two.
public enum EvidenceEntry: Canonical, Hashable, Sendable {
    case bundle(Bundle)
    /// Two different bundles of one author and epoch, the lower id first.
    case conflict(Bundle, Bundle)

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .bundle(try Bundle(from: &reader))
        case 1:
            let first = try Bundle(from: &reader)
            let second = try Bundle(from: &reader)
            guard first.author == second.author, first.epoch == second.epoch, first.id < second.id else {
                throw .nonCanonical
            }
            self = .conflict(first, second)
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .bundle(let bundle):
            writer.uleb128(0)
            bundle.encode(to: &writer)
        case .conflict(let first, let second):
            writer.uleb128(1)
            first.encode(to: &writer)
            second.encode(to: &writer)
        }
    }

    public var author: NodeID {
        switch self {
        case .bundle(let bundle), .conflict(let bundle, _): bundle.author
        }
    }

    public var epoch: Epoch {
        switch self {
        case .bundle(let bundle), .conflict(let bundle, _): bundle.epoch
        }
    }

    public var bundles: [Bundle] {
        switch self {
        case .bundle(let bundle): [bundle]
        case .conflict(let first, let second): [first, second]
        }
    }

    /// The entry's item in roots: a bundle's id, or a digest that is the same whichever two bundles of a
    /// conflict one holds.
    public var item: Digest {
        switch self {
        case .bundle(let bundle): bundle.id
        case .conflict(let bundle, _): Self.conflictItem(author: bundle.author, epoch: bundle.epoch)
        }
    }

    public static func conflictItem(author: NodeID, epoch: Epoch) -> Digest {
        var writer = ByteWriter(capacity: 64)
        writer.raw(Array("conflict".utf8))
        author.encode(to: &writer)
        writer.integer(epoch)
        return Digest(of: writer.written)
    }
}

/// The evidence of one epoch as the header commits to it: root, count, fingerprint.
public struct EvidenceSummary: Canonical, Hashable, Sendable {
    public let root: Digest
    public let count: UInt32
    /// Exclusive or of `H(item)`: equal sets have equal fingerprints whatever order they were built in.
    public let fingerprint: Digest

    public init(root: Digest, count: UInt32, fingerprint: Digest) {
        self.root = root
        self.count = count
        self.fingerprint = fingerprint
    }

    /// Of the items of the set, in the order of their authors.
    public init(items: [Digest]) {
        root = Merkle.root(items)
        count = UInt32(items.count)
        fingerprint = items.reduce(.zero) { $0.exclusiveOr(Digest(of: $1.encoded())) }
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        root = try Digest(from: &reader)
        count = try reader.integer()
        fingerprint = try Digest(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        root.encode(to: &writer)
        writer.integer(count)
        fingerprint.encode(to: &writer)
    }
}

/// One line of the list by which a node learns what a header's evidence root stands for.
public struct EvidenceItem: Canonical, Hashable, Sendable {
    public let author: NodeID
    public let item: Digest

    public init(author: NodeID, item: Digest) {
        self.author = author
        self.item = item
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        author = try NodeID(from: &reader)
        item = try Digest(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        author.encode(to: &writer)
        item.encode(to: &writer)
    }
}

extension EvidenceEntry {
    /// What it counts for in a block: a bundle as it is encoded, a conflict as the two largest. Which two of an author's bundles
    /// a node holds is its own affair, and no rule of a block may depend on it.
    public var byteCount: Int {
        switch self {
        case .bundle(let bundle): bundle.encoded().count
        case .conflict: 2 * Bundle.byteCountMax
        }
    }
}

extension [EvidenceEntry] {
    /// What a block's limit is about.
    public var byteCount: Int { reduce(0) { $0 + $1.byteCount } }

    /// Whether a block with these may leave out whoever ranks after all of them: it holds so many, or so many octets that
    /// the largest entry would not fit.
    public func isFull(_ parameters: Parameters) -> Bool {
        count >= Int(parameters.bundlesMax)
            || byteCount + 2 * Bundle.byteCountMax > Int(parameters.evidenceBytesMax)
    }
}
