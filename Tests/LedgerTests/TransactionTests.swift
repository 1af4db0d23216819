import Bytes
import Identity
import Ledger
import Testing
import Wire

private let token = World.token

private func fault(_ world: World, _ transaction: Transaction) -> TransactionFault? {
    let fault = world.ledger.check(transaction, at: world.next)
    // The pool's check and the block's are one rule.
    let block: ExecutionFault?
    do {
        _ = try world.ledger.execute(world.input([transaction]))
        block = nil
    } catch {
        block = error
    }
    #expect(block == fault.map { .transaction(index: 0, $0) })
    return fault
}

@Test func `a transfer moves the amount and pays the fee to the treasury`() throws {
    var world = World()
    try world.run([world.transaction(1, .transfer(to: id(2), 5 * token), fee: 2_000)])
    #expect(world.ledger.account(id(1)).balance == 9_995 * token - 2_000)
    #expect(world.ledger.account(id(1)).nonce == 1)
    #expect(world.ledger.account(id(2)).balance == 10_005 * token)
    #expect(world.ledger.totals.treasury == 2_000)
    try world.run([world.transaction(1, .transfer(to: id(1), token))])
    #expect(world.ledger.account(id(1)).balance == 9_995 * token - 3_000)
}

@Test func `nonce, expiry, fee and balance are judged`() throws {
    let world = World()
    let kind = TransactionKind.transfer(to: id(2), token)
    #expect(fault(world, world.transaction(1, kind)) == nil)
    #expect(fault(world, world.transaction(1, kind, skip: 1)) == .wrongNonce)
    let zeroNonce = Transaction(account: id(1), nonce: 0, fee: 1_000, expiry: 5, kind: kind)
    #expect(fault(world, zeroNonce) == .wrongNonce)
    #expect(fault(world, world.transaction(1, kind, expiry: 0)) == .expired)
    #expect(fault(world, world.transaction(1, kind, expiry: 1)) == nil)
    #expect(fault(world, world.transaction(1, kind, expiry: 1_001)) == nil)
    #expect(fault(world, world.transaction(1, kind, expiry: 1_002)) == .expiryTooFar)
    #expect(fault(world, world.transaction(1, kind, expiry: .max)) == .expiryTooFar)
    #expect(fault(world, world.transaction(1, kind, fee: 999)) == .feeTooLow)
    let balance = 10_000 * token
    #expect(fault(world, world.transaction(1, .transfer(to: id(2), balance - 1_000))) == nil)
    #expect(fault(world, world.transaction(1, .transfer(to: id(2), balance - 999))) == .insufficientBalance)
    #expect(fault(world, world.transaction(1, .transfer(to: id(2), .max))) == .insufficientBalance)
    #expect(fault(world, world.transaction(1, kind, fee: .max)) == .insufficientBalance)
    #expect(fault(world, world.transaction(99, kind)) == .insufficientBalance)
    #expect(fault(world, world.transaction(1, .transfer(to: id(2), 0))) == .zeroAmount)
}

@Test func `registrations need the device's consent to this owner and a free name`() throws {
    let world = World()
    let mine = consent(150, owner: id(1))
    let device = { (consent: Consent) in TransactionKind.registerDevice(.sensor, consent, profile, nil) }
    #expect(fault(world, world.transaction(1, device(mine))) == nil)
    #expect(fault(world, world.transaction(2, device(mine))) == .badConsent)
    #expect(fault(world, world.transaction(1, device(consent(101, owner: id(1))))) == .alreadyRegistered)

    let stake = 1_000 * token
    let validator = { (consent: Consent, stake: Amount) in
        TransactionKind.registerValidator(consent, stake: stake)
    }
    #expect(fault(world, world.transaction(1, validator(mine, stake))) == nil)
    #expect(fault(world, world.transaction(2, validator(mine, stake))) == .badConsent)
    #expect(fault(world, world.transaction(1, validator(mine, stake - 1))) == .stakeTooLow)
    #expect(fault(world, world.transaction(1, validator(mine, .max))) == .insufficientBalance)
    let taken = consent(201, owner: id(1))
    #expect(fault(world, world.transaction(1, validator(taken, stake))) == .alreadyRegistered)
}

