internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// As leader it stands by blocks whose contents are not there, are not what their header says, or are what it says and can
/// never be executed; which of these is drawn anew for each view that it leads.
struct BodyForger: Adversary {
    enum Lie: CaseIterable {
        /// The header's root of transactions is of nothing; whatever is asked for, another body is the answer.
        case otherRoot
        /// The root is of a body that no rule allows, and that body is given to whoever asks.
        case forgedBody
        /// The header is good, and others can give what it stands for; this one gives another body.
        case otherBody
        /// The header is good; whoever asks this one for a bundle gets a bundle of another.
        case otherBundle
    }

    private struct Forgery {
        let lie: Lie
        /// As it is shown.
        let proposal: Proposal
        let body: Body
        let items: [EvidenceItem]

        /// The node's own header is another.
        var isOfOtherHeader: Bool { lie == .otherRoot || lie == .forgedBody }
        var contents: Message {
            .contents(Contents(header: proposal.header, body: body, items: items))
        }
    }

    private var chance: Chance
    private var outgoing = Wiretap()
    private var incoming = Wiretap()
    private var forgeries: [Forgery] = []
    private var bundles = Recent<Bundle>(max: 64)
    private var transactions = Recent<Transaction>(max: 16)
    private var certificates = Recent<Certificate>(max: 16)
    private static let forgeriesMax = 8

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        var kept: [Piece] = []
        for piece in outgoing.read(datagram, at: endpoint) {
            note(piece.message)
            if case .proposal(let proposal) = piece.message, proposal.vote.voter == scene.id {
                lead(proposal, &scene)
            }
            if isKept(piece.message, scene) { continue }
            guard let lie = lie(insteadOf: piece.message, scene) else {
                kept.append(piece)
                continue
            }
            // Once for all of a message's chunks.
            if case .chunk(let chunk) = piece.frame, chunk.index > 0 { continue }
            scene.send(lie, to: piece.endpoint)
        }
        scene.send(kept)
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for piece in incoming.read(datagram, at: endpoint) {
            note(piece.message)
            // Its node knows nothing of a header that is not its own.
            switch piece.message {
            case .contentsRequest(let digest):
                if let forgery = forgery(of: digest) { scene.send(forgery.contents, to: endpoint) }
            case .listRequest(let request):
                guard let forgery = forgery(of: request.header) else { continue }
                let answer = ListCells(
                    header: request.header, body: request.wantsBody ? forgery.body : nil,
                    first: Int(request.first), cells: [])
                scene.send(.listCells(answer), to: endpoint)
            default: break
            }
        }
        return true
    }

    mutating func tick(scene: inout Scene) {
        for forgery in forgeries
        where forgery.isOfOtherHeader && forgery.proposal.header.epoch == scene.openEpoch {
            scene.sendToAll(.proposal(forgery.proposal))
        }
    }

    private mutating func note(_ message: Message?) {
        switch message {
        case .bundle(let bundle):
            if !bundles.list.contains(where: { $0.id == bundle.id }) { bundles.add(bundle) }
        case .transaction(let transaction):
            if !transactions.list.contains(transaction) { transactions.add(transaction) }
        case .certificate(let certificate):
            if !certificates.list.contains(certificate) { certificates.add(certificate) }
        default: break
        }
    }

    // MARK: Lies

    private mutating func lead(_ proposal: Proposal, _ scene: inout Scene) {
        // What was notarized before stands for itself, and others have its contents.
        guard proposal.parentView == 0,
            !forgeries.contains(where: { Turn($0.proposal) == Turn(proposal) })
        else { return }
        let lie = chance.pick(Lie.allCases)!
        let body = body(of: proposal.header, scene)
        var header = proposal.header
        switch lie {
        case .otherRoot: header.transactionsRoot = chance.digest()
        case .forgedBody: header.transactionsRoot = body.root
        case .otherBody, .otherBundle: break
        }
        let forgery = Forgery(
            lie: lie, proposal: scene.proposal(proposal, with: header), body: body,
            items: items(of: header.epoch))
        if forgeries.count == Self.forgeriesMax { forgeries.removeFirst() }
        forgeries.append(forgery)
        guard forgery.isOfOtherHeader else { return }
        scene.sendToAll(.proposal(forgery.proposal))
        scene.sendToAll(.vote(forgery.proposal.vote))
    }

    /// Well-formed, and against a rule: without the certificate that it must hold, with another or one that nobody signed; a
    /// transaction twice, or one that its account never signed.
    private mutating func body(of header: Header, _ scene: Scene) -> Body {
        let parent = certificates.list.last {
            $0.ballot.kind == .finalize && $0.ballot.epoch + 1 == header.epoch
        }
        let known = transactions.list.filter { $0.expiry >= header.epoch }
        switch chance.below(5) {
        case 0: return Body(transactions: [unsigned(scene)], parentCertificate: nil)
        case 1: return Body(transactions: known, parentCertificate: parent.map { unsigned($0) })
        case 2: return Body(transactions: known, parentCertificate: chance.pick(certificates.list))
        case 3:
            let twice = chance.pick(known) ?? unsigned(scene)
            return Body(transactions: known + [twice, twice], parentCertificate: parent)
        default: return Body(transactions: known + [unsigned(scene)], parentCertificate: parent)
        }
    }

    private mutating func unsigned(_ scene: Scene) -> Transaction {
        let victim = chance.pick(scene.ids.filter { $0 != scene.id })!
        return Transaction(
            account: victim, nonce: UInt64(1 + chance.below(3)), fee: scene.genesis.parameters.feeMin,
            expiry: scene.openEpoch + 8, kind: .transfer(to: scene.id, 1), signature: signature())
    }

    /// One voter's signature is of nobody.
    private mutating func unsigned(_ certificate: Certificate) -> Certificate {
        var signatures = certificate.signatures
        guard !signatures.isEmpty else { return certificate }
        signatures[chance.below(signatures.count)] = signature()
        return Certificate(ballot: certificate.ballot, voters: certificate.voters, signatures: signatures)
    }

    private mutating func signature() -> Signature {
        Signature(octets: chance.octets(Signature.byteCount).octetBytes)
    }

    /// As far as it has heard, one for each author.
    private func items(of epoch: Epoch) -> [EvidenceItem] {
        var items: [EvidenceItem] = []
        for bundle in bundles.list.filter({ $0.epoch == epoch }).sorted(by: { $0.author < $1.author })
        where items.last?.author != bundle.author {
            items.append(EvidenceItem(author: bundle.author, item: bundle.id))
        }
        return items
    }

    // MARK: What leaves

    private func forgery(of digest: Digest) -> Forgery? {
        forgeries.first { $0.isOfOtherHeader && $0.proposal.header.digest == digest }
    }

    /// Nobody hears of a header in place of which another is shown.
    private func isKept(_ message: Message?, _ scene: Scene) -> Bool {
        guard let message, let ballot = ownBallot(message, scene.id), ballot.kind == .notarize else {
            return false
        }
        return forgeries.contains { $0.isOfOtherHeader && Turn($0.proposal) == Turn(ballot) }
    }

    private mutating func lie(insteadOf message: Message?, _ scene: Scene) -> Message? {
        func isAbout(_ digest: Digest, _ lie: Lie) -> (Forgery) -> Bool {
            { $0.lie == lie && $0.proposal.header.digest == digest }
        }
        switch message {
        case .contents(let contents):
            return forgeries.first(where: isAbout(contents.header.digest, .otherBody)).map {
                .contents(Contents(header: contents.header, body: $0.body, items: contents.items))
            }
        case .listCells(let answer) where answer.body != nil:
            return forgeries.first(where: isAbout(answer.header, .otherBody)).map {
                .listCells(
                    ListCells(
                        header: answer.header, body: $0.body, first: Int(answer.first), cells: answer.cells))
            }
        case .bundle(let bundle) where bundle.author != scene.id:
            let isLying = forgeries.contains {
                $0.lie == .otherBundle && $0.proposal.header.epoch == bundle.epoch
            }
            return isLying ? chance.pick(bundles.list).map { .bundle($0) } : nil
        default: return nil
        }
    }
}
