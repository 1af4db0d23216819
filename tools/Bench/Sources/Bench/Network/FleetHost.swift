internal import Bytes
internal import Chance
internal import Identity
internal import Membership
internal import Node
internal import Session
internal import Wire

/// One node at a real socket: the core as the runtime drives it, with production's settings.
///
/// Not as in the runtime: checks are made on the same thread, each singly, and a commit ends at once, as nothing here
/// is written to a disk.
final class FleetHost {
    let socket: Socket
    let node: Node
    let carrier: Carrier
    private var outputs = OutputQueue<Persisted>()
    private var unchecked: [(ticket: UInt64, checks: [Check])] = []
    private(set) var wakesAt = Instant.origin
    /// What to look for among what it verified: a bundle that spreads.
    var awaited: [Signature: Int] = [:]
    var onVerified: ((Int) -> Void)?
    /// A peer it has no more, and whether probing found it dead.
    var onDisconnected: ((NodeID, _ wasSuspected: Bool) -> Void)?
    private var suspects: Set<NodeID> = []
    /// Octets of frames that left, by what they are for; nil: nobody asks.
    var purposes: [Purpose: Int]?
    /// The first datagrams that it takes, for whoever wants to distort them.
    var sampled: [[UInt8]] = []
    var samplesMax = 0

    init(
        number: Int, of world: FleetWorld, at socket: Socket, bootstrap: [(NodeID, Endpoint)], seed: UInt64
    ) throws {
        self.socket = socket
        var chance = Chance(seed: seed)
        var actions: [NodeAction] = []
        let now = Clock.now
        node = try Node(
            genesis: world.genesis, key: world.keys[number], vrfKey: world.vrfKeys[number],
            settings: NodeSettings(
                roles: number < world.validators ? .validator : .observer, endpoints: [socket.endpoint],
                bootstrap: bootstrap, region: nil, recordSequence: 1),
            boot: BootRecords(), chance: chance.split(), now: now, actions: &actions)
        carrier = Carrier(
            key: world.seeds[number].exchangeKey, record: node.card, network: world.network,
            settings: Session.Settings(), secrets: .simulated(chance.split()),
            wallNanoseconds: UInt64(now.nanoseconds), now: now)
        carryOut(actions)
        settle()
    }

    var id: NodeID { node.id }

    func receive(_ octets: [UInt8], from source: Endpoint) {
        if sampled.count < samplesMax { sampled.append(octets) }
        carry(.datagram(octets, from: source))
        settle()
    }

    /// What its application, or whoever has a session with it, says to it.
    func handle(_ event: NodeEvent) {
        step(event)
        settle()
    }

    func wake() {
        if onDisconnected != nil {
            suspects = Set(node.contacts.filter { $0.link?.liveness == .suspected }.map(\.node))
        }
        if carrier.deadline <= Clock.now { carry(.woke) }
        step(.woke)
        settle()
        suspects = []
    }

    /// Answers what it wants checked, until it wants nothing more.
    private func settle() {
        while !unchecked.isEmpty {
            let jobs = unchecked
            unchecked = []
            for (ticket, checks) in jobs {
                step(.verified(ticket: ticket, Verification(of: checks)))
                guard !awaited.isEmpty else { continue }
                for case .signature(_, _, let signature) in checks {
                    if let place = awaited.removeValue(forKey: signature) { onVerified?(place) }
                }
            }
        }
        // Never busier than once in 100 microseconds, as the runtime.
        wakesAt = max(min(node.deadline, carrier.deadline), Clock.now + .microseconds(100))
    }

    private func step(_ event: NodeEvent) {
        var actions: [NodeAction] = []
        node.handle(event, at: Clock.now, actions: &actions)
        carryOut(actions)
    }

    private func carry(_ event: Carrier.Event) {
        var actions: [Carrier.Action] = []
        carrier.handle(event, at: Clock.now, actions: &actions)
        for action in actions {
            switch action {
            case .transmit(let octets, let endpoint): socket.send(octets, to: endpoint)
            case .payload(let payload, let sender, let place): step(.payload(payload, from: sender, place))
            case .lost(let peer): step(.lost(peer))
            case .observed(let seen, let peer, let place): step(.observed(seen, by: peer, place))
            case .keyLog: break
            }
        }
    }

    private func carryOut(_ actions: [NodeAction]) {
        for action in actions {
            switch action {
            case .send(let payload, let destination): outputs.send(payload, to: destination)
            case .card(let card): carry(.card(card))
            case .hold(let peer): carry(.hold(peer))
            case .release(let peer): carry(.release(peer))
            case .persist(let persisted): outputs.persist(persisted)
            case .verify(let ticket, let checks): unchecked.append((ticket, checks))
            case .notice(.peerDisconnected(let peer)): onDisconnected?(peer, suspects.contains(peer))
            case .transmit, .serve, .notice: break
            }
        }
        pump()
    }

    private func pump() {
        while true {
            var leaving: [(payload: [UInt8], destination: Destination)] = []
            let batch = outputs.pump { leaving.append(($0, $1)) }
            for (payload, destination) in leaving {
                if purposes != nil { note(payload) }
                carry(.send(payload, to: destination))
            }
            guard batch != nil else { return }
            outputs.committed()
        }
    }

    private func note(_ payload: [UInt8]) {
        guard let payload = try? Payload(decoding: payload.octetBytes) else { return }
        for frame in payload.frames {
            purposes?[Purpose(frame), default: 0] += Payload(frames: [frame]).encoded().count
        }
    }
}

/// What a frame is for.
enum Purpose: String, CaseIterable {
    case messages, announcements, reconciliation, membership

    init(_ frame: Frame) {
        self =
            switch frame {
            case .message, .chunk: .messages
            case .have, .want: .announcements
            case .reconciliation: .reconciliation
            default: .membership
            }
    }
}
