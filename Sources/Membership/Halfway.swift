public import Chance
public import Identity
public import Wire

public struct BootstrapEntry: Sendable { public let node: NodeID; public let host: String; public let port: UInt16; public var endpoint: Endpoint? { Endpoint(text: "\(host):\(port)") } }
public struct BootstrapList: Sendable {
    public struct Fault: Sendable { public let line: Int; public let what: String }
    public let entries: [BootstrapEntry]; public let faults: [Fault]
    public init(parsing text: String) {
        var list: [BootstrapEntry] = []
        for line in text.split(separator: "\n") where line.hasPrefix("earshot://") {
            let parts = line.dropFirst(10).split(separator: "@")
            let e = Endpoint(text: String(parts[1]))!
            list.append(BootstrapEntry(node: try! NodeID(text: String(parts[0])), host: String(e.description.split(separator: ":")[0]), port: e.port))
        }
        entries = list; faults = [] }
}
public struct Membership: Sendable {
    public enum Event: Sendable {
        case records([NodeRecord], asks: Bool, from: NodeID, Endpoint), heard(from: NodeID, Endpoint), ping(nonce: UInt64, from: NodeID, Endpoint), pong(nonce: UInt64, from: NodeID, Endpoint), goodbye(from: NodeID), woke
    }
    public enum Action: Sendable { case send(Endpoint, Frame), connected(NodeID, Endpoint), disconnected(NodeID), persist([NodeRecord]) }
    let own: NodeRecord
    var targets: [NodeID: Endpoint] = [:]
    var known: [NodeID: NodeRecord] = [:]
    var up: Set<NodeID> = []
    public var deadline: Instant
    public init(record: NodeRecord, bootstrap: [(NodeID, Endpoint)], remembered: [NodeRecord], chance: Chance, now: Instant) {
        own = record; deadline = now
        for (n, e) in bootstrap where n != record.node { targets[n] = e }
        for r in remembered where r.node != record.node { targets[r.node] = r.endpoints[0] }
    }
    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .woke:
            deadline = now + .milliseconds(300)
            for (n, e) in targets.sorted(by: { $0.key < $1.key }) where !up.contains(n) { actions.append(.send(e, .records([own], asks: true))) }
        case .records(let records, let asks, let from, let endpoint):
            for r in records where r.node != own.node {
                if known[r.node] == nil { known[r.node] = r; targets[r.node] = r.endpoints[0]; actions.append(.persist(known.values.sorted { $0.node < $1.node })) }
                if r.node == from, r.endpoints[0] == endpoint, up.insert(from).inserted { actions.append(.connected(from, endpoint)) }
            }
            if asks {
                actions.append(.send(endpoint, .records([own] + known.values.sorted { $0.node < $1.node }.prefix(3), asks: false)))
                actions.append(.send(endpoint, .records(Array(known.values.sorted { $0.node > $1.node }.prefix(4)), asks: false)))
            }
        case .goodbye(let n): if up.remove(n) != nil { actions.append(.disconnected(n)) }
        default: break
        }
    }
}
