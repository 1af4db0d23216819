internal import Chance
internal import Identity
internal import Wire

/// The messages that one peer has shown to have, the later the surer: nobody need send or announce them to it.
///
/// A table in which an id has one place, and a later one takes it: it never grows and is never searched. What it forgets costs an
/// announcement.
struct ShownMessages: Sendable {
    static let countMax = 256

    private var ids: [ShortID?] = []

    private static func place(of id: ShortID) -> Int { Int(truncatingIfNeeded: id.low) & (countMax - 1) }

    mutating func insert(_ id: ShortID) {
        if ids.isEmpty { ids = Array(repeating: nil, count: Self.countMax) }
        ids[Self.place(of: id)] = id
    }

    func contains(_ id: ShortID) -> Bool { !ids.isEmpty && ids[Self.place(of: id)] == id }
}

/// Connected peers in the order of their ids: no walk over them depends on a hash, and an event looks for its peer's
/// place once instead of hashing its id for each thing done there.
struct Peers: Sendable {
    /// What waits for one peer.
    struct Peer: Sendable {
        var outbox = Outbox()
        /// To be announced at `haveDue`, which is never while there are none.
        var haves: [ShortID] = []
        var haveDue: Instant = .never
        /// Messages that it sent or announced lately.
        var shown = ShownMessages()
        /// When the host said something to it last.
        var asked: Instant?
        /// When it said something last.
        var heard: Instant = .origin
        var allowance = Allowance()
        /// Announcements that it may leave unfulfilled before one counts.
        var promises = Dissemination.promisesForgiven

        var due: Instant { min(outbox.deadline, haveDue) }

        func wasAsked(after since: Instant, at now: Instant) -> Bool {
            guard let asked else { return false }
            return since <= asked && now - asked < Dissemination.questionPatience
        }
    }

    private(set) var ids: [NodeID] = []
    /// By the places of `ids`.
    var list: [Peer] = []

    var count: Int { ids.count }
    var indices: Range<Int> { ids.indices }
    /// The first moment at which something is due for one of them.
    var due: Instant { list.reduce(.never) { min($0, $1.due) } }

    func place(of id: NodeID) -> Int? {
        let place = bound(of: id)
        return place < ids.count && ids[place] == id ? place : nil
    }

    subscript(id: NodeID) -> Peer? { place(of: id).map { list[$0] } }

    mutating func insert(_ peer: Peer, _ id: NodeID) {
        let place = bound(of: id)
        ids.insert(id, at: place)
        list.insert(peer, at: place)
    }

    mutating func remove(at place: Int) {
        ids.remove(at: place)
        list.remove(at: place)
    }

    /// Where `id` stands, or where it would.
    private func bound(of id: NodeID) -> Int {
        var low = 0
        var high = ids.count
        while low < high {
            let middle = (low + high) / 2
            if ids[middle] < id { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
