internal import Chance
internal import Identity
internal import Wire

/// What became of the messages that were delivered: the newest `countMax` of them.
struct SeenCache: Sendable {
    /// Ten minutes of a hundred messages a second; some 4 MiB.
    static let countMax = 65_536

    enum State: Equatable {
        /// Delivered then; the host has not judged it.
        case pending(Instant)
        case accepted(Instant)
        case refused(Instant)
    }

    private var states: [ShortID: State] = [:]
    /// In the order of their first appearance; a full ring forgets the oldest.
    private var ring: [ShortID] = []
    private var next = 0
    private let countMax: Int

    init(countMax: Int = SeenCache.countMax) { self.countMax = countMax }

    var count: Int { states.count }

    subscript(id: ShortID) -> State? { states[id] }

    mutating func set(_ id: ShortID, _ state: State) {
        guard states.updateValue(state, forKey: id) == nil else { return }
        if ring.count < countMax { return ring.append(id) }
        states[ring[next]] = nil
        ring[next] = id
        next = (next + 1) % countMax
    }
}

/// Messages held for a while, in the order in which they came.
struct HeldMessages: Sendable {
    struct Held: Sendable {
        fileprivate(set) var octets: [UInt8]
        let digest: Digest
        let spread: Dissemination.Class
        /// Who sent it first; nil for our own.
        let source: NodeID?
        let since: Instant
        fileprivate var serial: UInt64 = 0

        init(octets: [UInt8], digest: Digest, spread: Dissemination.Class, source: NodeID?, since: Instant) {
            self.octets = octets
            self.digest = digest
            self.spread = spread
            self.source = source
            self.since = since
        }
    }

    private var messages: [ShortID: Held] = [:]
    private var order: [(id: ShortID, serial: UInt64)] = []
    private var head = 0
    private var serial: UInt64 = 0
    private(set) var byteCount = 0
    let byteCountMax: Int
    let countMax: Int
    let age: Duration

    init(byteCountMax: Int, countMax: Int, age: Duration) {
        self.byteCountMax = byteCountMax
        self.countMax = countMax
        self.age = age
    }

    var count: Int { messages.count }
    var isEmpty: Bool { messages.isEmpty }

    subscript(id: ShortID) -> Held? { messages[id] }

    func hasRoom(for octets: [UInt8]) -> Bool {
        count < countMax && byteCount + octets.count <= byteCountMax
    }

    /// Makes room by forgetting the oldest; a message above the whole room is not held.
    mutating func insert(_ held: Held) {
        let id = ShortID(held.digest)
        remove(id)
        guard held.octets.count <= byteCountMax else { return }
        while !hasRoom(for: held.octets) { forgetOldest() }
        serial += 1
        var held = held
        held.serial = serial
        messages[id] = held
        byteCount += held.octets.count
        order.append((id, serial))
        if head >= 64, head > messages.count { compact() }
    }

    @discardableResult
    mutating func remove(_ id: ShortID) -> Held? {
        guard let held = messages.removeValue(forKey: id) else { return nil }
        byteCount -= held.octets.count
        // Its place in the order is now stale; so many stale ones are worth one sweep.
        if order.count - head >= 64, order.count - head > 2 * messages.count { compact() }
        return held
    }

    /// Holds the same octets in another's storage.
    mutating func share(_ octets: [UInt8], of id: ShortID) {
        guard let place = messages.index(forKey: id) else { return }
        precondition(messages.values[place].octets.count == octets.count, "they are the same")
        messages.values[place].octets = octets
    }

    mutating func expire(at now: Instant) {
        while head < order.count {
            if let held = messages[order[head].id], held.serial == order[head].serial {
                guard now - held.since >= age else { return }
                remove(held)
            }
            head += 1
        }
        compact()
    }

    /// The newest first.
    func newest(_ limit: Int, where matches: (Held) -> Bool) -> [ShortID] {
        var ids: [ShortID] = []
        for (id, serial) in order[head...].reversed() {
            guard ids.count < limit else { break }
            if let held = messages[id], held.serial == serial, matches(held) { ids.append(id) }
        }
        return ids
    }

    /// Without touching the order, over which the caller walks.
    private mutating func remove(_ held: Held) {
        messages[ShortID(held.digest)] = nil
        byteCount -= held.octets.count
    }

    private mutating func forgetOldest() {
        while head < order.count {
            let (id, serial) = order[head]
            head += 1
            if let held = messages[id], held.serial == serial { return remove(held) }
        }
        preconditionFailure("every message stands in the order")
    }

    private mutating func compact() {
        order = order[head...].filter { messages[$0.id]?.serial == $0.serial }
        head = 0
    }
}
