public import Wire

/// Who finalized a block, as far as they were heard: the next block carries their votes, and pays for them.
///
/// A certificate is made with the vote that completes the quorum, so that those who are farthest from the others are never in it. The
/// design's section 9 pays whoever voted, and the builder for each seat above the quorum; and nothing is built on a block before
/// the next window has closed. So votes are taken until then: upon one for the very ballot, of a seat that is not among the voters,
/// it joins them. Of each seat there is room for one.
///
/// Certificates of others are not asked for theirs: each honest node's has other voters, and each would be of use to all, where
/// the votes in them come by themselves. The host verifies signatures; this value trusts them.
public struct FinalityVotes: Sendable {
    public private(set) var certificate: Certificate
    private let committee: Committee

    /// - Parameter committee: That of the certificate's epoch.
    public init(_ certificate: Certificate, of committee: Committee) {
        self.certificate = certificate
        self.committee = committee
    }

    /// Whether this vote is for the ballot, and of a seat that is not among the voters.
    public func lacks(_ vote: Vote) -> Bool { place(of: vote) != nil }

    /// False if it changes nothing.
    @discardableResult
    public mutating func insert(_ vote: Vote) -> Bool {
        guard let (place, seat) = place(of: vote) else { return false }
        var voters = certificate.voters
        var signatures = certificate.signatures
        voters.insert(seat, at: place)
        signatures.insert(vote.signature, at: place)
        certificate = Certificate(ballot: certificate.ballot, voters: voters, signatures: signatures)
        return true
    }

    /// Takes over the votes of a certificate that was verified for the same committee; of another ballot there are none.
    public mutating func insert(_ other: Certificate) {
        guard other.ballot == certificate.ballot else { return }
        for (seat, signature) in zip(other.voters, other.signatures) {
            insert(Vote(ballot: other.ballot, voter: committee.seats[Int(seat)].key, signature: signature))
        }
    }

    /// Where it belongs among the voters, who ascend by seat.
    private func place(of vote: Vote) -> (place: Int, seat: UInt16)? {
        guard vote.ballot == certificate.ballot, let index = committee.index(of: vote.voter) else {
            return nil
        }
        let seat = UInt16(index)
        let place = certificate.voters.firstIndex { $0 >= seat } ?? certificate.voters.count
        if place < certificate.voters.count, certificate.voters[place] == seat { return nil }
        return (place, seat)
    }
}
