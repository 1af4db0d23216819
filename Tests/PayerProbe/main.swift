import Bytes
import Foundation
import Identity
import Runtime
import Wire

// Pays a little to ever new accounts, until so many have come into being: fills a test network's state with what a late
// node cannot know from genesis. Of tests only.
//
//     PayerProbe GENESIS SEED COUNT NODE…
//
// The payers are the further accounts of `TestnetPlan`, one for each 64 that may wait at a time.

/// What an account may have waiting (`TransactionPool.perAccountMax`), so as many at once as a block takes.
let payers = 16
let arguments = CommandLine.arguments
guard arguments.count > 4, let seed = UInt64(arguments[2]), let count = Int(arguments[3]) else {
    print("usage: PayerProbe GENESIS SEED COUNT NODE…")
    exit(64)
}
let genesis = try GenesisFile.read(arguments[1])
let nodes = try arguments[4...].map { text in
    let (node, endpoint) = try PeersFile.node(text)
    return try Wallet(node: node, at: endpoint, network: genesis.network)
}
let keys = (0..<payers).map {
    SigningKey(seed: TestnetPlan.accountSeed(seed, index: $0).span.octetBytes)
}
let expiry = try nodes[0].account(keys[0].nodeID).lastFinal + 500
for number in 0..<count {
    let key = keys[number % payers]
    let receiver = NodeID(octets: Digest(of: Array("receiver \(number)".utf8)).octets)!
    let transaction = Transaction(
        account: key.nodeID, nonce: UInt64(number / payers + 1), fee: genesis.parameters.feeMin,
        expiry: expiry,
        kind: .transfer(to: receiver, 1)
    ).signed(by: key, network: genesis.network)
    // One node per payer, so that each sees an account's transactions in their order.
    let wallet = nodes[number % payers % nodes.count]
    submitting: while true {
        switch try wallet.submit(transaction) {
        case .pending, .final: break submitting
        // Too many wait already: the next block makes room.
        case .refused(.wrongNonce), .refused(.poolFull), .unknown: usleep(20_000)
        case .refused(let fault):
            print("payment \(number) is refused: \(fault)")
            exit(1)
        }
    }
    if number % 5_000 == 4_999 { print("\(number + 1) payments") }
}
