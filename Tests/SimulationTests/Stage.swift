import Bytes
import Chance
import Consensus
import Identity
import Testing
import Wire

@testable import Simulation

/// One actor as host 0, and four who hear it.
struct Stage {
    static let hosts = 5
    static let network = Digest(of: [7])

    let keys: [SigningKey]
    let ids: [NodeID]
    let endpoints: [Endpoint]
    let committee: Committee
    var actor: any Adversary
    var now = Instant.origin
    var outbox: [(bytes: [UInt8], to: Endpoint)] = []
    private let vrfKey: VRFKey
    private let genesis: Genesis

    init(_ behaviour: Byzantine.Behaviour, seed: UInt64 = 1) {
        let seeds = (0..<Self.hosts).map { [UInt8](repeating: UInt8($0 + 1), count: 32) }
        keys = seeds.map { SigningKey(seed: $0.octetBytes) }
        ids = keys.map(\.nodeID)
        endpoints = (0..<Self.hosts).map { Endpoint(ipv4: 0x0A01_0000 | UInt32($0), port: 4_000) }
        let first = seeds[0]
        let vrfKey = VRFKey.derived(fromNodeSeed: first.octetBytes)
        self.vrfKey = vrfKey
        committee = Committee(seats: ids.map { Seat(key: $0, vrfKey: vrfKey.publicKey, weight: 10) })
        genesis = Genesis(
            name: "stage", isTest: true, parameters: Parameters(), randomness0: .zero, randomness1: .zero,
            accounts: [], devices: [], validators: [])
        actor = adversary(behaviour, chance: Chance(seed: seed))
    }

    private func scene() -> Scene {
        Scene(
            Backdrop(
                host: 0, key: keys[0], vrfKey: vrfKey, genesis: genesis, network: Self.network,
                endpoints: endpoints, ids: ids, delta: .milliseconds(300)),
            now: now, peers: (1..<Self.hosts).map { (ids[$0], endpoints[$0]) }, openEpoch: 1,
            chance: Chance(seed: 0))
    }

    private func datagrams(_ message: Message, from host: Int) -> [Datagram] {
        let octets = message.encoded()
        let count = (octets.count - 1) / Chunk.byteCountMax + 1
        let frames: [Frame] =
            octets.count <= Frame.messageByteCountMax
            ? [.message(octets)]
            : (0..<count).map { index in
                let end = min((index + 1) * Chunk.byteCountMax, octets.count)
                return .chunk(
                    Chunk(
                        message: message.id, index: UInt16(index), count: UInt16(count),
                        octets: Array(octets[(index * Chunk.byteCountMax)..<end])))
            }
        return frames.map { Datagram(network: Self.network.prefix, sender: ids[host], frames: [$0]) }
    }

    /// The host's own node says this.
    mutating func say(_ message: Message, to host: Int) {
        var scene = scene()
        for datagram in datagrams(message, from: 0) {
            actor.send(datagram, to: endpoints[host], scene: &scene)
        }
        outbox += scene.outbox
    }

    /// Whether all of it reaches the host's node.
    mutating func hear(_ message: Message, from host: Int) -> Bool {
        let datagrams = datagrams(message, from: host)
        return datagrams.map { hear($0.frames, from: host) }.allSatisfy { $0 }
    }

    mutating func hear(_ frames: [Frame], from host: Int) -> Bool {
        var scene = scene()
        let datagram = Datagram(network: Self.network.prefix, sender: ids[host], frames: frames)
        let passes = actor.receive(datagram, from: endpoints[host], scene: &scene)
        outbox += scene.outbox
        return passes
    }

    mutating func tick() {
        var scene = scene()
        actor.tick(scene: &scene)
        outbox += scene.outbox
    }
}

// What came out.
extension Stage {
    func datagrams() throws -> [(to: Int, datagram: Datagram)] {
        try outbox.map { sent in
            (endpoints.firstIndex(of: sent.to)!, try Datagram(decoding: sent.bytes.octetBytes))
        }
    }

    /// Whole messages, as each place could put them together.
    func heard() throws -> [(to: Int, message: Message)] {
        var parts: [[Digest: [Chunk]]] = Array(repeating: [:], count: Self.hosts)
        var heard: [(to: Int, message: Message)] = []
        for said in try datagrams() {
            for frame in said.datagram.frames {
                switch frame {
                case .message(let octets): heard.append((said.to, try Message(decoding: octets)))
                case .chunk(let chunk):
                    parts[said.to][chunk.message, default: []].append(chunk)
                    let list = parts[said.to][chunk.message]!.sorted { $0.index < $1.index }
                    guard list.map(\.index) == Array(0..<chunk.count) else { continue }
                    heard.append((said.to, try Message(decoding: list.flatMap(\.octets))))
                default: break
                }
            }
        }
        return heard
    }

