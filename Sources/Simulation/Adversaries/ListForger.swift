internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// As leader it signs a second block of the view, with a list of evidence that no honest leader makes, and shows it to
/// one half together with all that it names.
///
/// Everything else of that block is as in its node's own, so what is odd about it is the list.
struct ListForger: Adversary {
    private struct Forgery {
        let original: Proposal
        /// The second block, once the items of the first are known.
        var forged: (proposal: Proposal, items: [EvidenceItem], bundle: Bundle?)?
        /// Its contents, once those of the first are.
        var contents: Contents?

        var said: [Message] {
            guard let forged else { return [] }
            return [.proposal(forged.proposal), .vote(forged.proposal.vote)]
                + (contents.map { [.contents($0)] } ?? []) + (forged.bundle.map { [.bundle($0)] } ?? [])
        }
    }

    private var chance: Chance
    private var outgoing = Wiretap()
    private var incoming = Wiretap()
    private var forgeries: [Forgery] = []
    private var bundles = Recent<Bundle>(max: 64)
    private static let forgeriesMax = 8

    init(chance: Chance) { self.chance = chance }

    mutating func send(_ datagram: Datagram, to endpoint: Endpoint, scene: inout Scene) {
        let pieces = outgoing.read(datagram, at: endpoint)
        for piece in pieces {
            switch piece.message {
            case .proposal(let proposal) where proposal.vote.voter == scene.id: lead(proposal, &scene)
            case .contents(let contents): learn(contents, &scene)
            case .bundle(let bundle): note(bundle)
            default: break
            }
        }
        scene.send(pieces.filter { !isKept(from: $0.endpoint, $0.message, scene) })
    }

    mutating func receive(_ datagram: Datagram, from endpoint: Endpoint, scene: inout Scene) -> Bool {
        for piece in incoming.read(datagram, at: endpoint) {
            switch piece.message {
            case .contents(let contents): learn(contents, &scene)
            case .bundle(let bundle): note(bundle)
            default: break
            }
        }
        return true
    }

    mutating func tick(scene: inout Scene) {
        for forgery in forgeries where forgery.original.header.epoch == scene.openEpoch {
            if forgery.contents == nil { scene.sendToAll(.contentsRequest(forgery.original.header.digest)) }
            for message in forgery.said { scene.send(message, to: scene.peers(inHalf: 1)) }
        }
    }

    private mutating func note(_ bundle: Bundle) {
        if !bundles.list.contains(where: { $0.id == bundle.id }) { bundles.add(bundle) }
    }

    private mutating func lead(_ proposal: Proposal, _ scene: inout Scene) {
        guard proposal.parentView == 0,
            !forgeries.contains(where: { Turn($0.original) == Turn(proposal) })
        else { return }
        if forgeries.count == Self.forgeriesMax { forgeries.removeFirst() }
        forgeries.append(Forgery(original: proposal))
        // Its own block most likely names what it has heard; else others are asked for the list.
        let items = bundles.list.filter { $0.epoch == proposal.header.epoch }
            .map { EvidenceItem(author: $0.author, item: $0.id) }.sorted { $0.author < $1.author }
        guard EvidenceSummary(items: items.map(\.item)) == proposal.header.evidence else { return }
        forge(items, at: forgeries.count - 1, &scene)
    }

    private mutating func learn(_ contents: Contents, _ scene: inout Scene) {
        let digest = contents.header.digest
        guard
            let place = forgeries.firstIndex(where: {
                $0.contents == nil && $0.original.header.digest == digest
            })
        else { return }
        if forgeries[place].forged == nil { forge(contents.items, at: place, &scene) }
        guard let forged = forgeries[place].forged else { return }
        forgeries[place].contents = Contents(
            header: forged.proposal.header, body: contents.body, items: forged.items)
    }

    /// Makes the second block and shows it.
    private mutating func forge(_ items: [EvidenceItem], at place: Int, _ scene: inout Scene) {
        let (bent, bundle) = bent(items, scene)
        let original = forgeries[place].original
        var header = original.header
        header.evidence = EvidenceSummary(items: bent.map(\.item))
        if chance.happens(1, in: 8) {
            header.evidence = EvidenceSummary(
                root: header.evidence.root, count: .max, fingerprint: header.evidence.fingerprint)
        }
        forgeries[place].forged = (scene.proposal(original, with: header), bent, bundle)
        for message in forgeries[place].said { scene.send(message, to: scene.peers(inHalf: 1)) }
    }

    /// With one item more, under an author that does not exist, as a header says nothing of authors; and the bundle that it is
    /// of, if there is one that nobody has.
    private mutating func bent(_ items: [EvidenceItem], _ scene: Scene) -> ([EvidenceItem], Bundle?) {
        var bundle: Bundle?
        let item: Digest
        switch chance.below(5) {
        case 0: item = chance.digest()
        case 1:
            bundle = scene.inventedBundle(&chance)
            item = bundle!.id
        case 2:
            bundle = strangersBundle(scene)
            item = bundle!.id
        case 3: item = chance.pick(bundles.list)?.id ?? chance.digest()
        default: item = chance.pick(items)?.item ?? chance.digest()
        }
        let more = EvidenceItem(author: NodeID(octets: chance.octets(32))!, item: item)
        return ((items + [more]).sorted { $0.author < $1.author }, bundle)
    }

    /// Well signed, by a key that no registry knows.
    private mutating func strangersBundle(_ scene: Scene) -> Bundle {
        let key = SigningKey(seed: chance.octets(32).octetBytes)
        return Bundle(author: key.nodeID, epoch: scene.openEpoch, ownTag: Tag(chance.bits()), reports: [])
            .signed(by: key, network: scene.network)
    }

    /// Who is shown the second block hears nothing of the first from here.
    private func isKept(from endpoint: Endpoint, _ message: Message?, _ scene: Scene) -> Bool {
        guard let message, let ballot = ownBallot(message, scene.id), ballot.kind == .notarize,
            forgeries.contains(where: { Turn($0.original) == Turn(ballot) })
        else { return false }
        return scene.half(of: endpoint) == 1
    }
}
