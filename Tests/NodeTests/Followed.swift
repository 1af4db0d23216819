import Bytes
import Chance
import Geo
import Identity
import Ledger
import Wire

@testable import Node

/// A chain that nobody executed: headers, and votes of as many committee members as one likes.
struct Followed {
    struct Member {
        let key: SigningKey
        let vrf: VRFKey

        init(_ number: Int) {
            let seed = [UInt8](repeating: UInt8(number + 1), count: 32)
            key = SigningKey(seed: seed.octetBytes)
            vrf = VRFKey.derived(fromNodeSeed: seed.octetBytes)
        }

        var seat: Seat { Seat(key: key.nodeID, vrfKey: vrf.publicKey, weight: 10) }
    }

    let genesis: Genesis
    let network: Digest
    let members: [Member]
    let device: Member
    /// Of period 2 and later: strangers to genesis.
    let laterMembers: [Member]
    private(set) var last: Header?
    private(set) var randomness: Digest
    /// Evidence items of the next header.
    var items: [Digest] = []
    var stateRoot = Digest.zero
    static let committeeEpochs: UInt32 = 3

    /// - Parameter beacons: The device is somewhere, and beacons in every epoch.
    init(validators: Int = 4, epochMilliseconds: UInt32 = 10_000, beacons: Bool = false) {
        members = (0..<validators).map(Member.init)
        laterMembers = (100..<(100 + validators)).map(Member.init)
        device = Member(200)
        var parameters = Parameters()
        parameters.epochMilliseconds = epochMilliseconds
        parameters.committeeEpochs = Self.committeeEpochs
        parameters.beaconThreshold = beacons ? .max : 0
        let token: Amount = 100_000_000
        let device = device
        let place = Position(latitude: 470_000_000, longitude: 80_000_000)!
        genesis = Genesis(
            name: "followed", isTest: true, parameters: parameters, randomness0: Digest(of: [0]),
            randomness1: Digest(of: [1]), accounts: [],
            devices: [
                GenesisDevice(
                    device: device.key.nodeID, kind: .hotspot, owner: device.key.nodeID,
                    vrfKey: device.vrf.publicKey, profile: RadioProfile(region: .eu868, gain: 20),
                    location: beacons
                        ? Location(position: place, cell: Cell(containing: place, resolution: 12)) : nil)
            ],
            validators: members.map {
                GenesisValidator(
                    validator: $0.key.nodeID, owner: $0.key.nodeID, vrfKey: $0.vrf.publicKey,
                    stake: 10_000 * token)
            })
        network = genesis.network
        randomness = genesis.randomness1
    }

    func committee(ofPeriod period: UInt64) -> Committee {
        period < 2 ? genesis.committee : Committee(seats: laterMembers.map(\.seat))
    }

    func committee(for epoch: Epoch) -> Committee {
        committee(ofPeriod: Ledger.period(of: epoch, committeeEpochs: Self.committeeEpochs))
    }

    private func members(for epoch: Epoch) -> [Member] {
        Ledger.period(of: epoch, committeeEpochs: Self.committeeEpochs) < 2 ? members : laterMembers
    }

    /// The next header; it becomes the last one, unless only a draft is wanted.
    mutating func next(
        isDraft: Bool = false, _ change: (inout Header) -> Void = { _ in }
    ) -> Header {
        let epoch = (last?.epoch ?? 0) + 1
        let builder = members(for: epoch)[0]
        let proof = builder.vrf.prove(
            Randomness.alpha(network: network, epoch: epoch, randomness: randomness).octetBytes)
        let period = Ledger.period(of: epoch, committeeEpochs: Self.committeeEpochs)
        var header = Header(
            network: network, epoch: epoch, parent: last?.digest ?? network, builder: builder.key.nodeID,
            buildView: 1, randomnessProof: proof, randomness: randomness,
            evidence: EvidenceSummary(items: items), transactionsRoot: .zero, verdictsRoot: .zero,
            stateRoot: stateRoot, committee: committee(for: epoch).digest,
            nextCommittee: committee(ofPeriod: period + 1).digest, parameters: genesis.parameters.digest,
            wallTime: 0)
        change(&header)
        guard !isDraft else { return header }
        let alpha = Randomness.alpha(network: network, epoch: epoch, randomness: header.randomness)
        let output = builder.vrf.publicKey.verify(proof, alpha: alpha.octetBytes)!
        randomness = Randomness.next(after: header.randomness, output: output, epoch: epoch)
        last = header
        return header
    }

    /// Votes to finalize a header, by the first so many of its committee.
    func certificate(
        of header: Header, voters count: Int? = nil, ballot: Ballot? = nil, by signers: [Member]? = nil
    ) -> Certificate {
        let committee = committee(for: header.epoch)
        let ballot = ballot ?? .finalize(header.epoch, 1, header.digest)
        let all = (signers ?? members(for: header.epoch)).map { member in
            (committee.index(of: member.key.nodeID), Vote(ballot, by: member.key, network: network).signature)
        }
        let votes = all.enumerated().map { (UInt16($1.0 ?? $0), $1.1) }.sorted { $0.0 < $1.0 }
            .prefix(count ?? members.count)
        return Certificate(ballot: ballot, voters: votes.map(\.0), signatures: votes.map(\.1))
    }

    func page(of header: Header, voters: Int? = nil) -> VotesPage {
        certificate(of: header, voters: voters).page(0)!
    }

