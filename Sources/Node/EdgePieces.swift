import Bytes
import Identity
import Wire

/// Bundles of edge nodes that come in pieces: one of each sender at a time, of a bounded number of senders.
struct EdgePieces {
    /// Of 8 KiB each.
    static let sendersMax = 64
    /// Pieces of the largest bundle.
    static let piecesMax = (Bundle.byteCountMax + 1 + Chunk.byteCountMax - 1) / Chunk.byteCountMax

    private struct Slot {
        let sender: NodeID
        let message: Digest
        var pieces: [[UInt8]?]
    }

    /// The one that began last, last.
    private var slots: [Slot] = []
    private let sendersMax: Int

    init(sendersMax: Int = Self.sendersMax) { self.sendersMax = sendersMax }

    var count: Int { slots.count }

    /// The pieces that are here of what a sender sends, one bit each.
    func held(_ sender: NodeID) -> UInt16? {
        slots.first { $0.sender == sender }.map { slot in
            slot.pieces.indices.reduce(0) { slot.pieces[$1] == nil ? $0 : $0 | 1 << UInt16($1) }
        }
    }

    /// The whole message, if this was its last piece and it is what it said it would be.
    mutating func add(_ chunk: Chunk, from sender: NodeID) -> [UInt8]? {
        guard chunk.count <= Self.piecesMax else { return nil }
        var place = slots.firstIndex { $0.sender == sender }
        if let known = place,
            slots[known].message != chunk.message || slots[known].pieces.count != chunk.count
        {
            slots.remove(at: known)
            place = nil
        }
        if place == nil {
            if slots.count == sendersMax { slots.removeFirst() }
            slots.append(
                Slot(
                    sender: sender, message: chunk.message,
                    pieces: Array(repeating: nil, count: Int(chunk.count))))
        }
        let slot = place ?? slots.count - 1
        slots[slot].pieces[Int(chunk.index)] = chunk.octets
        guard slots[slot].pieces.allSatisfy({ $0 != nil }) else { return nil }
        let whole = slots.remove(at: slot).pieces.flatMap { $0! }
        return Digest(of: whole) == chunk.message ? whole : nil
    }

    mutating func removeAll() { slots.removeAll() }
}
