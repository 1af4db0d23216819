import Bytes
import Chance
import Identity
import Membership
import Testing
import Wire

@testable import Node

/// What a full node does for strangers, and how much of it.
@Suite struct EdgeDeskTests {
    /// One validator, alone, and devices that hand in their bundles.
    struct Desk {
        let node: Node
        let devices: [SigningKey]
        let network: Digest
        var now = Instant.origin
        /// What the node said last.
        var answers: [Answer] = []
        var actions: [NodeAction] = []

        init(devices count: Int = 3) throws {
            let validator = Followed.Member(0)
            devices = (0..<count).map { index in
                let seed = Digest(of: [UInt8(index & 0xFF), UInt8(index >> 8), 77]).octets
                return SigningKey(seed: seed.octetBytes, isGuarded: false)
            }
            var parameters = Parameters()
            parameters.epochMilliseconds = 100_000
            let token: Amount = 100_000_000
            let genesis = Genesis(
                name: "desk", isTest: true, parameters: parameters, randomness0: .zero, randomness1: .zero,
                accounts: [],
                devices: devices.map {
                    GenesisDevice(
                        device: $0.nodeID, kind: .hotspot, owner: $0.nodeID, vrfKey: validator.vrf.publicKey,
                        profile: RadioProfile(region: .eu868, gain: 20), location: nil)
                },
                validators: [
                    GenesisValidator(
                        validator: validator.key.nodeID, owner: validator.key.nodeID,
                        vrfKey: validator.vrf.publicKey, stake: 10_000 * token)
                ])
            network = genesis.network
            let settings = NodeSettings(
                roles: .validator, endpoints: [.loopback(port: 4_000)], bootstrap: [], region: nil,
                recordSequence: 1)
            node = try Node(
                genesis: genesis, key: validator.key, vrfKey: validator.vrf, settings: settings,
                boot: BootRecords(), chance: Chance(seed: 3), now: now, actions: &actions)
        }

        func bundle(of device: Int, epoch: Epoch = 1, value: Int64 = 0) -> Bundle {
            Bundle(
                author: devices[device].nodeID, epoch: epoch, ownTag: nil, reports: [],
                readings: [Reading(sequence: 1, kind: 0, value: value)]
            ).signed(by: devices[device], network: network)
        }

        mutating func handle(_ event: NodeEvent) {
            actions.removeAll()
            answers.removeAll()
            node.handle(event, at: now, actions: &actions)
            node.assertInvariants()
            for case .send(let bytes, _) in actions {
                for case .message(let octets) in try! Payload(decoding: bytes.octetBytes).frames {
                    if case .answer(let answer)? = try? Message(decoding: octets) { answers.append(answer) }
                }
            }
        }

        mutating func hear(_ frame: Frame, from sender: NodeID) {
            let payload = Payload(frames: [frame]).encoded()
            handle(.payload(payload, from: sender, .loopback(port: 5_000)))
        }

        mutating func hear(_ message: Message, from sender: NodeID) {
            hear(.message(message.encoded()), from: sender)
        }

        var jobs: [(ticket: UInt64, checks: [Check])] {
            actions.compactMap {
                if case .verify(let ticket, let checks) = $0 { (ticket, checks) } else { nil }
            }
        }
    }

    @Test func `a bundle is verified, then durable, then its author is told`() throws {
        var desk = try Desk()
        let bundle = desk.bundle(of: 0)
        desk.hear(.handIn(bundle), from: bundle.author)
        #expect(desk.answers.isEmpty && desk.jobs.count == 1)
        desk.handle(.verified(ticket: desk.jobs[0].ticket, Verification(of: desk.jobs[0].checks)))
        let order = desk.actions.compactMap { action -> String? in
            switch action {
            case .persist(.bundle(bundle, isOwn: false)): "durable"
            case .send: "said"
            default: nil
            }
        }
        #expect(order == ["durable", "said"] && desk.answers == [.bundle(bundle.id, .held)])
        desk.hear(.question(.bundle(bundle.id)), from: desk.devices[1].nodeID)
        #expect(desk.answers == [.bundle(bundle.id, .held)])
    }

    @Test func `a bundle is taken of a registered author, from a registered sender and of the open epoch`()
        throws
    {
        var desk = try Desk()
        let stranger = Followed.Member(150).key
        desk.hear(.handIn(desk.bundle(of: 0)), from: stranger.nodeID)
        #expect(desk.jobs.isEmpty && desk.answers.isEmpty)
        let foreign = Bundle(author: stranger.nodeID, epoch: 1, ownTag: nil, reports: [])
            .signed(by: stranger, network: desk.network)
        for sender in [stranger.nodeID, desk.devices[1].nodeID] {
            desk.hear(.handIn(foreign), from: sender)
            #expect(desk.jobs.isEmpty && desk.answers == [.bundle(foreign.id, .refused)])
        }
        let early = desk.bundle(of: 0, epoch: 2)
        desk.hear(.handIn(early), from: early.author)
        #expect(desk.jobs.isEmpty && desk.answers == [.bundle(early.id, .unknown)])
        let late = desk.bundle(of: 0, epoch: 0)
        desk.hear(.handIn(late), from: late.author)
        #expect(desk.jobs.isEmpty && desk.answers == [.bundle(late.id, .refused)])
    }

