import Bytes
import Chance
import Identity
import Node
import Session
import Wire

/// Carriers behind translators of addresses, and a network that takes ten milliseconds.
final class Valley {
    enum Kind {
        case open
        /// One port for all, and only what comes from where something was sent to is let in.
        case answersOnly
        /// The same, but a port for each place.
        case symmetric
    }

    static let network = Digest(of: Array("a network of tests".utf8))

    private(set) var carriers: [Carrier] = []
    private(set) var ids: [NodeID] = []
    var kinds: [Kind] = []
    private let crowd: Set<Int>
    var now = Instant.origin
    var heard: [[[UInt8]]] = []
    var lost: [[NodeID]] = []
    /// What each translator remembers, by the place sent to: the port it is seen at.
    private var ports: [[Endpoint: UInt16]] = []
    private var packets: [(at: Instant, bytes: [UInt8], from: Endpoint, to: Endpoint)] = []
    /// Datagrams that left each, and of them initiations.
    private(set) var sent: [Int] = []
    private(set) var calls: [Int] = []

    /// - Parameter edges: Who is no validator.
    /// - Parameter crowd: Who has an address in one and the same prefix.
    init(_ kinds: [Kind], edges: Set<Int> = [], crowd: Set<Int> = []) {
        var chance = Chance(seed: 5)
        self.kinds = kinds
        self.crowd = crowd
        for index in kinds.indices {
            let roles: Roles = edges.contains(index) ? .hotspot : [.hotspot, .validator]
            let seed = SecretSeed(octets: chance.octets(32).octetBytes)
            let key = seed.signingKey
            let card = NodeRecord(
                node: key.nodeID, sequence: 1, roles: roles, endpoints: [], region: nil, version: 1
            ).signed(by: key, network: Self.network)
            ids.append(key.nodeID)
            carriers.append(
                Carrier(
                    key: seed.exchangeKey, record: card, network: Self.network,
                    settings: Session.Settings(), secrets: .simulated(chance.split()),
                    wallNanoseconds: 1_700_000_000_000_000_000, now: now))
            heard.append([])
            lost.append([])
            ports.append([:])
            sent.append(0)
            calls.append(0)
        }
    }

    func place(_ index: Int, port: UInt16 = 4_000) -> Endpoint {
        let address: UInt32 =
            crowd.contains(index) ? 0xC633_6400 + UInt32(index) : 0xC000_0001 + UInt32(index) << 8
        return Endpoint(ipv4: address, port: port)
    }

    private func index(of endpoint: Endpoint) -> Int? {
        kinds.indices.first { place($0).low == endpoint.low && place($0).high == endpoint.high }
    }

    func send(
        _ words: [UInt8], from: Int, to: Int, at place: Endpoint? = nil, mayRelay: Bool = true
    ) {
        let destination = Destination(ids[to], place ?? self.place(to), opens: true, mayRelay: mayRelay)
        carry(.send(words, to: destination), by: from)
    }

    func carry(_ event: Carrier.Event, by index: Int) {
        var actions: [Carrier.Action] = []
        carriers[index].handle(event, at: now, actions: &actions)
        carryOut(actions, of: index)
    }

    func leave(_ index: Int) {
        var actions: [Carrier.Action] = []
        carriers[index].leave(at: now, actions: &actions)
        carryOut(actions, of: index)
    }

    private func carryOut(_ actions: [Carrier.Action], of index: Int) {
        carriers[index].assertInvariants()
        for action in actions {
            switch action {
            case .transmit(let bytes, let endpoint): transmit(bytes, from: index, to: endpoint)
            case .payload(let payload, _, _): heard[index].append(payload)
            case .lost(let node): lost[index].append(node)
            case .observed, .keyLog: break
            }
        }
    }

    private func transmit(_ bytes: [UInt8], from index: Int, to endpoint: Endpoint) {
        sent[index] += 1
        if bytes.first == 1 { calls[index] += 1 }
        var port: UInt16 = 4_000
        if kinds[index] == .symmetric { port = ports[index][endpoint] ?? UInt16(5_000 + ports[index].count) }
        if kinds[index] != .open { ports[index][endpoint] = port }
        packets.append((now + .milliseconds(10), bytes, place(index, port: port), endpoint))
    }

    private func arrive(_ bytes: [UInt8], from: Endpoint, to: Endpoint) {
        guard let index = index(of: to) else { return }
        if kinds[index] != .open { guard ports[index][from] == to.port else { return } }
        carry(.datagram(bytes, from: from), by: index)
    }

    func run(for duration: Duration) {
        let end = now + duration
        while true {
            let wake = carriers.map(\.deadline).min()!
            let next = min(wake, packets.first?.at ?? .never)
            guard next <= end else { break }
            now = max(now, next)
            if let packet = packets.first, packet.at <= wake {
                packets.removeFirst()
                arrive(packet.bytes, from: packet.from, to: packet.to)
            } else {
                for index in carriers.indices where carriers[index].deadline <= now {
                    carry(.woke, by: index)
                }
            }
        }
        now = end
    }

    /// Both hold a session with the helper and it with them.
    func join(_ index: Int, to helper: Int = 0) {
        send([0], from: index, to: helper)
        run(for: .seconds(1))
        carry(.hold(ids[helper]), by: index)
        carry(.hold(ids[index]), by: helper)
    }

    func say(_ rendezvous: Rendezvous, from: Int, to: Int) {
        var actions: [Sessions.Action] = []
        try? carriers[from].sessions.send(rendezvous, to: ids[to], at: now, actions: &actions)
        for case .transmit(let bytes, _) in actions { carry(.datagram(bytes, from: place(from)), by: to) }
    }

    func relay(_ index: Int, _ other: Int) -> NodeID? { carriers[index].relay(of: ids[other]) }
    func isOpen(_ index: Int, _ other: Int) -> Bool {
        carriers[index].sessions.endpoint(of: ids[other]) != nil
    }
}
