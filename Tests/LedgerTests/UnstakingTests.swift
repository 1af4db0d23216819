import Chance
import Identity
@testable import Ledger
import TestKit
import Testing
import Wire

private let token = World.token
private let transfer = TransactionKind.transfer(to: id(99), 1)

extension World {
    /// Accounts 1…count with a validator each, 151…, and others that have none; blocks have room for sixteen.
    fileprivate init(stakers count: UInt64, others: UInt64 = 0) throws {
        self.init(accounts: count + others, parameters: { $0.transactionsMax = 16 })
        try registerAll(count)
    }

    fileprivate mutating func registerAll(_ count: UInt64) throws {
        try run(
            (1...count).map { account in
                let consent = consent(150 + account, owner: id(account))
                return transaction(account, .registerValidator(consent, stake: 3_000 * Self.token))
            })
    }

    fileprivate func unstaking(_ account: UInt64, fee: Amount = 1_000, skip: UInt64 = 0) -> Transaction {
        transaction(account, .unstake(id(150 + account), Self.token), fee: fee, skip: skip)
    }

    fileprivate func select(_ pool: TransactionPool) -> [Transaction] {
        pool.select(
            max: Int(ledger.parameters.transactionsMax), randomness: randomness(next), ledger: ledger,
            epoch: next)
    }

    fileprivate func owes(_ accounts: [NodeID], besides transactions: [Transaction]) -> Bool {
        ledger.owes(
            accounts, besides: Ledger.order(transactions, randomness: randomness(next)),
            randomness: randomness(next))
    }

    /// The accounts in the next block's order.
    fileprivate func inOrder(_ accounts: ClosedRange<UInt64>) -> [UInt64] {
        let ordered = Ledger.order(
            accounts.map { transaction($0, transfer) }, randomness: randomness(next))
        return ordered.map { place in accounts.first { id($0) == place.account }! }
    }
}

@Test func `unstakings come before what pays more, up to a quarter of a block`() throws {
    let world = try World(stakers: 8, others: 16)
    var pool = TransactionPool()
    for account: UInt64 in 1...8 {
        #expect(pool.insert(world.unstaking(account), ledger: world.ledger, epoch: world.next) == nil)
    }
    for account: UInt64 in 9...24 {
        let paying = world.transaction(account, transfer, fee: 50_000)
        #expect(pool.insert(paying, ledger: world.ledger, epoch: world.next) == nil)
    }
    let selected = world.select(pool)
    #expect(selected.count == 16)
    let unstakers = selected.filter(\.kind.isUnstaking).map(\.account)
    #expect(unstakers == world.inOrder(1...8).prefix(4).map { id($0) })
}

@Test func `an unstaking that comes first holds back nothing behind it, and pays for nothing`() throws {
    let world = try World(stakers: 1, others: 15)
    var pool = TransactionPool()
    let chain = [
        world.unstaking(1), world.transaction(1, transfer, fee: 60_000, skip: 1),
        world.transaction(1, transfer, fee: 40_000, skip: 2),
    ]
    let others = (2...16).map { world.transaction($0, transfer, fee: 50_000) }
    for transaction in chain + others {
        #expect(pool.insert(transaction, ledger: world.ledger, epoch: world.next) == nil)
    }
    let own = world.select(pool).filter { $0.account == id(1) }
    #expect(own == Array(chain.prefix(2)))
}

@Test func `only an unstaking that pays more takes an unstaking's place, and one takes any other's`() throws {
    let world = try World(stakers: 1)
    var pool = TransactionPool()
    func insert(_ transaction: Transaction) -> TransactionFault? {
        pool.insert(transaction, ledger: world.ledger, epoch: world.next)
    }
    #expect(insert(world.transaction(1, transfer, fee: 9_000)) == nil)
    #expect(insert(world.unstaking(1)) == nil)
    #expect(insert(world.transaction(1, transfer, fee: 90_000)) == .wrongNonce)
    #expect(insert(world.unstaking(1, fee: 1_100)) == .feeTooLow)
    let last = world.unstaking(1, fee: 1_125)
    #expect(insert(last) == nil)
    #expect(pool.transactions(of: id(1)) == [last])
}

@Test func `a full pool takes an account's next unstaking and does not give it up`() throws {
    let perAccount = UInt64(TransactionPool.perAccountMax)
    let accounts = UInt64(TransactionPool.countMax) / perAccount
    var world = World(accounts: accounts + 2)
    let staker = accounts + 1
    let stake = TransactionKind.registerValidator(consent(150, owner: id(staker)), stake: 3_000 * token)
    try world.run([world.transaction(staker, stake)])
    var pool = TransactionPool()
    func insert(_ transaction: Transaction) -> TransactionFault? {
        pool.insert(transaction, ledger: world.ledger, epoch: world.next)
    }
    for account in 1...accounts {
        for skip in 0..<perAccount {
            #expect(insert(world.transaction(account, transfer, fee: 2_000, skip: skip)) == nil)
        }
    }
    let next = world.transaction(staker, .unstake(id(150), token))
    #expect(insert(world.transaction(staker, .unstake(id(150), token), skip: 1)) == .poolFull)
    #expect(insert(next) == nil)
    #expect(insert(world.transaction(staker, .unstake(id(150), token), skip: 1)) == .poolFull)
    #expect(insert(world.transaction(staker + 1, transfer, fee: 9_000)) == nil)
    #expect(pool.count == TransactionPool.countMax && pool.contains(next.id))
    pool.assertInvariants()
}

