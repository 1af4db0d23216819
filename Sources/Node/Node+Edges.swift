import Bytes
import Chance
import Consensus
import Dissemination
import Geo
import Identity
import Ledger
import Membership
import Wire

/// What a full node does for edge nodes, who are no peers of it: it answers what they ask, and takes their bundles.
///
/// - Upon a question: answered from what is at hand, in datagrams that fit each; nothing is remembered of who asked but
///   a place in a table of fixed size by which everybody's questions are counted (`EdgeAllowance`). What is older than
///   memory is read from the store for `readsMax` askers at a time.
/// - Upon a bundle, whole or in pieces: only from a registered sender, of a registered author and of the open epoch,
///   verified before it is stored and spread, by workers' jobs of a quota of its own; when it is durable, its sender is
///   told. Of bundles that the sender did not write, as neighbours hand them on, a few an epoch (`HandedOn`).
/// - Upon the question who is near: see `NearEdges`.
///
/// A node that halted says nothing to edge nodes: what it knows is not what the network agreed on.
struct EdgeDesk {
    /// Jobs at the workers for edge nodes' bundles.
    static let ticketsMax = 64
    /// Blocks read from the store at one time for edge nodes that were away.
    static let readsMax = 32

    /// What is being read for an asker.
    struct Read {
        let destination: Destination
        let epoch: Epoch
        /// Nil: header and all.
        let page: UInt8?
    }

    /// The evidence of a recent block, ready for proofs.
    struct Evidence {
        let epoch: Epoch
        let authors: [NodeID]
        let tree: MerkleTree

        init(_ block: Block) {
            epoch = block.header.epoch
            authors = block.evidence.map(\.author)
            tree = MerkleTree(block.evidence.map(\.item))
        }

        func proof(of author: NodeID) -> MerkleProof? {
            var low = 0
            var high = authors.count
            while low < high {
                let middle = (low + high) / 2
                if authors[middle] < author { low = middle + 1 } else { high = middle }
            }
            return low < authors.count && authors[low] == author ? tree.proof(of: low) : nil
        }
    }

    var allowance: EdgeAllowance
    var pieces = EdgePieces()
    var near = NearEdges()
    var handedOn = HandedOn()
    var tickets: Set<UInt64> = []
    var reads: [NodeID: Read] = [:]
    /// Of the last two blocks, made when first asked for.
    var evidence: [Evidence] = []
    /// When each of the last epochs opened here; ascending.
    var opened: [(epoch: Epoch, at: Instant)] = []
    var cardsTurn = 0

    init(chance: Chance) { allowance = EdgeAllowance(chance: chance) }
}

extension Node {
    // MARK: Questions

    func answer(_ question: Question, to asker: Destination, at now: Instant, _ actions: inout [NodeAction]) {
        guard !isHalted else { return }
        guard takes(fromStranger: asker, at: now) else { return count(.edgeAllowance) }
        switch question {
        case .follow(let epoch): follow(epoch, page: nil, asker, at: now, &actions)
        case .votes(let epoch, let page): follow(epoch, page: page, asker, at: now, &actions)
        case .inclusion(let epoch):
            say(.inclusion(epoch, evidence(of: epoch)?.proof(of: asker.node)), to: asker, &actions)
        case .device(let id): tell(of: id, to: asker, &actions)
        case .deviceProof(let id, let page):
            guard let (epoch, proof) = proof(of: id), let octets = Answer.page(page, ofProof: proof) else {
                return
            }
            say(.deviceProofPage(epoch, page: page, octets), to: asker, &actions)
        case .committee(let digest, let page):
            let known = [chain.committee, chain.nextCommittee, chain.parentCommittee]
            guard let committee = known.first(where: { $0.digest == digest }) else { return }
            say(.committee(digest, page: page, committee.page(page)), to: asker, &actions)
        case .bundle(let id): say(.bundle(id, standing(of: id, from: asker.node)), to: asker, &actions)
        case .cards:
            edges.cardsTurn = (edges.cardsTurn + 1) & 0xFFFF
            let cards = membership.committeeCards(max: Answer.cardsMax, turn: edges.cardsTurn)
            say(.cards(cards), to: asker, &actions)
        case .neighbours:
            guard let near = edges.near.neighbours(of: asker.node, in: chain.openEpoch) else {
                return count(.edgeAllowance)
            }
            say(.neighbours(near), to: asker, &actions)
        }
    }

