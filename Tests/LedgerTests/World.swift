import Bytes
import Chance
import Geo
import Identity
import Ledger
import Wire

/// Decodes what has no other initialiser.
func decoded<Value: Canonical>(_ octets: [UInt8]) -> Value {
    try! Value(decoding: octets)
}

func id(_ number: UInt64) -> NodeID { NodeID(testing: number) }

func vrfKey(_ number: UInt64) -> VRFPublicKey { VRFPublicKey(words: id(number).words) }

func randomness(_ epoch: Epoch) -> Digest { Digest(of: epoch.encoded()) }

/// Some place in Manhattan: the cell stays, the coordinates move a little.
func location(_ number: Int32 = 0) -> Location {
    var writer = ByteWriter()
    writer.integer(Int32(407_000_000) + number)
    writer.integer(Int32(-740_000_000))
    writer.integer(UInt64(0x8c2a_1072_b598_1ff))
    return decoded(writer.bytes)
}

let profile = RadioProfile(region: .us915, gain: 12)

/// A consent whose signature nobody looks at: the host has.
func consent(_ device: UInt64, owner: NodeID) -> Consent {
    var writer = ByteWriter()
    id(device).encode(to: &writer)
    owner.encode(to: &writer)
    vrfKey(device).encode(to: &writer)
    Signature.zero.encode(to: &writer)
    return decoded(writer.bytes)
}

func measurement() -> Measurement {
    Measurement(rssi: -900, snr: 50, frequency: 904_600_000, dataRate: .sf8bw125)
}

/// A beacon's verdict that gives these units to these devices.
func verdict(
    epoch: Epoch, beaconer: UInt64, units: UInt32, reports: [(UInt64, UInt32)] = [], tag: UInt64 = 0
) -> BeaconVerdict {
    BeaconVerdict(
        epoch: epoch, tag: Tag(tag), beaconer: id(beaconer), reason: .valid, scale: 10_000, units: units,
        reports: reports.map {
            ReportVerdict(
                reporter: id($0.0), reason: .valid, side: .reporter, measurement: measurement(), units: $0.1)
        })
}

/// A small network and its ledger. Accounts are 1…accounts; hotspots 101… belong to them in turn; validators
/// are 201… and belong to accounts 301….
struct World {
    static let token: Amount = 100_000_000

    var ledger: Ledger
    let genesis: Genesis

    init(
        accounts: UInt64 = 4, balance: Amount = 10_000 * token, hotspots: UInt64 = 4, validators: UInt64 = 4,
        parameters edit: (inout Parameters) -> Void = { _ in }
    ) {
        var parameters = Parameters()
        parameters.committeeEpochs = 3
        parameters.unbondingEpochs = 5
        parameters.penaltyEpochs = 5
        edit(&parameters)
        genesis = Genesis(
            name: "test", isTest: true, parameters: parameters, randomness0: randomness(0),
            randomness1: randomness(1),
            accounts: (0..<accounts).map { GenesisAccount(account: id($0 + 1), balance: balance) },
            devices: (0..<hotspots).map {
                GenesisDevice(
                    device: id(101 + $0), kind: .hotspot, owner: id($0 % max(accounts, 1) + 1),
                    vrfKey: vrfKey(101 + $0), profile: profile, location: location())
            },
            validators: (0..<validators).map {
                GenesisValidator(
                    validator: id(201 + $0), owner: id(301 + $0), vrfKey: vrfKey(201 + $0),
                    stake: 1_000 * Self.token)
            })
        ledger = Ledger(genesis: genesis)
    }

    var next: Epoch { ledger.epoch + 1 }

    /// A finalize certificate of the last block by all seats but those.
    func certificate(without absent: Set<UInt16> = []) -> Certificate? {
        guard ledger.epoch > 0 else { return nil }
        let committee = ledger.committee(for: ledger.epoch)
        let voters = committee.seats.indices.map { UInt16($0) }.filter { !absent.contains($0) }
        return Certificate(
            ballot: .finalize(ledger.epoch, 1, .zero), voters: voters,
            signatures: voters.map { _ in .zero })
    }

    func input(
        _ transactions: [Transaction] = [], verdicts: [BeaconVerdict] = [],
        activities: [(NodeID, Activity)] = [], without absent: Set<UInt16> = []
    ) -> BlockInput {
        BlockInput(
            epoch: next, randomness: randomness(next), builder: ledger.committee(for: next).seats[0].key,
            transactions: Ledger.order(transactions, randomness: randomness(next)),
            parentCertificate: certificate(without: absent),
            parentCommittee: ledger.committee(for: ledger.epoch), verdicts: verdicts, activities: activities)
    }

    @discardableResult
    mutating func run(_ input: BlockInput) throws -> BlockOutcome {
        let outcome = try ledger.execute(input)
        ledger.apply(outcome)
        ledger.assertInvariants()
        precondition(ledger.stateRoot == outcome.stateRoot && ledger.totals == outcome.totals)
        return outcome
    }

    @discardableResult
    mutating func run(
        _ transactions: [Transaction] = [], verdicts: [BeaconVerdict] = []
    ) throws -> BlockOutcome {
        try run(input(transactions, verdicts: verdicts))
    }

    mutating func idle(until epoch: Epoch) throws {
        while ledger.epoch < epoch { try run() }
    }

    /// The account's next transaction, or the one after `skip` others.
    func transaction(
        _ account: UInt64, _ kind: TransactionKind, fee: Amount = 1_000, skip: UInt64 = 0,
        expiry: Epoch? = nil
    ) -> Transaction {
        Transaction(
            account: id(account), nonce: ledger.account(id(account)).nonce + 1 + skip, fee: fee,
            expiry: expiry ?? next + 10, kind: kind)
    }
}
