import Bytes
import Identity
import Ledger
import Membership
import TestKit
import Testing
import Wire

@testable import Node

/// What waits for the workers, while peers and strangers say more than these can check.
@Suite struct `Jobs at the workers` {
    private let world: World
    private var node: Node { world.nodes[0]! }

    init() throws {
        world = World(count: 4, chance: Seed.all[0].chance())
        for host in 0..<4 { try world.start(host) }
        let world = world
        #expect(world.run(for: .seconds(30)) { world.nodes[0]!.contacts.count { $0.link != nil } == 3 })
    }

    private func actions(of event: NodeEvent) -> [NodeAction] {
        var actions: [NodeAction] = []
        node.handle(event, at: world.now, actions: &actions)
        node.assertInvariants()
        return actions
    }

    private func hear(_ frame: Frame, from sender: NodeID, _ place: Endpoint) -> [NodeAction] {
        actions(of: .payload(Payload(frames: [frame]).encoded(), from: sender, place))
    }

    /// What comes of a transaction that a wallet sends.
    private func hear(_ transaction: Transaction, from wallet: SigningKey) -> [NodeAction] {
        let message = Message.transaction(transaction)
        return hear(.message(message.encoded()), from: wallet.nodeID, .loopback(port: 6_000))
    }

    private func jobs(in actions: [NodeAction]) -> [(ticket: UInt64, checks: [Check])] {
        actions.compactMap { if case .verify(let ticket, let checks) = $0 { (ticket, checks) } else { nil } }
    }

    private func stranger(_ number: UInt8) -> SigningKey {
        SigningKey(seed: Digest(of: [7, number]).octets.octetBytes, isGuarded: false)
    }

    /// The transfer of a payer that has enough, or of one that has nothing.
    private func transfer(_ nonce: UInt64, isGood: Bool) -> Transaction {
        let payer = isGood ? world.key(1) : stranger(99)
        return Transaction(
            account: payer.nodeID, nonce: nonce, fee: 1_000, expiry: 900,
            kind: .transfer(to: world.key(2).nodeID, 1)
        ).signed(by: payer, network: node.network)
    }

    /// Has the workers do what they are asked for.
    private func verify(_ jobs: [(ticket: UInt64, checks: [Check])]) -> [NodeAction] {
        jobs.flatMap { actions(of: .verified(ticket: $0.ticket, Verification(of: $0.checks))) }
    }

    @Test func `leave room for votes, whatever bundles and cards peers tell`() throws {
        let peer = world.key(1).nodeID
        var number: UInt64 = 0
        func tell() -> Int {
            let cards = (0..<4).map { _ in
                number += 1
                return NodeRecord(
                    node: NodeID(testing: 1_000 + number), sequence: 1, roles: [.validator],
                    endpoints: [.loopback(port: 6_000)], region: nil, version: 1)
            }
            var actions: [NodeAction] = []
            node.verify(
                .membership(.records(cards, asks: false, from: peer, world.endpoint(1))),
                cards.map { Node.check(of: $0, network: node.network) }, at: world.now, &actions)
            return jobs(in: actions).count
        }
        #expect((0..<Node.ticketsMax).reduce(0) { sum, _ in sum + tell() } == TicketShares.toldMax)
        let bundle = Bundle(
            author: world.key(2).nodeID, epoch: node.chain.openEpoch, ownTag: nil, reports: []
        ).signed(by: world.key(2), network: node.network)
        #expect(
            jobs(in: hear(.message(Message.bundle(bundle).encoded()), from: peer, world.endpoint(1))).isEmpty)
        let vote = Vote(.nullify(node.chain.openEpoch, 9), by: world.key(2), network: node.network)
        #expect(
            jobs(in: hear(.message(Message.vote(vote).encoded()), from: peer, world.endpoint(1))).count == 1)
    }

    @Test func `of a wallet whose transactions are worthless are few, and of another's no fewer for it`() {
        let worthless = (1...100).flatMap { jobs(in: hear(transfer($0, isGood: false), from: stranger(1))) }
        #expect(worthless.count == TicketShares.strangersTransactionsMax)
        #expect(jobs(in: hear(transfer(1, isGood: true), from: stranger(2))).isEmpty, "they are all in use")
        _ = verify(worthless)
        #expect(node.transactions.count == 0)
        #expect(
            jobs(in: hear(transfer(1_000, isGood: false), from: stranger(1))).isEmpty,
            "it has said what it may at once")
        #expect(jobs(in: hear(transfer(1, isGood: true), from: stranger(2))).count == 1)
    }

    @Test func `of a wallet whose transactions are good are as many as it sends`() {
        for nonce in UInt64(1)...60 {
            _ = verify(jobs(in: hear(transfer(nonce, isGood: true), from: stranger(1))))
        }
        #expect(node.transactions.count == 60)
    }

    @Test func `are none for what waits for a block, and it is not told to all once more`() {
        let transaction = transfer(1, isGood: true)
        let twice = (0..<2).flatMap { _ in jobs(in: hear(transaction, from: stranger(1))) }
        #expect(twice.count == 2)
        func sends(_ actions: [NodeAction]) -> Set<NodeID> {
            Set(actions.compactMap { if case .send(_, let to) = $0 { to.node } else { nil } })
        }
        #expect(sends(verify([twice[0]])).count > 1, "peers, and who sent it")
        #expect(sends(verify([twice[1]])) == [stranger(1).nodeID], "who sent it")
        let later = hear(transaction, from: stranger(3))
        #expect(jobs(in: later).isEmpty && sends(later) == [stranger(3).nodeID])
    }
}