@Test func `a device's entry and each place it asserts cost what genesis says, and the treasury has it`()
    throws
{
    var world = World(parameters: {
        $0.emissionPerEpoch = 0
        $0.registrationFee = 7 * token
        $0.locationFee = 3 * token
    })
    let entry = { (device: UInt64, place: Location?) in
        TransactionKind.registerDevice(.hotspot, consent(device, owner: id(1)), profile, place)
    }
    let fee: Amount = 1_000
    var paid: Amount = 0
    for (kind, cost) in [
        (entry(150, location(1)), 10 * token), (entry(151, nil), 7 * token),
        (.locate(id(151), location(2)), 3 * token), (.locate(id(151), location(3)), 3 * token),
        (.updateDevice(id(151), profile, owner: nil), 0),
        (.registerValidator(consent(152, owner: id(1)), stake: 1_000 * token), 0),
    ] {
        let before = world.ledger.account(id(1)).balance
        let isStake = if case .registerValidator = kind { true } else { false }
        try world.run([world.transaction(1, kind, fee: fee)])
        #expect(before - world.ledger.account(id(1)).balance == cost + fee + (isStake ? 1_000 * token : 0))
        paid += cost + fee
        #expect(world.ledger.totals.treasury == paid)
    }
    // Who holds the transaction's fee and not the entry's registers nothing.
    let left = world.ledger.account(id(1)).balance
    try world.run([world.transaction(1, .transfer(to: id(2), left - fee - fee - 10 * token + 1), fee: fee)])
    #expect(fault(world, world.transaction(1, entry(153, location(4)))) == .insufficientBalance)
    #expect(fault(world, world.transaction(1, entry(153, nil))) == nil)
}

@Test func `who opens an account for another pays for it, once`() throws {
    let fee: Amount = 1_000
    var world = World(parameters: {
        $0.emissionPerEpoch = 0
        $0.feeMin = 10
    })
    func cost(_ account: UInt64, to receiver: UInt64, amount: Amount) throws -> Amount {
        let before = world.ledger.account(id(account)).balance
        try world.run([world.transaction(account, .transfer(to: id(receiver), amount), fee: fee)])
        return before - world.ledger.account(id(account)).balance
    }
    #expect(try cost(1, to: 2, amount: 3) == 3 + fee)
    #expect(try cost(1, to: 1, amount: 3) == fee)
    #expect(try cost(1, to: 900, amount: 2_000) == 2_000 + fee + 10_000)
    #expect(world.ledger.totals.treasury == 3 * fee + 10_000)
    // It is open, also when it holds nothing.
    #expect(try cost(900, to: 1, amount: 1_000) == 2_000)
    #expect(try cost(2, to: 900, amount: 1 + fee) == 1 + 2 * fee)
    // Two that open the same in one block: the first pays.
    let both = [1, 2].map { world.transaction($0, .transfer(to: id(901), 1), fee: fee) }
    let treasury = world.ledger.totals.treasury
    try world.run(both)
    #expect(world.ledger.totals.treasury == treasury + 2 * fee + 10_000)
    // Who holds no more than amount and fee opens none.
    let poor = world.transaction(900, .transfer(to: id(902), 1), fee: fee)
    #expect(world.ledger.check(poor, at: world.next) == .insufficientBalance)
    #expect(
        world.ledger.check(world.transaction(900, .transfer(to: id(2), 1), fee: fee), at: world.next) == nil)
}