    /// Votes as votes of their own.
    func votes() throws -> [(to: Int, vote: Vote)] {
        try heard().compactMap { said in
            if case .vote(let vote) = said.message { (said.to, vote) } else { nil }
        }
    }

    /// Pairs of this host's ballots, whether alone or in proposals, that contradict each other.
    func contradictions() throws -> [(Ballot, Ballot)] {
        let ballots = try heard().compactMap { ownBallot($0.message, ids[0]) }
        return ballots.flatMap { one in ballots.filter { one.contradicts($0) }.map { (one, $0) } }
    }
}

// What is said.
extension Stage {
    func vote(_ ballot: Ballot) -> Message {
        .vote(Vote(ballot, by: keys[0], network: Self.network))
    }

    /// With as many nullifications before it, or one notarization for a block proposed again.
    func proposal(by host: Int, parentView: View = 0, justification: Int = 0) -> Proposal {
        let view = View(justification) + (parentView == 0 ? 1 : 2)
        let header = header(builder: host, view: view, evidence: EvidenceSummary(items: []), body: .zero)
        var certificates: [Certificate] = []
        if parentView > 0 { certificates.append(certificate(.notarize(1, parentView, header.digest))) }
        for number in 0..<justification {
            certificates.append(certificate(.nullify(1, parentView + View(number) + 1)))
        }
        return Proposal(
            view: view, parentView: parentView, header: header, justification: certificates,
            vote: Vote(.notarize(1, view, header.digest), by: keys[host], network: Self.network))
    }

    private func certificate(_ ballot: Ballot) -> Certificate {
        let voters = committee.seats.map { seat in keys[ids.firstIndex(of: seat.key)!] }.prefix(4)
        return Certificate(
            ballot: ballot, voters: (0..<4).map { UInt16($0) },
            signatures: voters.map { Vote(ballot, by: $0, network: Self.network).signature })
    }

    private func header(builder: Int, view: View, evidence: EvidenceSummary, body: Digest) -> Header {
        Header(
            network: Self.network, epoch: 1, parent: .zero, builder: ids[builder], buildView: view,
            randomnessProof: .zero, randomness: .zero, evidence: evidence, transactionsRoot: body,
            verdictsRoot: .zero, stateRoot: .zero, committee: committee.digest, nextCommittee: .zero,
            parameters: .zero, wallTime: 0)
    }

    func bundle(by host: Int, reports count: Int = 0) -> Bundle {
        let measurement = Measurement(
            rssi: -900, snr: 50, frequency: 868_100_000,
            dataRate: DataRate(spreadingFactor: 9, bandwidthKilohertz: 125)!)
        let reports = (0..<count).map {
            WitnessReport(
                tag: Tag(UInt64($0)), measurement: measurement,
                proof: WitnessReport.Proof(octets: [UInt8](repeating: 1, count: 16)))
        }
        return Bundle(author: ids[host], epoch: 1, ownTag: nil, reports: reports)
            .signed(by: keys[host], network: Self.network)
    }

    func contents(items count: Int) -> Contents {
        let items = (0..<count).map {
            EvidenceItem(
                author: NodeID(octets: [UInt8](repeating: UInt8($0), count: 32).octetBytes),
                item: Digest(of: [UInt8($0)]))
        }
        let body = Body(transactions: [], parentCertificate: nil)
        let header = header(
            builder: 1, view: 1, evidence: EvidenceSummary(items: items.map(\.item)), body: body.root)
        return Contents(header: header, body: body, items: items)
    }

    func record(of host: Int) -> NodeRecord {
        NodeRecord(
            node: ids[host], sequence: 3, roles: [.validator], endpoints: [endpoints[host]], region: nil,
            version: 1
        )
        .signed(by: keys[host], network: Self.network)
    }
}

func isSigned(_ bundle: Bundle) -> Bool {
    isSigned(bundle.signedBytes, bundle.author, bundle.signature, .bundle)
}

func isSigned(_ transaction: Transaction) -> Bool {
    isSigned(transaction.signedBytes, transaction.account, transaction.signature, .transaction)
}

func isSigned(_ record: NodeRecord) -> Bool {
    isSigned(record.signedBytes, record.node, record.signature, .record)
}

private func isSigned(_ bytes: [UInt8], _ id: NodeID, _ signature: Signature, _ domain: SigningDomain) -> Bool
{
    id.signed(domain.preimage(network: Stage.network, message: bytes).octetBytes, with: signature)
}
