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

    private var decided: [Epoch: Digest] = [:]
    private var said: [Turn: [Ballot]] = [:]
    private var bundles: [Turn: Digest] = [:]
    private(set) var views: [Int] = []
    private(set) var violations: [Violation] = []

    /// Enough to see what is wrong.
    static let violationsMax = 16

    mutating func report(_ checker: String, _ what: String, at now: Instant, host: Int?) {
        guard violations.count < Self.violationsMax else { return }
        violations.append(Violation(checker: checker, what: what, at: now.nanoseconds, host: host))
    }

    /// Agreement: one block an epoch, on every honest host, at every time.
    mutating func final(_ final: FinalHeader, at now: Instant, host: Int) {
        let epoch = final.header.epoch
        let digest = final.header.digest
        if let first = decided[epoch] {
            if first != digest { report("agreement", "epoch \(epoch) has two blocks", at: now, host: host) }
        } else {
            decided[epoch] = digest
            views.append(Int(final.certificate.ballot.view))
        }
    }

    /// An honest host has said this on the network: it must remember it, and never contradict it.
    mutating func heard(_ datagram: Datagram, by id: NodeID, host: Int, disk: Disk, at now: Instant) {
        for case .message(let octets) in datagram.frames {
            guard let tag = octets.first, tag == 0 || tag == 2 || tag == 4,
                let message = try? Message(decoding: octets)
            else { continue }
            switch message {
            case .vote(let vote) where vote.voter == id: note(vote.ballot, host: host, disk: disk, at: now)
            case .proposal(let proposal) where proposal.vote.voter == id:
                note(proposal.vote.ballot, host: host, disk: disk, at: now)
            case .bundle(let bundle) where bundle.author == id:
                note(bundle, host: host, disk: disk, at: now)
            default: break
            }
        }
    }

    private mutating func note(_ bundle: Bundle, host: Int, disk: Disk, at now: Instant) {
        let turn = Turn(host: host, epoch: bundle.epoch, view: 0)
        let digest = bundle.id
        if bundles[turn] == nil, disk.own?.id != digest {
            report("durableBeforeSent", "bundle of epoch \(bundle.epoch)", at: now, host: host)
        }
        if let first = bundles[turn], first != digest {
            report("neverAccusable", "two bundles of epoch \(bundle.epoch)", at: now, host: host)
        }
        bundles[turn] = digest
    }

    private mutating func note(_ ballot: Ballot, host: Int, disk: Disk, at now: Instant) {
        let turn = Turn(host: host, epoch: ballot.epoch, view: ballot.view)
        let earlier = said[turn, default: []]
        guard !earlier.contains(ballot) else { return }
        for other in earlier where other.contradicts(ballot) {
            report("neverAccusable", "signed \(other) and \(ballot)", at: now, host: host)
        }
        said[turn, default: []].append(ballot)
        if !remembers(disk, ballot) { report("durableBeforeSent", "\(ballot)", at: now, host: host) }
    }

    private func remembers(_ disk: Disk, _ ballot: Ballot) -> Bool {
        guard let bytes = disk.safety, let state = try? SafetyState(decoding: bytes) else { return false }
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

    /// Executes a disk's chain again from genesis: certificates, signatures, roots, verdicts and books.
    mutating func audit(_ disk: Disk, genesis: Genesis, host: Int, at now: Instant) {
        var replay = Replay(genesis: genesis)
        do throws(ReplayFault) {
            for (block, certificate) in disk.blocks { _ = try replay.check(block, certificate: certificate) }
            if !disk.blocks.isEmpty { try replay.compare(with: disk.stateEntries) }
        } catch {
            report("replay", "\(error)", at: now, host: host)
        }
    }
}
