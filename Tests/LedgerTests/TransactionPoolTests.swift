import Chance
import Identity
@testable import Ledger
import TestKit
import Testing
import Wire

private let kind = TransactionKind.transfer(to: id(2), 1)

private func select(_ pool: TransactionPool, _ world: World, max: Int) -> [Transaction] {
    pool.select(max: max, randomness: randomness(world.next), ledger: world.ledger, epoch: world.next)
}

extension TransactionPool {
    fileprivate mutating func add(_ transaction: Transaction, _ world: World) {
        #expect(insert(transaction, ledger: world.ledger, epoch: world.next) == nil)
        assertInvariants()
    }
}

@Test func `a pool takes a transaction once and gives it back by its id`() throws {
    let world = World()
    var pool = TransactionPool()
    let transaction = world.transaction(1, kind)
    pool.add(transaction, world)
    #expect(pool.insert(transaction, ledger: world.ledger, epoch: 1) == nil)
    #expect(pool.count == 1 && pool.contains(transaction.id))
    #expect(pool.transaction(transaction.id) == transaction)
    #expect(pool.insert(world.transaction(3, kind, fee: 1), ledger: world.ledger, epoch: 1) == .feeTooLow)
}

@Test func `nonces may arrive in any order but leave without gaps`() throws {
    let world = World()
    var pool = TransactionPool()
    pool.add(world.transaction(1, kind, skip: 2), world)
    #expect(select(pool, world, max: 9).isEmpty)
    pool.add(world.transaction(1, kind, skip: 0), world)
    #expect(select(pool, world, max: 9).map(\.nonce) == [1])
    pool.add(world.transaction(1, kind, skip: 1), world)
    #expect(select(pool, world, max: 9).map(\.nonce) == [1, 2, 3])
    #expect(pool.insert(world.transaction(1, kind, skip: 64), ledger: world.ledger, epoch: 1) == .wrongNonce)
}

@Test func `a replacement pays an eighth more`() throws {
    let world = World()
    var pool = TransactionPool()
    pool.add(world.transaction(1, kind, fee: 8_000), world)
    for fee: Amount in [1_000, 8_001, 8_999] {
        #expect(
            pool.insert(world.transaction(1, kind, fee: fee), ledger: world.ledger, epoch: 1) == .feeTooLow)
    }
    pool.add(world.transaction(1, kind, fee: 9_000), world)
    #expect(pool.transactions(of: id(1)).map(\.fee) == [9_000])
}

@Test func `a chain may not spend more than the account has`() throws {
    let world = World()
    var pool = TransactionPool()
    let half = TransactionKind.transfer(to: id(2), 5_000 * World.token - 1_000)
    pool.add(world.transaction(1, half), world)
    pool.add(world.transaction(1, half, skip: 1), world)
    #expect(
        pool.insert(world.transaction(1, kind, skip: 2), ledger: world.ledger, epoch: 1)
            == .insufficientBalance)
}

@Test func `a full pool gives up the cheapest for one that pays more`() throws {
    let perAccount = UInt64(TransactionPool.perAccountMax)
    let accounts = UInt64(TransactionPool.countMax) / perAccount
    let world = World(accounts: accounts + 1)
    var pool = TransactionPool()
    for account in 1...accounts {
        for skip in 0..<perAccount {
            let transaction = world.transaction(account, kind, fee: 2_000 + account, skip: skip)
            #expect(pool.insert(transaction, ledger: world.ledger, epoch: 1) == nil)
        }
    }
    #expect(pool.count == TransactionPool.countMax)
    #expect(
        pool.insert(world.transaction(accounts + 1, kind, fee: 2_001), ledger: world.ledger, epoch: 1)
            == .poolFull)
    pool.add(world.transaction(accounts + 1, kind, fee: 2_002), world)
    #expect(pool.count == TransactionPool.countMax)
    #expect(pool.transactions(of: id(1)).count == Int(perAccount) - 1)
}

@Test func `selection prefers what pays most and never parts a chain`() throws {
    let world = World()
    var pool = TransactionPool()
    pool.add(world.transaction(1, kind, fee: 1_000), world)
    pool.add(world.transaction(1, kind, fee: 90_000, skip: 1), world)
    pool.add(world.transaction(3, kind, fee: 3_000), world)
    pool.add(world.transaction(4, kind, fee: 2_000), world)
    #expect(Set(select(pool, world, max: 2).map(\.account)) == [id(3), id(4)])
    #expect(Set(select(pool, world, max: 3).map(\.fee)) == [1_000, 2_000, 3_000])
    #expect(select(pool, world, max: 0).isEmpty)
}

