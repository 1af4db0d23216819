import Bytes
import Chance
import Consensus
import Dissemination
import Identity
import Ledger
import Membership
import Reconciliation
import Rules
import Wire

extension Node {
    /// Decode, drop, route. Bytes of a stranger reach nothing but the contact-card exchange and the messages of a wallet.
    func receive(
        _ bytes: [UInt8], from sender: NodeID, _ place: Endpoint, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        payloads += 1
        let isPeer = endpoints[sender] != nil
        guard let payload = try? Payload(decoding: bytes.octetBytes) else {
            count(.malformed)
            return charge(.malformed, to: sender, at: now, &actions)
        }
        var frames = payload.frames
        if isPeer {
            guard let standing = admits(frames, bytes.count, from: sender, at: now, &actions) else { return }
            if standing == .ignored, isIgnored(sender, at: now) {
                frames.removeAll { !isHeardOfIgnored($0, from: sender) }
                guard !frames.isEmpty else { return count(.ignored) }
            }
        } else {
            frames = Array(frames.prefix(Self.strangersFramesMax))
            // Each is answered with four cards, in a datagram of its own.
            if let first = frames.firstIndex(where: \.isDial) {
                frames = frames.indices.filter { $0 <= first || !frames[$0].isDial }.map { frames[$0] }
            }
        }
        if isPeer, endpoints[sender] != place { endpoints[sender] = place }
        if isPeer, frames.contains(where: { !$0.isForAnybody }) {
            // Closes an open question at most: nothing becomes due by it.
            var none: [Membership.Action] = []
            membership.handle(.heard(from: sender, place), at: now, actions: &none)
        }
        for frame in frames {
            switch frame {
            case .records(let records, let asks):
                guard isPeer else { count(.strangersFrame); continue }
                let useful = records.filter { !membership.passesOver($0, asks: asks, from: sender) }
                if useful.count < records.count {
                    decline(records.filter { !useful.contains($0) }, at: now, &actions)
                    if useful.isEmpty { continue }
                }
                verify(
                    .records(useful, asks: asks, from: sender, place), of: useful, isPeer: true,
                    at: now, &actions)
            case .dial(let record, let isUrgent):
                verify(
                    .dial(record, isUrgent: isUrgent, from: sender, place), of: [record],
                    isPeer: isPeer, at: now, &actions)
            case .welcome(let records):
                verify(
                    .welcome(records, from: sender, place), of: records,
                    isPeer: isPeer, at: now, &actions)
            case .refusal(let records):
                verify(
                    .refusal(records, from: sender, place), of: records,
                    isPeer: isPeer, at: now, &actions)
            case .ping(let nonce):
                run(membership: .ping(nonce: nonce, from: sender, place), at: now, &actions)
            case .pong(let nonce):
                run(membership: .pong(nonce: nonce, from: sender, place), at: now, &actions)
            case .goodbye:
                if isPeer { run(membership: .goodbye(from: sender), at: now, &actions) }
            case .message(let octets) where !isPeer:
                wallet(octets, from: Destination(sender, place), at: now, &actions)
            case .probe(let nonce):
                run(membership: .probe(nonce: nonce, from: sender, place), at: now, &actions)
            case .nearby(let cell): receive(nearby: cell, from: sender, place, at: now, &actions)
            case .indirectPing(let target, let there, let nonce):
                run(
                    membership: .indirectPing(target, there, nonce: nonce, from: sender, place),
                    at: now, &actions)
            case .indirectPong(let nonce, let isAlive):
                run(
                    membership: .indirectPong(
                        nonce: nonce, isAlive: isAlive, from: sender, place),
                    at: now, &actions)
            case .chunk(let chunk) where !isPeer:
                receive(pieceOfBundle: chunk, from: Destination(sender, place), at: now, &actions)
            case .reconciliation(let frame):
                guard isPeer else { count(.strangersFrame); continue }
                run(reconciliation: .frame(frame, from: sender), at: now, &actions)
            case .message, .chunk, .have, .want:
                guard isPeer else { count(.strangersFrame); continue }
                run(dissemination: .frame(frame, from: sender), at: now, &actions)
            }
        }
    }

