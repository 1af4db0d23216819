internal import Bytes
public import Wire

/// Packs frames for one receiver into as few payloads as their order allows.
public struct FramePacker: Sendable {
    private var full: [[UInt8]] = []
    private var open: [UInt8] = []
    private var frameCount = 0

    public init() {}

    public mutating func add(_ frame: Frame) {
        let octets = frame.encoded()
        precondition(octets.count <= Payload.byteCountMax, "every frame fits a payload")
        if open.count + octets.count > Payload.byteCountMax || frameCount == Payload.framesMax { close() }
        open += octets
        frameCount += 1
    }

    /// Takes out everything that was added, ready to send.
    public mutating func payloads() -> [[UInt8]] {
        if frameCount > 0 { close() }
        defer { full = [] }
        return full
    }

    private mutating func close() {
        full.append(open)
        open = []
        frameCount = 0
    }
}