    @Test func `a forged bundle is not stored, and a third one is refused`() throws {
        var desk = try Desk()
        let good = desk.bundle(of: 0)
        let forged = Bundle(
            author: good.author, epoch: 1, ownTag: nil, reports: [], signature: good.signature)
        desk.hear(.handIn(forged), from: good.author)
        desk.handle(.verified(ticket: desk.jobs[0].ticket, Verification(of: desk.jobs[0].checks)))
        #expect(desk.answers.isEmpty)
        for value in Int64(1)...2 {
            desk.hear(.handIn(desk.bundle(of: 0, value: value)), from: good.author)
            desk.handle(.verified(ticket: desk.jobs[0].ticket, Verification(of: desk.jobs[0].checks)))
        }
        desk.hear(.handIn(good), from: good.author)
        #expect(desk.answers == [.bundle(good.id, .refused)] && desk.jobs.isEmpty)
    }

    @Test func `edge nodes' bundles wait for each other, and votes never for them`() throws {
        var desk = try Desk(devices: 200)
        var jobs = 0
        for device in 0..<200 {
            let bundle = desk.bundle(of: device)
            desk.hear(.handIn(bundle), from: bundle.author)
            jobs += desk.jobs.count
        }
        #expect(jobs == EdgeDesk.ticketsMax)
    }

    @Test func `who asks without end gets a burst of answers, and others still get theirs`() throws {
        var desk = try Desk()
        var answered = 0
        for _ in 0..<500 {
            desk.hear(.question(.follow(9)), from: desk.devices[0].nodeID)
            answered += desk.answers.count
        }
        #expect(answered == 32)
        desk.hear(.question(.follow(9)), from: desk.devices[1].nodeID)
        #expect(desk.answers.count == 1)
        desk.now = desk.now + .seconds(1)
        answered = 0
        for _ in 0..<500 {
            desk.hear(.question(.follow(9)), from: desk.devices[0].nodeID)
            answered += desk.answers.count
        }
        #expect(answered == 8)
    }

    @Test func `strangers without number get no more than a node can spare`() throws {
        var allowance = EdgeAllowance(chance: Chance(seed: 4))
        var chance = Chance(seed: 5)
        var taken = 0
        for _ in 0..<10_000 {
            let sender = NodeID(octets: chance.octets(32).octetBytes)
            let place = Endpoint(ipv4: 0x0A00_0000 + UInt32(taken) * 256, port: 1)
            if allowance.takes(sender, of: Prefix(place), at: .origin) { taken += 1 }
        }
        #expect(taken == 2_000)
    }

    @Test(arguments: [
        Endpoint(ipv4: 0xC000_0201, port: 1), Endpoint(high: 0x2001_0DB8 << 32, low: 1, port: 1),
    ])
    func `strangers of one host get an eighth of that, however many keys it makes`(host: Endpoint) {
        var allowance = EdgeAllowance(chance: Chance(seed: 4))
        var chance = Chance(seed: 5)
        func ask(_ times: Int, from prefix: Prefix?, after delay: Duration = .zero) -> Int {
            (0..<times).count { _ in
                allowance.takes(NodeID(octets: chance.octets(32).octetBytes), of: prefix, at: .origin + delay)
            }
        }
        #expect(ask(2_000, from: Prefix(host)) == 250)
        #expect(ask(100, from: Prefix(Endpoint(ipv4: 0xC633_6401, port: 1))) == 100)
        #expect(ask(2_000, from: Prefix(host), after: .milliseconds(100)) == 50)
        #expect(ask(1_000, from: nil, after: .milliseconds(100)) == 1_000)
    }

    @Test func `what is given back may be said once more`() {
        var allowance = EdgeAllowance(chance: Chance(seed: 4))
        let (sender, prefix) = (NodeID(testing: 1), Prefix(Endpoint(ipv4: 0xC000_0201, port: 1)))
        func ask() -> Int { (0..<100).count { _ in allowance.takes(sender, of: prefix, at: .origin) } }
        #expect(ask() == 32)
        for _ in 0..<3 { allowance.giveBack(sender, of: prefix) }
        #expect(ask() == 3)
    }

    @Test func `pieces become a bundle in any order, of so many senders as there is room for`() throws {
        var chance = Chance(seed: 6)
        var pieces = EdgePieces()
        let octets = chance.octets(3_000)
        let digest = Digest(of: octets)
        func chunk(_ index: Int, of message: Digest = digest) -> Chunk {
            let end = min((index + 1) * 1_024, octets.count)
            return Chunk(
                message: message, index: UInt16(index), count: 3, octets: Array(octets[(index * 1_024)..<end])
            )
        }
        var senders: [NodeID] = []
        for _ in 0..<200 {
            let sender = NodeID(octets: chance.octets(32).octetBytes)
            senders.append(sender)
            #expect(pieces.add(chunk(2), from: sender) == nil)
            #expect(pieces.add(chunk(0), from: sender) == nil)
        }
        #expect(pieces.count == EdgePieces.sendersMax)
        #expect(pieces.held(senders[199]) == 0b101 && pieces.held(senders[0]) == nil)
        #expect(pieces.add(chunk(1), from: senders[199]) == octets)
        #expect(pieces.held(senders[199]) == nil)
        // What is not what it said it would be is nothing.
        let sender = senders[198]
        for index in 0..<3 { #expect(pieces.add(chunk(index, of: .zero), from: sender) == nil) }
        #expect(pieces.held(sender) == nil)
    }

    @Test func `a piece of a message that no bundle can be takes no room`() throws {
        var desk = try Desk()
        let chunk = Chunk(
            message: .zero, index: 0, count: 4_000, octets: Array(repeating: 0, count: Chunk.byteCountMax))
        desk.hear(.chunk(chunk), from: desk.devices[0].nodeID)
        #expect(desk.node.edges.pieces.count == 0)
        let stranger = Followed.Member(150).key.nodeID
        let small = Chunk(
            message: .zero, index: 0, count: 2, octets: Array(repeating: 0, count: Chunk.byteCountMax))
        desk.hear(.chunk(small), from: stranger)
        #expect(desk.node.edges.pieces.count == 0)
    }
}
