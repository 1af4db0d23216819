public import Bytes
public import Identity

/// A place in the state's trie: everything whose path begins with these bits.
public struct StatePlace: Canonical, Hashable, Sendable {
    /// Bits of a path.
    public static let depthMax = 256
    /// Above everything.
    public static let root = StatePlace(depth: 0, path: .zero)

    /// How many bits count.
    public let depth: Int
    /// The bits, and zeros after them.
    public let path: Digest

    private init(depth: Int, path: Digest) {
        self.depth = depth
        self.path = path
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        depth = Int(try reader.integer(UInt16.self))
        guard depth <= Self.depthMax else { throw .tooLong }
        let octets = [UInt8](copying: try reader.take((depth + 7) / 8))
        if depth % 8 > 0, octets[octets.count - 1] << UInt8(depth % 8) != 0 { throw .nonCanonical }
        path = Digest(octets: octets + [UInt8](repeating: 0, count: 32 - octets.count))!
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(UInt16(depth))
        writer.raw(Array(path.octets.prefix((depth + 7) / 8)))
    }

    /// One bit further down.
    public func child(onRight: Bool) -> StatePlace {
        precondition(depth < Self.depthMax, "no place lies below a whole path")
        guard onRight else { return StatePlace(depth: depth + 1, path: path) }
        var octets = path.octets
        octets[depth / 8] |= 128 >> UInt8(depth % 8)
        return StatePlace(depth: depth + 1, path: Digest(octets: octets)!)
    }

    /// Whether a path leads through here.
    public func leads(to other: Digest) -> Bool {
        let words = (depth + 7) / 8
        guard words > 0 else { return true }
        let (mine, theirs) = (path.octets, other.octets)
        for index in 0..<words {
            let isLast = index == words - 1
            let mask: UInt8 = isLast && depth % 8 > 0 ? 0xFF << UInt8(8 - depth % 8) : 0xFF
            if (mine[index] ^ theirs[index]) & mask != 0 { return false }
        }
        return true
    }
}

/// The trie below a place, as much of it as fits one datagram: what does not is named by its hash.
///
/// Whoever knows the hash of the place knows whether every octet of a part is right, and then the hashes of the places
/// that are still missing. So nothing needs a proof, and a liar is caught by each part of its own.
public struct StatePart: Canonical, Hashable, Sendable {
    public enum Node: Canonical, Hashable, Sendable {
        /// Nothing lies below.
        case empty
        /// One entry alone lies below.
        case leaf(StateKey, [UInt8])
        /// Whatever has this hash lies below.
        case stub(Digest)
        /// The two halves follow, each with all that belongs to it.
        case inner

        public init(from reader: inout ByteReader) throws(DecodeError) {
            switch try reader.uleb128() {
            case 0: self = .empty
            case 1:
                self = .leaf(
                    try StateKey(from: &reader), try reader.octets(max: StatePart.valueByteCountMax))
            case 2: self = .stub(try Digest(from: &reader))
            case 3: self = .inner
            default: throw .unknown
            }
        }

        public func encode(to writer: inout ByteWriter) {
            switch self {
            case .empty: writer.uleb128(0)
            case .leaf(let key, let value):
                writer.uleb128(1)
                key.encode(to: &writer)
                writer.octets(value)
            case .stub(let hash):
                writer.uleb128(2)
                hash.encode(to: &writer)
            case .inner: writer.uleb128(3)
            }
        }
    }

    /// Fits a whole message in a datagram, beside the message's head; a single larger value travels in pieces.
    public static let byteCountMax = 1_024
    /// The largest value of the state is a committee of all seats that there can be.
    public static let valueByteCountMax = 1 << 16
    /// Above what `byteCountMax` octets hold.
    public static let nodesMax = 1_024

    /// Of the encoding of a leaf, without making it.
    public static func leafByteCount(_ key: StateKey, _ value: [UInt8]) -> Int {
        let keyByteCount =
            switch key {
            case .totals: 1
            case .account, .device, .validator, .activity: 33
            case .committee: 9
            case .unbonding: 41
            }
        let lengthByteCount = value.count < 1 << 7 ? 1 : value.count < 1 << 14 ? 2 : 3
        return 1 + keyByteCount + lengthByteCount + value.count
    }

    /// From the top down, left before right.
    public let nodes: [Node]

    /// Nodes that make up one tree.
    public init(nodes: [Node]) {
        precondition(Self.isOneTree(nodes))
        self.nodes = nodes
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        nodes = try reader.list(max: Self.nodesMax)
        guard Self.isOneTree(nodes) else { throw .nonCanonical }
    }

    public func encode(to writer: inout ByteWriter) { writer.list(nodes) }

    private static func isOneTree(_ nodes: [Node]) -> Bool {
        var open = 1
        for node in nodes {
            guard open > 0 else { return false }
            open += node == .inner ? 1 : -1
        }
        return open == 0
    }
}

/// What a node asks of a peer in order to start from a recent state. Tags are frozen.
public enum SnapshotQuestion: Canonical, Hashable, Sendable {
    /// Parts of the state after the final block of an epoch, one for each place.
    case state(Epoch, [StatePlace])
    /// The committee with this digest, of any period.
    case committee(Digest)

    /// Each is answered by a datagram.
    public static let placesMax = 8

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .state(try reader.integer(), try reader.list(max: Self.placesMax))
        case 1: self = .committee(try Digest(from: &reader))
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .state(let epoch, let places):
            writer.uleb128(0)
            writer.integer(epoch)
            writer.list(places)
        case .committee(let digest):
            writer.uleb128(1)
            digest.encode(to: &writer)
        }
    }
}

/// The answer. Nothing of it is believed: a part by the hash of its place, a committee by its digest. Tags are frozen.
public enum SnapshotAnswer: Canonical, Hashable, Sendable {
    case part(Epoch, StatePlace, StatePart)
    /// The state asked for is not at hand here; those after these epochs are.
    case states(first: Epoch, last: Epoch)
    case committee(Committee)

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0:
            self = .part(
                try reader.integer(), try StatePlace(from: &reader), try StatePart(from: &reader))
        case 1: self = .states(first: try reader.integer(), last: try reader.integer())
        case 2: self = .committee(try Committee(from: &reader))
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .part(let epoch, let place, let part):
            writer.uleb128(0)
            writer.integer(epoch)
            place.encode(to: &writer)
            part.encode(to: &writer)
        case .states(let first, let last):
            writer.uleb128(1)
            writer.integer(first)
            writer.integer(last)
        case .committee(let committee):
            writer.uleb128(2)
            committee.encode(to: &writer)
        }
    }
}
