public import Chance
public import Identity
public import Wire

public struct Dissemination: Sendable {
    public enum Class: Sendable { case consensus, evidence, transaction }
    public enum Event: Sendable {
        case connected(NodeID), disconnected(NodeID), publish([UInt8], Class), frame(Frame, from: NodeID), accepted(ShortID), refused(ShortID), sendDirect([UInt8], to: NodeID), woke
    }
    public enum Action: Sendable { case send(NodeID, Frame), deliver([UInt8], from: NodeID) }
    public init(chance: Chance, now: Instant) {}
    public var deadline: Instant { .never }
    public var counters: [(name: String, value: UInt64)] { [] }
    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {}
}
public struct FramePacker {
    public init(network: UInt64, sender: NodeID) {}
    public mutating func add(_ frame: Frame) {}
    public mutating func datagrams() -> [[UInt8]] { [] }
}
