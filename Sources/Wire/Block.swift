public import Bytes
public import Identity

/// What a header commits to besides the evidence: transactions, and who finalised the parent.
public struct Body: Canonical, Hashable, Sendable {
    public static let transactionsMax = 4_096

    /// In the order of execution.
    public let transactions: [Transaction]
    /// A finalize certificate of the parent, by which validators are paid; nil in block 1 only.
    public let parentCertificate: Certificate?

    public init(transactions: [Transaction], parentCertificate: Certificate?) {
        self.transactions = transactions
        self.parentCertificate = parentCertificate
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        transactions = try reader.list(max: Self.transactionsMax)
        parentCertificate = try reader.option()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.list(transactions)
        writer.option(parentCertificate)
    }

    /// The transactions root of the header.
    public var root: Digest {
        Merkle.root([parentCertificate?.id ?? .zero] + transactions.map(\.id))
    }
}

/// A header with everything needed to execute it.
public struct Block: Canonical, Hashable, Sendable {
    public static let entriesMax = 1 << 16

    public let header: Header
    public let body: Body
    /// Strictly ascending by author.
    public let evidence: [EvidenceEntry]

    public init(header: Header, body: Body, evidence: [EvidenceEntry]) {
        self.header = header
        self.body = body
        self.evidence = evidence
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        header = try Header(from: &reader)
        body = try Body(from: &reader)
        evidence = try reader.list(max: Self.entriesMax)
        for index in evidence.indices.dropFirst() where evidence[index - 1].author >= evidence[index].author {
            throw .nonCanonical
        }
    }

    public func encode(to writer: inout ByteWriter) {
        header.encode(to: &writer)
        body.encode(to: &writer)
        writer.list(evidence)
    }
}

/// A header and the certificate that makes it final.
public struct FinalHeader: Canonical, Hashable, Sendable {
    public let header: Header
    /// Kind finalize, over the header's digest.
    public let certificate: Certificate

    public init(header: Header, certificate: Certificate) {
        self.header = header
        self.certificate = certificate
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        header = try Header(from: &reader)
        certificate = try Certificate(from: &reader)
    }

    public func encode(to writer: inout ByteWriter) {
        header.encode(to: &writer)
        certificate.encode(to: &writer)
    }
}
