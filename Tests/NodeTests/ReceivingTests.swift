import Bytes
import Chance
import Identity
import Membership
import TestKit
import Testing
import Wire

@testable import Node

/// Of nobody in the network.
private func stranger(_ number: UInt8) -> NodeID {
    SigningKey(seed: Digest(of: [number]).octets.octetBytes, isGuarded: false).nodeID
}

/// What a node makes of the frames of one payload, by who sent it and from where.
@Suite struct `Payloads` {
    private func world() throws -> World {
        let world = World(count: 3, chance: Seed.all[0].chance())
        for host in 0..<3 { try world.start(host) }
        #expect(world.run(for: .seconds(30)) { world.nodes[0]!.contacts.count { $0.link != nil } == 2 })
        return world
    }

    private func sends(_ frames: [Frame], from sender: NodeID, _ place: Endpoint, in world: World) -> Int {
        var actions: [NodeAction] = []
        // What is due anyway is no answer.
        world.nodes[0]!.handle(.woke, at: world.now, actions: &actions)
        actions = []
        world.nodes[0]!.handle(
            .payload(Payload(frames: frames).encoded(), from: sender, place), at: world.now, actions: &actions
        )
        return actions.count { if case .send = $0 { true } else { false } }
    }

    /// Of an account that has nothing, with a signature that nobody made.
    private func transfer(_ nonce: UInt64) -> Message {
        .transaction(
            Transaction(
                account: stranger(1), nonce: nonce, fee: 1, expiry: 100, kind: .transfer(to: stranger(2), 1),
                signature: Signature(octets: [UInt8](repeating: 1, count: 64).octetBytes)))
    }

    /// What goes to the workers because of one frame.
    private func tickets(
        for frame: Frame, from sender: NodeID, _ place: Endpoint, at now: Instant, in node: Node
    ) -> [UInt64] {
        var actions: [NodeAction] = []
        node.handle(
            .payload(Payload(frames: [frame]).encoded(), from: sender, place), at: now, actions: &actions)
        return actions.compactMap { if case .verify(let ticket, _) = $0 { ticket } else { nil } }
    }

    @Test(arguments: [Endpoint.nowhere, .loopback(port: 9)])
    func `a peer that asks about another is where it asks from`(there: Endpoint) throws {
        let world = try world()
        let (peer, place) = (world.key(1).nodeID, world.endpoint(1))
        _ = sends(
            [.indirectPing(world.key(2).nodeID, there, nonce: 7)], from: peer, place, in: world)
        let account = try #require(world.nodes[0]!.contacts.first { $0.node == peer })
        #expect(account.endpoint == place)
    }

    @Test func `a stranger is not answered as often as a payload has frames`() throws {
        let world = try world()
        let probes = (0..<32).map { Frame.probe(nonce: UInt64($0)) }
        let answers = sends(probes, from: stranger(1), .loopback(port: 5_000), in: world)
        #expect(answers == Node.strangersFramesMax)
        #expect(sends(probes, from: world.key(1).nodeID, world.endpoint(1), in: world) == 32, "a peer's are")
    }

    @Test
    func `a stranger's dials are answered one a payload, and no faster than an honest node repeats them`()
        throws
    {
        let world = try world()
        let node = world.nodes[0]!
        // Refused, as it is shunned; held, so that nothing is checked.
        let card = NodeRecord(
            node: stranger(1), sequence: 1, roles: .sensor, endpoints: [.loopback(port: 5_000)], region: nil,
            version: 1)
        var actions: [NodeAction] = []
        node.run(
            membership: .dial(card, isUrgent: false, from: stranger(1), .loopback(port: 5_000)),
            at: world.now,
            &actions)
        node.run(
            membership: .shun(stranger(1), until: world.now + .seconds(60)), at: world.now, &actions)
        let dials = (0..<4).map { _ in Frame.dial(card, isUrgent: true) }
        var answers = 0
        for _ in 0..<20 {
            answers += sends(dials, from: stranger(1), .loopback(port: 5_000), in: world)
        }
        #expect(answers == 1)
    }

