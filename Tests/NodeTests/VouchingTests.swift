import Bytes
import Chance
import Consensus
import Identity
import Ledger
import TestKit
import Testing
import Wire

@testable import Node

/// What makes a node that was away longer than stakes are bound believe a chain.
@Suite struct `A node that was away for longer than stakes are bound` {
    private let seed = Seed.all[0]

    /// Four validators; the last comes when the others have twenty epochs, of which stakes are bound for eight.
    private func world(_ seed: Seed) throws -> World {
        let world = World(count: 4, chance: seed.chance()) {
            $0.unbondingEpochs = 8
            $0.penaltyEpochs = 8
        }
        for host in 0..<3 { try world.start(host) }
        #expect(world.run(for: .seconds(200)) { world.commonEpoch >= 20 })
        return world
    }

    private func joins(_ world: World) -> Bool {
        let goal = world.disks[0].lastEpoch + 3
        return world.run(for: .seconds(60)) { world.disks[3].lastEpoch >= goal }
    }

    private func liars(_ world: World) -> Set<NodeID> {
        Set(
            world.notices[3].compactMap { notice in
                if case .snapshot(.lied(let peer, _)) = notice { peer } else { nil }
            })
    }

    private func adopted(_ world: World) -> Epoch? {
        for case .snapshot(.adopted(let epoch, _, _, _)) in world.notices[3] { return epoch }
        return nil
    }

    private func trusted(_ world: World) -> [Int] {
        world.notices[3].compactMap { notice in
            if case .snapshot(.trustsBootstrap(let count)) = notice { count } else { nil }
        }
    }

    /// Whether a payload is part of asking what an edge node may ask.
    private func isAsking(_ payload: [UInt8]) -> Bool {
        guard let frames = try? Payload(decoding: payload.octetBytes).frames else { return false }
        return frames.contains { frame in
            guard case .message(let octets) = frame, let message = try? Message(decoding: octets) else {
                return false
            }
            switch message {
            case .question, .answer: return true
            default: return false
            }
        }
    }

    /// Whether a payload asks for headers, or says that they are not here.
    private func mayBringHeaders(_ payload: [UInt8]) -> Bool {
        let frames = (try? Payload(decoding: payload.octetBytes).frames) ?? []
        return frames.contains { frame in
            guard case .message(let octets) = frame, let message = try? Message(decoding: octets) else {
                return false
            }
            switch message {
            case .finalityRequest, .summary: return true
            default: return false
            }
        }
    }

    /// Nothing passes between the last host and some others but questions and their answers.
    private func separate(_ hosts: Set<Int>, in world: World) {
        world.drops = { payload, sender, receiver in
            let isBetween = sender == 3 && hosts.contains(receiver) || receiver == 3 && hosts.contains(sender)
            return isBetween && !isAsking(payload)
        }
    }