    /// Whether it may say one more thing now.
    func takes(fromStranger stranger: Destination, at now: Instant) -> Bool {
        edges.allowance.takes(
            stranger.node, of: settings.membership.prefix(of: stranger.endpoint), at: now)
    }

    private func say(_ answer: Answer, to asker: Destination, _ actions: inout [NodeAction]) {
        send([.message(Message.answer(answer).encoded())], to: asker, &actions)
    }

    private func follow(
        _ epoch: Epoch, page: UInt8?, _ asker: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard epoch > 0, epoch < chain.openEpoch else {
            let last = chain.openEpoch - 1
            return say(.open(lastFinal: last, age: age(of: last, at: now)), to: asker, &actions)
        }
        let read = EdgeDesk.Read(destination: asker, epoch: epoch, page: page)
        if let final = recentFinals.first(where: { $0.header.epoch == epoch }) {
            return tell(final, read, at: now, &actions)
        }
        // One at a time of each: they stand before the workers beside votes.
        guard edges.reads.count < EdgeDesk.readsMax, edges.reads[asker.node] == nil else {
            return count(.edgeAllowance)
        }
        edges.reads[asker.node] = read
        actions.append(.serve(.finality(from: epoch, count: 1), to: asker.node))
    }

    /// What was read for a stranger.
    func served(
        _ messages: [Message], toEdge asker: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let read = edges.reads.removeValue(forKey: asker) else { return }
        for case .finality(let headers) in messages {
            guard let final = headers.first, final.header.epoch == read.epoch else { continue }
            tell(final, read, at: now, &actions)
        }
    }

    private func tell(
        _ final: FinalHeader, _ read: EdgeDesk.Read, at now: Instant, _ actions: inout [NodeAction]
    ) {
        let asker = read.destination
        if let page = read.page {
            if let votes = final.certificate.page(page) { say(.votes(votes), to: asker, &actions) }
            return
        }
        let epoch = final.header.epoch
        var answers: [Answer] = [
            .header(final.header, lastFinal: chain.openEpoch - 1, age: age(of: epoch, at: now)),
            .inclusion(epoch, evidence(of: epoch)?.proof(of: asker.node)),
        ]
        if let votes = final.certificate.page(0) { answers.append(.votes(votes)) }
        send(answers.map { .message(Message.answer($0).encoded()) }, to: asker, &actions)
    }

    /// Milliseconds since the epoch after this one opened here; the greatest number if that was long ago.
    private func age(of epoch: Epoch, at now: Instant) -> UInt32 {
        let opened = edges.opened.first { $0.epoch == epoch + 1 }?.at
        return opened.map { UInt32(clamping: (now - $0).milliseconds) } ?? .max
    }

    /// The evidence of a recent block.
    private func evidence(of epoch: Epoch) -> EdgeDesk.Evidence? {
        if let known = edges.evidence.first(where: { $0.epoch == epoch }) { return known }
        guard let block = chain.recent.first(where: { $0.header.epoch == epoch }) else { return nil }
        let made = sharedWork?.evidence(of: block) ?? EdgeDesk.Evidence(block)
        if edges.evidence.count == 2 { edges.evidence.removeFirst() }
        edges.evidence.append(made)
        return made
    }

    private func tell(of device: NodeID, to asker: Destination, _ actions: inout [NodeAction]) {
        guard let (epoch, proof) = proof(of: device), let first = Answer.page(0, ofProof: proof) else {
            return
        }
        let value = chain.ledger.device(device)?.encoded()
        guard value?.count ?? 0 <= Answer.deviceByteCountMax else { return }
        say(.device(epoch, value), to: asker, &actions)
        say(.deviceProof(epoch, first), to: asker, &actions)
    }