    @Test func `one thing at a time is read from the store for a stranger`() throws {
        let world = try world()
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 2 })
        let node = world.nodes[0]!
        // Nothing of the chain is in memory.
        node.recentFinals = []
        func reads() -> Int {
            var actions: [NodeAction] = []
            let frame = Frame.message(Message.question(.follow(1)).encoded())
            for _ in 0..<10 {
                node.handle(
                    .payload(
                        Payload(frames: [frame]).encoded(), from: stranger(1), .loopback(port: 5_000)),
                    at: world.now, actions: &actions)
            }
            return actions.count { if case .serve = $0 { true } else { false } }
        }
        #expect(reads() == 1)
        world.handle(.served([], to: stranger(1)), at: 0)
        #expect(reads() == 1)
    }

    @Test
    func `a stranger's transactions keep nobody from joining, nor this node's dials from being answered`()
        throws
    {
        let world = try world()
        let node = world.nodes[0]!
        func jobs(_ frame: Frame, from sender: NodeID, at now: Instant) -> Int {
            tickets(for: frame, from: sender, .loopback(port: 5_000), at: now, in: node).count
        }
        let taken = (0..<200).map { nonce in
            jobs(.message(transfer(nonce).encoded()), from: stranger(1), at: world.now)
        }
        #expect(taken.reduce(0, +) == TicketShares.strangersTransactionsMax)
        func card(_ number: UInt8) -> NodeRecord {
            NodeRecord(
                node: stranger(number), sequence: 1, roles: .sensor, endpoints: [.loopback(port: 5_000)],
                region: nil, version: 1)
        }
        let dials = (10..<60).map { number in
            jobs(.dial(card(number), isUrgent: true), from: stranger(number), at: world.now)
        }
        #expect(dials.reduce(0, +) == TicketShares.strangersMax)

        // One of a card that a peer told; of the others nobody has heard.
        var actions: [NodeAction] = []
        node.run(
            membership: .records([card(100)], asks: false, from: world.key(1).nodeID, world.endpoint(1)),
            at: world.now, &actions)
        var now = world.now
        while !node.membership.hasDialled(stranger(100)), now < world.now + .seconds(60) {
            now = now + .milliseconds(50)
            node.handle(.woke, at: now, actions: &actions)
        }
        #expect(node.membership.hasDialled(stranger(100)))
        #expect(jobs(.refusal([card(101)]), from: stranger(99), at: now) == 0)
        #expect(jobs(.refusal([card(101)]), from: stranger(100), at: now) == 1)
        #expect(jobs(.refusal([card(102)]), from: stranger(100), at: now) == 0, "one at a time")
    }

    /// Each is a job for the workers, and costs who makes it up nothing.
    @Test
    func `transactions of one peer leave room for those of others and for votes, and are looked at later`()
        throws
    {
        let world = try world()
        let node = world.nodes[0]!
        func jobs(_ message: Message, from host: Int, at now: Instant) -> [UInt64] {
            tickets(
                for: .message(message.encoded()), from: world.key(host).nodeID, world.endpoint(host), at: now,
                in: node)
        }
        let now = world.now
        let given = (0..<2_000).flatMap { jobs(transfer($0), from: 1, at: now) }
        #expect(given.count == TicketShares.transactionsOfPeerMax)
        #expect(jobs(transfer(5_000), from: 2, at: now).count == 1)
        let vote = Vote(.nullify(node.chain.openEpoch, 2), by: world.key(1), network: node.network)
        #expect(jobs(.vote(vote), from: 1, at: now).count == 1)

        // There is room again, and what was not looked at comes once more.
        var actions: [NodeAction] = []
        for ticket in given {
            node.handle(
                .verified(ticket: ticket, Verification(holds: true, outputs: [])), at: now, actions: &actions)
        }
        #expect(node.ticketShares.transactions == 1)
        #expect(jobs(transfer(1_999), from: 1, at: now + .seconds(1)).count == 1)
        #expect(jobs(transfer(0), from: 2, at: now).isEmpty, "what was looked at is not looked at twice")
    }

    @Test func `what a peer claims of epochs far ahead is not asked for any more when it has left`() throws {
        let world = try world()
        let (node, peer) = (world.nodes[0]!, world.key(1).nodeID)
        let vote = Vote(.nullify(1_000_001, 1), by: world.key(1), network: node.network)
        _ = sends([.message(Message.vote(vote).encoded())], from: peer, world.endpoint(1), in: world)
        #expect(node.knownFinal?.epoch == 1_000_000 && node.knownFinal?.at == peer)
        var actions: [NodeAction] = []
        node.handle(
            .payload(Payload(frames: [.goodbye]).encoded(), from: peer, world.endpoint(1)), at: world.now,
            actions: &actions)
        #expect(node.knownFinal == nil)
    }

    @Test func `a peer asks for no more than can be read for it at one time`() throws {
        let world = try world()
        let (node, peer, place) = (world.nodes[0]!, world.key(1).nodeID, world.endpoint(1))
        var chance = Chance(seed: 3)
        func ask() -> Int {
            var actions: [NodeAction] = []
            for _ in 0..<200 {
                let frame = Frame.message(Message.contentsRequest(Digest(of: chance.octets(8))).encoded())
                node.handle(
                    .payload(Payload(frames: [frame]).encoded(), from: peer, place), at: world.now,
                    actions: &actions)
            }
            return actions.count { if case .serve = $0 { true } else { false } }
        }
        #expect(ask() == AnswerDesk.readsMax)
        #expect(ask() == 0)
        #expect(node.drops[Drop.overAsked.rawValue] >= 392)
        world.handle(.served([], to: peer), at: 0)
        world.handle(.served([], to: peer), at: 0)
        #expect(ask() == 2)
        world.handle(.lost(peer), at: 0)
        world.handle(.served([], to: peer), at: 0)
        #expect(node.answerDesk.count == node.contacts.count { $0.link != nil } || node.answerDesk.count == 0)
    }
}

