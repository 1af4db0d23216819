internal import Bytes
internal import Chance
internal import Consensus
internal import Identity
internal import Node
internal import Wire

/// Looks at everything that honest hosts say and decide, and never sleeps.
struct Witness {
    private struct Turn: Hashable {
        let host: Int
        let epoch: Epoch
        let view: View
    }

    private struct Seat: Hashable {
        let epoch: Epoch
        let view: View
    }

    private var decided: [Epoch: Digest] = [:]
    /// What edge nodes took for final.
    private var followed: [Epoch: Digest] = [:]
    private var said: [Turn: [Ballot]] = [:]
    private var bundles: [Turn: Digest] = [:]
    /// The newest view that an honest host voted in.
    private(set) var newestViews: [Epoch: View] = [:]
    /// Own bundles that a disk has held: one may leave for the first time when its epoch is over, for who asks for it.
    private var kept: [Turn: Digest] = [:]
    private(set) var views: [Int] = []
    /// What the first certificate was that an honest host sent of each view.
    private var firstCertificates: [Turn: Bool] = [:]
    private var sides: [Seat: (notarized: Bool, nullified: Bool)] = [:]
    private var seen: Set<Certificate> = []
    private(set) var certificatesChecked = 0
    private var signed: [Epoch: Set<Digest>] = [:]
    /// Of each epoch, as an honest host had it when the epoch was open there.
    private var committees: [Epoch: Committee] = [:]
    /// Who leads the views of each epoch, in turns.
    private(set) var leaders: [Epoch: [NodeID]] = [:]
    /// By each host's own clock, when it last gave up a view far above any notarization.
    var gaveUp: [Int: (epoch: Epoch, at: Instant)] = [:]
    private var chunks = Chunks()
    let genesis: Genesis
    /// Δ, the least that any host takes it for.
    let delta: Duration
    private(set) var violations: [Violation] = []

    /// Enough to see what is wrong.
    static let violationsMax = 16
    private static let seenMax = 1 << 14

    init(genesis: Genesis, delta: Duration) {
        self.genesis = genesis
        self.delta = delta
    }

    var splitViews: Int { sides.values.count { $0.notarized && $0.nullified } }
    var bundlesSigned: Int { signed.reduce(0) { $1.key <= decided.count ? $0 + $1.value.count : $0 } }

    func bundlesIncluded(in disk: Disk?) -> Int {
        guard let disk else { return 0 }
        return disk.blocks.reduce(0) { sum, block in
            let ours = signed[block.block.header.epoch] ?? []
            return sum + block.block.evidence.count { ours.contains($0.item) }
        }
    }

    /// The bundle of an epoch that left this host.
    func bundle(of host: Int, epoch: Epoch) -> Digest? { bundles[Turn(host: host, epoch: epoch, view: 0)] }

    /// Different ones of the epochs that were open at an honest host.
    var committeeCount: Int { Set(committees.values.map(\.digest)).count }

    func isDecided(_ epoch: Epoch) -> Bool { decided[epoch] != nil }

    mutating func report(_ checker: String, _ what: String, at now: Instant, host: Int?) {
        guard violations.count < Self.violationsMax else { return }
        violations.append(Violation(checker: checker, what: what, at: now.nanoseconds, host: host))
    }

    /// Agreement: one block an epoch, on every honest host, at every time.
    mutating func final(_ final: FinalHeader, at now: Instant, host: Int) {
        let epoch = final.header.epoch
        let digest = final.header.digest
        if let known = followed[epoch], known != digest {
            report("agreement", "epoch \(epoch) is another at edge nodes", at: now, host: host)
        }
        if let first = decided[epoch] {
            if first != digest { report("agreement", "epoch \(epoch) has two blocks", at: now, host: host) }
        } else {
            decided[epoch] = digest
            views.append(Int(final.certificate.ballot.view))
        }
    }

    /// What an edge node takes for final is what the others decided.
    mutating func followed(_ header: Header, at now: Instant, host: Int) {
        let digest = header.digest
        if let known = decided[header.epoch] ?? followed[header.epoch], known != digest {
            report("followed", "epoch \(header.epoch) has another block", at: now, host: host)
        }
        followed[header.epoch] = digest
    }