    /// Has the cards' signatures checked before the machine sees them; not those of cards that it holds.
    private func verify(
        _ event: Membership.Event, of records: [NodeRecord], isPeer: Bool, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        let unknown = isRemoved(.cardSignatures) ? [] : records.filter { !membership.holds($0) }
        let checks = unknown.map { Self.check(of: $0, network: network) }
        guard !checks.isEmpty else { return take(event, at: now, &actions) }
        verify(
            .membership(event), checks, share: isPeer ? .told : share(ofStrangers: event), at: now, &actions)
    }

    private func share(ofStrangers event: Membership.Event) -> TicketShares.Share {
        switch event {
        case .welcome(_, let node, _), .refusal(_, let node, _):
            // A second answer of one is a stranger's.
            membership.hasDialled(node) && ticketShares.hasRoom(.answer(node)) ? .answer(node) : .stranger
        default: .stranger
        }
    }

    /// A message from someone who is not a peer: a transaction, or the question what became of one.
    private func wallet(
        _ octets: [UInt8], from source: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        switch try? Message(decoding: octets) {
        case .transaction(let transaction):
            receive(transaction, nil, teller: nil, replyTo: source, at: now, &actions)
        case .transactionStatusRequest(let id): answerStatus(of: id, to: source, &actions)
        case .accountRequest(let id):
            let answer = Message.account(
                id, chain.ledger.account(id), lastFinal: chain.openEpoch - 1)
            send([.message(answer.encoded())], to: source, &actions)
        case .question(let question): answer(question, to: source, at: now, &actions)
        case .answer(let answer): hear(answer, from: source.node, at: now, &actions)
        case .handIn(let bundle): receive(bundleOfEdge: bundle, from: source, at: now, &actions)
        default: count(.strangersFrame)
        }
    }

    /// What waited and was let go may be sent again.
    private func status(of id: Digest) -> TransactionStatus {
        let status = statuses[id]
        return status == .pending && !transactions.contains(id) ? .unknown : status
    }

    func answerStatus(of id: Digest, to asker: Destination, _ actions: inout [NodeAction]) {
        let message = Message.transactionStatus(id, status(of: id))
        send([.message(message.encoded())], to: asker, &actions)
    }

    /// A message that dissemination delivered, each gossip message once.
    func deliver(
        _ octets: [UInt8], _ digest: Digest, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        let short = ShortID(digest)
        guard let message = decode(octets, digest) else {
            count(.malformedMessage)
            charge(.malformed, to: peer, at: now, &actions)
            return run(dissemination: .refused(short), at: now, &actions)
        }
        guard !isHalted else { return }
        if message.isQuestion, !answerDesk.answers(peer, at: now) { return count(.overAsked) }
        if isRemoved(.validateBeforeForward) { run(dissemination: .accepted(short), at: now, &actions) }
        if message.isGossip, let shared = sharedWork?.octets(octets, digest, of: chain.openEpoch) {
            run(dissemination: .shared(shared, short), at: now, &actions)
        }
        switch message {
        case .bundle(let bundle): receive(bundle, short, from: peer, at: now, &actions)
        case .transaction(let transaction):
            receive(transaction, short, teller: peer, replyTo: nil, at: now, &actions)
        case .vote(let vote):
            receive(message, vote.ballot.epoch, vote.checks(network: network), short, peer, now, &actions)
        case .certificate(let certificate):
            receive(
                message, certificate.ballot.epoch, certificate.checks(in: chain.committee, network: network),
                short,
                peer, now, &actions)
        case .proposal(let proposal):
            receive(
                message, proposal.header.epoch, proposal.checks(in: chain.committee, network: network), short,
                peer,
                now, &actions)
        case .summary(let summary):
            if summary.lastFinal >= chain.openEpoch {
                requestFinality(from: peer, knownFinal: summary.lastFinal, at: now, &actions)
            } else if summary.lastFinal + 1 < chain.openEpoch {
                guard answerDesk.answers(peer, at: now) else { return count(.overAsked) }
                serveFinality(
                    from: summary.lastFinal + 1, count: Message.finalityMax, to: peer, at: now, &actions)
            } else {
                run(simplex: .summary(summary, from: peer), at: now, &actions)
            }
        case .finalityRequest(let from, let count):
            serveFinality(
                from: from, count: min(Int(count), Message.finalityMax), to: peer, at: now, &actions)
        case .finality(let headers): receive(finality: headers, from: peer, at: now, &actions)
        case .contentsRequest(let digest): serveContents(digest, to: peer, at: now, &actions)
        case .contents(let contents): receive(contents, from: peer, at: now, &actions)
        case .snapshotQuestion(let question): answer(question, to: peer, at: now, &actions)
        case .snapshotAnswer(let answer): receive(answer, from: peer, at: now, &actions)
        case .bundlesRequest(let items): serveBundles(items, to: peer, at: now, &actions)
        case .listRequest(let request): serve(request, to: peer, at: now, &actions)
        case .listCells(let cells): receive(cells, from: peer, at: now, &actions)
        case .itemsRequest(let header, let shorts):
            serveItems(shorts, of: header, to: peer, at: now, &actions)
        case .items(let header, let items): receive(items, of: header, from: peer, at: now, &actions)
        case .proposalRequest(let epoch, let view):
            run(simplex: .proposalRequested(epoch: epoch, view: view, from: peer), at: now, &actions)
        case .transactionStatusRequest(let id):
            answer(.transactionStatus(id, status(of: id)), to: peer, at: now, &actions)
        case .question(let question):
            // Of who asks whether its chain is this node's, and is a peer by chance.
            guard let place = endpoints[peer] else { return }
            answer(question, to: Destination(peer, place), at: now, &actions)
        case .answer(let answer): hear(answer, from: peer, at: now, &actions)
        case .accountRequest, .account, .transactionStatus, .handIn:
            count(.unasked)
        }
    }

