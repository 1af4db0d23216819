import Bytes
import Chance
import Identity
import Ledger
import Rules
import Wire

/// One thing that an edge node asks besides following the chain.
struct Errand {
    enum Kind {
        case device, cards
    }

    /// A proof as far as its pages are here, one after another: never more than `Answer.proofPagesMax` of them.
    struct Proof {
        static let byteCountMax = Int(Answer.proofPagesMax) * Answer.proofByteCountMax

        let epoch: Epoch
        private(set) var octets: [UInt8] = []
        /// The page that is waited for.
        private(set) var page: UInt8 = 0
        private(set) var isWhole = false

        init(_ epoch: Epoch) { self.epoch = epoch }

        mutating func add(_ octets: [UInt8]) {
            self.octets += octets
            page += 1
            isWhole = octets.count < Answer.proofByteCountMax
        }
    }

    /// How often somebody who answers is asked again for what of its answer was lost: with every fifth exchange in vain, a
    /// proof of nine pages loses two, and more than six hardly ever.
    static let repeatsMax = 6

    let kind: Kind
    /// Whom it was asked of, and until when an answer is waited for; nil: not yet.
    var asked: (node: NodeID, until: Instant)?
    var notBefore: Instant
    /// Everybody that it was asked of.
    var tried: [NodeID] = []
    var repeats = 0
    /// What of an answer is here.
    var value: (epoch: Epoch, octets: [UInt8]?)?
    var proof: Proof?

    init(_ kind: Kind, notBefore: Instant) {
        self.kind = kind
        self.notBefore = notBefore
    }

    var deadline: Instant { asked?.until ?? notBefore }

    /// Whoever is asked now has begun to answer, and may be asked for the rest.
    var mayRepeat: Bool { (value != nil || proof != nil) && repeats < Self.repeatsMax }

    /// Pages of two validators do not add up: of what one said nothing is left for the next.
    mutating func forget() {
        asked = nil
        repeats = 0
        value = nil
        proof = nil
    }
}

/// What an edge node asks now and then.
///
/// - Its own record in the registry: a change in block r takes effect at r + 4, so that looking every three epochs is
///   soon enough. Believed with a proof under the state root of the last final header here.
/// - The proof comes in pages, each asked for when the one before it is here: strangers can register keys whose paths begin
///   as this device's does, and so make it as long as they like to work for. Upon a page that does not come: again of the
///   same validator, a few times. Upon one of another block, or a proof that shows nothing: at once of another.
/// - Validators' cards, as long as it knows few, and every eighth epoch: validators move. Believed with their signatures.
extension EdgeNode {
    static let deviceEpochs: Epoch = 3
    /// Validators known, from which on cards are asked for seldom.
    static let cardsEnough = 16
    /// Validators that are asked one thing in an epoch.
    static let errandAttemptsMax = 3

    func plan(errandsOf epoch: Epoch, at now: Instant) {
        errands.removeAll()
        let pause = Self.pollDelayMin(genesis.parameters)
        if chain.last != nil, deviceDue < epoch {
            errands.append(Errand(.device, notBefore: now + chance.duration(in: .zero...pause)))
        }
        let enough = min(Self.cardsEnough, chain.openCommittee.seats.count)
        if uplinks.seatedCount < enough || chance.happens(1, in: 8) {
            errands.append(Errand(.cards, notBefore: now + chance.duration(in: .zero...pause)))
        }
    }

    func runErrands(at now: Instant, _ actions: inout [NodeAction]) {
        guard let errand = errands.first, errand.deadline <= now else { return }
        if let asked = errand.asked {
            if errand.mayRepeat, let destination = uplinks.destination(of: asked.node) {
                errands[0].repeats += 1
                return askForRest(of: destination, at: now, &actions)
            }
            uplinks.failed(asked.node, at: now)
        }
        guard errand.tried.count < Self.errandAttemptsMax,
            let destination = uplinks.pick(excluding: errand.tried, at: now)
        else {
            errands.removeFirst()
            return
        }
        errands[0].forget()
        errands[0].tried.append(destination.node)
        askForRest(of: destination, at: now, &actions)
    }

    /// What of the first errand's answer is not here yet.
    private func askForRest(of destination: Destination, at now: Instant, _ actions: inout [NodeAction]) {
        errands[0].asked = (destination.node, now + patience)
        switch errands[0].kind {
        case .cards: ask(.cards, destination, &actions)
        case .device:
            guard let proof = errands[0].proof, !proof.isWhole else {
                return ask(.device(id), destination, &actions)
            }
            ask(.deviceProof(id, page: proof.page), destination, &actions)
        }
    }

