internal import Bytes
internal import Chance
internal import Identity
internal import Rules
internal import Wire

/// Puts messages together from their chunks, each sender's apart: a liar spoils only what it sent itself.
///
/// What came of a message is kept when it is sent anew, so that loss costs rounds and not the message.
struct Reassembly: Sendable {
    /// The largest message with its bookkeeping, and room for small ones beside it.
    static let peerByteCountMax = 9 << 20
    /// Far above what honest peers send at once; bounds what all liars together can make us hold.
    static let byteCountMax = 48 << 20
    static let messagesPerPeerMax = 64
    /// Charged for each chunk beside its octets, so that tiny last chunks are not free.
    static let chunkOverhead = 64
    /// After the last new chunk: some rounds of repair, then the memory is better used.
    static let patience: Duration = .seconds(10)

    enum Outcome: Equatable {
        case stored
        case complete([UInt8])
        case duplicate
        case malformed
        case full
        case wrongDigest
    }

    private struct Assembly {
        let digest: Digest
        let count: UInt16
        /// Grows with what arrives, never with what is claimed.
        var pieces: [UInt16: [UInt8]] = [:]
        var byteCount = 0
        var progress: Instant
        /// Higher is newer: unique, so that the stalest never depends on a hash.
        var serial: UInt64
    }

    private struct Sender {
        var messages: [ShortID: Assembly] = [:]
        var byteCount = 0

        func stalest(except id: ShortID?) -> ShortID? {
            messages.filter { $0.key != id }.min { $0.value.serial < $1.value.serial }?.key
        }
    }

    private var senders: [NodeID: Sender] = [:]
    private(set) var byteCount = 0
    private var serial: UInt64 = 0

    var isEmpty: Bool { byteCount == 0 }
    var messageCount: Int { senders.values.reduce(0) { $0 + $1.messages.count } }

    mutating func take(_ chunk: Chunk, from peer: NodeID, at now: Instant) -> Outcome {
        // What fits one frame is never cut.
        guard chunk.count >= 2 else { return .malformed }
        let id = ShortID(chunk.message)
        serial += 1
        if let assembly = senders[peer]?.messages[id] {
            guard assembly.digest == chunk.message, assembly.count == chunk.count else { return .malformed }
            guard assembly.pieces[chunk.index] == nil else { return .duplicate }
        }
        let cost = chunk.octets.count + Self.chunkOverhead
        guard makeRoom(cost, for: id, from: peer) else { return .full }
        var assembly =
            senders[peer]?.messages[id]
            ?? Assembly(digest: chunk.message, count: chunk.count, progress: now, serial: serial)
        // Out of the table while it changes: a second owner would make a copy.
        senders[peer]?.messages[id] = nil
        assembly.pieces[chunk.index] = chunk.octets
        assembly.byteCount += cost
        assembly.progress = now
        assembly.serial = serial
        senders[peer, default: Sender()].messages[id] = assembly
        senders[peer]!.byteCount += cost
        byteCount += cost
        guard assembly.pieces.count == Int(assembly.count) else { return .stored }
        var octets: [UInt8] = []
        octets.reserveCapacity(assembly.pieces.count * Chunk.byteCountMax)
        for index in 0..<assembly.count { octets += assembly.pieces[index]! }
        remove(id, of: peer)
        guard isRemoved(.chunkDigests) || Digest(of: octets) == chunk.message else { return .wrongDigest }
        return .complete(octets)
    }

    /// When something new of the message arrived last from this peer.
    func progress(of id: ShortID, from peer: NodeID) -> Instant? {
        senders[peer]?.messages[id]?.progress
    }

    /// The first octet of the message, which tells its kind, if it is there.
    func firstOctet(of id: ShortID, from peer: NodeID) -> UInt8? {
        senders[peer]?.messages[id]?.pieces[0]?.first
    }

    /// Forgets a message that is no longer needed, whoever sends it.
    mutating func remove(_ id: ShortID) {
        // Each step touches one sender only: their order changes nothing.
        for peer in Array(senders.keys) where senders[peer]?.messages[id] != nil { remove(id, of: peer) }
    }

    mutating func remove(peer: NodeID) {
        byteCount -= senders.removeValue(forKey: peer)?.byteCount ?? 0
    }

    /// Forgets what made no progress; returns how many messages that were.
    mutating func expire(at now: Instant) -> Int {
        var count = 0
        for peer in Array(senders.keys) {
            for (id, assembly) in senders[peer]!.messages where now - assembly.progress >= Self.patience {
                remove(id, of: peer)
                count += 1
            }
        }
        return count
    }

    private mutating func remove(_ id: ShortID, of peer: NodeID) {
        guard let assembly = senders[peer]?.messages.removeValue(forKey: id) else { return }
        senders[peer]!.byteCount -= assembly.byteCount
        byteCount -= assembly.byteCount
        if senders[peer]!.messages.isEmpty { senders[peer] = nil }
    }

    /// Within the sender's share its own stalest message gives way; within all, the stalest of the heaviest.
    private mutating func makeRoom(_ cost: Int, for id: ShortID, from peer: NodeID) -> Bool {
        while let sender = senders[peer],
            sender.byteCount + cost > Self.peerByteCountMax
                || sender.messages[id] == nil && sender.messages.count >= Self.messagesPerPeerMax
        {
            guard let stalest = sender.stalest(except: id) else { return false }
            remove(stalest, of: peer)
        }
        while byteCount + cost > Self.byteCountMax {
            guard
                let heaviest = senders.max(by: { ($0.value.byteCount, $0.key) < ($1.value.byteCount, $1.key) }
                )?.key,
                let stalest = senders[heaviest]!.stalest(except: heaviest == peer ? id : nil)
            else { return false }
            remove(stalest, of: heaviest)
        }
        return true
    }
}