    /// Decodes a message; a bundle that another node of this process has decoded is shared with it.
    private func decode(_ octets: [UInt8], _ digest: Digest) -> Message? {
        guard let sharedWork else { return try? Message(decoding: octets) }
        if let known = sharedWork.bundle(digest, of: chain.openEpoch) { return .bundle(known) }
        let message = try? Message(decoding: octets)
        if case .bundle(let bundle) = message, bundle.epoch == chain.openEpoch {
            sharedWork.store(bundle, digest)
        }
        return message
    }

    private func receive(
        _ message: Message, _ epoch: Epoch, _ checks: [SignatureCheck]?, _ short: ShortID, _ peer: NodeID,
        _ now: Instant, _ actions: inout [NodeAction]
    ) {
        guard epoch == chain.openEpoch || isLateVote(message), let checks else {
            count(.wrongEpoch)
            // Said too early or too late; consensus makes good what was missed by its summaries.
            heed(message, of: epoch, saidBy: peer, at: now, &actions)
            return run(dissemination: .refused(short), at: now, &actions)
        }
        guard isLateVote(message) || simplex.isOfUse(message) || isRemoved(.relaysOfUse) else {
            count(.superfluous)
            return run(dissemination: .refused(short), at: now, &actions)
        }
        verify(
            .consensus(message, short, from: peer),
            isRemoved(.voteSignatures)
                ? [] : checks.map { .signature($0.key, preimage: $0.preimage, $0.signature) }, at: now,
            &actions)
    }

    /// Said of a later epoch: the one before that is final, and by a finalize certificate that one too. Whoever took it for less
    /// would open each epoch when the others close it, and so miss all that they say in it, for ever.
    private func heed(
        _ message: Message, of epoch: Epoch, saidBy peer: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        guard epoch > chain.openEpoch else { return }
        var knownFinal = epoch - 1
        switch message {
        case .certificate(let certificate) where certificate.ballot.kind == .finalize:
            if !isRemoved(.heedsLaterEpochs) { knownFinal = epoch }
        case .bundle: if isRemoved(.heedsLaterEpochs) { return }
        default: break
        }
        requestFinality(from: peer, knownFinal: knownFinal, at: now, &actions)
    }

    /// Whether it finalizes the last block, by who is not known to: the next block pays for it.
    func isLateVote(_ message: Message) -> Bool {
        guard case .vote(let vote) = message else { return false }
        return finalityVotes?.lacks(vote) ?? false
    }