    /// A host's own bundle is durable.
    mutating func kept(_ bundle: Bundle, host: Int) {
        kept[Turn(host: host, epoch: bundle.epoch, view: 0)] = bundle.id
    }

    /// An honest host has said this on the network: it must remember it, and never contradict it.
    mutating func heard(
        _ frames: [Frame], by id: NodeID, host: Int, of machine: Host, at now: Instant,
        verify: (Check) -> Bool
    ) {
        if let node = machine.node, committees[node.openEpoch] == nil {
            committees[node.openEpoch] = node.committee
            leaders[node.openEpoch] = node.leadersInTurn
        }
        for frame in frames {
            let octets: [UInt8]
            switch frame {
            case .message(let whole): octets = whole
            case .chunk(let chunk):
                guard let whole = chunks.add(chunk) else { continue }
                octets = whole
            default: continue
            }
            guard let tag = octets.first, tag == 0 || (2...4).contains(tag) || tag == 7 || tag == 18 else {
                continue
            }
            guard let message = try? Message(decoding: octets) else {
                report("malformed", "says a message of kind \(tag) that cannot be read", at: now, host: host)
                continue
            }
            let disk = machine.disk
            if case .proposal(let proposal) = message {
                for certificate in proposal.justification {
                    check(certificate, host: host, node: machine.node, at: now, verify: verify)
                }
            }
            switch message {
            case .vote(let vote) where vote.voter == id:
                note(vote.ballot, host: host, of: machine, at: now)
            case .vote(let vote): checkUse(of: vote.ballot, at: now, host: host)
            case .proposal(let proposal) where proposal.vote.voter == id:
                let turn = Turn(host: host, epoch: proposal.header.epoch, view: proposal.view)
                if said[turn] == nil { checkJustification(of: proposal, at: now, host: host) }
                note(proposal.vote.ballot, host: host, of: machine, at: now)
            case .proposal(let proposal): checkUse(of: proposal, at: now, host: host)
            case .bundle(let bundle) where bundle.author == id, .handIn(let bundle) where bundle.author == id:
                note(bundle, host: host, disk: disk, at: now)
                checkReveals(of: bundle, disk: disk, at: now, host: host)
            case .certificate(let certificate):
                note(certificate, host: host, node: machine.node, at: now, verify: verify)
            case .finality(let finals):
                for final in finals {
                    note(final.certificate, host: host, node: machine.node, at: now, verify: verify)
                }
            default: break
            }
        }
    }

    /// Whatever an honest host passes on as certified is certified.
    private mutating func note(
        _ certificate: Certificate, host: Int, node: Node?, at now: Instant, verify: (Check) -> Bool
    ) {
        guard let node, committees[certificate.ballot.epoch] != nil else { return }
        let seat = Seat(epoch: certificate.ballot.epoch, view: certificate.ballot.view)
        let turn = Turn(host: host, epoch: seat.epoch, view: seat.view)
        if firstCertificates[turn] == nil, seat.epoch == node.openEpoch {
            switch certificate.ballot {
            case .notarize:
                firstCertificates[turn] = true
                sides[seat, default: (false, false)].notarized = true
            case .nullify:
                firstCertificates[turn] = false
                sides[seat, default: (false, false)].nullified = true
            case .finalize: break
            }
        }
        check(certificate, host: host, node: node, at: now, verify: verify)
    }

    private mutating func check(
        _ certificate: Certificate, host: Int, node: Node?, at now: Instant, verify: (Check) -> Bool
    ) {
        guard let node, let committee = committees[certificate.ballot.epoch], !seen.contains(certificate)
        else {
            return
        }
        if seen.count > Self.seenMax { seen.removeAll(keepingCapacity: true) }
        seen.insert(certificate)
        certificatesChecked += 1
        guard certificate.hasQuorum(in: committee),
            let checks = certificate.checks(in: committee, network: node.network),
            checks.allSatisfy({ verify(.signature($0.key, preimage: $0.preimage, $0.signature)) })
        else {
            return report("certificates", "\(certificate.ballot) does not hold", at: now, host: host)
        }
    }

