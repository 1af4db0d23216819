internal import Chance
internal import Identity
internal import Wire

/// What waits to be sent to one peer, at a pace that the receiver's socket buffer survives.
///
/// The loopback drops what finds the buffer full (Linux gives it 208 KiB by default, and charges each
/// datagram twice its size): 32 datagrams every 5 ms are 74 KiB of it, and 6.5 MB a second.
struct Outbox: Sendable {
    static let burst = 32
    static let tick: Duration = .milliseconds(5)
    /// Two of the largest messages.
    static let byteCountMax = 2 * Message.byteCountMax
    static let messagesMax = 4_096

    private struct Item {
        let octets: [UInt8]
        let digest: Digest
        var next = 0
        /// The peer has it. The same message may wait again behind it.
        var isCancelled = false

        var frameCount: Int {
            octets.count <= Frame.messageByteCountMax
                ? 1 : (octets.count + Chunk.byteCountMax - 1) / Chunk.byteCountMax
        }

        /// The next frame of the message.
        func frame() -> Frame {
            guard octets.count > Frame.messageByteCountMax else { return .message(octets) }
            let start = next * Chunk.byteCountMax
            let end = min(start + Chunk.byteCountMax, octets.count)
            return .chunk(
                Chunk(
                    message: digest, index: UInt16(next), count: UInt16(frameCount),
                    octets: Array(octets[start..<end])))
        }
    }

    enum Outcome { case queued, alreadyQueued, full }

    private var items: [Item] = []
    private var head = 0
    /// Items removed before those that stand here.
    private var removed = 0
    /// What is to be sent, by its place among all items that ever were.
    private var queued: [ShortID: Int] = [:]
    private(set) var byteCount = 0
    private var budget = Outbox.burst
    private var refillAt: Instant = .origin

    var isEmpty: Bool { head == items.count }
    var deadline: Instant { isEmpty ? .never : refillAt }

    mutating func add(_ octets: [UInt8], _ digest: Digest) -> Outcome {
        // Asked for twice before it left once: one copy answers both.
        guard queued[ShortID(digest)] == nil else { return .alreadyQueued }
        guard byteCount + octets.count <= Self.byteCountMax, queued.count < Self.messagesMax else {
            return .full
        }
        queued[ShortID(digest)] = removed + items.count
        byteCount += octets.count
        items.append(Item(octets: octets, digest: digest))
        return .queued
    }

    /// The peer has it: what has not left of it stays here. False if nothing waits.
    mutating func cancel(_ id: ShortID) -> Bool {
        guard !isEmpty, let place = queued.removeValue(forKey: id) else { return false }
        items[place - removed].isCancelled = true
        return true
    }

    /// Takes out what may leave now.
    mutating func flush(at now: Instant) -> [Frame] {
        while !isEmpty, items[head].isCancelled { pop() }
        guard !isEmpty else { return [] }
        if refillAt <= now {
            budget = Self.burst
            refillAt = now + Self.tick
        }
        var frames: [Frame] = []
        while budget > 0, !isEmpty {
            frames.append(items[head].frame())
            budget -= 1
            items[head].next += 1
            if items[head].next == items[head].frameCount { pop() }
            while !isEmpty, items[head].isCancelled { pop() }
        }
        return frames
    }

    private mutating func pop() {
        byteCount -= items[head].octets.count
        if !items[head].isCancelled { queued[ShortID(items[head].digest)] = nil }
        head += 1
        if head == items.count || head >= 64 && head * 2 >= items.count {
            items.removeFirst(head)
            removed += head
            head = 0
        } else {
            items[head - 1] = Item(octets: [], digest: .zero)
        }
    }
}