    /// An author's bundle: of the open epoch for the evidence, or asked for by a candidate.
    private func receive(
        _ bundle: Bundle, _ short: ShortID, from peer: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard bundle.epoch == chain.openEpoch else {
            if !take(bundle: bundle, from: peer, at: now, &actions) {
                count(.wrongEpoch)
                heed(.bundle(bundle), of: bundle.epoch, saidBy: peer, at: now, &actions)
            }
            return run(dissemination: .refused(short), at: now, &actions)
        }
        guard isRemoved(.registeredAuthors) || chain.mayAuthor(bundle.author) else {
            count(.unregisteredAuthor)
            decline(bundle, at: now, &actions)
            return run(dissemination: .refused(short), at: now, &actions)
        }
        if pool.contains(bundle.id) { return run(dissemination: .accepted(short), at: now, &actions) }
        guard pool.hasRoom(for: bundle.author) || candidates.name(bundle) else {
            count(pool.isOutranked(bundle.author) ? .outranked : .thirdBundle)
            decline(bundle, at: now, &actions)
            return run(dissemination: .refused(short), at: now, &actions)
        }
        verify(bundle, short, teller: peer, replyTo: nil, at: now, &actions)
    }

    /// Hands a bundle's signature and the proofs of its reveals to workers.
    func verify(
        _ bundle: Bundle, _ short: ShortID?, teller: NodeID?, replyTo: Destination?, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        var checks = [
            Check.signature(
                bundle.author,
                preimage: SigningDomain.bundle.preimage(network: network, message: bundle.signedBytes),
                bundle.signature)
        ]
        if isRemoved(.bundleSignatures) { checks = [] }
        var keys: [Chain.VRFCheckKey] = []
        for reveal in bundle.reveals {
            guard let version = chain.ledger.device(bundle.author)?.version(at: reveal.epoch),
                let randomness = chain.recent.first(where: { $0.header.epoch == reveal.epoch })?.header
                    .randomness
            else { continue }
            let alpha = Randomness.beaconAlpha(
                network: network, epoch: reveal.epoch, randomness: randomness, device: bundle.author)
            checks.append(.vrf(version.vrfKey, alpha: alpha, reveal.proof))
            keys.append(Chain.VRFCheckKey(key: version.vrfKey, proof: reveal.proof, alpha: alpha))
        }
        verify(
            .bundle(bundle, short, vrf: keys, teller: teller, replyTo: replyTo), checks, at: now, &actions)
    }

    func receive(
        _ transaction: Transaction, _ short: ShortID?, teller: NodeID?, replyTo: Destination?,
        at now: Instant, _ actions: inout [NodeAction]
    ) {
        let id = transaction.id
        if let replyTo {
            switch status(of: id) {
            case .pending, .final: return answerStatus(of: id, to: replyTo, &actions)
            case .refused, .unknown: break
            }
            guard takes(fromStranger: replyTo, at: now) else { return count(.edgeAllowance) }
        }
        verify(
            .transaction(transaction, short, teller: teller, replyTo: replyTo),
            Self.checks(of: transaction, network: network), at: now, &actions)
    }

    static func check(of record: NodeRecord, network: Digest) -> Check {
        .signature(
            record.node,
            preimage: SigningDomain.record.preimage(network: network, message: record.signedBytes),
            record.signature)
    }

    static func check(of bundle: Bundle, network: Digest) -> Check {
        .signature(
            bundle.author,
            preimage: SigningDomain.bundle.preimage(network: network, message: bundle.signedBytes.octetBytes),
            bundle.signature)
    }

    static func checks(of transaction: Transaction, network: Digest) -> [Check] {
        if isRemoved(.transactionSignatures) { return [] }
        var checks = [
            Check.signature(
                transaction.account,
                preimage: SigningDomain.transaction.preimage(
                    network: network, message: transaction.signedBytes),
                transaction.signature)
        ]
        if let consent = transaction.consent {
            checks.append(
                .signature(
                    consent.device,
                    preimage: SigningDomain.consent.preimage(network: network, message: consent.signedBytes),
                    consent.signature))
            checks.append(.vrfKey(consent.vrfKey))
        }
        return checks
    }
}

extension Frame {
    /// What a node also tells whoever is no peer of it: that shows that it lives, not that it takes us for a peer. A
    /// link that only one side believes in would stand as long as such answers come.
    var isForAnybody: Bool {
        if case .message(let octets) = self { Message.isForAnybody(tag: octets.first) } else { false }
    }
}