@Test func `what pays much behind what pays little does not crowd out others`() throws {
    let world = World(accounts: 10)
    var pool = TransactionPool()
    for account: UInt64 in 1...9 {
        pool.add(world.transaction(account, kind, fee: 1_000), world)
        pool.add(world.transaction(account, kind, fee: 90_000, skip: 1), world)
    }
    pool.add(world.transaction(10, kind, fee: 2_000), world)
    #expect(select(pool, world, max: 1).map(\.account) == [id(10)])
    #expect(select(pool, world, max: 3).count == 3)
}

@Test func `those that spoil one another make room for others`() throws {
    let world = World()
    var pool = TransactionPool()
    // Each may register the sensor, and only one can.
    for account: UInt64 in [1, 2] {
        let register = TransactionKind.registerDevice(
            .sensor, consent(150, owner: id(account)), profile, nil)
        pool.add(world.transaction(account, register, fee: 9_000), world)
        pool.add(world.transaction(account, kind, fee: 8_000, skip: 1), world)
    }
    pool.add(world.transaction(3, kind, fee: 2_000), world)
    let selected = select(pool, world, max: 4)
    #expect(selected.count == 3)
    #expect(Set(selected.map(\.account)).count == 2)
    #expect(selected.contains { $0.account == id(3) })
}

@Test func `accounts that spoil their own chains take nobody's room`() throws {
    let balance = 100 * World.token
    let world = World(accounts: 7, balance: balance)
    var pool = TransactionPool()
    // More accounts than a selection is tried again: each empties itself before the rest of what it sent.
    for account: UInt64 in 1...5 {
        for skip: UInt64 in 0..<6 {
            pool.add(world.transaction(account, kind, fee: 8_000, skip: skip), world)
        }
        let everything = TransactionKind.transfer(to: id(7), balance - 12_000)
        pool.add(world.transaction(account, everything, fee: 12_000), world)
    }
    let honest = world.transaction(6, kind, fee: 2_000)
    pool.add(honest, world)
    let selected = select(pool, world, max: 6)
    #expect(selected.contains(honest))
    #expect(selected.count == 6)
}

@Test func `after a block the pool forgets the executed, the expired and the impossible`() throws {
    var world = World()
    var pool = TransactionPool()
    let executed = world.transaction(1, kind)
    pool.add(executed, world)
    pool.add(world.transaction(1, kind, skip: 1), world)
    pool.add(world.transaction(3, kind, expiry: 1), world)
    let all = TransactionKind.transfer(to: id(2), 9_000 * World.token)
    pool.add(world.transaction(4, all, skip: 1), world)
    let spend = world.transaction(4, all)
    try world.run([executed, spend])
    pool.prune(ledger: world.ledger)
    pool.assertInvariants()
    #expect(pool.transactions(of: id(1)).map(\.nonce) == [2])
    #expect(pool.transactions(of: id(3)).isEmpty)
    #expect(pool.transactions(of: id(4)).isEmpty)
    #expect(pool.count == 1)
}

@Test(arguments: Seed.all) func `what a pool selects always executes`(seed: Seed) throws {
    var chance = seed.chance()
    var world = World(accounts: 6, balance: 3_000 * World.token)
    var pool = TransactionPool()
    for _ in 0..<12 {
        for _ in 0..<30 {
            let account = UInt64(1 + chance.below(6))
            let amount = Amount(1 + chance.below(1_200)) * World.token
            let kinds: [TransactionKind] = [
                .transfer(to: id(UInt64(1 + chance.below(6))), amount),
                .registerDevice(
                    .sensor, consent(120 + UInt64(chance.below(9)), owner: id(account)), profile, nil),
                .updateDevice(
                    id(101 + UInt64(chance.below(4))), profile, owner: id(UInt64(1 + chance.below(6)))),
                .registerValidator(consent(150 + UInt64(chance.below(3)), owner: id(account)), stake: amount),
            ]
            let transaction = world.transaction(
                account, kinds[chance.below(kinds.count)], fee: 1_000 + Amount(chance.below(1_000)),
                skip: UInt64(chance.below(6)), expiry: world.next + Epoch(chance.below(3)))
            _ = pool.insert(transaction, ledger: world.ledger, epoch: world.next)
        }
        pool.assertInvariants()
        let selected = select(pool, world, max: chance.below(20))
        try world.run(world.input(selected))
        pool.prune(ledger: world.ledger)
        pool.assertInvariants()
        #expect(selected.allSatisfy { !pool.contains($0.id) })
    }
}
