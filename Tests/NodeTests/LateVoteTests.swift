import Bytes
import Consensus
import Identity
import TestKit
import Testing
import Wire

@testable import Node

/// Who votes is paid, also if the quorum was complete without it.
@Suite struct `Finalize votes` {
    private static let slow = 3

    private static func votes(_ payload: [UInt8]) -> [Vote] {
        let frames = (try? Payload(decoding: payload.span.octetBytes))?.frames ?? []
        return frames.compactMap { frame in
            guard case .message(let octets) = frame, case .vote(let vote)? = try? Message(decoding: octets)
            else { return nil }
            return vote
        }
    }

    /// Who has voted to finalize each epoch: not everybody each one, as some are final before a host has notarized.
    private final class Said {
        var voters: [Epoch: Set<NodeID>] = [:]
    }

    /// One host's votes to finalize are lost, or come to the others as much later as is said.
    private func world(_ seed: Seed, late delay: Int?, _ said: Said = Said()) throws -> World {
        let world = World(count: 4, chance: seed.chance(), beaconPermille: 0)
        let slow = Self.slow
        let id = world.key(slow).nodeID
        world.drops = { [unowned world] payload, sender, receiver in
            let votes = Self.votes(payload).filter { $0.ballot.kind == .finalize }
            for vote in votes { said.voters[vote.ballot.epoch, default: []].insert(vote.voter) }
            guard sender == slow, votes.contains(where: { $0.voter == id }) else { return false }
            if let delay {
                world.deliver(
                    .payload(payload, from: id, world.endpoint(slow)), to: receiver, in: delay...delay)
            }
            return true
        }
        for host in 0..<4 { try world.start(host) }
        return world
    }

    @Test(arguments: Seed.all.prefix(3))
    func `that come fifty milliseconds after the quorum are in the next block, which pays for them`(
        seed: Seed
    ) throws {
        let said = Said()
        let world = try world(seed, late: 50, said)
        let id = world.key(Self.slow).nodeID
        let seats = world.genesis.committee
        /// Epochs with a next block that all have voted to finalize, the slow one after the quorum was complete.
        func late() -> [Epoch] {
            let disk = world.disks[0]
            return (1..<max(1, world.commonEpoch)).filter { epoch in
                let voters = disk.blocks[epoch]!.certificate.voters
                return said.voters[epoch]?.count == 4 && !voters.contains(UInt16(seats.index(of: id)!))
            }
        }
        #expect(world.run(for: .seconds(120)) { world.commonEpoch >= 6 && late().count >= 3 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
        let disk = world.disks[0]
        for epoch in 2...world.commonEpoch {
            let voters = disk.blocks[epoch]!.block.body.parentCertificate!.voters
            #expect(
                Set(voters.map { seats.seats[Int($0)].key }) == said.voters[epoch - 1], "epoch \(epoch)")
            let paid = disk.rewards[epoch]!.filter { $0.kind == .validator }.map(\.account)
            #expect(Set(paid).isSuperset(of: said.voters[epoch - 1]!), "epoch \(epoch)")
        }
        for epoch in late() {
            let block = disk.blocks[epoch + 1]!.block
            #expect(block.body.parentCertificate?.voters.count == 4, "epoch \(epoch + 1)")
        }
        for host in 0..<4 { try world.verify(host) }
    }

    @Test func `of another ballot, of strangers, forged or repeated change nothing`() throws {
        let world = try world(Seed.all[0], late: nil)
        let node = { world.nodes[0]! }
        let slow = world.key(Self.slow)
        #expect(
            world.run(for: .seconds(60)) {
                guard world.commonEpoch >= 2, let votes = node().finalityVotes else { return false }
                // Its own certificate may hold its vote, and lack another's.
                return votes.certificate.voters.count == 3
                    && votes.lacks(Vote(votes.certificate.ballot, by: slow, network: node().network))
            })
        world.run(for: .milliseconds(300))
        let before = try #require(node().finalityVotes?.certificate)
        #expect(before.voters.count == 3 && before.ballot.epoch == node().openEpoch - 1)
        /// How often a signature is verified for it, and whether it is passed on.
        func hear(_ vote: Vote, from host: Int) -> (checks: Int, goesOn: Bool) {
            var actions: [NodeAction] = []
            node().handle(.woke, at: world.now, actions: &actions)
            actions = []
            let payload = Payload(frames: [.message(Message.vote(vote).encoded())]).encoded()
            node().handle(
                .payload(payload, from: world.key(host).nodeID, world.endpoint(host)), at: world.now,
                actions: &actions)
            var checks = 0
            for case .verify(let ticket, let list) in actions {
                checks += list.count
                node().handle(
                    .verified(ticket: ticket, Verification(of: list)), at: world.now, actions: &actions)
            }
            node().assertInvariants()
            let goesOn = actions.contains { action in
                if case .send(let payload, _) = action { Self.votes(payload).contains(vote) } else { false }
            }
            return (checks, goesOn)
        }
        let (epoch, view) = (before.ballot.epoch, before.ballot.view)
        let digest = try #require(before.ballot.digest)
        let stranger = SigningKey(seed: Digest(of: [9]).octets.octetBytes, isGuarded: false)
        let useless = [
            Vote(.finalize(epoch, view, Digest(of: [1])), by: slow, network: node().network),
            Vote(.finalize(epoch, view + 1, digest), by: slow, network: node().network),
            Vote(.finalize(epoch - 1, view, digest), by: slow, network: node().network),
            Vote(.notarize(epoch, view, digest), by: slow, network: node().network),
            Vote(before.ballot, by: world.key(1), network: node().network),
            Vote(before.ballot, by: stranger, network: node().network),
        ]
        for vote in useless {
            #expect(hear(vote, from: 1) == (0, false), "\(vote.ballot)")
            #expect(node().finalityVotes?.certificate == before)
        }
        let real = Vote(before.ballot, by: slow, network: node().network)
        let forged = Vote(
            ballot: before.ballot, voter: slow.nodeID,
            signature: Vote(before.ballot, by: world.key(1), network: node().network).signature)
        #expect(hear(forged, from: 1) == (1, false))
        #expect(node().finalityVotes?.certificate == before)
        #expect(node().drops[Drop.badSignature.rawValue] == 1)
        #expect(hear(real, from: 2) == (1, true))
        let after = try #require(node().finalityVotes?.certificate)
        #expect(
            after.voters.count == 4
                && after.isValid(in: node().chain.parentCommittee, network: node().network))
        #expect(hear(real, from: 2) == (0, false))
        #expect(node().finalityVotes?.certificate == after)
    }
}
