import Chance
import Identity
import Ledger
import TestKit
import Testing
import Wire

@Test func `the last block of a period fixes the committee of the period after the next`() throws {
    var world = World()
    let genesis = world.genesis.committee
    // Three epochs a period. Registered in block 1, effective at 5, so in time for block 6, the last of
    // period 1, which fixes period 3: epochs 10 to 12.
    let kind = TransactionKind.registerValidator(consent(150, owner: id(1)), stake: 2_000 * World.token)
    try world.run([world.transaction(1, kind)])
    var served: [Epoch: Int] = [:]
    while world.ledger.epoch < 14 {
        let outcome = try world.ledger.execute(world.input())
        #expect((outcome.fixedCommittee != nil) == outcome.epoch.isMultiple(of: 3))
        if let fixed = outcome.fixedCommittee {
            #expect(fixed.period == outcome.epoch / 3 + 1)
            #expect(fixed.committee.seats.count == (outcome.epoch < 5 ? 4 : 5))
        }
        let expected = world.ledger.knownCommittee(for: world.next + 1) ?? outcome.nextEpochCommittee
        #expect(outcome.nextEpochCommittee == expected)
        try world.run(world.input())
        served[world.next] = world.ledger.committee(for: world.next).seats.count
        #expect(world.ledger.nextFixedCommittee == world.ledger.committee(for: world.next + 3))
        #expect(world.ledger.committee(for: world.ledger.epoch).index(of: id(202)) != nil)
    }
    for (epoch, seats) in served { #expect(seats == (epoch < 10 ? 4 : 5)) }
    #expect(genesis.seats.count == 4)
    #expect(world.ledger.committee(for: 15).index(of: id(150)) != nil)
    #expect(world.ledger.knownCommittee(for: 1) == nil)
}

@Test func `who has unstaked loses the seat at the second hand-over`() throws {
    var world = World(accounts: 4)
    // The owner of validator 201 has no tokens for the fee yet.
    try world.run([world.transaction(1, .transfer(to: id(301), World.token))])
    try world.run([world.transaction(301, .unstake(id(201), 1_000 * World.token))])
    try world.idle(until: 9)
    #expect(world.ledger.committee(for: 9).seats.count == 4)
    #expect(world.ledger.committee(for: 10).seats.count == 3)
    try world.idle(until: 12)
}

@Test(arguments: 1...6 as ClosedRange<UInt32>, 3...9 as ClosedRange<Epoch>)
func `stake is locked for the whole unbonding time after the last epoch that it decided`(
    committeeEpochs: UInt32, epoch: Epoch
) throws {
    var world = World(parameters: { $0.committeeEpochs = committeeEpochs })
    try world.run([world.transaction(1, .transfer(to: id(301), World.token))])
    try world.idle(until: epoch - 1)
    try world.run([world.transaction(301, .unstake(id(201), 1_000 * World.token))])
    let due = world.ledger.unbonding(of: id(301)).map(\.due)
    var last: Epoch = 0
    while world.ledger.epoch < epoch + 30 {
        if world.ledger.committee(for: world.next).index(of: id(201)) != nil { last = world.next }
        try world.run()
    }
    #expect(due == [last + 5])
}

@Test func `a network that everyone left keeps its last committee`() throws {
    var world = World(validators: 1)
    try world.run([world.transaction(1, .transfer(to: id(301), World.token))])
    try world.run([world.transaction(301, .unstake(id(201), 1_000 * World.token))])
    try world.idle(until: 20)
    #expect(world.ledger.committee(for: 21) == world.genesis.committee)
    let kind = TransactionKind.registerValidator(consent(150, owner: id(1)), stake: 2_000 * World.token)
    try world.run([world.transaction(1, kind)])
    try world.idle(until: 34)
    #expect(world.ledger.committee(for: 34).seats.map(\.key) == [id(150)])
}

@Test func `a committee may change in every epoch`() throws {
    var world = World(parameters: { $0.committeeEpochs = 1 })
    for _ in 0..<6 { try world.run() }
    #expect(world.ledger.knownCommittee(for: 8) != nil)
}

@Test(arguments: Seed.all) func `above 200 validators seats are drawn in proportion to stake`(seed: Seed) {
    var chance = seed.chance()
    let count = 150 + chance.below(500)
    var candidates = (0..<count).map { number in
        let weight = 1 + UInt64(chance.below(chance.happens(1, in: 20) ? 1_000_000 : 1_000))
        return Seat(key: id(UInt64(number + 1)), vrfKey: vrfKey(UInt64(number + 1)), weight: weight)
    }
    let committee = Ledger.committee(of: candidates, randomness: randomness(seed.value))
    chance.shuffle(&candidates)
    #expect(Ledger.committee(of: candidates, randomness: randomness(seed.value)) == committee)
    guard count > Ledger.everyoneMax else {
        #expect(committee == Committee(seats: candidates))
        return
    }
    #expect(committee.weight == Ledger.sampledSeats)
    #expect(committee != Ledger.committee(of: candidates, randomness: randomness(seed.value + 1)))
    let whole = candidates.reduce(0) { $0 + $1.weight }
    for candidate in candidates {
        let hits = committee.index(of: candidate.key).map { committee.seats[$0].weight } ?? 0
        let exact = candidate.weight * Ledger.sampledSeats
        #expect(exact / whole <= hits && hits <= exact / whole + 1)
    }
}