@Test func `a block owes what is due, if its quarter has room or is given to later ones`() throws {
    let world = try World(stakers: 6)
    let order = world.inOrder(1...6)
    let victim = [id(order[4])]
    func unstakings(_ places: [Int]) -> [Transaction] { places.map { world.unstaking(order[$0]) } }
    #expect(world.owes(victim, besides: []))
    #expect(world.owes(victim, besides: unstakings([0, 1, 2])))
    #expect(world.owes(victim, besides: unstakings([0, 1, 2, 5])))
    #expect(!world.owes(victim, besides: unstakings([0, 1, 2, 3])))
    #expect(!world.owes(victim, besides: unstakings([0, 1, 2, 3, 5])))
    // Others' transactions are no excuse, nor are unstakings behind them; the account's own is one.
    let behind = [world.transaction(order[3], transfer), world.unstaking(order[3], skip: 1)]
    #expect(world.owes(victim, besides: unstakings([0, 1, 2]) + behind))
    #expect(!world.owes(victim, besides: [world.transaction(order[4], transfer)]))
    #expect(!world.owes([], besides: []))
}

@Test func `what is due is an account's next, in time, and possible`() throws {
    var world = try World(stakers: 5)
    var pool = TransactionPool()
    let transactions = [
        world.unstaking(1), world.unstaking(2, skip: 1), world.transaction(3, transfer),
        world.unstaking(3, skip: 1),
        world.transaction(4, .unstake(id(154), token), expiry: world.next),
        world.transaction(5, .unstake(id(155), 3_000 * token), skip: 1),
    ]
    for transaction in transactions {
        #expect(pool.insert(transaction, ledger: world.ledger, epoch: world.next) == nil)
    }
    func due() -> [NodeID] { pool.unstakers(ledger: world.ledger, epoch: world.next) }
    #expect(due() == [id(1), id(4)].sorted())
    // What is in the block leaves too little for the fifth account's that is here.
    try world.run([transactions[2], world.transaction(5, .unstake(id(155), 2_000 * token))])
    #expect(due() == [id(1), id(3)].sorted())
    pool.prune(ledger: world.ledger)
    #expect(due() == [id(1), id(3)].sorted())
}

/// Four in ten are unstakings; many spoil another, or cannot stand at all.
private func anything(_ world: World, _ chance: inout Chance) -> Transaction {
    let account = UInt64(1 + chance.below(6))
    let amount = Amount(1 + chance.below(2_500)) * token
    let kinds: [TransactionKind] = [
        .unstake(id(150 + account), token * Amount(1 + chance.below(300))),
        .unstake(id(150 + account), amount),
        .unstake(id(150 + UInt64(1 + chance.below(6))), token),
        .unstake(id(150 + account), 3_000 * token),
        .stake(id(150 + account), amount),
        .transfer(to: id(UInt64(1 + chance.below(6))), amount),
        .transfer(to: id(99), world.ledger.account(id(account)).balance / 2),
        transfer, transfer, transfer,
    ]
    return world.transaction(
        account, kinds[chance.below(kinds.count)], fee: 990 + Amount(chance.below(1_000)),
        skip: UInt64(chance.below(3)), expiry: world.next + Epoch(chance.below(3)))
}

@Test(arguments: Seed.all)
func `who was offered what its judge held owes nothing, whatever else the two have heard`(seed: Seed) throws {
    var chance = seed.chance()
    var world = World(
        accounts: 6, balance: 7_000 * token, parameters: { $0.transactionsMax = 6 })
    try world.registerAll(6)
    var (judge, leader) = (TransactionPool(), TransactionPool())
    var judged = 0
    for _ in 0..<12 {
        for _ in 0..<12 {
            let transaction = anything(world, &chance)
            if chance.happens(1, in: 2) {
                _ = leader.insert(transaction, ledger: world.ledger, epoch: world.next)
            }
            if chance.happens(2, in: 3) {
                _ = judge.insert(transaction, ledger: world.ledger, epoch: world.next)
            }
        }
        let due = judge.unstakers(ledger: world.ledger, epoch: world.next)
        // In the window: the leader is offered all of it, and both hear more.
        var offered = (1...6).flatMap { judge.transactions(of: id($0)) }
        offered += (0..<12).map { _ in anything(world, &chance) }
        chance.shuffle(&offered)
        for transaction in offered {
            _ = leader.insert(transaction, ledger: world.ledger, epoch: world.next)
        }
        for _ in 0..<6 {
            _ = judge.insert(anything(world, &chance), ledger: world.ledger, epoch: world.next)
        }
        let block = world.select(leader)
        #expect(!world.owes(due, besides: block))
        judged += due.count
        // A leader that leaves out one of them, where there is room, is found out.
        for account in due {
            let rest = block.filter { $0.account != account }
            guard rest.count(where: \.kind.isUnstaking) < Ledger.unstakersMax(room: 6) else { continue }
            #expect(world.owes([account], besides: rest))
        }
        try world.run(block)
        judge.prune(ledger: world.ledger)
        leader.prune(ledger: world.ledger)
        judge.assertInvariants()
        leader.assertInvariants()
    }
    #expect(judged > 0)
}
