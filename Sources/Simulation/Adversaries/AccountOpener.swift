internal import Bytes
internal import Chance
internal import Identity
internal import Wire

/// Sends one unit each to ever new keys, for the least fee: every node has to remember an account for ever that nobody uses.
struct AccountOpener: Adversary {
    private var chance: Chance
    private var nonce: UInt64 = 0
    private var sent = Recent<Transaction>(max: 8)

    init(chance: Chance) { self.chance = chance }

    mutating func tick(scene: inout Scene) {
        nonce += 1
        let stranger = SigningKey(seed: chance.octets(SigningKey.seedByteCount).octetBytes).nodeID
        sent.add(
            Transaction(
                account: scene.id, nonce: nonce, fee: scene.genesis.parameters.feeMin,
                expiry: scene.openEpoch + 8, kind: .transfer(to: stranger, 1)
            ).signed(by: scene.key, network: scene.network))
        // Whatever is lost keeps all that follow from being executed.
        for transaction in sent.list { scene.sendToAll(.transaction(transaction)) }
    }
}
