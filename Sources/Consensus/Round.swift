internal import Chance
internal import Identity
internal import Rules
internal import Wire

/// One open epoch: what is known of it and which timers run.
struct Round: Sendable {
    /// Views above the current one whose votes and proposals are kept: later ones come again by summaries.
    static let viewsAhead: View = 32
    /// After so many views without a notarization the proposal timer is waited for, whatever a header is.
    static let hastyViews: View = 64
    /// Views kept below the highest notarization, for laggards.
    static let viewsBehind: View = 64

    /// The last view of an epoch, so that sums of views never overflow.
    static let viewsLast = View.max - 4 * View(SafetyState.viewsMax)

    enum Judging: Equatable {
        /// Once a view: the host may have had to give it up.
        case asked(in: View)
        case answered(Simplex.Judgement)
    }

    let instance: Simplex.Instance
    let settings: Simplex.Settings
    let signer: SigningKey
    /// The own seat; nil for an observer.
    private(set) var seat: Int?
    /// Own votes below this view may have been given up before a restart.
    private var remembersFrom: View = 0
    /// The own key has signed what this machine has not: another goes on with it, or the store forgot.
    private(set) var hasResigned = false
    let committeeDigest: Digest
    let quorum: UInt64
    /// Δ, the same for the whole epoch.
    let delta: Duration
    let beginsAt: Instant
    var chance: Chance
    /// Whom the host can say something to directly.
    var peers: Set<NodeID> = []

    /// 0 before the epoch has begun.
    var view: View = 0
    var isGathered = false
    var slots: [View: Slot] = [:]
    var headers: [Digest: Header] = [:]
    var judgements: [Digest: Judging] = [:]
    var highestNotarization: View = 0
    /// The view for which a fresh header was ordered.
    var buildOrdered: View = 0
    /// When the newest own proposal left.
    var proposed: (view: View, at: Instant)?
    /// From an own proposal to its notarization.
    var roundTrip: Duration?
    /// Seats whose votes were seen before the epoch began, for the begin rule.
    var heard: Set<Int> = []
    var heardWeight: UInt64 = 0

    // A timer that has run out is nil: `deadline` never lies in the past without a reason.
    var proposalTimer: Instant?
    var viewTimer: Instant?
    var finalizeTimer: (view: View, at: Instant)?
    var summaryTimer: Instant?

    /// Once a certificate says what is final: those who voted so, also if they come later.
    var finalityVotes: FinalityVotes?
    var isAnnounced = false
    var lastFinal: FinalHeader?
    var accused: Set<Int> = []
    var summaryAnswers = AnswerMeter()
    var proposalAnswers = AnswerMeter()
    var hasDiverged = false
    var isUnsaved = false

    var epoch: Epoch { instance.epoch }
    var committee: Committee { instance.committee }
    var finality: Certificate? { finalityVotes?.certificate }
    var isFinal: Bool { finalityVotes != nil }

    init(
        instance: Simplex.Instance, settings: Simplex.Settings, signer: SigningKey, isVoter: Bool,
        chance: Chance, delta: Duration, windowEnds: Instant, lastFinal: FinalHeader?
    ) {
        self.instance = instance
        self.settings = settings
        self.signer = signer
        seat = isVoter ? instance.committee.index(of: signer.nodeID) : nil
        committeeDigest = instance.committee.digest
        quorum = instance.committee.quorum
        self.delta = delta
        beginsAt = windowEnds + max(settings.gather, delta * 2)
        self.chance = chance
        self.lastFinal = lastFinal
    }

    var deadline: Instant {
        if isAnnounced { return .never }
        if view == 0, !isFinal { return beginsAt }
        var earliest = summaryTimer ?? .never
        if !isFinal {
            for timer in [proposalTimer, viewTimer, finalizeTimer?.at] {
                earliest = min(earliest, timer ?? .never)
            }
        }
        return earliest
    }

    // MARK: Restart

    mutating func restore(_ state: SafetyState) {
        view = state.view
        defer {
            let isWhole = state.records.count < SafetyState.viewsMax
            remembersFrom = max(min(view, highestNotarization), isWhole ? 0 : state.records[0].view)
        }
        for record in state.records {
            var slot = Slot(restoring: record)
            if seat == nil, !isRemoved(.copyRepeatsNoVotes) {
                // A copy's votes are another's to repeat: they stay in the store, which an observer never writes.
                slot.notarized = nil
                slot.isNullified = false
                slot.finalized = nil
            }
            slots[record.view] = slot
            if let proposal = record.proposal { headers[proposal.header.digest] = proposal.header }
            if record.notarization != nil { highestNotarization = max(highestNotarization, record.view) }
        }
        if let final = state.lastFinal, final.header.epoch == epoch {
            finalityVotes = FinalityVotes(final.certificate, of: committee)
            headers[final.header.digest] = final.header
        }
    }

