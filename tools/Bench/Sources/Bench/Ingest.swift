internal import Bytes
internal import Chance
internal import Identity
internal import Node
internal import Records
internal import Store
internal import Wire

/// A connected node with a driver of the smallest kind: checks are made at once, commits in groups, and what
/// is sent is counted.
struct Ingest {
    /// Bundles of one commit.
    static let groupMax = 256
    /// Between two datagrams, in the node's own time: as fast as one core could verify.
    private static let pace = Duration.microseconds(60)

    private let node: Node
    private let peer: (NodeID, Endpoint)
    private let store: NodeStore
    private var now: Instant
    private var group: [RecordWrite] = []
    private(set) var stored = 0
    private(set) var sent = 0

    init(_ evidence: Evidence, at directory: String) throws {
        var village = try Village(evidence)
        village.connect()
        (node, now, peer) = (village.nodes[0], village.now, (village.nodes[1].id, Village.endpoint(1)))
        store = try NodeStore(at: directory, readOnly: false)
    }

    mutating func receive(_ bytes: [UInt8]) throws {
        now = now + Self.pace
        try handle(.payload(bytes, from: peer.0, peer.1))
    }

    /// Stores what is left of the last group and lets go what waits to be forwarded.
    mutating func finish() throws {
        try flush()
        let end = now + .milliseconds(500)
        while node.deadline < end {
            now = max(now, node.deadline)
            try handle(.woke)
        }
    }

    private mutating func handle(_ event: NodeEvent) throws {
        var actions: [NodeAction] = []
        node.handle(event, at: now, actions: &actions)
        for action in actions {
            switch action {
            case .verify(let ticket, let checks):
                try handle(.verified(ticket: ticket, Verification(of: checks)))
            case .persist(.bundle(let bundle, let isOwn)):
                group.append(.bundle(bundle, isOwn: isOwn))
                if group.count == Self.groupMax { try flush() }
            case .send(let bytes, _): sent += bytes.count
            case .persist, .transmit, .serve, .card, .hold, .release, .notice: break
            }
        }
    }

    private mutating func flush() throws {
        try store.write(group)
        stored += group.count
        group.removeAll(keepingCapacity: true)
    }
}

/// A few nodes that get to know each other in made-up time.
struct Village {
    private(set) var nodes: [Node] = []
    private(set) var now = Instant.origin
    private var datagrams: [(bytes: [UInt8], from: Int, to: Int)] = []

    static func endpoint(_ host: Int) -> Endpoint { .loopback(port: UInt16(4_000 + host)) }

    init(_ evidence: Evidence) throws {
        var chance = Chance(seed: 4)
        let first = evidence.seeds[0]
        let bootstrap = [(SigningKey(seed: first.octetBytes).nodeID, Self.endpoint(0))]
        for (host, seed) in evidence.seeds.enumerated() {
            var actions: [NodeAction] = []
            let settings = NodeSettings(
                roles: [.validator], endpoints: [Self.endpoint(host)], bootstrap: host == 0 ? [] : bootstrap,
                region: nil,
                recordSequence: 1)
            nodes.append(
                try Node(
                    genesis: evidence.genesis, key: SigningKey(seed: seed.octetBytes),
                    vrfKey: VRFKey.derived(fromNodeSeed: seed.octetBytes), settings: settings,
                    boot: BootRecords(),
                    chance: chance.split(), now: now, actions: &actions))
            carryOut(actions, of: host)
        }
    }

    /// Runs for twenty seconds of an epoch of ten minutes: everyone knows everyone, nothing else has happened.
    mutating func connect() {
        let end = now + .seconds(20)
        while true {
            while !datagrams.isEmpty {
                let datagram = datagrams.removeFirst()
                handle(
                    .payload(datagram.bytes, from: nodes[datagram.from].id, Self.endpoint(datagram.from)),
                    at: datagram.to)
            }
            let next = nodes.map(\.deadline).min()!
            if next >= end { break }
            now = max(now, next)
            for host in nodes.indices where nodes[host].deadline <= now { handle(.woke, at: host) }
        }
        now = end
    }

    private mutating func handle(_ event: NodeEvent, at host: Int) {
        var actions: [NodeAction] = []
        nodes[host].handle(event, at: now, actions: &actions)
        carryOut(actions, of: host)
    }

    private mutating func carryOut(_ actions: [NodeAction], of host: Int) {
        for action in actions {
            switch action {
            case .send(let bytes, let destination):
                datagrams.append((bytes, host, Int(destination.endpoint.port) - 4_000))
            case .verify(let ticket, let checks):
                handle(.verified(ticket: ticket, Verification(of: checks)), at: host)
            case .persist, .transmit, .serve, .card, .hold, .release, .notice: break
            }
        }
    }
}