@Test func `only the owner changes a device or a stake`() throws {
    let world = World()
    #expect(fault(world, world.transaction(1, .locate(id(101), location(1)))) == nil)
    #expect(fault(world, world.transaction(2, .locate(id(101), location(1)))) == .notOwner)
    #expect(fault(world, world.transaction(1, .locate(id(777), location(1)))) == .notRegistered)
    let update = { (device: UInt64) in TransactionKind.updateDevice(id(device), profile, owner: nil) }
    #expect(fault(world, world.transaction(1, update(101))) == nil)
    #expect(fault(world, world.transaction(2, update(101))) == .notOwner)
    #expect(fault(world, world.transaction(1, update(777))) == .notRegistered)
    #expect(fault(world, world.transaction(1, .stake(id(201), token))) == .notOwner)
    #expect(fault(world, world.transaction(1, .stake(id(777), token))) == .notRegistered)
    #expect(fault(world, world.transaction(1, .unstake(id(201), token))) == .notOwner)
    #expect(fault(world, world.transaction(1, .unstake(id(777), token))) == .notRegistered)
    #expect(fault(world, world.transaction(1, .stake(id(201), 0))) == .zeroAmount)
    #expect(fault(world, world.transaction(1, .unstake(id(201), 0))) == .zeroAmount)
}

@Test func `unstaking leaves nothing or enough for a seat`() throws {
    var world = World()
    try world.run([
        world.transaction(1, .registerValidator(consent(150, owner: id(1)), stake: 1_500 * token))
    ])
    #expect(fault(world, world.transaction(1, .unstake(id(150), 500 * token))) == nil)
    #expect(fault(world, world.transaction(1, .unstake(id(150), 500 * token + 1))) == .stakeTooLow)
    #expect(fault(world, world.transaction(1, .unstake(id(150), 1_500 * token))) == nil)
    #expect(fault(world, world.transaction(1, .unstake(id(150), 1_500 * token + 1))) == .insufficientStake)
    #expect(fault(world, world.transaction(1, .stake(id(150), .max))) == .insufficientBalance)
    try world.run([world.transaction(1, .unstake(id(150), 1_500 * token))])
    #expect(fault(world, world.transaction(1, .stake(id(150), 999 * token))) == .stakeTooLow)
    #expect(fault(world, world.transaction(1, .stake(id(150), 1_000 * token))) == nil)
}

@Test func `unstaked stake weighs until r+4 and returns when its last committee is unbonded`() throws {
    var world = World(parameters: { $0.emissionPerEpoch = 0 })
    try world.run([
        world.transaction(1, .registerValidator(consent(150, owner: id(1)), stake: 1_500 * token))
    ])
    #expect(world.ledger.totals.staked == 5_500 * token)
    #expect(world.ledger.validator(id(150))!.version(at: 4) == nil)
    #expect(world.ledger.validator(id(150))!.version(at: 5)!.stake == 1_500 * token)
    try world.idle(until: 5)
    try world.run([world.transaction(1, .unstake(id(150), 500 * token))])
    let held = world.ledger.account(id(1)).balance
    #expect(held == 8_500 * token - 2_000)
    #expect(world.ledger.validator(id(150))!.version(at: 9)!.stake == 1_500 * token)
    #expect(world.ledger.validator(id(150))!.version(at: 10)!.stake == 1_000 * token)
    // The block that ends the period, 12, is the first to draw without it: 13, 14, 15 have their committee.
    #expect(world.ledger.unbonding(of: id(1)).map(\.due) == [15 + 5])
    #expect(world.ledger.totals.unbonding == 500 * token)
    try world.idle(until: 19)
    #expect(world.ledger.account(id(1)).balance == held)
    try world.run()
    #expect(world.ledger.account(id(1)).balance == held + 500 * token)
    #expect(world.ledger.totals.unbonding == 0)
    #expect(world.ledger.unbonding(of: id(1)).isEmpty)
}

@Test func `a change of block r takes effect at r+4 and its predecessor stays while verdicts need it`() throws
{
    var world = World()
    try world.idle(until: 5)
    try world.run([world.transaction(1, .locate(id(101), location(7)))])
    func place(_ epoch: Epoch) -> Location? { world.ledger.device(id(101))!.version(at: epoch)!.location }
    #expect(place(9) == location())
    #expect(place(10) == location(7))
    // The block after 11 judges beacons of 9 or later, sent from the old place.
    try world.idle(until: 11)
    #expect(place(9) == location())
    #expect(world.ledger.device(id(101))!.versions.count == 2)
    try world.run()
    #expect(world.ledger.device(id(101))!.versions.count == 1)
    #expect(place(10) == location(7))
}

