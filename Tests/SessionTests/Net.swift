import Bytes
import Chance
import Identity
@testable import Session
import Wire

/// Some machines and a network that loses, doubles and reorders, by seed.
final class Net {
    struct Packet {
        let at: Instant
        let octets: [UInt8]
        let source: Endpoint
        let to: Endpoint
    }

    /// What a machine's host has seen of each peer.
    struct Seen {
        var opened: [NodeID] = []
        var received: [[UInt8]] = []
        var closed: [Sessions.Reason] = []
        var failed: [Sessions.Reason] = []
        var refused: [Sessions.SendError] = []
        var moved: [Endpoint] = []
        var observed: [Endpoint] = []
        var renewed: [NodeRecord] = []
        var keyLog: [String] = []
    }

    static let network = Digest(of: Array("a network of tests".utf8))

    var chance: Chance
    var now = Instant.origin
    var lossPercent = 0
    var duplicatesPercent = 0
    var latency: ClosedRange<Duration> = .milliseconds(10)...(.milliseconds(10))
    private(set) var machines: [Sessions] = []
    private(set) var seeds: [SecretSeed] = []
    private(set) var ids: [NodeID] = []
    /// From where a machine's datagrams come, and where it hears.
    var places: [Endpoint] = []
    /// Where it hears too.
    var otherPlaces: [Endpoint: Int] = [:]
    var seen: [Seen] = []
    /// All datagrams that left, lost or not.
    var captured: [Packet] = []
    var keepsCaptured = true
    /// What happens to a datagram on its way.
    var tamper: ([UInt8], _ from: Int) -> [UInt8]? = { octets, _ in octets }
    /// Floods are not checked after each event.
    var checkedEvery = 1
    private var handled = 0
    private var packets: [Packet] = []

    init(chance: Chance, count: Int = 2, network: [Digest]? = nil, settings: Settings = .small) {
        self.chance = chance
        var seeds = (0..<count).map { _ in SecretSeed(octets: self.chance.octets(32).octetBytes) }
        // By id, so that a test may say which is the lower.
        seeds.sort { $0.signingKey.nodeID < $1.signingKey.nodeID }
        for (index, seed) in seeds.enumerated() {
            add(seed, network: network?[index] ?? Self.network, settings: settings)
        }
    }

    func add(_ seed: SecretSeed, network: Digest = Net.network, settings: Settings = .small) {
        seeds.append(seed)
        ids.append(seed.signingKey.nodeID)
        places.append(Endpoint(ipv4: 0xC000_0200 + UInt32(seeds.count) << 8, port: 4_000))
        seen.append(Seen())
        machines.append(machine(seed, network: network, settings: settings))
    }

    private func machine(
        _ seed: SecretSeed, network: Digest, settings: Settings, behind: Duration = .zero,
        stampsAbove: UInt64 = 0
    ) -> Sessions {
        Sessions(
            key: seed.exchangeKey, record: Self.record(seed, network: network), network: network,
            settings: settings, secrets: .simulated(chance.split()),
            wallNanoseconds: wallNanoseconds - UInt64(behind.nanoseconds), stampsAbove: stampsAbove, now: now)
    }

    /// What a right clock shows.
    var wallNanoseconds: UInt64 { 1_700_000_000_000_000_000 + UInt64(now.nanoseconds) }

    /// The machine forgets everything but who it is.
    /// - Parameter behind: By how much its clock is wrong from now on.
    func restart(
        _ index: Int, settings: Settings = .small, behind: Duration = .zero, stampsAbove: UInt64 = 0
    ) {
        machines[index] = machine(
            seeds[index], network: Self.network, settings: settings, behind: behind, stampsAbove: stampsAbove)
    }

    static func record(_ seed: SecretSeed, network: Digest = network, sequence: UInt64 = 1) -> NodeRecord {
        let key = seed.signingKey
        return NodeRecord(
            node: key.nodeID, sequence: sequence, roles: .observer, endpoints: [], region: nil, version: 1
        ).signed(by: key, network: network)
    }

    func open(_ index: Int, to other: Int) { handle(.open(ids[other], places[other]), at: index) }

    func send(_ payload: [UInt8], from index: Int, to other: Int) {
        handle(.send(ids[other], payload), at: index)
    }

    func isOpen(_ index: Int, _ other: Int) -> Bool { machines[index][ids[other]]?.isOpen ?? false }

    /// Returns what the machine did.
    @discardableResult
    func handle(_ event: Sessions.Event, at index: Int) -> [Sessions.Action] {
        var actions: [Sessions.Action] = []
        machines[index].handle(event, at: now, actions: &actions)
        handled += 1
        if handled.isMultiple(of: checkedEvery) { machines[index].assertInvariants() }
        for action in actions {
            switch action {
            case .transmit(let octets, let to): carry(octets, from: index, to: to)
            case .opened(let node, let record, _):
                precondition(record.node == node)
                seen[index].opened.append(node)
            case .received(_, let payload): seen[index].received.append(payload)
            case .moved(_, let place): seen[index].moved.append(place)
            case .renewed(_, let record): seen[index].renewed.append(record)
            case .closed(_, let reason): seen[index].closed.append(reason)
            case .failed(_, let reason): seen[index].failed.append(reason)
            case .refused(_, let error): seen[index].refused.append(error)
            case .observed(let place, _): seen[index].observed.append(place)
            case .rendezvous: break
            case .keyLog(let line): seen[index].keyLog.append(line)
            }
        }
        return actions
    }

    private func carry(_ octets: [UInt8], from index: Int, to: Endpoint) {
        let source = places[index]
        if keepsCaptured { captured.append(Packet(at: now, octets: octets, source: source, to: to)) }
        guard let octets = tamper(octets, index), !chance.happens(lossPercent, in: 100) else { return }
        repeat {
            inject(octets, from: source, to: to, at: now + chance.duration(in: latency))
        } while chance.happens(duplicatesPercent, in: 100)
    }

    func inject(_ octets: [UInt8], from source: Endpoint, to: Endpoint, at: Instant) {
        // The next to arrive stands last.
        var place = packets.count
        while place > 0, packets[place - 1].at <= at { place -= 1 }
        packets.insert(Packet(at: at, octets: octets, source: source, to: to), at: place)
    }

    /// Runs until nothing more happens before `duration` is over, or `isDone`.
    func run(for duration: Duration, until isDone: (Net) -> Bool = { _ in false }) {
        let end = now + duration
        while !isDone(self) {
            let waker = machines.indices.min { machines[$0].deadline < machines[$1].deadline }!
            let deadline = max(machines[waker].deadline, now)
            let arrival = packets.last?.at ?? .never
            guard min(arrival, deadline) <= end else { break }
            now = max(now, min(arrival, deadline))
            guard arrival <= deadline else {
                handle(.woke, at: waker)
                continue
            }
            let packet = packets.removeLast()
            guard let index = places.firstIndex(of: packet.to) ?? otherPlaces[packet.to] else { continue }
            handle(.datagram(packet.octets, from: packet.source), at: index)
        }
        if !isDone(self) { now = end }
    }
}

extension Settings {
    /// A table that is quick to check after each event.
    static var small: Settings {
        var settings = Settings()
        settings.sessionsMax = 64
        return settings
    }
}
