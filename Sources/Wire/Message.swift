public import Bytes
public import Identity

/// Everything that nodes say to each other above the datagram. The first five are gossip: validated once,
/// then forwarded. The rest is asked of and answered to one peer.
public enum Message: Canonical, Hashable, Sendable {
    case bundle(Bundle)
    case transaction(Transaction)
    case vote(Vote)
    case certificate(Certificate)
    case proposal(Proposal)

    /// What a validator holds of an epoch's consensus, so that peers push what is missing.
    case summary(Summary)
    /// Asks for finalised headers from an epoch on.
    case finalityRequest(from: Epoch, count: UInt8)
    case finality([FinalHeader])
    /// Asks what a header's roots stand for: the body and the list of evidence items.
    case contentsRequest(Digest)
    case contents(Contents)
    /// Asks for the bundles behind items of a block's list: ids, or the items of conflicts.
    case bundlesRequest([Digest])
    /// Asks for the proposal of a view (a vote or certificate named its header).
    case proposalRequest(Epoch, View)
    case transactionStatusRequest(Digest)
    case transactionStatus(Digest, TransactionStatus)
    /// Asks what an account holds, as of the last final block.
    case accountRequest(NodeID)
    case account(NodeID, Account, lastFinal: Epoch)
    /// What an edge node asks, and what it is told.
    case question(Question)
    case answer(Answer)
    /// An edge node's own bundle, for a validator who tells it what becomes of it.
    case handIn(Bundle)
    /// Asks of whoever holds what stands behind a header what differs from what the asker expects.
    case listRequest(ListRequest)
    case listCells(ListCells)
    /// Asks for items of a header's list by their short ids under the header's keys.
    case itemsRequest(Digest, [UInt64])
    case items(Digest, [EvidenceItem])
    /// What a node that is far behind asks of a peer, and what it is told.
    case snapshotQuestion(SnapshotQuestion)
    case snapshotAnswer(SnapshotAnswer)

