internal import Identity
internal import Wire

/// Everything known of one view.
struct Slot: Sendable {
    // What this node has signed.
    var notarized: Digest?
    var isNullified = false
    var finalized: Digest?

    // What the committee has said.
    var tally = Tally()
    var notarization: Certificate?
    var nullification: Certificate?

    /// One proposal a view, without its justification: the first, or the one that was notarized.
    var proposal: Proposal?

    init() {}

    init(restoring record: SafetyState.ViewRecord) {
        notarized = record.notarized
        isNullified = record.isNullified
        finalized = record.finalized
        proposal = record.proposal
        notarization = record.notarization
        nullification = record.nullification
    }

    /// Whether there is an own vote or a certificate.
    var isToBeKept: Bool {
        notarized != nil || isNullified || finalized != nil || notarization != nil || nullification != nil
    }

    /// The header that the view's leader signed, as far as it is known here.
    var proposedDigest: Digest? { proposal?.vote.ballot.digest }

    /// Whether the proposal to be pulled is here: after a notarization only the notarized one counts.
    var hasProposal: Bool {
        guard let notarized = notarization?.ballot.digest else { return proposal != nil }
        return proposedDigest == notarized
    }
}

/// The votes of one view: at most one of each kind from each seat, the first that came.
struct Tally: Sendable {
    /// By kind, then by seat; empty until the kind's first vote.
    private var votes: [[Vote?]] = [[], [], []]
    private var weights: [Ballot: UInt64] = [:]

    enum Outcome {
        case added(weight: UInt64)
        case known
        /// An earlier vote of the same seat and kind differs.
        case refused
    }

    mutating func insert(_ vote: Vote, seat: Int, in committee: Committee) -> Outcome {
        let kind = Int(vote.ballot.kind.rawValue)
        if votes[kind].isEmpty { votes[kind] = [Vote?](repeating: nil, count: committee.seats.count) }
        if let earlier = votes[kind][seat] { return earlier.ballot == vote.ballot ? .known : .refused }
        votes[kind][seat] = vote
        let weight = weights[vote.ballot, default: 0] + committee.seats[seat].weight
        weights[vote.ballot] = weight
        return .added(weight: weight)
    }

    func vote(_ kind: Ballot.Kind, seat: Int) -> Vote? {
        let votes = votes[Int(kind.rawValue)]
        return votes.isEmpty ? nil : votes[seat]
    }

    /// Seats whose vote of this kind is here, ascending.
    func all(_ kind: Ballot.Kind) -> [(seat: Int, vote: Vote)] {
        votes[Int(kind.rawValue)].enumerated().compactMap { seat, vote in vote.map { (seat, $0) } }
    }

    /// An earlier vote of this seat that makes `vote` punishable.
    func contradiction(to vote: Vote, seat: Int) -> Vote? {
        for kind in Ballot.Kind.allCases {
            if let earlier = self.vote(kind, seat: seat), earlier.ballot.contradicts(vote.ballot) {
                return earlier
            }
        }
        return nil
    }

    /// One bit a seat, without trailing zero octets.
    func bitmap(_ kind: Ballot.Kind) -> [UInt8] {
        var bitmap: [UInt8] = []
        for (seat, _) in all(kind) {
            while bitmap.count <= seat / 8 { bitmap.append(0) }
            bitmap[seat / 8] |= 1 << UInt8(seat % 8)
        }
        return bitmap
    }

    func certificate(of ballot: Ballot) -> Certificate {
        let equal = all(ballot.kind).filter { $0.vote.ballot == ballot }
        return Certificate(
            ballot: ballot, voters: equal.map { UInt16($0.seat) }, signatures: equal.map(\.vote.signature))
    }
}
