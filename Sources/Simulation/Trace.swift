internal import Bytes
internal import Chance
internal import Node
internal import Wire

/// One thing that happened in a world.
public struct TraceEvent: Codable, Equatable, Sendable {
    /// Nanoseconds of virtual time.
    public var at: Int64 = 0
    public var host = 0
    public var kind: String
    public var text: String
    public var from: Int?
    public var to: Int?
    /// Of a datagram that was sent.
    public var fate: Fate?

    init(_ kind: String, _ text: String, from: Int? = nil, to: Int? = nil, fate: Fate? = nil) {
        self.kind = kind
        self.text = text
        self.from = from
        self.to = to
        self.fate = fate
    }
}

/// What befell one datagram of an earlier run: the n-th from one host to another meets the n-th such fate again, also
/// when the code that sends them has changed since and would draw differently.
public struct RecordedFate: Codable, Equatable, Sendable {
    public let from: Int
    public let to: Int
    public let fate: Fate

    init(from: Int, to: Int, fate: Fate) {
        self.from = from
        self.to = to
        self.fate = fate
    }

    public init?(_ event: TraceEvent) {
        guard let to = event.to, let fate = event.fate else { return nil }
        from = event.host
        self.to = to
        self.fate = fate
    }
}

extension World {
    func trace(_ host: Int, _ event: () -> TraceEvent) {
        guard let tracer else { return }
        var event = event()
        event.at = now.nanoseconds
        event.host = host
        tracer(event)
    }

    /// What a datagram says, for a person.
    static func describe(_ bytes: [UInt8]) -> String {
        guard let datagram = try? Datagram(decoding: bytes.octetBytes) else { return "malformed" }
        return datagram.frames.map(describe).joined(separator: ", ")
    }

    static func describe(payload: [UInt8]) -> String {
        guard let payload = try? Payload(decoding: payload.octetBytes) else { return "malformed" }
        return payload.frames.map(describe).joined(separator: ", ")
    }

    private static func describe(_ frame: Frame) -> String {
        switch frame {
        case .records(let records, let asks): "\(records.count) records" + (asks ? " and asks" : "")
        case .message(let octets): describe(message: octets)
        case .chunk(let chunk): "chunk \(chunk.index + 1) of \(chunk.count)"
        case .have(let ids): "has \(ids.count)"
        case .want(let ids): "wants \(ids.count)"
        case .ping: "ping"
        case .pong: "pong"
        case .goodbye: "goodbye"
        case .dial(_, let isUrgent): isUrgent ? "dials urgently" : "dials"
        case .welcome(let records): "welcome and \(records.count) records"
        case .refusal(let records): "refusal and \(records.count) records"
        case .indirectPing(let node, _, _): "asks to ping \(node)"
        case .indirectPong(_, let isAlive): isAlive ? "it answers" : "it does not answer"
        case .probe: "probe"
        case .nearby(let cell): "asks who is near \(cell)"
        case .reconciliation(let frame): describe(frame)
        }
    }

    private static func describe(_ frame: ReconciliationFrame) -> String {
        switch frame {
        case .roots(_, let roots): "roots of \(roots.count) sets"
        case .equal(let rounds): "\(rounds.count) sets are equal"
        case .cells(let cells): "cells \(cells.first) to \(Int(cells.first) + cells.cells.count)"
        case .more(let request): "wants \(request.spans.count) spans of cells"
        case .page(let page): "page \(page.index) of short ids"
        case .turn(let request): "wants \(request.pages.count) pages"
        case .want(let kind, let shorts): "wants \(shorts.count) of \(kind)"
        }
    }

