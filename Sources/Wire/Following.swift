public import Bytes
public import Identity

/// What an edge node asks a validator, over a session of its own, as any stranger may; and another edge node, of what is
/// common to all, when no validator answers.
///
/// Each question is answered by datagrams that need each other for nothing: what is lost is asked for again, here or
/// elsewhere, and the one who answers keeps nothing between two questions. Tags are frozen.
public enum Question: Canonical, Hashable, Sendable {
    /// The final header of an epoch, the first page of the votes that made it final, and where in its evidence the
    /// asker's own entry stands; of an epoch that is still open, only that.
    case follow(Epoch)
    /// A later page of those votes.
    case votes(Epoch, page: UInt8)
    /// Where in an epoch's evidence the asker's own entry stands.
    case inclusion(Epoch)
    /// What the registry holds of a device, as of the last final block, and the first page of the proof.
    case device(NodeID)
    /// Seats of the committee with this digest.
    case committee(Digest, page: UInt8)
    /// What became of a bundle of the open epoch.
    case bundle(Digest)
    /// Contact cards of validators.
    case cards
    /// Edge nodes near the asker, which handed in its own bundle before.
    case neighbours
    /// A later page of the proof of what the registry holds of a device, as of the last final block.
    case deviceProof(NodeID, page: UInt8)

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .follow(try reader.integer())
        case 1: self = .votes(try reader.integer(), page: try reader.integer())
        case 2: self = .inclusion(try reader.integer())
        case 3: self = .device(try NodeID(from: &reader))
        case 4: self = .committee(try Digest(from: &reader), page: try reader.integer())
        case 5: self = .bundle(try Digest(from: &reader))
        case 6: self = .cards
        case 7: self = .neighbours
        case 8: self = .deviceProof(try NodeID(from: &reader), page: try Answer.laterPage(&reader))
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .follow(let epoch):
            writer.uleb128(0)
            writer.integer(epoch)
        case .votes(let epoch, let page):
            writer.uleb128(1)
            writer.integer(epoch)
            writer.integer(page)
        case .inclusion(let epoch):
            writer.uleb128(2)
            writer.integer(epoch)
        case .device(let id):
            writer.uleb128(3)
            id.encode(to: &writer)
        case .committee(let digest, let page):
            writer.uleb128(4)
            digest.encode(to: &writer)
            writer.integer(page)
        case .bundle(let id):
            writer.uleb128(5)
            id.encode(to: &writer)
        case .cards: writer.uleb128(6)
        case .neighbours: writer.uleb128(7)
        case .deviceProof(let id, let page):
            writer.uleb128(8)
            id.encode(to: &writer)
            writer.integer(page)
        }
    }
}

/// What a validator answers an edge node. Nothing of it is believed: headers by votes, everything else by a header or by
/// a signature. Tags are frozen.
public enum Answer: Canonical, Hashable, Sendable {
    /// The epoch asked about is not final here: this one is the last that is.
    /// - Parameter age: Milliseconds since the epoch after it opened here.
    case open(lastFinal: Epoch, age: UInt32)
    /// - Parameter age: Milliseconds since the epoch after the header's opened here.
    case header(Header, lastFinal: Epoch, age: UInt32)
    case votes(VotesPage)
    /// Nil: the asker has no entry in this evidence, or this node does not keep a block so old.
    case inclusion(Epoch, MerkleProof?)
    /// The encoding of the registry's `Device` after a block; nil if it knows none. Its proof comes beside it.
    case device(Epoch, [UInt8]?)
    /// The first page of the encoding of the ledger's `StateProof` for the device, against the state root of this
    /// epoch's header. A page below `proofByteCountMax` is the last one.
    case deviceProof(Epoch, [UInt8])
    case committee(Digest, page: UInt8, [Seat])
    case bundle(Digest, BundleStanding)
    case cards([NodeRecord])
    /// Registered edge nodes that handed in bundles lately, the nearest first.
    case neighbours([Neighbour])
    /// A later page of such a proof.
    case deviceProofPage(Epoch, page: UInt8, [UInt8])

