internal import Bytes
public import Identity
public import Wire

/// Who decides when (consensus, "Setup").
///
/// Period p holds the `committeeEpochs` epochs e with (e − 1) / committeeEpochs = p. The last block of period
/// p fixes the committee of p + 2 from the registry effective at that block; genesis' serves 0 and 1. So
/// within a period its own committee and the next are always known, and every header can name both.
extension Ledger {
    /// Up to so many validators everyone has a seat.
    public static let everyoneMax = 200
    /// Above that, so many seats are drawn: 100 would be unsafe.
    public static let sampledSeats: UInt64 = 300

    /// The period of an epoch; block 0 counts to the first.
    public static func period(of epoch: Epoch, committeeEpochs: UInt32) -> UInt64 {
        epoch == 0 ? 0 : (epoch - 1) / UInt64(committeeEpochs)
    }

    /// C(epoch), for the last executed epoch, the open one, and all up to the end of the period after it.
    public func committee(for epoch: Epoch) -> Committee {
        guard let committee = knownCommittee(for: epoch) else {
            preconditionFailure("the state holds no committee for this epoch")
        }
        return committee
    }

    /// C(epoch) for an epoch that a stranger names: nil if it is forgotten or not fixed yet.
    public func knownCommittee(for epoch: Epoch) -> Committee? {
        tables.committees[Self.period(of: epoch, committeeEpochs: parameters.committeeEpochs)]
    }

    /// The committee of the period after that of the open epoch: `nextCommittee` of the next block's header.
    public var nextFixedCommittee: Committee {
        tables.committees[Self.period(of: epoch + 1, committeeEpochs: parameters.committeeEpochs) + 1]!
    }

    /// The periods whose committees the state keeps after block `epoch`, ascending.
    static func periodsHeld(after epoch: Epoch, committeeEpochs: UInt32) -> [UInt64] {
        let ended = epoch / UInt64(committeeEpochs)
        return ended == 0 ? [0, 1] : [ended - 1, ended, ended + 1]
    }

    /// The last epoch in which a committee weighs what a change that is effective at `effective` takes away.
    ///
    /// The next last block of a period sees the change first, and the period after that one is fixed already.
    static func lastServed(before effective: Epoch, committeeEpochs: UInt32) -> Epoch {
        let length = Epoch(committeeEpochs)
        return (effective + length - 1) / length * length + length
    }

    /// A committee from every validator with enough stake; keys distinct, in any order.
    ///
    /// Up to `everyoneMax` by stake. Above: systematic sampling. The candidates stand in a line, shuffled by
    /// BLAKE2b-256(R ‖ key), each as long as its stake; `sampledSeats` marks at equal distance, the first
    /// drawn from R, hit them; the weight is the number of hits. A share of the stake gets that share of the
    /// marks within one, whoever holds it.
    public static func committee(of candidates: [Seat], randomness: Digest) -> Committee {
        guard candidates.count > everyoneMax else { return Committee(seats: candidates) }
        let line = candidates.map { (place: hash(randomness, $0.key.octets), seat: $0) }
            .sorted { $0.place < $1.place }.map(\.seat)
        let length = line.reduce(UInt128(0)) { $0 + UInt128($1.weight) }
        // In units of 1/sampledSeats of a stake unit, so that marks lie `length` apart, exactly.
        var mark = UInt128(hash(randomness, Array("committee".utf8)).prefix) % length
        var end: UInt128 = 0
        var seats: [Seat] = []
        for candidate in line {
            end += UInt128(candidate.weight) * UInt128(sampledSeats)
            guard mark < end else { continue }
            let hits = (end - mark - 1) / length + 1
            mark += hits * length
            seats.append(Seat(key: candidate.key, vrfKey: candidate.vrfKey, weight: UInt64(hits)))
        }
        return Committee(seats: seats)
    }

    private static func hash(_ randomness: Digest, _ octets: [UInt8]) -> Digest {
        var writer = ByteWriter(capacity: 64)
        randomness.encode(to: &writer)
        writer.raw(octets)
        return Digest(of: writer.bytes)
    }
}

extension Draft {
    /// In the last block of period p: fixes the committee of p + 2 and forgets that of p − 1.
    mutating func fixCommittee(
        at epoch: Epoch, randomness: Digest
    ) -> (period: UInt64, committee: Committee)? {
        guard epoch.isMultiple(of: Epoch(parameters.committeeEpochs)) else { return nil }
        let period = Ledger.period(of: epoch, committeeEpochs: parameters.committeeEpochs)
        var candidates: [Seat] = []
        for id in Set(base.validators.keys).union(changes.validators.keys).sorted() {
            guard let version = validator(id)!.version(at: epoch), version.stake >= parameters.stakeMin else {
                continue
            }
            candidates.append(Seat(key: id, vrfKey: version.vrfKey, weight: version.stake))
        }
        // Without a candidate the next committee stays on: a network that everyone left must still be able to
        // take in whoever stakes again.
        let committee =
            candidates.isEmpty
            ? self.committee(period + 1)! : Ledger.committee(of: candidates, randomness: randomness)
        changes.committees[period + 2] = .some(committee)
        if period > 0 { changes.committees.updateValue(nil, forKey: period - 1) }
        return (period + 2, committee)
    }
}
