internal import Bytes
internal import Chance
internal import Consensus
internal import Identity
internal import Node
internal import Wire

/// Checkers of single rules, each with a model of its own.
extension Witness {
    /// Nobody carries votes for views far ahead of where honest hosts are, however well they are signed: consensus has
    /// no use for them, and a single validator could make as many as it likes.
    mutating func checkUse(of ballot: Ballot, at now: Instant, host: Int) {
        // A view more than the newest vote may be open, and so many ahead of that are kept.
        guard ballot.view > newestViews[ballot.epoch, default: 0] + 1 + Self.viewsAhead else { return }
        report("carriesFloods", "passes on a vote for view \(ballot.view)", at: now, host: host)
    }

    private static let viewsAhead: View = 32

    /// Nor proposals of others than who leads the view, who could make as many too.
    mutating func checkUse(of proposal: Proposal, at now: Instant, host: Int) {
        let (epoch, view) = (proposal.header.epoch, proposal.view)
        guard let leaders = leaders[epoch] else { return }
        let isLeaders =
            view > 0 && proposal.vote.voter == leaders[Int((view - 1) % View(leaders.count))]
            && proposal.vote.ballot == .notarize(epoch, view, proposal.header.digest)
        if !isLeaders {
            report(
                "carriesFloods", "passes on a proposal for view \(view) that is not its leader's", at: now,
                host: host)
        }
    }

    /// Nobody hurries through views where none was notarized for long: what makes them all fail may be mended by people only, who need
    /// time for it.
    mutating func checkPace(
        of ballot: Ballot, by state: SafetyState, clock: Instant, at now: Instant, host: Int
    ) {
        guard case .nullify(let epoch, let view) = ballot, state.epoch == epoch else { return }
        let notarized = state.records.last { $0.notarization != nil }?.view ?? 0
        guard view > notarized + Self.hastyViews else { return }
        // Timers are eight times as long there.
        if let last = gaveUp[host], last.epoch == epoch, clock - last.at < delta * 3 {
            report("pace", "gives up view \(view) at once", at: now, host: host)
        }
        gaveUp[host] = (epoch, clock)
    }

    private static let hastyViews: View = 64

    /// No reveal of an epoch's beacon before that epoch is final on the host's disk: until then nobody may know what
    /// was to be heard.
    mutating func checkReveals(of bundle: Bundle, disk: Disk, at now: Instant, host: Int) {
        for reveal in bundle.reveals where disk.lastEpoch < reveal.epoch {
            report("revealed", "the beacon of epoch \(reveal.epoch) too early", at: now, host: host)
        }
    }

    /// An honest leader's new proposal carries what makes its choice the only safe one: the notarization that it
    /// follows, and the nullification of every view since; the newest of them where they are too many.
    mutating func checkJustification(of proposal: Proposal, at now: Instant, host: Int) {
        let parent = proposal.parentView
        var needed: [Ballot] = (parent + 1..<max(parent + 1, proposal.view)).reversed().map {
            .nullify(proposal.header.epoch, $0)
        }
        if parent > 0 {
            needed.insert(.notarize(proposal.header.epoch, parent, proposal.header.digest), at: 0)
        }
        let carried = Set(proposal.justification.map(\.ballot))
        if let ballot = needed.prefix(Proposal.certificatesMax).first(where: { !carried.contains($0) }) {
            report("justified", "proposes in view \(proposal.view) without \(ballot)", at: now, host: host)
        }
    }

    /// Nor does an honest validator notarize without that: what its disk holds when it says so must justify it.
    mutating func checkJustification(of ballot: Ballot, by state: SafetyState, at now: Instant, host: Int) {
        guard case .notarize(let epoch, let view, let digest) = ballot, state.epoch == epoch,
            state.view == view, !state.records.contains(where: { $0.view >= view && $0.notarization != nil })
        else { return }
        // Older records than the newest notarization are not kept.
        let newest = state.records.last { $0.notarization != nil }
        let nullified = Set(state.records.filter { $0.nullification != nil }.map(\.view))
        let missing = ((newest?.view ?? 0) + 1..<max(view, 1)).first { !nullified.contains($0) }
        let isReplaced =
            newest.map { $0.notarization?.ballot.digest != digest && $0.nullification == nil } ?? false
        guard missing != nil || isReplaced else { return }
        let reason = missing.map { "without X[\($0)]" } ?? "though N[\(newest!.view)] is another"
        report("justified", "notarizes in view \(view) \(reason)", at: now, host: host)
    }

