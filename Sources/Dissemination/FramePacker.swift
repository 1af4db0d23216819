internal import Bytes
public import Identity
public import Wire

/// Packs frames for one receiver into as few datagrams as their order allows.
public struct FramePacker: Sendable {
    private let head: [UInt8]
    private var full: [[UInt8]] = []
    private var open: [UInt8]
    private var frameCount = 0

    /// `network` is the first eight octets of the network's identity.
    public init(network: UInt64, sender: NodeID) {
        head = Datagram(network: network, sender: sender, frames: []).encoded()
        open = head
    }

    public mutating func add(_ frame: Frame) {
        let octets = frame.encoded()
        precondition(head.count + octets.count <= Datagram.byteCountMax, "every frame fits a datagram")
        if open.count + octets.count > Datagram.byteCountMax || frameCount == Datagram.framesMax { close() }
        open += octets
        frameCount += 1
    }

    /// Takes out everything that was added, ready to send.
    public mutating func datagrams() -> [[UInt8]] {
        if frameCount > 0 { close() }
        defer { full = [] }
        return full
    }

    private mutating func close() {
        full.append(open)
        open = head
        frameCount = 0
    }
}