    private static func describe(message octets: [UInt8]) -> String {
        guard let message = try? Message(decoding: octets.octetBytes) else { return "malformed message" }
        return switch message {
        case .bundle(let bundle): "bundle of \(bundle.author) for epoch \(bundle.epoch)"
        case .transaction(let transaction): "transaction \(transaction.id)"
        case .vote(let vote): "\(vote.ballot) of \(vote.voter)"
        case .certificate(let certificate): "certificate \(certificate.ballot)"
        case .proposal(let proposal): "proposal \(proposal.vote.ballot) of \(proposal.vote.voter)"
        case .summary(let summary): "summary of epoch \(summary.epoch), view \(summary.view)"
        case .finalityRequest(let from, let count): "asks for \(count) final headers from \(from)"
        case .finality(let headers): "\(headers.count) final headers"
        case .contentsRequest(let digest): "asks for contents of \(digest)"
        case .contents(let contents): "contents of \(contents.header.digest)"
        case .bundlesRequest(let ids): "asks for \(ids.count) bundles"
        case .proposalRequest(let epoch, let view): "asks for the proposal of \(epoch), view \(view)"
        case .transactionStatusRequest, .transactionStatus: "transaction status"
        case .accountRequest, .account: "account"
        case .question(let question): "asks \(question)"
        case .answer(let answer): describe(answer)
        case .handIn(let bundle): "hands in the bundle of \(bundle.author) for epoch \(bundle.epoch)"
        case .listRequest(let request): "asks for \(request.count) cells of the list behind \(request.header)"
        case .listCells(let answer): "\(answer.cells.count) cells of the list behind \(answer.header)"
        case .itemsRequest(let header, let shorts): "asks for \(shorts.count) items of \(header)"
        case .items(let header, let items): "\(items.count) items of \(header)"
        case .snapshotQuestion(.state(let epoch, let places)):
            "asks for \(places.count) parts of the state after \(epoch)"
        case .snapshotQuestion(.committee(let digest)): "asks for committee \(digest)"
        case .snapshotAnswer(.part(let epoch, let place, _)):
            "part of the state after \(epoch), \(place.depth) bits down"
        case .snapshotAnswer(.states(let first, let last)): "has the states after \(first) to \(last)"
        case .snapshotAnswer(.committee(let committee)): "committee \(committee.digest)"
        }
    }

    private static func describe(_ answer: Answer) -> String {
        switch answer {
        case .open(let lastFinal, _): "answers: only \(lastFinal) is final"
        case .header(let header, _, _): "answers: header \(header.epoch)"
        case .votes(let page): "answers: page \(page.page + 1) of \(page.pages) of \(page.ballot)"
        case .inclusion(let epoch, let proof):
            "answers: \(proof == nil ? "no place" : "a place") in epoch \(epoch)"
        case .device(let epoch, _), .deviceProof(let epoch, _), .deviceProofPage(let epoch, _, _):
            "answers: a device after \(epoch)"
        case .committee(_, let page, _): "answers: seats, page \(page + 1)"
        case .bundle(_, let standing): "answers: bundle is \(standing)"
        case .cards(let records): "answers: \(records.count) cards"
        case .neighbours(let list): "answers: \(list.count) neighbours"
        }
    }

    static func name(_ persisted: Persisted) -> String {
        switch persisted {
        case .safety: "votes"
        case .coverage: "radio"
        case .bundle(let bundle, let isOwn): isOwn ? "own bundle" : "bundle of \(bundle.author)"
        case .candidate(let contents, _): "contents of \(contents.header.digest)"
        case .final(let final): "block \(final.final.header.epoch)"
        case .peers: "peers"
        case .outbox: "own bundle"
        case .droppedOpen: "no bundles of others"
        case .following(_, let last): "follows to \(last?.epoch ?? 0)"
        case .followed(let headers): "headers to \(headers.finals.last?.header.epoch ?? 0)"
        case .fetched(let rows): "\(rows.count) values of a state"
        case .unfollowed(let epoch): "no headers from \(epoch) on"
        case .forgot: "resigned"
        case .adopted(let adopted): "the state after \(adopted.blocks.last?.block.header.epoch ?? 0)"
        }
    }
}
