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

    let kind: Kind
    /// Whom it was asked of, and until when an answer is waited for; nil: not yet.
    var asked: (node: NodeID, until: Instant)?
    var notBefore: Instant
    var attempts = 0
    /// The half of an answer that is here.
    var value: (epoch: Epoch, octets: [UInt8]?)?
    var proof: (epoch: Epoch, octets: [UInt8])?

    init(_ kind: Kind, notBefore: Instant) {
        self.kind = kind
        self.notBefore = notBefore
    }

    var deadline: Instant { asked?.until ?? notBefore }
}

/// What an edge node asks now and then.
///
/// - Its own record in the registry: a change in block r takes effect at r + 4, so that looking every three epochs is
///   soon enough. Believed with a proof under the state root of the last final header here.
/// - Validators' cards, as long as it knows few, and every eighth epoch: validators move. Believed with their signatures.
extension EdgeNode {
    static let deviceEpochs: Epoch = 3
    /// Validators known, from which on cards are asked for seldom.
    static let cardsEnough = 16
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
        guard !errands.isEmpty, errands[0].deadline <= now else { return }
        if let asked = errands[0].asked { uplinks.failed(asked.node, at: now) }
        guard errands[0].attempts < Self.errandAttemptsMax, let destination = uplinks.pick(at: now) else {
            errands.removeFirst()
            return
        }
        errands[0].attempts += 1
        errands[0].asked = (destination.node, now + patience)
        errands[0].value = nil
        errands[0].proof = nil
        switch errands[0].kind {
        case .device: ask(.device(id), destination, &actions)
        case .cards: ask(.cards, destination, &actions)
        }
    }

    func receive(
        errand answer: Answer, from sender: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        guard let errand = errands.first, errand.asked?.node == sender else { return count(.unasked) }
        switch (errand.kind, answer) {
        case (.device, .device(let epoch, let value)): errands[0].value = (epoch, value)
        case (.device, .deviceProof(let epoch, let proof)): errands[0].proof = (epoch, proof)
        case (.cards, .cards(let records)):
            errands.removeFirst()
            return check(records, from: sender, &actions)
        default: return count(.unasked)
        }
        guard let value = errands[0].value, let proof = errands[0].proof else { return }
        errands.removeFirst()
        take(value, proof, from: sender, at: now, &actions)
    }

    // MARK: The own device

    private func take(
        _ value: (epoch: Epoch, octets: [UInt8]?), _ proof: (epoch: Epoch, octets: [UInt8]),
        from sender: NodeID, at now: Instant, _ actions: inout [NodeAction]
    ) {
        // Of another block than the last one here: it will be asked for again when both are at the same.
        guard let last = chain.last, value.epoch == last.epoch, proof.epoch == last.epoch else { return }
        guard let shown = try? StateProof(decoding: proof.octets.octetBytes),
            isRemoved(.edgeRegistry)
                || shown.verify(root: last.stateRoot, key: .device(id), value: value.octets)
        else { return lied(sender, "the registry's record of this device", at: now, &actions) }
        // What the state holds was encoded by the ledger.
        let found = value.octets.flatMap { try? Device(decoding: $0.octetBytes) }
        let facts = (before: version(of: device), after: version(of: found))
        device = found
        deviceEpoch = last.epoch
        deviceDue = device == nil ? 0 : last.epoch + Self.deviceEpochs - 1
        remember(&actions)
        if facts.before != facts.after { begin(since: openedAt, at: now, &actions) }
        if facts.after == nil, !hasSaidUnregistered {
            hasSaidUnregistered = true
            actions.append(.notice(.unregistered))
        }
    }

    private func version(of device: Device?) -> DeviceVersion? { device?.version(at: chain.openEpoch) }

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
