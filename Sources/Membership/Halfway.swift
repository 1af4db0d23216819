public import Chance
public import Identity
public import Wire

public struct BootstrapEntry: Sendable { public let node: NodeID; public let host: String; public let port: UInt16; public var endpoint: Endpoint? { nil } }
public struct BootstrapList: Sendable {
    public struct Fault: Sendable { public let line: Int; public let what: String }
    public let entries: [BootstrapEntry]; public let faults: [Fault]
    public init(parsing text: String) { entries = []; faults = [] }
}
public struct Membership: Sendable {
    public enum Event: Sendable {
        case records([NodeRecord], asks: Bool, from: NodeID, Endpoint), heard(from: NodeID, Endpoint), ping(nonce: UInt64, from: NodeID, Endpoint), pong(nonce: UInt64, from: NodeID, Endpoint), goodbye(from: NodeID), woke
    }
    public enum Action: Sendable { case send(Endpoint, Frame), connected(NodeID, Endpoint), disconnected(NodeID), persist([NodeRecord]) }
    public init(record: NodeRecord, bootstrap: [(NodeID, Endpoint)], remembered: [NodeRecord], chance: Chance, now: Instant) {}
    public var deadline: Instant { .never }
    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {}
}