    private mutating func note(_ bundle: Bundle, host: Int, disk: Disk, at now: Instant) {
        let turn = Turn(host: host, epoch: bundle.epoch, view: 0)
        let digest = bundle.id
        if bundles[turn] == nil, disk.own?.id != digest, kept[turn] != digest {
            report("durableBeforeSent", "bundle of epoch \(bundle.epoch)", at: now, host: host)
        }
        if let first = bundles[turn], first != digest {
            report("neverAccusable", "two bundles of epoch \(bundle.epoch)", at: now, host: host)
        }
        bundles[turn] = digest
        signed[bundle.epoch, default: []].insert(digest)
    }

    private mutating func note(_ ballot: Ballot, host: Int, of machine: Host, at now: Instant) {
        let disk = machine.disk
        let turn = Turn(host: host, epoch: ballot.epoch, view: ballot.view)
        let earlier = said[turn, default: []]
        guard !earlier.contains(ballot) else { return }
        for other in earlier where other.contradicts(ballot) {
            report("neverAccusable", "signed \(other) and \(ballot)", at: now, host: host)
        }
        said[turn, default: []].append(ballot)
        newestViews[ballot.epoch] = max(newestViews[ballot.epoch, default: 0], ballot.view)
        if let state = disk.safety.flatMap(Seal.open).flatMap({ try? SafetyState(decoding: $0.octetBytes) }) {
            checkJustification(of: ballot, by: state, at: now, host: host)
            checkPace(of: ballot, by: state, clock: machine.clock.reading(at: now), at: now, host: host)
        }
        if !remembers(disk, ballot) { report("durableBeforeSent", "\(ballot)", at: now, host: host) }
    }

    private func remembers(_ disk: Disk, _ ballot: Ballot) -> Bool {
        guard let bytes = disk.safety.flatMap(Seal.open),
            let state = try? SafetyState(decoding: bytes.octetBytes)
        else { return false }
        guard state.epoch == ballot.epoch else { return state.epoch > ballot.epoch }
        guard let record = state.records.first(where: { $0.view == ballot.view }) else {
            return state.view > ballot.view
        }
        switch ballot {
        case .notarize(_, _, let digest): return record.notarized == digest
        case .nullify: return record.isNullified
        case .finalize(_, _, let digest): return record.finalized == digest
        }
    }

    /// Executes a disk's chain again, from genesis or from the state that the host adopted: certificates, signatures, roots, verdicts and books.
    mutating func audit(_ disk: Disk, host: Int, at now: Instant, shared: SharedWork?) {
        do throws(ReplayFault) {
            var replay: Replay
            if let base = disk.base {
                replay = try Replay(genesis: genesis, from: base, shared: shared)
            } else {
                replay = Replay(genesis: genesis, shared: shared)
            }
            for (block, certificate) in disk.blocks where block.header.epoch > disk.baseEpoch {
                _ = try replay.check(block, certificate: certificate)
            }
            if !disk.blocks.isEmpty { try replay.compare(with: disk.stateEntries) }
        } catch {
            report("replay", "\(error)", at: now, host: host)
        }
    }
}

/// Messages that honest hosts send in pieces: each is looked at once, when its last piece has left somewhere.
private struct Chunks {
    private static let messagesMax = 256

    private var pieces: [Digest: [UInt16: [UInt8]]] = [:]
    private var whole: Set<Digest> = []

    /// The message, if this was its last piece.
    mutating func add(_ chunk: Chunk) -> [UInt8]? {
        guard !whole.contains(chunk.message) else { return nil }
        if pieces.count >= Self.messagesMax { pieces.removeAll(keepingCapacity: true) }
        pieces[chunk.message, default: [:]][chunk.index] = chunk.octets
        guard let held = pieces[chunk.message], held.count == Int(chunk.count) else { return nil }
        pieces[chunk.message] = nil
        if whole.count >= Self.messagesMax { whole.removeAll(keepingCapacity: true) }
        whole.insert(chunk.message)
        return (0..<chunk.count).flatMap { held[$0]! }
    }
}
