public import Bytes
public import Identity

/// What is agreed once per epoch. Its digest is what is voted on; it excludes the current view, so that it can
/// be proposed again in a later one.
public struct Header: Canonical, Hashable, Sendable {
    public static let currentVersion: UInt16 = 1

    public var version: UInt16
    public var network: Digest
    public var epoch: Epoch
    public var parent: Digest
    public var builder: NodeID
    public var buildView: View
    /// The builder's VRF proof over `Randomness.alpha`: decides R(epoch + 1).
    public var randomnessProof: VRFProof
    /// R(epoch).
    public var randomness: Digest
    public var evidence: EvidenceSummary
    public var transactionsRoot: Digest
    public var verdictsRoot: Digest
    public var stateRoot: Digest
    /// Of C(epoch).
    public var committee: Digest
    /// Of the next committee that is fixed already.
    public var nextCommittee: Digest
    public var parameters: Digest
    /// Milliseconds since 1970, information for people: read by no rule.
    public var wallTime: UInt64

    public init(
        network: Digest, epoch: Epoch, parent: Digest, builder: NodeID, buildView: View,
        randomnessProof: VRFProof, randomness: Digest, evidence: EvidenceSummary, transactionsRoot: Digest,
        verdictsRoot: Digest, stateRoot: Digest, committee: Digest, nextCommittee: Digest, parameters: Digest,
        wallTime: UInt64
    ) {
        version = Self.currentVersion
        self.network = network
        self.epoch = epoch
        self.parent = parent
        self.builder = builder
        self.buildView = buildView
        self.randomnessProof = randomnessProof
        self.randomness = randomness
        self.evidence = evidence
        self.transactionsRoot = transactionsRoot
        self.verdictsRoot = verdictsRoot
        self.stateRoot = stateRoot
        self.committee = committee
        self.nextCommittee = nextCommittee
        self.parameters = parameters
        self.wallTime = wallTime
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        version = try reader.integer()
        guard version == Self.currentVersion else { throw .unknown }
        network = try Digest(from: &reader)
        epoch = try reader.integer()
        parent = try Digest(from: &reader)
        builder = try NodeID(from: &reader)
        buildView = try reader.integer()
        randomnessProof = try VRFProof(from: &reader)
        randomness = try Digest(from: &reader)
        evidence = try EvidenceSummary(from: &reader)
        transactionsRoot = try Digest(from: &reader)
        verdictsRoot = try Digest(from: &reader)
        stateRoot = try Digest(from: &reader)
        committee = try Digest(from: &reader)
        nextCommittee = try Digest(from: &reader)
        parameters = try Digest(from: &reader)
        wallTime = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(version)
        network.encode(to: &writer)
        writer.integer(epoch)
        parent.encode(to: &writer)
        builder.encode(to: &writer)
        writer.integer(buildView)
        randomnessProof.encode(to: &writer)
        randomness.encode(to: &writer)
        evidence.encode(to: &writer)
        transactionsRoot.encode(to: &writer)
        verdictsRoot.encode(to: &writer)
        stateRoot.encode(to: &writer)
        committee.encode(to: &writer)
        nextCommittee.encode(to: &writer)
        parameters.encode(to: &writer)
        writer.integer(wallTime)
    }

    public var digest: Digest { Digest(of: encoded()) }
}

/// The kinds of vote, and what each is about.
public enum Ballot: Canonical, Hashable, Sendable {
    case notarize(Epoch, View, Digest)
    case nullify(Epoch, View)
    case finalize(Epoch, View, Digest)

    public enum Kind: UInt8, Canonical, Sendable, CaseIterable {
        case notarize = 0
        case nullify = 1
        case finalize = 2

        public init(from reader: inout ByteReader) throws(DecodeError) {
            guard let kind = Kind(rawValue: try reader.integer()) else { throw .unknown }
            self = kind
        }

        public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        let kind = try Kind(from: &reader)
        let epoch: Epoch = try reader.integer()
        let view: View = try reader.integer()
        switch kind {
        case .notarize: self = .notarize(epoch, view, try Digest(from: &reader))
        case .nullify: self = .nullify(epoch, view)
        case .finalize: self = .finalize(epoch, view, try Digest(from: &reader))
        }
    }

    public func encode(to writer: inout ByteWriter) {
        kind.encode(to: &writer)
        writer.integer(epoch)
        writer.integer(view)
        digest?.encode(to: &writer)
    }

    public var kind: Kind {
        switch self {
        case .notarize: .notarize
        case .nullify: .nullify
        case .finalize: .finalize
        }
    }

    public var epoch: Epoch {
        switch self {
        case .notarize(let epoch, _, _), .nullify(let epoch, _), .finalize(let epoch, _, _): epoch
        }
    }

    public var view: View {
        switch self {
        case .notarize(_, let view, _), .nullify(_, let view), .finalize(_, let view, _): view
        }
    }

    /// The header voted for; a nullification has none.
    public var digest: Digest? {
        switch self {
        case .notarize(_, _, let digest), .finalize(_, _, let digest): digest
        case .nullify: nil
        }
    }
}

/// One validator's signed ballot.
public struct Vote: Canonical, Hashable, Sendable {
    public let ballot: Ballot
    public let voter: NodeID
    public let signature: Signature

    public init(ballot: Ballot, voter: NodeID, signature: Signature) {
        self.ballot = ballot
        self.voter = voter
        self.signature = signature
    }