    /// Pages keep an answer within one datagram.
    public static let seatsOfPageMax = 14
    public static let cardsMax = Frame.recordsMax
    public static let neighboursMax = 5
    /// Eight versions of a device's facts.
    public static let deviceByteCountMax = 960
    /// One page: twenty-eight levels, a state of a hundred million values. More levels than that are the work of whoever
    /// looks for keys whose paths begin as a device's does.
    public static let proofByteCountMax = 960
    /// As many levels as a path has bits: 256 siblings of 32 octets, their number, and what is at the end of the path, which
    /// takes 65 octets if it is another's leaf; 8,259 in all.
    public static let proofPagesMax: UInt8 = 9

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .open(lastFinal: try reader.integer(), age: try reader.integer())
        case 1:
            self = .header(
                try Header(from: &reader), lastFinal: try reader.integer(), age: try reader.integer())
        case 2: self = .votes(try VotesPage(from: &reader))
        case 3: self = .inclusion(try reader.integer(), try reader.option())
        case 4:
            let epoch: Epoch = try reader.integer()
            self = .device(epoch, try reader.bool() ? try reader.octets(max: Self.deviceByteCountMax) : nil)
        case 5:
            self = .deviceProof(try reader.integer(), try reader.octets(max: Self.proofByteCountMax))
        case 6:
            self = .committee(
                try Digest(from: &reader), page: try reader.integer(),
                try reader.list(max: Self.seatsOfPageMax))
        case 7: self = .bundle(try Digest(from: &reader), try BundleStanding(from: &reader))
        case 8: self = .cards(try reader.list(max: Self.cardsMax))
        case 9: self = .neighbours(try reader.list(max: Self.neighboursMax))
        case 10:
            self = .deviceProofPage(
                try reader.integer(), page: try Self.laterPage(&reader),
                try reader.octets(max: Self.proofByteCountMax))
        default: throw .unknown
        }
    }

    /// The first page has a tag of its own.
    fileprivate static func laterPage(_ reader: inout ByteReader) throws(DecodeError) -> UInt8 {
        let page: UInt8 = try reader.integer()
        guard page > 0, page < proofPagesMax else { throw .unknown }
        return page
    }

    /// Octets of one page of an encoded proof; nil beyond the last.
    public static func page(_ page: UInt8, ofProof proof: [UInt8]) -> [UInt8]? {
        let start = Int(page) * proofByteCountMax
        // One that ends where a page does is known to end by the empty page after it.
        guard page < proofPagesMax, start <= proof.count else { return nil }
        return Array(proof[start..<min(start + proofByteCountMax, proof.count)])
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .open(let lastFinal, let age):
            writer.uleb128(0)
            writer.integer(lastFinal)
            writer.integer(age)
        case .header(let header, let lastFinal, let age):
            writer.uleb128(1)
            header.encode(to: &writer)
            writer.integer(lastFinal)
            writer.integer(age)
        case .votes(let page):
            writer.uleb128(2)
            page.encode(to: &writer)
        case .inclusion(let epoch, let proof):
            writer.uleb128(3)
            writer.integer(epoch)
            writer.option(proof)
        case .device(let epoch, let value):
            writer.uleb128(4)
            writer.integer(epoch)
            writer.bool(value != nil)
            if let value { writer.octets(value) }
        case .deviceProof(let epoch, let proof):
            writer.uleb128(5)
            writer.integer(epoch)
            writer.octets(proof)
        case .committee(let digest, let page, let seats):
            writer.uleb128(6)
            digest.encode(to: &writer)
            writer.integer(page)
            writer.list(seats)
        case .bundle(let id, let standing):
            writer.uleb128(7)
            id.encode(to: &writer)
            standing.encode(to: &writer)
        case .cards(let records):
            writer.uleb128(8)
            writer.list(records)
        case .neighbours(let list):
            writer.uleb128(9)
            writer.list(list)
        case .deviceProofPage(let epoch, let page, let octets):
            writer.uleb128(10)
            writer.integer(epoch)
            writer.integer(page)
            writer.octets(octets)
        }
    }
}

