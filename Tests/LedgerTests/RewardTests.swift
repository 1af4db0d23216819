import Identity
import Ledger
import Testing
import Wire

/// Emission 1,000,000: 60,000 for validators; presence 940,000, of it 188,000 for beacons and 752,000 for
/// witnesses.
private func smallWorld() -> World {
    World(parameters: {
        $0.emissionPerEpoch = 1_000_000
        $0.halvingEpochs = 10
    })
}

private func amounts(_ outcome: BlockOutcome, _ kind: Reward.Kind) -> [NodeID: Amount] {
    Dictionary(outcome.rewards.filter { $0.kind == kind }.map { ($0.node, $0.amount) }, uniquingKeysWith: +)
}

@Test func `emission halves`() {
    var parameters = Parameters()
    parameters.emissionPerEpoch = 1_001
    parameters.halvingEpochs = 10
    let emission = { (epoch: Epoch) in RewardRule.emission(at: epoch, parameters: parameters) }
    #expect(emission(1) == 1_001)
    #expect(emission(10) == 1_001)
    #expect(emission(11) == 500)
    #expect(emission(21) == 250)
    #expect(emission(100) == 1)
    #expect(emission(101) == 0)
    #expect(emission(10_000) == 0)
}

@Test func `block 1 without verdicts mints nothing`() throws {
    var world = smallWorld()
    let outcome = try world.run()
    #expect(outcome.minted == 0 && outcome.rewards.isEmpty && outcome.burned == 0)
}

@Test func `presence is shared by units, dust goes to the treasury`() throws {
    var world = smallWorld()
    try world.run()
    let verdicts = [
        verdict(epoch: 1, beaconer: 101, units: 2_500, reports: [(102, 10_000), (103, 10_000)]),
        verdict(epoch: 1, beaconer: 102, units: 5_000, reports: [(103, 10_000), (104, 0)]),
    ]
    let outcome = try world.run(verdicts: verdicts)
    #expect(amounts(outcome, .beacon) == [id(101): 62_666, id(102): 125_333])
    #expect(amounts(outcome, .witness) == [id(102): 250_666, id(103): 501_333])
    #expect(amounts(outcome, .validator).values.reduce(0, +) == 60_000)
    #expect(outcome.minted == 1_000_000)
    // 188,000 − 187,999 and 752,000 − 751,999.
    #expect(outcome.totals.treasury == 2)
    #expect(world.ledger.account(id(2)).balance == 10_000 * World.token + 125_333 + 250_666)
    #expect(outcome.rewards.map(\.kind.rawValue) == [0, 0, 1, 1, 2, 2, 2, 2])
    #expect(outcome.totals.supply == world.genesis.committee.weight + 40_000 * World.token + 1_000_000)
}

@Test func `what nobody earns is not minted`() throws {
    var world = smallWorld()
    try world.run()
    let onlyBeacon = try world.run(verdicts: [verdict(epoch: 1, beaconer: 101, units: 1)])
    #expect(onlyBeacon.minted == 188_000 + 60_000)
    #expect(amounts(onlyBeacon, .beacon) == [id(101): 188_000])
    #expect(try world.run().minted == 60_000)
}

@Test func `votes are paid by weight and the builder for those above the quorum`() throws {
    var world = smallWorld()
    try world.run()
    // Four seats of 1,000 tokens; the quorum is 2/3 of the units and one: three seats.
    let three = try world.ledger.execute(world.input(without: [2]))
    let quarter: Amount = 54_000 / 4
    let builder = world.ledger.committee(for: 2).seats[0].key
    // Three seats are 1/3 of a token unit short of 3,000: (3000 − 2666.6…) / (4000 − 2666.6…) = 1/4, rounded
    // down.
    let above: Amount = 1_499
    #expect(builder == id(201))
    #expect(
        amounts(three, .validator) == [id(201): quarter + above, id(202): quarter, id(204): quarter])
    #expect(three.minted == 3 * quarter + above)
    let four = try world.ledger.execute(world.input())
    #expect(amounts(four, .validator)[id(201)] == quarter + 6_000)
    #expect(four.minted == 60_000)
    #expect(four.rewards.allSatisfy { $0.account == id(301 + $0.node.prefix - 201) })
}

@Test func `a lone validator earns the builder's part`() throws {
    var world = World(
        validators: 1,
        parameters: {
            $0.emissionPerEpoch = 1_000_000
            $0.stakeMin = 1
        })
    try world.run()
    #expect(try world.run().minted == 60_000)
}

@Test func `the owner effective at the beacon's epoch is paid`() throws {
    var world = smallWorld()
    try world.run([world.transaction(1, .updateDevice(id(101), profile, owner: id(2)))])
    try world.idle(until: 5)
    let outcome = try world.run(verdicts: [
        verdict(epoch: 4, beaconer: 101, units: 1, reports: [(102, 1)], tag: 1),
        verdict(epoch: 5, beaconer: 101, units: 3, reports: [(102, 1)], tag: 2),
    ])
    let beacons = outcome.rewards.filter { $0.kind == .beacon }
    #expect(beacons.map(\.account) == [id(1), id(2)])
    #expect(beacons.map(\.amount) == [47_000, 141_000])
    #expect(outcome.rewards.filter { $0.kind == .witness }.map(\.amount) == [752_000])
}

@Test func `certificates that are not the parent's make a block invalid`() throws {
    var world = smallWorld()
    var input = world.input()
    let stray = Certificate(
        ballot: .finalize(0, 1, .zero), voters: [0, 1, 2], signatures: [.zero, .zero, .zero])
    input.parentCertificate = stray
    #expect(throws: ExecutionFault.badCertificate) { try world.ledger.execute(input) }
    try world.run()
    func refused(_ ballot: Ballot, _ voters: [UInt16]) {
        var input = world.input()
        input.parentCertificate = Certificate(
            ballot: ballot, voters: voters, signatures: voters.map { _ in .zero })
        #expect(throws: ExecutionFault.badCertificate) { try world.ledger.execute(input) }
    }
    refused(.finalize(0, 1, .zero), [0, 1, 2])
    refused(.finalize(2, 1, .zero), [0, 1, 2])
    refused(.notarize(1, 1, .zero), [0, 1, 2])
    refused(.finalize(1, 1, .zero), [0, 1])
    refused(.finalize(1, 1, .zero), [0, 1, 4])
    refused(.finalize(1, 1, .zero), [0, 1, 1])
    refused(.finalize(1, 1, .zero), [2, 1, 0])
    input = world.input()
    input.parentCertificate = nil
    #expect(throws: ExecutionFault.badCertificate) { try world.ledger.execute(input) }
    input = world.input()
    input.builder = id(101)
    #expect(throws: ExecutionFault.notInCommittee) { try world.ledger.execute(input) }
    input = world.input()
    input.epoch = 3
    #expect(throws: ExecutionFault.wrongEpoch) { try world.ledger.execute(input) }
}

@Test func `the supply never passes its maximum`() throws {
    let supply = Ledger.supplyMax - 500
    var world = World(accounts: 1, balance: supply - 4_000 * World.token)
    #expect(world.ledger.totals.supply == supply)
    try world.run()
    for _ in 0..<6 {
        let verdicts = [verdict(epoch: world.ledger.epoch, beaconer: 101, units: 1, reports: [(102, 1)])]
        try world.run(verdicts: verdicts)
    }
    #expect(world.ledger.totals.supply == Ledger.supplyMax)
}