    /// Items asked for at once.
    public static let itemsMax = 1_024
    /// Bundles asked for at once; each may be 8 KiB.
    public static let bundlesRequestMax = 32
    /// Finalised headers answered at once.
    public static let finalityMax = 8
    /// The whole encoding of the largest message, `contents` of a full block.
    public static let byteCountMax = 8 << 20

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .bundle(try Bundle(from: &reader))
        case 1: self = .transaction(try Transaction(from: &reader))
        case 2: self = .vote(try Vote(from: &reader))
        case 3: self = .certificate(try Certificate(from: &reader))
        case 4: self = .proposal(try Proposal(from: &reader))
        case 5: self = .summary(try Summary(from: &reader))
        case 6: self = .finalityRequest(from: try reader.integer(), count: try reader.integer())
        case 7: self = .finality(try reader.list(max: Self.finalityMax))
        case 8: self = .contentsRequest(try Digest(from: &reader))
        case 9: self = .contents(try Contents(from: &reader))
        case 10: self = .bundlesRequest(try reader.list(max: Self.bundlesRequestMax))
        case 11: self = .proposalRequest(try reader.integer(), try reader.integer())
        case 12: self = .transactionStatusRequest(try Digest(from: &reader))
        case 13: self = .transactionStatus(try Digest(from: &reader), try TransactionStatus(from: &reader))
        case 14: self = .accountRequest(try NodeID(from: &reader))
        case 15:
            self = .account(
                try NodeID(from: &reader), try Account(from: &reader), lastFinal: try reader.integer())
        case 16: self = .question(try Question(from: &reader))
        case 17: self = .answer(try Answer(from: &reader))
        case 18: self = .handIn(try Bundle(from: &reader))
        case 28: self = .listRequest(try ListRequest(from: &reader))
        case 29: self = .listCells(try ListCells(from: &reader))
        case 30: self = .itemsRequest(try Digest(from: &reader), try reader.list(max: Self.itemsMax))
        case 31: self = .items(try Digest(from: &reader), try reader.list(max: Self.itemsMax))
        case 19: self = .snapshotQuestion(try SnapshotQuestion(from: &reader))
        case 20: self = .snapshotAnswer(try SnapshotAnswer(from: &reader))
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .bundle(let bundle): write(0, bundle, &writer)
        case .transaction(let transaction): write(1, transaction, &writer)
        case .vote(let vote): write(2, vote, &writer)
        case .certificate(let certificate): write(3, certificate, &writer)
        case .proposal(let proposal): write(4, proposal, &writer)
        case .summary(let summary): write(5, summary, &writer)
        case .finalityRequest(let from, let count):
            write(6, from, &writer)
            writer.integer(count)
        case .finality(let headers):
            writer.uleb128(7)
            writer.list(headers)
        case .contentsRequest(let digest): write(8, digest, &writer)
        case .contents(let contents): write(9, contents, &writer)
        case .bundlesRequest(let ids):
            writer.uleb128(10)
            writer.list(ids)
        case .proposalRequest(let epoch, let view):
            write(11, epoch, &writer)
            writer.integer(view)
        case .transactionStatusRequest(let id): write(12, id, &writer)
        case .transactionStatus(let id, let status):
            write(13, id, &writer)
            status.encode(to: &writer)
        case .accountRequest(let id): write(14, id, &writer)
        case .account(let id, let account, let lastFinal):
            write(15, id, &writer)
            account.encode(to: &writer)
            writer.integer(lastFinal)
        case .question(let question): write(16, question, &writer)
        case .answer(let answer): write(17, answer, &writer)
        case .handIn(let bundle): write(18, bundle, &writer)
        case .listRequest(let request): write(28, request, &writer)
        case .listCells(let cells): write(29, cells, &writer)
        case .itemsRequest(let header, let shorts):
            write(30, header, &writer)
            writer.list(shorts)
        case .items(let header, let items):
            write(31, header, &writer)
            writer.list(items)
        case .snapshotQuestion(let question): write(19, question, &writer)
        case .snapshotAnswer(let answer): write(20, answer, &writer)
        }
    }

    /// Whether a message of this first octet is an answer to a wallet or an edge node, who are no peers.
    public static func isForAnybody(tag: UInt8?) -> Bool { tag == 13 || tag == 15 || tag == 17 }

    /// Whether it answers a question, or is one of many bundles: told, as the above, by the first octet.
    public static func isBulk(tag: UInt8?) -> Bool {
        switch tag {
        case 0, 7, 9, 20, 29, 31: true
        default: false
        }
    }

    /// Whether a peer asks for something that is made, or read, for it alone.
    public var isQuestion: Bool {
        switch self {
        case .finalityRequest, .contentsRequest, .bundlesRequest, .transactionStatusRequest, .listRequest,
            .itemsRequest, .snapshotQuestion:
            true
        default: false
        }
    }

    /// Votes, certificates, proposals, summaries.
    public static func isOfConsensus(tag: UInt8?) -> Bool {
        switch tag {
        case 2, 3, 4, 5: true
        default: false
        }
    }

    public static func isTransaction(tag: UInt8?) -> Bool { tag == 1 }

    private func write(_ tag: UInt32, _ value: some Canonical, _ writer: inout ByteWriter) {
        writer.uleb128(tag)
        value.encode(to: &writer)
    }

    /// Whether it is forwarded to others once validated.
    public var isGossip: Bool {
        switch self {
        case .bundle, .transaction, .vote, .certificate, .proposal: true
        default: false
        }
    }

    /// Of the whole encoding.
    public var id: Digest { Digest(of: encoded()) }
}

/// Which votes and certificates a validator holds of an epoch.
public struct Summary: Canonical, Hashable, Sendable {
    /// Views spoken of at once: the current one and those below it down to the highest notarization.
    public static let viewsMax = 32

    public struct ViewState: Canonical, Hashable, Sendable {
        public let view: View
        /// One bitmap over the committee's indices a kind of vote, in the order of `Ballot.Kind`.
        public let notarizes: [UInt8]
        public let nullifies: [UInt8]
        public let finalizes: [UInt8]
        public let notarization: Digest?
        public let isNullified: Bool
        public let hasProposal: Bool

        public init(
            view: View, notarizes: [UInt8], nullifies: [UInt8], finalizes: [UInt8], notarization: Digest?,
            isNullified: Bool, hasProposal: Bool
        ) {
            self.view = view
            self.notarizes = notarizes
            self.nullifies = nullifies
            self.finalizes = finalizes
            self.notarization = notarization
            self.isNullified = isNullified
            self.hasProposal = hasProposal
        }

        public init(from reader: inout ByteReader) throws(DecodeError) {
            view = try reader.integer()
            notarizes = try reader.octets(max: Certificate.seatsMax / 8)
            nullifies = try reader.octets(max: Certificate.seatsMax / 8)
            finalizes = try reader.octets(max: Certificate.seatsMax / 8)
            notarization = try reader.option()
            isNullified = try reader.bool()
            hasProposal = try reader.bool()
        }

