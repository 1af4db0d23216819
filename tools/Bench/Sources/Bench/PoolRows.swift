internal import Identity
internal import Ledger
internal import Wire

/// A pool that is full, as when a network is asked for more than it takes: each account has one transaction in it.
enum PoolRows {
    static func measure() -> [Row] {
        let accounts = UInt64(TransactionPool.countMax)
        let genesis = World.genesis(devices: [], accounts: 2 * accounts + 1)
        let ledger = Ledger(genesis: genesis)
        var pool = TransactionPool()
        func offer(_ account: UInt64, fee: Amount, amount: Amount = 1) -> TransactionFault? {
            let transaction = Transaction(
                account: World.key(account), nonce: 1, fee: fee, expiry: 100,
                kind: .transfer(to: World.key(1), amount))
            return pool.insert(transaction, ledger: ledger, epoch: 1)
        }
        let base: Amount = 1_000_000
        let fill = best(rounds: 1, operations: Int(accounts)) {
            pool = TransactionPool()
            for account in 1...accounts {
                guard offer(account, fee: base + account) == nil else { fatalError("there is room") }
            }
        }
        let refused = best(rounds: 5, operations: 200) {
            for amount in UInt64(1)...200 {
                guard offer(2 * accounts + 1, fee: base, amount: amount) == .poolFull else {
                    fatalError("it pays least")
                }
            }
        }
        var next = accounts
        let taken = best(rounds: 5, operations: 200) {
            for _ in 0..<200 {
                next += 1
                guard offer(next, fee: base + 2 * accounts) == nil else { fatalError("it pays more") }
            }
        }
        let select = best(rounds: 5, operations: 1) {
            keep(pool.select(max: 1_024, randomness: World.randomness(1), ledger: ledger, epoch: 1))
        }
        return [
            .time("a transaction into a pool with room", fill),
            .time("– refused by a full pool", refused),
            .time("– in place of the cheapest", taken),
            .time("– a block's of a full pool", select),
        ]
    }
}