    /// What the chain says of honest hosts is no accusation, whatever left these; and of an honest builder's block, once the
    /// network has healed, that nobody is missing: none whose bundle left it, and none of those who are due to make one.
    mutating func checkEvidence(
        of block: Block, honest: [NodeID: Int], due: [NodeID: Int]?, at now: Instant, host: Int
    ) {
        let epoch = block.header.epoch
        for case .conflict(let bundle, _) in block.evidence {
            guard let author = honest[bundle.author] else { continue }
            report("neverAccusable", "host \(author) is void in epoch \(epoch)", at: now, host: host)
        }
        guard let due, honest[block.header.builder] != nil else { return }
        let items = Set(block.evidence.map(\.item))
        for (_, author) in honest.sorted(by: { $0.value < $1.value }) {
            guard let bundle = bundle(of: author, epoch: epoch), !items.contains(bundle) else { continue }
            report("missed", "the bundle of host \(author) is not in epoch \(epoch)", at: now, host: host)
        }
        let authors = Set(block.evidence.flatMap(\.bundles).map(\.author))
        for (id, author) in due.sorted(by: { $0.value < $1.value }) where !authors.contains(id) {
            report("missed", "nothing of host \(author) is in epoch \(epoch)", at: now, host: host)
        }
    }

    /// Once the network has healed no beacon of a blameless host is judged to be against the rules, and none goes without
    /// its reveal: that would keep its owner from pay for many epochs.
    mutating func checkVerdicts(
        _ verdicts: [BeaconVerdict], since healed: Epoch, honest: [NodeID: Int], at now: Instant, host: Int
    ) {
        for verdict in verdicts where verdict.epoch > healed && Self.punishing.contains(verdict.reason) {
            guard let beaconer = verdict.beaconer.flatMap({ honest[$0] }) else { continue }
            report(
                "punished", "the beacon of host \(beaconer) in epoch \(verdict.epoch) is \(verdict.reason)",
                at: now,
                host: host)
        }
    }

    private static let punishing: [Reason] = [
        .suspended, .equivocated, .notRevealed, .undeclared, .badProof, .notEligible, .wrongParameters,
    ]

    /// Whatever the registry holds came into it by a transaction four blocks before it took effect.
    mutating func checkRegistry(of disk: Disk, at now: Instant, host: Int) {
        var changes: [NodeID: Set<Epoch>] = [:]
        for (block, _) in disk.blocks {
            for transaction in block.body.transactions {
                guard let subject = transaction.kind.subject else { continue }
                changes[subject, default: []].insert(block.header.epoch + 4)
            }
        }
        for (key, value) in disk.stateEntries {
            let found: (id: NodeID, effective: [Epoch])? =
                switch key {
                case .device(let id):
                    (try? Device(decoding: value)).map { (id, $0.versions.map(\.effective)) }
                case .validator(let id):
                    (try? Validator(decoding: value)).map { (id, $0.versions.map(\.effective)) }
                default: nil
                }
            guard let found else { continue }
            // A host that adopted a state does not know the blocks before.
            let first = disk.baseEpoch == 0 ? 0 : disk.baseEpoch + 4
            for epoch in found.effective where epoch > first && changes[found.id]?.contains(epoch) != true {
                report("registry", "a change takes effect in epoch \(epoch)", at: now, host: host)
            }
        }
    }

    /// Whoever has an account that genesis did not give, and has earned nothing, was sent something: and for each of these the treasury has
    /// a thousand least fees. Nothing is ever paid out of it.
    mutating func checkAccounts(of disk: Disk, at now: Instant, host: Int) {
        let given = Set(genesis.accounts.map(\.account))
        var opened: Amount = 0
        var treasury: Amount = 0
        for (key, value) in disk.stateEntries {
            switch key {
            case .account(let id): opened += given.contains(id) ? 0 : 1
            case .totals: treasury = (try? Totals(decoding: value))?.treasury ?? 0
            default: break
            }
        }
        guard treasury < opened * genesis.parameters.feeMin * 1_000 else { return }
        report("accounts", "\(opened) were opened, and the treasury has \(treasury)", at: now, host: host)
    }
}

extension TransactionKind {
    /// The device or validator whose facts it changes.
    fileprivate var subject: NodeID? {
        switch self {
        case .registerDevice(_, let consent, _, _), .registerValidator(let consent, _): consent.device
        case .updateDevice(let id, _, _), .locate(let id, _), .stake(let id, _), .unstake(let id, _): id
        case .transfer: nil
        }
    }
}