@Suite struct `What is answered to a peer` {
    private let peer = stranger(0)
    private let start = Instant.origin + .seconds(100)

    @Test func `is no more than can be sent to it`() {
        var desk = AnswerDesk()
        var now = start
        var octets = 0
        while now < start + .seconds(10) {
            if desk.answers(peer, at: now) {
                desk.charge(64 << 10, to: peer, at: now)
                octets += 64 << 10
            }
            now = now + .milliseconds(1)
        }
        let most = Int(AnswerDesk.octetsPerSecond) * 11 + 64 << 10
        #expect(octets <= most && octets >= most * 8 / 10, "\(octets)")
    }

    @Test func `is not refused to who asks little, nor to another`() {
        var desk = AnswerDesk()
        for step in 0..<10_000 {
            let now = start + .milliseconds(Int64(step))
            #expect(desk.answers(peer, at: now))
            desk.charge(8 << 10, to: peer, at: now)
        }
        for _ in 0..<10_000 { desk.charge(64 << 10, to: peer, at: start) }
        #expect(!desk.answers(peer, at: start) && desk.answers(stranger(1), at: start))
        desk.left(stranger(1), at: start)
        desk.left(peer, at: start)
        #expect(!desk.answers(peer, at: start), "who comes back goes on where it was")
        let rest = start + .seconds(3_600)
        desk.left(peer, at: rest)
        #expect(desk.answers(peer, at: rest) && desk.count == 0)
    }

    @Test func `is remembered of no more than so many who left`() {
        var desk = AnswerDesk()
        for number: UInt8 in 0..<200 {
            desk.charge(64 << 10 + Int(number), to: stranger(number), at: start)
            desk.left(stranger(number), at: start)
        }
        #expect(desk.count == AnswerDesk.clocksMax)
    }

    @Test func `what is read for it is counted until it comes back`() {
        var desk = AnswerDesk()
        var taken = (0..<12).map { _ in desk.beginRead(for: peer) }
        #expect(taken.count { $0 } == AnswerDesk.readsMax)
        desk.left(peer, at: start)
        taken = [desk.beginRead(for: peer)]
        #expect(taken == [false], "a new session does not begin anew")
        let back = (0..<12).map { _ in desk.endRead(for: peer) }
        #expect(back.count { $0 } == AnswerDesk.readsMax)
        taken = [desk.beginRead(for: peer)]
        #expect(taken == [true])
    }
}
