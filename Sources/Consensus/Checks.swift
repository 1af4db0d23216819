internal import Bytes
public import Identity
internal import Rules
public import Wire

/// One signature to be verified by a worker, singly: batch verification accepts a different set of signatures.
public struct SignatureCheck: Hashable, Sendable {
    public let key: NodeID
    public let preimage: [UInt8]
    public let signature: Signature

    public init(key: NodeID, preimage: [UInt8], signature: Signature) {
        self.key = key
        self.preimage = preimage
        self.signature = signature
    }

    public var holds: Bool { key.signed(preimage.octetBytes, with: signature) }
}

extension Ballot {
    /// Whether one key that signs both can be punished: these are the contradictions that agreement rests on.
    public func contradicts(_ other: Ballot) -> Bool {
        guard epoch == other.epoch, view == other.view else { return false }
        switch (self, other) {
        case (.notarize(_, _, let mine), .notarize(_, _, let theirs)),
            (.finalize(_, _, let mine), .finalize(_, _, let theirs)),
            (.notarize(_, _, let mine), .finalize(_, _, let theirs)),
            (.finalize(_, _, let mine), .notarize(_, _, let theirs)):
            return mine != theirs
        case (.finalize, .nullify), (.nullify, .finalize): return true
        case (.notarize, .nullify), (.nullify, .notarize), (.nullify, .nullify): return false
        }
    }
}

extension Vote {
    /// What workers verify before consensus sees the vote.
    public func checks(network: Digest) -> [SignatureCheck] {
        let preimage = SigningDomain.vote.preimage(network: network, message: ballot.encoded())
        return [SignatureCheck(key: voter, preimage: preimage, signature: signature)]
    }

    public func isSigned(network: Digest) -> Bool {
        checks(network: network).allSatisfy(\.holds)
    }
}

extension Certificate {
    /// Whether its voters ascend and have seats.
    public func isWellFormed(in committee: Committee) -> Bool {
        guard voters.count == signatures.count, ballot.view > 0 else { return false }
        for (place, voter) in voters.enumerated() {
            if place > 0, voters[place - 1] >= voter { return false }
            if Int(voter) >= committee.seats.count { return false }
        }
        return true
    }

    /// Whether its voters weigh more than two thirds of the committee.
    public func hasQuorum(in committee: Committee) -> Bool {
        guard isWellFormed(in: committee) else { return false }
        let weight = voters.reduce(UInt64(0)) { $0 + committee.seats[Int($1)].weight }
        return weight >= committee.quorum
    }

    /// What workers verify; nil if a voter has no seat or the weight falls short, which needs no worker.
    public func checks(in committee: Committee, network: Digest) -> [SignatureCheck]? {
        guard hasQuorum(in: committee) else { return nil }
        let preimage = SigningDomain.vote.preimage(network: network, message: ballot.encoded())
        return zip(voters, signatures).map { voter, signature in
            SignatureCheck(key: committee.seats[Int(voter)].key, preimage: preimage, signature: signature)
        }
    }

    public func isValid(in committee: Committee, network: Digest) -> Bool {
        checks(in: committee, network: network)?.allSatisfy(\.holds) ?? false
    }
}

extension Proposal {
    /// What workers verify: the leader's vote and every attached certificate; nil if one cannot be valid.
    public func checks(in committee: Committee, network: Digest) -> [SignatureCheck]? {
        guard committee.index(of: vote.voter) != nil else { return nil }
        guard case .notarize(header.epoch, view, header.digest) = vote.ballot else { return nil }
        var checks = vote.checks(network: network)
        for certificate in justification {
            guard certificate.ballot.epoch == header.epoch, certificate.ballot.view < view,
                let more = certificate.checks(in: committee, network: network)
            else { return nil }
            if !isRemoved(.justificationSignatures) { checks += more }
        }
        return checks
    }

    public func isValid(in committee: Committee, network: Digest) -> Bool {
        checks(in: committee, network: network)?.allSatisfy(\.holds) ?? false
    }
}