    /// After a restart: re-arms the timers and says again what was said.
    mutating func resume(at now: Instant, _ out: inout [Simplex.Action]) {
        guard view > 0, !isFinal else { return }
        out.append(.began(epoch))
        if !isRemoved(.timersAfterRestart) { armTimers(at: now) }
        for view in slots.keys.sorted() {
            guard let slot = slots[view] else { continue }
            if slot.notarization != nil, view >= self.view { armFinalizeTimer(view, at: now) }
            for certificate in [slot.notarization, slot.nullification].compactMap({ $0 }) {
                out.append(.broadcast(.certificate(certificate)))
            }
            for ballot in ownBallots(in: view) { cast(ballot, at: now, &out) }
            if slot.proposal?.vote.voter == signer.nodeID, let proposal = proposal(of: view) {
                out.append(.broadcast(.proposal(proposal)))
            }
        }
    }

    func ownBallots(in view: View) -> [Ballot] {
        guard let slot = slots[view] else { return [] }
        var ballots: [Ballot] = []
        if let digest = slot.notarized { ballots.append(.notarize(epoch, view, digest)) }
        if slot.isNullified { ballots.append(.nullify(epoch, view)) }
        if let digest = slot.finalized { ballots.append(.finalize(epoch, view, digest)) }
        return ballots
    }

    mutating func takeUnsaved() -> SafetyState? {
        guard isUnsaved else { return nil }
        isUnsaved = false
        guard seat != nil || hasResigned else { return nil }
        let lowest = min(view, highestNotarization)
        // What others alone have said is theirs to say again: there is room for so many views, and what was certified must have it.
        let records = slots.keys.sorted().filter { $0 >= lowest && slots[$0]!.isToBeKept }.map {
            SafetyState.ViewRecord(view: $0, slot: slots[$0]!)
        }
        return SafetyState(epoch: epoch, view: view, records: records, lastFinal: lastFinal)
    }

    // MARK: One key, one memory

    /// Whether this machine cast the vote, or may have and gave it up.
    private func hasCast(_ ballot: Ballot) -> Bool {
        guard ballot.view >= max(remembersFrom, floor) else { return true }
        let slot = slots[ballot.view]
        return switch ballot {
        case .notarize(_, _, let digest): slot?.notarized == digest
        case .nullify: slot?.isNullified ?? false
        case .finalize(_, _, let digest): slot?.finalized == digest
        }
    }

    /// What the own seat said elsewhere could be contradicted by the next vote: there is none any more.
    mutating func lookForDouble(_ ballot: Ballot, of voter: Int, _ out: inout [Simplex.Action]) {
        guard voter == seat, settings.resigns, !hasCast(ballot) else { return }
        resign()
        out.append(.alarm(.signedElsewhere(ballot)))
    }

    mutating func resign() {
        guard seat != nil else { return }
        seat = nil
        hasResigned = true
        // Nobody looks at them any more, and they would wake the host for ever.
        proposalTimer = nil
        viewTimer = nil
    }

    /// Whether the own seat stands in a certificate without having voted here.
    func isDoubled(in certificate: Certificate) -> Bool {
        guard let seat, settings.resigns, certificate.ballot.epoch == epoch else { return false }
        return certificate.voters.contains { Int($0) == seat } && !hasCast(certificate.ballot)
    }

    // MARK: Timers

    /// base · min(1.5^(view − 1), 8), in whole nanoseconds; once there were `hastyViews` views without a notarization, times as
    /// often so many as there were. There are `SafetyState.viewsMax` such views in an epoch: they last for days, so that
    /// a cause that lies in the program or between the operators can be mended before they are over.
    static func backedOff(_ base: Duration, view: View, since notarization: View = 0) -> Duration {
        guard view < 7 else {
            let vain = max(view - min(view, notarization), hastyViews)
            return .nanoseconds(base.nanoseconds * 8 * Int64(vain) / Int64(hastyViews))
        }
        var numerator: Int64 = 1
        var denominator: Int64 = 1
        for _ in 1..<max(view, 1) {
            numerator *= 3
            denominator *= 2
        }
        return .nanoseconds(base.nanoseconds * numerator / denominator)
    }