    @Test func `asks all of a list of two, and not itself`() throws {
        let world = try world(seed)
        world.lists[3] = [3, 0, 1]
        try world.start(3)
        #expect(joins(world))
        #expect(trusted(world) == [2])
        // What was vouched for when the headers were followed may be old when the state is here.
        #expect(
            world.notices[3].contains { if case .snapshot(.vouched(_, by: 2)) = $0 { true } else { false } })
        #expect(world.alarms.isEmpty && world.forks.isEmpty)
        try world.verify(3)
    }

    @Test func `asks who is listed and no peer, once the name is found`() throws {
        let world = try world(seed)
        world.lists[3] = [0, 1, 2]
        world.unplaced[3] = [2]
        separate([1, 2], in: world)
        try world.start(3)
        world.run(for: .seconds(20))
        let node = world.nodes[3]!
        #expect(trusted(world) == [] && adopted(world) == nil)
        #expect(node.peers == [world.key(0).nodeID])
        #expect(node.view.waitsFor.contains("3 nodes of the bootstrap list"), "\(node.view.waitsFor)")
        let all = (0..<3).map { (world.key($0).nodeID, world.endpoint($0)) }
        world.handle(.bootstrap(all, all: all.map(\.0)), at: 3)
        #expect(joins(world))
        #expect(trusted(world) == [3])
    }

    @Test func `believes nobody where nobody is listed`() throws {
        let world = try world(seed)
        world.lists[3] = [3]
        for host in 0..<3 { world.lists[host] = [3] }
        try world.start(3)
        // Others dial it.
        world.crash(1)
        try world.start(1)
        world.run(for: .seconds(30))
        #expect(world.nodes[3]!.peers.isEmpty == false)
        #expect(adopted(world) == nil && trusted(world) == [])
        #expect(world.nodes[3]!.view.waitsFor.contains("--checkpoint"))
    }

    // MARK: Former keys

    /// A chain from genesis that nobody agreed on, signed with the keys of all validators.
    private func forged(_ world: World, epochs: Epoch, next: Digest? = nil) -> [FinalHeader] {
        let genesis = world.genesis
        let committee = genesis.committee
        var parent = genesis.network
        var randomness = genesis.randomness1
        return (1...epochs).map { epoch in
            let alpha = Randomness.alpha(network: genesis.network, epoch: epoch, randomness: randomness)
            let vrf = world.vrfKey(0)
            let proof = vrf.prove(alpha.octetBytes)
            let header = Header(
                network: genesis.network, epoch: epoch, parent: parent, builder: world.key(0).nodeID,
                buildView: 1, randomnessProof: proof, randomness: randomness,
                evidence: EvidenceSummary(items: []), transactionsRoot: .zero, verdictsRoot: .zero,
                stateRoot: .zero, committee: committee.digest, nextCommittee: next ?? committee.digest,
                parameters: genesis.parameters.digest, wallTime: 0)
            let output = vrf.publicKey.verify(proof, alpha: alpha.octetBytes)!
            randomness = Randomness.next(after: randomness, output: output, epoch: epoch)
            parent = header.digest
            let ballot = Ballot.finalize(epoch, 1, header.digest)
            let votes = (0..<4).map { host in
                let key = world.key(host)
                return (
                    UInt16(committee.index(of: key.nodeID)!),
                    Vote(ballot, by: key, network: genesis.network).signature
                )
            }.sorted { $0.0 < $1.0 }
            return FinalHeader(
                header: header,
                certificate: Certificate(
                    ballot: ballot, voters: votes.map(\.0), signatures: votes.map(\.1)))
        }
    }

    private enum Forgery: CaseIterable {
        /// Another chain than the network's, and nothing wrong with it else.
        case otherChain
        /// Votes that are not of who they are said to be.
        case othersVotes
        /// A committee is named that nobody can hand over.
        case unknownCommittee
    }

    /// Whoever has the lowest key, and so is the first to be asked, answers with a forged chain.
    /// - Parameter cutOff: The others answer nothing but what edge nodes may ask.
    private func forge(in world: World, cutOff: Bool = false, _ forgery: Forgery = .otherChain) -> Int {
        let liar = (0..<3).min { world.key($0).nodeID < world.key($1).nodeID }!
        let next = forgery == .unknownCommittee ? Digest(of: [1]) : nil
        let chain = forged(world, epochs: 60, next: next).map { final in
            guard forgery == .othersVotes else { return final }
            let certificate = final.certificate
            return FinalHeader(
                header: final.header,
                certificate: Certificate(
                    ballot: certificate.ballot, voters: certificate.voters,
                    signatures: certificate.signatures.reversed()))
        }
        world.drops = { [unowned world] payload, sender, receiver in
            guard sender == 3 || receiver == 3 else { return false }
            guard sender == liar || receiver == liar else { return cutOff && !self.isAsking(payload) }
            let frames = (try? Payload(decoding: payload.octetBytes).frames) ?? []
            // True headers, which several datagrams hold.
            if sender == liar { return frames.contains { if case .chunk = $0 { true } else { false } } }
            for case .message(let octets) in frames {
                guard case .finalityRequest(let from, _)? = try? Message(decoding: octets), from <= 60 else {
                    continue
                }
                let answer = Message.finality([chain[Int(from) - 1]]).encoded()
                world.deliver(
                    .payload(
                        Payload(frames: [.message(answer)]).encoded(), from: world.key(liar).nodeID,
                        world.endpoint(liar)), to: 3, in: 1...20)
                return true
            }
            return false
        }
        return liar
    }

    @Test(arguments: Forgery.allCases)
    private func `leaves whoever has another header than its operator's checkpoint, and asks others`(
        forgery: Forgery
    ) throws {
        let world = try world(seed)
        let liar = forge(in: world, forgery)
        world.lists[3] = [liar]
        world.checkpoints[3] = Checkpoint(epoch: 15, header: world.disks[0].blocks[15]!.block.header.digest)
        try world.start(3)
        #expect(joins(world))
        // Who does not give a committee may have lost it.
        #expect(liars(world) == (forgery == .unknownCommittee ? [] : [world.key(liar).nodeID]))
        #expect(world.alarms.isEmpty && world.forks.isEmpty, "\(world.alarms)")
        for epoch in 1...Epoch(15) {
            #expect(
                world.disks[3].finals[epoch]?.header.digest
                    == world.disks[0].blocks[epoch]!.block.header.digest)
        }
        try world.verify(3)
    }

    @Test(arguments: [Forgery.othersVotes, .unknownCommittee])
    private func `asks whoever led it astray last, at the next attempt`(forgery: Forgery) throws {
        let world = try world(seed)
        let liar = forge(in: world, forgery)
        let forging = world.drops
        var isAlone = true
        world.drops = { [unowned world] payload, sender, receiver in
            if isAlone, sender == 3 && receiver != liar || receiver == 3 && sender != liar { return true }
            // Else it would have come block by block before the next attempt.
            let isPaused = world.now < world.nodes[3]!.snapshots.notBefore
            if sender == 3, isPaused, self.mayBringHeaders(payload) { return true }
            return forging(payload, sender, receiver)
        }
        world.lists[3] = [liar]
        world.checkpoints[3] = Checkpoint(epoch: 15, header: world.disks[0].blocks[15]!.block.header.digest)
        try world.start(3)
        #expect(
            world.run(for: .seconds(90)) {
                world.notices[3].contains { if case .snapshot(.failed) = $0 { true } else { false } }
            })
        let node = world.nodes[3]!
        #expect(node.snapshots.sync == nil)
        isAlone = false
        #expect(world.run(for: .seconds(200)) { node.snapshots.sync != nil })
        #expect(node.peers.count >= 2 && node.peers.contains(world.key(liar).nodeID))
        #expect(node.snapshots.sync?.guide != nil && node.snapshots.sync?.guide != world.key(liar).nodeID)
        #expect(world.run(for: .seconds(60)) { adopted(world) != nil })
        try world.verify(3)
    }

    @Test func `says so while all of its peers have another chain than the checkpoint's`() throws {
        let world = try world(seed)
        _ = forge(in: world)
        world.checkpoints[3] = Checkpoint(epoch: 15, header: Digest(of: [1]))
        try world.start(3)
        world.run(for: .seconds(10))
        #expect(world.alarms.isEmpty && world.nodes[3]!.isHalted == false)
        #expect(liars(world).count == 3 && world.disks[3].finals.isEmpty)
        #expect(
            world.notices[3].contains { notice in
                if case .snapshot(.failed(let why)) = notice { why.contains("checkpoint") } else { false }
            })
    }

    @Test func `forgets a chain that the bootstrap list does not know`() throws {
        let world = try world(seed)
        world.lists[3] = [0, 1, 2]
        let liar = forge(in: world, cutOff: true)
        try world.start(3)
        #expect(world.run(for: .seconds(30)) { !liars(world).isEmpty }, "\(world.nodes[3]!.view)")
        #expect(liars(world) == [world.key(liar).nodeID])
        #expect(world.disks[3].finals.isEmpty && adopted(world) == nil && trusted(world) == [])
    }
}