    /// Made anew for each page: a walk of 256 levels at most, so that nothing is kept for who asks.
    private func proof(of device: NodeID) -> (epoch: Epoch, octets: [UInt8])? {
        chain.last.map { ($0.header.epoch, chain.ledger.proof(for: .device(device)).encoded()) }
    }

    private func standing(of id: Digest, from author: NodeID) -> BundleStanding {
        if pool.contains(id) { return .held }
        // Whatever else its author sends in pieces, it is one bundle an epoch.
        return edges.pieces.held(author).map { .partial($0) } ?? .unknown
    }

    // MARK: Bundles

    func receive(
        pieceOfBundle chunk: Chunk, from author: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard chain.isRegistered(author.node), chunk.count <= EdgePieces.piecesMax else {
            return count(.strangersFrame)
        }
        guard takes(fromStranger: author, at: now) else { return count(.edgeAllowance) }
        guard let whole = edges.pieces.add(chunk, from: author.node) else { return }
        guard case .handIn(let bundle)? = try? Message(decoding: whole) else {
            return count(.malformedMessage)
        }
        take(bundle, from: author, at: now, &actions)
    }

    func receive(
        bundleOfEdge bundle: Bundle, from author: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard takes(fromStranger: author, at: now) else { return count(.edgeAllowance) }
        take(bundle, from: author, at: now, &actions)
    }

    private func take(
        _ bundle: Bundle, from sender: Destination, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard !isHalted else { return }
        let isOwn = bundle.author == sender.node
        guard isOwn || chain.isRegistered(sender.node) else { return count(.strangersFrame) }
        guard bundle.epoch == chain.openEpoch else {
            count(.wrongEpoch)
            // Who is ahead of this node tries again; who is behind will learn it.
            let standing: BundleStanding = bundle.epoch < chain.openEpoch ? .refused : .unknown
            return say(.bundle(bundle.id, standing), to: sender, &actions)
        }
        let id = bundle.id
        if pool.contains(id) {
            if isOwn { noteNear(sender) }
            return say(.bundle(id, .held), to: sender, &actions)
        }
        guard chain.mayAuthor(bundle.author), pool.hasRoom(for: bundle.author) else {
            let isOutranked = pool.isOutranked(bundle.author)
            count(
                !chain.mayAuthor(bundle.author)
                    ? .unregisteredAuthor : isOutranked ? .outranked : .thirdBundle)
            return say(.bundle(id, .refused), to: sender, &actions)
        }
        guard edges.tickets.count < EdgeDesk.ticketsMax, tickets.count < Self.ticketsMax,
            ticketShares.hasRoom(.told)
        else {
            return count(.verificationBacklog)
        }
        guard isOwn || edges.handedOn.takes(id, from: sender.node) else {
            count(.handedOn)
            return say(.bundle(id, .refused), to: sender, &actions)
        }
        edges.tickets.insert(nextTicket)
        verify(bundle, nil, teller: nil, replyTo: sender, at: now, &actions)
    }

    /// A bundle that an edge node handed in is verified and, once what was asked for before is durable, stored.
    func accept(
        bundleOfEdge bundle: Bundle, from sender: Destination, isNew: Bool, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        if isNew { publish(.bundle(bundle), at: now, &actions) }
        let isHeld = pool.contains(bundle.id)
        if isHeld, bundle.author == sender.node { noteNear(sender) }
        say(.bundle(bundle.id, isHeld ? .held : .refused), to: sender, &actions)
    }

    private func noteNear(_ author: Destination) {
        let version = chain.ledger.device(author.node)?.version(at: chain.openEpoch)
        edges.near.note(author.node, at: author.endpoint, version?.location?.cell, in: chain.openEpoch)
    }

    /// An epoch opens here.
    func noteOpenForEdges(_ epoch: Epoch, at now: Instant) {
        edges.opened.append((epoch, now))
        if edges.opened.count > 3 { edges.opened.removeFirst() }
        edges.pieces.removeAll()
        edges.handedOn.removeAll()
    }
}
