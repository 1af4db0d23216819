import Bytes
import Chance
import Consensus
import Identity
import TestKit
import Testing
import Wire

@testable import Node

/// What may keep a node from the next block.
@Suite struct `A node that is behind` {
    private func world() throws -> World {
        let world = World(count: 4, chance: Seed.all[0].chance())
        for host in 0..<4 { try world.start(host) }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 3 })
        return world
    }

    private func asked(_ actions: [NodeAction], of node: NodeID) -> Bool {
        actions.contains { action in
            guard case .send(let octets, let to) = action, to.node == node else { return false }
            return asksForHeaders(octets)
        }
    }

    private func asksForHeaders(_ payload: [UInt8]) -> Bool {
        let frames = (try? Payload(decoding: payload.octetBytes).frames) ?? []
        return frames.contains { frame in
            guard case .message(let octets) = frame, let message = try? Message(decoding: octets) else {
                return false
            }
            if case .finalityRequest = message { return true } else { return false }
        }
    }

    @Test func `asks on, whatever others tell it unasked`() throws {
        let world = try world()
        let node = world.nodes[3]!
        let (liar, honest) = (world.key(1).nodeID, world.key(0).nodeID)
        let last = try #require(node.chain.last)
        // Of the open epoch, and nobody voted for it.
        let header = Header(
            network: node.network, epoch: node.chain.openEpoch, parent: node.chain.parent, builder: liar,
            buildView: 1, randomnessProof: last.header.randomnessProof, randomness: node.chain.randomness,
            evidence: EvidenceSummary(items: []), transactionsRoot: .zero, verdictsRoot: .zero,
            stateRoot: .zero, committee: node.chain.committee.digest,
            nextCommittee: node.chain.nextCommittee.digest, parameters: node.genesis.parameters.digest,
            wallTime: 0)
        let certificate = Certificate(
            ballot: .finalize(header.epoch, 1, header.digest), voters: last.certificate.voters,
            signatures: last.certificate.signatures)
        let forged = FinalHeader(header: header, certificate: certificate)
        world.now = world.now + .seconds(1)
        var actions: [NodeAction] = []
        node.receive(finality: [forged], from: liar, at: world.now, &actions)
        let tickets = actions.compactMap { action -> UInt64? in
            if case .verify(let ticket, _) = action { ticket } else { nil }
        }
        #expect(tickets.count == 1)
        // One at a time: it is no way to keep the workers from votes.
        node.receive(finality: [forged], from: liar, at: world.now, &actions)
        #expect(actions.count { if case .verify = $0 { true } else { false } } == 1)
        var asking: [NodeAction] = []
        node.requestFinality(from: honest, knownFinal: header.epoch, at: world.now, &asking)
        #expect(asked(asking, of: honest), "the liar's word is no answer")
        let before = node.score(of: liar, at: world.now)
        let refused = Verification(of: [.signature(liar, preimage: [1], last.certificate.signatures[0])])
        node.handle(.verified(ticket: tickets[0], refused), at: world.now, actions: &actions)
        #expect(node.score(of: liar, at: world.now) < before)
        #expect(node.fetched.isEmpty && node.checkedFinality == nil)
        let goal = world.commonEpoch + 3
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= goal })
    }

    /// Else it opens each epoch when the others close it: seed 246 of the swarm was so for ever.
    @Test func `takes what is said of later epochs for the word that those before are final`() throws {
        let world = try world()
        let node = world.nodes[3]!
        let (peer, open) = (world.key(0).nodeID, node.chain.openEpoch)
        let last = try #require(node.chain.last)
        func asks(by message: Message) throws -> (Bool, Epoch?) {
            world.now = world.now + .seconds(2)
            node.knownFinal = nil
            var actions: [NodeAction] = []
            let payload = Payload(frames: [.message(message.encoded())]).encoded()
            node.handle(.payload(payload, from: peer, world.endpoint(0)), at: world.now, actions: &actions)
            return (asked(actions, of: peer), node.knownFinal?.epoch)
        }
        let certificate = { (ballot: Ballot) in
            Message.certificate(
                Certificate(
                    ballot: ballot, voters: last.certificate.voters, signatures: last.certificate.signatures))
        }
        let digest = Digest(of: [1])
        #expect(try asks(by: certificate(.finalize(open + 1, 1, digest))) == (true, open + 1))
        #expect(try asks(by: certificate(.notarize(open + 1, 1, digest))) == (true, open))
        #expect(try asks(by: certificate(.finalize(open - 1, 1, digest))) == (false, nil))
        func bundle(_ epoch: Epoch) -> Message {
            .bundle(
                Bundle(author: peer, epoch: epoch, ownTag: nil, reports: []).signed(
                    by: world.key(0), network: node.network))
        }
        #expect(try asks(by: bundle(open + 1)) == (true, open))
        #expect(try asks(by: bundle(open)) == (false, nil))
    }

    /// Whether a payload says what is final, or asks for it in saying what is not here.
    private func isClaim(_ payload: [UInt8], beyond open: Epoch) -> Bool {
        let frames = (try? Payload(decoding: payload.octetBytes).frames) ?? []
        return frames.contains { frame in
            guard case .message(let octets) = frame, let message = try? Message(decoding: octets) else {
                return false
            }
            switch message {
            case .summary, .vote, .certificate, .proposal: return true
            case .bundle(let bundle): return bundle.epoch > open
            default: return false
            }
        }
    }

    /// Not signed, and so nobody's word but of who sends it.
    private func claim(_ epoch: Epoch, by host: Int, in world: World) {
        let vote = Vote(.nullify(epoch + 1, 1), by: world.key(3), network: world.genesis.network)
        let payload = Payload(frames: [.message(Message.vote(vote).encoded())]).encoded()
        world.handle(.payload(payload, from: world.key(host).nodeID, world.endpoint(host)), at: 3)
    }

    @Test func `goes on with whoever gave what holds, and not with whoever claims more`() throws {
        let world = World(count: 4, chance: Seed.all[1].chance())
        for host in 0..<3 { try world.start(host) }
        #expect(world.run(for: .seconds(90)) { world.commonEpoch >= 11 })
        let (liar, honest) = (1, 0)
        world.drops = { [unowned world] payload, sender, receiver in
            guard sender == 3 || receiver == 3 else { return false }
            if receiver == liar || sender == liar {
                let isFinality = self.asksForHeaders(payload)
                if isFinality { return true }
            }
            return self.isClaim(payload, beyond: world.nodes[3]?.chain.openEpoch ?? 1)
        }
        try world.start(3)
        let node = world.nodes[3]!
        #expect(world.run(for: .seconds(20)) { node.peers.count == 3 })
        #expect(world.disks[3].lastEpoch == 0 && node.knownFinal == nil)
        // Not so far that a state would be fetched.
        claim(15, by: liar, in: world)
        world.run(for: .seconds(1))
        claim(world.disks[0].lastEpoch, by: honest, in: world)
        #expect(world.run(for: .seconds(5)) { world.disks[3].lastEpoch >= 2 })
        claim(16, by: liar, in: world)
        #expect(
            world.run(for: .seconds(10)) { world.disks[3].lastEpoch >= 11 }, "\(world.disks[3].lastEpoch)")
    }

    @Test
    func `forgets a claim that nobody has headers for, and believes none that no time would suffice for`()
        throws
    {
        let world = try world()
        let node = world.nodes[3]!
        func attempts() -> Int {
            world.notices[3].count { if case .snapshot(.began) = $0 { true } else { false } }
        }
        for absurd in [Epoch.max - 1, 1 << 41] {
            claim(absurd, by: 1, in: world)
            #expect(node.knownFinal == nil && attempts() == 0)
        }
        claim(1_000_000, by: 1, in: world)
        #expect(node.knownFinal?.epoch == 1_000_000 && attempts() == 1)
        let goal = world.commonEpoch + 65
        #expect(world.run(for: .seconds(300)) { world.commonEpoch >= goal })
        #expect(node.knownFinal?.epoch != 1_000_000 && attempts() == 1)
    }

    /// As a machine that was rolled back, which no file on it can tell.
    @Test(arguments: [Epoch(3), 24])
    func `votes no more where others hold votes of its that it does not remember`(
        epochs: Epoch
    ) throws {
        let world = try world()
        let backup = world.disks[3]
        let goal = world.commonEpoch + epochs
        #expect(world.run(for: .seconds(300)) { world.commonEpoch >= goal })
        world.crash(3)
        world.disks[3] = backup
        world.disks[3].starts += 100
        try world.start(3)
        #expect(world.run(for: .seconds(60)) { world.disks[3].lastEpoch > goal })
        #expect(world.disks[3].hasForgotten && world.nodes[3]?.isVoter == false)
        #expect(world.nodes[3]?.simplex.status.isObserver == true)
        let alarms = world.notices[3].filter { if case .alarm = $0 { true } else { false } }
        #expect(alarms.count == 1)
        // The network goes on, and so does it, by what the others say.
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= goal + 3 })
    }

    @Test func `takes no block that is not its operator's checkpoint, block by block either`() throws {
        let world = World(count: 4, chance: Seed.all[1].chance())
        for host in 0..<3 { try world.start(host) }
        #expect(world.run(for: .seconds(90)) { world.commonEpoch >= 6 })
        world.checkpoints[3] = Checkpoint(epoch: 3, header: Digest(of: [1]))
        try world.start(3)
        world.run(for: .seconds(20))
        #expect(world.disks[3].lastEpoch == 2)
        #expect(world.alarms.contains { $0.contains("where the checkpoint is") }, "\(world.alarms)")
        let header = world.disks[0].blocks[3]!.block.header.digest
        world.crash(3)
        world.checkpoints[3] = Checkpoint(epoch: 3, header: header)
        try world.start(3)
        let goal = world.disks[0].lastEpoch
        #expect(world.run(for: .seconds(60)) { world.disks[3].lastEpoch >= goal })
    }

    @Test func `has room at its workers for what the next block waits for`() throws {
        let world = try world()
        let node = world.nodes[3]!
        let next = node.nextTicket
        for number in 0..<Node.ticketsMax {
            node.tickets[next + 1_000_000 + UInt64(number)] = .candidate(.zero)
        }
        var actions: [NodeAction] = []
        node.verify(.candidate(.zero), [], at: world.now, &actions)
        #expect(actions.isEmpty)
        node.verify(.candidate(.zero), [], isOwed: true, at: world.now, &actions)
        #expect(actions.count == 1)
        // From the wire: a block of which all is here is checked, however many other things are.
        actions = []
        let body = Body(transactions: [], parentCertificate: node.chain.last!.certificate)
        let header = Header(
            network: node.network, epoch: node.chain.openEpoch, parent: node.chain.parent,
            builder: node.chain.committee.seats[node.leaders[0]].key, buildView: 1,
            randomnessProof: node.chain.last!.header.randomnessProof, randomness: node.chain.randomness,
            evidence: EvidenceSummary(items: []), transactionsRoot: body.root, verdictsRoot: .zero,
            stateRoot: .zero, committee: node.chain.committee.digest,
            nextCommittee: node.chain.nextCommittee.digest, parameters: node.genesis.parameters.digest,
            wallTime: 0)
        node.evaluate(header, isSubjective: false, at: world.now, &actions)
        node.receive(
            Contents(header: header, body: body, items: []), from: world.key(1).nodeID, at: world.now,
            &actions)
        #expect(actions.contains { if case .verify = $0 { true } else { false } })
    }
}