    /// The output that a verified header gives.
    func output(of header: Header) -> VRFOutput {
        let alpha = Randomness.alpha(network: network, epoch: header.epoch, randomness: header.randomness)
        let builder = members(for: header.epoch)[0]
        return builder.vrf.publicKey.verify(header.randomnessProof, alpha: alpha.octetBytes)!
    }
}

/// One edge node, and a test that answers for all of its validators.
struct Hand {
    var followed: Followed
    let node: EdgeNode
    var now = Instant.origin
    /// What it wants and nobody has carried out yet.
    var actions: [NodeAction] = []
    var notices: [String] = []
    /// What it asked, of whom.
    var questions: [(question: Question, of: NodeID)] = []
    /// Whole bundles that it handed in.
    var handedIn: [(bundle: Bundle, to: NodeID)] = []
    var chunks: [(chunk: Chunk, to: NodeID)] = []
    /// What it answered others of its kind.
    var answers: [(answer: Answer, to: NodeID)] = []
    /// The epoch of each beacon that it sent.
    var beacons: [Epoch] = []
    var boot: BootRecords

    /// - Parameter listed: How many validators stand in the bootstrap list; nil: all.
    init(
        _ followed: Followed = Followed(), boot: BootRecords = BootRecords(), at now: Instant = .origin,
        seed: UInt64 = 1, listed: Int? = nil
    ) throws {
        self.followed = followed
        self.boot = boot
        self.now = now
        let bootstrap = followed.members.prefix(listed ?? .max).enumerated().map { index, member in
            (member.key.nodeID, Endpoint.loopback(port: UInt16(4_000 + index)))
        }
        let settings = NodeSettings(
            roles: .hotspot, endpoints: [.loopback(port: 3_999)], bootstrap: bootstrap, region: nil,
            recordSequence: 1)
        var actions: [NodeAction] = []
        node = try EdgeNode(
            genesis: followed.genesis, network: followed.network, key: followed.device.key,
            vrfKey: followed.device.vrf, settings: settings, boot: boot, chance: Chance(seed: seed), now: now,
            actions: &actions)
        carryOut(actions)
    }

    private mutating func carryOut(_ actions: [NodeAction]) {
        for action in actions {
            switch action {
            case .send(let bytes, let destination):
                for frame in try! Payload(decoding: bytes.octetBytes).frames {
                    take(frame, for: destination.node)
                }
            case .persist(.following(let bytes, _)): boot.following = bytes
            case .persist(.coverage(let bytes)): boot.coverage = bytes
            case .persist(.outbox(let bundle)): boot.ownBundle = bundle
            case .persist(.peers(let records)): boot.peers = records
            case .persist(.bundle(let bundle, _)): boot.bundles.append(bundle)
            case .persist(.droppedOpen): boot.bundles = []
            case .transmit: beacons.append(node.openEpoch)
            case .persist, .serve, .card, .hold, .release: break
            case .verify(let ticket, let checks): handle(.verified(ticket: ticket, Verification(of: checks)))
            case .notice(let notice): notices.append("\(notice)")
            }
        }
    }

    private mutating func take(_ frame: Frame, for node: NodeID) {
        switch frame {
        case .message(let octets):
            switch try! Message(decoding: octets) {
            case .question(let question): questions.append((question, node))
            case .handIn(let bundle): handedIn.append((bundle, node))
            case .answer(let answer): answers.append((answer, node))
            default: preconditionFailure("an edge node has nothing else to say")
            }
        case .chunk(let chunk): chunks.append((chunk, node))
        default: preconditionFailure("an edge node has nothing else to say")
        }
    }

    mutating func handle(_ event: NodeEvent) {
        var actions: [NodeAction] = []
        node.handle(event, at: now, actions: &actions)
        node.assertInvariants()
        carryOut(actions)
    }

    /// Lets time pass, waking the node when it wants to be.
    mutating func pass(_ duration: Duration) {
        let end = now + duration
        while node.deadline <= end {
            now = max(now, node.deadline)
            handle(.woke)
        }
        now = end
    }

    /// Wakes it again and again until something is so.
    mutating func run(until isSo: (Hand) -> Bool) {
        for _ in 0..<10_000 where !isSo(self) {
            now = max(now, node.deadline)
            handle(.woke)
        }
        precondition(isSo(self), "it will never be so")
    }

    /// Lets time pass until it asks about the chain; returns whom.
    mutating func untilAsked() -> (epoch: Epoch, of: NodeID) {
        questions.removeAll()
        for _ in 0..<1_000 {
            for case (.follow(let epoch), let node) in questions { return (epoch, node) }
            now = max(now, node.deadline)
            handle(.woke)
        }
        preconditionFailure("it asks for ever")
    }

    mutating func answer(_ answers: Answer..., by node: NodeID) {
        for answer in answers {
            let payload = Payload(frames: [.message(Message.answer(answer).encoded())]).encoded()
            handle(.payload(payload, from: node, .loopback(port: 4_000)))
        }
    }

    /// Something comes from somebody, of its kind or not.
    mutating func hear(_ frames: Frame..., from node: NodeID) {
        handle(.payload(Payload(frames: frames).encoded(), from: node, .loopback(port: 5_000)))
    }

    mutating func hear(_ message: Message, from node: NodeID) {
        hear(.message(message.encoded()), from: node)
    }

    /// Answers as an honest validator does, from the chain as it is.
    mutating func answer(truly header: Header, lastFinal: Epoch? = nil, by node: NodeID) {
        answer(
            .header(header, lastFinal: lastFinal ?? header.epoch, age: 0), .votes(followed.page(of: header)),
            by: node)
    }
}