    /// Whoever is asked has not what is wanted: another is asked with the next step, if there is one left.
    private func askAnother(at now: Instant) {
        errands[0].forget()
        errands[0].notBefore = now
    }

    func receive(
        errand answer: Answer, from sender: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let errand = errands.first, errand.asked?.node == sender else { return count(.unasked) }
        switch (errand.kind, answer) {
        case (.device, .device(let epoch, let value)):
            guard errand.value == nil else { return count(.unasked) }
            guard epoch == chain.last?.epoch else { return askAnother(at: now) }
            errands[0].value = (epoch, value)
        case (.device, .deviceProof(let epoch, let octets)):
            return take(page: 0, octets, of: epoch, from: sender, at: now, &actions)
        case (.device, .deviceProofPage(let epoch, let page, let octets)):
            return take(page: page, octets, of: epoch, from: sender, at: now, &actions)
        case (.cards, .cards(let records)):
            errands.removeFirst()
            return check(records, from: sender, &actions)
        default: return count(.unasked)
        }
        finishDevice(from: sender, at: now, &actions)
    }

    // MARK: The own device

    private func take(
        page: UInt8, _ octets: [UInt8], of epoch: Epoch, from sender: NodeID, at now: Instant,
        _ actions: inout [NodeAction]
    ) {
        var proof = errands[0].proof ?? Errand.Proof(epoch)
        // One that came twice, or before its time.
        guard page == proof.page, !proof.isWhole else { return count(.unasked) }
        // Of another block than the last one here, or than the pages before.
        guard epoch == chain.last?.epoch, epoch == proof.epoch else { return askAnother(at: now) }
        proof.add(octets)
        errands[0].proof = proof
        guard !proof.isWhole else { return finishDevice(from: sender, at: now, &actions) }
        guard proof.page < Answer.proofPagesMax, let destination = uplinks.destination(of: sender) else {
            lied(sender, "a proof without end", at: now, &actions)
            return askAnother(at: now)
        }
        askForRest(of: destination, at: now, &actions)
    }

    /// Both the record and its proof are here, and of the last block.
    private func finishDevice(from sender: NodeID, at now: Instant, _ actions: inout [NodeAction]) {
        guard let value = errands[0].value, let proof = errands[0].proof, proof.isWhole,
            let last = chain.last
        else { return }
        // The next block may have become final meanwhile.
        guard value.epoch == last.epoch, proof.epoch == last.epoch else { return askAnother(at: now) }
        guard let shown = try? StateProof(decoding: proof.octets.octetBytes),
            isRemoved(.edgeRegistry)
                || shown.verify(root: last.stateRoot, key: .device(id), value: value.octets)
        else {
            lied(sender, "the registry's record of this device", at: now, &actions)
            return askAnother(at: now)
        }
        errands.removeFirst()
        let before = facts
        // What the state holds was encoded by the ledger.
        device = value.octets.flatMap { try? Device(decoding: $0.octetBytes) }
        deviceEpoch = last.epoch
        deviceDue = device == nil ? 0 : last.epoch + Self.deviceEpochs - 1
        remember(&actions)
        if before?.version != facts?.version { begin(since: openedAt, at: now, &actions) }
        if facts == nil, !hasSaidUnregistered {
            hasSaidUnregistered = true
            actions.append(.notice(.unregistered))
        }
    }

    /// The own device in the open epoch, as far as is known here; nil if it is none.
    ///
    /// What was learnt after block r tells all about epochs up to r + 4: a change in block r + 1 takes effect at r + 5
    /// (protocol §6). Later than that the device may be said to be elsewhere, and a beacon from here could be an invalid one:
    /// it is nowhere then, which is why it sends none, and goes on witnessing.
    var facts: (kind: DeviceKind, version: DeviceVersion)? {
        guard let device, var version = device.version(at: chain.openEpoch) else { return nil }
        if chain.openEpoch > deviceEpoch + Ledger.effectDelayEpochs { version.location = nil }
        return (device.kind, version)
    }

    // MARK: Cards

    private func check(_ records: [NodeRecord], from sender: NodeID, _ actions: inout [NodeAction]) {
        let useful = records.filter { $0.node != id && !$0.endpoints.isEmpty }
        guard !useful.isEmpty else { return }
        let network = network
        verify(
            .cards(useful, from: sender),
            isRemoved(.edgeCards) ? [] : useful.map { Node.check(of: $0, network: network) }, &actions)
    }

    func learn(_ records: [NodeRecord], from sender: NodeID, _ actions: inout [NodeAction]) {
        let news = records.count { uplinks.learn($0) }
        if news > 0 { actions.append(.persist(.peers(uplinks.records))) }
    }
}
