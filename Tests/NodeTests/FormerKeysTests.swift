import Bytes
import Chance
import Identity
import TestKit
import Testing
import Wire

@testable import Node

/// Former validators' keys sign another chain than the network's: in worlds of their own, which go on from the network's
/// fourth block with all keys and all bonds long since free.
@Suite struct `Former keys` {
    private static let long: Duration = .seconds(100_000)

    /// Four validators, or fewer, of whom the last leaves at block 4; the network's disks as of then.
    private func beginning(count: Int = 4, unbonding: UInt32 = 2_016) throws -> World {
        let world = World(count: count, chance: Seed.all[0].chance()) {
            $0.unbondingEpochs = unbonding
            $0.penaltyEpochs = min($0.penaltyEpochs, unbonding)
        }
        for host in 0..<count {
            world.lists[host] = Array(0..<min(3, count))
            try world.start(host)
        }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= 4 })
        for host in 0..<count { world.crash(host) }
        return world
    }

    /// What old keys make of it; nobody of the network answers there.
    private func forgery(_ world: World, knowing victim: Disk) throws -> World {
        let forgery = World(forkOf: world, chance: Seed.all[1].chance())
        for host in 0..<3 { forgery.disks[host].forgetVotes() }
        forgery.disks[3] = victim
        forgery.drops = { payload, _, _ in
            Self.messages(payload).contains { if case .answer = $0 { true } else { false } }
        }
        for host in 0..<3 { try forgery.start(host) }
        return forgery
    }

    /// Those on the victim's list answer, from a network that has gone on for long.
    private func answer(in forgery: World, about header: Header) {
        forgery.drops = { [unowned forgery] payload, sender, receiver in
            for case .question(.follow(header.epoch)) in Self.messages(payload) where sender == 3 {
                let answer = Answer.header(header, lastFinal: header.epoch + 1_000, age: .max)
                let octets = Payload(frames: [.message(Message.answer(answer).encoded())]).encoded()
                forgery.deliver(
                    .payload(octets, from: forgery.key(receiver).nodeID, forgery.endpoint(receiver)), to: 3,
                    in: 1...20)
                return true
            }
            return false
        }
    }

    private static func messages(_ payload: [UInt8]) -> [Message] {
        ((try? Payload(decoding: payload.octetBytes).frames) ?? []).compactMap { frame in
            if case .message(let octets) = frame { try? Message(decoding: octets) } else { nil }
        }
    }

    private static func isForBlock(_ message: Message) -> Bool {
        switch message {
        case .contentsRequest, .listRequest: true
        default: false
        }
    }

    private func expectHeld(_ world: World, at epoch: Epoch) {
        #expect(world.disks[3].lastEpoch == epoch)
        #expect(world.disks[3].base == nil)
        #expect(world.nodes[3]!.isHalted == false)
        #expect(
            world.nodes[3]!.view.waitsFor.contains("older than stakes are bound"),
            "\(world.nodes[3]!.view.waitsFor)")
    }

    /// The network goes on without the victim, which comes back to it after the forgers. It has followed their headers, for which
    /// nobody had vouched, and forgets them.
    private func expectBack(_ network: World, _ victim: Disk) throws {
        let forged = try #require(victim.finals.values.map(\.header).max { $0.epoch < $1.epoch })
        network.disks[3] = victim
        for host in 0..<3 { try network.start(host) }
        let now = victim.lastEpoch + 20
        #expect(network.run(for: .seconds(200)) { network.disks[0].lastEpoch >= now })
        network.away[3] = Self.long
        try network.start(3)
        let goal = network.disks[0].lastEpoch + 4
        #expect(network.run(for: .seconds(35)) { network.disks[3].lastEpoch >= goal })
        #expect(network.forks.isEmpty && network.alarms.isEmpty, "\(network.alarms)")
        #expect(network.disks[3].finals[forged.epoch]?.header.digest != forged.digest)
        try network.verify(3)
    }

    @Test func `commit nothing at a node that was away, epoch after epoch as they vote`() throws {
        let network = try beginning()
        let left = network.disks[3].lastEpoch
        let forgery = try forgery(network, knowing: network.disks[3])
        answer(in: forgery, about: network.disks[0].blocks[left]!.block.header)
        forgery.away[3] = Self.long
        try forgery.start(3)
        let goal = forgery.disks[0].lastEpoch + 5
        #expect(
            forgery.run(for: .seconds(60)) {
                forgery.disks[0].lastEpoch >= goal && !forgery.disks[3].finals.isEmpty
            }, "it votes on, and headers are followed")
        expectHeld(forgery, at: left)
        // It has the block and its certificate, and keeps them.
        #expect(forgery.nodes[3]!.candidates.list.contains { $0.certificate != nil })
        forgery.crash(3)
        try expectBack(network, forgery.disks[3])
    }

    @Test func `commit nothing by blocks that peers hand on, nor by a state, nor after one was given up`()
        throws
    {
        let network = try beginning()
        let left = network.disks[3].lastEpoch
        let forgery = try forgery(network, knowing: network.disks[3])
        let goal = forgery.disks[0].lastEpoch + 8
        #expect(forgery.run(for: .seconds(90)) { forgery.disks[0].lastEpoch >= goal })
        forgery.away[3] = Self.long
        try forgery.start(3)
        forgery.run(for: .seconds(5))
        expectHeld(forgery, at: left)
        // Further than from where a state is fetched; and longer than from when on blocks are tried again.
        #expect(forgery.run(for: .seconds(300)) { forgery.disks[0].lastEpoch >= goal + 12 })
        forgery.run(for: .seconds(30))
        expectHeld(forgery, at: left)
        let node = forgery.nodes[3]!
        var actions: [NodeAction] = []
        node.abandon("a test", at: forgery.now, &actions)
        forgery.run(for: .seconds(20))
        expectHeld(forgery, at: left)
        forgery.crash(3)
        try expectBack(network, forgery.disks[3])
    }

    @Test func `commit nothing where headers lead further than stakes are bound, whatever the clock says`()
        throws
    {
        let network = try beginning(unbonding: 20)
        let left = network.disks[3].lastEpoch
        let forgery = try forgery(network, knowing: network.disks[3])
        #expect(forgery.run(for: .seconds(200)) { forgery.disks[0].lastEpoch >= left + 24 })
        // Blocks that come before headers show how far it is were of a time that is not over, as far as it can know.
        forgery.drops = { [drops = forgery.drops] payload, sender, receiver in
            drops(payload, sender, receiver)
                || sender == 3 && Self.messages(payload).contains(where: Self.isForBlock)
        }
        try forgery.start(3)
        #expect(forgery.run(for: .seconds(60)) { forgery.nodes[3]!.freshness.isOutrun })
        forgery.run(for: .seconds(20))
        expectHeld(forgery, at: left)
        // The next life knows it from the headers that are stored.
        forgery.crash(3)
        try forgery.start(3)
        #expect(forgery.nodes[3]!.freshness.isOutrun)
    }

    @Test func `make nobody wait until the network has come as far as they sign`() throws {
        let network = try beginning()
        let left = network.disks[3].lastEpoch
        let forgery = try forgery(network, knowing: network.disks[3])
        #expect(forgery.run(for: .seconds(200)) { forgery.disks[0].lastEpoch >= left + 40 })
        forgery.away[3] = Self.long
        try forgery.start(3)
        forgery.run(for: .seconds(10))
        expectHeld(forgery, at: left)
        #expect(forgery.disks[3].finals.keys.max()! >= left + 40)
        forgery.crash(3)
        try expectBack(network, forgery.disks[3])
    }

    /// What one of the network's nodes does that hands on what former keys signed.
    enum Liar: CaseIterable {
        /// It goes on with it, and is on the list.
        case listed
        case stranger
        /// It is on the list, and says no more after the contradiction.
        case mute
    }

    @Test(arguments: Liar.allCases) func `stop nobody by headers that contradict the network's`(kind: Liar)
        throws
    {
        let network = try beginning()
        let left = network.disks[3].lastEpoch
        let forgery = try forgery(network, knowing: network.disks[3])
        for world in [network, forgery] {
            if world === network { for host in 0..<3 { try world.start(host) } }
            #expect(world.run(for: .seconds(200)) { world.disks[0].lastEpoch >= left + 24 })
        }
        // Of those on the list, and of all peers, the first to be asked.
        let liar = (0..<3).min { network.key($0).nodeID < network.key($1).nodeID }!
        let contradiction = { [unowned network] in
            network.notices[3].contains { notice in
                if case .snapshot(.failed(let why)) = notice {
                    why.contains("one peer after another")
                } else {
                    false
                }
            }
        }
        // The others' answers take until then: what they said would else be followed before anything contradicts it.
        var hasLied = false
        network.drops = { [unowned network] payload, sender, receiver in
            for case .finalityRequest(let from, _) in Self.messages(payload) {
                guard sender == 3 else { continue }
                guard receiver == liar else {
                    if hasLied { continue }
                    return true
                }
                guard kind != .mute || !contradiction() else { return true }
                // At first only so far: else its whole chain is followed, and denied by the list before anything contradicts it.
                guard contradiction() || from <= left + 8 else { return true }
                if let known = forgery.disks[0].blocks[from] {
                    let final = FinalHeader(header: known.block.header, certificate: known.certificate)
                    let answer = Payload(frames: [.message(Message.finality([final]).encoded())])
                    hasLied = true
                    network.deliver(
                        .payload(answer.encoded(), from: network.key(liar).nodeID, network.endpoint(liar)),
                        to: 3, in: 1...20)
                }
                return true
            }
            return false
        }
        if kind == .stranger { network.lists[3]!.removeAll { $0 == liar } }
        network.away[3] = Self.long
        try network.start(3)
        let goal = network.disks[0].lastEpoch + 4
        #expect(network.run(for: .seconds(120)) { network.disks[3].lastEpoch >= goal })
        #expect(contradiction())
        #expect(network.forks.isEmpty && network.alarms.isEmpty, "\(network.alarms)")
        let liars = network.notices[3].compactMap { notice in
            if case .snapshot(.lied(let peer, _)) = notice { peer } else { nil }
        }
        #expect(Set(liars) == (kind == .listed ? [network.key(liar).nodeID] : []))
        try network.verify(3)
    }

    @Test func `are not asked about while the last block is young`() throws {
        let network = try beginning()
        network.away[0] = .seconds(100)
        for host in 0..<4 { try network.start(host) }
        let goal = network.disks[0].lastEpoch + 2
        #expect(network.run(for: .seconds(60)) { network.commonEpoch >= goal })
        #expect(
            !network.notices.joined().contains { if case .snapshot(.doubts) = $0 { true } else { false } })
    }

    // MARK: Networks that stood still

    @Test(arguments: [2, 4]) func `keep no network from going on that stood still for long`(count: Int) throws
    {
        let world = try beginning(count: count)
        for host in 0..<count {
            world.away[host] = Self.long
            try world.start(host)
        }
        let goal = world.disks[0].lastEpoch + 3
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= goal })
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
        for host in 0..<count {
            #expect(world.notices[host].contains { if case .snapshot(.vouched) = $0 { true } else { false } })
        }
    }

    @Test func `keep nobody without a list whose operator says that its last block is the network's`() throws
    {
        let world = try beginning()
        for host in 0..<4 { world.away[host] = Self.long }
        for host in 0..<4 where host > 0 { world.lists[host] = [0] }
        world.lists[0] = []
        for host in 0..<4 { try world.start(host) }
        let last = world.disks[0].lastEpoch
        world.run(for: .seconds(20))
        #expect(world.disks[0].lastEpoch == last)
        // What it is told is what it asks for.
        let own = Checkpoint(world.disks[0].blocks[last]!.block.header)
        #expect(world.nodes[0]!.view.waitsFor.contains("--checkpoint"))
        #expect(world.nodes[0]!.view.waitsFor.contains(own.text))
        #expect(
            world.notices[0].contains {
                if case .snapshot(.doubts(own, needed: 0)) = $0 { true } else { false }
            })
        world.crash(0)
        world.checkpoints[0] = Checkpoint(own.text)
        try world.start(0)
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= last + 3 })
    }

    @Test func `keep nobody without a list whose operator knows a block that is a few further on`() throws {
        let world = try beginning()
        let left = world.disks[0].lastEpoch
        world.lists[0] = []
        for host in 1..<4 {
            world.lists[host] = [0, 1, 2, 3]
            try world.start(host)
        }
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= left + 3 })
        world.away[0] = Self.long
        world.checkpoints[0] = Checkpoint(world.disks[1].blocks[left + 3]!.block.header)
        try world.start(0)
        #expect(world.run(for: .seconds(30)) { world.disks[0].lastEpoch >= left + 6 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty, "\(world.alarms)")
        try world.verify(0)
    }

    @Test func `keep no network of four from going on while one of those listed is down`() throws {
        let world = try beginning()
        for host in 0..<3 {
            world.lists[host] = [0, 1, 2, 3]
            world.away[host] = Self.long
            try world.start(host)
        }
        let goal = world.disks[0].lastEpoch + 3
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= goal })
    }

    @Test func `keep no node from going on whose clock was ahead for a while`() throws {
        let world = try beginning()
        for host in 0..<4 {
            world.lists[host] = host == 0 ? [] : [0]
            try world.start(host)
        }
        let begun = world.disks[0].lastEpoch
        let node = world.nodes[0]!
        node.wallTime = 1_000_000
        #expect(world.run(for: .seconds(60)) { world.commonEpoch >= begun + 2 })
        node.wallTime += 1_000_000_000
        #expect(world.run(for: .seconds(30)) { node.candidates.list.contains { $0.certificate != nil } })
        let held = world.disks[0].lastEpoch
        world.run(for: .seconds(5))
        #expect(world.disks[0].lastEpoch == held)
        node.wallTime -= 1_000_000_000
        #expect(world.run(for: .seconds(30)) { world.disks[0].lastEpoch >= held + 3 })
        #expect(world.forks.isEmpty && world.alarms.isEmpty)
    }

    @Test func `keep a node waiting that is on another chain than its list, and it says so`() throws {
        let network = try beginning()
        let forgery = try forgery(network, knowing: network.disks[3])
        try forgery.start(3)
        let goal = forgery.disks[0].lastEpoch + 4
        // Its clock was wrong: it took what old keys signed.
        #expect(forgery.run(for: .seconds(60)) { forgery.disks[3].lastEpoch >= goal })
        for host in 0..<3 { try network.start(host) }
        #expect(network.run(for: .seconds(60)) { network.commonEpoch >= goal + 1 })
        network.disks[3] = forgery.disks[3]
        let last = network.disks[3].lastEpoch
        network.away[3] = Self.long
        try network.start(3)
        network.run(for: .seconds(30))
        #expect(network.disks[3].lastEpoch == last)
        #expect(network.alarms.contains { $0.contains("bootstrap list have another") }, "\(network.alarms)")
    }
}