        public func encode(to writer: inout ByteWriter) {
            writer.integer(view)
            writer.octets(notarizes)
            writer.octets(nullifies)
            writer.octets(finalizes)
            writer.option(notarization)
            writer.bool(isNullified)
            writer.bool(hasProposal)
        }
    }

    public let epoch: Epoch
    /// The sender's current view; 0 if it has not begun the epoch.
    public let view: View
    public let views: [ViewState]
    /// The last epoch that is final at the sender.
    public let lastFinal: Epoch

    public init(epoch: Epoch, view: View, views: [ViewState], lastFinal: Epoch) {
        precondition(views.count <= Self.viewsMax)
        self.epoch = epoch
        self.view = view
        self.views = views
        self.lastFinal = lastFinal
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        epoch = try reader.integer()
        view = try reader.integer()
        views = try reader.list(max: Self.viewsMax)
        lastFinal = try reader.integer()
    }

    public func encode(to writer: inout ByteWriter) {
        writer.integer(epoch)
        writer.integer(view)
        writer.list(views)
        writer.integer(lastFinal)
    }
}

/// What stands behind a header: checked against its roots by whoever receives it.
public struct Contents: Canonical, Hashable, Sendable {
    public let header: Header
    public let body: Body
    /// Strictly ascending by author.
    public let items: [EvidenceItem]

    public init(header: Header, body: Body, items: [EvidenceItem]) {
        self.header = header
        self.body = body
        self.items = items
    }

    public init(from reader: inout ByteReader) throws(DecodeError) {
        header = try Header(from: &reader)
        body = try Body(from: &reader)
        items = try reader.list(max: Block.entriesMax)
        for index in items.indices.dropFirst() where items[index - 1].author >= items[index].author {
            throw .nonCanonical
        }
    }

    public func encode(to writer: inout ByteWriter) {
        header.encode(to: &writer)
        body.encode(to: &writer)
        writer.list(items)
    }

    /// Whether body and items are what the header commits to.
    public var matchesHeader: Bool {
        body.root == header.transactionsRoot && EvidenceSummary(items: items.map(\.item)) == header.evidence
    }
}

extension Block {
    /// Everything but the bundles, which most peers hold.
    public var contents: Contents {
        Contents(
            header: header, body: body, items: evidence.map { EvidenceItem(author: $0.author, item: $0.item) }
        )
    }
}

/// What became of a transaction, as one node sees it.
public enum TransactionStatus: Canonical, Hashable, Sendable {
    /// Never heard of it, or forgotten.
    case unknown
    /// Valid and waiting for a block.
    case pending
    case final(Epoch)
    case refused(TransactionFault)

    public init(from reader: inout ByteReader) throws(DecodeError) {
        switch try reader.uleb128() {
        case 0: self = .unknown
        case 1: self = .pending
        case 2: self = .final(try reader.integer())
        case 3: self = .refused(try TransactionFault(from: &reader))
        default: throw .unknown
        }
    }

    public func encode(to writer: inout ByteWriter) {
        switch self {
        case .unknown: writer.uleb128(0)
        case .pending: writer.uleb128(1)
        case .final(let epoch):
            writer.uleb128(2)
            writer.integer(epoch)
        case .refused(let fault):
            writer.uleb128(3)
            fault.encode(to: &writer)
        }
    }
}

/// Why a transaction cannot be executed. Tags are frozen.
public enum TransactionFault: UInt8, Canonical, Sendable, CaseIterable, Error {
    case badSignature = 0
    case badConsent = 1
    case wrongNonce = 2
    case expired = 3
    case expiryTooFar = 4
    case feeTooLow = 5
    case insufficientBalance = 6
    case alreadyRegistered = 7
    case notRegistered = 8
    case notOwner = 9
    case stakeTooLow = 10
    case insufficientStake = 11
    case tooManyChanges = 12
    case implausibleLocation = 13
    case invalidKey = 14
    case zeroAmount = 15
    case poolFull = 16

    public init(from reader: inout ByteReader) throws(DecodeError) {
        guard let fault = TransactionFault(rawValue: try reader.integer()) else { throw .unknown }
        self = fault
    }

    public func encode(to writer: inout ByteWriter) { writer.integer(rawValue) }
}