    mutating func armTimers(at now: Instant) {
        let allowance = settings.executionAllowance
        if summaryTimer == nil { summaryTimer = now + delta }
        guard seat != nil else { return }
        proposalTimer = now + (Self.backedOff(delta * 3, view: view, since: highestNotarization) + allowance)
        viewTimer = now + (Self.backedOff(delta * 5, view: view, since: highestNotarization) + allowance)
    }

    mutating func armFinalizeTimer(_ view: View, at now: Instant) {
        if let timer = finalizeTimer, timer.view >= view { return }
        finalizeTimer = (view, now + delta * 2)
    }

    // MARK: Bounds

    var floor: View {
        let lowest = min(view, highestNotarization)
        return lowest > Self.viewsBehind ? lowest - Self.viewsBehind : 1
    }

    /// Whether votes and proposals of a view are taken.
    func keeps(_ view: View) -> Bool {
        view >= max(floor, votesFloor) && view <= max(self.view, 1) + Self.viewsAhead
    }

    private var votesFloor: View { view > Self.viewsBehind ? view - Self.viewsBehind : 1 }

    /// The view that is not passed without another notarization: every nullification since the last one must
    /// be kept to justify a proposal, and what is kept is bounded.
    var ceiling: View { highestNotarization + View(SafetyState.viewsMax) }

    mutating func prune() {
        // Of old views the certificates justify what comes; the single votes have done their work.
        for old in slots.keys where old < votesFloor { slots[old]!.tally = Tally() }
        let floor = floor
        guard floor > 1 else { return }
        slots = slots.filter { $0.key >= floor }
        var named = Set(
            slots.values.flatMap { [$0.proposedDigest, $0.notarization?.ballot.digest] }.compactMap { $0 })
        if let digest = finality?.ballot.digest { named.insert(digest) }
        headers = headers.filter { named.contains($0.key) }
        judgements = judgements.filter { named.contains($0.key) }
    }

    static let slotsMax = SafetyState.viewsMax + Int(2 * viewsAhead + viewsBehind)

    var gauges: [(name: String, value: Int, limit: Int)] {
        [
            ("views", slots.count, Self.slotsMax), ("headers", headers.count, 2 * Self.slotsMax + 1),
            ("judgements", judgements.count, 2 * Self.slotsMax + 1),
            ("heard", heard.count, committee.seats.count), ("accused", accused.count, committee.seats.count),
        ]
    }

    func assertInvariants() {
        precondition(highestNotarization == 0 || slots[highestNotarization]?.notarization != nil)
        precondition(slots.count <= Self.slotsMax)
        precondition(heard.count <= committee.seats.count && accused.count <= committee.seats.count)
        precondition(headers.count <= 2 * slots.count + 1 && judgements.count <= headers.count)
        for slot in slots.values {
            precondition(!(slot.isNullified && slot.finalized != nil), "a nullified view is never finalized")
            precondition(slot.finalized == nil || slot.finalized == slot.notarized)
            precondition(seat != nil || hasResigned || (slot.notarized == nil && !slot.isNullified))
        }
        precondition(!isAnnounced || isFinal)
    }

    var status: Simplex.Status {
        let waitsFor: String
        if isAnnounced {
            waitsFor = "the next epoch"
        } else if isFinal {
            waitsFor = "the header that is final"
        } else if view == 0 {
            waitsFor = "the window's end"
        } else if view >= ceiling {
            waitsFor = "a notarization: too many views have passed without one"
        } else if slots[view]?.notarization != nil {
            waitsFor = "finalize votes of view \(view)\(absent(.finalize))"
        } else if slots[view]?.isNullified == true {
            waitsFor = "nullify votes of view \(view)\(absent(.nullify))"
        } else if slots[view]?.proposal == nil {
            waitsFor = "the proposal of view \(view) from \(instance.leader(of: view).short)"
        } else {
            waitsFor = "notarize votes of view \(view)\(absent(.notarize))"
        }
        return Simplex.Status(
            epoch: epoch, view: view, leader: view > 0 ? instance.leader(of: view) : nil,
            highestNotarization: highestNotarization, isObserver: seat == nil, isFinal: isFinal,
            waitsFor: waitsFor)
    }

    /// More would not be read.
    private static let namesMax = 4

    /// Whose votes of a kind have not come in the current view, in the committee's order.
    private func absent(_ kind: Ballot.Kind) -> String {
        let absent = committee.seats.indices.filter { slots[view]?.tally.vote(kind, seat: $0) == nil }
        guard !absent.isEmpty else { return "" }
        let names = absent.prefix(Self.namesMax).map { committee.seats[$0].key.short }
        let more = absent.count - names.count
        return " from \(names.joined(separator: ", "))" + (more > 0 ? " and \(more) others" : "")
    }
}