@Suite struct `The age of the last block` {
    private let start = Instant.origin + .seconds(1_000)

    private func freshness(since: Duration?) -> Freshness {
        var parameters = Parameters()
        parameters.epochMilliseconds = 1_000
        parameters.unbondingEpochs = 100
        return Freshness(parameters, since: since, at: start)
    }

    @Test func `counts what passed before this life, and is too high where nobody knows`() {
        let known = freshness(since: .seconds(40))
        #expect(known.holds(at: start + .seconds(60), wallTime: 0))
        #expect(!known.holds(at: start + .seconds(61), wallTime: 0))
        #expect(!freshness(since: nil).holds(at: start, wallTime: 0))
    }

    @Test func `is what the clock says that says more: one stands while a machine sleeps, one may be set`() {
        var freshness = freshness(since: .zero)
        freshness.note(wallTime: 5_000_000)
        #expect(freshness.holds(at: start, wallTime: 5_100_000))
        #expect(!freshness.holds(at: start, wallTime: 5_100_001), "it slept")
        #expect(!freshness.holds(at: start + .seconds(101), wallTime: 4_000_000), "it was set back")
        freshness.renew(at: start + .seconds(101), wallTime: 4_000_000)
        #expect(freshness.holds(at: start + .seconds(102), wallTime: 4_001_000))
        freshness.outrun()
        #expect(!freshness.holds(at: start + .seconds(102), wallTime: 4_001_000))
    }
}
