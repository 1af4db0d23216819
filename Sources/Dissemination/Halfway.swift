public import Chance
public import Identity
public import Wire

public struct Dissemination: Sendable {
    public enum Class: Sendable { case consensus, evidence, transaction }
    public enum Event: Sendable {
        case connected(NodeID), disconnected(NodeID), publish([UInt8], Class), frame(Frame, from: NodeID), accepted(ShortID), refused(ShortID), sendDirect([UInt8], to: NodeID), woke
    }
    public enum Action: Sendable { case send(NodeID, Frame), deliver([UInt8], from: NodeID) }
    var peers: Set<NodeID> = []
    var parts: [Digest: [UInt16: [UInt8]]] = [:]
    public init(chance: Chance, now: Instant) {}
    public var deadline: Instant { .never }
    public var counters: [(name: String, value: UInt64)] { [] }
    func frames(_ o: [UInt8]) -> [Frame] {
        if o.count <= Frame.messageByteCountMax { return [.message(o)] }
        let n = (o.count + 1023) / 1024
        return (0..<n).map { .chunk(Chunk(message: Digest(of: o), index: UInt16($0), count: UInt16(n), octets: Array(o[($0*1024)..<min(o.count, $0*1024+1024)]))) }
    }
    public mutating func handle(_ event: Event, at now: Instant, actions: inout [Action]) {
        switch event {
        case .connected(let n): peers.insert(n)
        case .disconnected(let n): peers.remove(n)
        case .publish(let o, _): for p in peers.sorted() { for f in frames(o) { actions.append(.send(p, f)) } }
        case .sendDirect(let o, let p): for f in frames(o) { actions.append(.send(p, f)) }
        case .frame(.message(let o), let from): actions.append(.deliver(o, from: from))
        case .frame(.chunk(let c), let from):
            parts[c.message, default: [:]][c.index] = c.octets
            if parts[c.message]!.count == Int(c.count) {
                let all = parts.removeValue(forKey: c.message)!
                actions.append(.deliver((0..<c.count).flatMap { all[$0]! }, from: from))
            }
        default: break
        }
    }
}
public struct FramePacker {
    var d: [[UInt8]] = []
    let network: UInt64, sender: NodeID
    public init(network: UInt64, sender: NodeID) { self.network = network; self.sender = sender }
    public mutating func add(_ frame: Frame) { d.append(Datagram(network: network, sender: sender, frames: [frame]).encoded()) }
    public mutating func datagrams() -> [[UInt8]] { d }
}