/// An edge node, and where a validator sees it. A hint: who is there is proven by a session, and believed nothing.
public struct Neighbour: Canonical, Hashable, Sendable {
    public let node: NodeID
    public let endpoint: Endpoint

    public init(node: NodeID, endpoint: Endpoint) {
        self.node = node
        self.endpoint = endpoint
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        node = try NodeID(from: &reader)
        endpoint = try Endpoint(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        node.encode(to: &writer)
        endpoint.encode(to: &writer)
    }
}

/// Some of the votes of a certificate: each of them counts by itself, whatever became of the other pages.
public struct VotesPage: Canonical, Hashable, Sendable {
    public struct Entry: Canonical, Hashable, Sendable {
        /// The voter's seat.
        public let voter: UInt16
        public let signature: Signature

        public init(voter: UInt16, signature: Signature) {
            self.voter = voter
            self.signature = signature
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            voter = try reader.integer()
            signature = try Signature(from: &reader)
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(voter)
            signature.encode(to: &writer)
        }
    }

    /// What fits a datagram.
    public static let entriesMax = 15

    public let ballot: Ballot
    public let page: UInt8
    /// How many there are.
    public let pages: UInt8
    /// Strictly ascending by voter, never empty.
    public let entries: [Entry]

    package init(ballot: Ballot, page: UInt8, pages: UInt8, entries: [Entry]) {
        self.ballot = ballot
        self.page = page
        self.pages = pages
        self.entries = entries
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        ballot = try Ballot(from: &reader)
        page = try reader.integer()
        pages = try reader.integer()
        guard page < pages else { throw .unknown }
        entries = try reader.list(max: Self.entriesMax)
        guard !entries.isEmpty else { throw .nonCanonical }
        for place in entries.indices.dropFirst() where entries[place - 1].voter >= entries[place].voter {
            throw .nonCanonical
        }
    }

    public func encode(to writer: inout ByteWriter) {
        ballot.encode(to: &writer)
        writer.integer(page)
        writer.integer(pages)
        writer.list(entries)
    }
}

extension Certificate {
    /// Nil beyond the last page.
    public func page(_ page: UInt8) -> VotesPage? {
        let start = Int(page) * VotesPage.entriesMax
        guard start < voters.count else { return nil }
        let places = start..<min(start + VotesPage.entriesMax, voters.count)
        return VotesPage(
            ballot: ballot, page: page,
            pages: UInt8((voters.count + VotesPage.entriesMax - 1) / VotesPage.entriesMax),
            entries: places.map { VotesPage.Entry(voter: voters[$0], signature: signatures[$0]) })
    }
}

extension Committee {
    /// Seats of one page; empty beyond the last.
    public func page(_ page: UInt8) -> [Seat] {
        Array(seats.dropFirst(Int(page) * Answer.seatsOfPageMax).prefix(Answer.seatsOfPageMax))
    }
}

/// What became of a bundle that was handed to a validator, or to a neighbour that shall hand it on.
public enum BundleStanding: Canonical, Hashable, Sendable {
    case unknown
    /// Some of its pieces are here: one bit each.
    case partial(UInt16)
    /// Verified, durable, and on its way to the others.
    case held
    /// Of another epoch, or of an author that is not registered, or one too many; by a neighbour: for want of room or of
    /// validators.
    case refused

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .unknown
        case 1: self = .partial(try reader.integer())
        case 2: self = .held
        case 3: self = .refused
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .unknown: writer.uleb128(0)
        case .partial(let pieces):
            writer.uleb128(1)
            writer.integer(pieces)
        case .held: writer.uleb128(2)
        case .refused: writer.uleb128(3)
        }
    }
}