    public init(_ ballot: Ballot, by key: SigningKey, network: Digest) {
        self.ballot = ballot
        voter = key.nodeID
        signature = key.sign(ballot.encoded().octetBytes, domain: .vote, network: network)
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        ballot = try Ballot(from: &reader)
        voter = try NodeID(from: &reader)
        signature = try Signature(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        ballot.encode(to: &writer)
        voter.encode(to: &writer)
        signature.encode(to: &writer)
    }
}

/// The votes of more than two thirds of a committee's weight for one ballot.
public struct Certificate: Canonical, Hashable, Sendable {
    /// Seats of a sampled committee; below 200 validators everyone has one.
    public static let seatsMax = 512

    public let ballot: Ballot
    /// Indices of the committee members who voted, strictly ascending; on the wire a bitmap.
    public let voters: [UInt16]
    /// In the order of `voters`.
    public let signatures: [Signature]

    public init(ballot: Ballot, voters: [UInt16], signatures: [Signature]) {
        precondition(voters.count == signatures.count && voters.count <= Self.seatsMax)
        self.ballot = ballot
        self.voters = voters
        self.signatures = signatures
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        ballot = try Ballot(from: &reader)
        let bitmap = try reader.octets(max: Self.seatsMax / 8)
        guard bitmap.last != 0 else { throw .nonCanonical }
        var voters: [UInt16] = []
        for (index, octet) in bitmap.enumerated() {
            for bit in 0..<8 where octet >> UInt8(bit) & 1 == 1 { voters.append(UInt16(index * 8 + bit)) }
        }
        self.voters = voters
        var signatures: [Signature] = []
        signatures.reserveCapacity(voters.count)
        for _ in voters { signatures.append(try Signature(from: &reader)) }
        self.signatures = signatures
    }

    public func encode(to writer: inout ByteWriter) {
        ballot.encode(to: &writer)
        var bitmap = [UInt8](repeating: 0, count: voters.last.map { Int($0) / 8 + 1 } ?? 0)
        for voter in voters { bitmap[Int(voter) / 8] |= 1 << UInt8(voter % 8) }
        writer.octets(bitmap)
        for signature in signatures { signature.encode(to: &writer) }
    }

    public var id: Digest { Digest(of: encoded()) }
}

/// A leader's proposal for its view. Authenticated by the leader's own notarize vote in `vote`.
public struct Proposal: Canonical, Hashable, Sendable {
    /// One notarization and the nullifications since: views are few, or certificates are pulled instead.
    public static let certificatesMax = 16

    public let view: View
    /// The view whose notarized header this proposes again; 0 for a fresh block.
    public let parentView: View
    public let header: Header
    /// N[parentView] if it is above 0, then X[parentView + 1 … view − 1].
    public let justification: [Certificate]
    /// The leader's notarize vote for (view, header).
    public let vote: Vote

    public init(
        view: View, parentView: View, header: Header, justification: [Certificate], vote: Vote
    ) {
        precondition(justification.count <= Self.certificatesMax)
        self.view = view
        self.parentView = parentView
        self.header = header
        self.justification = justification
        self.vote = vote
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        view = try reader.integer()
        parentView = try reader.integer()
        header = try Header(from: &reader)
        justification = try reader.list(max: Self.certificatesMax)
        vote = try Vote(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(view)
        writer.integer(parentView)
        header.encode(to: &writer)
        writer.list(justification)
        vote.encode(to: &writer)
    }
}

/// One seat of a committee.
public struct Seat: Canonical, Hashable, Sendable {
    public let key: NodeID
    public let vrfKey: VRFPublicKey
    public let weight: UInt64

    public init(key: NodeID, vrfKey: VRFPublicKey, weight: UInt64) {
        self.key = key
        self.vrfKey = vrfKey
        self.weight = weight
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        key = try NodeID(from: &reader)
        vrfKey = try VRFPublicKey(from: &reader)
        weight = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        key.encode(to: &writer)
        vrfKey.encode(to: &writer)
        writer.integer(weight)
    }
}

/// Who decides an epoch, ordered by key; a seat's place is its index in certificates.
public struct Committee: Canonical, Hashable, Sendable {
    public let seats: [Seat]

    /// Seats in any order, keys distinct, weights above zero, their sum below 2⁶².
    public init(seats: [Seat]) {
        self.seats = seats.sorted { $0.key < $1.key }
        precondition(Self.isWellFormed(self.seats))
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        seats = try reader.list(max: Certificate.seatsMax)
        guard Self.isWellFormed(seats) else { throw .nonCanonical }
    }

    public func encode(to writer: inout ByteWriter) { writer.list(seats) }

    private static func isWellFormed(_ seats: [Seat]) -> Bool {
        var total: UInt64 = 0
        for (index, seat) in seats.enumerated() {
            if index > 0, seats[index - 1].key >= seat.key { return false }
            if seat.weight == 0 { return false }
            let (sum, overflow) = total.addingReportingOverflow(seat.weight)
            if overflow || sum >= 1 << 62 { return false }
            total = sum
        }
        return true
    }

    /// W.
    public var weight: UInt64 { seats.reduce(0) { $0 + $1.weight } }

    /// q = ⌊2W/3⌋ + 1.
    public var quorum: UInt64 { weight * 2 / 3 + 1 }

    public func index(of key: NodeID) -> Int? {
        var low = 0
        var high = seats.count
        while low < high {
            let middle = (low + high) / 2
            if seats[middle].key < key { low = middle + 1 } else { high = middle }
        }
        return low < seats.count && seats[low].key == key ? low : nil
    }

    public var digest: Digest { Digest(of: encoded()) }
}