@Test func `a registration takes effect at r+4`() throws {
    var world = World()
    let kind = TransactionKind.registerDevice(.hotspot, consent(150, owner: id(1)), profile, location())
    try world.run([world.transaction(1, kind)])
    #expect(!world.ledger.isEffective(id(150), at: 4))
    #expect(world.ledger.isEffective(id(150), at: 5))
    #expect(world.ledger.hotspots.map(\.id) == [id(101), id(102), id(103), id(104), id(150)])
}

@Test func `a second change in one epoch replaces the first's version and keeps its facts`() throws {
    var world = World()
    let other = RadioProfile(region: .eu868, gain: 30)
    try world.run([
        world.transaction(1, .locate(id(101), location(7))),
        world.transaction(1, .updateDevice(id(101), other, owner: id(2)), skip: 1),
    ])
    let device = world.ledger.device(id(101))!
    #expect(device.versions.map(\.effective) == [0, 5])
    #expect(device.versions[1].location == location(7))
    #expect(device.versions[1].profile == other)
    #expect(device.versions[1].owner == id(2))
    #expect(device.version(at: 4)!.owner == id(1))
    // Handed over is handed over, before it takes effect.
    #expect(fault(world, world.transaction(1, .locate(id(101), location(8)))) == .notOwner)
    #expect(fault(world, world.transaction(2, .locate(id(101), location(8)))) == nil)
}

@Test func `a change in every epoch always finds room`() throws {
    var world = World()
    for number in 0..<20 {
        try world.run([world.transaction(1, .locate(id(101), location(Int32(number))))])
        #expect(world.ledger.device(id(101))!.versions.count <= Device.versionsMax)
    }
}

@Test func `a device that holds all the versions it may is not changed again`() throws {
    let world = World()
    var entries = world.ledger.entries
    let index = try #require(entries.firstIndex { $0.0 == .device(id(101)) })
    var device = world.ledger.device(id(101))!
    for epoch in 1..<Epoch(Device.versionsMax) {
        var version = device.versions[0]
        version.effective = 10 + epoch
        device.versions.append(version)
    }
    entries[index].1 = device.encoded()
    var full = world
    full.ledger = try Ledger(restoring: entries, parameters: world.genesis.parameters, epoch: 0)
    #expect(fault(full, full.transaction(1, .locate(id(101), location(7)))) == .tooManyChanges)
    let update = TransactionKind.updateDevice(id(101), profile, owner: nil)
    #expect(fault(full, full.transaction(1, update)) == .tooManyChanges)
}

@Test func `transactions out of order or too many make a block invalid`() throws {
    let world = World(parameters: { $0.transactionsMax = 8 })
    var transactions = (1...4).flatMap { account in
        (0..<2).map { world.transaction(account, .transfer(to: id(9), token), skip: $0) }
    }
    transactions = Ledger.order(transactions, randomness: randomness(1))
    for index in transactions.indices.dropFirst() {
        var input = world.input()
        input.transactions = transactions
        _ = try world.ledger.execute(input)
        input.transactions.swapAt(index - 1, index)
        #expect(throws: ExecutionFault.self) { try world.ledger.execute(input) }
    }
    var input = world.input()
    input.transactions = Array(transactions.reversed())
    #expect(throws: ExecutionFault.wrongOrder(index: 1)) { try world.ledger.execute(input) }
    input.transactions = Array(repeating: transactions[0], count: 2)
    #expect(throws: ExecutionFault.wrongOrder(index: 1)) { try world.ledger.execute(input) }
    // An account's transactions stand together.
    input.transactions = [transactions[0], transactions[2], transactions[1]]
    #expect(throws: ExecutionFault.wrongOrder(index: 2)) { try world.ledger.execute(input) }
    input.transactions = transactions + [world.transaction(5, .transfer(to: id(9), 1))]
    #expect(throws: ExecutionFault.tooManyTransactions) { try world.ledger.execute(input) }
}
