internal import Bytes
public import Chance
public import Identity
public import Wire

/// The table of peers, its bounds, and what can be read of it.
extension Sessions {
    subscript(node: NodeID) -> Peer? { slotOfNode[node].map { slots[$0]! } }

    /// The peer that gave this index out, or for whom we did.
    func peer(ofIndex index: UInt32) -> Peer? { slotOfIndex[index].map { slots[$0]! } }

    /// Takes a place; nil if there is none. Half-open strangers give way, the oldest first: strangers never keep
    /// a dial of ours out, nor each other for longer than it takes to confirm a key.
    func insert(_ node: NodeID, _ key: ExchangePublicKey, _ endpoint: Endpoint, isWanted: Bool) -> Peer? {
        precondition(slotOfNode[node] == nil)
        let room = isWanted ? free.count : free.count - settings.slotsKeptForDials
        if room <= 0 || !isWanted && halfOpenCount >= settings.halfOpenMax {
            guard
                let oldest = taken.map({ slots[$0]! }).filter(\.isHalfOpen)
                    .min(by: { ($0.next!.born, $0.slot) < ($1.next!.born, $1.slot) })
            else { return nil }
            drop(.halfOpenEvicted)
            remove(oldest)
        }
        let slot = free.removeLast()
        let peer = Peer(node: node, key: key, slot: slot, endpoint: endpoint, isWanted: isWanted)
        slots[slot] = peer
        peer.place = taken.count
        taken.append(slot)
        slotOfNode[node] = slot
        return peer
    }

    /// Forgets a peer. Its keys are wiped, because nobody else owns them.
    func remove(_ peer: Peer) {
        for index in peer.indices { slotOfIndex[index] = nil }
        if peer.isHalfOpen { halfOpenCount -= 1 }
        slotOfNode[peer.node] = nil
        let last = taken.removeLast()
        if last != peer.slot {
            taken[peer.place] = last
            slots[last]!.place = peer.place
        }
        slots[peer.slot] = nil
        free.append(peer.slot)
    }

    /// To be called after each change of a peer that stays.
    func update(_ peer: Peer) {
        let isHalfOpen = !peer.isOpen && !peer.isWanted
        if isHalfOpen != peer.isHalfOpen { halfOpenCount += isHalfOpen ? 1 : -1 }
        peer.isHalfOpen = isHalfOpen
        peer.due = peer.nextDue(settings: settings)
        nextWake = min(nextWake, peer.due)
    }

    /// A random index that nobody else has, and never zero.
    func drawIndex(for peer: Peer) -> UInt32 {
        while true {
            let index: UInt32 = Packet.integer(secrets.octets(4), at: 0)
            guard index != 0, slotOfIndex[index] == nil else { continue }
            slotOfIndex[index] = peer.slot
            return index
        }
    }

    func forgetDial(_ peer: Peer) {
        if let dial = peer.dial { slotOfIndex[dial.index] = nil }
        peer.dial = nil
    }

    func forgetNext(_ peer: Peer) {
        if let next = peer.next { slotOfIndex[next.localIndex] = nil }
        peer.next = nil
    }

    func forgetCurrent(_ peer: Peer) {
        if let current = peer.current { slotOfIndex[current.localIndex] = nil }
        peer.current = nil
    }

    func forgetPrevious(_ peer: Peer) {
        if let previous = peer.previous { slotOfIndex[previous.localIndex] = nil }
        peer.previous = nil
    }

    /// Whose sessions these are.
    public var node: NodeID { record.node }

    /// Where the session with this node leads now; nil if none is open.
    public func endpoint(of node: NodeID) -> Endpoint? {
        guard let peer = self[node], peer.isOpen else { return nil }
        return peer.endpoint
    }

    /// What a node with a session, or this one itself, says that it is; nothing of anybody else.
    public func roles(of node: NodeID) -> Roles {
        node == record.node ? record.roles : self[node]?.record?.roles ?? []
    }

    /// Where this node was spoken to last, with or without a session yet.
    public func place(of node: NodeID) -> Endpoint? { self[node]?.endpoint }

    /// What the clock of a node's system showed in the last handshake that this one began.
    public func clock(of node: NodeID) -> ClockReading? { self[node]?.clock }

    /// Whether this is how a call begins; what is in it may be anything.
    public static func isCall(_ datagram: [UInt8]) -> Bool {
        datagram.count == Packet.initiationByteCount && Packet.kind(of: datagram) == .initiation
    }

    /// Whether payload was sent so long ago, or longer, and nothing came since.
    public func isSilent(_ node: NodeID, for duration: Duration, at now: Instant) -> Bool {
        guard let since = self[node]?.unansweredSince else { return false }
        return now - since >= duration
    }

    /// Nodes with an open session, ascending.
    public var openNodes: [NodeID] { taken.compactMap { slots[$0]!.isOpen ? slots[$0]!.node : nil }.sorted() }

    /// Every table with its present size and its bound.
    public var gauges: [(name: String, value: Int, limit: Int)] {
        [
            ("sessions", slotOfNode.count, settings.sessionsMax),
            ("halfOpen", halfOpenCount, settings.halfOpenMax),
            ("indices", slotOfIndex.count, settings.sessionsMax * Self.indicesPerPeer),
            ("timestamps", timestamps.count, Timestamps.countMax),
        ]
    }

    /// Every counter of dropped datagrams with its name, in a fixed order.
    public var counters: [(name: String, value: UInt64)] {
        zip(Drop.allCases, drops).map { ("dropped." + $0.rawValue, $1) }
    }

    public subscript(reason: Drop) -> UInt64 { drops[Self.places[reason]!] }

    /// For tests and simulation, after each event.
    public func assertInvariants() {
        for (name, value, limit) in gauges { precondition(value <= limit, name) }
        precondition(free.count + slotOfNode.count == slots.count && taken.count == slotOfNode.count)
        for (place, slot) in taken.enumerated() { precondition(slots[slot]?.place == place) }
        var indexCount = 0
        var halfOpen = 0
        for (slot, peer) in slots.enumerated() {
            guard let peer else { continue }
            precondition(peer.slot == slot && slotOfNode[peer.node] == slot)
            for index in peer.indices { precondition(index != 0 && slotOfIndex[index] == slot) }
            indexCount += peer.indices.count
            halfOpen += peer.isHalfOpen ? 1 : 0
            precondition(peer.isHalfOpen == (!peer.isOpen && !peer.isWanted))
            precondition(nextWake <= peer.due, "a peer would be forgotten")
            precondition(peer.due < .never, "a peer with nothing to do would stay for ever")
            if !peer.isOpen { precondition(peer.current == nil && peer.previous == nil) }
            if peer.isHalfOpen { precondition(peer.next != nil && peer.dial == nil) }
            if let next = peer.next { precondition(!next.isConfirmed) }
            if peer.confirmation != nil { precondition(peer.unconfirmed != nil) }
        }
        precondition(indexCount == slotOfIndex.count && halfOpen == halfOpenCount)
    }
}
