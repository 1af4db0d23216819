internal import Bytes
public import Chance
internal import Identity
public import Wire

extension Header: Sample {
    public static func any(from chance: inout Chance) -> Header {
        any(from: &chance, epoch: chance.word())
    }

    public static func any(from chance: inout Chance, epoch: Epoch) -> Header {
        Header(
            network: .any(from: &chance), epoch: epoch, parent: .any(from: &chance),
            builder: .any(from: &chance), buildView: chance.word(), randomnessProof: .any(from: &chance),
            randomness: .any(from: &chance), evidence: .any(from: &chance),
            transactionsRoot: .any(from: &chance), verdictsRoot: .any(from: &chance),
            stateRoot: .any(from: &chance), committee: .any(from: &chance),
            nextCommittee: .any(from: &chance), parameters: .any(from: &chance), wallTime: chance.word())
    }
}

extension Ballot.Kind: Sample {
    public static func any(from chance: inout Chance) -> Ballot.Kind { chance.one(of: Array(allCases)) }
}

extension Ballot: Sample {
    public static func any(from chance: inout Chance) -> Ballot {
        switch Kind.any(from: &chance) {
        case .notarize: .notarize(chance.word(), chance.word(), .any(from: &chance))
        case .nullify: .nullify(chance.word(), chance.word())
        case .finalize: .finalize(chance.word(), chance.word(), .any(from: &chance))
        }
    }
}

extension Vote: Sample {
    public static func any(from chance: inout Chance) -> Vote {
        Vote(ballot: .any(from: &chance), voter: .any(from: &chance), signature: .any(from: &chance))
    }
}

extension Certificate: Sample {
    public static func any(from chance: inout Chance) -> Certificate {
        any(from: &chance, ballot: .any(from: &chance))
    }

    public static func any(from chance: inout Chance, ballot: Ballot) -> Certificate {
        let seats = chance.happens(1, in: 8) ? seatsMax : 12
        let voters = (0..<seats).filter { _ in chance.bool() }.map { UInt16($0) }
        return Certificate(
            ballot: ballot, voters: voters, signatures: voters.map { _ in .any(from: &chance) })
    }
}

extension Proposal: Sample {
    public static func any(from chance: inout Chance) -> Proposal {
        Proposal(
            view: chance.word(), parentView: chance.word(), header: .any(from: &chance),
            justification: chance.list(max: 3), vote: .any(from: &chance))
    }
}

extension Seat: Sample {
    public static func any(from chance: inout Chance) -> Seat {
        Seat(
            key: .any(from: &chance), vrfKey: .any(from: &chance),
            weight: UInt64(1 + chance.below(1 << 50)))
    }
}

extension Committee: Sample {
    public static func any(from chance: inout Chance) -> Committee {
        Committee(seats: chance.list(max: 9))
    }
}

extension Body: Sample {
    public static func any(from chance: inout Chance) -> Body {
        Body(transactions: chance.list(max: 4), parentCertificate: chance.maybe())
    }
}

extension Block: Sample {
    public static func any(from chance: inout Chance) -> Block {
        Block(
            header: .any(from: &chance), body: .any(from: &chance),
            evidence: chance.ascending(max: 3) { $0.author })
    }
}

extension FinalHeader: Sample {
    public static func any(from chance: inout Chance) -> FinalHeader {
        let header = Header.any(from: &chance)
        return FinalHeader(
            header: header,
            certificate: .any(
                from: &chance, ballot: .finalize(header.epoch, chance.word(), header.digest)))
    }
}
